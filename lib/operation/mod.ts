/**
 * Operations: what `yield*` and `await` take.
 *
 * The vocabulary that every room shares. Everything the library returns to wait on is an
 * {@linkcode Awaitable}: the same object works in a fiber, in an async function and under another
 * library's scheduler.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, sleep } from "@weft/weft";
 * import type { Operation } from "@weft/weft/operation";
 *
 * function* later<T>(ms: number, value: T): Operation<T> {
 *   yield* sleep(ms);
 *   return value;
 * }
 *
 * assertEquals(await main(() => later(1, "done")), "done");
 * ```
 *
 * @module
 */
export type { Awaitable, Effect, Either, Operation, Option, Result } from "./types.ts";
