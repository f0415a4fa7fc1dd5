/**
 * law 10: no fiber keeps the thread for longer than its share. An operation that could complete at
 * once gives way first when the share is used up, before it attempts anything.
 *
 * The table below has every class of operations in `lib`; a new one that isn't in it fails a test.
 */
import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import {
  Abort,
  afterEvent,
  all,
  any,
  type Awaitable,
  cancelScope,
  Channel,
  either,
  Event,
  Fiber,
  FiberAborted,
  FiberLocal,
  first,
  fromPromise,
  getScheduler,
  main,
  map,
  type Operation,
  prepareForAwait,
  promiseEvent,
  protect,
  run,
  scope,
  select,
  selfAbort,
  sleep,
  spawn,
  when,
  withCancelCallback,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { Input, Output, read, readEvent, write, writeEvent } from "@weft/weft/io";
import { blockingLoop } from "@weft/weft/loop";
import { block, setUncaughtHandler, suspend } from "@weft/weft/lowlevel";
import { withAbortSignal } from "@weft/weft/promise";
import { ResourcePool } from "@weft/weft/resource";
import { Barrier, Cell, Latch, Lazy, Mutex, Once, RwLock, Semaphore } from "@weft/weft/sync";
import {
  SharedChannel,
  SharedMutex,
  SharedSemaphore,
  SharedTrigger,
  ThreadPool,
} from "@weft/weft/thread";
import { runLifo } from "../../examples/schedulers/lifo.ts";
import { REAL_SHARE, withShare, withShareUntil } from "../kit/share.ts";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { bytes, writerTo } from "../kit/byte_streams.ts";
import { virtually } from "../kit/virtually.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

/** An operation that could complete at once. */
interface Ready {
  readonly operation: Operation<unknown>;
  /** Whether it has not attempted anything yet; nothing to say where it does nothing. */
  isUntouched?(): boolean;
}

/** A promise that has settled, and is known to have. */
const settled = Promise.resolve("settled");
await promiseEvent(settled);

function* never(): Operation<never> {
  return yield* Event.never();
}

function* nothing(): Operation<void> {}

/** What has been run already. */
const settledLazy = new Lazy(nothing);
await settledLazy.force();
const doneOnce = new Once();
await doneOnce.do(nothing);

function readyReceive(): { channel: Channel<number>; isUntouched(): boolean } {
  const channel = new Channel<number>();
  channel.trySend(1);
  return { channel, isUntouched: () => channel.size === 1 };
}

function readySend(): { channel: Channel<number>; isUntouched(): boolean } {
  const channel = new Channel<number>({ capacity: 1 });
  return { channel, isUntouched: () => channel.size === 0 };
}

function readyShared(items: number): { shared: SharedChannel<number>; isUntouched(): boolean } {
  const shared = new SharedChannel<number>({ capacity: 2 });
  for (let n = 0; n < items; n++) shared.trySend(n);
  return { shared, isUntouched: () => shared.size === items };
}

/** A nursery or the like, which has not run its body. */
function opening(open: (body: () => Operation<string>) => Operation<unknown>): () => Ready {
  return () => {
    let hasRun = false;
    const body = function* () {
      hasRun = true;
      return "opened";
    };
    return { operation: open(body), isUntouched: () => !hasRun };
  };
}

function input(): Input {
  return Input.fromString("a line\nand another\n");
}

/** Operations that may be ready, by the class that carries them out, in all their forms. */
const ready: Record<string, Record<string, () => Ready>> = {
  Receive: {
    "receive()": () => {
      const { channel, isUntouched } = readyReceive();
      return { operation: channel.receive(), isUntouched };
    },
    "receiveOrThrow()": () => {
      const { channel, isUntouched } = readyReceive();
      return { operation: channel.receiveOrThrow(), isUntouched };
    },
    "receive() from a closed channel": () => {
      const channel = new Channel<number>();
      channel.close();
      return { operation: channel.receive() };
    },
  },
  Send: {
    "send()": () => {
      const { channel, isUntouched } = readySend();
      return { operation: channel.send(1), isUntouched };
    },
    "send() that drops": () => {
      const channel = new Channel<number>({ capacity: 1, overflow: "dropOldest" });
      channel.trySend(1);
      const isUntouched = () => channel.size === 1;
      return { operation: channel.send(2), isUntouched };
    },
  },
  SelectWait: {
    "an event": () => {
      const { channel, isUntouched } = readyReceive();
      return { operation: channel.receiveEvent(), isUntouched };
    },
    "sendEvent()": () => {
      const { channel, isUntouched } = readySend();
      return { operation: channel.sendEvent(1), isUntouched };
    },
    "select() over branches": () => {
      const { channel, isUntouched } = readyReceive();
      const branches = [when(Event.never(), () => 0), when(channel.receiveEvent(), (n) => n)];
      return { operation: select(branches), isUntouched };
    },
    "select() over names, fair": () => {
      const { channel, isUntouched } = readyReceive();
      const events = { item: channel.receiveEvent(), never: Event.never() };
      return { operation: select(events, { fair: true }), isUntouched };
    },
    "a composite event": () => {
      const { channel, isUntouched } = readyReceive();
      return { operation: Event.guard(() => channel.receiveEvent().map((n) => n)), isUntouched };
    },
    "an event of one's own": () => {
      let polls = 0;
      const poll = () => {
        polls++;
        return { ok: true, value: 1 } as const;
      };
      const operation = Event.from({ poll, wait: () => ({ cancel() {} }) });
      return { operation, isUntouched: () => polls === 0 };
    },
    "Event.always()": () => ({ operation: Event.always(1) }),
    "afterEvent(0)": () => ({ operation: afterEvent(0) }),
    "promiseEvent()": () => ({ operation: promiseEvent(settled) }),
    "joinEvent()": () => ({ operation: Fiber.returned(1).joinEvent() }),
    "closeEvent()": () => {
      const channel = new Channel<number>();
      channel.close();
      return { operation: channel.closeEvent() };
    },
    "first()": () => ({ operation: first(Fiber.returned(1), Fiber.returned(2)) }),
    "receiveEvent() between threads": () => {
      const { shared, isUntouched } = readyShared(1);
      return { operation: shared.receiveEvent(), isUntouched };
    },
    "readEvent()": () => ({ operation: readEvent(readerOf("abc"), new Uint8Array(2)) }),
    "writeEvent()": () => ({ operation: writeEvent(writerTo(), new Uint8Array(0)) }),
  },
  JoinWait: {
    "a fiber": () => ({ operation: Fiber.returned(1) }),
    "join()": () => ({ operation: Fiber.returned(1).join() }),
    "abort()": () => ({ operation: Fiber.returned(1).abort() }),
  },
  TriggerWait: {
    "trigger.await()": () => {
      const trigger = prepareForAwait();
      trigger.release();
      return { operation: trigger.await() };
    },
  },
  PromiseWait: {
    "fromPromise()": () => ({ operation: fromPromise(settled) }),
    "fromPromise() of a function": () => {
      let calls = 0;
      const operation = fromPromise(() => {
        calls++;
        return settled;
      });
      return { operation, isUntouched: () => calls === 0 };
    },
  },
  OpenEvent: {
    "wait() for a latch": () => ({ operation: new Latch(0).wait() }),
    "waitEvent() of a latch": () => ({ operation: new Latch(0).waitEvent() }),
  },
  Acquire: {
    "lock()": () => {
      const mutex = new Mutex();
      return { operation: mutex.lock(), isUntouched: () => !mutex.isLocked };
    },
    "lockEvent()": () => {
      const mutex = new Mutex();
      return { operation: mutex.lockEvent(), isUntouched: () => !mutex.isLocked };
    },
    "acquire(2)": () => {
      const semaphore = new Semaphore(2);
      return { operation: semaphore.acquire(2), isUntouched: () => semaphore.available === 2 };
    },
    "acquireEvent(2)": () => {
      const semaphore = new Semaphore(2);
      return { operation: semaphore.acquireEvent(2), isUntouched: () => semaphore.available === 2 };
    },
    "read()": () => {
      const lock = new RwLock();
      return { operation: lock.read(), isUntouched: () => lock.statistics().readers === 0 };
    },
    "write()": () => {
      const lock = new RwLock();
      return { operation: lock.write(), isUntouched: () => !lock.statistics().isWriting };
    },
  },
  TripEvent: {
    "wait() at a barrier": () => ({ operation: new Barrier(1).wait() }),
    "waitEvent() of a barrier": () => ({ operation: new Barrier(1).waitEvent() }),
  },
  HoldsEvent: {
    "waitUntil() of a cell": () => {
      let asked = 0;
      const operation = new Cell(1).waitUntil((n) => ++asked > 0 && n === 1);
      return { operation, isUntouched: () => asked === 0 };
    },
    "event() of a cell": () => {
      let asked = 0;
      const operation = new Cell(1).event((n) => ++asked > 0 && n === 1);
      return { operation, isUntouched: () => asked === 0 };
    },
  },
  Settled: {
    "force() of a lazy value that is there": () => ({ operation: settledLazy.force() }),
    "do() of what has been done": () => ({ operation: doneOnce.do(nothing) }),
  },
  SharedReceive: {
    "receive() between threads": () => {
      const { shared, isUntouched } = readyShared(1);
      return { operation: shared.receive(), isUntouched };
    },
  },
  SharedSend: {
    "send() between threads": () => {
      const { shared, isUntouched } = readyShared(0);
      return { operation: shared.send(1), isUntouched };
    },
  },
  SharedLock: {
    "lock() between threads": () => {
      const mutex = new SharedMutex();
      return { operation: mutex.lock(), isUntouched: () => !mutex.isLocked };
    },
    "lockEvent() between threads": () => {
      const mutex = new SharedMutex();
      return { operation: mutex.lockEvent(), isUntouched: () => !mutex.isLocked };
    },
  },
  RuleWait: { // other events that are waited for by one are in the table themselves
    "acquire() between threads": () => {
      const semaphore = new SharedSemaphore(2);
      return { operation: semaphore.acquire(2), isUntouched: () => semaphore.available === 2 };
    },
  },
  SharedTriggerWait: {
    "await() of a shared trigger": () => {
      const trigger = new SharedTrigger();
      trigger.release();
      return { operation: trigger.await() };
    },
  },
  Read: {
    "readLine()": () => ({ operation: input().readLine() }),
    "input()": () => ({ operation: input().input(new Uint8Array(3)) }),
    "inputAllText()": () => ({ operation: input().inputAllText() }),
    "reallyInputString()": () => ({ operation: input().reallyInputString(3) }),
  },
  Write: {
    "write() of nothing": () => ({ operation: write(writerTo(), new Uint8Array(0)) }),
  },
  Append: {
    "output()": () => {
      const output = Output.toBytes();
      return { operation: output.output(bytes("x")), isUntouched: () => output.text() === "" };
    },
    "outputString()": () => {
      const output = Output.toBytes();
      return { operation: output.outputString("x"), isUntouched: () => output.text() === "" };
    },
  },
  Flush: {
    "flush()": () => ({ operation: Output.dummy().flush() }),
  },
  CloseWait: {
    "close() of an output": () => {
      const output = Output.dummy();
      return { operation: output.close(), isUntouched: () => true };
    },
  },
  GeneratorOperation: {
    "scope()": opening(scope),
    "cancelScope()": opening(cancelScope),
    "protect()": opening(protect),
    "withTimeout()": opening((body) => withTimeout(1000, body)),
    "withAbortSignal()": opening((body) => withAbortSignal(new AbortController().signal, body)),
    "withCancelCallback()": opening((body) => withCancelCallback(() => {}, body)),
    "FiberLocal.with()": opening((body) => new FiberLocal(() => 0).with(1, body)),
    "withLock() between threads": opening((body) => new SharedMutex().withLock(body)),
    "withResource()": opening((body) =>
      new ResourcePool({ make: () => ({}) }).withResource(() => body())
    ),
    "force()": opening((body) => new Lazy(body).force()),
    "Once.do()": opening((body) => new Once().do(body as () => Operation<never>)),
    "all() of nothing": () => ({ operation: all([]) }),
    "any() of nothing": () => ({ operation: attempted(any([])) }),
    "map() of nothing": () => ({ operation: map([], never) }),
    "either()": () => ({ operation: either(Fiber.returned(1), Fiber.returned(2)) }),
    "withLock()": opening((body) => new Mutex().withLock(body)),
    "withPermit()": opening((body) => new Semaphore(1).withPermit(body)),
    "withWrite()": opening((body) => new RwLock().withWrite(body)),
    "outputLines() of nothing": () => ({ operation: Output.dummy().outputLines([]) }),
    "copyInto()": () => ({ operation: Input.empty().copyInto(Output.dummy()) }),
    "read()": () => ({ operation: read(readerOf(""), new Uint8Array(1)) }),
  },
};

/** Classes that never complete at once, or that have a reason of their own to be left out. */
const others: Record<string, string> = {
  Yield: "it is what gives way",
  Turn: "it is what gives way",
  Sleep: "it always waits",
  BlockWait: "it always waits",
  SuspendWait: "it always waits, and may complete while it enters",
  KidsGone: "it is there only while there are kids",
  PoolRun: "it always waits for a thread",
  Notified: "it always waits",
  Relock: "it follows a wait: tests/sync/condition_test.ts has it with a share of one",
  InMain: "it is for tasks of other schedulers, and always waits",
  PoolClose: "has a test of its own below",
  FiberCore: "no operation, but it inherits, too",
};

function readerOf(text: string) {
  const source = bytes(text);
  let at = 0;
  return {
    read(into: Uint8Array): Promise<number | null> {
      const part = source.subarray(at, at + into.length);
      into.set(part);
      at += part.length;
      return Promise.resolve(part.length === 0 ? null : part.length);
    },
  };
}

/** What it throws doesn't matter. */
function* attempted(operation: Operation<unknown>): Operation<void> {
  try {
    yield* operation as Awaitable<unknown>;
  } catch { /* see above */ }
}

/** Uses up a share of one operation. */
function useUp(): Operation<void> {
  return new Channel<number>().send(0);
}

const cases = Object.entries(ready).flatMap(([name, forms]) =>
  Object.entries(forms).map(([form, make]) => [`${name}: ${form}`, make] as const)
);

Deno.test("law 10: every class of operations in lib is in the table of those that give way, or says why not", async () => {
  const known = [...Object.keys(ready), ...Object.keys(others)];
  const found = new Set<string>(["GeneratorOperation"]);
  for await (const text of sources(new URL("../../lib/", import.meta.url))) {
    for (const [, name] of text.matchAll(/^inherit\((\w+)/gm)) found.add(name!);
    for (const [, name] of text.matchAll(/new RuleWait(?:<.*>)?\(\s*new (\w+)/g)) found.add(name!);
    for (const [, name] of text.matchAll(/^(?:export )?class (\w+).* extends RuleWait\b/gm)) {
      found.add(name!);
    }
    if (!text.includes("new RuleWait")) continue;
    for (const [, name] of text.matchAll(/^class (\w+).* extends EventBase\b/gm)) found.add(name!);
  }
  assertEquals([...found].filter((name) => !known.includes(name)), []);
  assertEquals(known.filter((name) => !found.has(name)), []);
});

async function* sources(folder: URL): AsyncGenerator<string> {
  for await (const entry of Deno.readDir(folder)) {
    const url = new URL(entry.name, folder);
    if (entry.isDirectory) yield* sources(new URL(`${url}/`));
    else if (entry.name.endsWith(".ts")) yield await Deno.readTextFile(url);
  }
}

/** Operations that need a promise of the host to complete: in `main`, not in virtual time. */
const waitsForHost = new Set([
  "read()",
  "readEvent()",
  "write() of nothing",
  "writeEvent()",
  "copyInto()",
]);
/** Operations that may begin in a fiber that is aborting, and so go on. */
const isProtected = new Set(["CloseWait: close() of an output", "GeneratorOperation: protect()"]);
const isSynchronous = (name: string) => !waitsForHost.has(name.replace(/^.*?: /, ""));

for (const [name, make] of cases) {
  const end = isProtected.has(name) ? "goes on" : "has done nothing";
  Deno.test(`law 10: ${name} gives way before it attempts anything, once the share is used up`, async () => {
    let untouched: boolean | undefined;
    const body = function* () {
      const { operation, isUntouched } = make();
      spawn(function* () {
        untouched = isUntouched?.() ?? true;
      });
      yield* useUp();
      assertEquals(untouched, undefined, "nobody had a turn");
      yield* operation as Awaitable<unknown>;
      assertEquals(untouched, true);
    };
    if (isSynchronous(name)) withShare(1, () => virtually(body));
    else await withShareUntil(1, () => main(body));
  });

  Deno.test(`law 4, law 10: ${name} that is aborted while it gives way ${end}`, () => {
    let untouched: boolean | undefined;
    const outcome = withShare(1, () =>
      virtually(function* () {
        const made = make();
        const fiber = spawn(function* () {
          yield* useUp();
          yield* made.operation as Awaitable<unknown>;
          yield* yieldNow();
        });
        yield* yieldNow();
        fiber.abort("meanwhile");
        untouched = made.isUntouched?.() ?? true;
        const result = yield* fiber.join();
        if (!isProtected.has(name)) assertEquals(made.isUntouched?.() ?? true, true);
        else if (name.includes("protect")) assertEquals(made.isUntouched!(), false);
        return result;
      }));
    assertEquals(untouched, true);
    assertEquals(reasonOf(outcome), "meanwhile");
  });

  Deno.test(`law 10: ${name} gives way inside protect(), and no abort keeps it from going on`, async () => {
    let completed = false;
    const body = function* () {
      const made = make();
      const fiber = spawn(() =>
        protect(function* () {
          yield* useUp();
          yield* made.operation as Awaitable<unknown>;
          completed = true;
        })
      );
      yield* yieldNow();
      assertEquals(made.isUntouched?.() ?? true, true);
      fiber.abort();
      yield* fiber.join();
      assert(completed);
    };
    if (isSynchronous(name)) withShare(1, () => virtually(body));
    else await withShareUntil(1, () => main(body));
  });
}

// The rest ---------------------------------------------------------------------------------------

Deno.test("law 10: ThreadPool.close() gives way before it begins, and works in a fiber that is aborting", async () => {
  const pool = await ThreadPool.make({ size: 1 });
  let sizeBefore: number | undefined;
  await withShareUntil(1, () =>
    main(function* () {
      const fiber = spawn(function* () {
        try {
          yield* Event.never();
        } finally {
          yield* protect(useUp);
          yield* pool.close();
        }
      });
      yield* yieldNow();
      fiber.abort();
      yield* yieldNow();
      sizeBefore = pool.statistics().size;
      yield* fiber.join();
    }));
  assertEquals([sizeBefore, pool.statistics().size], [1, 0]);
});

Deno.test("law 10: the share is so many operations in each step", () => {
  for (const share of [1, 2, 3, 7, REAL_SHARE]) {
    const turns: number[] = [];
    let done = 0;
    withShare(share, () =>
      virtually(function* () {
        spawn(function* () {
          for (; done < 3 * share; turns.push(done)) yield* yieldNow();
        });
        const channel = new Channel<number>();
        yield* yieldNow(); // it has begun
        for (; done < 3 * share; done++) yield* channel.send(done);
      }));
    assertEquals(turns.slice(0, 3), [share, 2 * share, 3 * share]);
  }
});

Deno.test("law 10: the share of a plain run() and of a virtual clock is a count alone", () => {
  const now = Date.now;
  try {
    for (const loop of [undefined, virtualLoop()]) {
      Date.now = () => {
        throw new Error("it looked at the clock");
      };
      const order: number[] = [];
      valueOf(run(function* () {
        spawn(function* () {
          order.push(-1);
        });
        const channel = new Channel<number>();
        for (let n = 0; n < 2 * REAL_SHARE; n++) {
          yield* channel.send(n);
          order.push(n);
        }
      }, loop === undefined ? {} : { loop }));
      assertEquals(order.indexOf(-1), REAL_SHARE);
    }
  } finally {
    Date.now = now;
  }
});

/** Runs `body` with a clock of the realm that the body moves, on loops that go by it. */
function withClock<T>(body: (advance: (ms: number) => void) => T): T {
  const { now } = Date;
  let time = now();
  Date.now = () => time;
  try {
    return body((ms) => time += ms);
  } finally {
    Date.now = now;
  }
}

/** After how many items of so many milliseconds each a sibling had its turns. */
function turnsBeside(items: readonly number[]): number[] {
  return withClock((advance) => {
    const turns: number[] = [];
    let done = 0;
    valueOf(run(function* () {
      const channel = new Channel<number>();
      for (const ms of items) channel.trySend(ms);
      channel.close();
      spawn(function* () {
        for (; done < items.length; turns.push(done)) yield* yieldNow();
      });
      yield* yieldNow();
      for (let item; (item = yield* channel.receive()) !== undefined; done++) advance(item.value);
    }, { loop: blockingLoop() }));
    return turns;
  });
}

Deno.test("law 10: a fiber whose items take longer than a share gives way after each of them", () => {
  const turns = turnsBeside(new Array(50).fill(3));
  for (let n = 2; n < turns.length; n++) assert(turns[n]! - turns[n - 1]! <= 1, `${turns}`);
});

Deno.test("law 10: a fiber whose items take no time that can be seen gives way by the count", () => {
  const turns = turnsBeside(new Array(20 * REAL_SHARE).fill(0));
  for (let n = 1; n < 15; n++) {
    const items = turns[n]! - turns[n - 1]!;
    assert(items > REAL_SHARE / 2 && items < 2 * REAL_SHARE, `${turns}`);
  }
});

Deno.test("law 10: a fiber that was fast and turns slow is noticed within a stride", () => {
  const fast = 10 * REAL_SHARE;
  const turns = turnsBeside([...new Array(fast).fill(0), ...new Array(300).fill(3)]);
  const longest = Math.max(...turns.map((turn, n) => {
    const from = Math.max(fast, turns[n - 1] ?? 0);
    return turn - from;
  }));
  assert(longest <= 130, `${longest} slow items without a turn for anybody`);
  const last = turns.filter((turn) => turn > fast + 135);
  for (let n = 1; n < last.length; n++) assert(last[n]! - last[n - 1]! <= 1, "then after each");
});

Deno.test("law 10: a fiber that was slow once, and has proved fast, is no longer looked at in each step", () => {
  const { now } = Date;
  let time = now();
  let looks = 0;
  Date.now = () => (looks++, time);
  try {
    valueOf(run(function* () {
      const channel = new Channel<number>();
      for (let n = 0; n < 200; n++) { // each item takes long
        yield* channel.send(n);
        time += 3;
      }
      assert(looks > 150, `${looks} looks`);
      for (let step = 0; step < 20; step++, yield* yieldNow()) yield* channel.receive();
      const before = looks;
      for (let step = 0; step < 1000; step++, yield* yieldNow()) yield* channel.send(step);
      assert(looks - before <= 20, `${looks - before} looks in 1000 steps`);
    }, { loop: blockingLoop() }));
  } finally {
    Date.now = now;
  }
});

Deno.test("law 10: a clock that is set back is no reason to go on for ever", () => {
  const turns = turnsBeside(new Array(400).fill(-3_600_000));
  assert(turns.length > 100, `${turns.length} turns`);
});

Deno.test("T20, law 3, law 10: a fiber that is always ready is stopped by withTimeout() on the host loop", async () => {
  let rounds = 0;
  const error = await main(() =>
    withTimeout(20, function* () {
      const channel = new Channel<number>({ capacity: 1 });
      for (;; rounds++) {
        yield* channel.send(1);
        yield* channel.receive();
      }
    })
  ).then(() => undefined, (error) => error);
  assertEquals(error?.name, "TimeoutError");
  assert(rounds > 0);
});

Deno.test("law 10: a fiber that is always ready is stopped by a timer on a blocking loop", () => {
  const result = run(() =>
    withTimeout(10, function* () {
      const channel = new Channel<number>({ capacity: 1 });
      for (;;) {
        yield* channel.send(1);
        yield* channel.receive();
      }
    }), { loop: blockingLoop() });
  assertEquals((errorOf(result) as Error).name, "TimeoutError");
});

Deno.test("law 10: a fiber that is always ready, on a scheduler of one's own, lets its timers fire", () => {
  const loop = virtualLoop();
  const result = runLifo(
    function* () {
      const channel = new Channel<number>({ capacity: 1 });
      for (let round = 0; round < 10 * REAL_SHARE; round++) {
        yield* channel.send(1);
        yield* channel.receive();
      }
      return getScheduler().taskCount;
    },
    { loop },
  );
  assert(valueOf(result) >= 20);
});

Deno.test("law 10: the host has its turn after each share of slow items, however many fibers have such", async () => {
  let turns = 0;
  const interval = setInterval(() => turns++, 0);
  const spin = () => {
    const end = performance.now() + 1;
    while (performance.now() < end);
  };
  let items = 0;
  await main(function* () {
    for (let n = 0; n < 10; n++) {
      spawn(function* () {
        const channel = new Channel<number>();
        for (let item = 0; item < 10; item++) yield* channel.send(item);
        for (; (channel.tryReceive()) !== undefined; items++) {
          yield* channel.send(0);
          yield* channel.receive();
          spin();
        }
      });
    }
  });
  clearInterval(interval);
  assertEquals(items, 100);
  assert(turns >= 4, `${turns} turns of the host in 100 items of a millisecond`);
});

Deno.test("law 3, law 10: a fiber that swallows every Abort gives way all the same", () => {
  let swallowed = 0;
  let sibling = 0;
  virtually(function* () {
    const fiber = spawn(function* () {
      const channel = new Channel<number>();
      while (sibling < 3) {
        try {
          yield* channel.receive();
        } catch (error) {
          assertInstanceOf(error, Abort);
          swallowed++;
        }
      }
    });
    yield* yieldNow();
    fiber.abort();
    for (; sibling < 3; sibling++) yield* yieldNow();
    assertInstanceOf(errorOf(yield* fiber.join()), FiberAborted);
  });
  assert(swallowed >= 2 * REAL_SHARE);
});

Deno.test("law 10: an operation with nothing to return returns undefined, also when it has given way", () => {
  const channel = new Channel<number>();
  const output = Output.toBytes();
  const operations: [name: string, operation: () => Operation<unknown>][] = [
    ["send", () => channel.send(1)],
    ["sendEvent", () => channel.sendEvent(2)],
    ["write of nothing", () => write(writerTo(), bytes(""))],
    ["output", () => output.outputString("a")],
    ["flush", () => output.flush()],
    ["abort", () => Fiber.returned(1).abort()],
  ];
  withShare(1, () => {
    valueOf(run(function* () {
      for (const [name, operation] of operations) {
        yield* yieldNow();
        yield* channel.send(0); // the whole share
        assertEquals([name, yield* operation()], [name, undefined]);
      }
    }));
  });
});

Deno.test("law 10: an operation that gives way is used: a second use is a TypeError", () => {
  withShare(1, () =>
    virtually(function* () {
      const channel = new Channel<number>();
      const send = channel.send(1);
      const fiber = spawn(function* () {
        yield* useUp();
        yield* send;
      });
      yield* yieldNow();
      assertThrows(() => send[Symbol.iterator](), TypeError, "one-shot");
      yield* fiber;
      assertEquals(channel.size, 1);
    }));
});

Deno.test("law 10: an operation dropped by hand while it gives way has done nothing, and its fiber goes on", () => {
  withShare(1, () =>
    virtually(function* () {
      const channel = new Channel<number>();
      channel.trySend(1);
      yield* useUp();
      const byHand = channel.receive()[Symbol.iterator]();
      byHand.next();
      byHand.return?.();
      assertEquals(yield* channel.receive(), { value: 1 });
      assertEquals(channel.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
    }));
});

Deno.test("law 8, law 10: a trigger whose wait is aborted while it gives way calls onCancel, once", () => {
  let cancelled = 0;
  const outcome = withShare(1, () =>
    virtually(function* () {
      const trigger = prepareForAwait();
      trigger.release();
      const fiber = spawn(function* () {
        yield* useUp();
        yield* trigger.await(() => void cancelled++);
      });
      yield* yieldNow();
      fiber.abort("meanwhile");
      return yield* fiber.join();
    }));
  assertEquals(reasonOf(outcome), "meanwhile");
  assertEquals(cancelled, 1);
});

Deno.test("law 10: select() decides by what is ready when it goes on, not when it gave way", () => {
  withShare(1, () =>
    virtually(function* () {
      const first = new Channel<string>();
      const second = new Channel<string>();
      second.trySend("was there before");
      spawn(function* () {
        first.trySend("came meanwhile");
      });
      yield* useUp();
      const chosen = yield* select({ first: first.receiveEvent(), second: second.receiveEvent() });
      assertEquals(chosen, { kind: "first", value: "came meanwhile" });
      assertEquals(second.size, 1);
    }));
});

Deno.test("law 10: trySend() and tryReceive() never give way", () => {
  withShare(1, () =>
    virtually(function* () {
      let turns = 0;
      spawn(function* () {
        turns++;
      });
      const channel = new Channel<number>();
      for (let n = 0; n < 1000; n++) {
        channel.trySend(n);
        channel.tryReceive();
      }
      assertEquals(turns, 0);
    }));
});

Deno.test("law 10: what always waits begins at once, though the share is used up", () => {
  withShare(1, () =>
    virtually(function* () {
      let entered = 0;
      const endless = () => sleep(Infinity);
      const waits: (() => Operation<unknown>)[] = [
        () =>
          suspend((_context, resume) => {
            entered++;
            resume({ ok: true, value: 0 });
          }),
        () =>
          block({
            block: () => {
              entered++;
              throw new Error("no");
            },
            abort: () => {},
            retv: () => 0,
          }),
        endless,
      ];
      for (const wait of waits) {
        let hadTurn = false;
        yield* useUp();
        spawn(function* () {
          hadTurn = true;
        });
        const before = entered;
        const waiting = attempted(wait())[Symbol.iterator]();
        waiting.next();
        assertEquals([hadTurn, entered - before], [false, wait === endless ? 0 : 1]);
        waiting.return?.();
        yield* yieldNow();
      }
      assertEquals(entered, 2);
    }));
});

for (const [name, runInside] of [["run()", run], ["a scheduler of its own", runLifo]] as const) {
  Deno.test(`law 10: a fiber that lets ${name} run others inside gives way by its own count`, () => {
    const turns: number[] = [];
    let done = 0;
    withShare(2, () =>
      virtually(function* () {
        spawn(function* () {
          for (; done < 10; turns.push(done)) yield* yieldNow();
        });
        yield* yieldNow();
        const channel = new Channel<number>();
        for (; done < 10; done++) {
          yield* channel.send(1);
          valueOf(runInside(function* () {
            const inner = new Channel<number>();
            for (let n = 0; n < 5; n++) yield* inner.send(n);
          }, { loop: virtualLoop() }));
        }
      }));
    assertEquals(turns.slice(0, 4), [2, 4, 6, 8]);
  });

  Deno.test(`law 10: a fiber that lets ${name} run others inside gives way by the clock`, () => {
    const done = withClock((advance) => {
      let done = 0;
      valueOf(run(function* () {
        const sibling = spawn(function* () {
          for (let turn = 0; turn < 3; turn++) yield* yieldNow();
          return done;
        });
        const channel = new Channel<number>();
        while (sibling.state === "running") {
          yield* channel.send(1);
          runInside(() => channel.receive(), { loop: blockingLoop() });
          advance(3);
          done++;
        }
        assert(valueOf(sibling.poll()!) <= 6);
      }, { loop: blockingLoop() }));
      return done;
    });
    assert(done < 10, `${done} rounds`);
  });
}

Deno.test("law 10: a fiber that was fast and waits after each few slow items is noticed, once and for all", () => {
  const gaps = withClock((advance) => {
    let now = 0;
    const pass = (ms: number) => {
      advance(ms);
      now += ms;
    };
    const gaps: number[] = [];
    valueOf(run(function* () {
      const queue = new Channel<number>();
      const consumer = spawn(function* () {
        for (let item; (item = yield* queue.receive()) !== undefined;) pass(item.value);
      });
      for (let n = 0; n < 20_000; n++) queue.trySend(0);
      while (queue.size > 0) yield* yieldNow();
      for (let round = 0; round < 10; round++) {
        for (let n = 0; n < 100; n++) queue.trySend(3);
        let longest = 0;
        for (let before = now; queue.size > 0; before = now) {
          yield* yieldNow();
          longest = Math.max(longest, now - before);
        }
        gaps.push(longest);
      }
      queue.close();
      yield* consumer;
    }, { loop: blockingLoop() }));
    return gaps;
  });
  assert(gaps.filter((gap) => gap > 10).length <= 2, `${gaps}`);
});

Deno.test("law 13, law 10: a promise that is rejected while a wait for it gives way is handled", async () => {
  const spin = () => {
    const end = performance.now() + 3;
    while (performance.now() < end);
  };
  const rejected = () => Promise.reject(new Error("not in the cache"));
  const waits: (() => Operation<unknown>)[] = [
    () => fromPromise(rejected()),
    () => fromPromise(rejected),
    () => promiseEvent(rejected()),
    () => promiseEvent(rejected()).map((value) => value),
    () => select({ value: promiseEvent(rejected()), late: afterEvent(1000) }),
    () => Event.choose(promiseEvent(rejected()), Event.never()),
  ];
  let caught = 0;
  await withShareUntil(1, () =>
    main(function* () {
      for (let n = 0; n < 5; n++) spawn(busy);
      for (const wait of waits) {
        yield* useUp();
        try {
          yield* wait() as Awaitable<unknown>;
        } catch (error) {
          assertEquals((error as Error).message, "not in the cache");
          caught++;
        }
      }
      function* busy() {
        while (caught < waits.length) {
          spin(); // the host has its turn, and looks for rejections that nobody handles
          yield* yieldNow();
        }
      }
    }));
  assertEquals(caught, waits.length);
});

Deno.test("law 13, law 10: a fiber that has failed while a join of it gives way is not reported", async () => {
  const reported: unknown[] = [];
  const restore = setUncaughtHandler((error) => void reported.push(error));
  try {
    await withShareUntil(1, () =>
      main(function* () {
        const spins = spawn(function* () {
          for (let n = 0; n < 300; n++) yield* yieldNow();
        });
        for (const join of [(f: Fiber<never>) => f.join(), (f: Fiber<never>) => f.joinEvent()]) {
          const failing = spawn(function* (): Operation<never> {
            throw new Error("kept");
          }, { propagateCancelToParent: false });
          yield* yieldNow();
          yield* useUp();
          assertEquals((yield* join(failing)).ok, false);
        }
        yield* spins;
      }));
  } finally {
    setUncaughtHandler(restore as never);
  }
  assertEquals(reported, []);
});

Deno.test("law 10: selfAbort() and a scope in an aborting fiber end as ever, though the share is used up", () => {
  for (const act of [() => selfAbort("itself"), () => scope(never)]) {
    const outcome = withShare(1, () =>
      virtually(function* () {
        const fiber = spawn(function* () {
          if (act.toString().includes("scope")) Fiber.current().abort("itself");
          else yield* useUp();
          yield* act();
        });
        return yield* fiber.join();
      }));
    assertEquals(reasonOf(outcome), "itself");
  }
});

Deno.test("law 13: nothing is reported for operations that gave way and were aborted", () => {
  const reported: unknown[] = [];
  const restore = setUncaughtHandler((error) => void reported.push(error));
  try {
    withShare(1, () =>
      virtually(() =>
        cancelScope(function* (context) {
          for (let n = 0; n < 10; n++) {
            spawn(function* () {
              yield* useUp();
              yield* fromPromise(Promise.reject(new Error("handled")));
            });
          }
          yield* yieldNow();
          context.cancel();
        })
      ));
  } finally {
    setUncaughtHandler(restore as never);
  }
  assertEquals(reported, []);
});
