/** Schedulers of the user's own, and fibers of any type: the interface of `Fiber.E` in affect. */
import { append } from "../internal/circle.ts";
import { checkFunction, checkOptional, isObject, wrongType } from "../internal/check.ts";
import type { EventLoop } from "../loop/mod.ts";
import { hostLoop } from "../loop/host_loop.ts";
import { Abort } from "../operation/errors.ts";
import type { Operation } from "../operation/types.ts";
import {
  breakDeadlock,
  cancelTree,
  checkFiber,
  checkLoop,
  checkOpen,
  checkSpawn,
  closeEmptied,
  type Context,
  FIBER,
  type Fiber,
  type FiberCore,
  mark,
  REACHED,
  SchedulerCore,
  spawnIn,
  type SpawnOptions,
  step as stepCore,
  terminate,
  unlink,
} from "../fiber/core/mod.ts";

/** A fiber of whatever type. */
export type AnyFiber = Fiber<unknown>;

/** What a scheduler must do. Of the effects of affect, Yield and Block reach it as `ready`. */
export interface SchedulerPolicy {
  /**
   * `fiber` was spawned, woken, or has yielded. It must be stepped (`step`) exactly once, some time
   * after this has returned. The order is yours.
   */
  ready(fiber: AnyFiber): void;
  /** The effect Spawn: like `ready`, for a fiber that is new. Default: `ready`. */
  spawn?(fiber: AnyFiber): void;
  /** The effect Abort. Default: `AnyFiber.abort(fiber, reason)`, which does all that is needed. */
  abort?(fiber: AnyFiber, reason: unknown): void;
  /** Where its fibers wait for timers. Default: the host's loop. */
  readonly loop?: EventLoop;
}

/** A scheduler that leaves the order of its fibers to a policy of the user's. */
class CustomScheduler extends SchedulerCore {
  readonly #policy: SchedulerPolicy;
  #reporting = false;

  constructor(policy: SchedulerPolicy) {
    super(policy.loop ?? hostLoop());
    this.#policy = policy;
  }

  override ready(fiber: FiberCore<unknown>): void {
    this.#policy.ready(fiber);
  }

  override spawned(fiber: FiberCore<unknown>): void {
    if (this.#policy.spawn === undefined) this.#policy.ready(fiber);
    else this.#policy.spawn(fiber);
  }

  override abort(fiber: FiberCore<unknown>, reason: unknown): void {
    if (this.#policy.abort === undefined) AnyFiber.abort(fiber, reason);
    else this.#policy.abort(fiber, reason);
  }

  /** Its policy doesn't say where slices end, so the end of the current task counts as one. */
  override reportSoon(): void {
    if (this.#reporting) return;
    this.#reporting = true;
    queueMicrotask(() => {
      this.#reporting = false;
      this.reportFailures();
    });
  }
}

/** Functions on fibers of any type. */
export interface AnyFiberFunctions {
  /**
   * Makes the top fiber of a scheduler and tells the scheduler that it is ready. Its failure shows
   * in its result.
   *
   * @throws {TypeError} if `policy` has no `ready` or `body` is not a function
   */
  main<T>(policy: SchedulerPolicy, body: () => Operation<T>, options?: SpawnOptions): Fiber<T>;
  /** Same as `fiber.id`. */
  id(fiber: AnyFiber): number;
  /** Whether the two are the same fiber. */
  equal(a: AnyFiber, b: AnyFiber): boolean;
  /** Negative, zero or positive: by id, that is in spawn order. */
  compare(a: AnyFiber, b: AnyFiber): number;
  /** Same as `fiber.state`. */
  state(fiber: AnyFiber): "running" | "aborting" | "terminated";
  /** The fibers that `fiber` has spawned, in any of its scopes, and that have not terminated. */
  activeSpawns(fiber: AnyFiber): AnyFiber[];
  /**
   * Makes `fiber` a spawn of `parent`, which then doesn't end before it. It leaves the parent that it
   * had. If `parent` is aborting, `fiber` is aborted as well.
   *
   * @throws {Inactive} if one of them has terminated
   * @throws {RangeError} if `parent` is `fiber` or inside of it
   */
  attach(parent: AnyFiber, fiber: AnyFiber): void;
  /**
   * Aborts `fiber` and everything in it, the standard way, whatever the policy of its scheduler says.
   * Wakes what `setAborting` has only marked.
   */
  abort(fiber: AnyFiber, reason?: unknown): void;
  /**
   * Marks `fiber` and everything in it as aborting, and wakes nobody: each gets the `Abort` at its
   * next suspension. For a policy that wakes them in an order of its own, with `abort` on each.
   */
  setAborting(fiber: AnyFiber, reason?: unknown): void;
  /**
   * For a scheduler that knows that nothing can ever wake the fibers below `root`: they end with a
   * `Deadlock`. To be called again if they get stuck again, as inside of `protect`.
   */
  breakDeadlock(root: AnyFiber): void;
}

/** The functions of `Fiber.E` in affect; the interface says what each does. */
export const AnyFiber: AnyFiberFunctions = {
  main<T>(policy: SchedulerPolicy, body: () => Operation<T>, options?: SpawnOptions): Fiber<T> {
    if (!isObject(policy)) throw wrongType("make a fiber", "the policy must be an object", policy);
    checkFunction("make a fiber", "policy.ready", policy.ready);
    checkOptional("make a fiber", "policy.spawn", policy.spawn, "function");
    checkOptional("make a fiber", "policy.abort", policy.abort, "function");
    if (policy.loop !== undefined) checkLoop("make a fiber", policy.loop);
    checkSpawn("make a fiber", body, options);
    return spawnIn(new CustomScheduler(policy), null, null, body, options);
  },
  id: (fiber) => checkFiber("tell the id", "fiber", fiber).id,
  equal: (a, b) => a === b,
  compare: (a, b) => checkFiber("compare", "a", a).id - checkFiber("compare", "b", b).id,
  state: (fiber) => checkFiber("tell the state", "fiber", fiber).state,
  activeSpawns(fiber) {
    const spawns: AnyFiber[] = [];
    const pending: Context[] = [checkFiber("list the spawns", "fiber", fiber)];
    for (let context = pending.pop(); context !== undefined; context = pending.pop()) {
      const first = context.kids;
      for (let kid = first; kid !== null; kid = kid.after === first ? null : kid.after) {
        if ((kid.flags & FIBER) !== 0) spawns.push(kid as unknown as AnyFiber);
        else pending.push(kid);
      }
    }
    return spawns.sort(AnyFiber.compare);
  },
  attach(parent, fiber) {
    const newParent = checkFiber("attach the fiber", "parent", parent);
    const core = checkFiber("attach the fiber", "fiber", fiber);
    checkOpen("attach the fiber", newParent);
    checkOpen("attach the fiber", core);
    for (let c: Context | null = newParent; c !== null; c = c.parent) {
      if (c === core) {
        throw new RangeError("Cannot attach the fiber: parent is the fiber itself or inside of it");
      }
    }
    if (newParent.scheduler !== core.scheduler) {
      throw new TypeError("Cannot attach the fiber: parent is a fiber of another scheduler");
    }
    const oldParent = core.parent;
    if (oldParent !== null && core.error !== undefined && core.error === oldParent.error) {
      oldParent.flags |= REACHED; // the abort of the old parent is what ends the fiber, later
    }
    unlink(core);
    core.parent = newParent;
    newParent.kids = append(newParent.kids, core);
    const { error } = newParent;
    if (error !== undefined && core.error === undefined) cancelTree(core, error);
    const emptied = oldParent === null ? null : closeEmptied(oldParent);
    if (emptied !== null) terminate(emptied);
  },
  abort(fiber, reason) {
    const core = checkFiber("abort", "fiber", fiber);
    if (core.error === undefined) core.cancel(reason);
    else if (!core.terminated) cancelTree(core, core.error, core.error);
  },
  setAborting(fiber, reason) {
    const core = checkFiber("abort", "fiber", fiber);
    if (core.error === undefined && !core.terminated) mark(core, new Abort(reason));
  },
  breakDeadlock(root) {
    const core = checkFiber("break the deadlock", "root", root);
    if (!core.terminated) breakDeadlock(core.scheduler, "fail");
  },
};

/**
 * Runs `fiber` to its next suspension or to its end. To be called once for each `ready`.
 *
 * Never throws what the fiber throws, and never suspends.
 *
 * @throws {Error} if the fiber is not ready, or from a cancel function
 */
export function step(fiber: AnyFiber): void {
  stepCore(checkFiber("step", "fiber", fiber));
}
