/** Programs of fibers for `everySchedule`, each beside the model that foresees it. */
import {
  type Awaitable,
  Channel,
  type Event,
  type Operation,
  select,
  when,
  yieldNow,
} from "@weft/weft";
import { Condition, type Guard, Mutex, PoisonedError, RwLock, Semaphore } from "@weft/weft/sync";
import { everySchedule, type Program, type Self } from "../kit/explore.ts";
import { withShare } from "../kit/share.ts";
import {
  Actor,
  type ActorOptions,
  ConditionModel,
  ConditionWait,
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

/** Who runs in a program, and what the model knows of it. */
export class Player extends Actor {
  /** What it holds. */
  hand: Hand | undefined;

  constructor(
    readonly self: Self,
    readonly world: { readonly isOver: boolean },
    options: ActorOptions,
  ) {
    super(self.name, options);
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

  /** Releases what it holds. */
  release(): void {
    const { hand } = this;
    if (hand === undefined) return;
    this.hand = undefined;
    this.leaves(hand.entry);
    hand.guard.release();
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
      const player = new Player({ name, point: () => self.point() }, this, { share });
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

/** A channel, of which it matters how many items there are. */
export class Items implements Thing {
  sent = 0;
  readonly line = new Line((inside) => inside.length < this.sent);
  readonly real = new Channel<number>();

  send(): void {
    this.sent++;
    this.line.admit();
    this.real.trySend(this.sent);
  }

  compare(): void {
    const { size, receiversWaiting } = this.real.statistics();
    same(size, this.sent - this.line.inside.length, "size");
    same(receiversWaiting, this.line.waiting.length, "receiversWaiting");
  }

  isIdle(): void {
    same(this.real.statistics().receiversWaiting, 0, "receiversWaiting");
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
  const outer = me.hand;
  let hand: Hand | undefined;
  let missed: State = "cancelled";
  try {
    const guard = yield* operation;
    me.sees(entry, "granted");
    hand = me.hand = { guard, entry };
    yield* inside(hand);
  } catch (error) {
    if (!(error instanceof PoisonedError)) throw error;
    missed = "failed";
  } finally {
    if (hand === undefined) me.sees(entry, missed);
    else {
      me.release();
      me.hand = outer;
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

/** Holds so much of `lock` for a turn. */
export const holding = (lock: Lock, size: number): Body => (me) =>
  hold(me, lock.entry(size), lock.acquire(size), yieldNow);

/** Holds one of several locks for a turn, whichever it gets. */
export const oneOf = (...arms: [lock: Lock, size: number][]): Body => (me) => {
  const entry = new Entry(arms.map(([{ line }, size]) => ({ line, size })));
  const event = arms.map(([lock, size]) => when(lock.event(size), (guard) => guard));
  return hold(me, entry, select(event), yieldNow);
};

// Condition --------------------------------------------------------------------------------------

/** A condition and its mutex, and who waits there. */
export class WaitingRoom implements Thing {
  readonly lock = new MutexLock();
  readonly model = new ConditionModel();
  readonly real = new Condition(this.lock.real);

  compare(): void {
    same(this.real.statistics().waiting, this.model.waiting.length, "waiting on the condition");
  }

  isIdle(): void {
    same(this.real.statistics().waiting, 0, "waiting on the condition");
  }

  /** Waits, and looks whether it has the lock again. */
  waits: Body = (me) => {
    const { lock, model, real } = this;
    return hold(me, lock.entry(1), lock.acquire(), function* (hand) {
      const wait = me.wants(new ConditionWait(model, me, hand.entry));
      let outcome: State = "cancelled";
      try {
        yield* real.wait(hand.guard);
        outcome = "granted";
      } catch (error) {
        if (error instanceof PoisonedError) outcome = "granted"; // it was notified
        throw error;
      } finally {
        const { relock } = wait;
        // Only another scheduler can end it without the lock.
        const isIn = relock === undefined || !me.isTask || relock.state === "granted";
        if (relock !== undefined) me.sees(relock, isIn ? "granted" : "cancelled");
        if (relock !== undefined && isIn) hand.entry = relock;
        if (isIn && !me.world.isOver) same(outcome, wait.outcome, `the wait of ${me.name}`);
      }
      yield* yieldNow();
    });
  };

  locksAndNotifies = (how: "notifyOne" | "notifyAll", times = 1): Body => (me) =>
    hold(me, this.lock.entry(1), this.lock.acquire(), () => this.notifies(how, times)(me));

  notifies = (how: "notifyOne" | "notifyAll", times = 1): Body =>
    function* (this: WaitingRoom, me: Player): Operation<void> {
      for (; times > 0; times--) {
        this.model[how]();
        this.real[how]();
        me.point();
      }
    }.bind(this);
}
