/**
 * Event loops: where fibers wait when nothing is left to run.
 *
 * Two of them: {@linkcode hostLoop}, JavaScript's own, on which `main` runs, and
 * {@linkcode blockingLoop}, which sleeps the thread, for `run`. The interface is that of fuseau's
 * `Event_loop`; any other implementation (a virtual clock, say) can be given to `run`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { blockingLoop } from "@weft/weft/loop";
 *
 * const loop = blockingLoop();
 * const fired: string[] = [];
 * loop.onTimer(2, { repeat: false }, () => fired.push("later"));
 * loop.onTimer(1, { repeat: false }, () => fired.push("sooner"));
 * while (loop.oneStep({ block: true }));
 * assertEquals(fired, ["sooner", "later"]);
 * ```
 *
 * @module
 */
export { blockingLoop } from "./blocking_loop.ts";
export { hostLoop } from "./host_loop.ts";
export type { EventLoop } from "./event_loop.ts";
export type { CancelHandle } from "../operation/types.ts";
