/**
 * Stands in for `jsr:@std/assert` on machines that cannot reach JSR (see `links` in deno.json): the
 * same code, as the npm package `deno-std` carries it, under the types in mod.d.ts.
 *
 * @module
 */

// @ts-types="./mod.d.ts"
export * from "deno-std/assert/mod.js";
