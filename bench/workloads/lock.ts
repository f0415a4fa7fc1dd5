/**
 * A mutex that is free, in a fiber and under plain `await`; one that two fibers hand to and fro; and
 * what is left of those who wanted it and were cancelled.
 */
import { Channel, type Fiber, main, select, spawn, when, yieldNow } from "../../mod.ts";
import { Latch, Mutex } from "../../lib/sync/mod.ts";
import { heap } from "../gauges.ts";
import { mixed } from "../mix.ts";
import { expectTotal, libraries, sumBelow, type Workload } from "../workload.ts";

/**
 * Effect's is a semaphore of one permit, held for the length of an effect. Its first runs take four
 * times as long as the later ones, so they can't tell how large a run should be.
 */
export const lock: Workload = mixed({
  name: "lock",
  unit: "lock and unlock",
  size: { full: 500_000, smoke: 100 },
  iteration: 1000,
  targets: { effect: libraries.effect, operations: null },
  run: { weft: (n) => main(() => lockAndUnlock(n)), operations: (n) => main(() => operations(n)) },
});

export const lockAwait: Workload = mixed({
  name: "lock/await",
  unit: "lock and unlock",
  size: { full: 200_000, smoke: 100 },
  iteration: 1000,
  targets: { "async-mutex": 0.5 },
  run: { weft: lockAndUnlockByAwait },
});

/** Against an item that two fibers pass in a rendezvous. */
export const lockHandOver: Workload = mixed({
  name: "lock/hand-over",
  unit: "hand-over",
  iteration: 1000,
  targets: { rendezvous: 1.3 },
  run: { weft: (n) => main(() => toAndFro(n)), rendezvous: (n) => main(() => passItems(n)) },
}, ["weft", "rendezvous"]);

export const lockCancelled: Workload = {
  name: "lock/cancelled",
  unit: "cancelled lock",
  measure: "bytes",
  size: { full: 1_000_000, smoke: 1000 },
  flags: ["--v8-flags=--expose-gc"],
  limit: 1,
  targets: {},
  run: { weft: (n) => main(() => cancelled(n)) },
};

function* lockAndUnlock(n: number) {
  const mutex = new Mutex();
  let total = 0;
  for (let i = 0; i < n; i++) {
    const guard = yield* mutex.lock();
    total += i;
    guard.release();
  }
  expectTotal(total, sumBelow(n));
  expectTotal(mutex.statistics().waiting, 0);
}

async function lockAndUnlockByAwait(n: number): Promise<void> {
  const mutex = new Mutex();
  let total = 0;
  for (let i = 0; i < n; i++) {
    const guard = await mutex.lock();
    total += i;
    guard.release();
  }
  expectTotal(total, sumBelow(n));
}

/**
 * The floor: an operation as large as ours, which now and then is to be seen by somebody else, as one
 * that waits or gives way is, so that the engine can't leave it out; and a guard. But no lock, no
 * owner, and no abort to look for.
 */
function* operations(n: number) {
  let total = 0;
  for (let i = 0; i < n; i++) {
    const held = yield* new Take();
    total += i;
    held.release();
  }
  expectTotal(total, sumBelow(n));
  expectTotal(taken + (pending?.state ?? 1), 1);
}

let taken = 0;
let left = 0;
let pending: Take | undefined;

class Take {
  state = 0;
  value: Held | undefined = undefined;
  waiter = null;
  rule = null;
  after = null;
  before = null;

  [Symbol.iterator](): Iterator<never, Held> {
    return this as unknown as Iterator<never, Held>;
  }

  get done(): boolean {
    return this.state === 1;
  }

  next(): Take {
    if (--left < 0) return this.rest();
    return this.take();
  }

  rest(): Take {
    left = 1000;
    pending = this;
    return this.take();
  }

  take(): Take {
    taken++;
    this.state = 1;
    this.value = new Held(1);
    return this;
  }
}

class Held {
  constructor(public held: number) {}

  release(): void {
    taken -= this.held;
    this.held = 0;
  }
}

/** Each wants the lock again while the other one has it, so each release hands it over. */
function* toAndFro(n: number) {
  const mutex = new Mutex();
  const turns = { last: 0, taken: 0 };
  const half = Math.ceil(n / 2);
  const other = spawn(() => holdInTurns(1, half, mutex, turns));
  yield* holdInTurns(2, half, mutex, turns);
  yield* other;
  expectTotal(turns.taken, 2 * half);
}

/** `turns` tells who had the last one, and counts those that were taken after the other's. */
function* holdInTurns(
  me: number,
  times: number,
  mutex: Mutex,
  turns: { last: number; taken: number },
) {
  let guard = yield* mutex.lock();
  yield* yieldNow(); // the other one gets in line
  for (let i = 0; i < times; i++) {
    if (turns.last !== me) turns.taken++;
    turns.last = me;
    guard.release();
    guard = yield* mutex.lock();
  }
  guard.release();
}

function* passItems(n: number) {
  const channel = new Channel<number>({ capacity: 0 });
  spawn(() => sendBelow(n, channel));
  let total = 0;
  for (let i = 0; i < n; i++) total += yield* channel.receiveOrThrow();
  expectTotal(total, sumBelow(n));
}

function* sendBelow(n: number, channel: Channel<number>) {
  for (let i = 0; i < n; i++) yield* channel.send(i);
}

/** So many wait at a time. */
const crowd = 1000;

/**
 * Of each crowd half are aborted as they wait, and half lose it in a `select`, one after the other
 * from the middle of the line. Nobody is left there, and nothing in memory.
 */
function* cancelled(n: number) {
  const mutex = new Mutex();
  const guard = yield* mutex.lock();
  const before = heap();
  for (let left = n; left > 0; left -= crowd) yield* cancelCrowd(Math.min(left, crowd), mutex);
  const after = heap();
  guard.release();
  const { isLocked, waiting } = mutex.statistics();
  expectTotal(waiting, 0);
  expectTotal(isLocked ? 1 : 0, 0);
  return after - before;
}

function* cancelCrowd(size: number, mutex: Mutex) {
  const stop = new Latch(1);
  const aborted: Fiber<unknown>[] = [];
  const losing: Fiber<unknown>[] = [];
  for (let i = 0; i < size; i++) {
    if (i % 2 === 0) aborted.push(spawn(() => mutex.lock()));
    else losing.push(spawn(() => lose(mutex, stop)));
  }
  yield* yieldNow();
  expectTotal(mutex.statistics().waiting, size);
  for (const fiber of aborted) yield* fiber.abort();
  stop.countDown();
  for (const fiber of losing) yield* fiber;
}

function* lose(mutex: Mutex, stop: Latch) {
  yield* select([when(mutex.lockEvent(), gotIt), when(stop.waitEvent(), () => {})]);
}

function gotIt(): never {
  throw new Error("The lock was held, and somebody has got it");
}
