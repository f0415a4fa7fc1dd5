/**
 * The program behind `leaks_test.ts`: does one thing a million times, looks at the heap before and
 * after, and prints what it found as JSON; with a share of ready operations (law 10) as its second
 * argument, a tenth of that. Needs `--v8-flags=--expose-gc`.
 */
import {
  afterEvent,
  cancelScope,
  Channel,
  Fiber,
  fromPromise,
  main,
  type Operation,
  prepareForAwait,
  promiseEvent,
  run,
  scope,
  select,
  sleep,
  spawn,
  when,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { AnyFiber } from "@weft/weft/lowlevel";
import { blockingLoop, hostLoop } from "@weft/weft/loop";
import { Barrier, Cell, Condition, Lazy, Mutex, RwLock, Semaphore } from "@weft/weft/sync";
import { Input, Output, read, readEvent, write, writeEvent } from "@weft/weft/io";
import { limitShare } from "../../lib/fiber/core/share.ts";
import { Ring } from "../../lib/internal/ring.ts";
import { buffers } from "../../lib/io/bytes/byte_queue.ts";
import { sourceOf } from "../../lib/io/bytes/reader.ts";
import { sinkOf } from "../../lib/io/bytes/sinks.ts";
import { countedSignal } from "../kit/counted_signal.ts";
import { Thenable } from "../kit/source.ts";

/** What a program prints. */
export interface Report {
  /** By how many bytes the heap has grown. */
  readonly grown: number;
  /** What is left, each thing by its name: all zero. */
  readonly left: Record<string, number>;
}

/** Something that can be done any number of times, and what that may have left behind. */
interface Subject {
  repeat(times: number): Operation<void>;
  left(): Record<string, number>;
}

const TIMES = 1_000_000;
/** Enough for the engine to have compiled everything, and for every table to have grown. */
const WARM_UP = 50_000;
/** How many fibers there are at once, where it takes many. */
const CROWD = 1000;

declare const gc: () => void;

function* repeat(times: number, once: () => Operation<unknown>): Operation<void> {
  for (let n = 0; n < times; n++) yield* once();
}

/** In crowds: each of `CROWD` fibers does its part. */
function* inCrowds(times: number, crowd: (size: number) => Operation<unknown>): Operation<void> {
  for (let n = 0; n < times; n += CROWD) yield* crowd(CROWD);
}

const waitersOf = (channel: Channel<never> | Channel<number>) => {
  const { sendersWaiting, receiversWaiting } = channel.statistics();
  return sendersWaiting + receiversWaiting;
};

const never = () => new Channel<never>({ capacity: 0 });

export const subjects: Record<string, () => Subject> = {
  "a million cancelled receives"() {
    const channel = never();
    const receive = () => channel.receive();
    function* crowd(size: number) {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size; n++) spawn(receive);
        yield* yieldNow();
        if (waitersOf(channel) !== size) throw new Error(`${waitersOf(channel)} wait`);
        context.cancel();
      });
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({ waiters: waitersOf(channel) }),
    };
  },

  "a million lost selects"() {
    const lost = never();
    const won = new Channel<number>({ capacity: 0 });
    const branches = [
      when(lost.receiveEvent(), (item) => item),
      when(won.receiveEvent(), (item) => item),
      when(lost.receiveEvent(), (item) => item),
    ];
    function* sender(times: number) {
      for (let n = 0; n < times; n++) yield* won.send(n);
    }
    function* receiver(times: number) {
      const feeder = spawn(() => sender(times));
      for (let n = 0; n < times; n++) {
        const item = yield* select(branches);
        if (item !== n) throw new Error(`${item} came instead of ${n}`);
      }
      yield* feeder;
    }
    return {
      repeat: receiver,
      left: () => ({ lost: waitersOf(lost), won: waitersOf(won) }),
    };
  },

  "a million finished children"() {
    let parent: Fiber<unknown> | undefined;
    function* child() {}
    function* crowd(size: number) {
      parent = Fiber.current();
      let last = spawn(child);
      for (let n = 1; n < size; n++) last = spawn(child);
      yield* last;
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({ children: AnyFiber.activeSpawns(parent!).length }),
    };
  },

  "a quarter of a million aborted scopes"() {
    let parent: Fiber<unknown> | undefined;
    const channel = never();
    const child = () => scope(() => channel.receive());
    function* crowd(size: number) {
      parent = Fiber.current();
      const children = Array.from({ length: size / 4 }, () => spawn(child));
      yield* yieldNow();
      for (const child of children) child.abort(); // each on its own: an Abort of its own
      yield* children.at(-1)!.join();
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({
        children: AnyFiber.activeSpawns(parent!).length,
        waiters: waitersOf(channel),
      }),
    };
  },

  "a million raced timers"() {
    const won = new Channel<number>({ capacity: 0 });
    const hour = 3_600_000;
    const branches = [
      when(won.receiveEvent(), () => true),
      when(afterEvent(hour), () => false),
    ];
    const inTime = () => won.receive();
    function* sender(times: number) {
      for (let n = 0; n < times; n++) yield* won.send(n);
    }
    function* receiver(times: number) {
      const feeder = spawn(() => sender(times));
      for (let n = 0; n < times; n += 2) {
        if (!(yield* select(branches))) throw new Error("an hour has passed");
        yield* withTimeout(hour, inTime);
      }
      yield* feeder;
    }
    return {
      repeat: receiver,
      left: () => ({
        timers: Number(hostLoop().oneStep({ block: false })),
        waiters: waitersOf(won),
      }),
    };
  },

  "a million waits on one pending promise"() {
    const pending = new Thenable<never>();
    const wait = () => fromPromise(pending);
    const won = new Channel<number>({ capacity: 0 });
    const branches = [
      when(promiseEvent(pending), () => false),
      when(won.receiveEvent(), () => true),
    ];
    function* sender(times: number) {
      for (let n = 0; n < times; n++) yield* won.send(n);
    }
    function* selecting(times: number) {
      const feeder = spawn(() => sender(times));
      for (let n = 0; n < times; n++) {
        if (!(yield* select(branches))) throw new Error("the promise has settled");
      }
      yield* feeder;
    }
    function* crowd(size: number) {
      yield* selecting(size / 2);
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size / 2; n++) spawn(wait);
        yield* yieldNow();
        context.cancel();
      });
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({
        reactions: pending.reactions - 1,
        waiters: waitersOf(won),
      }),
    };
  },

  "a million cancelled waits on triggers"() {
    let cancels = 0;
    let waits = 0;
    function* wait() {
      waits++;
      yield* prepareForAwait().await(() => void cancels++);
    }
    function* crowd(size: number) {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size; n++) spawn(wait);
        yield* yieldNow();
        context.cancel();
      });
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({ waits: waits - cancels }),
    };
  },

  "a million cancelled waits at a barrier, a cell and a lazy value"() {
    const barrier = new Barrier(CROWD);
    const cell = new Cell(false);
    const lazy = new Lazy(() => new Channel().receive());
    const branches = [
      when(barrier.waitEvent(), (place) => place > 0),
      when(cell.event(Boolean), (value) => value),
    ];
    const waits: (() => Operation<unknown>)[] = [
      () => barrier.wait(),
      () => cell.waitUntil(Boolean),
      () => lazy.force(),
      () => select(branches),
    ];
    function* crowd(size: number) {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size; n++) spawn(waits[n % waits.length]!);
        yield* yieldNow();
        yield* yieldNow();
        if (lazy.statistics().waiting !== size / 4 - 1) throw new Error("not all wait");
        context.cancel();
      });
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({
        barrier: barrier.statistics().waiting,
        cell: cell.statistics().waiting,
        lazy: lazy.statistics().waiting + Number(lazy.statistics().isRunning),
      }),
    };
  },

  "a million cancelled acquires"() {
    const [mutex, free] = [new Mutex(), new Mutex()];
    const semaphore = new Semaphore(2);
    const lock = new RwLock();
    const condition = new Condition(free);
    const hold = () => [mutex.tryLock()!, semaphore.tryAcquire()!, lock.tryRead()!];
    const branches = [
      when(mutex.lockEvent(), (guard) => guard),
      when(semaphore.acquireEvent(2), (guard) => guard),
    ];
    const waits: (() => Operation<unknown>)[] = [
      () => mutex.lock(),
      () => semaphore.acquire(2),
      () => semaphore.withPermit(yieldNow), // it is let in when the one before it has left
      () => lock.write(),
      () => lock.withRead(yieldNow),
      () => free.withLock((guard) => condition.wait(guard)),
      () => select(branches),
    ];
    const waiting = () => {
      const lines = [mutex, free, semaphore, lock, condition];
      return lines.reduce((sum, line) => sum + line.statistics().waiting, 0);
    };
    function* crowd(size: number) {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size; n++) spawn(waits[n % waits.length]!);
        yield* yieldNow();
        yield* yieldNow();
        if (waiting() < size) throw new Error("not all wait");
        context.cancel();
      });
    }
    return {
      *repeat(times) {
        const guards = hold();
        yield* inCrowds(times, crowd);
        for (const guard of guards) guard.release();
      },
      left: () => ({
        waiting: waiting(),
        locked: Number(mutex.isLocked) + Number(free.isLocked),
        permits: 2 - semaphore.available,
        readers: lock.statistics().readers + Number(lock.statistics().isWriting),
      }),
    };
  },

  "two hundred thousand fibers at once"() {
    const channel = never();
    const receive = () => channel.receive();
    return {
      *repeat(times) { // one crowd of all
        yield* cancelScope(function* (context) {
          for (let n = 0; n < times / 5; n++) spawn(receive);
          yield* yieldNow();
          if (waitersOf(channel) !== times / 5) throw new Error(`${waitersOf(channel)} wait`);
          context.cancel();
        });
      },
      left: () => ({ waiters: waitersOf(channel) }),
    };
  },

  "a thousand items that a ring has held"() {
    const ring = new Ring<number[]>();
    return {
      // deno-lint-ignore require-yield -- a ring knows nothing of fibers
      *repeat(times) { // a queue that is longer than ever before
        for (let n = 0; n < times / 1000; n++) ring.push(new Array(1000).fill(n));
        while (ring.length > 0) ring.shift();
      },
      left: () => ({ items: ring.length }),
    };
  },

  "a hundred thousand mains with one signal"() {
    const counted = countedSignal();
    const { signal } = counted;
    const once = () => fromPromise(main(() => yieldNow(), { signal }));
    return {
      repeat: (times) => repeat(times / 10, once),
      left: () => ({ listeners: counted.listeners }),
    };
  },

  "a million calls with a signal in one context"() {
    let told = 0;
    let untold = 0;
    /** What it gives is all that anybody has of it; the listener hangs on its signal alone. */
    const lasting = (signal: AbortSignal) => {
      untold++;
      signal.addEventListener("abort", () => untold--);
      return Promise.resolve({ lasts: true });
    };
    const forgetful = (signal: AbortSignal) => {
      signal.addEventListener("abort", () => told++);
      return Promise.resolve({ lasts: false });
    };
    function* calls(times: number) {
      yield* cancelScope(function* (context) {
        const first = yield* fromPromise(lasting);
        for (let n = 0; n < times; n++) yield* fromPromise(forgetful);
        yield* heapUsed();
        if (first.lasts) context.cancel();
      });
    }
    return {
      repeat: calls,
      left: () => ({ untold, remembered: Math.max(0, told - CROWD) }),
    };
  },

  "a million blocking sleeps that are cancelled"() {
    const loop = blockingLoop();
    const nap = () => sleep(3_600_000);
    function* crowd(size: number) {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size; n++) spawn(nap);
        yield* yieldNow();
        context.cancel();
      });
    }
    return {
      // deno-lint-ignore require-yield -- it blocks the thread
      *repeat(times) {
        const result = run(() => inCrowds(times, crowd), { loop });
        if (!result.ok) throw result.error;
      },
      left: () => ({ timers: Number(loop.oneStep({ block: false })) }),
    };
  },

  "a million cancelled reads of one source"() {
    const source = { read: () => new Promise<never>(() => {}) };
    const input = Input.fromReader(source);
    const into = new Uint8Array(1);
    const branches = [
      when(input.readLineEvent(), () => "line"),
      when(readEvent(source, into), () => "bytes"),
    ];
    const reads: (() => Operation<unknown>)[] = [
      () => read(source, into),
      () => input.readLine(),
      () => select(branches),
    ];
    function* crowd(size: number) {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size; n++) spawn(reads[n % reads.length]!);
        yield* yieldNow();
        if (input.statistics().waiting < size) throw new Error("not all of them wait");
        context.cancel();
      });
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({ waiters: input.statistics().waiting }),
    };
  },

  "a million cancelled writes to one sink"() {
    const sink = { write: () => new Promise<never>(() => {}) };
    const bytes = new Uint8Array(1);
    const branches = [when(writeEvent(sink, bytes), (count) => count)];
    const writes: (() => Operation<unknown>)[] = [() => write(sink, bytes), () => select(branches)];
    function* crowd(size: number) {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size; n++) spawn(writes[n % writes.length]!);
        yield* fromPromise(Promise.resolve()); // the first one has its turn, for ever
        yield* yieldNow();
        context.cancel();
      });
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({ waiters: sinkOf("write", sink).waiting }),
    };
  },

  "a million cancelled reads and writes of Web Streams"() {
    const readable = new ReadableStream<Uint8Array>();
    const writable = new WritableStream<Uint8Array>({ write: () => new Promise<never>(() => {}) });
    const bytes = new Uint8Array(1);
    const waits: (() => Operation<unknown>)[] = [
      () => read(readable, bytes),
      () => write(writable, bytes),
      () => select({ read: readEvent(readable, bytes), write: writeEvent(writable, bytes) }),
    ];
    function* crowd(size: number) {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < size; n++) spawn(waits[n % waits.length]!);
        yield* fromPromise(Promise.resolve()); // they are asked
        yield* yieldNow();
        context.cancel();
      });
    }
    return {
      repeat: (times) => inCrowds(times, crowd),
      left: () => ({
        readers: sourceOf("read", readable).waiting,
        writers: sinkOf("write", writable).waiting,
        locks: Number(readable.locked) + Number(writable.locked),
      }),
    };
  },

  "a million lines through streams of their own"() {
    const line = new TextEncoder().encode("line\n".repeat(10));
    function* once() {
      const chunks = [line];
      // Not over readers: the table behind a WeakMap of as many is never made smaller.
      const input = Input.create({
        input(into) {
          const chunk = chunks.pop();
          if (chunk !== undefined) into.set(chunk);
          return chunk?.length ?? 0;
        },
      });
      const output = Output.create({ output() {} });
      for (;;) {
        const line = yield* input.readLine();
        if (line === undefined) break;
        yield* output.outputLine(line.value);
      }
      yield* output.close();
      yield* input.close();
    }
    return {
      repeat: (times) => repeat(times / 10, once),
      left: () => ({ buffers: buffers.statistics().inUse }),
    };
  },
};

/** The heap, once all that can go is gone. */
function* heapUsed(): Operation<number> {
  for (let time = 0; time < 3; time++) {
    gc();
    yield* sleep(1);
  }
  return Deno.memoryUsage().heapUsed;
}

function* measure(subject: Subject, times: number): Operation<Report> {
  yield* subject.repeat(WARM_UP);
  const before = yield* heapUsed();
  yield* subject.repeat(times);
  const grown = (yield* heapUsed()) - before;
  return { grown, left: subject.left() };
}

if (import.meta.main) {
  const [name, share] = Deno.args;
  if (share !== undefined) limitShare(Number(share));
  const subject = subjects[name!]!();
  const times = share === undefined ? TIMES : TIMES / 10;
  console.log(JSON.stringify(await main(() => measure(subject, times))));
}
