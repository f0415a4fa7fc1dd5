/** Nothing can ever wake the fibers that are left (law 11): telling which, and ending it. */
import { Abort, Deadlock, type StuckFiber } from "../../operation/errors.ts";
import { SPENT, WAITING } from "../../operation/wait.ts";
import { failContext, treeOf } from "./context.ts";
import type { FiberCore } from "./fiber.ts";
import type { SchedulerCore } from "./scheduler.ts";
import { FIBER, QUEUED } from "./flags.ts";

/**
 * To be called when nobody is ready and nothing can come. At first everything is aborted, with the
 * `Deadlock` as the reason (or as the failure of the root); what is still stuck after that sits in
 * a `protect` and gets that same `Deadlock` thrown. Returns whether that made anybody ready.
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

/** Where the body of the root has returned, its value stands: just what it had spawned is aborted. */
function cancelStuck(root: FiberCore<unknown>, deadlock: Deadlock): void {
  if (!root.closing) return root.cancel(deadlock);
  for (const fiber of liveFibers(root)) if (fiber.parent === root) fiber.cancel(deadlock);
}

function isReady(fiber: FiberCore<unknown>): boolean {
  return (fiber.flags & QUEUED) !== 0;
}

function throwInto(fiber: FiberCore<unknown>, deadlock: Deadlock): void {
  const { pending } = fiber;
  if (pending === null || fiber.context.closing) return;
  if (!pending.interrupt(new Abort(deadlock)) && pending.state === WAITING) {
    pending.state = SPENT; // a wait that can't be cancelled: what resumes it later comes too late
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
