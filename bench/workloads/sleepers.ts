/** 100,000 tasks that each sleep for some milliseconds of their own: start, sleep, wake, end. */
import { main, sleep, spawn } from "../../mod.ts";
import { expectTotal, libraries, type Workload } from "../workload.ts";

export const sleepers: Workload = {
  name: "sleepers",
  unit: "sleeper",
  iteration: 1000,
  size: { full: 100_000, smoke: 100 },
  targets: { go: null, effect: null, effection: libraries.effection, promises: null },
  run: { weft: (n) => main(() => weft(n)), promises },
};

let awake = 0;

function* weft(n: number) {
  awake = 0;
  const fibers = Array.from({ length: n }, (_, i) => spawn(() => sleeper(milliseconds(i))));
  for (const fiber of fibers) yield* fiber;
  expectTotal(awake, n);
}

function* sleeper(ms: number) {
  yield* sleep(ms);
  awake++;
}

/** From 1 to 11, in no order, and in steps that are finer than those of the host's timers. */
export function milliseconds(i: number): number {
  return 1 + i * 7919 % 10_000 / 1000;
}

async function promises(n: number): Promise<void> {
  awake = 0;
  await Promise.all(Array.from({ length: n }, (_, i) => asyncSleeper(milliseconds(i))));
  expectTotal(awake, n);
}

async function asyncSleeper(ms: number) {
  await new Promise((resolve) => setTimeout(resolve, ms));
  awake++;
}
