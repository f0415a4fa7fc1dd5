/**
 * The share of a fiber (law 10): for how long it may go on with operations that are ready before it
 * gives way to the others, and to the host.
 *
 * The protocol: `execution.left` counts the operations that the fiber may still start before somebody
 * has a look. It goes with the fiber: each step takes it out of the fiber's flags and puts back what
 * is left of it, so that a fiber is looked at after so many operations, in however many steps. Every
 * operation that starts counts it down; where it gets below zero, `usedUp` looks. Either the share is
 * used up, and the operation suspends before it attempts anything; or `left` is set anew.
 *
 * The share is `COUNT` operations in one step, or `MS` milliseconds, whichever is first. To look at the
 * clock costs as much as two operations, so the stride, the number of operations between two looks, is
 * a power of two that follows how fast the fiber is: it doubles while looks are less than a
 * millisecond apart, and falls to one when they are two or more apart. Its logarithm, the pace, is in
 * the flags, too. So a fiber that was fast and turns slow is noticed after 2 ** FASTEST operations at
 * the latest, and from then on after each.
 *
 * Where a program has to be replayed to the letter the clock has no say: on a loop with a clock of its
 * own, and in a `run` without one. There the share is `COUNT` operations, in however many steps.
 */
import { execution } from "../trigger/execution.ts";
import type { FiberCore } from "./fiber.ts";
import { LEFT_SHIFT, PACE_SHIFT } from "./flags.ts";

const COUNT = 256;
const MS = 2;

const FIRST = 1;
const FASTEST = 7;

/** What holds in this realm: see `limitShare`. */
export const share: { count: number; usesClock: boolean } = { count: COUNT, usesClock: true };

/**
 * Makes the share `count` operations on every scheduler that is made from now on, whatever the clock
 * says; `undefined` restores it. For tests: with 1 a fiber gives way before every other operation that
 * is ready, or would be if it were attempted.
 */
export function limitShare(count: number | undefined): void {
  share.count = count ?? COUNT;
  share.usesClock = count === undefined;
}

/** What the flags of a new fiber say of its share. */
export function initialShare(usesClock: boolean): number {
  return usesClock ? (FIRST << PACE_SHIFT) | (1 << FIRST << LEFT_SHIFT) : share.count << LEFT_SHIFT;
}

/** The step that was looked at last: ids and numbers alone, so that no fiber is kept alive. */
interface Seen {
  readonly fiber: number;
  readonly step: number;
  /** How many operations it will have started by the next look, and when it began. */
  readonly used: number;
  readonly since: number;
}

let seen: Seen = { fiber: 0, step: 0, used: 0, since: 0 };
/** The time of the last look at the clock. */
let lookedAt = 0;

/** Whether `fiber` has used up its share; if not, `left` is set to its next stride. */
export function usedUp(fiber: FiberCore<unknown>): boolean {
  const { id, scheduler } = fiber;
  if (!scheduler.usesClock) return true;
  const before = lookedAt;
  lookedAt = Date.now(); // the cheapest clock there is, in whole milliseconds
  const took = lookedAt - before;
  const pace = paceOf(fiber);
  if (took === 0) setPace(fiber, Math.min(FASTEST, pace + 1));
  else if (took >= MS || took < 0) setPace(fiber, 0); // perhaps for nothing, if others ran meanwhile
  const stride = 1 << paceOf(fiber);
  let { used, since } = seen;
  if (seen.fiber !== id || seen.step !== scheduler.taskCount) {
    used = stride;
    since = pace === 0 ? before : lookedAt; // a slow one is taken to have run all the while
  }
  const elapsed = lookedAt - since;
  if (elapsed >= MS || elapsed < 0) {
    scheduler.endBatch();
    return true;
  }
  if (used >= COUNT) return true;
  seen = { fiber: id, step: scheduler.taskCount, used: used + stride, since };
  execution.left = stride - 1; // less the one that asks
  return false;
}

/** `fiber` gave way and goes on: its share counts from here. */
export function tookTurn(fiber: FiberCore<unknown>): void {
  if (!fiber.scheduler.usesClock) {
    execution.left = share.count - 1;
    return;
  }
  execution.left = (1 << paceOf(fiber)) - 1;
  if (paceOf(fiber) > 0) return;
  lookedAt = Date.now();
  seen = { fiber: fiber.id, step: fiber.scheduler.taskCount, used: 1, since: lookedAt };
}

/**
 * Runs `f`, which steps other fibers, as code of nobody: of a fiber in the middle of whose step that is,
 * if there is one, the share isn't touched.
 */
export function outsideOfFibers<T>(f: () => T): T {
  const { current, left } = execution;
  const outer = seen;
  execution.current = null;
  try {
    return f();
  } finally {
    execution.current = current;
    execution.left = left;
    seen = outer;
  }
}

function paceOf(fiber: FiberCore<unknown>): number {
  return (fiber.flags >>> PACE_SHIFT) & 7;
}

function setPace(fiber: FiberCore<unknown>, pace: number): void {
  fiber.flags = (fiber.flags & ~(7 << PACE_SHIFT)) | (pace << PACE_SHIFT);
}
