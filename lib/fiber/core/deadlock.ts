/** When nothing can ever wake the fibers that are left (law 11): says which, and ends them. */
import { Abort, Deadlock, type StuckFiber } from "../../operation/errors.ts";
import { SPENT, WAITING } from "../../operation/wait.ts";
import { failContext, treeOf } from "./context.ts";
import type { FiberCore } from "./fiber.ts";
import type { SchedulerCore } from "./scheduler.ts";
import { FIBER, QUEUED } from "./flags.ts";

/**
 * To be called when no fiber is ready and nothing can come. The first call aborts everything, with
 * the `Deadlock` as the reason ("abort") or as the failure of the root ("fail"). What is stuck again
 * after that is inside of `protect`, and gets that same `Deadlock` thrown. Returns whether any fiber
 * is ready now.
 */
export function breakDeadlock(
  scheduler: SchedulerCore,
  how: "abort" | "fail",
  hint?: string,
): boolean {
  const root = scheduler.root!;
  if (scheduler.deadlock === null) {
    const deadlock = new Deadlock(liveFibers(root).map(toStuck), hint);
    scheduler.deadlock = deadlock;
    if (how === "fail") failContext(root, deadlock);
    else cancelStuck(root, deadlock);
  }
  const stuck = liveFibers(root);
  if (stuck.some(isReady)) return true;
  for (const fiber of stuck) throwInto(fiber, scheduler.deadlock);
  return stuck.some(isReady);
}

/** If the body of the root has returned, its value stands: only what it had spawned is aborted. */
function cancelStuck(root: FiberCore<unknown>, deadlock: Deadlock): void {
  if (!root.closing) return root.cancel(deadlock);
  for (const fiber of liveFibers(root)) if (fiber.parent === root) fiber.cancel(deadlock);
}

function isReady(fiber: FiberCore<unknown>): boolean {
  return (fiber.flags & QUEUED) !== 0;
}

/** A fiber that only waits for its kids is left out: it goes on when they have ended. */
function throwInto(fiber: FiberCore<unknown>, deadlock: Deadlock): void {
  const { pending } = fiber;
  if (pending === null || fiber.context.closing) return;
  if (!pending.interrupt(new Abort(deadlock)) && pending.state === WAITING) {
    pending.state = SPENT; // it refused to be cancelled; what completes it later comes too late
  }
  fiber.thrown = deadlock;
  fiber.unblock();
}

/** The fibers of the tree, in spawn order. */
function liveFibers(root: FiberCore<unknown>): FiberCore<unknown>[] {
  const fibers = treeOf(root).filter(({ flags }) => (flags & FIBER) !== 0) as FiberCore<unknown>[];
  return fibers.sort((a, b) => a.id - b.id);
}

function toStuck(fiber: FiberCore<unknown>): StuckFiber {
  return { id: fiber.id, name: fiber.name, waitsOn: fiber.waitsOn() };
}
