/**
 * Measures one workload. Its contenders run in processes of their own, so that none of them spoils
 * what the engine has learnt about another one's code; and in turns, A B C A B C, so that a drift
 * of the machine hits all of them alike. What counts is the median of the ratios of two costs of the
 * same round, or, where a workload says so, the ratio of the best costs.
 *
 * No forced collection in between: it throws away the code that was compiled for classes of which
 * no instance is alive, and the next round would measure the compiler.
 */
import { Program } from "./program.ts";
import type { Workload } from "./workload.ts";

/** How much to measure. */
export interface Effort {
  readonly rounds: number;
  /** Runs before those, which don't count. 0: the smallest runs, just to see that they work. */
  readonly warmUps: number;
  /** What a run should take, where the workload leaves its size open. */
  readonly runMs: number;
  /** A contender that needs longer for all of its rounds has fewer of them, but three. */
  readonly patienceMs: number;
}

export const full: Effort = { rounds: 11, warmUps: 2, runMs: 60, patienceMs: 5000 };
export const smoke: Effort = { rounds: 1, warmUps: 0, runMs: 0, patienceMs: 0 };

/** What a contender did. */
export interface Score {
  readonly contender: string;
  readonly size: number;
  /** Per unit, one for each round. */
  readonly costs: readonly number[];
  readonly spread: Spread;
  /** What of them counts. */
  readonly cost: number;
  /** Ours by theirs, round by round; not for us. */
  readonly ratios?: Spread;
  /** What of them counts, or the ratio of the costs that count. */
  readonly ratio?: number;
  /** At most what our cost, or that ratio, should be. */
  readonly target: number | null;
  readonly met: boolean | null;
}

/** The best, the median, and the quartiles around it. */
export interface Spread {
  readonly best: number;
  readonly lower: number;
  readonly median: number;
  readonly upper: number;
}

export interface Result {
  readonly workload: string;
  readonly unit: string;
  readonly measure: string;
  readonly counts: "median" | "best";
  /** Ours is the first. */
  readonly scores: readonly Score[];
}

/** Measures `workload`; `goProgram` is the file of the one of Go's, if that takes part. */
export async function measure(
  workload: Workload,
  effort: Effort,
  contenders: readonly string[],
  goProgram: string | undefined,
): Promise<Result> {
  const lanes = contenders.map((name) => new Lane(workload, name, goProgram));
  try {
    await Promise.all(lanes.map((lane) => lane.start()));
    for (const lane of lanes) await lane.prepare(effort);
    for (let round = 0; round < effort.rounds; round++) {
      for (const lane of lanes) await lane.takeTurn();
    }
  } finally {
    await Promise.all(lanes.map((lane) => lane.end()));
  }
  const [ours, ...theirs] = lanes as [Lane, ...Lane[]];
  const { name, unit, measure = "ns", counts = "median", limit = null, targets } = workload;
  const own = score(ours, counts, limit);
  const scores = theirs.map((lane) => {
    return compared(own, score(lane, counts, targets[lane.name] ?? null), counts);
  });
  return { workload: name, unit, measure, counts, scores: [own, ...scores] };
}

function score({ name, size, costs }: Lane, counts: keyof Spread, target: number | null): Score {
  const all = spread(costs);
  const cost = all[counts];
  return { contender: name, size, costs, spread: all, cost, target, met: isMet(cost, target) };
}

/** `theirs`, and what `ours` is by it. */
function compared(ours: Score, theirs: Score, counts: keyof Spread): Score {
  const paired = theirs.costs.slice(0, ours.costs.length); // not every round has both
  const ratios = spread(paired.map((cost, round) => ours.costs[round]! / cost));
  const ratio = counts === "best" ? ours.cost / theirs.cost : ratios[counts];
  return { ...theirs, ratios, ratio, met: isMet(ratio, theirs.target) };
}

function isMet(value: number, target: number | null): boolean | null {
  return target === null ? null : value <= target;
}

/** One contender: its process, or its processes, and what its rounds cost. */
class Lane {
  readonly costs: number[] = [];
  size: number;
  #rounds = 0;
  #program: Program | undefined;

  constructor(
    readonly workload: Workload,
    readonly name: string,
    readonly goProgram: string | undefined,
  ) {
    this.size = workload.size?.full ?? 100;
  }

  async start(): Promise<void> {
    if (!this.workload.fresh) await this.#open();
  }

  async #open(): Promise<void> {
    this.#program = new Program(this.workload, this.name, this.goProgram);
    await this.#program.ready();
  }

  /** Finds out how large a run is to be and how many of them there is time for; warms up. */
  async prepare(effort: Effort): Promise<void> {
    this.#rounds = effort.rounds;
    if (effort.warmUps === 0) {
      this.size = this.workload.size?.smoke ?? this.size;
      return;
    }
    if (this.workload.size === undefined) await this.#chooseSize(effort.runMs);
    let spent = 0;
    let last = 0;
    for (let run = 0; run < effort.warmUps && spent < effort.patienceMs; run++) {
      const start = performance.now();
      await this.#run();
      last = performance.now() - start;
      spent += last;
    }
    // By the last one: the first may have had to build what stays.
    const affordable = Math.floor(effort.patienceMs / last);
    this.#rounds = Math.min(effort.rounds, Math.max(3, affordable));
  }

  /** Doubles it until a run is long enough to tell. */
  async #chooseSize(runMs: number): Promise<void> {
    for (;;) {
      const ms = await this.#run() / 1e6;
      if (ms >= runMs / 2) {
        this.size = Math.ceil(this.size * runMs / ms);
        return;
      }
      this.size *= 2;
    }
  }

  /** Its run of this round, if it still has one. */
  async takeTurn(): Promise<void> {
    if (this.costs.length === this.#rounds) return;
    const units = this.workload.units?.(this.size) ?? this.size;
    this.costs.push(await this.#run() / units);
  }

  async end(): Promise<void> {
    await this.#program?.end();
    this.#program = undefined;
  }

  async #run(): Promise<number> {
    if (this.workload.fresh) await this.#open();
    const cost = await this.#program!.run(this.size);
    if (this.workload.fresh) await this.end();
    return cost;
  }
}

function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const quantile = (q: number) => {
    const at = (sorted.length - 1) * q;
    const below = sorted[Math.floor(at)]!;
    return below + (sorted[Math.ceil(at)]! - below) * (at % 1);
  };
  return { best: sorted[0]!, lower: quantile(0.25), median: quantile(0.5), upper: quantile(0.75) };
}
