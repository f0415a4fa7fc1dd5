/**
 * Synchronisation: what fibers, async functions and tasks of other schedulers wait for when they pass
 * nothing to each other.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, spawn } from "@weft/weft";
 * import { Latch } from "@weft/weft/sync";
 *
 * const warm: string[] = [];
 * await main(function* () {
 *   const ready = new Latch(2);
 *   for (const name of ["cache", "index"]) {
 *     spawn(function* () {
 *       warm.push(name);
 *       ready.countDown();
 *     });
 *   }
 *   yield* ready.wait();
 *   assertEquals(warm, ["cache", "index"]);
 * });
 * ```
 *
 * @module
 */
export { Barrier } from "./barrier.ts";
export type { BarrierStatistics } from "./barrier.ts";
export { Cell } from "./cell.ts";
export type { CellStatistics } from "./cell.ts";
export { Condition } from "./condition.ts";
export type { ConditionStatistics } from "./condition.ts";
export type { Guard } from "./guard.ts";
export { Latch } from "./latch.ts";
export { Lazy } from "./lazy.ts";
export type { LazyStatistics } from "./lazy.ts";
export { Mutex, PoisonedError } from "./mutex.ts";
export type { MutexOptions, MutexStatistics } from "./mutex.ts";
export { Once } from "./once.ts";
export type { OnceStatistics } from "./once.ts";
export type { SyncOptions } from "./options.ts";
export { RwLock } from "./rw_lock.ts";
export type { RwLockStatistics } from "./rw_lock.ts";
export { Semaphore } from "./semaphore.ts";
export type { SemaphoreStatistics } from "./semaphore.ts";
