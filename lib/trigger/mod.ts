/**
 * Triggers: how to block without knowing the scheduler.
 *
 * A primitive that only calls {@linkcode prepareForAwait} works in fibers, in async functions and
 * under any scheduler that registered itself with {@linkcode using}. The idea and the rules are
 * those of OCaml's domain-local-await.
 *
 * @example A value that is set once, for every scheduler there is
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { prepareForAwait } from "@weft/weft/trigger";
 *
 * let value: number | undefined;
 * const waiting = new Set<() => void>();
 *
 * function set(to: number) {
 *   value = to;
 *   for (const release of waiting) release();
 * }
 *
 * function* get() {
 *   while (value === undefined) {
 *     const trigger = prepareForAwait();
 *     const leave = () => waiting.delete(trigger.release);
 *     waiting.add(trigger.release);
 *     yield* trigger.await(leave);
 *     leave();
 *   }
 *   return value;
 * }
 *
 * setTimeout(() => set(42), 1);
 * assertEquals(await main(get), 42);
 * assertEquals(waiting.size, 0);
 * ```
 *
 * @module
 */
export { perThread, prepareForAwait, using } from "./trigger.ts";
export type { ThreadModule } from "./trigger.ts";
export type { AwaitableVoid, Trigger } from "./types.ts";
