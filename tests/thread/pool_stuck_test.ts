/** Threads that are kept from their work by what isn't a task, and mains that can't look after them. */
import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { cancelScope, main, run, sleep, Timeout, withTimeout } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { PoolClosedError, ThreadCrashedError, ThreadPool, transfer } from "@weft/weft/thread";
import { newWord, tasksUrl, thrownBy, untilWorkers, withPool, workersAlive } from "../kit/pools.ts";
import { runScript } from "../kit/scripts.ts";
import { hostTurn, uncaughtSoon, warningsDuring } from "../kit/uncaught.ts";
import { until } from "../kit/workers.ts";
import type tasks from "./workers/tasks.ts";
import type { Word } from "./workers/tasks.ts";

Deno.test("ThreadPool.run() doesn't wait for a thread that is kept busy by what a task left behind", async () => {
  const free = newWord();
  await main(function* () {
    const pool = yield* ThreadPool.make({ size: 2 });
    yield* pool.run((_state, free: Int32Array) => {
      setTimeout(() => {
        while (Atomics.load(free, 0) === 0);
      });
    }, free);
    for (let n = 0; n < 4; n++) { // whichever thread is rung, the other one does it
      assertEquals(yield* pool.run((_state, n: number) => n, n), n);
    }
    Atomics.store(free, 0, 1);
    yield* pool.close();
  });
});

const late = "a thread was given up: atExit has not ended within 50 ms";
for (
  const [how, said] of [
    ["never", late],
    ["loop", late],
    ["fine", ""],
    ["left", undefined], // it may have been faster than what it left behind
  ] as const
) {
  Deno.test(`a pool that nobody closes lets the program end, whatever its threads do at the end (${how})`, async () => {
    const url = new URL("scripts/pool_exit_hangs.ts", import.meta.url);
    const { code, stdout, stderr } = await runScript(url, "--allow-read", "--", how);
    assertEquals([code, stdout], [0, "main ends\n"]);
    if (said === "") assertEquals(stderr, "");
    else if (said !== undefined) assertStringIncludes(stderr, said);
  });
}

Deno.test("ThreadPool.close() gives up threads whose atExit doesn't end, and says so once", async () => {
  const before = workersAlive();
  const free = newWord();
  const warnings = await warningsDuring(() =>
    main(function* () {
      const pool = yield* ThreadPool.make({
        size: 2,
        name: "endless",
        graceMs: 20,
        init: () => ({ free: undefined as Int32Array | undefined }),
        atExit: ({ free }) => {
          while (free !== undefined && Atomics.load(free, 0) === 0);
          return new Promise<void>(() => {});
        },
      });
      const makeBusy = (state: { free: Int32Array | undefined }, free: Int32Array) => {
        state.free = free;
      };
      yield* pool.run(makeBusy, free); // one of them; the other one waits
      yield* pool.close();
      const { size, abandoned } = pool.statistics();
      assertEquals([size, abandoned], [0, 2]);
    })
  );
  Atomics.store(free, 0, 1); // or it would go on: a thread that computes can't be ended from outside
  assertEquals(warnings, [
    'Thread pool "endless": 2 threads were given up: atExit has not ended within 1000 ms; graceMs ' +
    "may be longer",
  ]);
  await untilWorkers(before);
});

Deno.test("ThreadPool.close(): atExit has graceMs, if that is longer than a second", async () => {
  const exited = newWord();
  const pool = await ThreadPool.make({
    size: 1,
    graceMs: 60_000,
    init: () => ({ exited: undefined as Int32Array | undefined }),
    atExit: async (state) => {
      await new Promise((resolve) => setTimeout(resolve, 1200));
      Atomics.store(state.exited!, 0, 1);
    },
  });
  await pool.run((state, exited: Int32Array) => void (state.exited = exited), exited);
  await pool.close();
  assertEquals([Atomics.load(exited, 0), pool.statistics().abandoned], [1, 0]);
});

/** A pool of one thread, whose `atExit` waits until the word is 1, and makes that 2. */
async function poolThatEndsAt(word: Word, { fails = false } = {}) {
  const pool = await ThreadPool.make({
    size: 1,
    graceMs: Infinity,
    init: () => ({ word: undefined as Int32Array | undefined, fails: false }),
    atExit: async ({ word, fails }) => {
      while (Atomics.load(word!, 0) !== 1) await new Promise((resolve) => setTimeout(resolve, 1));
      Atomics.store(word!, 0, 2);
      if (fails) throw new RangeError("in atExit");
    },
  });
  await pool.run(
    (state, word: Int32Array, fails: boolean) => void Object.assign(state, { word, fails }),
    word,
    fails,
  );
  return pool;
}

Deno.test("ThreadPool.close(): a timeout ends the wait, and the closing goes on", async () => {
  const word = newWord();
  const pool = await poolThatEndsAt(word);
  const error = await thrownBy(() => main(() => withTimeout(5, () => pool.close())));
  assertInstanceOf(error, Timeout);
  assertInstanceOf(await thrownBy(() => pool.run(() => 1)), PoolClosedError);
  assertEquals(Atomics.load(word, 0), 0);
  Atomics.store(word, 0, 1);
  await pool.close();
  assertEquals([Atomics.load(word, 0), pool.statistics().size], [2, 0]);
});

Deno.test("law 13: what atExit throws after the wait for close() was cancelled is reported", async () => {
  const word = newWord();
  const pool = await poolThatEndsAt(word, { fails: true });
  const errors = await uncaughtSoon(async () => {
    await thrownBy(() => main(() => withTimeout(5, () => pool.close())));
    Atomics.store(word, 0, 1);
    await until(() => pool.statistics().size === 0, "no thread");
  });
  assertEquals(errors.map(String), ["RangeError: in atExit"]);
});

Deno.test("law 12: ThreadPool.close() in a fiber that is aborting waits to the end, whatever comes", async () => {
  const word = newWord();
  const pool = await poolThatEndsAt(word);
  let closed = false;
  const handle = main(() =>
    cancelScope(function* (part) {
      try {
        part.cancel();
        yield* sleep(0);
      } finally {
        yield* pool.close();
        closed = true;
      }
    })
  );
  await hostTurn();
  const aborted = handle.abort().then(() => closed);
  await hostTurn();
  assertEquals(closed, false);
  Atomics.store(word, 0, 1);
  assertEquals(await aborted, true);
  assertEquals([Atomics.load(word, 0), pool.statistics().size], [2, 0]);
});

Deno.test("ThreadPool.close() aborted at every stage leaves no thread", async () => {
  const before = workersAlive();
  for (let turns = 0; turns < 8; turns++) {
    const word = newWord();
    const pool = await poolThatEndsAt(word);
    const handle = main(() => pool.close());
    for (let turn = 0; turn < turns; turn++) await hostTurn();
    await handle.abort();
    Atomics.store(word, 0, 1);
    await pool.close();
    assertEquals([Atomics.load(word, 0), pool.statistics().size], [2, 0]);
  }
  await untilWorkers(before);
});

Deno.test("ThreadPool.close() gives up a thread that is kept from its end by what a task left behind", async () => {
  const free = newWord();
  const warnings = await warningsDuring(() =>
    main(function* () {
      const pool = yield* ThreadPool.make({ size: 1, graceMs: 20 });
      yield* pool.run((_state, free: Int32Array) => {
        setTimeout(() => {
          while (Atomics.load(free, 0) === 0);
        });
      }, free);
      yield* sleep(50);
      yield* pool.close();
      assertEquals(pool.statistics().abandoned, 1);
    })
  );
  Atomics.store(free, 0, 1);
  assertEquals(warnings, [
    'Thread pool "pool": a thread was given up: what a task has left behind kept it from ending for ' +
    "1000 ms",
  ]);
});

Deno.test("T44: a run that blocks main is told when the last thread died, since none can be started", async () => {
  const pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1 });
  const ask = (task: "exit" | "noop") => run(() => pool.run(task), { loop: blockingLoop() });
  for (const task of ["exit", "noop"] as const) {
    const result = ask(task);
    assertEquals(result.ok, false);
    const error = (result as { error: unknown }).error;
    assertInstanceOf(error, ThreadCrashedError);
    if (task === "noop") assertStringIncludes(error.message, "none can be started while main");
  }
  assertEquals(await pool.run("add", 1, 2), 3); // the event loop has started another one
  await pool.close();
});

Deno.test("callMain() in an async task throws when the job is aborted, and aborts main's function", async () => {
  const log: string[] = [];
  function* slow() {
    log.push("called");
    try {
      yield* sleep(60_000);
    } finally {
      log.push("aborted");
    }
  }
  await withPool({ main: { slow }, graceMs: Infinity }, function* (pool) {
    try {
      yield* withTimeout(50, () => pool.run("askAsync", "slow"));
    } catch (error) {
      log.push(String(error).slice(0, 12));
    }
  }); // and close() comes to its end: the task has ended
  assertEquals(log, ["called", "TimeoutError", "aborted"]);
});

Deno.test("a MessagePort that is an argument stays one, and large values cross whole", async () => {
  const { port1, port2 } = new MessageChannel();
  await withPool({}, function* (pool) {
    const isPort = yield* pool.run("isWebPort", transfer(port2, [port2]));
    assertEquals(isPort, true);
    const bytes = new Uint8Array(1 << 22).fill(7);
    const same = (yield* pool.run("echo", transfer(bytes, [bytes.buffer]))) as Uint8Array;
    assertEquals([bytes.length, same.length, same[1 << 21]], [0, 1 << 22, 7]);
  });
  port1.close();
});
