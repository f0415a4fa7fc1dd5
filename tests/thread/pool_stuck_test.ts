/** Threads that are kept from their work by what isn't a task, and mains that can't look after them. */
import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { main, run, sleep, withTimeout } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { ThreadCrashedError, ThreadPool, transfer } from "@weft/weft/thread";
import { newWord, tasksUrl, withPool } from "../kit/pools.ts";
import { runScript } from "../kit/scripts.ts";
import { warningsDuring } from "../kit/uncaught.ts";
import type tasks from "./workers/tasks.ts";

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

for (const how of ["never", "loop", "left", "fine"]) {
  Deno.test(`a pool that nobody closes lets the program end, whatever its threads do at the end (${how})`, async () => {
    const url = new URL("scripts/pool_exit_hangs.ts", import.meta.url);
    const { code, stdout } = await runScript(url, "--allow-read", "--", how);
    assertEquals([code, stdout], [0, "main ends\n"]);
  });
}

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
  assertEquals(warnings.length, 1);
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
