/** What a workload is. */

/**
 * Does `n` units of work, checks that it did, and throws if not. The clock stops when it returns,
 * or when the promise settles that it returned.
 */
export type Contender = (n: number) => unknown;

/** One thing worth measuring, done by several contenders in the same process. */
export interface Workload {
  readonly name: string;
  /** What a contender does `n` of. */
  readonly unit: string;
  /** The first one is what the others are compared to. */
  readonly run: { readonly [contender: string]: Contender };
}

/** Throws unless a contender did all of its work. */
export function expectTotal(actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`The workload lost work: ${actual} is not ${expected}`);
}
