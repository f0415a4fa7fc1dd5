/** Events of time. Each wait on one starts a timer of its own, and ends it. */
import { currentFiberOrNull, FiberCore } from "../fiber/core/mod.ts";
import { loopNow, loopOf } from "../fiber/time.ts";
import { type Instant, Timeout } from "../fiber/mod.ts";
import { checkDuration } from "../internal/check.ts";
import type { Event } from "../operation/event_constructors.ts";
import { type Arm, EventBase } from "../operation/event.ts";
import { withoutPlace } from "../operation/place.ts";
import type { Waiter } from "../operation/wait.ts";
import type { SelectWait } from "../operation/select_wait.ts";
import type { Result } from "../operation/types.ts";

/** All three kinds: at an instant or after a delay, with a value or with a `Timeout`. */
class TimerEvent<T> extends EventBase<T> {
  /** An instant, or a delay from the wait on. */
  declare readonly time: number;
  declare readonly isInstant: boolean;
  declare readonly timesOut: boolean;

  constructor(time: number, isInstant: boolean, timesOut: boolean) {
    super();
    this.time = time;
    this.isInstant = isInstant;
    this.timesOut = timesOut;
  }

  override attempt(select: SelectWait<unknown>): boolean {
    return this.#delay(select) <= 0 && select.settleNow(this.#outcome(waiterOf(select)));
  }

  override enlist(arm: Arm): void {
    const select = arm.select!;
    const delay = this.#delay(select);
    if (delay === Infinity) return;
    const loop = loopOf(select.waiter);
    arm.handle = loop.onTimer(delay, { repeat: false }, () => {
      arm.settled(this.#outcome(select.waiter));
    });
  }

  describe(): string {
    return this.isInstant ? "a deadline" : `a timer of ${this.time} ms`;
  }

  #delay(select: SelectWait<unknown>): number {
    return this.isInstant ? this.time - loopNow(loopOf(waiterOf(select))) : this.time;
  }

  #outcome(waiter: Waiter | null): Result<void> {
    if (!this.timesOut) return { ok: true, value: undefined };
    const what = this.isInstant ? "deadline" : `timeout of ${this.time} ms`;
    const where = waiter instanceof FiberCore ? ` in ${waiter.title}` : "";
    return { ok: false, error: withoutPlace(new Timeout(`The ${what} passed${where}`)) };
  }
}

/** Who waits. When the event is tried first, that isn't noted yet: then it is the current fiber. */
function waiterOf(select: SelectWait<unknown>): Waiter | null {
  return select.waiter ?? currentFiberOrNull();
}

/**
 * Happens by throwing `Timeout`, `ms` after each wait on it began. Zero or less: it has
 * happened; `Infinity`: never.
 *
 * @throws {RangeError} if `ms` is `NaN`
 * @throws {TypeError} if `ms` is not a number
 */
export function timeoutEvent(ms: number): Event<never> {
  checkDuration("make a timeout event", "ms", ms);
  return new TimerEvent<never>(ms, false, true);
}

/**
 * Happens by throwing `Timeout` once the instant `at` has come, on the clock of `monotonicNow`.
 *
 * @throws {RangeError} if `at` is `NaN`
 * @throws {TypeError} if `at` is not a number
 */
export function deadlineEvent(at: Instant): Event<never> {
  checkDuration("make a deadline event", "at", at);
  return new TimerEvent<never>(at, true, true);
}

/**
 * Happens `ms` after each wait on it began. Zero or less: it has happened; `Infinity`:
 * never.
 *
 * @throws {RangeError} if `ms` is `NaN`
 * @throws {TypeError} if `ms` is not a number
 */
export function afterEvent(ms: number): Event<void> {
  checkDuration("make a timer event", "ms", ms);
  return new TimerEvent<void>(ms, false, false);
}
