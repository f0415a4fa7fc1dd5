/** Spawning fibers, and what a fiber asks of its scheduler. */
import { checkFunction } from "../internal/check.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import { Inactive } from "../trigger/inactive.ts";
import {
  checkFiber,
  checkOpen,
  checkScheduler,
  checkSpawn,
  type Context,
  currentFiber,
  currentFiberOrNull,
  DELIVERED,
  type Fiber,
  type FiberCore,
  GeneratorOperation,
  microTaskScheduler,
  type Scheduler,
  type SchedulerCore,
  spawnIn,
  type SpawnOptions,
} from "./core/mod.ts";

/**
 * Spawns a fiber that runs `body` concurrently, in the innermost context of the current fiber,
 * which does not end before it. Never suspends: the fiber runs when its turn comes.
 *
 * Its failure fails that context, unless `propagateCancelToParent` is false. Spawned into an
 * aborting context it never runs its body, but its `finally`. It costs least with a hoisted generator
 * function: `spawn(worker)` or `spawn(() => worker(channel))`. Without a name, the former is called
 * `worker`, the latter `fiber` and its id.
 *
 * @throws {Inactive} outside of any fiber
 * @throws {TypeError} if `body` is not a function, or an `async` one, or an option of the wrong type
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, sleep, spawn } from "@weft/weft";
 *
 * function* answer() {
 *   yield* sleep(1);
 *   return 42;
 * }
 * const value = await main(function* () {
 *   const fiber = spawn(answer, { name: "the answer" });
 *   return yield* fiber;
 * });
 * assertEquals(value, 42);
 * ```
 */
export function spawn<T>(body: () => Operation<T>, options?: SpawnOptions): Fiber<T> {
  checkSpawn("spawn", body, options);
  const fiber = currentFiber("spawn");
  const { context, scheduler } = fiber;
  checkOpen("spawn", context);
  return spawnIn(scheduler, context, fiber, body, options);
}

/**
 * Spawns a fiber in the context of `parent`, from anywhere in this realm. Never suspends.
 *
 * @throws {Inactive} if the scheduler is not active or `parent` has terminated
 * @throws {TypeError} if an argument is of the wrong type, or `parent` not of `scheduler`
 */
export function spawnAsChildOf<T>(
  scheduler: Scheduler,
  parent: Fiber<unknown>,
  body: () => Operation<T>,
  options?: SpawnOptions,
): Fiber<T> {
  const core = checkScheduler("spawn", scheduler);
  const context = checkFiber("spawn", "parent", parent);
  checkSpawn("spawn", body, options);
  checkOpen("spawn", context);
  if (context.scheduler !== core) {
    throw new TypeError("Cannot spawn: parent is a fiber of another scheduler");
  }
  const spawner = currentFiberOrNull() ?? (context as FiberCore<unknown>);
  return spawnIn(core, context, spawner, body, options);
}

/**
 * Spawns a fiber at the top of `scheduler`, under its root, from anywhere in this realm. Never
 * suspends.
 *
 * @throws {Inactive} if the scheduler is not active
 * @throws {TypeError} if an argument is of the wrong type
 */
export function spawnFromAnywhere<T>(
  scheduler: Scheduler,
  body: () => Operation<T>,
  options?: SpawnOptions,
): Fiber<T> {
  const core = checkScheduler("spawn", scheduler);
  checkSpawn("spawn", body, options);
  const root = core.root!;
  checkOpen("spawn", root as Context);
  return spawnIn(core, root as Context, root, body, options);
}

/**
 * Aborts the current fiber, with `reason` as the cause: throws `Abort` here, even inside
 * `protect`. Never returns.
 */
export function selfAbort(reason?: unknown): Awaitable<never> {
  return new GeneratorOperation("its own abort", abortSelf, reason);
}

// deno-lint-ignore require-yield -- an operation that always throws
function* abortSelf(reason: unknown): Generator<never, never, unknown> {
  const fiber = currentFiber("abort");
  fiber.abort(reason);
  if (fiber.error === undefined) fiber.cancel(reason); // if the user's scheduler did nothing
  // The abort leaves every context on the stack, protected ones too.
  for (let c = fiber.context; c !== fiber; c = c.parent!) {
    c.flags |= DELIVERED;
  }
  fiber.flags |= DELIVERED;
  throw fiber.error!;
}

/** The scheduler of the fiber, or of the microtask, that runs now. */
function schedulerHere(action: string): SchedulerCore {
  const fiber = currentFiberOrNull(); // also in a microtask, if it has called `run`
  return fiber?.scheduler ?? microTaskScheduler() ?? currentFiber(action).scheduler;
}

/**
 * The scheduler on which the current fiber runs.
 *
 * @throws {Inactive} outside of any fiber
 */
export function getScheduler(): Scheduler {
  return schedulerHere("get the scheduler");
}

/**
 * Calls `f` right after the current step, before any other fiber runs. For very short work: an
 * endless sequence of them starves the fibers and the host. `f` runs in no fiber; what it throws
 * is reported.
 *
 * @throws {Inactive} outside of any fiber
 * @throws {TypeError} if `f` is not a function
 */
export function scheduleMicroTask(f: () => void): void {
  checkFunction("schedule the microtask", "f", f);
  const scheduler = schedulerHere("schedule the microtask");
  if (!scheduler.active) {
    throw new Inactive("Cannot schedule the microtask: the scheduler has ended");
  }
  (scheduler.microTasks ??= []).push(f);
}
