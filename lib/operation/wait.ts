/**
 * The waiter protocol: what every operation that may suspend is made of.
 *
 * An operation is one object that is its own iterator, its own iterator result, the effect that
 * its generator yields, and the waiter that stands in somebody's list. So a channel operation
 * costs one allocation, and `yield* op` reaches it with no generator in between.
 *
 *     COLD ──enter──▶ SPENT                       it could complete at once, or threw
 *     │ │└───enter──▶ WAITING ──▶ COMMITTED ──▶ SPENT      somebody completed it
 *     │ │                │  └───▶ FAILED ─────▶ SPENT      somebody made it fail
 *     │ │                └──────────────────────▶ SPENT    cancelled: it withdrew, nothing happened
 *     │ └─start─▶ YIELDED ──enter──▶ as from COLD
 *     │              └──────────────────────────▶ SPENT    cancelled: it had attempted nothing
 *
 * Who may make each move:
 *  - COLD → YIELDED: `start`, in a fiber whose share is used up (law 10): the fiber goes to the end
 *    of the ready queue before anything is attempted, so that others run first and an abort that
 *    comes meanwhile finds nothing taken.
 *  - COLD or YIELDED → WAITING: `enter`, which has tried (`attempt`) and enlisted (`enlist`) in one
 *    go, with no foreign code between the two, so that no wake-up is lost.
 *  - COLD → SPENT: `enter` as well, in a fiber that is aborting; then `refused` is called.
 *  - YIELDED → SPENT: the canceller, or whoever gives up, as from WAITING; `refused` is called, too.
 *  - WAITING → COMMITTED or FAILED: the partner that found it in a list (`complete`, `fail`). This
 *    is the commit: from now on a cancellation comes too late and the value is delivered. Whoever
 *    moves it takes it out of every list first, so whatever stands in a list is WAITING.
 *  - WAITING → SPENT: the canceller (`interrupt`), or whoever drives the generator by hand and
 *    gives up (`drop`). Both go through `leave`, which has it take itself out (`withdraw`).
 *  - COMMITTED or FAILED → SPENT: the resumed waiter (`conclude`).
 *  - COMMITTED → SPENT without a waiter to take the value: `drop` again, or a foreign scheduler
 *    that cancelled in that very instant. The value is given back (`giveBack`).
 *
 * A subclass says what it is by `attempt`, `enlist`, `withdraw`, `describe`, and where there is
 * something to say by `recheck`, `refused`, `giveBack`, `conclude`. The rest is the protocol.
 *
 * Who waits is a `Waiter`: a fiber of ours (the direct path), a promise (`await`), or a trigger of
 * somebody else's scheduler. A waiter may be woken while the operation is still WAITING: then it
 * asks `recheck` and, if that says no, goes on waiting. All of this is in one thread: a commit is one
 * uninterrupted piece of code, and needs no lock.
 *
 * Speed: classes on the hot path are flat (all fields assigned in one constructor, `extends`
 * would triple the cost of `new`) and get these methods through `inherit`. The hottest of them
 * (channels, select, join, yield) write out `[Symbol.iterator]` and `next` once more, as `start`
 * and `resume` have them: what the engine learns of the objects that a method meets it keeps with
 * the method, and a method that every class of operations shares has learnt nothing. A rendezvous
 * that shares them takes three times as long in a program that uses everything (`bench/mix.ts`), and
 * 1.2 times in one that does nothing else. `tests/copies_test.ts` compares the copies with one
 * template.
 */
import { type Blocker, executeAs, execution } from "../trigger/execution.ts";
import { begin, COLD, COMMITTED, FAILED, SPENT, WAITING, YIELDED } from "./begin.ts";
import { Abort, FiberAborted } from "./errors.ts";
import { ForeignWait } from "./foreign_wait.ts";
import { placed } from "./place.ts";
import { startForPromise } from "./promise_wait.ts";
import type { Awaitable, Effect, Result } from "./types.ts";

export {
  COLD,
  COMMITTED,
  enterProtected,
  FAILED,
  SPENT,
  STATES,
  WAITING,
  YIELDED,
} from "./begin.ts";

/** Whoever waits for an operation. */
export interface Waiter {
  /** Lets it look at the operation again, soon. Idempotent until it has looked. */
  unblock(): void;
}

/** What an operation needs of the fiber that performs it. */
export interface FiberSlot extends Waiter, Blocker {
  /** The operation it is suspended on: announced by `start`, checked by the scheduler's step. */
  pending: Wait<unknown> | null;
  /** Its innermost context; `error` is what every suspension in it throws. */
  readonly context: { readonly error: Abort | undefined };
  /** Notes that the abort reached the body, and returns it. */
  deliver(): Abort;
  /** Another operation was announced in this step and never yielded: it withdraws. */
  dropPending(): void;
  /** `execution.left` is below zero: whether the share is used up, else `left` is set anew. */
  usedUp(): boolean;
}

/** See the module comment. */
export abstract class Wait<T> implements Awaitable<T>, Effect {
  /** The value of the iterator result: the effect while suspended, then what was thrown or returned. */
  declare value: unknown;
  declare state: number;
  declare waiter: Waiter | null;

  /** Tries to complete now; on true `value` is set (state FAILED if it is an error). */
  abstract attempt(): boolean;
  /** Enlists as a waiter. Throws only if it did not enlist. */
  abstract enlist(): void;
  /** Takes itself out of every list, in O(1); called in state WAITING only. */
  abstract withdraw(): void;
  /** What is waited for, in words. */
  abstract describe(): string;

  /**
   * The `done` of the iterator result: no field, for that would be written twice in each wait. One
   * that was dropped while it waited still has the effect, itself, for its value: it never ended.
   */
  get done(): boolean {
    return this.state === SPENT && this.value !== this as unknown;
  }

  /** Woken while WAITING: tries again, like `attempt`, while enlisted. */
  recheck(): boolean {
    return false;
  }

  /**
   * Called when it never began: its fiber was aborting already, or was aborted while it gave way. In
   * the latter case the canceller calls it.
   */
  refused(): void {}

  /** The waiter was cancelled after the commit and cannot take the value: give it back. */
  giveBack(): void {}

  /** Takes what the commit left; called once. */
  conclude(): T {
    const failed = this.state === FAILED;
    this.state = SPENT;
    if (failed) throw asSeenByOthers(this.value);
    return this.value as T;
  }

  /** Commits: to be called by the partner, after it took the operation out of its list. */
  complete(value: T): void {
    this.value = value;
    this.state = COMMITTED;
    this.waiter!.unblock();
  }

  /** Commits to a failure. */
  fail(error: unknown): void {
    this.value = error;
    this.state = FAILED;
    this.waiter!.unblock();
  }

  /** Commits to either. */
  settled(result: Result<T>): void {
    if (result.ok) this.complete(result.value);
    else this.fail(result.error);
  }

  /** Completes with `result`, and says so: for `attempt` and `recheck`. */
  settleNow(result: Result<T>): true {
    this.value = result.ok ? result.value : result.error;
    if (!result.ok) this.state = FAILED;
    return true;
  }

  /** `unblock` of the fiber: lets it go on if it is one that waits for just that. */
  unblocked(): boolean {
    return false;
  }

  /** Cancels the wait, if it isn't too late: true iff nothing happened and nothing will. */
  interrupt(_error: Abort): boolean {
    return this.leave();
  }

  [Symbol.iterator](): Iterator<never, T, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere(this);
    return this as unknown as Iterator<never, T, unknown>;
  }

  /** The iterator's `next`: the first starts the operation, those after it are resumptions. */
  next(): IteratorResult<never, T> {
    return this.state === COLD ? this.start() : this.resume();
  }

  /** Whether it could complete at once. One that is going to wait need not give way first. */
  couldComplete(): boolean {
    return true;
  }

  /** Called when it gives way, perhaps for long: a promise, say, is watched from now on. */
  deferred(): void {}

  /**
   * Gives way first if the share of the fiber is used up. A `next` that is written out may have
   * counted `left` down already, below zero, and come here for that reason: then it is below zero
   * here, too.
   */
  start(): IteratorResult<never, T> {
    if (--execution.left < 0 && this.couldComplete()) {
      const fiber = execution.current as FiberSlot;
      if (fiber.usedUp()) return this.giveWay(fiber);
    }
    return this.enter();
  }

  giveWay(fiber: FiberSlot): IteratorResult<never, T> {
    this.deferred();
    this.state = YIELDED;
    this.waiter = fiber;
    const result = this.suspended(fiber);
    fiber.unblock();
    return result;
  }

  enter(): IteratorResult<never, T> {
    const fiber = execution.current as FiberSlot;
    if (fiber.context.error !== undefined) {
      this.state = SPENT;
      this.refused();
      throw fiber.deliver();
    }
    if (begin(this, fiber)) return this.finished();
    // Code of the user's that ran meanwhile, a guard say, may have aborted the fiber.
    const { error } = fiber.context;
    if (error !== undefined && this.interrupt(error)) throw fiber.deliver();
    return this.suspended(fiber);
  }

  resume(): IteratorResult<never, T> {
    if (this.state === YIELDED) {
      this.value = undefined; // it was the effect, itself
      execution.left--;
      return this.enter();
    }
    if (this.state === WAITING && !this.recheck()) {
      const fiber = execution.current as FiberSlot;
      const { error } = fiber.context; // it may have been aborted by what `recheck` has run
      if (error !== undefined && this.interrupt(error)) throw fiber.deliver();
      return this.suspended(fiber);
    }
    return this.finished();
  }

  /** The iterator result that hands this operation to the scheduler. */
  suspended(fiber: FiberSlot): IteratorResult<never, T> {
    if (fiber.pending !== null && fiber.pending !== this) fiber.dropPending();
    fiber.pending = this;
    // Committed while it enlisted: `value` is taken, so the effect needs a result of its own.
    if (this.state !== WAITING && this.state !== YIELDED) {
      return { done: false, value: this as never };
    }
    this.value = this;
    return this as never;
  }

  /** The iterator result that carries what the operation returned. */
  finished(): IteratorResult<never, T> {
    this.value = this.conclude();
    return this as never;
  }

  /** The iterator's `throw`: how the scheduler throws an abort, after it has called `interrupt`. */
  throw(error: unknown): IteratorResult<never, T> {
    if (this.state !== SPENT) this.drop();
    throw error;
  }

  /** The iterator's `return`: somebody drives the generator by hand and gave up. */
  return(value?: unknown): IteratorResult<never, T> {
    this.drop();
    return { done: true, value: value as T };
  }

  /** Withdraws if it still waits: true iff nothing happened and nothing will. */
  leave(): boolean {
    if (this.state === YIELDED) {
      this.state = SPENT;
      this.refused();
      return true;
    }
    if (this.state !== WAITING) return false;
    this.state = SPENT;
    this.withdraw();
    return true;
  }

  /** Nobody will take what it returns: withdraws, or gives back what it was granted. */
  drop(): void {
    if (this.leave() || this.state !== COMMITTED) return;
    this.state = SPENT;
    this.giveBack();
  }

  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const promise = new Promise<T>((resolve, reject) => {
      if (this.state !== COLD) throw usedTwice(this);
      executeAs(null, () => startForPromise(this, resolve, reject));
    });
    return promise.then(fulfilled, rejected);
  }
}

/** `yield*` on an operation that was used already, or outside of our own fibers. */
export function elsewhere<T>(operation: Wait<T>): Iterator<never, T, unknown> {
  if (operation.state !== COLD) throw usedTwice(operation);
  return new ForeignWait(operation);
}

/**
 * An `Abort` in your hands always means you. One that arrives as the outcome of an operation (a
 * promise that was rejected with the reason of somebody's signal, say) is somebody else's. To be
 * called where the outcome is thrown: there an error whose stack leads nowhere gets its stack.
 */
export function asSeenByOthers(error: unknown): unknown {
  return error instanceof Abort ? new FiberAborted(error) : placed(error);
}

/** Gives a flat class the methods of `base` (see the module comment on speed). */
export function inherit(
  derived: { prototype: object },
  base: { prototype: object } = Wait,
): void {
  Object.setPrototypeOf(derived.prototype, base.prototype);
}

export function usedTwice(operation: Effect): TypeError {
  return new TypeError(
    `Cannot wait for ${operation.describe()}: the operation was used already; ` +
      `operations are one-shot, make a new one for each wait`,
  );
}
