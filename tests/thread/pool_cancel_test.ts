/** Jobs that are aborted: queued, running, and in threads that don't listen. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import {
  cancelScope,
  type Fiber,
  fromPromise,
  main,
  spawn,
  Timeout,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { ThreadCrashedError, ThreadPool } from "@weft/weft/thread";
import { newWord, tasksUrl, type TestPool, thrownBy, untilWord, withPool } from "../kit/pools.ts";
import { warningsDuring } from "../kit/uncaught.ts";
import { busyFor, until } from "../kit/workers.ts";
import type tasks from "./workers/tasks.ts";
import type { Word } from "./workers/tasks.ts";

/** Starts a task that ends when its word is 2. */
function* occupy(pool: TestPool, task: "held" | "stuck" | "stubborn" = "held") {
  const word = newWord();
  const fiber: Fiber<unknown> = spawn(() => pool.run(task, word));
  yield* fromPromise(untilWord(word, 1));
  return { fiber, let: (go: 2) => Atomics.store(word, 0, go), word };
}

/** What a task says that its signal was aborted with, when its job was with `reason`. */
async function reasonTold(reason: unknown): Promise<unknown> {
  const told: unknown[] = [];
  await withPool(
    { graceMs: Infinity, main: { told: (what) => told.push(what) } },
    function* (pool) {
      const word = newWord();
      const signalled = spawn(() => pool.run("signalled", word));
      yield* fromPromise(untilWord(word, 1));
      yield* signalled.abort(reason);
      yield* fromPromise(untilWord(word, 2));
    },
  );
  assertEquals(told.length, 1);
  return told[0];
}

Deno.test("T41: a job that is aborted while it is queued is withdrawn at once, and the rest goes on", async () => {
  await withPool({}, function* (pool) {
    const held = yield* occupy(pool);
    const queued = ["a", "b", "c"].map((x) => spawn(() => pool.run("echo", x)));
    yield* yieldNow();
    assertEquals(pool.statistics().queued, 3);
    yield* queued[1]!.abort();
    assertEquals(pool.statistics().queued, 2);
    held.let(2);
    assertEquals([yield* queued[0]!, yield* queued[2]!], ["a", "c"]);
    assertEquals(pool.statistics().completed, 3);
  });
});

Deno.test("T41: a fiber that is aborting runs no job", async () => {
  await withPool({}, function* (pool) {
    yield* cancelScope(function* (context) {
      context.cancel();
      yield* pool.run("count");
    });
    assertEquals(yield* pool.run("count"), 1);
  });
});

Deno.test("T41 law 9: queued jobs that are aborted leave nothing, however many there are", async () => {
  await withPool({}, function* (pool) {
    const held = yield* occupy(pool);
    for (let round = 0; round < 3; round++) {
      const jobs = Array.from({ length: 5000 }, (_, i) => spawn(() => pool.run("echo", i)));
      yield* yieldNow();
      assertEquals(pool.statistics().queued, 5000);
      for (const job of jobs) yield* job.abort();
      assertEquals(pool.statistics().queued, 0);
    }
    // The common queue is full of what was withdrawn, and nobody ends a job any more.
    const last = spawn(() => pool.run("echo", "last"));
    yield* yieldNow();
    held.let(2);
    assertEquals(yield* last, "last");
  });
});

Deno.test("T41: aborting a job leaves the job of another thread alone", async () => {
  await withPool({ size: 2 }, function* (pool) {
    const held = yield* occupy(pool);
    const word = newWord();
    const spinning = spawn(() => pool.run("spin", word));
    yield* fromPromise(untilWord(word, 1));
    yield* spinning.abort();
    held.let(2);
    assertEquals(yield* held.fiber, "held");
    assertEquals(pool.statistics().crashed + pool.statistics().abandoned, 0);
  });
});

Deno.test("cancelRequested() ends a loop that computes", async () => {
  await withPool({ graceMs: Infinity }, function* (pool) {
    const word = newWord();
    const spinning = spawn(() => pool.run("spin", word));
    yield* fromPromise(untilWord(word, 1));
    yield* spinning.abort();
    yield* fromPromise(untilWord(word, 2));
    assertEquals(yield* pool.run("echo", 1), 1);
  });
});

Deno.test("taskSignal() is aborted with the reason, which crosses", async () => {
  assertEquals(await reasonTold(new RangeError("no more")), "RangeError: no more");
});

Deno.test("a reason that can't be cloned crosses as what it looks like", async () => {
  assertEquals(await reasonTold(() => 1), "function (anonymous)");
});

Deno.test("law 3: a task that is a fiber is aborted at its suspension, and cleans up", async () => {
  await withPool({ graceMs: Infinity }, function* (pool) {
    const word = newWord();
    const patient = spawn(() => pool.run("patient", word));
    yield* fromPromise(untilWord(word, 1));
    yield* patient.abort();
    yield* fromPromise(untilWord(word, 2));
    assertEquals(yield* pool.run("echo", 1), 1);
  });
});

Deno.test("law 4: what a task returned before the abort came is returned or dropped, never both", async () => {
  await withPool({ size: 2 }, function* (pool) {
    const outcomes = { returned: 0, aborted: 0 };
    for (let i = 0; i < 300; i++) {
      const job = spawn(() => pool.run("echo", i));
      for (let turns = i % 7; turns > 0; turns--) yield* yieldNow();
      if (i % 3 === 0) yield* fromPromise(new Promise((resolve) => setTimeout(resolve)));
      yield* job.abort();
      const result = job.poll()!;
      if (result.ok) assertEquals(result.value, i);
      outcomes[result.ok ? "returned" : "aborted"]++;
    }
    assert(outcomes.aborted > 0);
    assertEquals(yield* pool.run("echo", 1), 1);
  }); // closing would wait for a job that nobody ends
});

Deno.test("T44: runInMain() throws Abort at once when its job is aborted, and main's fiber ends", async () => {
  const told: unknown[] = [];
  const ended: string[] = [];
  const begun = Promise.withResolvers<void>();
  const functions = {
    told: (what: unknown) => told.push(what),
    *wait() {
      begun.resolve();
      try {
        yield* fromPromise(new Promise(() => {}));
      } finally {
        ended.push("main's fiber");
      }
    },
  };
  await withPool({ graceMs: Infinity, main: functions }, function* (pool) {
    const asking = spawn(() => pool.run("askTwice", "wait"));
    yield* fromPromise(begun.promise);
    yield* asking.abort("enough");
    assertEquals(yield* pool.run("echo", 1), 1); // the thread is free
  });
  assertEquals([told, ended], [[], ["main's fiber"]]); // each later call throws as well
});

Deno.test("callMain() that is aborted aborts main's fiber", async () => {
  let ended = false;
  const begun = Promise.withResolvers<void>();
  const functions = {
    *wait() {
      begun.resolve();
      try {
        yield* fromPromise(new Promise(() => {}));
      } finally {
        ended = true;
      }
    },
  };
  await withPool({ graceMs: Infinity, main: functions }, function* (pool) {
    const asking = spawn(() => pool.run("askGently", "wait"));
    yield* fromPromise(begun.promise);
    yield* asking.abort();
    yield* fromPromise(until(() => ended));
    assertEquals(yield* pool.run("echo", 1), 1);
  });
});

Deno.test("a job that is aborted while its thread waits for its arguments is not begun", async () => {
  await withPool({ size: 1 }, function* (pool) {
    for (let i = 0; i < 50; i++) {
      const word = newWord();
      const job = spawn(() => pool.run("held", word)); // shared memory isn't plain
      yield* yieldNow();
      busyFor(i % 3);
      const began = Atomics.load(word, 0) === 1;
      yield* job.abort();
      if (began) Atomics.store(word, 0, 2);
      yield* pool.run("noop");
      assertEquals(Atomics.load(word, 0), began ? 2 : 0);
    }
  });
});

// Threads that don't listen ---------------------------------------------------------------------

Deno.test("T42: a thread that doesn't react within the grace period is given up, replaced, and reported once", async () => {
  const words: Word[] = [];
  const warnings = await warningsDuring(() =>
    withPool({ size: 2, name: "mine", graceMs: 10 }, function* (pool) {
      for (let i = 1; i <= 2; i++) {
        const stuck = yield* occupy(pool, "stuck");
        words.push(stuck.word);
        yield* stuck.fiber.abort();
        yield* fromPromise(until(() => pool.statistics().abandoned === i));
      }
      for (let i = 0; i < 20; i++) assertEquals(yield* pool.run("echo", i), i);
      const { size, abandoned, crashed, busy } = pool.statistics();
      assertEquals({ size, abandoned, crashed, busy }, {
        size: 2,
        abandoned: 2,
        crashed: 0,
        busy: 0,
      });
    })
  );
  for (const word of words) Atomics.store(word, 0, 2); // they really end
  assertEquals(warnings.length, 1);
  assertStringIncludes(
    warnings[0]!,
    'Thread pool "mine": task "stuck" was aborted and has not ended in time',
  );
});

Deno.test("T42: cancelRequested() stays true in a thread that was given up", async () => {
  await warningsDuring(() =>
    withPool({ graceMs: 1 }, function* (pool) {
      const stubborn = yield* occupy(pool, "stubborn");
      yield* stubborn.fiber.abort();
      yield* fromPromise(until(() => pool.statistics().abandoned === 1));
      // Others use its entry in the table meanwhile.
      for (let i = 0; i < 5; i++) yield* pool.run("echo", i);
      const held = yield* occupy(pool);
      Atomics.store(stubborn.word, 0, 2);
      yield* fromPromise(until(() => Atomics.load(stubborn.word, 0) > 2));
      // On Deno up to 2.6 such a thread is stopped before it can ask.
      assertEquals(Atomics.load(stubborn.word, 0), 3);
      held.let(2);
      yield* held.fiber;
    })
  );
});

Deno.test("T40: a grace period ends with its job, and never takes the next one of that thread", async () => {
  // A slow machine may not let a job end in time: then its thread is given up, with a warning.
  await warningsDuring(() =>
    withPool({ graceMs: 1 }, function* (pool) {
      for (let i = 0; i < 100; i++) {
        const word = newWord();
        const job = spawn(() => pool.run("spin", word));
        yield* fromPromise(untilWord(word, 1));
        const next = spawn(() => pool.run("later", 3)); // takes longer than the grace period
        yield* job.abort();
        assertEquals(yield* next, "later"); // no neighbour pays
      }
      const { abandoned, crashed } = pool.statistics();
      assertEquals(crashed, 0);
      assert(abandoned <= 100);
    })
  );
});

Deno.test("T46: withTimeout() around ThreadPool.run() counts the time in the queue, one in the task doesn't", async () => {
  await withPool({}, function* (pool) {
    const held = yield* occupy(pool);
    const error = yield* fromPromise(
      thrownBy(() => main(() => withTimeout(5, () => pool.run("echo", 1)))),
    );
    assertInstanceOf(error, Timeout);
    assertEquals(pool.statistics().queued, 0); // withdrawn
    const patient = spawn(() => pool.run("withinTimeout", 60_000));
    yield* yieldNow();
    held.let(2);
    assertEquals(yield* patient, "in time");
  });
});

Deno.test("close() while a thread is at a job that was aborted gives it its grace period", async () => {
  const pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1, graceMs: 5 });
  const word = newWord();
  const warnings = await warningsDuring(async () => {
    await main(function* () {
      const fiber = spawn(() => pool.run("stuck", word));
      yield* fromPromise(untilWord(word, 1));
      yield* fiber.abort();
    });
    await pool.close();
  });
  Atomics.store(word, 0, 2);
  assertEquals(warnings.length, 1);
  assertEquals(pool.statistics().size, 0);
});

Deno.test("close() while a thread is stuck at a job that nobody aborted waits for it", async () => {
  const pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1, graceMs: 5 });
  const word = newWord();
  const job = pool.run("stuck", word).then(() => "ended");
  await untilWord(word, 1);
  let closed = false;
  const closing = pool.close().then(() => closed = true);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assertEquals(closed, false);
  Atomics.store(word, 0, 2);
  assertEquals(await job, "ended");
  await closing;
});

Deno.test("T39: ThreadCrashedError is no Abort: a crash while aborting settles the wait once", async () => {
  await withPool({ graceMs: Infinity }, function* (pool) {
    for (let i = 0; i < 5; i++) {
      const job = spawn(() => pool.run("exit"), { propagateCancelToParent: false });
      for (let turns = 0; turns < i; turns++) yield* yieldNow();
      yield* job.abort();
      const result = job.poll()!;
      assert(!result.ok);
    }
    const error = yield* fromPromise(thrownBy(() => pool.run("exit")));
    assertInstanceOf(error, ThreadCrashedError);
    yield* fromPromise(assertRejects(async () => await pool.run("close"), ThreadCrashedError));
    assertEquals(yield* pool.run("echo", 1), 1);
  });
});
