import { WAITING } from "../operation/suspension.ts";
import { SharedReceive } from "./shared_operations.ts";
import type { SharedPort } from "./shared_port.ts";

/** A `next` that has not been answered. */
interface PendingNext<T> {
  readonly receive: SharedReceive<T>;
  readonly answer: (result: IteratorResult<T, undefined>) => void;
}

/** `for await` over a shared channel: as over a channel, `return` takes back what still waits. */
export class SharedIterator<T> implements AsyncIterableIterator<T, undefined, undefined> {
  readonly #port: SharedPort<T>;
  readonly #pending: Set<PendingNext<T>> = new Set();
  #returned = false;

  constructor(port: SharedPort<T>) {
    this.#port = port;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#returned) return Promise.resolve({ done: true, value: undefined });
    return new Promise((answer, reject) => {
      const receive = new SharedReceive(this.#port, false);
      const pending = { receive, answer };
      this.#pending.add(pending);
      receive.then((item) => {
        this.#pending.delete(pending);
        const option = item as { value: T } | undefined;
        if (option === undefined) answer({ done: true, value: undefined });
        else answer({ done: false, value: option.value });
      }, (error) => { // the codec's
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
