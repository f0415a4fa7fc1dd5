/** Many callbacks behind one listener of the platform's. */
import { trap } from "./report.ts";

/**
 * Callbacks that share one listener of the platform's. The listener is there as long as one of them
 * is. Each may leave, in O(1).
 */
export class SharedListener<A> {
  readonly #listen: () => () => void;
  /** In the order in which they came. */
  #callbacks: Set<{ readonly call: (told: A) => unknown }> = new Set();
  #stop: (() => void) | undefined;

  /** `listen` begins to listen, and returns what stops it. */
  constructor(listen: () => () => void) {
    this.#listen = listen;
  }

  add(call: (told: A) => unknown): { cancel(): void } {
    const callbacks = this.#callbacks;
    if (callbacks.size === 0) this.#stop = this.#listen();
    const callback = { call };
    callbacks.add(callback);
    return {
      cancel: () => {
        if (!callbacks.delete(callback)) return;
        if (callbacks === this.#callbacks && callbacks.size === 0) this.#stop!();
      },
    };
  }

  /** Tells one after the other until one returns true. Returns whether one did. */
  ask(told: A): boolean {
    for (const { call } of this.#callbacks) {
      if (call(told) === true) return true;
    }
    return false;
  }

  /** Stops listening, then tells them all, for the last time. What they throw is reported. */
  tell(told: A): void {
    const callbacks = this.#callbacks;
    this.#callbacks = new Set();
    this.#stop!();
    for (const callback of callbacks) {
      callbacks.delete(callback);
      trap(() => callback.call(told));
    }
  }
}

/** Listens to `target`; returns what stops that. */
export function listenTo(target: EventTarget, type: string, f: (event: Event) => void): () => void {
  target.addEventListener(type, f);
  return () => target.removeEventListener(type, f);
}
