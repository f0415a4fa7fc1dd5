/** Start a task that returns at once, and wait for its value. */
import { main, spawn } from "../../mod.ts";
import { expectTotal, type Workload } from "../workload.ts";

export const spawnJoin: Workload = {
  name: "spawn+join",
  unit: "task",
  run: { weft: (n) => main(() => weft(n)), promises, generators },
};

function* one(): Generator<never, number> {
  return 1;
}

function* weft(n: number) {
  let total = 0;
  for (let i = 0; i < n; i++) total += yield* spawn(one);
  expectTotal(total, n);
}

// deno-lint-ignore require-await -- that it is async is all that it is about
async function asyncOne(): Promise<number> {
  return 1;
}

async function promises(n: number): Promise<void> {
  let total = 0;
  for (let i = 0; i < n; i++) total += await asyncOne();
  expectTotal(total, n);
}

function generators(n: number): void {
  let total = 0;
  for (let i = 0; i < n; i++) total += one().next().value;
  expectTotal(total, n);
}
