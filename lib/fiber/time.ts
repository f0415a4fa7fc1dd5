/** The clock, and `sleep`. */
import { checkDuration } from "../internal/check.ts";
import type { EventLoop } from "../loop/mod.ts";
import { hostLoop } from "../loop/host_loop.ts";
import { type Alarm, TimerLoop, Timers } from "../loop/timers.ts";
import { COLD, inherit, type Wait, type Waiter } from "../operation/wait.ts";
import type { Awaitable, CancelHandle } from "../operation/types.ts";
import { currentFiberOrNull, FiberCore, yieldNow } from "./core/mod.ts";

/**
 * A point in time, in milliseconds of the monotonic clock. It is a number, but not a duration: `unit`
 * tells the types apart, and isn't there at run time.
 */
export type Instant = number & { readonly unit: "instant" };

/**
 * Now, on the clock that `sleep`, timeouts and deadlines go by: in a fiber the clock of its loop,
 * else the monotonic clock of this thread. Never goes backwards.
 */
export function monotonicNow(): Instant {
  return loopNow(currentFiberOrNull()?.scheduler.loop) as Instant;
}

/** The same in nanoseconds, as far as the platform's resolution goes. */
export function monotonicNowNs(): bigint {
  return BigInt(Math.round(monotonicNow() * 1e6));
}

/** The loop's own clock, else the monotonic one. */
export function loopNow(loop: EventLoop | undefined): number {
  return loop?.now?.() ?? performance.now();
}

/** The loop on which `waiter` waits for a timer: a fiber's own, else the host's. */
export function loopOf(waiter: Waiter | null): EventLoop {
  return waiter instanceof FiberCore ? waiter.scheduler.loop : hostLoop();
}

interface Sleep extends Wait<void> {}

/** Among the timers of our own loops it stands itself. On another loop it starts a timer. */
class Sleep implements Alarm {
  declare ms: number;
  declare timer: Timers | CancelHandle | null;
  declare deadline: number;
  declare sequence: number;
  declare index: number;

  constructor(ms: number) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.ms = ms;
    this.timer = null;
    this.deadline = Infinity;
    this.sequence = 0;
    this.index = -1;
  }

  /** It always waits. */
  couldComplete(): boolean {
    return false;
  }

  attempt(): boolean {
    return false;
  }

  enlist(): void {
    const { ms, waiter } = this;
    // A timer keeps the program alive. For an endless sleep that is right only if an abort may come.
    if (ms === Infinity && !(waiter instanceof FiberCore && waiter.scheduler.abortable)) return;
    const loop = loopOf(waiter);
    const timers = TimerLoop.timersOf(loop);
    if (timers !== undefined) timers.set(this, timers.now() + ms);
    this.timer = timers ?? startTimer(loop, this);
  }

  ring(): void {
    this.complete(undefined);
  }

  withdraw(): void {
    const { timer } = this;
    if (timer instanceof Timers) timer.cancel(this);
    else timer?.cancel();
  }

  describe(): string {
    return this.ms === Infinity ? "an endless sleep" : `a sleep of ${this.ms} ms`;
  }
}

inherit(Sleep);

function startTimer(loop: EventLoop, sleep: Sleep): CancelHandle {
  return loop.onTimer(sleep.ms, { repeat: false }, () => sleep.ring());
}

/**
 * Waits for `ms` milliseconds, never less. Zero or less: yields once; `Infinity`: until aborted.
 *
 * Suspends. Sleepers with equal deadlines wake in the order in which they went to sleep. An abort
 * ends it at once and leaves no timer behind.
 *
 * @throws {RangeError} if `ms` is `NaN`
 * @throws {TypeError} if `ms` is not a number
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { main, monotonicNow, sleep } from "@weft/weft";
 *
 * await main(function* () {
 *   const start = monotonicNow();
 *   yield* sleep(5);
 *   assert(monotonicNow() - start >= 5);
 * });
 * ```
 */
export function sleep(ms: number): Awaitable<void> {
  checkDuration("sleep", "ms", ms);
  return ms > 0 ? new Sleep(ms) : yieldNow();
}
