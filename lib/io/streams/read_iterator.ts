import { type Wait, WAITING } from "../../operation/wait.ts";

/**
 * `for await` over what an input is made of. Written by hand, since the `return` of an async
 * generator waits for the `next` before it: here it takes the read back, and the bytes stay in the
 * input for somebody else.
 */
export class ReadIterator<T, R> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #take: () => Wait<R>;
  readonly #item: (taken: R) => IteratorResult<T, undefined>;
  readonly #pending: Map<Wait<R>, (result: IteratorResult<T, undefined>) => void> = new Map();
  #returned = false;

  /** `take` makes a read, and `item` what `next` answers for it. */
  constructor(take: () => Wait<R>, item: (taken: R) => IteratorResult<T, undefined>) {
    this.#take = take;
    this.#item = item;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#returned) return Promise.resolve({ done: true, value: undefined });
    return new Promise((answer, reject) => {
      const take = this.#take();
      this.#pending.set(take, answer);
      take.then(
        (taken) => {
          this.#pending.delete(take);
          answer(this.#item(taken));
        },
        (error) => {
          this.#pending.delete(take);
          reject(error);
        },
      );
    });
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#returned = true;
    for (const [take, answer] of this.#pending) {
      if (take.state !== WAITING) continue; // it has its bytes, and will answer by itself
      this.#pending.delete(take);
      take.leave();
      answer({ done: true, value: undefined });
    }
    return Promise.resolve({ done: true, value: undefined });
  }
}
