/** The loop that blocks: for `run`, on any thread that may sleep. */
import { doorbell, type Holder } from "./doorbell.ts";
import type { EventLoop } from "./event_loop.ts";
import { clock, TimerLoop } from "./timers.ts";

/** How often it looks by itself while somebody waits for another thread (see `doorbell.ts`). */
const LOOK_MS = 1000;

/** A loop that sleeps the thread itself, on the thread's doorbell. */
export class BlockingLoop extends TimerLoop implements Holder {
  #holds = 0;
  #blocking = false;

  override oneStep(options: { block: boolean }): boolean {
    const before = doorbell.servedLoop;
    doorbell.servedLoop = this;
    try {
      return this.#step(options);
    } finally {
      doorbell.servedLoop = before;
    }
  }

  #step(options: { block: boolean }): boolean {
    const answered = doorbell.answer(); // however often it is rung, timers fire
    if (this.timers.fireDue() || answered) return true;
    if (this.timers.size === 0 && this.#holds === 0) return false;
    if (options.block) {
      this.#blocking = true;
      const delay = this.timers.nextDeadline - clock();
      const rung = this.#holds > 0
        ? doorbell.sleep(Math.min(delay, LOOK_MS))
        : doorbell.sleep(delay, false);
      this.#blocking = false;
      if (!this.timers.fireDue() && !rung && this.#holds > 0) doorbell.look();
    }
    return true;
  }

  override interruptIfInBlockingSection(): void {
    if (this.#blocking) doorbell.ring();
  }

  /** Somebody waits for another thread, so something may come: until `release`. */
  hold(): void {
    this.#holds++;
  }

  release(): void {
    this.#holds--;
  }
}

/**
 * A loop that puts the calling thread to sleep (`Atomics.wait`): what `run` needs for timers. Works
 * on any thread that may sleep. Nothing else runs on that thread meanwhile, not even promises.
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
