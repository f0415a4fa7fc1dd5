/**
 * The door of the core for the other rooms of `lib/`, and for them alone: no user sees it. What is
 * not here is the core's own affair.
 */
// Fibers and their contexts.
export { currentFiber, currentFiberOrNull, Fiber, FiberCore, fiberIdNil } from "./fiber.ts";
export type { FiberConstructors } from "./fiber.ts";
export { cancelTree, Context, failContext, failDeadline, mark } from "./context.ts";
export { recordFailure, unlink } from "./context.ts";
export type { CancelContext, ReleaseHook } from "./context.ts";
export { CLOSED, DELIVERED, ENDED_ABORTED, FIBER, OBSERVED, REACHED, SHIELD } from "./flags.ts";
export { nameOf } from "./label.ts";
export type { Label } from "./label.ts";
export { OutsideWork } from "./outside_work.ts";
export { promiseOf } from "./promise_of.ts";

// Ways to make one, and operations of several steps.
export { checkOpen, checkSpawn, spawnIn } from "./spawn_in.ts";
export type { SpawnOptions } from "./spawn_in.ts";
export { GeneratorOperation } from "./generator_operation.ts";
export { nothing, openNursery, runBody, runHook, ScopeContext } from "./nursery.ts";
export type { Nursery, Scope } from "./nursery.ts";
export { yieldNow } from "./yield.ts";

// Schedulers.
export { BATCH, FifoScheduler, microTaskScheduler, SchedulerCore } from "./scheduler.ts";
export type { Scheduler } from "./scheduler.ts";
export { step } from "./step.ts";
export { leaveStep } from "./share.ts";
export { closeEmptied, runFinally, terminate } from "./termination.ts";
export { breakDeadlock } from "./deadlock.ts";
export { unblock } from "./unblock.ts";
export { checkFiber, checkLoop, checkScheduler } from "./check.ts";
