/** The timers of a loop: which there are, and which are due. Knows no way to wait. */
import { checkDuration, checkFunction, checkOptions } from "../internal/check.ts";
import { Heap, type HeapNode } from "../internal/heap.ts";
import { reportUncaught } from "../internal/report.ts";
import type { CancelHandle } from "../operation/event_base.ts";

/** The clock of every loop of ours: milliseconds since some fixed instant, never backwards. */
export function clock(): number {
  return performance.now();
}

class Timer implements HeapNode, CancelHandle {
  sequence = 0;
  index = -1;

  constructor(
    readonly timers: Timers,
    public deadline: number,
    /** Infinity: fires once. */
    readonly period: number,
    readonly fire: (self: CancelHandle) => void,
  ) {}

  cancel(): void {
    this.timers.cancel(this);
  }
}

export class Timers {
  readonly #heap = new Heap<Timer>();
  /** Called when a timer was added, with its deadline. */
  onAdd: ((deadline: number) => void) | undefined;
  /** Called when a timer was cancelled and none is left. */
  onEmpty: (() => void) | undefined;

  constructor(readonly now: () => number) {}

  get size(): number {
    return this.#heap.size;
  }

  /** The earliest deadline; Infinity when there is none. */
  get nextDeadline(): number {
    return this.#heap.first()?.deadline ?? Infinity;
  }

  add(
    delayMs: number,
    options: { repeat: boolean },
    f: (self: CancelHandle) => void,
  ): CancelHandle {
    checkDuration("start a timer", "delayMs", delayMs);
    checkOptions("start a timer", options);
    checkFunction("start a timer", "f", f);
    const delay = Math.max(0, delayMs);
    const deadline = this.now() + delay;
    const timer = new Timer(this, deadline, options?.repeat ? delay : Infinity, f);
    this.#heap.insert(timer);
    this.onAdd?.(deadline);
    return timer;
  }

  cancel(timer: Timer): void {
    this.#heap.remove(timer);
    timer.deadline = Infinity; // cancelled from within `fire`: not again
    if (this.#heap.size === 0) this.onEmpty?.();
  }

  /** Fires all that is due now, but none that was added meanwhile; true if there was any. */
  fireDue(): boolean {
    const now = this.now();
    const added = this.#heap.inserted;
    let fired = false;
    let again: Timer[] | null = null;
    for (let timer = this.#heap.first(); timer !== undefined; timer = this.#heap.first()) {
      if (timer.deadline > now || timer.sequence >= added) break;
      this.#heap.remove(timer);
      fired = true;
      if (timer.period !== Infinity) (again ??= []).push(timer);
      try {
        timer.fire(timer);
      } catch (error) {
        reportUncaught(error);
      }
    }
    if (again !== null) { for (const timer of again) this.#repeat(timer, now); }
    return fired;
  }

  #repeat(timer: Timer, now: number): void {
    if (timer.deadline === Infinity) return;
    timer.deadline = Math.max(timer.deadline + timer.period, now);
    this.#heap.insert(timer);
    this.onAdd?.(timer.deadline);
  }
}
