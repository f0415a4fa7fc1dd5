/** An event source that tells what is done to it, and a promise that settles when it is told to. */
import { Event, type EventSource, type Result } from "@weft/weft";

/** A queue of results as an event source. */
export class Source<T> implements EventSource<T> {
  /** How often it was asked. */
  polls = 0;
  /** How often somebody began to wait. */
  waits = 0;
  /** How often a wait was cancelled. */
  cancels = 0;
  readonly #results: Result<T>[] = [];
  readonly #wakeups = new Set<() => void>();

  /** This source as an event. */
  readonly event: Event<T> = Event.from<T>(this);

  /** How many wait now. */
  get waiters(): number {
    return this.#wakeups.size;
  }

  /** How many results nobody has taken. */
  get size(): number {
    return this.#results.length;
  }

  poll(): Result<T> | undefined {
    this.polls++;
    return this.#results.shift();
  }

  wait(wakeup: () => void): { cancel(): void } {
    this.waits++;
    this.#wakeups.add(wakeup);
    return {
      cancel: () => {
        this.cancels++;
        this.#wakeups.delete(wakeup);
      },
    };
  }

  /** Wakes everybody who waits, whether or not there is something. */
  wake(): void {
    for (const wakeup of [...this.#wakeups]) wakeup();
  }

  /** Happens once, with `value`. */
  happen(value: T): void {
    this.#results.push({ ok: true, value });
    this.wake();
  }

  /** Happens once, with a failure. */
  fail(error: unknown): void {
    this.#results.push({ ok: false, error });
    this.wake();
  }
}

/** A thenable that settles at once, not in a microtask, and counts its reactions. */
export class Thenable<T> implements PromiseLike<T> {
  /** How often `then` was called. */
  reactions = 0;
  #result: Result<T> | undefined;
  readonly #callbacks: ((result: Result<T>) => void)[] = [];

  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): PromiseLike<A | B> {
    this.reactions++;
    const call = (result: Result<T>) =>
      void (result.ok ? fulfilled?.(result.value) : rejected?.(result.error));
    if (this.#result === undefined) this.#callbacks.push(call);
    else call(this.#result);
    return this as PromiseLike<unknown> as PromiseLike<A | B>;
  }

  resolve(value: T): void {
    this.#settle({ ok: true, value });
  }

  reject(error: unknown): void {
    this.#settle({ ok: false, error });
  }

  #settle(result: Result<T>): void {
    this.#result = result;
    for (const call of this.#callbacks) call(result);
  }
}
