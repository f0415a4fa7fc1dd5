/**
 * The channel one writes by hand in the promise world, for the workloads to compare with: first
 * in, first out, bounded, no cancellation, no close.
 */
export class PromiseChannel<T> {
  readonly #capacity: number;
  readonly #items: T[] = [];
  readonly #takers: ((item: T) => void)[] = [];
  readonly #putters: (() => void)[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Resolves when the item is in the buffer or, beyond the capacity, when it was taken. */
  put(item: T): Promise<void> {
    const taker = this.#takers.shift();
    if (taker !== undefined) {
      taker(item);
      return Promise.resolve();
    }
    this.#items.push(item);
    if (this.#items.length <= this.#capacity) return Promise.resolve();
    return new Promise((resolve) => this.#putters.push(resolve));
  }

  take(): Promise<T> {
    if (this.#items.length === 0) return new Promise((resolve) => this.#takers.push(resolve));
    this.#putters.shift()?.();
    return Promise.resolve(this.#items.shift() as T);
  }
}
