/**
 * Contenders for one lock and one channel, in every world: fibers of Weft's, tasks of Effection's,
 * fibers of Effect's, and async functions. They do the same things, written once where a generator
 * does them, and each cancels some of its attempts in the way of its own world.
 *
 * An item is a number, which is drawn under the lock. Who sends says so before and after; who receives
 * says so at once. In memory that threads may share there is what is checked: nobody else is inside
 * while one holds the lock; each item that was sent was received, and none twice.
 */
import * as Effection from "npm:effection@4.1.1";
import { Effect, Exit, Fiber } from "npm:effect@4.1.0";
import {
  afterEvent,
  all,
  type Awaitable,
  type Event,
  FiberAborted,
  main,
  type Operation,
  type Option,
  select,
  spawn,
  yieldNow,
} from "@weft/weft";
import { asyncContextThreads } from "@weft/weft/thread";
import { runPromise, unwinding, withGuard } from "../../../examples/foreign/effect.ts";
import { run } from "../../../examples/foreign/effection.ts";
import { Random } from "../../../lib/internal/random.ts";

/** A mutex of any kind. */
export interface Lock {
  lock(): Awaitable<Disposable>;
  lockEvent(): Event<Disposable>;
  tryLock(): Disposable | undefined;
}

/** A channel of any kind. */
export interface Items {
  send(item: number): Awaitable<void>;
  sendEvent(item: number): Event<void>;
  receive(): Awaitable<Option<number>>;
  receiveOptionEvent(): Event<Option<number>>;
  close(): void;
}

const [INSIDE, ENTRIES, TOTAL, NEXT, PRODUCERS] = [0, 1, 2, 3, 4];
const FIRST_ITEM = 5;
const [OFFERED, SENT, RECEIVED] = [1, 2, 4];

/** What all contend for. */
export class Ground {
  readonly #words: Int32Array;

  /** `memory` is what `memoryFor` has made. */
  constructor(readonly lock: Lock, readonly items: Items, readonly memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  /** For so many who send so many items each, and for those whose sending is cancelled. */
  static memoryFor(producers: number, count: number): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(4 * (FIRST_ITEM + 10 * producers * (count + 10)));
    new Int32Array(memory)[PRODUCERS] = producers;
    return memory;
  }

  /** To be called by who holds the lock, and what it returns when it lets go of it. */
  enter(): () => void {
    const words = this.#words;
    if (Atomics.compareExchange(words, INSIDE, 0, 1) !== 0) throw new Error("two hold the lock");
    Atomics.add(words, ENTRIES, 1);
    const total = words[TOTAL]!;
    return () => {
      words[TOTAL] = total + 1; // not in one step: others would get lost
      Atomics.store(words, INSIDE, 0);
    };
  }

  /** A new item, for who is inside. */
  draw(): number {
    const item = this.#words[NEXT]!++;
    if (FIRST_ITEM + item >= this.#words.length) {
      throw new Error("too many attempts were cancelled");
    }
    this.#mark(item, OFFERED);
    return item;
  }

  sent(item: number): void {
    this.#mark(item, SENT);
  }

  received(item: number): void {
    this.#mark(item, RECEIVED);
  }

  /** The last one closes the channel. */
  producerEnds(): void {
    if (Atomics.sub(this.#words, PRODUCERS, 1) === 1) this.items.close();
  }

  #mark(item: number, mark: number): void {
    const before = Atomics.or(this.#words, FIRST_ITEM + item, mark);
    if ((before & mark) !== 0) throw new Error(`item ${item} is doubled (${mark})`);
    if (mark === RECEIVED && (before & OFFERED) === 0) throw new Error(`nobody sent item ${item}`);
  }

  /** What is wrong, at the end. */
  complaints(): string[] {
    const words = this.#words;
    const lost = Array.from(words.subarray(FIRST_ITEM))
      .flatMap((marks, item) => (marks & (SENT | RECEIVED)) === SENT ? [item] : []);
    return [
      ...lost.map((item) => `item ${item} is lost`),
      ...words[INSIDE] === 0 ? [] : ["somebody is inside"],
      ...words[TOTAL] === words[ENTRIES] ? [] : ["what one has added under the lock is lost"],
    ];
  }

  /** How often the lock was held, and how many items were drawn. */
  get figures(): { entries: number; drawn: number } {
    return { entries: this.#words[ENTRIES]!, drawn: this.#words[NEXT]! };
  }
}

/** What a generator does that waits for nothing but Weft: it runs in each world. */
type Body<T> = () => Generator<never, T, unknown>;

/** Waits for the lock in one of the ways there are; `undefined` if it took too long. */
function* acquire(
  { lock }: Ground,
  random: Random,
): Generator<never, Disposable | undefined, unknown> {
  switch (random.below(4)) {
    case 0:
      return yield* lock.lockEvent();
    case 1:
      return (yield* select({ guard: lock.lockEvent(), late: afterEvent(random.below(2)) }))
        .value ||
        undefined;
    case 2:
      return lock.tryLock() ?? (yield* lock.lock());
    default:
      return yield* lock.lock();
  }
}

/** Does what `f` does under the lock, and dawdles there at times; `undefined` if it took too long. */
function* inside<T>(
  ground: Ground,
  random: Random,
  f: () => T,
): Generator<never, T | undefined, unknown> {
  using guard = yield* acquire(ground, random);
  if (guard === undefined) return undefined;
  const leave = ground.enter();
  try {
    for (let turns = random.below(3); turns > 0; turns--) yield* yieldNow();
    return f();
  } finally {
    leave();
  }
}

/** Sends one item, if it does not take too long: whether it was sent. */
function* produce(ground: Ground, random: Random): Generator<never, boolean, unknown> {
  const item = yield* inside(ground, random, () => ground.draw());
  if (item === undefined) return false;
  const { items } = ground;
  if (random.below(2) === 0) yield* items.send(item);
  else {
    const { kind } = yield* select({ sent: items.sendEvent(item), late: afterEvent(1) });
    if (kind === "late") return false;
  }
  ground.sent(item);
  return true;
}

/** Receives one item, if it does not take too long: false when there are no more. */
function* consume(ground: Ground, random: Random): Generator<never, boolean, unknown> {
  const { items } = ground;
  const receive = items.receiveOptionEvent();
  const next = random.below(2) === 0
    ? { kind: "item", value: yield* items.receive() } as const
    : yield* select({ item: receive, late: afterEvent(1) });
  if (next.kind === "late") return true;
  if (next.value === undefined) return false;
  ground.received(next.value.value);
  yield* inside(ground, random, () => {});
  return true;
}

/** After how many turns an attempt is to be cancelled; `undefined`: never. */
function patience(random: Random): number | undefined {
  return random.below(3) === 0 ? random.below(6) : undefined;
}

/** Sends `count` items, and receives until all senders are done and nothing is left. */
export interface Contender {
  readonly ground: Ground;
  readonly seed: number;
  readonly count: number;
}

/** In fibers of Weft's. */
export function* asFibers({ ground, seed, count }: Contender): Operation<void> {
  function* attempt<T>(body: Body<T>, turns: number | undefined): Operation<T | undefined> {
    const fiber = spawn(body);
    if (turns !== undefined) {
      for (; turns > 0; turns--) yield* yieldNow();
      yield* fiber.abort("impatience");
    }
    const result = yield* fiber.join();
    if (result.ok) return result.value;
    if (result.error instanceof FiberAborted) return undefined;
    throw result.error;
  }
  function* send(random: Random): Operation<void> {
    for (let sent = 0; sent < count;) {
      if (yield* attempt(() => produce(ground, random), patience(random))) sent++;
    }
    ground.producerEnds();
  }
  function* receive(random: Random): Operation<void> {
    while ((yield* attempt(() => consume(ground, random), patience(random))) !== false);
  }
  yield* all([() => send(new Random(seed)), () => receive(new Random(seed + 1))]);
}

/** In tasks of Effection's. */
export function* asTasks({ ground, seed, count }: Contender): Effection.Operation<void> {
  function* attempt<T>(
    body: Body<T>,
    turns: number | undefined,
  ): Effection.Operation<T | undefined> {
    let result: T | undefined;
    const task = yield* Effection.spawn(function* () {
      result = yield* body();
    });
    if (turns === undefined) yield* task;
    else {
      for (; turns > 0; turns--) yield* yieldNow();
      yield* task.halt();
    }
    return result;
  }
  function* send(random: Random): Effection.Operation<void> {
    for (let sent = 0; sent < count;) {
      if (yield* attempt(() => produce(ground, random), patience(random))) sent++;
    }
    ground.producerEnds();
  }
  function* receive(random: Random): Effection.Operation<void> {
    while ((yield* attempt(() => consume(ground, random), patience(random))) !== false);
  }
  yield* Effection.all([send(new Random(seed)), receive(new Random(seed + 1))]);
}

/** In fibers of Effect's. */
export function asEffects({ ground, seed, count }: Contender): Effect.Effect<void> {
  const attempt = <T>(body: Body<T>, turns: number | undefined) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(unwinding(body));
      if (turns !== undefined) {
        for (; turns > 0; turns--) yield* yieldNow();
        yield* Fiber.interrupt(fiber);
      }
      const exit = yield* Fiber.await(fiber);
      return Exit.hasInterrupts(exit) ? undefined : yield* exit;
    });
  const send = Effect.fnUntraced(function* (random: Random) {
    for (let sent = 0; sent < count;) {
      if (yield* attempt(() => produce(ground, random), patience(random))) sent++;
    }
    ground.producerEnds();
  });
  const receive = Effect.fnUntraced(function* (random: Random) {
    while ((yield* attempt(() => consume(ground, random), patience(random))) !== false);
  });
  /** Holds the lock while effects of its own run, and is interrupted, too. */
  const hold = Effect.fnUntraced(function* (random: Random) {
    for (let held = 0; held < count; held++) {
      const holding = withGuard(
        () => ground.lock.lock(),
        () => Effect.suspend(() => Effect.ensuring(Effect.yieldNow, Effect.sync(ground.enter()))),
      );
      const fiber = yield* Effect.forkChild(holding);
      for (let turns = random.below(8); turns > 0; turns--) yield* Effect.yieldNow;
      yield* Fiber.interrupt(fiber);
    }
  });
  const [a, b, c] = [0, 1, 2].map((n) => new Random(seed + n));
  return Effect.all([send(a!), receive(b!), hold(c!)], {
    concurrency: "unbounded",
    discard: true,
  });
}

/** In async functions: nothing cancels those, but a select that they lose. */
export async function asFunctions({ ground, seed, count }: Contender): Promise<void> {
  const { lock, items } = ground;
  async function inside<T>(random: Random, f: () => T): Promise<T | undefined> {
    using guard = random.below(2) === 0
      ? await lock.lock()
      : (await select({ guard: lock.lockEvent(), late: afterEvent(random.below(2)) })).value ||
        undefined;
    if (guard === undefined) return undefined;
    const leave = ground.enter();
    try {
      for (let turns = random.below(3); turns > 0; turns--) await undefined;
      return f();
    } finally {
      leave();
    }
  }
  async function send(random: Random): Promise<void> {
    for (let sent = 0; sent < count;) {
      const item = await inside(random, () => ground.draw());
      if (item === undefined) continue;
      const { kind } = await select({ sent: items.sendEvent(item), late: afterEvent(1) });
      if (kind === "late") continue;
      ground.sent(item);
      sent++;
    }
    ground.producerEnds();
  }
  async function receive(random: Random): Promise<void> {
    for (let next; (next = await items.receive()) !== undefined;) {
      ground.received(next.value);
      await inside(random, () => {});
    }
  }
  await Promise.all([send(new Random(seed)), receive(new Random(seed + 1))]);
}

/**
 * Lets one of each world contend; the libraries run in async contexts of their own, which
 * `perThread` has to have made threads before.
 */
export async function contend(ground: Ground, seed: number, count: number): Promise<void> {
  const contender = (n: number) => ({ ground, count, seed: seed + 10 * n });
  await Promise.all([
    asyncContextThreads.run(() => run(() => asTasks(contender(1)))),
    asyncContextThreads.run(() => runPromise(asEffects(contender(2)))),
    main(() => asFibers(contender(3))),
    asFunctions(contender(4)),
  ]);
}

/** How many contenders of `contend` send. */
export const SENDERS = 4;

/** Runs `body` with `SEED`, or a seed of its own, which is told if it fails or comes to no end. */
export async function withSeed(body: (seed: number) => Promise<void>): Promise<void> {
  const seed = Number(Deno.env.get("SEED") ?? Math.floor(Math.random() * 2 ** 31));
  const { promise: tooLong, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error("it comes to no end")), 120_000);
  try {
    await Promise.race([body(seed), tooLong]);
  } catch (error) {
    throw new Error(`it went wrong with SEED=${seed}`, { cause: error });
  } finally {
    clearTimeout(timer);
  }
}
