/** The timers of a loop: which there are, and which are due. The loop knows how to wait for them. */
import { checkDuration, checkFunction, checkOptions } from "../internal/check.ts";
import { Heap, type HeapNode } from "../internal/heap.ts";
import { reportUncaught } from "../internal/report.ts";
import type { CancelHandle } from "../operation/types.ts";
import type { EventLoop } from "./event_loop.ts";

/** The clock of every loop of ours: milliseconds since some fixed instant, never backwards. */
export function clock(): number {
  return performance.now();
}

/** An entry among the timers of a loop. */
export interface Alarm extends HeapNode {
  /** Called when it is due; it has been taken out. */
  ring(): void;
}

class Timer implements Alarm, CancelHandle {
  declare deadline: number;
  declare sequence: number;
  declare index: number;
  declare readonly timers: Timers;
  /** Infinity: fires once. */
  declare readonly period: number;
  declare readonly fire: (self: CancelHandle) => void;

  constructor(timers: Timers, period: number, fire: (self: CancelHandle) => void) {
    this.deadline = Infinity;
    this.sequence = 0;
    this.index = -1;
    this.timers = timers;
    this.period = period;
    this.fire = fire;
  }

  ring(): void {
    this.fire(this);
  }

  cancel(): void {
    this.timers.cancel(this);
    this.deadline = Infinity; // cancelled from within `fire`: not again
  }
}

export class Timers {
  readonly #heap = new Heap<Alarm>();
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
    const timer = new Timer(this, options?.repeat ? delay : Infinity, f);
    this.set(timer, this.now() + delay);
    return timer;
  }

  set(alarm: Alarm, deadline: number): void {
    alarm.deadline = deadline;
    this.#heap.insert(alarm);
    this.onAdd?.(deadline);
  }

  cancel(alarm: Alarm): void {
    this.#heap.remove(alarm);
    if (this.#heap.size === 0) this.onEmpty?.();
  }

  /** Fires all that are due now, but none that was added meanwhile; true if there was one. */
  fireDue(): boolean {
    const now = this.now();
    const added = this.#heap.inserted;
    let fired = false;
    for (let alarm = this.#heap.first(); alarm !== undefined; alarm = this.#heap.first()) {
      if (alarm.deadline > now || alarm.sequence >= added) break;
      this.#heap.remove(alarm);
      fired = true;
      try {
        alarm.ring();
      } catch (error) {
        reportUncaught(error);
      }
      if (!(alarm instanceof Timer)) continue;
      const next = Math.max(alarm.deadline + alarm.period, now);
      if (next !== Infinity) this.set(alarm, next); // behind all that are due
    }
    return fired;
  }
}

/** A loop whose timers are all in its `Timers`: so a sleep can stand there itself (`Alarm`). */
export abstract class TimerLoop implements EventLoop {
  readonly #timers = new Timers(clock);

  /** The timers of `loop` if it is a `TimerLoop`, and not something that looks like one. */
  static timersOf(loop: EventLoop): Timers | undefined {
    return #timers in loop ? loop.#timers : undefined;
  }

  protected get timers(): Timers {
    return this.#timers;
  }

  onTimer(
    delayMs: number,
    options: { repeat: boolean },
    f: (self: CancelHandle) => void,
  ): CancelHandle {
    return this.#timers.add(delayMs, options, f);
  }

  abstract oneStep(options: { block: boolean }): boolean;
  abstract interruptIfInBlockingSection(): void;
}
