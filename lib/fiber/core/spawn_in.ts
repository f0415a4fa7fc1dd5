/** The one way to make a fiber, under every way to spawn one, and what is checked before. */
import { checkBody, checkOptional, checkOptions } from "../../internal/check.ts";
import type { Operation } from "../../operation/types.ts";
import { Inactive } from "../../trigger/inactive.ts";
import type { Context } from "./context.ts";
import { type Fiber, FiberCore } from "./fiber.ts";
import { isSpawnedAgain, type Label, nameOfBody } from "./label.ts";
import type { SchedulerCore } from "./scheduler.ts";
import { CLOSED, FIBER, PROPAGATE, TERMINATED } from "./flags.ts";

/** How a fiber is spawned. */
export interface SpawnOptions {
  /** For people: shown in errors and dumps. Default: the name of the generator function. */
  name?: string;
  /**
   * Called exactly once, just before the fiber terminates, also when its body never started. What
   * it throws is a programming error, reported as `FinallyRaised`.
   */
  finally?: () => void;
  /**
   * Whether its failure fails the context that spawned it. Default true. With false the failure
   * stays in the fiber, for whoever joins it. If nobody is waiting for the fiber when it fails, the
   * failure goes to the uncaught handler, which by default ends the process. To look at it later,
   * register `fiber.onResult` beforehand.
   */
  propagateCancelToParent?: boolean;
}

/** The options of `spawnIn`: the name may be anything that gives one. */
type SpawnSettings = Omit<SpawnOptions, "name"> & { readonly name?: Label };

/** Makes a fiber in `context`, with the fiber-locals of `spawner`, and hands it to `scheduler`. */
export function spawnIn<T>(
  scheduler: SchedulerCore,
  context: Context | null,
  spawner: FiberCore<unknown> | null,
  body: () => Operation<T>,
  options: SpawnSettings | undefined,
): Fiber<T> {
  const fiber = makeFiber(scheduler, context, spawner, body, options);
  scheduler.spawned(fiber as FiberCore<unknown>);
  return fiber;
}

/** The same, but whoever calls it sees to the first step: the scheduler isn't told. */
export function makeFiber<T>(
  scheduler: SchedulerCore,
  context: Context | null,
  spawner: FiberCore<unknown> | null,
  body: () => Operation<T>,
  options: SpawnSettings | undefined,
): FiberCore<T> {
  let flags = scheduler.spawnFlags;
  if (options?.propagateCancelToParent === false) flags &= ~PROPAGATE;
  const label = options?.name ?? nameOfBody(body);
  const fiber = new FiberCore<T>(scheduler, context, body, label, flags);
  if (options?.finally) fiber.extra.finally = options.finally;
  const inherited = spawner?.extras?.inherited;
  if (inherited) fiber.extra.inherited = inherited;
  if (context === null) scheduler.root = fiber as FiberCore<unknown>;
  return fiber;
}

/** The checks of every way to spawn. */
export function checkSpawn(action: string, body: unknown, options: SpawnOptions | undefined): void {
  if (!isSpawnedAgain(body)) checkBody(action, "body", body);
  if (options === undefined) return;
  checkOptions(action, options);
  checkOptional(action, "name", options.name, "string");
  checkOptional(action, "finally", options.finally, "function");
  const { propagateCancelToParent } = options;
  checkOptional(action, "propagateCancelToParent", propagateCancelToParent, "boolean");
}

/** @throws {Inactive} if nothing can be spawned in `context` any more */
export function checkOpen(action: string, context: Context): void {
  if ((context.flags & (CLOSED | TERMINATED)) === 0) return;
  const what = (context.flags & FIBER) !== 0 ? "the fiber has terminated" : "the scope is closed";
  throw new Inactive(`Cannot ${action}: ${what}`);
}
