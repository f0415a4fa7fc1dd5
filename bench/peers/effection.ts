/**
 * The workloads in Effection, by name, as its guides write such programs: a `spawn` for each task,
 * a channel between two of them, and on it a subscription, made before anybody sends.
 *
 * Its `send` never waits for the receiver, nor for room: where others meet at each message, its
 * senders go on, which is less work. It has no `select`: whatever loses a `race` has taken an item.
 * And no `yield`: `sleep(0)` is a timer of the host.
 */
import {
  type Channel,
  createChannel,
  type Operation,
  run,
  sleep,
  spawn,
  type Subscription,
  type Task,
} from "npm:effection@4.1.1";
import { type Gauge, heap, resident } from "../gauges.ts";
import { type Contender, expectTotal, sumBelow } from "../workload.ts";
import { milliseconds } from "../workloads/sleepers.ts";

export const effection: Readonly<Record<string, Contender>> = {
  "spawn+join": (n) => run(() => spawnJoin(n)),
  "rendezvous": (n) => run(() => roundTrips(n)),
  "buffered(128)": (n) => run(() => stream(n)),
  "chain": (n) => run(() => chain(n)),
  "sieve": (n) => run(() => sieve(n)),
  "abort": (n) => run(() => abort(n)),
  "sleepers": (n) => run(() => sleepers(n)),
  "bytes/heap": (n) => run(() => bytes(n, heap)),
  "bytes/resident": (n) => run(() => bytes(n, resident)),
};

type Numbers = Channel<number, void>;
type Received = Subscription<number, void>;

function* one(): Operation<number> {
  return 1;
}

function* spawnJoin(n: number): Operation<void> {
  let total = 0;
  for (let left = n; left > 0; left -= 1000) {
    const tasks: Task<number>[] = [];
    for (let i = Math.min(left, 1000); i > 0; i--) tasks.push(yield* spawn(one));
    for (const task of tasks) total += yield* task;
  }
  expectTotal(total, n);
}

function* roundTrips(n: number): Operation<void> {
  const ping: Numbers = createChannel();
  const pong: Numbers = createChannel();
  const pings = yield* ping;
  const pongs = yield* pong;
  yield* spawn(() => handOn(pings, pong));
  let total = 0;
  for (let i = 0; i < n; i++) {
    yield* ping.send(i);
    const next = yield* pongs.next();
    if (!next.done) total += next.value;
  }
  expectTotal(total, sumBelow(n));
}

function* handOn(from: Received, to: Numbers): Operation<void> {
  for (let next = yield* from.next(); !next.done; next = yield* from.next()) {
    yield* to.send(next.value);
  }
  yield* to.close();
}

function* stream(n: number): Operation<void> {
  const channel: Numbers = createChannel();
  const messages = yield* channel;
  yield* spawn(() => produceOnes(channel, n));
  let total = 0;
  for (let next = yield* messages.next(); !next.done; next = yield* messages.next()) {
    total += next.value;
  }
  expectTotal(total, n);
}

function* produceOnes(channel: Numbers, n: number): Operation<void> {
  for (let i = 0; i < n; i++) yield* channel.send(1);
  yield* channel.close();
}

function* chain(messages: number): Operation<void> {
  const first: Numbers = createChannel();
  let last = yield* first;
  for (let i = 1; i < 1000; i++) {
    const previous = last;
    const next: Numbers = createChannel();
    last = yield* next;
    yield* spawn(() => handOn(previous, next));
  }
  yield* spawn(() => count(first, 0, messages - 1));
  let total = 0;
  for (let next = yield* last.next(); !next.done; next = yield* last.next()) total += next.value;
  expectTotal(total, sumBelow(messages));
}

function* count(numbers: Numbers, from: number, to: number): Operation<void> {
  for (let n = from; n <= to; n++) yield* numbers.send(n);
  yield* numbers.close();
}

function* sieve(last: number): Operation<void> {
  const source: Numbers = createChannel();
  let numbers = yield* source;
  yield* spawn(() => count(source, 2, last));
  let largest = 0;
  for (let next = yield* numbers.next(); !next.done; next = yield* numbers.next()) {
    largest = next.value;
    const [all, some, prime]: [Received, Numbers, number] = [numbers, createChannel(), largest];
    numbers = yield* some;
    yield* spawn(() => filter(all, some, prime));
  }
  expectTotal(largest, last);
}

function* filter(all: Received, some: Numbers, prime: number): Operation<void> {
  for (let next = yield* all.next(); !next.done; next = yield* all.next()) {
    if (next.value % prime !== 0) yield* some.send(next.value);
  }
  yield* some.close();
}

let waiting = 0;

function* abort(n: number): Operation<number> {
  const messages = yield* createChannel<number>();
  waiting = 0;
  const root = yield* spawn(() => node(0, n, messages));
  while (waiting < n) yield* sleep(0);
  const start = performance.now();
  yield* root.halt();
  const end = performance.now();
  expectTotal(waiting, 0);
  return (end - start) * 1e6;
}

function* node(id: number, n: number, messages: Received): Operation<void> {
  const firstChild = id * 10 + 1;
  for (let child = firstChild; child < Math.min(firstChild + 10, n); child++) {
    yield* spawn(() => node(child, n, messages));
  }
  yield* receiver(messages);
}

function* receiver(messages: Received): Operation<void> {
  waiting++;
  try {
    yield* messages.next();
  } finally {
    waiting--;
  }
}

let awake = 0;

function* sleepers(n: number): Operation<void> {
  awake = 0;
  const tasks: Task<void>[] = [];
  for (let i = 0; i < n; i++) tasks.push(yield* spawn(() => sleeper(milliseconds(i))));
  for (const task of tasks) yield* task;
  expectTotal(awake, n);
}

function* sleeper(ms: number): Operation<void> {
  yield* sleep(ms);
  awake++;
}

function* bytes(n: number, gauge: Gauge): Operation<number> {
  const messages = yield* createChannel<number>();
  const before = gauge();
  waiting = 0;
  for (let i = 0; i < n; i++) yield* spawn(() => receiver(messages));
  while (waiting < n) yield* sleep(0);
  return gauge() - before;
}
