/** Jobs of a thread pool, waited for in the generators of other schedulers. */
import { assertEquals, assertRejects } from "@std/assert";
import { sleep as sleepInEffection, spawn as spawnEffection } from "npm:effection@4.1.1";
import { Effect } from "npm:effect@4.1.0";
import { afterEvent, select } from "@weft/weft";
import { PoolClosedError, ThreadPool } from "@weft/weft/thread";
import { newWord, tasksUrl, type TestPool, untilWord } from "../kit/pools.ts";
import type tasks from "../thread/workers/tasks.ts";
import type { Word } from "../thread/workers/tasks.ts";
import { runLifo } from "../../examples/schedulers/lifo.ts";
import { blockingLoop } from "@weft/weft/loop";
import { runPromise } from "../../examples/foreign/effect.ts";
import { run } from "../../examples/foreign/effection.ts";

async function withTestPool(body: (pool: TestPool) => Promise<void>): Promise<void> {
  const pool = await ThreadPool.make<typeof tasks>(tasksUrl, { size: 1, graceMs: Infinity });
  try {
    await body(pool);
  } finally {
    await pool.close();
  }
}

/** What one can do with a pool anywhere. */
function* tryPool(pool: TestPool): Generator<never, unknown[], unknown> {
  const values: unknown[] = [yield* pool.run("add", 1, 2), yield* pool.run("echo", new Map())];
  try {
    yield* pool.run("fail", "boo");
  } catch (error) {
    values.push((error as Error).message);
  }
  const chosen = yield* select({ job: pool.runEvent("fiber", 60_000), late: afterEvent(1) });
  return [...values, chosen.kind, yield* pool.runEvent("add", 3, 4)];
}

function* spin(pool: TestPool, word: Word): Generator<never, void, unknown> {
  yield* pool.run("spin", word);
}

const expected = [3, new Map(), "boo", "late", 7];

Deno.test("ThreadPool.run() works in Effection, and halting its task cancels the job", async () => {
  await withTestPool(async (pool) => {
    assertEquals(await run(() => tryPool(pool)), expected);
    const word = newWord();
    await run(function* () {
      const task = yield* spawnEffection(() => spin(pool, word));
      while (Atomics.load(word, 0) !== 1) yield* sleepInEffection(1);
      yield* task.halt();
    });
    await untilWord(word, 2);
  });
});

Deno.test("ThreadPool.run() works in Effect, and interrupting its fiber cancels the job", async () => {
  await withTestPool(async (pool) => {
    assertEquals(await runPromise(Effect.gen(() => tryPool(pool))), expected);
    const word = newWord();
    const controller = new AbortController();
    const spinning = runPromise(Effect.gen(() => spin(pool, word)), controller);
    const interrupted = assertRejects(() => spinning); // it may be over before the job is
    await untilWord(word, 1);
    controller.abort();
    await untilWord(word, 2);
    await interrupted;
  });
});

Deno.test("ThreadPool.run() works under a scheduler of the user's", async () => {
  await withTestPool((pool) => {
    const result = runLifo(() => tryPool(pool), { loop: blockingLoop() });
    assertEquals(result, { ok: true, value: expected });
    return Promise.resolve();
  });
});

Deno.test("a closed pool throws PoolClosedError in Effection, too", async () => {
  await withTestPool(async (pool) => {
    await pool.close();
    await assertRejects(() => run(() => tryPool(pool)), PoolClosedError);
  });
});
