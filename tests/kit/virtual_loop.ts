/** A loop on virtual time: nothing sleeps, and what is due fires in the order of its deadlines. */
import type { CancelHandle, EventLoop } from "@weft/weft/loop";

interface VirtualTimer extends CancelHandle {
  deadline: number;
  readonly period: number | undefined;
  readonly fire: (self: CancelHandle) => void;
}

/** An `EventLoop` whose clock stands still until somebody blocks on it, or moves it. */
export interface VirtualLoop extends EventLoop {
  /** Virtual milliseconds since the loop was made. */
  now(): number;
  /** How many timers are waiting. */
  readonly timers: number;
  /** Moves the clock forward, and fires nothing. */
  advance(ms: number): void;
}

class Virtual implements VirtualLoop {
  #now = 0;
  /** In the order of insertion. */
  readonly #timers = new Set<VirtualTimer>();

  now(): number {
    return this.#now;
  }

  get timers(): number {
    return this.#timers.size;
  }

  advance(ms: number): void {
    this.#now += ms;
  }

  /** Fires what is due, but nothing that is started meanwhile; `block` jumps to the next deadline. */
  oneStep(options: { block: boolean }): boolean {
    if (this.#timers.size === 0) return false;
    const waiting = [...this.#timers].sort((a, b) => a.deadline - b.deadline); // stable
    if (options.block) this.#now = Math.max(this.#now, waiting[0]!.deadline);
    for (const timer of waiting) {
      if (timer.deadline > this.#now) break;
      if (this.#timers.has(timer)) this.#fire(timer);
    }
    return true;
  }

  onTimer(
    delayMs: number,
    options: { repeat: boolean },
    f: (self: CancelHandle) => void,
  ): CancelHandle {
    const delay = Math.max(0, delayMs);
    const timer: VirtualTimer = {
      deadline: this.#now + delay,
      period: options.repeat ? delay : undefined,
      fire: f,
      cancel: () => void this.#timers.delete(timer),
    };
    this.#timers.add(timer);
    return timer;
  }

  interruptIfInBlockingSection(): void {}

  #fire(timer: VirtualTimer): void {
    if (timer.period === undefined) this.#timers.delete(timer);
    else timer.deadline += timer.period;
    timer.fire(timer);
  }
}

/** A new loop, at time 0. */
export function virtualLoop(): VirtualLoop {
  return new Virtual();
}
