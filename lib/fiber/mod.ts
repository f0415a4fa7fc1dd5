/**
 * Fibers, their structure and their cancellation.
 *
 * After affect's `Fiber` (spawns that terminate before their spawner, abort), Eio's cancellation
 * contexts (complete or cancel, never both; `protect`) and fuseau (fiber-locals, schedulers,
 * failures that propagate). A context is a nursery, a fiber is a context, and a scope is one more
 * context on its fiber's stack.
 *
 * @example
 * ```ts
 * import { assertEquals, assertRejects } from "@std/assert";
 * import { main, sleep, spawn, Timeout, withTimeout } from "@weft/weft";
 *
 * const log: string[] = [];
 * function* worker() {
 *   try {
 *     yield* sleep(10_000);
 *   } finally {
 *     log.push("worker cleaned up");
 *   }
 * }
 * await assertRejects(
 *   async () => {
 *     await main(() =>
 *       withTimeout(5, function* () {
 *         spawn(worker);
 *         yield* sleep(10_000);
 *       })
 *     );
 *   },
 *   Timeout,
 * );
 * assertEquals(log, ["worker cleaned up"]);
 * ```
 *
 * @module
 */
export { Abort, Deadlock, FiberAborted, FinallyRaised, Timeout } from "../operation/errors.ts";
export type { StuckFiber } from "../operation/errors.ts";
export { Inactive } from "../trigger/inactive.ts";
export { Fiber, fiberIdNil, main, yieldNow } from "./core/mod.ts";
export type {
  CancelContext,
  FiberConstructors,
  Main,
  MainOptions,
  ReleaseHook,
  Scheduler,
  Scope,
  SpawnOptions,
} from "./core/mod.ts";
export { run } from "./run.ts";
export type { RunOptions, Unblock } from "./run.ts";
export {
  getScheduler,
  scheduleMicroTask,
  selfAbort,
  spawn,
  spawnAsChildOf,
  spawnFromAnywhere,
} from "./spawn.ts";
export {
  cancelAfter,
  cancelScope,
  protect,
  scope,
  withCancelCallback,
  withTimeout,
} from "./scope.ts";
export { all, any, either, first, map } from "./combinators.ts";
export type { ValuesOf } from "./combinators.ts";
export type { LateOptions } from "./late.ts";
export { FiberLocal } from "./local.ts";
export { monotonicNow, monotonicNowNs, sleep } from "./time.ts";
export type { Instant } from "./time.ts";
