import type { CancelHandle } from "../operation/event_base.ts";
import type { EventLoop } from "./event_loop.ts";
import { clock, Timers } from "./timers.ts";

/** What `Atomics.wait` may be asked to sleep at once. */
const LONGEST_SLEEP_MS = 2 ** 31 - 1;

/** A loop that sleeps the thread itself, on a word of shared memory. */
class BlockingLoop implements EventLoop {
  readonly #timers = new Timers(clock);
  /** The doorbell: counts interruptions. A sleeper compares it, so none is ever missed. */
  readonly #doorbell = new Int32Array(new SharedArrayBuffer(4));

  oneStep(options: { block: boolean }): boolean {
    const rings = Atomics.load(this.#doorbell, 0);
    if (this.#timers.fireDue()) return true;
    if (this.#timers.size === 0) return false;
    if (options.block) {
      const delay = Math.min(this.#timers.nextDeadline - clock(), LONGEST_SLEEP_MS);
      if (delay > 0) Atomics.wait(this.#doorbell, 0, rings, delay);
      this.#timers.fireDue();
    }
    return true;
  }

  onTimer(
    delayMs: number,
    options: { repeat: boolean },
    f: (self: CancelHandle) => void,
  ): CancelHandle {
    return this.#timers.add(delayMs, options, f);
  }

  interruptIfInBlockingSection(): void {
    Atomics.add(this.#doorbell, 0, 1);
    Atomics.notify(this.#doorbell, 0);
  }
}

/**
 * A loop of its own that sleeps the calling thread (`Atomics.wait`): what `run` needs for timers.
 * Works on any thread that may sleep; nothing else of that thread runs meanwhile, promises neither.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { run, sleep } from "@weft/weft";
 * import { blockingLoop } from "@weft/weft/loop";
 *
 * function* nap() {
 *   yield* sleep(1);
 *   return "rested";
 * }
 * assertEquals(run(nap, { loop: blockingLoop() }), { ok: true, value: "rested" });
 * ```
 */
export function blockingLoop(): EventLoop {
  return new BlockingLoop();
}
