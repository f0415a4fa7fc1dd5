/**
 * The share of a fiber (law 10): for how long it may go on with operations that are ready before it
 * gives way to the others, and to the host.
 *
 * The protocol: at the start of each step `execution.left` is set to the fiber's stride. Every
 * operation that starts counts it down; where it gets below zero, `usedUp` has a look. Either the
 * step has used up the share, and the operation suspends before it attempts anything; or `left` is
 * set to the stride anew.
 *
 * The share is `COUNT` operations or `MS` milliseconds, whichever is first. To look at the clock costs
 * as much as two operations, so that the stride, the number of operations between two looks, is a
 * power of two that follows how fast the fiber is: it doubles while the looks are less than a
 * millisecond apart, and falls to one when a stride has taken two. Its logarithm, the pace, is kept in
 * the upper bits of the fiber's flags. A fiber that was fast and turns slow is noticed at the end of a
 * stride, of 2 ** FASTEST operations at most.
 *
 * Where a program has to be replayed to the letter the clock has no say: on a loop with a clock of its
 * own, and in a `run` without one.
 */
import { execution } from "../trigger/execution.ts";
import type { FiberCore } from "./fiber.ts";
import { PACE_SHIFT } from "./flags.ts";

/** The most that a fiber may do in one step. */
const COUNT = 256;
const MS = 2;

const FIRST = 1;
const FASTEST = 7;

/** What holds in this realm: see `limitShare`. */
export const share = {
  count: COUNT,
  usesClock: true,
  /** What the flags of a new fiber start with. */
  flags: FIRST << PACE_SHIFT,
};

/**
 * Makes the share `count` operations in every fiber that is spawned from now on, whatever the clock
 * says; `undefined` restores it. For tests, of this library's and of programs: with 1 a fiber gives
 * way before every operation but the first of a step.
 */
export function limitShare(count: number | undefined): void {
  share.count = count ?? COUNT;
  share.usesClock = count === undefined;
  share.flags = (count === 1 ? 0 : FIRST) << PACE_SHIFT;
}

/** The step that was looked at last; ids and step numbers alone, so that no fiber is kept alive. */
const seen = { fiber: 0, step: -1, used: 0, since: 0 };
/** The time of the last look at the clock. */
let lookedAt = 0;

/** Whether the step that runs has used up the share of `fiber`; if not, it may go on for a stride. */
export function usedUp(fiber: FiberCore<unknown>): boolean {
  const { scheduler } = fiber;
  const isFirst = seen.step !== scheduler.taskCount || seen.fiber !== fiber.id;
  if (isFirst) begin(fiber, 1 << paceOf(fiber));
  if (!share.usesClock || !scheduler.usesClock) {
    if (seen.used >= share.count) return true;
    execution.left = share.count - seen.used - 1; // less the one that asks
    seen.used = share.count;
    return false;
  }
  const took = look();
  if (took === 0) setPace(fiber, Math.min(FASTEST, paceOf(fiber) + 1));
  else if (took >= MS || took < 0) setPace(fiber, 0); // perhaps for nothing, if others ran meanwhile
  if (isFirst) seen.since = lookedAt; // what came before in this step is not known
  const elapsed = lookedAt - seen.since;
  if (elapsed >= MS || elapsed < 0) {
    scheduler.endBatch();
    return true;
  }
  if (seen.used >= share.count) return true;
  const next = Math.min(1 << paceOf(fiber), share.count - seen.used);
  seen.used += next;
  execution.left = next - 1;
  return false;
}

/** `fiber` gave way and goes on: its share counts from here. */
export function tookTurn(fiber: FiberCore<unknown>): void {
  execution.left--;
  if (!share.usesClock || !fiber.scheduler.usesClock || paceOf(fiber) > 0) return;
  look(); // one that is slow: in this step, no operation is to go by unseen
  begin(fiber, 1);
  seen.since = lookedAt;
}

function begin(fiber: FiberCore<unknown>, used: number): void {
  seen.fiber = fiber.id;
  seen.step = fiber.scheduler.taskCount;
  seen.used = used;
  seen.since = 0;
}

/** Looks at the cheapest clock there is, in whole milliseconds; returns how many have passed. */
function look(): number {
  const before = lookedAt;
  lookedAt = Date.now();
  return lookedAt - before;
}

function paceOf(fiber: FiberCore<unknown>): number {
  return fiber.flags >>> PACE_SHIFT;
}

function setPace(fiber: FiberCore<unknown>, pace: number): void {
  fiber.flags = (fiber.flags & ((1 << PACE_SHIFT) - 1)) | (pace << PACE_SHIFT);
}
