/**
 * The JavaScript loop as an `EventLoop`, one for each realm.
 *
 * Timers: one host timer, armed for the earliest deadline. It is armed in a microtask, so that
 * however many timers a slice starts and cancels, the host sees one at most. It is armed only while
 * there are timers, so that an idle program ends. A timer that is never due counts, too: whoever
 * starts one wants the program to go on (`sleep` until aborted).
 *
 * Turns (law 10): work that is to run soon goes through `schedule`. It runs in a microtask while
 * the last macrotask turn is no older than `BREATH_MS`, else in a macrotask of its own. So timers
 * and I/O of the host make progress however busy the fibers are, and a program that does little
 * never pays for a hop. A scheduler that still has work at the end of a slice lets the host look at
 * its sockets, too (`scheduleTurn`).
 */
import type { EventLoop } from "./event_loop.ts";
import { hop, hopFar } from "./hop.ts";
import { clock, TimerLoop } from "./timers.ts";

/** For how long microtasks may follow each other before the host gets a turn. */
const BREATH_MS = 4;

/** The longest delay that `setTimeout` takes. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

type TimeoutId = ReturnType<typeof setTimeout>;

class HostLoop extends TimerLoop {
  #timeout: TimeoutId | undefined;
  /** The deadline that the host timer is armed for. */
  #armedFor = Infinity;
  #arming = false;
  #lastTurn = clock();
  #sliceStart = this.#lastTurn;
  /** Whether the last turn let the host look at its sockets (`hopFar`). */
  #isFar = false;

  constructor() {
    super();
    this.timers.onAdd = (deadline) => {
      if (this.#timeout === undefined || deadline < this.#armedFor) this.#armSoon();
    };
    this.timers.onEmpty = () => this.#armSoon();
  }

  /** Never sleeps: the thread belongs to JavaScript. */
  override oneStep(options: { block: boolean }): boolean {
    const fired = this.timers.fireDue();
    if (options.block && !fired && this.timers.size > 0) {
      throw new TypeError(
        "Cannot block on the host loop: it is JavaScript's own; pass loop: blockingLoop()",
      );
    }
    return fired || this.timers.size > 0;
  }

  override interruptIfInBlockingSection(): void {}

  /** When a slice was last scheduled, or its turn began: saves the slice a look at the clock. */
  get sliceStart(): number {
    return this.#sliceStart;
  }

  /** Calls `f` soon, in a turn of its own if the host is due one. */
  schedule(f: () => void): void {
    this.#sliceStart = clock();
    if (this.#sliceStart - this.#lastTurn < BREATH_MS) queueMicrotask(f);
    else this.scheduleTurn(f, false);
  }

  /**
   * Calls `f` in a macrotask of its own. If `isBusy`, the host looks at its sockets before that,
   * every other time.
   */
  scheduleTurn(f: () => void, isBusy: boolean): void {
    this.#isFar = isBusy && !this.#isFar;
    (this.#isFar ? hopFar : hop)(() => {
      this.#lastTurn = this.#sliceStart = clock();
      f();
    });
  }

  #armSoon(): void {
    if (this.#arming) return;
    this.#arming = true;
    queueMicrotask(() => {
      this.#arming = false;
      this.#arm();
    });
  }

  #arm(): void {
    const { size, nextDeadline } = this.timers;
    // An earlier timeout stays: it finds nothing due and arms anew.
    if (this.#timeout !== undefined && size > 0 && this.#armedFor <= nextDeadline) return;
    clearTimeout(this.#timeout);
    this.#timeout = undefined;
    if (size === 0) return;
    const delay = Math.max(0, Math.ceil(nextDeadline - clock()));
    this.#armedFor = nextDeadline;
    this.#timeout = setTimeout(() => this.#onTimeout(), Math.min(delay, LONGEST_TIMEOUT_MS));
  }

  #onTimeout(): void {
    this.#timeout = undefined;
    this.#lastTurn = clock();
    this.timers.fireDue();
    this.#arm();
  }
}

let shared: HostLoop | undefined;

/**
 * The JavaScript loop of this realm: what `main` runs on. Its timers fire by themselves; `oneStep`
 * fires those that are due and never sleeps.
 */
export function hostLoop(): EventLoop {
  return hostTurns();
}

/** The same, with `schedule` and `scheduleTurn`: for the scheduler of `main`. */
export function hostTurns(): HostLoop {
  return shared ??= new HostLoop();
}
