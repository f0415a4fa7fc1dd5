/** Start 1000 tasks that return a value at once, then wait for the value of each. */
import { type Fiber, main, spawn } from "../../mod.ts";
import { mixed } from "../mix.ts";
import { expectTotal, libraries, type Workload } from "../workload.ts";

const batch = 1000;

export const spawnJoin: Workload = mixed({
  name: "spawn+join",
  unit: "task",
  iteration: 1000,
  targets: { go: 0.5, ...libraries, promises: null, generators: null },
  run: { weft: (n) => main(() => weft(n)), promises, generators },
});

function* one(): Generator<never, number> {
  return 1;
}

function* weft(n: number) {
  let total = 0;
  for (let left = n; left > 0; left -= batch) {
    const fibers: Fiber<number>[] = [];
    for (let i = Math.min(left, batch); i > 0; i--) fibers.push(spawn(one));
    for (const fiber of fibers) total += yield* fiber;
  }
  expectTotal(total, n);
}

// deno-lint-ignore require-await -- that it is async is all that it is about
async function asyncOne(): Promise<number> {
  return 1;
}

async function promises(n: number): Promise<void> {
  let total = 0;
  for (let left = n; left > 0; left -= batch) {
    const started: Promise<number>[] = [];
    for (let i = Math.min(left, batch); i > 0; i--) started.push(asyncOne());
    for (const value of await Promise.all(started)) total += value;
  }
  expectTotal(total, n);
}

function generators(n: number): void {
  let total = 0;
  for (let left = n; left > 0; left -= batch) {
    const started: Generator<never, number>[] = [];
    for (let i = Math.min(left, batch); i > 0; i--) started.push(one());
    for (const generator of started) total += generator.next().value;
  }
  expectTotal(total, n);
}
