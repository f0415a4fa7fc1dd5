/**
 * `for await` over what an input is made of: its lines, its chunks. Written by hand, since the
 * `return` of an async generator waits for the `next` before it. Here it takes the read back, and the
 * bytes stay in the input for somebody else.
 */
import { type Wait, WAITING } from "../../operation/wait.ts";

/** `T`: an item; `R`: what a read returns. */
export class ReadIterator<T, R> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #makeRead: () => Wait<R>;
  readonly #item: (taken: R) => IteratorResult<T, undefined>;
  readonly #pending: Map<Wait<R>, (result: IteratorResult<T, undefined>) => void> = new Map();
  #returned = false;

  /** `makeRead` makes a read, and `item` what `next` answers for it. */
  constructor(makeRead: () => Wait<R>, item: (taken: R) => IteratorResult<T, undefined>) {
    this.#makeRead = makeRead;
    this.#item = item;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#returned) return Promise.resolve({ done: true, value: undefined });
    return new Promise((answer, reject) => {
      const read = this.#makeRead();
      this.#pending.set(read, answer);
      read.then(
        (taken) => {
          this.#pending.delete(read);
          answer(this.#item(taken));
        },
        (error) => {
          this.#pending.delete(read);
          reject(error);
        },
      );
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#returned = true;
    for (const [read, answer] of this.#pending) {
      if (read.state !== WAITING) continue; // it has its bytes, and will answer by itself
      this.#pending.delete(read);
      read.leave();
      answer({ done: true, value: undefined });
    }
    return Promise.resolve({ done: true, value: undefined });
  }
}
