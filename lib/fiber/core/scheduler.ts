/**
 * Schedulers: an object with `ready(fiber)`, over the step function.
 *
 * `SchedulerCore` is what all of them share: the root of the tree of fibers, the loop with its
 * timers, microtasks, and the failures that nobody has looked at yet.
 */
import { refuseGenerator } from "../../internal/check.ts";
import { reportUncaught, trap } from "../../internal/report.ts";
import { Ring } from "../../internal/ring.ts";
import type { EventLoop } from "../../loop/mod.ts";
import type { Deadlock } from "../../operation/errors.ts";
import { executeAs } from "../../trigger/execution.ts";
import { Inactive } from "../../trigger/inactive.ts";
import type { FiberCore } from "./fiber.ts";
import { forgetFunctions } from "./label.ts";
import { initialShare } from "./share.ts";
import { runStep } from "./step.ts";
import { FIBER, OBSERVED, PROPAGATE, QUEUED } from "./flags.ts";

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

export abstract class SchedulerCore implements Scheduler {
  declare readonly loop: EventLoop;
  declare taskCount: number;
  /** The fiber that all others descend from. */
  declare root: FiberCore<unknown> | null;
  declare microTasks: (() => void)[] | null;
  /** Set once the fibers that are left were found stuck. */
  declare deadlock: Deadlock | null;
  /** Whether somebody outside may abort the root at any time: then an endless sleep can end. */
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
    return !this.#disposed && this.root?.terminated === false;
  }

  /** `fiber` is to be stepped once, some time after this returns. */
  abstract ready(fiber: FiberCore<unknown>): void;

  /** The effect Spawn of affect: `fiber` is new, and is to be stepped. */
  spawned(fiber: FiberCore<unknown>): void {
    this.ready(fiber);
  }

  /** The effect Abort of affect. */
  abort(fiber: FiberCore<unknown>, reason: unknown): void {
    fiber.cancel(reason);
  }

  dispose(): void {
    this.#disposed = true;
    if (this.root?.terminated === false) {
      this.abort(this.root, new Inactive("The scheduler was disposed of"));
    }
  }

  /** A fiber has used up its share by the clock: the batch ends after this step. */
  endBatch(): void {}

  /** A fiber failed, and its failure doesn't go up: if nobody looks at it soon, it is reported. */
  failedAlone(fiber: FiberCore<unknown>): void {
    if ((fiber.flags & OBSERVED) !== 0) return;
    this.#failed.push(fiber);
    this.reportSoon();
  }

  /** Sees to it that failures are reported, but not before fibers that are ready could join. */
  abstract reportSoon(): void;

  /** Whether failures are waiting to be looked at. */
  get hasFailures(): boolean {
    return this.#failed.length > 0;
  }

  /** Reports the failures that were there at the last call of this, and that nobody has looked at. */
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
