/** `for await` over a channel. */
import { type Wait, WAITING } from "../operation/wait.ts";

/** A `next` that has not been answered. */
interface PendingNext<T> {
  readonly receive: Wait<unknown>;
  readonly answer: (result: IteratorResult<T, undefined>) => void;
}

/**
 * The iterator is written by hand, because the `return` of an async generator waits for the `next`
 * before it. Here `return` withdraws the receive, and leaves the item to somebody else.
 */
export class ChannelIterator<T> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #receive: () => Wait<unknown>;
  readonly #pending: Set<PendingNext<T>> = new Set();
  #returned = false;

  /** `receive` makes a receive of an option. */
  constructor(receive: () => Wait<unknown>) {
    this.#receive = receive;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#returned) return Promise.resolve({ done: true, value: undefined });
    return new Promise((answer, reject) => {
      const receive = this.#receive();
      const pending = { receive, answer };
      this.#pending.add(pending);
      receive.then((item) => {
        this.#pending.delete(pending);
        const option = item as { value: T } | undefined;
        if (option === undefined) answer({ done: true, value: undefined });
        else answer({ done: false, value: option.value });
      }, (error) => {
        this.#pending.delete(pending);
        reject(error);
      });
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#returned = true;
    for (const { receive, answer } of this.#pending) {
      if (receive.state !== WAITING) continue; // it has its item, and will answer by itself
      receive.leave();
      answer({ done: true, value: undefined });
    }
    return Promise.resolve({ done: true, value: undefined });
  }
}
