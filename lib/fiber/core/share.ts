/**
 * The share of a fiber (law 10): for how long it may go on with operations that are ready before it
 * gives way to the others, and to the host.
 *
 * The protocol: `execution.left` says how many operations may still start before `usedUp` is asked.
 * Every operation that starts counts it down. When it gets below zero, `usedUp` decides: either the
 * share is used up, and the operation suspends before it attempts anything; or `left` is set anew.
 *
 * The share is `COUNT` operations in one step, or `MS` milliseconds, whichever comes first. A look at
 * the clock costs as much as two operations, so there are `LONGEST` operations between two looks. The
 * countdown belongs to the realm and goes on from step to step, so that a step costs nothing.
 *
 * Some fibers are watched: each of their steps begins with a `left` of their own, which is in the
 * upper bits of their flags. A new fiber is looked at early. One that may have been slow gets marks,
 * and is looked at before each operation; each look that finds it fast takes a mark away. So a fiber
 * that was fast and turns slow is noticed after `LONGEST` operations at the latest, and then after
 * each one.
 *
 * The clock has no say where a program has to be replayed to the letter: on a loop with a clock of
 * its own, and in a `run` without a loop. There each step begins with a `left` of `COUNT`.
 */
import { execution } from "../../trigger/execution.ts";
import type { FiberCore } from "./fiber.ts";
import { COUNTED, MARK, SUSPECT, WATCH_SHIFT } from "./flags.ts";

/** The share, in operations of one step. */
const COUNT = 256;
/** The share, in milliseconds. */
const MS = 2;
/** How many operations a fiber that isn't watched may start between two looks at the clock. */
const LONGEST = 128;
/** How many operations a new fiber may start in a step before it is looked at. */
const FIRST = 3;

/** The limits in this realm (see `limitShare`). */
export const share: { count: number; usesClock: boolean } = { count: COUNT, usesClock: true };

/**
 * Makes the share `count` operations on every scheduler that is made from now on, whatever the clock
 * says; `undefined` restores it. For tests: with 1 a fiber gives way before every operation but the
 * first of a step.
 */
export function limitShare(count: number | undefined): void {
  share.count = count ?? COUNT;
  share.usesClock = count === undefined;
}

/** The number, in its scheduler, of the step in which `usedUp` was asked last. */
let seenStep = 0;
/** How many operations that step will have started by the next look, and since when it is timed. */
let used = 0;
let since = 0;
/** The time of the last look at the clock. */
let lookedAt = 0;

/** The bits for the share in the flags of a new fiber. */
export function initialShare(usesClock: boolean): number {
  return usesClock && share.usesClock
    ? MARK | watchedFrom(FIRST)
    : COUNTED | watchedFrom(share.count);
}

/** The bits that let each step of a fiber begin with `left`. */
function watchedFrom(left: number): number {
  return (left + 1) << WATCH_SHIFT;
}

const UNWATCHED = (1 << WATCH_SHIFT) - 1;

/** Whether `fiber` has used up its share. If not, `left` is set to the stride until the next look. */
export function usedUp(fiber: FiberCore<unknown>): boolean {
  if ((fiber.flags & COUNTED) !== 0) return true;
  const before = lookedAt;
  const wasSuspect = (fiber.flags & SUSPECT) !== 0;
  lookedAt = Date.now(); // the cheapest clock there is, in whole milliseconds
  const took = lookedAt - before;
  if (took < 0 || took >= MS) { // maybe wrongly: others may have run meanwhile, or the host
    fiber.flags = (fiber.flags & UNWATCHED) | SUSPECT | watchedFrom(0);
  } else if (took === 0 && wasSuspect) {
    fiber.flags -= MARK;
    if ((fiber.flags & SUSPECT) === 0) fiber.flags &= UNWATCHED;
  }
  const stride = (fiber.flags & SUSPECT) === 0 ? LONGEST : 1;
  const { scheduler } = fiber;
  if (seenStep !== scheduler.taskCount) {
    seenStep = scheduler.taskCount;
    used = 0;
    since = wasSuspect ? before : lookedAt; // else it isn't known when this step began
  }
  used += stride;
  const elapsed = lookedAt - since;
  if (elapsed < 0 || elapsed >= MS) {
    scheduler.endBatch();
    return true;
  }
  execution.left = stride - 1; // the operation that asks is one of them
  return used >= COUNT;
}

/**
 * To be called before other fibers are stepped in the middle of a fiber's step, as when it calls
 * `run`. The function that it returns goes back to that step, whose share wasn't touched meanwhile.
 */
export function leaveStep(): () => void {
  const { current, left } = execution;
  const outer = [seenStep, used, since] as const;
  execution.current = null;
  return () => {
    execution.current = current;
    execution.left = left;
    [seenStep, used, since] = outer;
  };
}
