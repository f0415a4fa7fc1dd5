/**
 * Pools of things that are cheaper to use again than to make, after fuseau's `Resource_pool` and
 * `Buf_pool`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { run } from "@weft/weft";
 * import { BufferPool } from "@weft/weft/resource";
 *
 * const buffers = new BufferPool();
 * const result = run(() =>
 *   buffers.withResource(function* (buffer) {
 *     return buffer.length;
 *   })
 * );
 * assertEquals(result, { ok: true, value: 16384 });
 * assertEquals(buffers.statistics(), { kept: 1, inUse: 0 });
 * ```
 *
 * @module
 */
export { BufferPool } from "./buffer_pool.ts";
export type { BufferPoolOptions } from "./buffer_pool.ts";
export { ResourcePool } from "./resource_pool.ts";
export type { ResourcePoolOptions, ResourcePoolStatistics } from "./resource_pool.ts";
