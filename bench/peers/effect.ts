/**
 * The workloads in Effect, by name, as its guide for programs that have to be fast recommends:
 * `Effect.fnUntraced` for what has parameters, generators for control flow, bounded queues for
 * channels (capacity 0: sender and receiver meet).
 */
import { Cause, Effect, Fiber, Queue, Semaphore } from "npm:effect@4.1.0";
import { type Gauge, heap, resident } from "../gauges.ts";
import { type Contender, expectTotal, sumBelow } from "../workload.ts";
import { milliseconds } from "../workloads/sleepers.ts";

export const effect: Readonly<Record<string, Contender>> = {
  "yield": (n) => run(takeTurns(n)),
  "spawn+join": (n) => run(spawnJoin(n)),
  "rendezvous": (n) => run(rendezvous(n)),
  "buffered(128)": (n) => run(stream(n)),
  "select/2": (n) => run(select(2, n)),
  "select/8": (n) => run(select(8, n)),
  "chain": (n) => run(chain(n)),
  "sieve": (n) => run(sieve(n)),
  "abort": (n) => run(abort(n)),
  "sleepers": (n) => run(sleepers(n)),
  "lock": (n) => run(lockAndUnlock(n)),
  "bytes/heap": (n) => run(bytes(n, heap)),
  "bytes/resident": (n) => run(bytes(n, resident)),
};

/** The end of a stream: what a queue fails with when it has been ended and drained. */
type Ended = Cause.Done;

function run<A, E>(effect: Effect.Effect<A, E>): Promise<A> {
  return Effect.runPromise(effect);
}

const takeTurns = Effect.fnUntraced(function* (n: number) {
  const tasks = Array.from({ length: 10 }, () => turnTaker(Math.ceil(n / 10)));
  const turns = yield* Effect.all(tasks, { concurrency: "unbounded" });
  expectTotal(turns.reduce((total, own) => total + own), 10 * Math.ceil(n / 10));
});

const turnTaker = Effect.fnUntraced(function* (turns: number) {
  let taken = 0;
  for (; taken < turns; taken++) yield* Effect.yieldNow;
  return taken;
});

const one = Effect.sync(() => 1);

const spawnJoin = Effect.fnUntraced(function* (n: number) {
  let total = 0;
  for (let left = n; left > 0; left -= 1000) {
    const fibers: Fiber.Fiber<number>[] = [];
    for (let i = Math.min(left, 1000); i > 0; i--) fibers.push(yield* Effect.forkChild(one));
    for (const fiber of fibers) total += yield* Fiber.join(fiber);
  }
  expectTotal(total, n);
});

const rendezvous = Effect.fnUntraced(function* (n: number) {
  const ping = yield* Queue.bounded<number>(0);
  const pong = yield* Queue.bounded<number>(0);
  yield* Effect.forkChild(handOn(ping, pong, n));
  let total = 0;
  for (let i = 0; i < n; i++) {
    yield* Queue.offer(ping, i);
    total += yield* Queue.take(pong);
  }
  expectTotal(total, sumBelow(n));
});

const handOn = Effect.fnUntraced(
  function* (from: Queue.Queue<number>, to: Queue.Queue<number>, messages: number) {
    for (let i = 0; i < messages; i++) yield* Queue.offer(to, yield* Queue.take(from));
  },
);

const stream = Effect.fnUntraced(function* (n: number) {
  const queue = yield* Queue.bounded<number, Ended>(128);
  yield* Effect.forkChild(produceOnes(queue, n));
  let total = 0;
  const consume = Effect.gen(function* () {
    for (;;) total += yield* Queue.take(queue);
  });
  yield* Effect.catchIf(consume, Cause.isDone, () => Effect.void);
  expectTotal(total, n);
});

const produceOnes = Effect.fnUntraced(function* (queue: Queue.Queue<number, Ended>, n: number) {
  for (let i = 0; i < n; i++) yield* Queue.offer(queue, 1);
  yield* Queue.end(queue);
});

/** Effect has no choice between queues, but an interrupted `take` takes nothing. */
const select = Effect.fnUntraced(function* (ways: number, n: number) {
  const queues: Queue.Queue<number>[] = [];
  for (let i = 0; i < ways; i++) queues.push(yield* Queue.bounded<number>(0));
  const first = Effect.raceAllFirst(queues.map((queue) => Queue.take(queue)));
  yield* Effect.forkChild(sendInTurn(queues, n));
  let total = 0;
  for (let i = 0; i < n; i++) total += yield* first;
  expectTotal(total, sumBelow(n));
});

const sendInTurn = Effect.fnUntraced(
  function* (queues: readonly Queue.Queue<number>[], n: number) {
    for (let i = 0; i < n; i++) yield* Queue.offer(queues[i % queues.length]!, i);
  },
);

/**
 * Not with capacity 0, here and in the sieve: such a queue resumes its other side on the stack, and
 * a line of 1000 overflows it.
 */
const chain = Effect.fnUntraced(function* (messages: number) {
  const first = yield* Queue.bounded<number>(1);
  let last = first;
  for (let i = 1; i < 1000; i++) {
    const next = yield* Queue.bounded<number>(1);
    yield* Effect.forkChild(handOn(last, next, messages));
    last = next;
  }
  yield* Effect.forkChild(sendInTurn([first], messages));
  let total = 0;
  for (let i = 0; i < messages; i++) total += yield* Queue.take(last);
  expectTotal(total, sumBelow(messages));
});

const sieve = Effect.fnUntraced(function* (last: number) {
  let numbers = yield* Queue.bounded<number, Ended>(1);
  yield* Effect.forkChild(count(numbers, last));
  let largest = 0;
  const primes = Effect.gen(function* () {
    for (;;) {
      largest = yield* Queue.take(numbers);
      const some = yield* Queue.bounded<number, Ended>(1);
      yield* Effect.forkChild(filter(numbers, some, largest));
      numbers = some;
    }
  });
  yield* Effect.catchIf(primes, Cause.isDone, () => Effect.void);
  expectTotal(largest, last);
});

const count = Effect.fnUntraced(function* (numbers: Queue.Queue<number, Ended>, last: number) {
  for (let n = 2; n <= last; n++) yield* Queue.offer(numbers, n);
  yield* Queue.end(numbers);
});

const filter = Effect.fnUntraced(
  function* (all: Queue.Queue<number, Ended>, some: Queue.Queue<number, Ended>, prime: number) {
    for (;;) {
      const number = yield* Queue.take(all);
      if (number % prime !== 0) yield* Queue.offer(some, number);
    }
  },
  (effect, _all, some) => Effect.catchIf(effect, Cause.isDone, () => Queue.end(some)),
);

const abort = Effect.fnUntraced(function* (n: number) {
  const queue = yield* Queue.bounded<never>(0);
  waiting = 0;
  const root = yield* Effect.forkChild(node(0, n, queue));
  while (waiting < n) yield* Effect.yieldNow;
  const start = performance.now();
  yield* Fiber.interrupt(root);
  const end = performance.now();
  expectTotal(queue.state._tag === "Open" ? queue.state.takers.size : -1, 0);
  return (end - start) * 1e6;
});

let waiting = 0;

const node: (id: number, n: number, queue: Queue.Queue<never>) => Effect.Effect<void> = Effect
  .fnUntraced(function* (id, n, queue) {
    const firstChild = id * 10 + 1;
    for (let child = firstChild; child < Math.min(firstChild + 10, n); child++) {
      yield* Effect.forkChild(node(child, n, queue));
    }
    waiting++;
    yield* Queue.take(queue);
  });

const sleepers = Effect.fnUntraced(function* (n: number) {
  awake = 0;
  const fibers: Fiber.Fiber<void>[] = [];
  for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(sleeper(milliseconds(i))));
  for (const fiber of fibers) yield* Fiber.join(fiber);
  expectTotal(awake, n);
});

let awake = 0;

const sleeper = Effect.fnUntraced(function* (ms: number) {
  yield* Effect.sleep(ms);
  awake++;
});

/** As its guide does. The bare `take` and `release`, which nothing undoes, are for protocols. */
const lockAndUnlock = Effect.fnUntraced(function* (n: number) {
  const semaphore = yield* Semaphore.make(1);
  let total = 0;
  for (let i = 0; i < n; i++) {
    yield* semaphore.withPermits(1)(Effect.void);
    total += i;
  }
  expectTotal(total, sumBelow(n));
});

const bytes = Effect.fnUntraced(function* (n: number, gauge: Gauge) {
  const queue = yield* Queue.bounded<number>(0);
  const before = gauge();
  waiting = 0;
  for (let i = 0; i < n; i++) yield* Effect.forkChild(receiver(queue));
  while (waiting < n) yield* Effect.yieldNow;
  const after = gauge();
  yield* Queue.shutdown(queue);
  return after - before;
});

const receiver = Effect.fnUntraced(function* (queue: Queue.Queue<number>) {
  waiting++;
  yield* Queue.take(queue);
});
