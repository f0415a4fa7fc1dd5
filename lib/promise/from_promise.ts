import { type Context, currentFiberOrNull, OutsideWork } from "../fiber/core/mod.ts";
import { checkLate } from "../fiber/late.ts";
import { isPromiseLike, refuseGenerator, wrongType } from "../internal/check.ts";
import { trap } from "../internal/report.ts";
import { Abort } from "../operation/errors.ts";
import type { Event } from "../operation/event_constructors.ts";
import { type Arm, EventBase } from "../operation/event.ts";
import { COLD, FAILED, inherit, Wait } from "../operation/wait.ts";
import type { SelectWait } from "../operation/select_wait.ts";
import type { Awaitable, Result } from "../operation/types.ts";
import { asCancelFunction } from "../trigger/execution.ts";
import { hubOf, type PromiseHub, type SettleNode } from "./hub.ts";

/** How a wait for a promise treats what comes too late. */
export interface FromPromiseOptions<T> {
  /**
   * Called with a value that came after the wait was cancelled: close it. A plain function, as
   * nobody would wait for it. What it throws is reported.
   */
  onLate?: (value: T) => void;
}

type Source<T> = PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T>);

interface PromiseOperation<T> extends Wait<T> {}

class PromiseOperation<T> implements SettleNode {
  declare source: Source<T>;
  declare onLate: ((value: T) => void) | undefined;
  /** What its function was given a signal of, and the context that it was called in. */
  declare controller: AbortController | null;
  declare context: Context | null;
  declare hub: PromiseHub | null;

  constructor(source: Source<T>, onLate: ((value: T) => void) | undefined) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.source = source;
    this.onLate = onLate;
    this.controller = null;
    this.context = null;
    this.hub = null;
  }

  /** Only a promise that is known to have settled, or what a function makes. */
  couldComplete(): boolean {
    const { source } = this;
    return !isPromiseLike(source) || hubOf(source as PromiseLike<T>).result !== undefined;
  }

  attempt(): boolean {
    this.hub = hubOf(this.promise());
    const { result } = this.hub;
    return result !== undefined && this.settleNow(result as Result<T>);
  }

  promise(): PromiseLike<T> {
    const { source } = this;
    if (typeof source !== "function" || isPromiseLike(source)) return source as PromiseLike<T>;
    this.context = currentFiberOrNull()?.context ?? null;
    this.controller = new AbortController();
    const promise = source(this.controller.signal);
    if (isPromiseLike(promise)) return promise;
    throw wrongType("wait for the promise", "the function must return a promise", promise);
  }

  enlist(): void {
    this.hub!.enlist(this);
  }

  withdraw(): void {
    const { hub, onLate } = this;
    hub!.leave(this);
    if (onLate !== undefined) hub!.enlist(lateNode(onLate));
    this.stop(); // last: its listeners may settle the promise
  }

  /** Tells the work that nobody waits for it. */
  stop(): void {
    const { controller, context } = this;
    if (controller === null) return;
    const reason = context?.error ?? new Abort("the wait for the promise was cancelled");
    asCancelFunction(() => controller.abort(reason));
  }

  /**
   * The promise has settled, but the work may go on. Not before the fiber takes the value: an abort
   * that comes in between may be too late, and then what it gets must not be broken.
   */
  conclude(): T {
    const { context, controller, state, value } = this;
    if (context !== null) {
      const product = state === FAILED ? undefined : value;
      (context.extra.outside ??= new OutsideWork()).add(controller!, product);
    }
    return Wait.prototype.conclude.call(this) as T;
  }

  /**
   * A promise is under way though nobody got to wait for it, and will settle too late. Not so a
   * function that was not called, or a thenable that may start only with its `then`.
   */
  refused(): void {
    const { source, onLate } = this;
    if (!(source instanceof Promise)) return;
    const hub = hubOf(source); // a rejection is considered handled
    if (onLate !== undefined) hub.enlist(lateNode(onLate));
  }

  giveBack(): void {
    const { onLate, value } = this;
    if (onLate !== undefined) tellLate(onLate, value as T);
    else this.stop();
  }

  describe(): string {
    return "a promise";
  }
}

inherit(PromiseOperation);

/** Stays behind to receive what comes too late. */
function lateNode<T>(onLate: (value: T) => void): SettleNode {
  return {
    settled: (result) => {
      if (result.ok) tellLate(onLate, result.value as T);
    },
  };
}

/** Hands over what came too late. Whose wait it was has left: there is nobody to throw anything at. */
export function tellLate<T>(onLate: (value: T) => void, value: T): void {
  trap(() => refuseGenerator("onLate", onLate(value)));
}

/**
 * Waits for a promise: returns its value, or throws what it was rejected with.
 *
 * Suspends. An abort ends the wait at once. A promise can't be cancelled, but a function that
 * makes it can be told: it is called when the wait starts, with a signal of its own. That is aborted
 * when the wait is cancelled, or the innermost context is (or fails), also after the promise has
 * settled: so a response can be stopped whose body comes still. A context that ends well leaves it
 * alone: a response may leave its scope. Outside of fibers (`await`, another library's scheduler)
 * the signal goes with the wait.
 *
 * A rejection that comes after the wait was cancelled is considered handled; for a value see
 * `onLate`. Waiting on one promise many times leaves nothing behind on it, nor does making many
 * calls: of all but the last few calls in a context, a signal lasts as long as somebody has it, or
 * the object that the promise gave.
 *
 * @throws {TypeError} if it is given neither a promise nor a function
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fromPromise, main } from "@weft/weft";
 *
 * const value = await main(function* () {
 *   const text = yield* fromPromise((_signal) => Promise.resolve("text"));
 *   return text.length + (yield* fromPromise(Promise.resolve(38)));
 * });
 * assertEquals(value, 42);
 * ```
 */
export function fromPromise<T>(
  promise: PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T>),
  options?: FromPromiseOptions<T>,
): Awaitable<T> {
  if (typeof promise !== "function" && !isPromiseLike(promise)) {
    throw wrongType(
      "wait for the promise",
      "expected a promise or a function that makes one",
      promise,
    );
  }
  return new PromiseOperation(promise, checkLate("wait for the promise", options));
}

class SettleEvent<T> extends EventBase<T> {
  declare readonly promise: PromiseLike<T>;

  constructor(promise: PromiseLike<T>) {
    super();
    this.promise = promise;
  }

  override attempt(sync: SelectWait<unknown>): boolean {
    const { result } = hubOf(this.promise);
    return result !== undefined && sync.settleNow(result);
  }

  /** A rejection is handled from now on. */
  override deferred(): void {
    hubOf(this.promise);
  }

  override enlist(arm: Arm): void {
    hubOf(this.promise).enlist(arm);
  }

  override withdraw(arm: Arm): void {
    hubOf(this.promise).leave(arm);
  }

  describe(): string {
    return "a promise";
  }
}

/**
 * Happens when the promise settles: with its value, or by throwing what it was rejected with. From
 * the first wait on, a rejection is considered handled.
 *
 * A wait that is cancelled, or chooses something else, takes nothing: the promise keeps its value, for
 * the next wait. So keep the promise, too, if its value has to be closed.
 *
 * A promise that has settled already counts as such from the first microtask after the first wait.
 *
 * @throws {TypeError} if it is not a promise
 */
export function promiseEvent<T>(promise: PromiseLike<T>): Event<T> {
  if (isPromiseLike(promise)) return new SettleEvent(promise);
  throw wrongType("make the event", "expected a promise", promise);
}
