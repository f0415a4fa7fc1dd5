/** What a trigger is. */

/** A wait that an async function takes with `await` and a fiber with `yield*`. */
export interface AwaitableVoid extends PromiseLike<void> {
  /** Starts the wait, inside the generator that says `yield*`. */
  // deno-lint-ignore no-explicit-any -- what a scheduler sends into its generators is its own affair
  [Symbol.iterator](): Iterator<never, void, any>;
}

/** An asynchronous trigger: one waits, anybody releases. */
export interface Trigger {
  /**
   * Resumes whoever awaits, or lets the `await` that is still to come return at once.
   *
   * Never throws and never suspends. It may be called detached, any number of times, before or
   * after `await`, and from anywhere, also after the waiter was cancelled: then it does nothing.
   */
  readonly release: () => void;

  /**
   * Waits at most until `release` is called; may return earlier, so a primitive waits in a loop
   * until its own condition holds. To be called at most once.
   *
   * Cancellation: throws whatever the scheduler throws into what it cancels (`Abort` in our
   * fibers). `onCancel` runs once iff the wait is cancelled, before anything is thrown, and also
   * under schedulers that drop what they cancel without unwinding it: clean up there.
   *
   * @throws {TypeError} on the second call
   */
  await(onCancel?: () => void): AwaitableVoid;
}
