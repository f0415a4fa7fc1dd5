/**
 * Threads inside one realm: each async context that `run` opens is a thread of its own, and what
 * it starts (promises, timers) stays in it. Built on `AsyncLocalStorage` of `node:async_hooks`,
 * which is loaded at the first use, so that importing this module costs and requires nothing.
 */
import { checkFunction } from "../internal/check.ts";
import type { ThreadModule } from "../trigger/mod.ts";

interface ContextStorage {
  getStore(): unknown;
  run<T>(store: unknown, f: () => T): T;
}

interface NodeProcess {
  getBuiltinModule?(name: string): { AsyncLocalStorage: new () => ContextStorage } | undefined;
}

/** The context that no `run` opened. */
const MAIN_CONTEXT = 0;

let storage: ContextStorage | undefined;
let lastId = MAIN_CONTEXT;

function loadStorage(): ContextStorage {
  const { process } = globalThis as { process?: NodeProcess };
  const hooks = process?.getBuiltinModule?.("node:async_hooks");
  if (hooks === undefined) {
    throw new Error("Cannot tell async contexts apart: this platform has no node:async_hooks");
  }
  return new hooks.AsyncLocalStorage();
}

/** The module for `perThread` that takes each async context of this realm for a thread. */
export interface AsyncContextThreads extends ThreadModule<unknown> {
  /**
   * Calls `f` in a new thread, which lasts as long as anything that `f` started, and returns what
   * `f` returns.
   *
   * @throws {TypeError} if `f` is not a function
   */
  run<T>(f: () => T): T;
}

/**
 * One thread per async context: two schedulers interleave in one realm, and each blocks its own
 * code in its own way.
 *
 * @example
 * ```ts
 * import { assertEquals, assertNotEquals } from "@std/assert";
 * import { asyncContextThreads as threads } from "@weft/weft/thread";
 *
 * const id = () => threads.id(threads.self());
 * const [a, b] = await Promise.all([
 *   threads.run(async () => [id(), await Promise.resolve().then(id)]),
 *   threads.run(async () => [id(), await Promise.resolve().then(id)]),
 * ]);
 * assertEquals(a[0], a[1]);
 * assertNotEquals(a[0], b[0]);
 * ```
 */
export const asyncContextThreads: AsyncContextThreads = {
  self: () => storage?.getStore() ?? MAIN_CONTEXT,
  id: (handle) => handle as number,
  runIn: (handle, f) => storage === undefined ? f() : storage.run(handle, f),
  run(f) {
    checkFunction("run a thread", "f", f);
    storage ??= loadStorage();
    return storage.run(++lastId, f);
  },
};
