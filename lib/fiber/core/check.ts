/** The checks of fibers, schedulers and loops that users hand over. */
import { checkFunction, isObject, wrongType } from "../../internal/check.ts";
import type { EventLoop } from "../../loop/mod.ts";
import { Inactive } from "../../trigger/inactive.ts";
import { type Fiber, FiberCore } from "./fiber.ts";
import { type Scheduler, SchedulerCore } from "./scheduler.ts";

/** @throws {TypeError} unless `loop` is an event loop */
export function checkLoop(action: string, loop: EventLoop): void {
  if (!isObject(loop)) throw wrongType(action, "loop must be an EventLoop", loop);
  checkFunction(action, "loop.oneStep", loop.oneStep);
  checkFunction(action, "loop.onTimer", loop.onTimer);
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
