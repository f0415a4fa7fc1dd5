/**
 * The door of the core to the other rooms of `lib/`, and to them alone: users have `fiber/mod.ts`.
 * What isn't here is the core's own affair.
 */

// Fibers.
export { yieldNow } from "./yield.ts";
export { currentFiber, currentFiberOrNull, Fiber, FiberCore, fiberIdNil } from "./fiber.ts";
export type { FiberConstructors } from "./fiber.ts";
export { nameOf } from "./label.ts";
export type { Label } from "./label.ts";
export { checkOpen, checkSpawn, makeFiber, spawnIn } from "./spawn_in.ts";
export type { SpawnOptions } from "./spawn_in.ts";

// Schedulers, and what those of one's own are made of.
export { BATCH, FifoScheduler, microTaskScheduler, SchedulerCore } from "./scheduler.ts";
export type { Scheduler } from "./scheduler.ts";
export { checkFiber, checkLoop, checkScheduler } from "./check.ts";
export { main, promiseOf } from "./main.ts";
export type { Main, MainOptions } from "./main.ts";
export { leaveStep } from "./share.ts";
export { step } from "./step.ts";
export { closeEmptied, runFinally, terminate } from "./termination.ts";
export { CLOSED, DELIVERED, FIBER, OBSERVED, REACHED } from "./flags.ts";
export { breakDeadlock } from "./deadlock.ts";
export { unblock } from "./unblock.ts";

// Contexts, and operations of several steps, which nurseries are.
export { OutsideWork } from "./outside_work.ts";
export { cancelTree, Context, failContext, failDeadline, mark } from "./context.ts";
export { recordFailure, unlink } from "./context.ts";
export type { CancelContext, ReleaseHook } from "./context.ts";
export { nothing, openNursery, runBody, runHook } from "./nursery.ts";
export type { Nursery, Scope, ScopeContext } from "./nursery.ts";
export { GeneratorOperation } from "./generator_operation.ts";
