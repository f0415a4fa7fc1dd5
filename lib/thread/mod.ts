/**
 * Threads: pools of them, and what they share.
 *
 * {@linkcode ThreadPool} is after mwt: threads with a state of their own, which run the tasks that
 * a module serves ({@linkcode serve}) or functions that are sent to them, and call back into
 * main ({@linkcode runInMain}). {@linkcode SharedChannel} and {@linkcode SharedTrigger} reach from
 * thread to thread, with Eio's rule across domains: complete or cancel, decided by one
 * compare-and-set. The queue beneath them is Dmitry Vyukov's. {@linkcode SharedMutex} and
 * {@linkcode SharedSemaphore} lock what lies in memory that threads share.
 *
 * {@linkcode webWorkerThreads} and {@linkcode asyncContextThreads} tell threads apart, for
 * `perThread` of domain-local-await: Web Workers, or the async contexts of one realm.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { ThreadPool } from "@weft/weft/thread";
 *
 * const sum = await main(function* () {
 *   const pool = yield* ThreadPool.make({ size: 1 });
 *   const sum = yield* pool.run((_state, a: number, b: number) => a + b, 1, 2);
 *   yield* pool.close();
 *   return sum;
 * });
 * assertEquals(sum, 3);
 * ```
 *
 * @module
 */
export { asyncContextThreads } from "./async_context.ts";
export type { AsyncContextThreads } from "./async_context.ts";
export { PoolClosedError, ThreadCrashedError, webWorkerThreads } from "./memory/mod.ts";
export type { Codec } from "./memory/mod.ts";
export { ThreadPool } from "./pool/mod.ts";
export type { FunctionPoolOptions, PoolOptions, PoolStatistics } from "./pool/mod.ts";
export { noop, transfer } from "./protocol/mod.ts";
export type {
  ArgumentsOf,
  Outcome,
  ResultOf,
  ServeOptions,
  Service,
  Tasks,
  TasksOf,
} from "./protocol/mod.ts";
export { SharedChannel, SharedMutex, SharedSemaphore, SharedTrigger } from "./shared/mod.ts";
export type {
  SharedChannelHandle,
  SharedChannelOptions,
  SharedGuard,
  SharedMutexHandle,
  SharedMutexOptions,
  SharedMutexStatistics,
  SharedSemaphoreHandle,
  SharedSemaphoreOptions,
  SharedSemaphoreStatistics,
  SharedTriggerHandle,
} from "./shared/mod.ts";
export { callMain, cancelRequested, runInMain, serve, taskSignal } from "./worker/mod.ts";
