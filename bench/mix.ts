/**
 * Workloads in the middle of a program that uses everything, as one of a user's may.
 *
 * The engine compiles a function for the shapes of objects that it has met there. In a process that
 * does one thing only, all that the scheduler meets is of one shape, and it is faster than it would
 * be for anybody else. After the program in here it has met every kind of wait, of fiber and of
 * generator: waits that complete at once and waits that suspend, ends that are returns, failures and
 * aborts.
 */
import {
  afterEvent,
  all,
  any,
  cancelScope,
  Channel,
  either,
  Event,
  FiberLocal,
  first,
  fromPromise,
  main,
  map,
  type Operation,
  prepareForAwait,
  promiseEvent,
  protect,
  scope,
  select,
  sleep,
  spawn,
  Timeout,
  when,
  withCancelCallback,
  withTimeout,
  yieldNow,
} from "../mod.ts";
import { abortEvent } from "../lib/promise/mod.ts";
import { Condition, type Guard, Mutex, RwLock, Semaphore } from "../lib/sync/mod.ts";
import { SharedChannel } from "../lib/thread/mod.ts";
import { expectTotal, sumBelow, type Workload } from "./workload.ts";

/**
 * `workload` as it counts: ours runs in a program that uses everything, before its first round and
 * between any two, so that the engine can't forget; and of each contender the best round counts, for
 * what such a program leaves behind, to be collected or compiled, falls into one round or another.
 * The contender `pure` is ours in a process that does nothing else, to see how far apart they are.
 * `ours` are those that run in such a program: if not just `weft`, those that it is compared with, too.
 */
export function mixed(workload: Workload, ours: readonly string[] = ["weft"]): Workload {
  return {
    ...workload,
    counts: "best",
    before: Object.fromEntries(ours.map((name) => [name, useEverything])),
    targets: { ...workload.targets, pure: null },
    run: { ...workload.run, pure: workload.run.weft },
  };
}

/** The parts of the program. Each returns 1 if it went as it should. */
const parts: readonly (() => Operation<number>)[] = [
  sleeps,
  promises,
  nurseries,
  timeouts,
  selectsOverRecords,
  selectsOverLists,
  joins,
  protects,
  finallies,
  maps,
  sharedNames,
  aborts,
  pipelines,
  sharedChannels,
  locks,
  awaitedLocks,
  ownOperations,
];

/** How often each part is done: often enough that the engine compiles it while it is at it. */
const times = 10;

/** Runs the program, all parts side by side. */
async function useEverything(): Promise<void> {
  await main(function* () {
    const done = yield* all(parts.map((part) => () => repeat(part)));
    expectTotal(done.reduce((total, own) => total + own, 0), parts.length * times);
  });
}

function* repeat(part: () => Operation<number>): Operation<number> {
  let done = 0;
  for (let i = 0; i < times; i++) done += yield* part();
  return done;
}

function* sleeps() {
  yield* sleep(0);
  yield* sleep(0.01);
  yield* afterEvent(0);
  return 1;
}

function* promises() {
  const one = Promise.resolve(1);
  const value = yield* fromPromise(one);
  yield* fromPromise((_signal) => Promise.resolve("made for this wait"));
  yield* promiseEvent(one);
  try {
    yield* fromPromise(Promise.reject(new Error("a rejection")));
  } catch {
    // that is what it is for
  }
  return value;
}

function* nurseries() {
  let ended = 0;
  const value = yield* scope(function* (nursery) {
    nursery.onRelease(() => void ended++);
    nursery.spawn(() => countdown(2));
    spawn(() => countdown(1));
    yield* yieldNow();
    return 1;
  });
  yield* cancelScope(function* (context) {
    context.cancel();
    yield* yieldNow();
  });
  return ended * value;
}

function* countdown(from: number) {
  for (let left = from; left > 0; left--) yield* yieldNow();
  return from;
}

/** Where nothing comes, and where nobody takes anything. */
const silent = new Channel<number>({ capacity: 0, name: "silent" });
const deaf = new Channel<number>({ capacity: 0, name: "deaf" });

function* timeouts() {
  const inTime = yield* withTimeout(1000, () => countdown(1));
  try {
    yield* withTimeout(0.01, function* () {
      yield* silent.receive();
    });
  } catch (error) {
    if (!(error instanceof Timeout)) throw error;
  }
  return inTime;
}

function* selectsOverRecords() {
  const words = new Channel<string>({ capacity: 1 });
  const numbers = new Channel<number>({ capacity: 0 });
  words.trySend("word");
  const now = yield* select({ word: words.receiveEvent(), number: numbers.receiveEvent() });
  spawn(() => sendAll(numbers, [1]));
  const later = yield* select({
    word: words.receiveEvent(),
    number: numbers.receiveEvent().map((number) => number),
    late: afterEvent(1000),
    never: Event.never(),
    aborted: abortEvent(new AbortController().signal),
  });
  return now.kind === "word" && later.kind === "number" ? later.value : 0;
}

function* selectsOverLists() {
  const [left, right] = [new Channel<number>({ capacity: 0 }), new Channel<number>()];
  spawn(() => sendAll(left, [1]));
  const branches = [when(left.receiveEvent(), same), when(right.receiveEvent(), same)];
  const value = yield* select(branches, { fair: true });
  yield* select([
    when(left.sendEvent(2), () => 2),
    when(Event.guard(() => right.sendEvent(2)), () => 2),
  ]);
  yield* Event.withNack(() => Event.choose(right.receiveEvent(), left.receiveEvent()));
  return yield* Event.always(value);
}

function same(value: number): number {
  return value;
}

function* sendAll(channel: Channel<number>, numbers: readonly number[]) {
  for (const number of numbers) yield* channel.send(number);
}

function* joins() {
  const [slow, fast] = [spawn(() => countdown(4)), spawn(() => countdown(1))];
  const { kind } = yield* select({ slow: slow.joinEvent(), fast: fast.joinEvent() });
  yield* first(slow, fast);
  yield* either(spawn(() => countdown(1)), spawn(() => countdown(2)));
  const sum = (yield* slow) + (yield* fast);
  return kind === "fast" && sum === 5 ? 1 : 0;
}

function* protects() {
  const value = yield* protect(() => countdown(1));
  return yield* withCancelCallback(() => {}, function* () {
    yield* yieldNow();
    return value;
  });
}

function* finallies() {
  let ended = 0;
  const fiber = spawn(function* () {
    try {
      yield* countdown(1);
    } finally {
      yield* sleep(0);
      ended++;
    }
  }, { finally: () => void ended++ });
  yield* fiber;
  return ended / 2;
}

function* maps() {
  const squares = yield* map([1, 2, 3], square, { concurrency: 2 });
  const soonest = yield* any([() => countdown(1), () => countdown(30)]);
  return squares.length === 3 ? soonest : 0;
}

function* square(n: number) {
  yield* yieldNow();
  return n * n;
}

const local = new FiberLocal(() => 1);

/** Fibers of different functions with one name, of one function with different ones, and without. */
function* sharedNames() {
  const fibers = [
    spawn(() => countdown(1), { name: "worker" }),
    spawn(() => square(1), { name: "worker" }),
    spawn(() => square(0), { name: "other worker" }),
    spawn(() => Event.choose(silent.receiveEvent(), Event.always(0))),
    spawn(() => sleep(0)),
  ];
  for (const fiber of fibers) yield* fiber;
  return yield* local.with(1, () => square(local.get()));
}

function* aborts() {
  let unwound = 0;
  const waits = [
    () => silent.receive(),
    () => deaf.send(1),
    () => sleep(1000),
    () => fromPromise(new Promise(() => {})),
    () => select({ item: silent.receiveEvent(), never: Event.never() }),
    () => scope(() => silent.receive()),
  ];
  const fibers = waits.map((wait) =>
    spawn(function* () {
      try {
        yield* wait();
      } finally {
        unwound++;
      }
    })
  );
  yield* yieldNow();
  for (const fiber of fibers) yield* fiber.abort();
  const failed = spawn(fails, { propagateCancelToParent: false });
  try {
    yield* failed;
  } catch {
    // so it should
  }
  return unwound / waits.length;
}

function* fails(): Operation<number> {
  yield* yieldNow();
  throw new Error("a failure");
}

function* pipelines() {
  const numbers = new Channel<number>({ capacity: 2 });
  const sums = new Channel<number>({ capacity: 0 });
  spawn(function* () {
    for (let i = 0; i < 10; i++) yield* numbers.send(i);
    numbers.close();
  });
  spawn(function* () {
    let sum = 0;
    for (let next; (next = yield* numbers.receive()) !== undefined;) sum += next.value;
    yield* sums.send(sum);
    sums.close();
  });
  const sum = yield* sums.receiveOrThrow();
  const end = yield* sums.receive();
  return sum === sumBelow(10) && end === undefined ? 1 : 0;
}

const shared = new SharedChannel<number>({ capacity: 2, slotBytes: 8 });

function* sharedChannels() {
  yield* shared.send(1);
  return yield* shared.receiveOrThrow();
}

/** Locks that are free, or handed over, that a select gets or loses; and waits that are aborted. */
function* locks() {
  const mutex = new Mutex({ name: "mutex" });
  const changed = new Condition(mutex);
  const semaphore = new Semaphore(3);
  const lock = new RwLock();
  let ended = 0;
  for (let i = 0; i < 3; i++) {
    spawn(function* () {
      using guard = yield* mutex.lock();
      if (i === 0) yield* changed.wait(guard);
      else changed.notifyOne();
      yield* yieldNow();
      ended++;
    });
    spawn(() => semaphore.withPermit(() => countdown(1), i + 1));
    spawn(() => i === 1 ? lock.withWrite(() => countdown(1)) : lock.withRead(() => countdown(1)));
  }
  yield* yieldNow();
  yield* select([
    when(mutex.lockEvent(), release),
    when(semaphore.acquireEvent(2), release),
    when(lock.writeEvent(), release),
  ]);
  const [permits, writing] = [yield* semaphore.acquire(3), yield* lock.write()];
  const waiting = [spawn(() => semaphore.acquire()), spawn(() => lock.read())];
  yield* yieldNow();
  for (const fiber of waiting) yield* fiber.abort();
  permits.release();
  writing.release();
  for (const guard of [semaphore.tryAcquire(), lock.tryRead(), yield* mutex.lock()]) {
    guard?.release();
  }
  return ended / 3;
}

function release(guard: Guard): void {
  guard.release();
}

function awaitedLocks() {
  return fromPromise(async () => {
    const mutex = new Mutex();
    const guard = await mutex.lock();
    const next = mutex.lock().then(release);
    guard.release();
    await next;
    return 1;
  });
}

/** Waits that a program makes by itself: of triggers, and operations that are no generators. */
function* ownOperations() {
  const trigger = prepareForAwait();
  spawn(function* () {
    yield* yieldNow();
    trigger.release();
  });
  yield* trigger.await();
  return yield* { [Symbol.iterator]: () => countdown(1) };
}
