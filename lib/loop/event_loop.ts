/** The interface of event loops. */
import type { CancelHandle } from "../operation/types.ts";

/**
 * What a scheduler asks of the world: timers, and a place to wait. Any implementation can be given
 * to `run` as its `loop`.
 */
export interface EventLoop {
  /**
   * Fires what is due, in order of deadline, equal deadlines first in, first out. With `block` and
   * nothing due it first sleeps until something may be, or until it is interrupted.
   *
   * Returns false when nothing can ever come: no timer is left and nobody else can wake it.
   */
  oneStep(options: { block: boolean }): boolean;
  /**
   * Calls `f` after `delayMs`, once or again and again, until the handle is cancelled. `f` may
   * cancel it through `self`. A zero or negative delay is due at the next step.
   */
  onTimer(
    delayMs: number,
    options: { repeat: boolean },
    f: (self: CancelHandle) => void,
  ): CancelHandle;
  /** Ends a blocking `oneStep` early; does nothing otherwise. May be called from any thread. */
  interruptIfInBlockingSection(): void;
  /** The loop's clock in ms, where it isn't the monotonic clock: virtual time, say. */
  now?(): number;
}
