/** `run`: runs fibers to completion on the calling thread, before it returns. */
import { checkFunction, checkOptions } from "../internal/check.ts";
import { trap } from "../internal/report.ts";
import type { EventLoop } from "../loop/mod.ts";
import { hostLoop } from "../loop/host_loop.ts";
import type { CancelHandle, Operation, Result } from "../operation/types.ts";
import { execution, Refusal } from "../trigger/execution.ts";
import {
  BATCH,
  breakDeadlock,
  checkLoop,
  type Fiber,
  type FiberCore,
  FifoScheduler,
  leaveStep,
  nameOf,
  OBSERVED,
  runFinally,
  spawnIn,
  unblock as unblockFiber,
} from "./core/mod.ts";

/**
 * Finds a fiber that was blocked (`block` of lowlevel) and no longer is. With `poll` there are
 * other fibers to run, so it must not wait; otherwise it may wait as long as it likes, and is
 * called again if it returns nothing. It must not throw; if it does, that is reported.
 */
export type Unblock = (options: { poll: boolean }) => Fiber<unknown> | undefined;

/** How `run` finds something to do when no fiber is ready. */
export interface RunOptions {
  /** Finds fibers that no longer block. With a `loop` as well, it is polled between its steps. */
  unblock?: Unblock;
  /** Called exactly once before `run` returns. What it throws is reported as `FinallyRaised`. */
  finally?: () => void;
  /** Timers, and where to wait for them: `blockingLoop()`, or one of your own. */
  loop?: EventLoop;
}

const NO_LOOP_HINT = "\n  (there are no timers here: pass loop: blockingLoop() to run)";

/** Stands in where no loop was given: its timers never fire. */
class NoLoop implements EventLoop {
  timersWanted = false;

  oneStep(): boolean {
    return false;
  }

  onTimer(
    _delayMs: number,
    _options: { repeat: boolean },
    _f: (self: CancelHandle) => void,
  ): CancelHandle {
    this.timersWanted = true;
    return { cancel() {} };
  }

  interruptIfInBlockingSection(): void {}
}

/** The scheduler of one `run`. */
class RunScheduler extends FifoScheduler {
  constructor(loop: EventLoop | undefined) {
    super(loop ?? new NoLoop(), loop !== undefined && loop.now === undefined);
  }

  reportSoon(): void {}

  /** What a slice is elsewhere: a failure that nobody joins in the next round is reported. */
  runRound(): void {
    this.runBatch(BATCH);
    this.reportOlder();
  }
}

/**
 * Runs `body` in a fiber, and everything that it spawns, to completion, and returns how it ended.
 * Never throws what the body throws.
 *
 * Where no fiber can run it waits for `unblock` or on `loop`; with neither, the fibers that are
 * left are aborted. If nothing can ever come, it ends with a `Deadlock`. It may be called inside a
 * fiber, which it then blocks together with its thread.
 *
 * @throws {TypeError} if `body` is not a function, or an option is of the wrong type
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Channel, run, spawn } from "@weft/weft";
 *
 * const numbers = new Channel<number>({ capacity: 0 });
 *
 * function* count() {
 *   for (const n of [1, 2, 3]) yield* numbers.send(n);
 *   numbers.close();
 * }
 * function* sum() {
 *   spawn(count);
 *   let total = 0;
 *   for (let n = yield* numbers.receive(); n; n = yield* numbers.receive()) total += n.value;
 *   return total;
 * }
 * assertEquals(run(sum), { ok: true, value: 6 });
 * ```
 */
export function run<T>(body: () => Operation<T>, options?: RunOptions): Result<T> {
  checkRun(body, options);
  const scheduler = new RunScheduler(options?.loop);
  const root = spawnIn(scheduler, null, null, body, {
    name: nameOf(body) || "run",
  }) as FiberCore<T>;
  root.flags |= OBSERVED;
  const goBack = leaveStep(); // if a fiber calls this, it is blocked from here on
  try {
    while (!root.terminated) {
      scheduler.runRound();
      if (!root.terminated) lookOutside(scheduler, options ?? {});
    }
    scheduler.reportFailures();
  } finally {
    goBack();
    if (options?.finally !== undefined) runFinally(options.finally);
  }
  const { deadlock } = scheduler;
  if (deadlock !== null && root.wasAborted) return { ok: false, error: deadlock };
  return root.outcome();
}

/** Between two rounds: asks the loop and `unblock`; they may wait only if no fiber is ready. */
function lookOutside(scheduler: RunScheduler, { unblock, loop }: RunOptions): void {
  const isIdle = () => scheduler.queue.length === 0;
  if (unblock !== undefined && (loop !== undefined || !isIdle())) unblockOne(unblock, true);
  if (loop?.oneStep({ block: isIdle() }) || !isIdle()) return;
  if (unblock !== undefined) return unblockOne(unblock, false);
  const progress = loop !== undefined
    ? breakDeadlock(scheduler, "fail")
    : breakDeadlock(scheduler, "abort", noLoopHint(scheduler));
  if (!progress) throw new Error("Cannot go on: a fiber neither runs nor ends");
}

function noLoopHint(scheduler: RunScheduler): string | undefined {
  return (scheduler.loop as NoLoop).timersWanted ? NO_LOOP_HINT : undefined;
}

function unblockOne(unblock: Unblock, poll: boolean): void {
  trap(() => {
    const fiber = unblock({ poll });
    if (fiber !== undefined) unblockFiber(fiber);
  });
}

function checkRun(body: unknown, options: RunOptions | undefined): void {
  checkFunction("run", "body", body); // an `async` one shows in the result, as `run` doesn't throw
  checkOptions("run", options, { unblock: "function", finally: "function" });
  const loop = options?.loop;
  if (loop !== undefined) {
    checkLoop("run", loop);
    if (loop === hostLoop()) {
      throw new TypeError(
        "Cannot run: the host's loop cannot be waited for here; use main, or blockingLoop()",
      );
    }
  }
  if (execution.current instanceof Refusal) execution.current.refuse("run");
}
