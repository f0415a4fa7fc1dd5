/**
 * The share of a fiber (law 10): for how long it may go on with operations that are ready before it
 * gives way to the others, and to the host.
 *
 * The protocol: `execution.left` says how many operations may still start before somebody has a look.
 * Every operation that starts counts it down; where it gets below zero, `usedUp` looks: either the
 * share is used up, and the operation suspends before it attempts anything; or `left` is set anew.
 *
 * The share is at most `COUNT` operations in one step, or `MS` milliseconds, whichever is first. To
 * look at the clock costs as much as two operations, so between two looks there are `LONGEST`
 * operations. That countdown is the realm's, and goes on from step to step, so that a step costs nothing.
 *
 * Some fibers are watched: each of their steps begins with a `left` of their own, in the upper bits of
 * their flags. One that is new is looked at early. One that may have been slow is looked at before each
 * operation, until it has proved fast in as many looks as it has marks. So a fiber that was fast and
 * turns slow is noticed after `LONGEST` operations at the latest, and then after each.
 *
 * Where a program has to be replayed to the letter the clock has no say: on a loop with a clock of its
 * own, and in a `run` without one. There each step begins with a `left` of `COUNT`.
 */
import { execution } from "../../trigger/execution.ts";
import type { FiberCore } from "./fiber.ts";
import { COUNTED, MARK, SUSPECT, WATCH_SHIFT } from "./flags.ts";

const COUNT = 256;
const MS = 2;
const LONGEST = 128;
/** How many operations a new fiber may start in a step before it is looked at. */
const FIRST = 3;

/** What holds in this realm: see `limitShare`. */
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

/** The number of the step that was looked at last, in its scheduler. */
let seenStep = 0;
/** How many operations it will have started by the next look, and since when. */
let used = 0;
let since = 0;
/** The time of the last look at the clock. */
let lookedAt = 0;

/** What the flags of a new fiber say of its share. */
export function initialShare(usesClock: boolean): number {
  return usesClock && share.usesClock
    ? MARK | watchedFrom(FIRST)
    : COUNTED | watchedFrom(share.count);
}

/** The flags of a fiber each of whose steps begins with `left`. */
function watchedFrom(left: number): number {
  return (left + 1) << WATCH_SHIFT;
}

const UNWATCHED = (1 << WATCH_SHIFT) - 1;

/** Whether `fiber` has used up its share; if not, `left` is set to the next stride. */
export function usedUp(fiber: FiberCore<unknown>): boolean {
  if ((fiber.flags & COUNTED) !== 0) return true;
  const before = lookedAt;
  const wasSuspect = (fiber.flags & SUSPECT) !== 0;
  lookedAt = Date.now(); // the cheapest clock there is, in whole milliseconds
  const took = lookedAt - before;
  if (took < 0 || took >= MS) { // perhaps for nothing, if others ran meanwhile, or the host
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
    since = wasSuspect ? before : lookedAt; // what came before in this step is not known
  }
  used += stride;
  const elapsed = lookedAt - since;
  if (elapsed < 0 || elapsed >= MS) {
    scheduler.endBatch();
    return true;
  }
  execution.left = stride - 1; // less the one that asks
  return used >= COUNT;
}

/**
 * From here on other fibers are stepped: in the middle of the step of one, if there is one, whose share
 * isn't touched. The function that it returns goes back to that.
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
