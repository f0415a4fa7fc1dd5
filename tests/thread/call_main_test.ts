/** Calls from threads back into main. */
import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { type Abort, fromPromise, selfAbort, sleep, spawn } from "@weft/weft";
import { callMain, cancelRequested, runInMain, taskSignal, ThreadPool } from "@weft/weft/thread";
import { type TestPool, thrownBy, withPool } from "../kit/pools.ts";
import { until } from "../kit/workers.ts";

const WAYS = ["ask", "askGently", "askAsync"] as const;

for (const way of WAYS) {
  Deno.test(`task ${way}: main answers at once, with a promise, or as a fiber`, async () => {
    const main = {
      now: (a: number, b: number) => a + b,
      later: (text: string) => new Promise((resolve) => setTimeout(resolve, 1, text.toUpperCase())),
      *fiber(map: Map<string, number>) {
        yield* sleep(1);
        return map;
      },
      awaitable: () => sleep(0),
    };
    await withPool({ main }, function* (pool) {
      assertEquals(yield* pool.run(way, "now", 1, 2), 3);
      assertEquals(yield* pool.run(way, "later", "text"), "TEXT");
      assertEquals(yield* pool.run(way, "fiber", new Map([["a", 1]])), new Map([["a", 1]]));
      assertEquals(yield* pool.run(way, "awaitable"), undefined);
    });
  });

  Deno.test(`task ${way}: what main's function throws is thrown in the thread`, async () => {
    class MineError extends RangeError {
      readonly code = 5;
    }
    const main = {
      now: () => {
        throw new MineError("mine", { cause: new TypeError("why") });
      },
      later: () => Promise.reject(new MineError("mine", { cause: new TypeError("why") })),
      *fiber() {
        yield* sleep(0);
        throw new MineError("mine", { cause: new TypeError("why") });
      },
      thenable: () => ({
        then() {
          throw new MineError("mine", { cause: new TypeError("why") });
        },
      }),
    };
    await withPool({ main }, function* (pool) {
      for (const name of Object.keys(main)) {
        const error = yield* fromPromise(thrownBy(() => pool.run(way, name)));
        assertInstanceOf(error, RangeError, name);
        assertEquals([error.name, error.message], ["MineError", "mine"]);
        assertEquals((error as MineError).code, 5);
        assertInstanceOf(error.cause, TypeError);
        assertStringIncludes(error.stack!, "call_main_test.ts"); // main's
        assertStringIncludes(error.stack!, "in main, for thread pool"); // and where that was
        assertStringIncludes(error.stack!, "tasks.ts"); // the thread's
        assertStringIncludes(error.stack!, "in thread ");
      }
    });
  });

  Deno.test(`task ${way}: names and values that are wrong are errors, and the thread goes on`, async () => {
    const main = { f: () => () => 1, list: () => [1, 2], text: () => "text" };
    await withPool({ main }, function* (pool) {
      for (const name of ["nothing", "toString", "__proto__"]) {
        const error = yield* fromPromise(thrownBy(() => pool.run(way, name)));
        assertInstanceOf(error, TypeError);
        assertStringIncludes(
          error.message,
          `Cannot call ${name} in main: the pool was given f, list, text`,
        );
      }
      const error = yield* fromPromise(thrownBy(() => pool.run(way, "f")));
      assertInstanceOf(error, TypeError);
      assertStringIncludes(
        error.message,
        "Cannot send the answer of f to the thread: function (anonymous) could not be cloned: ",
      );
      assertEquals((error.cause as Error).name, "DataCloneError");
      assertEquals(yield* pool.run(way, "list"), [1, 2]); // it can be iterated, but is no fiber
      assertEquals(yield* pool.run(way, "text"), "text");
    });
  });
}

for (const how of ["blocking", "gentle", "async"]) {
  Deno.test(`law 13: an argument for main that can't be cloned is a TypeError that names it (${how})`, async () => {
    const calls: unknown[] = [];
    await withPool({ main: { f: (...args: unknown[]) => calls.push(args) } }, function* (pool) {
      const error = yield* fromPromise(thrownBy(() => pool.run("askBadly", "f", how)));
      assertInstanceOf(error, TypeError);
      assertStringIncludes(
        error.message,
        "Cannot call f in main: argument 3 could not be cloned: ",
      );
      assertStringIncludes(error.message, "1 could not be cloned");
      assertEquals((error.cause as Error).name, "DataCloneError");
      assertStringIncludes(error.stack!, "tasks.ts"); // where it was called
      assertEquals(yield* pool.run("echo", 1), 1);
    });
    assertEquals(calls, []);
  });
}

Deno.test("runInMain() with an argument whose getter throws a strange thing says so, with the cause", async () => {
  await withPool({ main: { f: () => 1 } }, function* (pool) {
    const error = yield* fromPromise(thrownBy(() => pool.run("askStrangely", "f")));
    assertInstanceOf(error, TypeError);
    assertEquals(
      error.message,
      "Cannot call f in main: argument 1 could not be cloned: an Object",
    );
    assertEquals(error.cause, {});
  });
});

Deno.test("T44: a fiber of main's that aborts itself fails the call, as somebody else's abort", async () => {
  const main = {
    *gone() {
      yield* selfAbort("changed its mind");
    },
  };
  await withPool({ main }, function* (pool) {
    for (const way of WAYS) {
      const error = yield* fromPromise(thrownBy(() => pool.run(way, "gone")));
      assertEquals((error as Error).name, "FiberAborted");
      assertEquals((error as { cause: Abort }).cause.cause, "changed its mind");
    }
  });
});

Deno.test("T44: main's function may use the pool itself, whose other threads do it", async () => {
  let pool: TestPool | undefined;
  const main = {
    *again(n: number) {
      return yield* pool!.run("add", n, 1);
    },
  };
  await withPool({ size: 2, main }, function* (made) {
    pool = made;
    for (const way of WAYS) assertEquals(yield* made.run(way, "again", 1), 2);
  });
});

Deno.test("T44: close() waits for a job whose thread waits for main, which still answers", async () => {
  const gate = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  const pool = await ThreadPool.make({
    size: 1,
    main: {
      wait() {
        begun.resolve();
        return gate.promise;
      },
    },
  });
  const { href } = new URL("../../lib/thread/mod.ts", import.meta.url);
  const job = pool.run(async (_, href: string) => {
    const { runInMain } = await import(href);
    return runInMain("wait");
  }, href).then((value) => value);
  await begun.promise;
  const closing = pool.close().then(() => "closed");
  gate.resolve("open");
  assertEquals([await job, await closing], ["open", "closed"]);
});

Deno.test("T44: a fiber of main's that works for a thread which dies is aborted", async () => {
  let ended = false;
  const main = {
    *wait() {
      try {
        yield* sleep(60_000);
      } finally {
        ended = true;
      }
    },
  };
  await withPool({ main }, function* (pool) {
    const error = yield* fromPromise(thrownBy(() => pool.run("askAndExit", "wait")));
    assertEquals((error as Error).name, "ThreadCrashedError");
    yield* fromPromise(until(() => ended));
  });
});

Deno.test("T45: calls into main and the result arrive in the order in which they were made", async () => {
  const seen: unknown[] = [];
  await withPool({ main: { progress: (n) => void seen.push(n) } }, function* (pool) {
    for (let i = 0; i < 20; i++) {
      seen.push(yield* pool.run("report", "progress", 9));
      assertEquals(seen.splice(0), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "reported"]);
    }
  });
});

Deno.test("runInMain() works in init, in atExit, and in a thread that has no job", async () => {
  const seen: unknown[] = [];
  const { href } = new URL("../../lib/thread/mod.ts", import.meta.url);
  const source = `import { runInMain, serve } from ${JSON.stringify(href)};
    export default serve({
      init: () => runInMain("seen", "init"),
      atExit: () => runInMain("seen", "atExit"),
      tasks: { later: () => void setTimeout(() => runInMain("seen", "later")) },
    });`;
  type Module = { default: { tasks: { later: () => void } } };
  const main = { seen: (what: string) => void seen.push(what) };
  const path = await Deno.makeTempFile({ suffix: ".js" });
  await Deno.writeTextFile(path, source);
  try {
    const pool = await ThreadPool.make<Module>(`file://${path}`, { size: 1, main });
    await pool.run("later");
    await until(() => seen.length === 2);
    await pool.close();
  } finally {
    await Deno.remove(path);
  }
  assertEquals(seen, ["init", "later", "atExit"]);
});

Deno.test("two threads may wait for main at the same time", async () => {
  const gate = Promise.withResolvers<string>();
  let waiting = 0;
  const main = {
    wait() {
      if (++waiting === 2) gate.resolve("both");
      return gate.promise;
    },
  };
  await withPool({ size: 2, main }, function* (pool) {
    const jobs = [1, 2].map(() => spawn(() => pool.run("ask", "wait")));
    for (const job of jobs) assertEquals(yield* job, "both");
  });
});

Deno.test("what belongs into a thread or a task says so outside of it", () => {
  assertThrows(() => runInMain("f"), Error, 'Cannot call "f" in main: this is no thread of a pool');
  assertThrows(() => callMain("f"), Error, "this is no thread of a pool");
  assertThrows(() => taskSignal(), Error, "Cannot get the task's signal: no task");
  assertThrows(() => cancelRequested(), Error, "no task of a thread pool runs here");
});
