/**
 * `yield*` on an operation in somebody else's generator, under the scheduler that registered
 * itself through `using`: the operation waits on triggers of that scheduler.
 *
 * What the trigger's `await` yields is passed on to the scheduler untouched, and what the scheduler
 * sends in is passed to the `await`, until the operation has committed. A trigger may be released
 * early or be shared, so the wait is a loop. Schedulers cancel in three ways, and none of them may
 * leave anything behind:
 *  - `onCancel` alone, the generator is never resumed again (Effect);
 *  - `return()` on the generator, perhaps after `onCancel` (Effection);
 *  - `throw()` (ours, domain-local-await): after the commit the value is returned instead, unless
 *    `onCancel` came first.
 * A value that was committed but can no longer be taken is given back (`giveBack`).
 */
import { prepareForeign, releaserOf } from "../trigger/trigger.ts";
import type { Trigger } from "../trigger/mod.ts";
import { begin, COMMITTED, SPENT, WAITING } from "./begin.ts";
import type { Wait, Waiter } from "./wait.ts";

type Resumption = "next" | "throw";

export class ForeignWait<T> implements Iterator<never, T, unknown>, Waiter {
  readonly #operation: Wait<T>;
  #started = false;
  #returned = false;
  /** The trigger that is awaited now, and the iterator of its `await`. */
  #trigger: Trigger | undefined;
  #release: (() => void) | undefined;
  #awaiting: Iterator<never, void, unknown> | undefined;

  constructor(operation: Wait<T>) {
    this.#operation = operation;
  }

  unblock(): void {
    this.#release?.();
  }

  next(input?: unknown): IteratorResult<never, T> {
    if (this.#started) return this.#pass("next", input);
    this.#started = true;
    const operation = this.#operation;
    operation.state = SPENT;
    this.#prepare(); // first, as it runs foreign code: none may run between `attempt` and `enlist`
    if (begin(operation, this) || operation.state !== WAITING) return this.#finished();
    return this.#pass("next", undefined);
  }

  throw(error?: unknown): IteratorResult<never, T> {
    if (this.#started) return this.#pass("throw", error);
    this.#withdraw();
    throw error;
  }

  return(value?: unknown): IteratorResult<never, T> {
    this.#returned = true;
    this.#withdraw();
    const inner = this.#awaiting?.return?.(value as never);
    if (inner !== undefined && !inner.done) return inner;
    return { done: true, value: value as T };
  }

  #prepare(): void {
    this.#trigger = prepareForeign(`wait for ${this.#operation.describe()}`);
    this.#release = releaserOf(this.#trigger);
    this.#awaiting = undefined;
  }

  /** Passes `input` to the trigger's `await`, and goes on with new triggers until the commit. */
  #pass(how: Resumption, input: unknown): IteratorResult<never, T> {
    const operation = this.#operation;
    try {
      for (;; how = "next", input = undefined) {
        const step = this.#resume(how, input);
        if (!step.done) return step;
        if (operation.state === SPENT) return this.#cancelled();
        if (operation.state !== WAITING) break;
        this.#prepare(); // before it looks, so that no wake-up falls between the two
        if (operation.recheck()) break;
      }
    } catch (error) {
      const { state } = operation;
      if (state === WAITING || state === SPENT) {
        this.#withdraw();
        throw error;
      }
      // It had committed before the `await` threw: so it happened, and the value is returned.
    }
    return this.#finished();
  }

  /** The generator is resumed though it was cancelled: to clean up after `return`, or by mistake. */
  #cancelled(): IteratorResult<never, T> {
    if (this.#returned) return { done: true, value: undefined as T };
    throw new Error(
      `Cannot go on after the wait for ${this.#operation.describe()}: the registered scheduler ` +
        `had called its onCancel`,
    );
  }

  #resume(how: Resumption, input: unknown): IteratorResult<never, void> {
    this.#awaiting ??= this.#trigger!.await(() => this.#withdraw())[Symbol.iterator]();
    const awaiting = this.#awaiting;
    if (awaiting[how] === undefined) throw input;
    return awaiting[how](input);
  }

  #finished(): IteratorResult<never, T> {
    return { done: true, value: this.#operation.conclude() };
  }

  /** Cancelled: if it had not happened it withdraws, else its value is given back. */
  #withdraw(): void {
    const operation = this.#operation;
    const { state } = operation;
    operation.state = SPENT;
    if (state === WAITING) operation.withdraw();
    else if (state === COMMITTED) operation.giveBack();
  }
}
