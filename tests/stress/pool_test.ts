/**
 * Pools under random kills, cancels and closes: each wait settles exactly once, with what belongs
 * to it, and nothing is left. `ROUNDS=200` does as many rounds, `SEED=…` the same as before.
 */
import { assert, assertEquals, assertInstanceOf } from "@std/assert";
import { type Fiber, fromPromise, main, spawn, yieldNow } from "@weft/weft";
import { PoolClosedError, ThreadCrashedError, ThreadPool } from "@weft/weft/thread";
import { Random } from "../../lib/internal/random.ts";
import { newWord, tasksUrl, type TestPool } from "../kit/pools.ts";
import { uncaughtSoon } from "../kit/uncaught.ts";
import type tasks from "../thread/workers/tasks.ts";

const ROUNDS = Number(Deno.env.get("ROUNDS") ?? 6);
const JOBS = 60;

/** A job, and what it must give if it isn't aborted; a crash may come instead, unless it can't. */
interface Trial {
  readonly start: (pool: TestPool) => PromiseLike<unknown> & Iterable<never>;
  readonly isRight: (value: unknown) => boolean;
  readonly isKill?: boolean;
}

function trial(random: Random, i: number): Trial {
  switch (random.below(14)) {
    case 0:
      return { start: (pool) => pool.run("exit"), isRight: () => false, isKill: true };
    case 1:
      return { start: (pool) => pool.run("close"), isRight: () => false, isKill: true };
    case 2:
      return { start: (pool) => pool.run("throwOutside"), isRight: () => false, isKill: true };
    case 3:
    case 4:
      return { start: (pool) => pool.run("later", random.below(3)), isRight: (v) => v === "later" };
    case 5:
      return { start: (pool) => pool.run("fiber", random.below(3)), isRight: (v) => v === "fiber" };
    case 6:
      return { start: (pool) => pool.run("ask", "later", i), isRight: (v) => v === i };
    case 7:
      return { start: (pool) => pool.run("askAsync", "fiber", i), isRight: (v) => v === i };
    case 8:
    case 9:
      return {
        start: (pool) => pool.run("echo", new Map([[i, i]])),
        isRight: (v) => (v as Map<number, number>).get(i) === i,
      };
    case 10:
      return {
        start: (pool) => pool.runEvent("echo", "x".repeat(i * 20)),
        isRight: (v) => (v as string).length === i * 20,
      };
    default:
      return { start: (pool) => pool.run("echo", i), isRight: (v) => v === i };
  }
}

const functions = {
  later: (value: unknown) => new Promise((resolve) => setTimeout(resolve, 1, value)),
  *fiber(value: unknown) {
    yield* yieldNow();
    return value;
  },
};

for (const closes of ["at the end", "in the middle"] as const) {
  Deno.test(`T39: under random kills and cancels each call settles exactly once, and the pool closes ${closes}`, async () => {
    const seed = Number(Deno.env.get("SEED") ?? Math.floor(Math.random() * 2 ** 31));
    const random = new Random(seed);
    try {
      const uncaught = await uncaughtSoon(async () => {
        for (let round = 0; round < ROUNDS; round++) await tryOnce(random, closes);
      });
      for (const error of uncaught) assertInstanceOf(error, ThreadCrashedError); // of aborted jobs
    } catch (error) {
      throw new Error(`it went wrong with SEED=${seed}`, { cause: error });
    }
  });
}

function tryOnce(random: Random, closes: "at the end" | "in the middle"): Promise<void> {
  return Promise.resolve(main(function* () {
    const pool = yield* ThreadPool.make<typeof tasks>(tasksUrl, {
      size: 1 + random.below(3),
      maxQueued: random.below(2) === 0 ? Infinity : random.below(4),
      main: functions,
    });
    const closing = random.below(JOBS);
    const settles: number[] = [];
    const fibers: { fiber: Fiber<unknown>; trial: Trial; aborted: boolean }[] = [];
    for (let i = 0; i < JOBS; i++) {
      const what = trial(random, i);
      settles.push(0);
      const fiber = spawn(function* () {
        try {
          return yield* what.start(pool);
        } finally {
          settles[i]!++;
        }
      }, { propagateCancelToParent: false });
      fiber.onResult(() => {}); // it is looked at below
      fibers.push({ fiber, trial: what, aborted: false });
      if (random.below(3) === 0) yield* yieldNow();
      if (random.below(20) === 0) {
        yield* fromPromise(new Promise((resolve) => setTimeout(resolve, random.below(4))));
      }
      if (random.below(4) === 0) {
        const victim = fibers[random.below(fibers.length)]!;
        victim.aborted = true;
        yield* victim.fiber.abort("at random");
      }
      if (closes === "in the middle" && i === closing) pool.closeAsync();
    }
    for (const [i, { fiber, trial, aborted }] of fibers.entries()) {
      const result = yield* fiber.join();
      if (result.ok) {
        assert(trial.isRight(result.value), `job ${i} gave ${Deno.inspect(result.value)}`);
      } else if (result.error instanceof PoolClosedError) {
        assertEquals(closes, "in the middle");
      } else if (!aborted) {
        assertInstanceOf(result.error, ThreadCrashedError);
        assert(trial.isKill, `job ${i} took no part in a kill`);
      }
      assert(settles[i]! <= 1); // 0: aborted before it began
    }
    yield* pool.close();
    assertEquals(pool.statistics().size, 0);
    assertEquals([pool.statistics().busy, pool.statistics().queued], [0, 0]);
  }));
}

Deno.test("T40: under random cancels of stuck jobs no neighbour is given up", async () => {
  const { warn } = console;
  console.warn = () => {}; // once for each pool, as it should be
  try {
    for (let round = 0; round < ROUNDS / 3; round++) {
      await main(function* () {
        const pool = yield* ThreadPool.make<typeof tasks>(tasksUrl, { size: 2, graceMs: 2 });
        const words = [];
        for (let i = 0; i < 12; i++) {
          const word = newWord();
          words.push(word);
          const stubborn = spawn(() => pool.run(i % 3 === 0 ? "stuck" : "spin", word));
          const neighbours = [1, 2, 3].map((n) => spawn(() => pool.run("later", n)));
          while (Atomics.load(word, 0) === 0) yield* yieldNow();
          yield* stubborn.abort();
          for (const neighbour of neighbours) assertEquals(yield* neighbour, "later");
        }
        for (const word of words) Atomics.store(word, 0, 2);
        yield* pool.close();
        assertEquals(pool.statistics().crashed, 0);
      });
    }
  } finally {
    console.warn = warn;
  }
});
