/**
 * One listener per `AbortSignal`, with waiters that can leave.
 *
 * The host looks through all the listeners of a signal whenever one is added or taken away, so n
 * waits on one signal would cost n². So each signal gets one hub, which listens once and serves a
 * list of waiters. It goes when the last of them does, or when the signal is aborted.
 */
import { trap } from "./report.ts";

/** Whoever waits for a signal. */
class Waiter {
  constructor(readonly hub: SignalHub, readonly told: (reason: unknown) => void) {}

  cancel(): void {
    this.hub.leave(this);
  }
}

class SignalHub {
  /** In the order in which they came. */
  readonly #waiters: Set<Waiter> = new Set();
  readonly #signal: AbortSignal;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    signal.addEventListener("abort", this.#aborted);
  }

  enlist(told: (reason: unknown) => void): Waiter {
    const waiter = new Waiter(this, told);
    this.#waiters.add(waiter);
    return waiter;
  }

  leave(waiter: Waiter): void {
    if (this.#waiters.delete(waiter) && this.#waiters.size === 0) this.#close();
  }

  #close(): void {
    if (hubs.get(this.#signal) !== this) return; // it is closed already
    hubs.delete(this.#signal);
    this.#signal.removeEventListener("abort", this.#aborted);
  }

  readonly #aborted = (): void => {
    this.#close();
    const { reason } = this.#signal;
    for (const waiter of this.#waiters) {
      this.#waiters.delete(waiter);
      trap(() => waiter.told(reason));
    }
  };
}

const hubs: WeakMap<AbortSignal, SignalHub> = new WeakMap();

/**
 * Calls `told` with the reason, once, when `signal` is aborted, unless the handle is cancelled
 * before. Not for one that is aborted already. In the order of the calls; O(1), however many wait.
 */
export function onAbort(
  signal: AbortSignal,
  told: (reason: unknown) => void,
): { cancel(): void } {
  let hub = hubs.get(signal);
  if (hub === undefined) {
    hub = new SignalHub(signal);
    hubs.set(signal, hub);
  }
  return hub.enlist(told);
}
