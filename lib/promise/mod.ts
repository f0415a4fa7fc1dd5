/**
 * Between fibers and the promise world, both ways, after fuseau-lwt: promises, `AbortSignal`s, async
 * iterables and web streams.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { afterEvent, main, promiseEvent, select } from "@weft/weft";
 *
 * const never = new Promise<string>(() => {});
 * const result = await main(() => select({ answer: promiseEvent(never), late: afterEvent(1) }));
 * assertEquals(result, { kind: "late", value: undefined });
 * ```
 *
 * @module
 */
export { abortEvent, withAbortSignal } from "./abort_signal.ts";
export { fromPromise, promiseEvent } from "./from_promise.ts";
export type { FromPromiseOptions } from "./from_promise.ts";
export { spawnAsPromise, spawnAsPromiseFromAnywhere } from "./spawn_as_promise.ts";
export { channelFrom, readableFrom } from "./sources.ts";
export type { ChannelFromOptions } from "./sources.ts";
