/**
 * Starts threads in the place of those that are gone: at once as a rule, and less and less often
 * where that doesn't help. There are two kinds of trouble, with a pause of its own each:
 *
 * - threads *die at once*, before they got anything done: each pause is twice the one before, until
 *   a thread lives longer;
 * - threads *can't even start*: the same, by how many starts have failed since the last success.
 */
import type { CancelHandle } from "../../operation/types.ts";
import { backgroundTimer } from "./background_timer.ts";

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 10_000;

export class Refill {
  readonly #pending: Set<CancelHandle> = new Set();
  /** After threads that died at once. */
  #pause = 0;
  #failedStarts = 0;
  #isStopped = false;

  /** `start` starts a thread. */
  constructor(readonly start: () => void) {}

  /** How many threads are still to be started. */
  get pending(): number {
    return this.#pending.size;
  }

  /** A thread is ready: threads can start. */
  succeeded(): void {
    this.#failedStarts = 0;
  }

  /** Replaces a thread that was ready. */
  replace({ diedAtOnce }: { diedAtOnce: boolean }): void {
    this.#pause = diedAtOnce ? Math.min(LONGEST_PAUSE_MS, this.#pause * 2 || FIRST_PAUSE_MS) : 0;
    this.#schedule();
  }

  /** Replaces a thread that could not start: how many in a row that were. */
  retry(): number {
    this.#failedStarts++;
    this.#schedule();
    return this.#failedStarts;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    const pause = this.#failedStarts > 0
      ? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failedStarts)
      : this.#pause;
    const timer = backgroundTimer(pause, () => {
      this.#pending.delete(timer);
      this.start();
    });
    this.#pending.add(timer);
  }

  /** No thread is needed any more. */
  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#pending) timer.cancel();
    this.#pending.clear();
  }
}
