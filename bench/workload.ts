/** What a workload is. */

/**
 * Does `n` units of work, checks that it did, and throws if not.
 *
 * What that cost is the time until it returns or its promise settles, unless it gives a number:
 * then it measured by itself, and that is what all of it cost.
 */
export type Contender = (n: number) => void | number | PromiseLike<void | number>;

/** One thing worth measuring, done by several contenders, each in a process of its own. */
export interface Workload {
  readonly name: string;
  /** What the cost is divided by. */
  readonly unit: string;
  /** In what the cost is measured. Default "ns". */
  readonly measure?: "ns" | "ms" | "bytes";
  /** The size of a run, where it isn't chosen so that a run takes long enough to be timed. */
  readonly size?: { readonly full: number; readonly smoke: number };
  /**
   * The size of an iteration under `deno bench`. Without one it isn't there: what it costs is not
   * the time of a run, or it needs processes of its own.
   */
  readonly iteration?: number;
  /** How many units a run of size `n` has. Default: `n`. */
  readonly units?: (n: number) => number;
  /** Whether each run needs a new process, since what it measures happens but once in one. */
  readonly fresh?: boolean;
  /** What of the rounds counts: the median (default), or each contender's best one. */
  readonly counts?: "median" | "best";
  /** What a contender does before each of its runs. It isn't part of the cost. */
  readonly before?: Readonly<Record<string, () => PromiseLike<void>>>;
  /** Options of `deno run`, in the processes of this workload only. */
  readonly flags?: readonly string[];
  /** At most what a unit may cost us. */
  readonly limit?: number;
  /** With whom we compare, and how much ours / theirs may be; null: no target, just to see. */
  readonly targets: Readonly<Record<string, number | null>>;
  /** Ours, `weft`, and the peers without a library or a program of their own in `peers/`. */
  readonly run: Readonly<Record<string, Contender>> & { readonly weft: Contender };
}

/** The target against the libraries: in each workload that they have and that takes time. */
export const libraries = { effect: 0.05, effection: 0.05 } as const;

/** Throws unless a contender did all of its work. */
export function expectTotal(actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`The workload lost work: ${actual} is not ${expected}`);
}

/** What all numbers from 0 up to `n`, without it, add up to. */
export function sumBelow(n: number): number {
  return n * (n - 1) / 2;
}
