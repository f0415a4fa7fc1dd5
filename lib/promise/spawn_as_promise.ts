/** Fibers as promises. */
import type { Operation } from "../operation/types.ts";
import {
  type Fiber,
  type Scheduler,
  spawn,
  spawnAsChildOf,
  spawnFromAnywhere,
  type SpawnOptions,
} from "../fiber/mod.ts";
import {
  checkFiber,
  checkOpen,
  type Context,
  type FiberCore,
  promiseOf,
} from "../fiber/core/mod.ts";

/**
 * Spawns a fiber that runs `body`, and returns a promise of its value; it rejects with the
 * fiber's failure, or with `FiberAborted`. Never suspends.
 *
 * With `parent` it may be called from anywhere, and the fiber becomes a child of that one;
 * otherwise it is spawned as by `spawn`. A failure goes up to the parent as well, unless
 * `propagateCancelToParent` is false. Only then does a failure of the promise need a handler; an
 * abort never does.
 *
 * @throws {Inactive} outside of any fiber without `parent`, or if `parent` has terminated
 * @throws {TypeError} if an argument is of the wrong type
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fromPromise, main, sleep, spawnAsPromise } from "@weft/weft";
 *
 * function* answer() {
 *   yield* sleep(1);
 *   return 42;
 * }
 * const value = await main(function* () {
 *   const promise: Promise<number> = spawnAsPromise(answer);
 *   return yield* fromPromise(promise);
 * });
 * assertEquals(value, 42);
 * ```
 */
export function spawnAsPromise<T>(
  body: () => Operation<T>,
  options?: SpawnOptions & { parent?: Fiber<unknown> },
): Promise<T> {
  const parent = options?.parent;
  const fiber = parent === undefined ? spawn(body, options) : spawnBelow(parent, body, options);
  return promiseFrom(fiber, options?.propagateCancelToParent !== false);
}

function spawnBelow<T>(
  parent: Fiber<unknown>,
  body: () => Operation<T>,
  options: SpawnOptions | undefined,
): Fiber<T> {
  const core = checkFiber("spawn", "parent", parent);
  checkOpen("spawn", core as unknown as Context); // first: once ended it may have no scheduler
  return spawnAsChildOf(core.scheduler, parent, body, options);
}

/**
 * Spawns a fiber at the top of `scheduler`, from anywhere, and returns a promise of its value, as
 * `spawnAsPromise` does.
 *
 * @throws {Inactive} if the scheduler is not active
 * @throws {TypeError} if an argument is of the wrong type
 */
export function spawnAsPromiseFromAnywhere<T>(
  scheduler: Scheduler,
  body: () => Operation<T>,
  options?: { name?: string },
): Promise<T> {
  return promiseFrom(spawnFromAnywhere(scheduler, body, options), true);
}

function promiseFrom<T>(fiber: Fiber<T>, propagates: boolean): Promise<T> {
  // No handler is needed where the failure has gone up, or where it is only an abort.
  return promiseOf(fiber, () => propagates || (fiber as FiberCore<T>).wasAborted);
}
