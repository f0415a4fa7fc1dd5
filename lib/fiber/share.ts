/**
 * The share of a fiber (law 10): for how long it may go on with operations that are ready before it
 * gives way to the others, and to the host.
 *
 * The protocol: `execution.left` says how many operations may still start before somebody has a look.
 * Every operation that starts counts it down; where it gets below zero, `usedUp` looks: either the
 * share is used up, and the operation suspends before it attempts anything; or `left` is set anew.
 *
 * The share is `COUNT` operations in one step, or `MS` milliseconds, whichever is first. To look at the
 * clock costs as much as two operations, so the stride, the number of operations between two looks,
 * follows how fast they are: it doubles while looks are less than a millisecond apart, and falls to one
 * when they are two or more apart. The countdown and the stride are those of the realm, and go on from
 * step to step, so that a step costs nothing.
 *
 * Some fibers are watched: each of their steps begins with a `left` of their own, in the upper bits of
 * their flags. One that is new is looked at early. One that has used up its share by the clock is
 * looked at before each operation, until it has proved fast in as many looks as it has marks. So a
 * fiber that was fast and turns slow is noticed after `LONGEST` operations or so at the latest, and
 * then after each.
 *
 * Where a program has to be replayed to the letter the clock has no say: on a loop with a clock of its
 * own, and in a `run` without one. There each step begins with a `left` of `COUNT`.
 */
import { execution } from "../trigger/execution.ts";
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
let stride = 1;

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

/** Whether `fiber` has used up its share; if not, `left` is set to the next stride. */
export function usedUp(fiber: FiberCore<unknown>): boolean {
  if ((fiber.flags & COUNTED) !== 0) return true;
  const before = lookedAt;
  lookedAt = Date.now(); // the cheapest clock there is, in whole milliseconds
  const took = lookedAt - before;
  const isSuspect = (fiber.flags & SUSPECT) !== 0;
  if (took === 0) {
    stride = Math.min(LONGEST, 2 * stride);
    if (isSuspect) fiber.flags -= MARK;
    if ((fiber.flags & SUSPECT) === 0) fiber.flags &= (1 << WATCH_SHIFT) - 1;
  } else if (took >= MS || took < 0) {
    stride = 1; // perhaps for nothing, if it was the host that took so long
  }
  const { id, scheduler } = fiber;
  const next = isSuspect ? 1 : stride;
  let { used, since } = seen;
  if (seen.fiber !== id || seen.step !== scheduler.taskCount) {
    used = next;
    since = isSuspect ? before : lookedAt; // what came before in this step is not known
  }
  const elapsed = lookedAt - since;
  if (elapsed >= MS || elapsed < 0) {
    fiber.flags = (fiber.flags & ((1 << WATCH_SHIFT) - 1)) | SUSPECT | watchedFrom(0);
    scheduler.endBatch();
    return true;
  }
  if (used >= COUNT) return true;
  seen = { fiber: id, step: scheduler.taskCount, used: used + next, since };
  execution.left = next - 1; // less the one that asks
  return false;
}

/** `fiber` gave way and goes on: its share counts from here. */
export function tookTurn(fiber: FiberCore<unknown>): void {
  if ((fiber.flags & COUNTED) !== 0) {
    execution.left--;
  } else if ((fiber.flags & SUSPECT) === 0) {
    execution.left = stride - 1;
  } else {
    execution.left = 0;
    lookedAt = Date.now();
    seen = { fiber: fiber.id, step: fiber.scheduler.taskCount, used: 1, since: lookedAt };
  }
}

/**
 * From here on other fibers are stepped: in the middle of the step of one, if there is one, whose share
 * isn't touched. The function that it returns goes back to that.
 */
export function leaveStep(): () => void {
  const { current, left } = execution;
  const outer = seen;
  execution.current = null;
  return () => {
    execution.current = current;
    execution.left = left;
    seen = outer;
  };
}
