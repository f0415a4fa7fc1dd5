/**
 * Stands in for `jsr:@std/async` on machines that cannot reach JSR (see `links` in deno.json): the
 * same code, as the npm package `deno-std` carries it, under the types in mod.d.ts. File by file,
 * since the package's own `async/mod.js` names a file that it does not contain.
 *
 * @module
 */

// @ts-types="./mod.d.ts"
export { abortable } from "deno-std/async/abortable.js";
// @ts-types="./mod.d.ts"
export { deadline } from "deno-std/async/deadline.js";
// @ts-types="./mod.d.ts"
export { debounce } from "deno-std/async/debounce.js";
// @ts-types="./mod.d.ts"
export { delay } from "deno-std/async/delay.js";
// @ts-types="./mod.d.ts"
export { MuxAsyncIterator } from "deno-std/async/mux_async_iterator.js";
// @ts-types="./mod.d.ts"
export { pooledMap } from "deno-std/async/pool.js";
// @ts-types="./mod.d.ts"
export { retry, RetryError } from "deno-std/async/retry.js";
// @ts-types="./mod.d.ts"
export { tee } from "deno-std/async/tee.js";

export type * from "./mod.d.ts";
