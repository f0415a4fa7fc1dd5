/**
 * Main's side of a pool: it starts threads, offers them jobs, and hears what comes of those.
 *
 * @module
 */
export { ThreadPool } from "./pool.ts";
export type { FunctionPoolOptions, PoolOptions } from "./pool.ts";
export type { PoolStatistics } from "./pool_core.ts";
