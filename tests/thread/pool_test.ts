/** Pools of threads: what they do while all goes well, and how they are made and closed. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  afterEvent,
  all,
  any,
  cancelScope,
  Channel,
  fromPromise,
  main,
  map,
  protect,
  run,
  scope,
  select,
  spawn,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import {
  noop,
  PoolClosedError,
  SharedChannel,
  SharedTrigger,
  ThreadPool,
  transfer,
} from "@weft/weft/thread";
import {
  newWord,
  tasksUrl,
  thrownBy,
  untilWord,
  untilWorkers,
  withPool,
  workersAlive,
} from "../kit/pools.ts";
import { until } from "../kit/workers.ts";
import type tasks from "./workers/tasks.ts";

Deno.test("ThreadPool.run() runs plain, async and generator functions", async () => {
  await withPool({}, function* (pool) {
    assertEquals(yield* pool.run("add", 1, 2), 3);
    assertEquals(yield* pool.run("later", 1), "later");
    assertEquals(yield* pool.run("fiber", 1), "fiber");
    assertEquals(yield* pool.run("noop"), undefined);
  });
});

Deno.test("ThreadPool.run() gives each job the state of its thread", async () => {
  await withPool({}, function* (pool) {
    assertEquals([yield* pool.run("count"), yield* pool.run("count")], [1, 2]);
  });
});

Deno.test("ThreadPool.run() carries whatever can be cloned, there and back", async () => {
  const values = [
    undefined,
    null,
    -0,
    NaN,
    10n,
    "",
    "ü😀".repeat(5000),
    [1, , 3],
    new Date(5),
    new Map([[1, new Set([2])]]),
    new Uint8Array(3),
    new Uint8Array(100_000),
    { a: [{ b: "c" }] },
    { big: "x".repeat(100_000) },
  ];
  await withPool({}, function* (pool) {
    for (const value of values) assertEquals(yield* pool.run("echo", value), value);
  });
});

Deno.test("ThreadPool.run() copies plain arguments at the call, so that they may be changed", async () => {
  await withPool({}, function* (pool) {
    const word = newWord();
    const busy = spawn(() => pool.run("held", word));
    yield* fromPromise(untilWord(word, 1));
    const list = [1];
    const echoed = spawn(() => pool.run("echo", list));
    yield* yieldNow();
    list.push(2);
    Atomics.store(word, 0, 2);
    yield* busy;
    assertEquals(yield* echoed, [1]);
  });
});

Deno.test("transfer() moves a buffer into a thread and back", async () => {
  await withPool({}, function* (pool) {
    const bytes = new Uint8Array(1000);
    const back = yield* pool.run("echo", transfer(bytes, [bytes.buffer]));
    assertEquals(bytes.length, 0);
    assertEquals((back as Uint8Array).length, 1000);
    assertEquals((yield* pool.run("bytes", 5)).length, 5);
  });
});

Deno.test("transfer() may mark two arguments with the same buffer", async () => {
  await using pool = await ThreadPool.make({ size: 1 });
  const buffer = new ArrayBuffer(8);
  const [head, tail] = [new Uint8Array(buffer, 0, 4), new Uint8Array(buffer, 4)];
  const isShared = (_state: undefined, a: Uint8Array, b: Uint8Array) => a.buffer === b.buffer;
  assertEquals(await pool.run(isShared, transfer(head, [buffer]), transfer(tail, [buffer])), true);
  assertEquals(buffer.byteLength, 0);
});

Deno.test("ThreadPool.run() shares shared memory, however little, in a result as in an argument", async () => {
  await withPool({}, function* (pool) {
    const bytes = yield* pool.run("sharedBytes");
    bytes[0] = 7;
    assertEquals((yield* pool.run("sharedBytes"))[0], 7);
  });
});

Deno.test("ThreadPool.run() waits for a promise of a promise, as await does", async () => {
  await withPool({}, function* (pool) {
    assertEquals(yield* pool.run("promising", 5), 5 as unknown);
  });
});

Deno.test("law 7: ThreadPool.run() is first come, first served", async () => {
  await withPool({}, function* (pool) {
    const order: number[] = [];
    const jobs = Array.from({ length: 50 }, (_, i) =>
      spawn(function* () {
        yield* pool.run("echo", i % 2 === 0 ? i : new Map([[i, i]]));
        order.push(i);
      }));
    for (const job of jobs) yield* job;
    assertEquals(order, jobs.map((_, i) => i));
  });
});

Deno.test("ThreadPool.run() takes far more jobs than its tables hold", async () => {
  await withPool({ size: 2 }, function* (pool) {
    const numbers = Array.from({ length: 6000 }, (_, i) => i);
    const sums = yield* map(numbers, (n) => pool.run("add", n, 1));
    assertEquals(sums, numbers.map((n) => n + 1));
    assertEquals(pool.statistics(), {
      size: 2,
      idle: 2,
      busy: 0,
      queued: 0,
      completed: 6000,
      crashed: 0,
      abandoned: 0,
    });
  });
});

Deno.test("ThreadPool.run() uses a free thread however busy the others are", async () => {
  await withPool({ size: 2 }, function* (pool) {
    const word = newWord();
    const stuck = spawn(() => pool.run("stuck", word));
    yield* fromPromise(untilWord(word, 1));
    for (let i = 0; i < 200; i++) {
      // The busy thread is rung for other reasons, too, and must not take rings for jobs along.
      const [a, b] = [spawn(() => pool.run("later", 0)), spawn(() => pool.run("echo", new Map()))];
      yield* a;
      yield* b;
    }
    Atomics.store(word, 0, 2);
    yield* stuck;
  });
});

Deno.test("ThreadPool.run() uses a free thread while another one waits for main", async () => {
  const gate = Promise.withResolvers<string>();
  await withPool({ size: 2, main: { wait: () => gate.promise, quick: () => 1 } }, function* (pool) {
    const waiting = [
      spawn(() => pool.run("askAsync", "wait")),
    ];
    for (let i = 0; i < 100; i++) assertEquals(yield* pool.run("ask", "quick"), 1);
    waiting.push(spawn(() => pool.run("ask", "wait")));
    yield* afterEvent(5);
    gate.resolve("open");
    for (const job of waiting) assertEquals(yield* job, "open");
  });
});

Deno.test("maxQueued lets as many jobs wait for a thread, and the others before the door", async () => {
  await withPool({ maxQueued: 1 }, function* (pool) {
    const word = newWord();
    const held = spawn(() => pool.run("held", word));
    yield* fromPromise(untilWord(word, 1));
    const rest = [1, 2, 3].map((n) => spawn(() => pool.run("echo", n)));
    yield* afterEvent(1);
    assertEquals(pool.statistics().queued, 3);
    yield* rest[1]!.abort();
    assertEquals(pool.statistics().queued, 2);
    Atomics.store(word, 0, 2);
    assertEquals([yield* held, yield* rest[0]!, yield* rest[2]!], ["held", 1, 3]);
  });
});

Deno.test("maxQueued: 0 never lets a job wait for a thread, and runs them all", async () => {
  await withPool({ size: 2, maxQueued: 0 }, function* (pool) {
    const numbers = Array.from({ length: 100 }, (_, i) => i);
    assertEquals(yield* map(numbers, (n) => pool.run("echo", n)), numbers);
  });
});

Deno.test("ThreadPool.statistics() never counts more threads than there are", async () => {
  await withPool({ size: 2 }, function* (pool) {
    const jobs = Array.from({ length: 1000 }, (_, i) => spawn(() => pool.run("echo", i)));
    yield* yieldNow();
    for (;;) { // main hears of no result meanwhile
      const { size, idle, busy, queued } = pool.statistics();
      assertEquals([size, idle + busy], [2, 2]);
      assert(idle >= 0 && busy >= 0, `${idle} idle, ${busy} busy`);
      if (queued === 0) break;
    }
    for (const [i, job] of jobs.entries()) assertEquals(yield* job, i);
  });
});

// Worlds ---------------------------------------------------------------------------------------

Deno.test("ThreadPool.run() can be awaited, and the pool be made and disposed of with await", async () => {
  await using pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1 });
  assertEquals(await pool.run("add", 1, 2), 3);
  assertEquals(await Promise.all([pool.run("echo", "a"), pool.run("fiber", 0)]), ["a", "fiber"]);
});

Deno.test("ThreadPool.run() works in a run that blocks main", async () => {
  await using pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1 });
  const result = run(function* () {
    const values: unknown[] = [yield* pool.run("add", 1, 2)];
    values.push(yield* pool.run("echo", new Map([[1, 2]])));
    try {
      yield* pool.run("fail", "boo");
    } catch (error) {
      values.push((error as Error).message);
    }
    const late = yield* select({ never: pool.runEvent("fiber", 60_000), late: afterEvent(1) });
    return [...values, late.kind];
  }, { loop: blockingLoop() });
  assertEquals(result, { ok: true, value: [3, new Map([[1, 2]]), "boo", "late"] });
});

Deno.test("ThreadPool.run() works with all(), any(), map(), protect() and withTimeout()", async () => {
  await withPool({ size: 2 }, function* (pool) {
    const add = (a: number, b: number) => () => pool.run("add", a, b);
    assertEquals(yield* all([add(1, 1), add(2, 2)]), [2, 4]);
    const numbers = [1, 2, 3, 4, 5];
    assertEquals(
      yield* map(numbers, (n) => pool.run("add", n, n), { concurrency: 2 }),
      numbers.map((n) => n * 2),
    );
    const failed = Promise.withResolvers<void>();
    const failing = function* () {
      try {
        yield* pool.run("fail", "x");
      } finally {
        failed.resolve();
      }
      return 0;
    };
    const late = function* () { // or any() would abort the other, whose error then is nobody's
      yield* fromPromise(failed.promise);
      return yield* pool.run("add", 3, 3);
    };
    assertEquals(yield* any([failing, late]), 6);
    assertEquals(yield* any([() => pool.run("fiber", 60_000), add(3, 4)]), 7);
    assertEquals(yield* protect(add(4, 4)), 8);
    assertEquals(yield* withTimeout(60_000, add(5, 5)), 10);
    yield* fromPromise(until(() => pool.statistics().busy === 0)); // what any() has aborted
    assertEquals(pool.statistics().queued, 0);
  });
});

Deno.test("ThreadPool.runEvent() can be waited on any number of times, each a job of its own", async () => {
  await withPool({}, function* (pool) {
    const event = pool.runEvent("count").map((n) => n * 10);
    assertEquals([yield* event, yield* event, yield* event], [10, 20, 30]);
  });
});

Deno.test("law 6: ThreadPool.runEvent() runs no job if another branch is ready", async () => {
  await withPool({}, function* (pool) {
    const channel = new Channel<string>();
    channel.trySend("here");
    const { kind } = yield* select({ item: channel.receiveEvent(), job: pool.runEvent("count") });
    assertEquals(kind, "item");
    assertEquals(yield* pool.run("count"), 1);
  });
});

Deno.test("law 6: a branch that loses cancels its job", async () => {
  await withPool({}, function* (pool) {
    const word = newWord();
    const channel = new Channel<string>();
    spawn(function* () {
      yield* fromPromise(untilWord(word, 1));
      yield* channel.send("now");
    });
    const outcome = yield* select({
      item: channel.receiveEvent(),
      job: pool.runEvent("spin", word),
    });
    assertEquals(outcome, { kind: "item", value: "now" });
    yield* fromPromise(untilWord(word, 2));
    assertEquals(channel.statistics().receiversWaiting, 0);
  });
});

Deno.test("law 6: an argument of ThreadPool.runEvent() may feed another branch by a getter", async () => {
  await withPool({}, function* (pool) {
    const channel = new Channel<string>();
    const argument = {
      get value() {
        channel.trySend("now");
        return 1;
      },
    };
    const outcome = yield* select({
      item: channel.receiveEvent(),
      job: pool.runEvent("echo", argument),
    });
    assertEquals(outcome, { kind: "item", value: "now" }); // looked at before any branch is
    assertEquals(channel.statistics().receiversWaiting, 0);
  });
});

Deno.test("ThreadPool.runEvent() fails the select with what the task threw", async () => {
  await withPool({}, function* (pool) {
    let caught: unknown;
    try {
      yield* select({ job: pool.runEvent("fail", "boo"), late: afterEvent(60_000) });
    } catch (error) {
      caught = error;
    }
    assertEquals((caught as Error).message, "boo");
    assertStringIncludes((caught as Error).stack!, "waited for here");
  });
});

Deno.test("tasks have the whole of Weft: fibers, channels, select and timers", async () => {
  await withPool({}, function* (pool) {
    assertEquals(yield* pool.run("sum", 20), 190);
  });
});

Deno.test("a thread of a pool may have a pool of its own, whose threads have other numbers", async () => {
  await withPool({}, function* (pool) {
    assertEquals(yield* pool.run("nested", tasksUrl.href, 1, 2, 3), [1, 2, 3]);
  });
});

Deno.test("webWorkerThreads gives each thread of a pool a number of its own", async () => {
  await withPool({ size: 2 }, function* (pool) {
    const words = [newWord(), newWord()];
    const held = words.map((word) => spawn(() => pool.run("held", word)));
    for (const word of words) yield* fromPromise(untilWord(word, 1));
    for (const word of words) Atomics.store(word, 0, 2);
    for (const job of held) yield* job;
    const id = yield* pool.run("threadId");
    assertNotEquals(id, 0);
  });
});

// Making and closing ---------------------------------------------------------------------------

Deno.test("ThreadPool.make() refuses sizes that make no sense", () => {
  for (const size of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => ThreadPool.make(tasksUrl, { size }), RangeError, "size");
  }
  assertThrows(() => ThreadPool.make(tasksUrl, { size: "2" as never }), TypeError, "size");
  assertThrows(() => ThreadPool.make(tasksUrl, { maxQueued: -1 }), RangeError, "maxQueued");
  assertThrows(() => ThreadPool.make(tasksUrl, { graceMs: NaN }), RangeError, "graceMs");
  assertThrows(() => ThreadPool.make(tasksUrl, { name: 1 as never }), TypeError, "name");
  assertThrows(() => ThreadPool.make(tasksUrl, { main: 1 as never }), TypeError, "main");
  assertThrows(() => ThreadPool.make(tasksUrl, { main: { f: 1 as never } }), TypeError, "main.f");
  assertThrows(() => ThreadPool.make("./tasks.ts"), TypeError, "must be an absolute URL");
  assertThrows(() => ThreadPool.make(5 as never), TypeError, "options must be an object");
});

Deno.test("ThreadPool.make() takes the module as a URL or as a string", async () => {
  for (const module of [tasksUrl, tasksUrl.href]) {
    await using pool = await ThreadPool.make<typeof tasks>(module, { size: 1 });
    assertEquals(await pool.run("add", 1, 1), 2);
  }
});

Deno.test("ThreadPool.run() refuses what is no task, and says what there is", async () => {
  await withPool({ name: "mine" }, function* (pool) {
    const run = pool.run.bind(pool) as (task: unknown) => PromiseLike<unknown>;
    assertThrows(() => run(5), TypeError, "expected the name of a task");
    assertThrows(() => run(() => 1), TypeError, 'Cannot run in thread pool "mine"');
    const error = yield* fromPromise(thrownBy(() => run("nothing")));
    assertInstanceOf(error, TypeError);
    assertStringIncludes(error.message, 'Cannot run task "nothing": the module has "noop", "add"');
    for (const name of ["toString", "constructor", "__proto__"]) {
      assertInstanceOf(yield* fromPromise(thrownBy(() => run(name))), TypeError);
    }
  });
});

Deno.test("T39 law 13: an argument that can't be cloned is an error, and the thread goes on", async () => {
  await withPool({}, function* (pool) {
    const error = yield* fromPromise(thrownBy(() => pool.run("echo", () => 1)));
    assertInstanceOf(error, TypeError);
    const message = 'Cannot run task "echo": argument 1 could not be cloned: ';
    assertStringIncludes(error.message, message);
    assertEquals((error.cause as Error).name, "DataCloneError");
    assertEquals(yield* pool.run("echo", 1), 1);
  });
});

Deno.test("T39: an argument whose getter throws is an error, and leaves no job behind", async () => {
  await withPool({}, function* (pool) {
    const argument = {
      get a() {
        throw new RangeError("from a getter");
      },
    };
    const error = yield* fromPromise(thrownBy(() => pool.run("echo", argument)));
    assertInstanceOf(error, RangeError);
    assertEquals(pool.statistics().queued, 0);
  }); // closing would hang
});

Deno.test("T39: a result that can't be cloned is an error, and the thread goes on", async () => {
  await withPool({}, function* (pool) {
    for (const task of ["uncloneable", "badGetter", "detached"] as const) {
      const error = yield* fromPromise(thrownBy(() => pool.run(task)));
      assertInstanceOf(error, TypeError);
      assertStringIncludes(error.message, `Cannot send the result of task "${task}" to main: `);
      const { message } = error.cause as Error;
      assertStringIncludes(error.message, `could not be cloned: ${message.replace(/\.$/, "")}`);
    }
    assertEquals(yield* pool.run("echo", 1), 1);
  });
  await using functions = await ThreadPool.make({ size: 1 });
  const error = await thrownBy(() =>
    functions.run(function nothingPlain() {
      return { f: () => 1 };
    })
  );
  assertStringIncludes(
    (error as Error).message,
    "Cannot send the result of function nothingPlain to main: an Object could not be cloned: ",
  );
});

Deno.test("T39: a shared channel or trigger is refused, not emptied: its handle is what is sent", async () => {
  await withPool({ main: { channel: () => new SharedChannel({ capacity: 1 }) } }, function* (pool) {
    for (const shared of [new SharedChannel({ capacity: 1 }), new SharedTrigger()]) {
      const error = yield* fromPromise(thrownBy(() => pool.run("echo", shared)));
      assertInstanceOf(error, TypeError);
      const { name } = shared.constructor;
      assertEquals(
        error.message,
        `Cannot send a ${name} to another thread: send its handle, and use ${name}.from(handle) there`,
      );
      assertEquals(yield* pool.run("echo", shared.handle), shared.handle);
    }
    const error = yield* fromPromise(thrownBy(() => pool.run("sharedChannel")));
    assertInstanceOf(error, TypeError);
    assertStringIncludes(`${error.message}: ${error.cause}`, "send its handle");
    const refusal = yield* fromPromise(thrownBy(() => pool.run("ask", "channel")));
    assertStringIncludes(`${refusal}: ${(refusal as Error).cause}`, "send its handle");
    assertEquals(yield* pool.run("echo", 1), 1);
  });
});

Deno.test("ThreadPool.close() waits for what is running and queued, in any world, again and again", async () => {
  const pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1, maxQueued: 1 });
  const results = [1, 2, 3, 4].map((n) => pool.run("echo", n).then((value) => value));
  const first = pool.close().then(() => "closed");
  assertEquals(await Promise.all(results), [1, 2, 3, 4]);
  assertEquals(await first, "closed");
  await pool.close();
  await main(function* () {
    yield* pool.close();
  });
  assertEquals(pool.statistics().size, 0);
});

Deno.test("ThreadPool.run() after close() throws PoolClosedError", async () => {
  const pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1, name: "gone" });
  pool.closeAsync();
  const error = await thrownBy(() => pool.run("add", 1, 2));
  assertInstanceOf(error, PoolClosedError);
  assertEquals(error.message, 'Cannot run in thread pool "gone": it is closed');
  assertInstanceOf(await thrownBy(() => pool.runEvent("add", 1, 2)), PoolClosedError);
  await pool.close();
});

Deno.test("law 12: ThreadPool.close() works in a fiber that is aborting", async () => {
  const pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1 });
  const handle = main(function* () {
    try {
      yield* pool.run("fiber", 60_000);
    } finally {
      yield* pool.close();
    }
  });
  await new Promise((resolve) => setTimeout(resolve, 1));
  await handle.abort();
  assertEquals(pool.statistics().size, 0);
});

Deno.test("ThreadPool.make() that is cancelled leaves no thread behind", async () => {
  const before = workersAlive();
  for (const ms of [0, 1, 5, 20, 40]) {
    await main(function* () {
      const pool = yield* cancelScope(function* (context) {
        spawn(function* () {
          yield* afterEvent(ms);
          context.cancel("too late");
        });
        return yield* ThreadPool.make<typeof tasks>(tasksUrl, { size: 2 });
      });
      yield* pool?.value.close() ?? yieldNow();
    });
  }
  await untilWorkers(before);
});

Deno.test("init that throws in one of several threads: make() throws that very error", async () => {
  const init = () => {
    const id = Number(/\d+/.exec(self.name)![0]);
    if (id % 2 === 0) throw Object.assign(new RangeError("not here"), { id });
    return { id };
  };
  const error = await thrownBy(() => ThreadPool.make({ size: 3, init }));
  assertInstanceOf(error, RangeError);
  assertEquals(error.message, "not here");
  assertEquals((error as RangeError & { id: number }).id % 2, 0);
});

Deno.test("init that rejects or hangs in one thread, and throws in another, leaves none behind", async () => {
  const before = workersAlive();
  const init = async () => {
    await null;
    const id = Number(/\d+/.exec(self.name)![0]);
    if (id % 2 === 0) throw new RangeError("not here");
    await new Promise(() => {});
  };
  await assertRejects(async () => await ThreadPool.make({ size: 4, init }), RangeError, "not here");
  await untilWorkers(before);
});

Deno.test("a function of a pool without init is given undefined; noop does as well", async () => {
  await using pool = await ThreadPool.make({ size: 1 });
  assertEquals(await pool.run((state) => state === undefined), true);
  await using same = await ThreadPool.make({ size: 1, init: noop, atExit: noop });
  assertEquals(await same.run((state) => state === undefined), true);
});

Deno.test("init may be async, and its state is the thread's", async () => {
  const init = async () => {
    await new Promise((resolve) => setTimeout(resolve, 1));
    return { n: 41 };
  };
  await using pool = await ThreadPool.make({ size: 1, init });
  assertEquals(await pool.run((state) => ++state.n), 42);
});

Deno.test("init and atExit that are generator functions are refused", async () => {
  const init = function* () {} as unknown as () => undefined;
  const error = await thrownBy(() => ThreadPool.make({ size: 1, init }));
  assertStringIncludes((error as Error).message, "Cannot run init: it is a generator function");
  const pool = await ThreadPool.make({ size: 1, atExit: init });
  const closing = await thrownBy(() => pool.close());
  assertStringIncludes((closing as Error).message, "Cannot run atExit: it is a generator function");
});

Deno.test("law 10: sockets of a thread make progress while it has job after job", async () => {
  const MOST_JOBS = 300;
  await main(() =>
    scope(function* (scope) {
      const pool = yield* ThreadPool.make({ size: 1, init: talkToItself });
      scope.onRelease(() => pool.close());
      let jobs = 0;
      let trips = 0;
      yield* map([1, 2, 3], function* () { // there is always a next job
        while (trips < 5) {
          assert(++jobs < MOST_JOBS, `${trips} round trips in ${jobs} jobs`);
          trips = yield* pool.run(computeFor1ms);
        }
      });
    })
  );
});

/** Sends a byte through a socket, and back, and so on. */
function talkToItself(): { trips: number } {
  const state = { trips: 0 };
  const talk = async () => {
    const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
    const far = await listener.accept();
    for (; state.trips < 5; state.trips++) {
      await near.write(new Uint8Array(1));
      await far.read(new Uint8Array(1));
    }
    for (const resource of [near, far, listener]) resource.close();
  };
  talk();
  return state;
}

function computeFor1ms(state: { trips: number }): number {
  const end = performance.now() + 1;
  while (performance.now() < end);
  return state.trips;
}

Deno.test("atExit runs once in each thread, with its state", async () => {
  const words = new Int32Array(new SharedArrayBuffer(8));
  const pool = await ThreadPool.make({
    size: 2,
    init: () => ({ words: undefined as Int32Array | undefined }),
    atExit: async (state) => {
      await null;
      Atomics.add(state.words!, 0, 1);
    },
  });
  const remember = async (state: { words: Int32Array | undefined }, words: Int32Array) => {
    state.words = words;
    Atomics.add(words, 1, 1);
    while (Atomics.load(words, 1) < 2) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  await Promise.all([pool.run(remember, words), pool.run(remember, words)]);
  await pool.close();
  assertEquals(Atomics.load(words, 0), 2);
});

Deno.test("what atExit throws comes out of close(), of several threads as an AggregateError", async () => {
  const atExit = () => {
    throw new RangeError("in atExit");
  };
  const one = await ThreadPool.make({ size: 1, atExit });
  assertInstanceOf(await thrownBy(() => one.close()), RangeError);
  assertInstanceOf(await thrownBy(() => one.close()), RangeError);
  const two = await ThreadPool.make({ size: 2, atExit });
  const error = await thrownBy(() => two.close());
  assertInstanceOf(error, AggregateError);
  assertEquals(error.errors.map(({ message }) => message), ["in atExit", "in atExit"]);
});

Deno.test("close() lets a thread that is late run its atExit, however short the grace period", async () => {
  const [began, exited] = [newWord(), newWord()];
  const pool = await ThreadPool.make({
    size: 1,
    graceMs: 0,
    init: () => ({ exited: undefined as Int32Array | undefined }),
    atExit: (state) => void Atomics.store(state.exited!, 0, 1),
  });
  await pool.run(
    (state, began: Int32Array, exited: Int32Array) => {
      state.exited = exited;
      setTimeout(() => {
        Atomics.store(began, 0, 1);
        const end = performance.now() + 50;
        while (performance.now() < end);
      });
    },
    began,
    exited,
  );
  await untilWord(began, 1);
  await pool.close();
  assertEquals([Atomics.load(exited, 0), pool.statistics().abandoned], [1, 0]);
});

Deno.test("T39: close() ends though atExit ends its thread, or fails outside of itself", async () => {
  const exits = await ThreadPool.make({
    size: 1,
    atExit: async () => {
      await null;
      Deno.exit(1);
    },
  });
  await exits.close();
  const closes = await ThreadPool.make({
    size: 1,
    atExit: () => {
      self.close();
      return new Promise<void>(() => {});
    },
  });
  await closes.close();
  const rejects = await ThreadPool.make({
    size: 1,
    atExit: () => {
      void Promise.reject(new RangeError("nobody caught it"));
      return new Promise<void>(() => {});
    },
  });
  assertInstanceOf(await thrownBy(() => rejects.close()), RangeError);
});

Deno.test("scope() closes a pool through onRelease", async () => {
  let statistics;
  await main(() =>
    scope(function* (scope) {
      const pool = yield* ThreadPool.make<typeof tasks>(tasksUrl, { size: 1 });
      scope.onRelease(() => pool.close());
      assertEquals(yield* pool.run("add", 1, 1), 2);
      statistics = () => pool.statistics().size;
    })
  );
  assertEquals((statistics as unknown as () => number)(), 0);
});
