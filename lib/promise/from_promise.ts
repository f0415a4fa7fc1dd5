/**
 * Waiting for a promise. `Settlement` is the rule; `promiseEvent` gives it as it is, and
 * `fromPromise` makes an operation of it.
 *
 * A promise can't be cancelled, so the operation sees to what is left when its wait is over:
 *  - cancelled: a value that comes later goes to `onLate`, and the signal of a call is aborted;
 *  - it could not even begin (`refused`): a promise that is under way goes to `onLate` as well;
 *  - the value came, but nobody could take it (`giveBack`): `onLate`, or else the signal;
 *  - the value was taken (`conclude`): the signal of a call belongs to the context from then on.
 */
import { type Context, currentFiberOrNull, OutsideWork } from "../fiber/core/mod.ts";
import { checkLate } from "../fiber/late.ts";
import { isPromiseLike, refuseGenerator, wrongType } from "../internal/check.ts";
import { trap } from "../internal/report.ts";
import { Abort } from "../operation/errors.ts";
import { EventBase, type WaitNode } from "../operation/event.ts";
import type { Event, OnceEvent, SettleNode } from "../operation/event_constructors.ts";
import { RuleWait } from "../operation/rule_wait.ts";
import type { Awaitable } from "../operation/types.ts";
import { FAILED, type Wait } from "../operation/wait.ts";
import { asCancelFunction } from "../trigger/execution.ts";
import { hubOf } from "./hub.ts";

/** What becomes of a value that comes too late. */
export interface FromPromiseOptions<T> {
  /**
   * Called with a value that came after the wait was cancelled: close it. It must be a plain
   * function, as nobody would wait for it. What it throws is reported.
   */
  onLate?: (value: T) => void;
}

type Source<T> = PromiseLike<T> | ((signal: AbortSignal) => PromiseLike<T>);

/** That a promise settles: one that is there, or that a function makes when it is first tried. */
class Settlement<T> extends EventBase<T> {
  /** If `source` is a function: the signal's controller, and the context in which it was called. */
  controller: AbortController | null = null;
  context: Context | null = null;
  #hub: OnceEvent | null = null;

  constructor(readonly source: Source<T>) {
    super();
  }

  /** @throws {TypeError} if the function returns no promise */
  get hub(): OnceEvent {
    const { source } = this;
    return this.#hub ??= hubOf(isCall(source) ? this.#call(source) : source);
  }

  #call(source: (signal: AbortSignal) => PromiseLike<T>): PromiseLike<T> {
    this.context = currentFiberOrNull()?.context ?? null;
    this.controller = new AbortController();
    const promise = source(this.controller.signal);
    if (isPromiseLike(promise)) return promise;
    throw wrongType("wait for the promise", "the function must return a promise", promise);
  }

  /** A promise that isn't known to have settled is going to wait; a function is yet to be called. */
  override couldComplete(): boolean {
    return isCall(this.source) || this.hub.result !== undefined;
  }

  /** A rejection is handled from now on. */
  override deferred(): void {
    if (!isCall(this.source)) void this.hub;
  }

  override attempt(wait: Wait<unknown>): boolean {
    return this.hub.attempt(wait);
  }

  override enlist(node: WaitNode): void {
    this.hub.enlist(node);
  }

  override withdraw(node: WaitNode): void {
    this.hub.withdraw(node);
  }

  /** Has what comes too late handed to `onLate`, if that is given. A rejection is handled. */
  expectLate(onLate: ((value: T) => void) | undefined): void {
    const { hub } = this;
    if (onLate === undefined) return;
    // Linked by `enlist`: it never leaves.
    hub.enlist({
      settled(result) {
        if (result.ok) tellLate(onLate, result.value as T);
      },
    } as SettleNode);
  }

  /** Tells the work that nobody waits for it. */
  stop(): void {
    const { controller, context } = this;
    if (controller === null) return;
    const reason = context?.error ?? new Abort("the wait for the promise was cancelled");
    asCancelFunction(() => controller.abort(reason));
  }

  describe(): string {
    return "a promise";
  }
}

function isCall<T>(source: Source<T>): source is (signal: AbortSignal) => PromiseLike<T> {
  return typeof source === "function" && !isPromiseLike(source);
}

/** What `fromPromise` makes; see the module comment. */
class PromiseWait<T> extends RuleWait<T> {
  declare rule: Settlement<T>;
  declare onLate: ((value: T) => void) | undefined;

  constructor(source: Source<T>, onLate: ((value: T) => void) | undefined) {
    super(new Settlement(source));
    this.onLate = onLate;
  }

  override withdraw(): void {
    super.withdraw();
    this.rule.expectLate(this.onLate);
    this.rule.stop(); // last, as listeners of the signal may settle the promise
  }

  /**
   * The promise has settled, but the work may go on, and from now on the context may stop it. Not
   * earlier: an abort that comes between the settling and this is too late for the wait, and must not
   * break the value that the fiber gets.
   */
  override conclude(): T {
    const { context, controller } = this.rule;
    if (context !== null) {
      const product = this.state === FAILED ? undefined : this.value;
      (context.extra.outside ??= new OutsideWork()).add(controller!, product);
    }
    return super.conclude();
  }

  /**
   * The wait never began, but the promise is under way and will settle too late. That isn't so for a
   * function, which was not called, and for a thenable, which may start only when `then` is called.
   */
  override refused(): void {
    if (this.rule.source instanceof Promise) this.rule.expectLate(this.onLate);
  }

  override giveBack(): void {
    const { onLate, value } = this;
    if (onLate !== undefined) tellLate(onLate, value as T);
    else this.rule.stop();
  }
}

/**
 * Hands over a value that came too late. Whoever waited has left, so what `onLate` throws is
 * reported.
 */
export function tellLate<T>(onLate: (value: T) => void, value: T): void {
  trap(() => refuseGenerator("onLate", onLate(value)));
}

/**
 * Waits for a promise: returns its value, or throws what it was rejected with.
 *
 * Suspends. An abort ends the wait at once. A promise can't be cancelled, but a function that makes
 * one can be told: it is called when the wait starts, with a signal of its own. The signal is aborted
 * when the wait is cancelled, and when the innermost context is cancelled or fails. That holds also
 * after the promise has settled: a response is stopped while its body is still coming. A context that
 * ends well leaves the signal alone, so a response may leave its scope. Outside of fibers (`await`,
 * another library's scheduler) the signal is aborted only if the wait is cancelled.
 *
 * A rejection that comes after the wait was cancelled is considered handled; for a value see
 * `onLate`. Waiting on one promise many times leaves nothing behind on it, and neither does making
 * many calls: the context holds the signals of its last few calls, and older ones last as long as
 * somebody holds the signal, or the object that the promise gave.
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
  return new PromiseWait(promise, checkLate("wait for the promise", options));
}

/**
 * Happens when the promise settles: with its value, or by throwing what it was rejected with. From
 * the first wait on, a rejection is considered handled.
 *
 * A wait that is cancelled, or chooses something else, takes nothing: the promise keeps its value for
 * the next wait. So if the value has to be closed, keep the promise.
 *
 * A promise that has settled already counts as such from the first microtask after the first wait.
 *
 * @throws {TypeError} if it is not a promise
 */
export function promiseEvent<T>(promise: PromiseLike<T>): Event<T> {
  if (isPromiseLike(promise)) return new Settlement(promise);
  throw wrongType("make the event", "expected a promise", promise);
}
