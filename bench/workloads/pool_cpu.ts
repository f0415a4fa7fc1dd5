/** A job that only computes, on two threads and on one; and what two threads cost that do nothing. */
import process from "node:process";
import { ThreadPool } from "../../lib/thread/mod.ts";
import type tasks from "../workers/tasks.ts";
import { expectTotal, type Workload } from "../workload.ts";
import { countPrimes } from "../workers/primes.ts";

const pools: Map<number, Promise<ThreadPool<typeof tasks>>> = new Map();
const pieces = 64;
const range = 1000;

export const poolCpu: Workload = {
  name: "pool-cpu",
  unit: "number",
  iteration: 300,
  size: { full: 3000, smoke: 1 },
  units: (n) => n * range,
  targets: { "one thread": 0.56 },
  run: { weft: (n) => compute(2, n * range), "one thread": (n) => compute(1, n * range) },
};

export const poolIdle: Workload = {
  name: "pool-idle",
  unit: "second",
  measure: "ms",
  size: { full: 2, smoke: 1 },
  limit: 1,
  targets: { "no pool": null },
  run: {
    weft: async (seconds) => {
      await (await poolOf(2)).run("noop");
      return await idle(seconds);
    },
    "no pool": idle,
  },
};

function poolOf(size: number): Promise<ThreadPool<typeof tasks>> {
  let pool = pools.get(size);
  if (pool === undefined) {
    pool = start(size);
    pools.set(size, pool);
  }
  return pool;
}

async function start(size: number): Promise<ThreadPool<typeof tasks>> {
  return await ThreadPool.make(import.meta.resolve("../workers/tasks.ts"), { size });
}

async function compute(threads: number, limit: number): Promise<void> {
  const pool = await poolOf(threads);
  const bounds = Array.from({ length: pieces + 1 }, (_, i) => Math.round(limit * i / pieces));
  const counts = await Promise.all(
    bounds.slice(1).map((to, i) => pool.run("countPrimes", bounds[i]!, to)),
  );
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (limit === range) expectTotal(total, countPrimes(0, limit));
}

/** How long the processor is busy with this process, in ms, while it does nothing. */
async function idle(seconds: number): Promise<number> {
  await pause(500); // whatever it takes to fall asleep, it has
  const before = process.cpuUsage();
  await pause(seconds * 1000);
  const after = process.cpuUsage();
  return (after.system + after.user - before.system - before.user) / 1000;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
