/**
 * The door of the core to the other rooms of `lib/`, and to them alone: users have `fiber/mod.ts`.
 * What isn't here is the core's own affair.
 */

// Fibers.
export { currentFiber, currentFiberOrNull, Fiber, FiberCore, fiberIdNil } from "./fiber.ts";
export type { FiberConstructors } from "./fiber.ts";
export { checkOpen, checkSpawn, spawnIn } from "./spawn_in.ts";
export type { SpawnOptions } from "./spawn_in.ts";
export { nameOf } from "./label.ts";
export type { Label } from "./label.ts";
export { yieldNow } from "./yield.ts";

// Schedulers, and what those of one's own are made of.
export { main, promiseOf } from "./main.ts";
export type { Main, MainOptions } from "./main.ts";
export { BATCH, FifoScheduler, microTaskScheduler, SchedulerCore } from "./scheduler.ts";
export type { Scheduler } from "./scheduler.ts";
export { leaveStep } from "./share.ts";
export { step } from "./step.ts";
export { closeEmptied, runFinally, terminate } from "./termination.ts";
export { CLOSED, DELIVERED, FIBER, OBSERVED, REACHED } from "./flags.ts";
export { breakDeadlock } from "./deadlock.ts";
export { unblock } from "./unblock.ts";
export { checkFiber, checkLoop, checkScheduler } from "./check.ts";

// Contexts, and operations of several steps, which nurseries are.
export { OutsideWork } from "./outside_work.ts";
export { cancelTree, Context, failContext, failDeadline, mark } from "./context.ts";
export { recordFailure, unlink } from "./context.ts";
export type { CancelContext, ReleaseHook } from "./context.ts";
export { nothing, openNursery, runBody, runHook } from "./nursery.ts";
export type { Nursery, Scope, ScopeContext } from "./nursery.ts";
export { GeneratorOperation } from "./generator_operation.ts";
