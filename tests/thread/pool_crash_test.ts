/** Threads that die, modules that are none, and errors on their way to main. */
import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { all, Event, fromPromise, main, map, spawn, withTimeout } from "@weft/weft";
import { ThreadCrashedError, ThreadPool } from "@weft/weft/thread";
import { dropModules, moduleOf, newWord, thrownBy, untilWord, withPool } from "../kit/pools.ts";
import { runScript } from "../kit/scripts.ts";
import { uncaughtSoon } from "../kit/uncaught.ts";
import { busyFor, until } from "../kit/workers.ts";
import type { MakeFailure } from "./scripts/pool_bad_modules.ts";

const ENDS = {
  exit: "ended by itself (Deno.exit or close)",
  close: "ended by itself (Deno.exit or close)",
  throwOutside: "died of an error outside of a task",
  rejectOutside: "died of an error outside of a task",
} as const;

for (const [task, what] of Object.entries(ENDS)) {
  Deno.test(`T38 T39: task ${task} fails with ThreadCrashedError, and the pool refills`, async () => {
    const uncaught = await uncaughtSoon(() =>
      withPool({ name: "mine" }, function* (pool) {
        for (let i = 1; i <= 2; i++) {
          const error = yield* fromPromise(thrownBy(() => pool.run(task as keyof typeof ENDS)));
          assertInstanceOf(error, ThreadCrashedError);
          assertStringIncludes(error.message, what);
          if (task.endsWith("Outside")) assertInstanceOf(error.cause, Error);
          assertEquals(yield* pool.run("count"), 1); // a new thread, with a new state
          assertEquals(pool.statistics().crashed, i);
          assertEquals(pool.statistics().size, 1);
        }
      })
    );
    assertEquals(uncaught, []);
  });
}

Deno.test("T39: a call into main after close() is an error of its thread, and hangs nobody", async () => {
  await withPool({ main: { told: () => {} } }, function* (pool) {
    const error = yield* fromPromise(thrownBy(() => pool.run("closeAndCall")));
    assertInstanceOf(error, ThreadCrashedError);
    assertEquals(yield* pool.run("echo", 1), 1);
  });
});

Deno.test("T39: a thread that exits with thousands of messages unsent is noticed all the same", async () => {
  let told = 0;
  const slow = () => {
    told++;
    busyFor(0.05); // the thread gets room for one message at a time
  };
  await withPool({ main: { told: slow } }, function* (pool) {
    const error = yield* fromPromise(
      thrownBy(() => main(() => withTimeout(10_000, () => pool.run("floodAndExit")))),
    );
    assertInstanceOf(error, ThreadCrashedError);
  });
  assertEquals(told, 5000);
});

Deno.test("T39: a result that waits for room comes before the thread begins another job", async () => {
  await withPool({ main: { told: () => busyFor(0.02) } }, function* (pool) {
    const flood = spawn(() => pool.run("flood"));
    const spinning = spawn(() => pool.run("spin"));
    try {
      assertEquals(yield* withTimeout(10_000, () => flood), "flooded");
    } finally {
      yield* spinning.abort(); // close() would wait for it
    }
  });
});

for (const how of ["throw", "exit", "close"] as const) {
  Deno.test(`T38: a thread that dies while idle (${how}) is reported once, and replaced`, async () => {
    const uncaught = await uncaughtSoon(() =>
      withPool({}, function* (pool) {
        yield* pool.run("dieLater", how);
        yield* fromPromise(until(() => pool.statistics().crashed === 1));
        assertEquals(yield* pool.run("echo", 1), 1);
      })
    );
    assertEquals(uncaught.length, 1);
    assertInstanceOf(uncaught[0], ThreadCrashedError);
    if (how === "throw") assertEquals((uncaught[0].cause as Error).message, "while idle");
  });
}

Deno.test("T39: jobs of the other threads don't notice a crash, and queued ones run later", async () => {
  await withPool({ size: 2 }, function* (pool) {
    const word = newWord();
    const held = spawn(() => pool.run("held", word));
    yield* fromPromise(untilWord(word, 1));
    const crashing = thrownBy(() => pool.run("exit"));
    const queued = Array.from({ length: 20 }, (_, i) => spawn(() => pool.run("echo", i)));
    for (const [i, job] of queued.entries()) assertEquals(yield* job, i);
    assertInstanceOf(yield* fromPromise(crashing), ThreadCrashedError);
    Atomics.store(word, 0, 2);
    assertEquals(yield* held, "held");
  });
});

Deno.test("law 5: each call settles once, though every third thread dies", async () => {
  let settled = 0;
  await withPool({ size: 2 }, function* (pool) {
    const outcomes = yield* map(Array.from({ length: 60 }, (_, i) => i), function* (i) {
      try {
        return yield* i % 3 === 0 ? pool.run("exit") : pool.run("echo", i);
      } catch (error) {
        assertInstanceOf(error, ThreadCrashedError);
        return "crashed";
      } finally {
        settled++;
      }
    });
    assertEquals(outcomes, outcomes.map((_, i) => i % 3 === 0 ? "crashed" : i));
    assertEquals(pool.statistics().crashed, 20);
  });
  assertEquals(settled, 60);
});

Deno.test("close() with a crash in flight, and with jobs queued behind it, closes once", async () => {
  const pool = await ThreadPool.make({ size: 1 });
  const crashing = thrownBy(() => pool.run(() => Deno.exit(1)));
  const queued = [1, 2, 3].map((n) => pool.run((_, n: number) => n, n).then((value) => value));
  const closing = pool.close().then(() => "closed");
  assertInstanceOf(await crashing, ThreadCrashedError);
  assertEquals(await Promise.all(queued), [1, 2, 3]);
  assertEquals(await closing, "closed");
  // A doorbell that was released twice would let a later wait down.
  const other = await ThreadPool.make({ size: 1 });
  assertEquals(await other.run(async () => await new Promise((f) => setTimeout(f, 5, "on"))), "on");
  await other.close();
});

Deno.test("close() with the last job crashing closes once", async () => {
  const pool = await ThreadPool.make({ size: 1 });
  const crashing = thrownBy(() => pool.run(() => Deno.exit(1)));
  await pool.close();
  assertInstanceOf(await crashing, ThreadCrashedError);
});

// Modules ---------------------------------------------------------------------------------------

const BAD_MODULES: Record<string, [code: string, message: RegExp]> = {
  "has a syntax error": ["export default serve({", /could not start/],
  "throws at its top level": [`throw new RangeError("top")`, /could not start.*top/s],
  "rejects at its top level": [`await Promise.reject(new RangeError("top"))`, /could not start/],
  "imports what does not exist": [`import "./nothing_here.js";`, /could not start/],
  "serves no tasks": [
    `import { serve } from "weft/thread"; export default serve({});`,
    /Cannot serve tasks: tasks must be an object/,
  ],
  "serves a task that is no function": [
    `import { serve } from "weft/thread"; export default serve({ tasks: { a: 1 } });`,
    /Cannot serve tasks: tasks.a must be a function/,
  ],
  "serves twice": [
    `import { serve } from "weft/thread"; serve({ tasks: {} }); serve({ tasks: {} });`,
    /serve was called in this thread already/,
  ],
  "exits in init": [
    `import { serve } from "weft/thread"; serve({ init: () => Deno.exit(1), tasks: {} });`,
    /ended before it was ready/,
  ],
  "dies outside of init": [
    `import { serve } from "weft/thread";
     serve({
       init() {
         setTimeout(() => { throw new Error("outside"); });
         return new Promise(() => {});
       },
       tasks: {},
     });`,
    /could not start: outside/,
  ],
};

/** Urls where nothing is that could be loaded. */
const NO_MODULES = ["file:///nothing/here.js", "weft:nonsense"];

let failures: Promise<MakeFailure[]> | undefined;

/**
 * With what `make()` fails for each of the modules, first the bad ones, then those that aren't
 * there. In a process of its own, once for all: Deno prints why a worker's module could not be
 * loaded, whoever handles it, and that is nothing to find between the results of tests.
 */
function makeFailures(): Promise<MakeFailure[]> {
  return failures ??= makeAll(Object.values(BAD_MODULES).map(([code]) => moduleOf(code)));
}

async function makeAll(modules: string[]): Promise<MakeFailure[]> {
  try {
    const script = new URL("./scripts/pool_bad_modules.ts", import.meta.url);
    const args = ["--allow-all", "--", ...modules, ...NO_MODULES];
    const { code, stdout, stderr } = await runScript(script, ...args);
    assertEquals(code, 0, stderr);
    return JSON.parse(stdout);
  } finally {
    dropModules();
  }
}

for (const [index, [what, [, message]]] of Object.entries(BAD_MODULES).entries()) {
  Deno.test(`T37 T39: ThreadPool.make() fails if the module ${what}`, async () => {
    const failure = (await makeFailures())[index]!;
    assertEquals(failure.className, "ThreadCrashedError");
    assert(message.test(failure.message), failure.message);
  });
}

Deno.test("T47: ThreadPool.make() fails if no thread can start", async () => {
  const theirs = (await makeFailures()).slice(-NO_MODULES.length);
  assertEquals(theirs.map(({ isError }) => isError), [true, true]);
});

Deno.test("T37: a module may take its time before it serves", async () => {
  const module = moduleOf(
    `import { serve } from "weft/thread";
     await new Promise((resolve) => setTimeout(resolve, 50));
     export default serve({ tasks: { one: () => 1 } });`,
  );
  try {
    type Module = { default: { tasks: { one: () => number } } };
    const pool = await ThreadPool.make<Module>(module, { size: 1 });
    assertEquals(await pool.run("one"), 1);
    await pool.close();
  } finally {
    dropModules();
  }
});

/** A module whose threads die at once as soon as the file `flag` is there. */
function fragile(flag: string, where: "init" | "later"): string {
  const check = `try { Deno.statSync(${JSON.stringify(flag)}); doomed = true; } catch {}`;
  return moduleOf(
    `import { serve } from "weft/thread";
     let doomed = false;
     ${check}
     if (doomed && "${where}" === "later") setTimeout(() => { throw new Error("doomed"); });
     export default serve({
       init() { if (doomed && "${where}" === "init") throw new RangeError("no init"); },
       tasks: { exit: () => Deno.exit(1), one: () => 1 },
     });`,
  );
}

type Fragile = { tasks: { exit: (s: unknown) => never; one: (s: unknown) => number } };

Deno.test("T47 T48: when no thread can be started any more, the calls that wait for one fail", async () => {
  const flag = await Deno.makeTempFile();
  await Deno.remove(flag);
  const module = fragile(flag, "init");
  const uncaught = await uncaughtSoon(() =>
    main(function* () {
      const pool = yield* ThreadPool.make<{ default: Fragile }>(module, { size: 1 });
      Deno.writeTextFileSync(flag, "");
      yield* fromPromise(thrownBy(() => pool.run("exit")));
      const error = yield* fromPromise(thrownBy(() => pool.run("one")));
      assertInstanceOf(error, ThreadCrashedError);
      assertStringIncludes(error.message, "could not start, and neither could others before");
      assertInstanceOf(error.cause, RangeError);
      Deno.removeSync(flag); // it recovers
      assertEquals(yield* pool.run("one"), 1);
      yield* pool.close();
    })
  );
  dropModules();
  assertEquals(uncaught, []);
});

Deno.test("T47: branches of a select that wait for a thread which can't be had fail as one", async () => {
  const flag = await Deno.makeTempFile();
  await Deno.remove(flag);
  const module = fragile(flag, "init");
  await uncaughtSoon(() =>
    main(function* () {
      const pool = yield* ThreadPool.make<{ default: Fragile }>(module, { size: 1, maxQueued: 0 });
      Deno.writeTextFileSync(flag, "");
      yield* fromPromise(thrownBy(() => pool.run("exit")));
      const branches = [1, 2, 3].map(() => pool.runEvent("one"));
      const error = yield* fromPromise(thrownBy(() => main(() => Event.choose(...branches))));
      assertInstanceOf(error, ThreadCrashedError);
      assertEquals(pool.statistics().queued, 0);
      Deno.removeSync(flag);
      // A job that had ended twice would make up for one that close() is to wait for.
      const rest = Array.from({ length: 20 }, () => () => pool.run("one"));
      const closing = function* () {
        yield* pool.close();
        return 1;
      };
      const results = yield* withTimeout(10_000, () => all([...rest, closing]));
      assertEquals(results, results.map(() => 1));
    })
  );
  dropModules();
});

Deno.test("T48: threads that die at once are started less and less often, and close() ends that", async () => {
  const flag = await Deno.makeTempFile();
  await Deno.remove(flag);
  // In a process of its own, for Deno prints how the threads die.
  const script = new URL("./scripts/pool_dies_at_once.ts", import.meta.url);
  const args = ["--allow-all", "--", fragile(flag, "later"), flag];
  const { code, stdout, stderr } = await runScript(script, ...args);
  Deno.removeSync(flag);
  dropModules();
  assertEquals(code, 0, stderr);
  const { crashed, uncaught } = JSON.parse(stdout);
  assert(crashed >= 1, "they die");
  assert(crashed <= 6, `${crashed} threads died`); // 50, 100, 200 … ms apart
  assertEquals([...new Set(uncaught)].filter((name) => name !== "ThreadCrashedError"), []);
});
