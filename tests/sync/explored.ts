/** Programs of fibers for `everySchedule`, each beside the model that foresees it. */
import type { Awaitable, Event, Operation } from "@weft/weft";
import { type Guard, Mutex, PoisonedError, RwLock, Semaphore } from "@weft/weft/sync";
import { everySchedule, type Program, type Self } from "../kit/explore.ts";
import { withShare } from "../kit/share.ts";
import {
  Actor,
  Entry,
  Line,
  type ModelWait,
  mutexLine,
  READ,
  rwLine,
  same,
  semaphoreLine,
  type State,
  WRITE,
} from "./model.ts";

/** A fiber of a program, and what the model knows of it. */
export class Player extends Actor {
  constructor(readonly self: Self, readonly world: World, share: number) {
    super(self.name, share);
  }

  point(): void {
    this.self.point();
  }

  /** The real wait has ended: as the model says? */
  sees(wait: ModelWait, state: State): void {
    if (this.world.isOver) return;
    same(state, wait.state, `how the wait of ${this.name} ends`);
    this.wait = undefined;
  }

  /** It is going to release what it holds. */
  leaves(entry: Entry): void {
    if (!this.world.isOver) entry.leave();
  }
}

/** What a program has in common: the things that it is about. */
export interface Thing {
  /** Throws unless the real one looks as the model says. */
  compare(): void;
  /** Throws unless the real one looks as if it were new. */
  isIdle(): void;
}

export type Body = (me: Player) => Operation<unknown>;

/** One run. */
export class World implements Program {
  readonly fibers: Record<string, (self: Self) => Operation<unknown>> = {};
  readonly #players = new Map<string, Player>();
  /** What is left is being cleared away. */
  isOver = false;

  constructor(
    readonly things: readonly Thing[],
    bodies: readonly Body[],
    share: number,
    readonly seen: Set<string>,
  ) {
    for (const [n, body] of bodies.entries()) {
      const name = "abc"[n]!;
      const player = new Player({ name, point: () => self.point() }, this, share);
      let self: Self;
      this.#players.set(name, player);
      this.fibers[name] = (given) => {
        self = given;
        return body(player);
      };
    }
  }

  willStep(name: string): void {
    this.#players.get(name)!.willStep();
  }

  willAbort(name: string): void {
    const player = this.#players.get(name)!;
    this.seen.add(whenAborted(player));
    player.willAbort();
  }

  look(live: readonly string[], isReady: (name: string) => boolean): void {
    for (const name of live) {
      const { isWaiting } = this.#players.get(name)!;
      if (isReady(name) === isWaiting) {
        throw new Error(isWaiting ? `${name} may go on, and should wait` : `${name} isn't woken`);
      }
    }
    for (const thing of this.things) thing.compare();
  }

  stuck(): void { // as the model says, or `look` would have thrown
    this.isOver = true;
  }

  ended(): void {
    for (const thing of this.things) thing.isIdle();
  }
}

/** When an abort comes. */
function whenAborted({ hasStarted, wait }: Actor): string {
  if (!hasStarted) return "before it starts";
  if (wait === undefined) return "while it runs";
  return { cold: "while it gives way", waiting: "while it waits" }[wait.state as string] ??
    "between the grant and the next step";
}

/** What `explore` has seen. */
export interface Explored {
  readonly schedules: number;
  /** When aborts came. */
  readonly seen: ReadonlySet<string>;
}

/** For the night: how many aborts more there are in a schedule. */
const more = Deno.env.get("MORE_ABORTS");

/** Runs under every schedule what `make` makes; `MORE_ABORTS=1` in the environment allows one more. */
export function explore(
  make: () => { things: readonly Thing[]; bodies: readonly Body[] },
  { aborts = 1, share = 1 }: { aborts?: number; share?: number } = {},
): Explored {
  const seen = new Set<string>();
  const one = () => {
    const { things, bodies } = make();
    return new World(things, bodies, share, seen);
  };
  const options = { aborts: aborts + Number(more ?? 0) };
  const schedules = withShare(share, () => everySchedule(one, options));
  if (more !== undefined) console.log(`${schedules} schedules`);
  return { schedules, seen };
}

// Locks ------------------------------------------------------------------------------------------

/** Something that is held by those who are let in. */
export abstract class Lock implements Thing {
  constructor(readonly line: Line) {}
  abstract acquire(size: number): Awaitable<Guard>;
  abstract event(size: number): Event<Guard>;
  abstract tryAcquire(size: number): Guard | undefined;
  abstract during<T>(size: number, body: () => Operation<T>): Awaitable<T>;
  abstract look(line: Line): void;

  compare(): void {
    this.look(this.line);
  }

  isIdle(): void {
    this.look(new Line(this.line.hasRoom));
  }

  entry(size: number): Entry {
    return new Entry([{ line: this.line, size }]);
  }
}

export class MutexLock extends Lock {
  constructor(readonly real = new Mutex()) {
    super(mutexLine());
  }
  acquire = () => this.real.lock();
  event = () => this.real.lockEvent();
  tryAcquire = () => this.real.tryLock();
  during = <T>(_: number, body: () => Operation<T>) => this.real.withLock(body);

  look({ inside, waiting }: Line): void {
    const statistics = this.real.statistics();
    same(statistics.isLocked, inside.length > 0, "isLocked");
    same(statistics.waiting, waiting.length, "waiting");
  }
}

export class SemaphoreLock extends Lock {
  readonly real: Semaphore;
  constructor(readonly permits: number) {
    super(semaphoreLine(permits));
    this.real = new Semaphore(permits);
  }
  acquire = (n: number) => this.real.acquire(n);
  event = (n: number) => this.real.acquireEvent(n);
  tryAcquire = (n: number) => this.real.tryAcquire(n);
  during = <T>(n: number, body: () => Operation<T>) => this.real.withPermit(body, n);

  look({ taken, waiting }: Line): void {
    const statistics = this.real.statistics();
    same(statistics.available, this.permits - taken, "available");
    same(statistics.waiting, waiting.length, "waiting");
  }
}

export class ReadWriteLock extends Lock {
  readonly real = new RwLock();
  constructor() {
    super(rwLine());
  }
  acquire = (size: number) => size === READ ? this.real.read() : this.real.write();
  event = (size: number) => size === READ ? this.real.readEvent() : this.real.writeEvent();
  tryAcquire = (size: number) => size === READ ? this.real.tryRead() : this.real.tryWrite();
  during = <T>(size: number, body: () => Operation<T>) =>
    size === READ ? this.real.withRead(body) : this.real.withWrite(body);

  look({ inside, waiting }: Line): void {
    const statistics = this.real.statistics();
    same(statistics.readers, inside.filter(({ size }) => size === READ).length, "readers");
    same(statistics.isWriting, inside.some(({ size }) => size === WRITE), "isWriting");
    same(statistics.waiting, waiting.length, "waiting");
  }
}

// Bodies -----------------------------------------------------------------------------------------

/** What somebody holds: another one after a wait on a condition. */
export interface Hand {
  readonly guard: Guard;
  entry: Entry;
}

/** Waits for `operation`, does what is done `inside`, and releases what it holds. */
export function* hold(
  me: Player,
  entry: Entry,
  operation: Operation<Guard>,
  inside: (hand: Hand) => Operation<unknown>,
): Operation<void> {
  me.wants(entry);
  let hand: Hand | undefined;
  let missed: State = "cancelled";
  try {
    const guard = yield* operation;
    me.sees(entry, "granted");
    hand = { guard, entry };
    yield* inside(hand);
  } catch (error) {
    if (!(error instanceof PoisonedError)) throw error;
    missed = "failed";
  } finally {
    if (hand === undefined) me.sees(entry, missed);
    else {
      me.leaves(hand.entry);
      hand.guard.release();
    }
  }
}

/** The same by `withLock` and its like, which take one operation more. */
export function* holdDuring(
  me: Player,
  lock: Lock,
  size: number,
  inside: () => Operation<unknown>,
): Operation<void> {
  const entry = me.wants(lock.entry(size), 2);
  let isIn = false;
  try {
    yield* lock.during(size, function* () {
      isIn = true;
      me.sees(entry, "granted");
      try {
        yield* inside();
      } finally {
        me.leaves(entry);
      }
    });
  } finally {
    if (!isIn) me.sees(entry, "cancelled");
  }
}
