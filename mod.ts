/**
 * Weft: structured concurrency for Deno and TypeScript.
 *
 * Fibers are generators, cancellation is right, every wait is an event that `select` can choose
 * between, and what you wait on works in fibers, in async functions and under other schedulers.
 * `yield*` if and only if it may suspend.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Channel, main, sleep, spawn } from "@weft/weft";
 *
 * function* producer(numbers: Channel<number>) {
 *   for (let n = 1; n <= 3; n++) {
 *     yield* sleep(1);
 *     yield* numbers.send(n);
 *   }
 *   numbers.close();
 * }
 *
 * const sum = await main(function* () {
 *   const numbers = new Channel<number>({ capacity: 0 });
 *   spawn(() => producer(numbers));
 *   let sum = 0;
 *   for (;;) {
 *     const n = yield* numbers.receive();
 *     if (n === undefined) return sum;
 *     sum += n.value;
 *   }
 * });
 * assertEquals(sum, 6);
 * ```
 *
 * @module
 */
// In this order what is alike stands close together in a bundle: gzip looks back 32 kB, no further.
export * from "./lib/channel/mod.ts";
export * from "./lib/trigger/mod.ts";
export * from "./lib/operation/mod.ts";
export {
  fromPromise,
  promiseEvent,
  spawnAsPromise,
  spawnAsPromiseFromAnywhere,
} from "./lib/promise/mod.ts";
export * from "./lib/event/mod.ts";
export * from "./lib/fiber/mod.ts";
export type { FromPromiseOptions } from "./lib/promise/mod.ts";
