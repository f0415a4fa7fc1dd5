/**
 * What a scheduler author needs, and what few others should touch: wrong use can lose a wake-up
 * or stop a scheduler, which nothing in the other rooms can.
 *
 * A scheduler is an object with `ready(fiber)` over the step function: {@linkcode AnyFiber} makes
 * its first fiber, {@linkcode step} runs one to its next suspension. Of the effects of affect's
 * `Fiber`, Yield and Block are what a fiber's generator yields and reach a scheduler as `ready`;
 * Spawn and Abort are optional methods of it. {@linkcode suspend} is Eio's.
 *
 * @example A scheduler: last in, first out
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { spawn } from "@weft/weft";
 * import { AnyFiber, step } from "@weft/weft/lowlevel";
 *
 * const stack: AnyFiber[] = [];
 * const log: number[] = [];
 * function* note(n: number) {
 *   log.push(n);
 * }
 * const main = AnyFiber.main({ ready: (fiber) => void stack.push(fiber) }, function* () {
 *   for (const n of [1, 2, 3]) spawn(() => note(n));
 * });
 * for (let fiber = stack.pop(); fiber !== undefined; fiber = stack.pop()) step(fiber);
 *
 * assertEquals(log, [3, 2, 1]);
 * assertEquals(main.poll(), { ok: true, value: undefined });
 * ```
 *
 * @module
 */
export { AnyFiber, step } from "./any_fiber.ts";
export type { AnyFiberFunctions, SchedulerPolicy } from "./any_fiber.ts";
export { block } from "./block.ts";
export type { BlockOptions } from "./block.ts";
export { unblock } from "../fiber/core/mod.ts";
export { FiberContext, suspend } from "./suspend.ts";
export type { Enter, FiberContextConstructors } from "./suspend.ts";
export type { CancelContext } from "../fiber/core/mod.ts";
export type { RunOptions, Unblock } from "../fiber/mod.ts";
export type { EventLoop } from "../loop/mod.ts";
export type { Effect } from "../operation/types.ts";
export { setUncaughtHandler } from "../internal/report.ts";
export type { UncaughtHandler } from "../internal/report.ts";
export { seedSelect } from "../operation/select_wait.ts";
