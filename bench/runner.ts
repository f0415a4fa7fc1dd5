/**
 * Measures one workload: every contender in every round, so that a drift of the machine hits all of
 * them alike, and the median of the rounds, so that one bad round hits none.
 */
import type { Contender, Workload } from "./workload.ts";

/** How long to measure. */
export interface Effort {
  readonly rounds: number;
  /** What one round of one contender should take; 0: a few units, just to see that they run. */
  readonly roundMs: number;
}

export const full: Effort = { rounds: 11, roundMs: 50 };
export const smoke: Effort = { rounds: 1, roundMs: 0 };

/** What one contender achieved. */
export interface Measurement {
  readonly workload: string;
  readonly unit: string;
  readonly contender: string;
  /** Units in a round. */
  readonly n: number;
  readonly rounds: number;
  readonly medianNs: number;
  readonly fastestNs: number;
  /** The median in medians of the workload's first contender. */
  readonly ratio: number;
}

/** Measures all contenders of `workload`; the first one's `ratio` is 1. */
export async function measure(workload: Workload, effort: Effort): Promise<Measurement[]> {
  const entries = [];
  for (const [contender, run] of Object.entries(workload.run)) {
    entries.push({ contender, run, n: await unitsPerRound(run, effort), ns: [] as number[] });
  }
  for (let round = 0; round < effort.rounds; round++) {
    for (const { run, n, ns } of entries) ns.push(await timeMs(run, n) * 1e6 / n);
  }
  const base = median(entries[0]?.ns ?? []);
  return entries.map(({ contender, n, ns }) => ({
    workload: workload.name,
    unit: workload.unit,
    contender,
    n,
    rounds: ns.length,
    medianNs: median(ns),
    fastestNs: Math.min(...ns),
    ratio: median(ns) / base,
  }));
}

/** Doubles the units until a round is long enough, which warms the contender up as well. */
async function unitsPerRound(run: Contender, { roundMs }: Effort): Promise<number> {
  let n = 100;
  if (roundMs === 0) return n;
  for (;;) {
    const ms = await timeMs(run, n);
    if (ms >= roundMs / 2) return Math.ceil(n * roundMs / ms);
    n *= 2;
  }
}

/**
 * No forced collection in between: it throws away the code that was compiled for classes of which
 * no instance is alive, and the next round would measure the compiler.
 */
async function timeMs(run: Contender, n: number): Promise<number> {
  const start = performance.now();
  await run(n);
  return performance.now() - start;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const at = (i: number) => sorted[i] ?? NaN;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? at(middle) : (at(middle - 1) + at(middle)) / 2;
}
