/**
 * Channels: how fibers pass values, after fuseau's `Chan` and Go.
 *
 * Rendezvous, bounded, unbounded and dropping channels, with close, `for await`, and both ends as
 * events for `select`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Channel, run } from "@weft/weft";
 *
 * const channel = new Channel<number>({ capacity: 2, overflow: "dropOldest" });
 * const result = run(function* () {
 *   for (const n of [1, 2, 3]) yield* channel.send(n);
 *   channel.close();
 *   const kept = [yield* channel.receiveOrThrow(), yield* channel.receiveOrThrow()];
 *   return { kept, then: yield* channel.receive() };
 * });
 * assertEquals(result, { ok: true, value: { kept: [2, 3], then: undefined } });
 * ```
 *
 * @module
 */
export { Channel } from "./channel.ts";
export type { ChannelOptions, ChannelStatistics } from "./channel.ts";
export type { Overflow } from "./core.ts";
export { ChannelClosedError } from "./error.ts";
