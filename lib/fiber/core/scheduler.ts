/**
 * Schedulers: an object with `ready(fiber)`, over the step function.
 *
 * `SchedulerCore` is what all of them share: the root of the tree of fibers, the loop with its
 * timers, microtasks, and the failures that nobody has looked at yet.
 */
import {
  checkBody,
  checkFunction,
  checkOptional,
  checkOptions,
  isObject,
  refuseGenerator,
  wrongType,
} from "../../internal/check.ts";
import { reportUncaught, trap } from "../../internal/report.ts";
import { Ring } from "../../internal/ring.ts";
import type { EventLoop } from "../../loop/event_loop.ts";
import type { Deadlock } from "../../operation/errors.ts";
import type { Operation } from "../../operation/types.ts";
import { executeAs } from "../../trigger/execution.ts";
import { Inactive } from "../../trigger/inactive.ts";
import type { Context } from "./context.ts";
import { type Fiber, FiberCore } from "./fiber.ts";
import { forgetFunctions, type Label } from "./label.ts";
import { initialShare } from "./share.ts";
import { runStep } from "./step.ts";
import { CLOSED, FIBER, OBSERVED, PROPAGATE, QUEUED, TERMINATED } from "./flags.ts";

/** Runs fibers. */
export interface Scheduler {
  /** Whether it still runs: false once its root fiber has terminated, or it was disposed of. */
  readonly active: boolean;
  /**
   * Aborts its root fiber, hence everything that it runs; from then on nothing can be spawned from
   * outside. Never suspends; idempotent.
   */
  dispose(): void;
  /** How many steps of fibers it has run. */
  readonly taskCount: number;
}

/** How a fiber is spawned. */
export interface SpawnOptions {
  /** For people: shown in errors and dumps. Default: that of the generator function. */
  name?: string;
  /**
   * Called exactly once, just before the fiber terminates, also when its body never started. What
   * it throws is a programming error, reported as `FinallyRaised`.
   */
  finally?: () => void;
  /**
   * Whether its failure fails the context that spawned it. Default true. With false the failure
   * stays in the fiber, for whoever joins it; one that nobody has joined by the time that it
   * happens goes to the uncaught handler, which by default ends the process. Whoever looks only
   * later says so beforehand, with `fiber.onResult`.
   */
  propagateCancelToParent?: boolean;
}

export abstract class SchedulerCore implements Scheduler {
  declare readonly loop: EventLoop;
  declare taskCount: number;
  /** The fiber that all others descend from. */
  declare root: FiberCore<unknown> | null;
  declare microTasks: (() => void)[] | null;
  /** Once the fibers left were found stuck. */
  declare deadlock: Deadlock | null;
  /** Whether somebody outside may abort the root at any time, so that waiting for it is waiting. */
  declare abortable: boolean;
  /** What the flags of its fibers start with. */
  declare readonly spawnFlags: number;
  #disposed = false;
  #failed: FiberCore<unknown>[] = [];
  /** How many of those were there at the last `reportOlder`. */
  #older = 0;

  /** `usesClock`: whether time has a say in the shares of its fibers; not if it is to be replayed. */
  constructor(loop: EventLoop, usesClock = loop.now === undefined) {
    this.loop = loop;
    this.taskCount = 0;
    this.root = null;
    this.microTasks = null;
    this.deadlock = null;
    this.abortable = false;
    this.spawnFlags = FIBER | QUEUED | PROPAGATE | initialShare(usesClock);
  }

  get active(): boolean {
    return !this.#disposed && this.root !== null && !this.root.terminated;
  }

  /** `fiber` is to be stepped once, some time after this returns. */
  abstract ready(fiber: FiberCore<unknown>): void;

  /** The seed's effect Spawn: `fiber` is new, and is to be stepped. */
  spawned(fiber: FiberCore<unknown>): void {
    this.ready(fiber);
  }

  /** The seed's effect Abort. */
  abort(fiber: FiberCore<unknown>, reason: unknown): void {
    fiber.cancel(reason);
  }

  dispose(): void {
    this.#disposed = true;
    if (this.root !== null && !this.root.terminated) {
      this.abort(this.root, new Inactive("The scheduler was disposed of"));
    }
  }

  /** A fiber has used up its share by the clock: the loop gets to look around before the next step. */
  endBatch(): void {}

  /** A fiber failed and its failure goes nowhere; if nobody looks at it soon, it is reported. */
  failedAlone(fiber: FiberCore<unknown>): void {
    if ((fiber.flags & OBSERVED) !== 0) return;
    this.#failed.push(fiber);
    this.reportSoon();
  }

  /** Makes sure that `reportFailures` is called, but not before whoever joins next could. */
  abstract reportSoon(): void;

  /** Whether failures are waiting to be looked at. */
  get hasFailures(): boolean {
    return this.#failed.length > 0;
  }

  /** Reports the failures that nobody has looked at since before the last call of this. */
  reportOlder(): void {
    this.reportFailures(this.#older);
    this.#older = this.#failed.length;
  }

  /** Reports the first `count` failures that nobody has looked at. */
  reportFailures(count = this.#failed.length): void {
    for (const fiber of this.#failed.splice(0, count)) {
      if ((fiber.flags & OBSERVED) === 0) reportUncaught(fiber.result);
    }
  }

  /** Runs what was scheduled during the step that has just ended, and what that schedules. */
  runMicroTasks(): void {
    const outer = microTasksOf;
    microTasksOf = this;
    executeAs(null, () => {
      for (let tasks = this.microTasks; tasks !== null; tasks = this.microTasks) {
        this.microTasks = null;
        for (const task of tasks) trap(() => refuseGenerator("the microtask", task()));
      }
    });
    microTasksOf = outer;
  }
}

let microTasksOf: SchedulerCore | null = null;

/** The scheduler whose microtasks run now. */
export function microTaskScheduler(): SchedulerCore | null {
  return microTasksOf;
}

/** How many steps are run between two looks at the clock, or at the outside world. */
export const BATCH = 64;

/** First in, first out. */
export abstract class FifoScheduler extends SchedulerCore {
  readonly queue: Ring<FiberCore<unknown>> = new Ring();
  /** How many steps the batch that runs may have. */
  #batch = 0;

  ready(fiber: FiberCore<unknown>): void {
    this.queue.push(fiber);
  }

  override endBatch(): void {
    this.#batch = 0;
  }

  /** Runs up to `steps` steps; true if some are left. */
  runBatch(steps: number): boolean {
    const { queue } = this;
    this.#batch = steps;
    for (let i = 0; i < this.#batch; i++) {
      const fiber = queue.shift();
      if (fiber === undefined) break;
      runStep(fiber);
    }
    forgetFunctions();
    return queue.length > 0;
  }
}

/** What `spawnIn` is told beside the body. */
type SpawnSettings = Omit<SpawnOptions, "name"> & { readonly name?: Label };

/** Makes a fiber in `context`, with the fiber-locals of `spawner`, and hands it to `scheduler`. */
export function spawnIn<T>(
  scheduler: SchedulerCore,
  context: Context | null,
  spawner: FiberCore<unknown> | null,
  body: () => Operation<T>,
  options: SpawnSettings | undefined,
): Fiber<T> {
  let flags = scheduler.spawnFlags;
  if (options?.propagateCancelToParent === false) flags &= ~PROPAGATE;
  const label = options?.name ?? generatorFunction(body);
  const fiber = new FiberCore<T>(scheduler, context, body, label, flags);
  if (options?.finally !== undefined) fiber.extra.finally = options.finally;
  const inherited = spawner?.extras?.inherited;
  if (inherited !== undefined) fiber.extra.inherited = inherited;
  if (context === null) scheduler.root = fiber as FiberCore<unknown>;
  scheduler.spawned(fiber as FiberCore<unknown>);
  return fiber;
}

/** `body` if it is a generator function. */
function generatorFunction(body: () => unknown): (() => unknown) | undefined {
  const kind = (body as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
  return kind === "GeneratorFunction" ? body : undefined;
}

/** The checks of every way to spawn. */
export function checkSpawn(action: string, body: unknown, options: SpawnOptions | undefined): void {
  checkBody(action, "body", body);
  if (options === undefined) return;
  checkOptions(action, options);
  checkOptional(action, "name", options.name, "string");
  checkOptional(action, "finally", options.finally, "function");
  const { propagateCancelToParent } = options;
  checkOptional(action, "propagateCancelToParent", propagateCancelToParent, "boolean");
}

/** @throws {TypeError} unless `loop` is an event loop */
export function checkLoop(action: string, loop: EventLoop): void {
  if (!isObject(loop)) throw wrongType(action, "loop must be an EventLoop", loop);
  checkFunction(action, "loop.oneStep", loop.oneStep);
  checkFunction(action, "loop.onTimer", loop.onTimer);
}

/** @throws {Inactive} if nothing can be spawned in `context` any more */
export function checkOpen(action: string, context: Context): void {
  if ((context.flags & (CLOSED | TERMINATED)) === 0) return;
  const what = (context.flags & FIBER) !== 0 ? "the fiber has terminated" : "the scope is closed";
  throw new Inactive(`Cannot ${action}: ${what}`);
}

/** @throws {TypeError} unless `scheduler` is one of ours */
export function checkScheduler(action: string, scheduler: Scheduler): SchedulerCore {
  if (!(scheduler instanceof SchedulerCore)) {
    throw wrongType(action, "scheduler must be a Scheduler", scheduler);
  }
  if (!scheduler.active) throw new Inactive(`Cannot ${action}: the scheduler is not active`);
  return scheduler;
}

/** @throws {TypeError} unless `fiber` is a fiber */
export function checkFiber<T>(action: string, argument: string, fiber: Fiber<T>): FiberCore<T> {
  if (fiber instanceof FiberCore) return fiber as FiberCore<T>;
  throw wrongType(action, `${argument} must be a Fiber`, fiber);
}
