/** Events of time. Their timers start with each synchronisation and end with it. */
import { currentFiberOrNull, FiberCore } from "../fiber/fiber.ts";
import { loopNow, loopOf } from "../fiber/time.ts";
import { type Instant, Timeout } from "../fiber/mod.ts";
import { checkDuration } from "../internal/check.ts";
import type { Event } from "../operation/event.ts";
import { type Arm, EventBase } from "../operation/event_base.ts";
import { withoutPlace } from "../operation/place.ts";
import { FAILED, type Waiter } from "../operation/suspension.ts";
import type { Synchronisation } from "../operation/synchronisation.ts";

/** A delay from the synchronisation on, or a fixed instant. */
type Due = { kind: "after"; ms: number } | { kind: "at"; instant: number };

class TimerEvent<T> extends EventBase<T> {
  constructor(readonly due: Due, readonly timesOut: boolean) {
    super();
  }

  override poll(sync: Synchronisation<unknown>): boolean {
    if (this.#delay(sync) > 0) return false;
    if (this.timesOut) {
      sync.value = this.#timeout(waiterOf(sync));
      sync.state = FAILED;
    } else {
      sync.value = undefined;
    }
    return true;
  }

  override enqueue(arm: Arm): void {
    const delay = this.#delay(arm.sync!);
    if (delay === Infinity) return;
    arm.handle = loopOf(arm.sync!.waiter).onTimer(delay, { repeat: false }, () => {
      if (this.timesOut) arm.fail(withoutPlace(this.#timeout(arm.sync!.waiter)));
      else arm.complete(undefined);
    });
  }

  describe(): string {
    const { due } = this;
    return due.kind === "after" ? `a timer of ${due.ms} ms` : "a deadline";
  }

  #delay(sync: Synchronisation<unknown>): number {
    const { due } = this;
    if (due.kind === "after") return due.ms;
    return due.instant - loopNow(loopOf(waiterOf(sync)));
  }

  #timeout(waiter: Waiter | null): Timeout {
    const { due } = this;
    const what = due.kind === "after" ? `timeout of ${due.ms} ms` : "deadline";
    const where = waiter instanceof FiberCore ? ` in ${waiter.title}` : "";
    return new Timeout(`The ${what} passed${where}`);
  }
}

/** The first poll comes before the synchronisation knows who waits. */
function waiterOf(sync: Synchronisation<unknown>): Waiter | null {
  return sync.waiter ?? currentFiberOrNull();
}

/**
 * Happens by throwing `Timeout`, `ms` after each synchronisation on it began. Zero or less: it has
 * happened; `Infinity`: never.
 *
 * @throws {RangeError} if `ms` is `NaN`
 * @throws {TypeError} if `ms` is not a number
 */
export function timeoutEvent(ms: number): Event<never> {
  checkDuration("make a timeout event", "ms", ms);
  return new TimerEvent<never>({ kind: "after", ms }, true);
}

/**
 * Happens by throwing `Timeout` once the instant `at` has come, on the clock of `monotonicNow`.
 *
 * @throws {RangeError} if `at` is `NaN`
 * @throws {TypeError} if `at` is not a number
 */
export function deadlineEvent(at: Instant): Event<never> {
  checkDuration("make a deadline event", "at", at);
  return new TimerEvent<never>({ kind: "at", instant: at }, true);
}

/**
 * Happens `ms` after each synchronisation on it began. Zero or less: it has happened; `Infinity`:
 * never.
 *
 * @throws {RangeError} if `ms` is `NaN`
 * @throws {TypeError} if `ms` is not a number
 */
export function afterEvent(ms: number): Event<void> {
  checkDuration("make a timer event", "ms", ms);
  return new TimerEvent<void>({ kind: "after", ms }, false);
}
