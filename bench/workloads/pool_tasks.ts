/** Tasks that do nothing, in a pool of two threads: one after the other, and ten thousand at once. */
import { poolOf } from "../peers/pools.ts";
import type { Contender, Workload } from "../workload.ts";

const pools = ["weft", "piscina", "tinypool", "workerpool"];

function contenders(
  run: (pool: string, n: number) => Promise<void>,
  names = pools,
): Workload["run"] {
  const entries = names.map((pool): [string, Contender] => [pool, (n) => run(pool, n)]);
  return Object.fromEntries(entries) as Workload["run"];
}

export const poolRoundTrip: Workload = {
  name: "pool-round-trip",
  unit: "task",
  iteration: 100,
  size: { full: 20_000, smoke: 100 },
  targets: { piscina: 0.33, tinypool: 0.12, workerpool: 0.12 },
  run: contenders(async (pool, n) => {
    const run = await poolOf(pool);
    for (let i = 0; i < n; i++) await run();
  }),
};

export const poolBurst: Workload = {
  name: "pool-burst",
  unit: "task",
  iteration: 1000,
  size: { full: 10_000, smoke: 100 },
  targets: { piscina: 0.15, workerpool: null },
  run: contenders(async (pool, n) => {
    const run = await poolOf(pool);
    await Promise.all(Array.from({ length: n }, () => run()));
  }, pools.filter((name) => name !== "tinypool")), // which, on Deno, now and then never finishes
};
