/** `await` on an operation: the waiter is a promise. Nothing can cancel it. */
import { type Suspension, type Waiter, WAITING } from "./suspension.ts";

export class PromiseWait<T> implements Waiter {
  #scheduled = false;

  constructor(
    readonly operation: Suspension<T>,
    readonly resolve: (value: T) => void,
    readonly reject: (error: unknown) => void,
  ) {}

  /** In a microtask: what concludes the operation may be the user's code, and this is a commit. */
  unblock(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      if (this.operation.state !== WAITING || this.operation.recheck()) this.settle();
    });
  }

  settle(): void {
    try {
      this.resolve(this.operation.conclude());
    } catch (error) {
      this.reject(error);
    }
  }
}
