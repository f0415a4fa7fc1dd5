/** `Suspend` of Eio: a wait that is cancelled by a function which its implementer provides. */
import { checkFunction, wrongType } from "../internal/check.ts";
import { Abort } from "../operation/errors.ts";
import {
  asSeenByOthers,
  COLD,
  FAILED,
  inherit,
  SPENT,
  type Wait,
  WAITING,
} from "../operation/wait.ts";
import type { Awaitable, Result } from "../operation/types.ts";
import { asCancelFunction, executeAs } from "../trigger/execution.ts";
import { type CancelContext, CLOSED, Context, FiberCore, fiberIdNil } from "../fiber/core/mod.ts";

const ignore = (): void => {};

/** A suspended fiber, as the implementation of an operation sees it. */
export interface FiberContext {
  /** The id of the fiber; `fiberIdNil` for a root. */
  readonly tid: number;
  /** The innermost context of the fiber. */
  readonly cancellationContext: CancelContext;
  /**
   * Sets the function that is called if the context is cancelled, or at once if it is cancelled
   * already. It should make the operation finish quickly, by resuming it with a result or with the
   * error that it is given.
   *
   * It is called at most once, from the fiber that cancels. It must not switch fibers: an attempt
   * throws. What it throws is reported. It is forgotten when the operation finishes. As long as none
   * is set, the wait can't be cancelled.
   *
   * @throws {TypeError} if `f` is not a function
   */
  setCancelFn(f: (error: Abort) => void): void;
  /** The same as setting a function that does nothing: the wait can't be cancelled any more. */
  clearCancelFn(): void;
  /** The `Abort`, if the context is cancelled. */
  getError(): Abort | undefined;
  /** Takes it out of its cancellation context: its cancel function is not called any more. */
  destroy(): void;
}

/** Makes contexts that belong to no fiber. */
export interface FiberContextConstructors {
  /** A root of its own: cancelled only through its `cancellationContext`. */
  makeRoot(): FiberContext;
  /** Makes `instanceof FiberContext` narrow. */
  [Symbol.hasInstance](value: unknown): value is FiberContext;
}

/** One per wait: the context in which it began, and its cancel function. */
class FiberContextCore implements FiberContext {
  #cancelFn: ((error: Abort) => void) | null = null;

  constructor(readonly tid: number, readonly cancellationContext: Context) {}

  static makeRoot(): FiberContext {
    const root = new FiberContextCore(fiberIdNil, new Context(null, null, 0));
    root.cancellationContext.extra.onCancel = new Set([(error) => root.cancelled(error)]);
    return root;
  }

  setCancelFn(f: (error: Abort) => void): void {
    checkFunction("set the cancel function", "f", f);
    this.#cancelFn = f;
    const error = this.getError();
    if (error !== undefined) this.cancelled(error);
  }

  clearCancelFn(): void {
    this.#cancelFn = ignore;
  }

  getError(): Abort | undefined {
    return this.cancellationContext.error;
  }

  destroy(): void {
    this.#cancelFn = null;
    if (this.tid !== fiberIdNil) return; // the context belongs to the fiber, not to this wait alone
    this.cancellationContext.extra.onCancel?.clear();
    this.cancellationContext.flags |= CLOSED;
  }

  /** Calls the cancel function, once: it is replaced before the call. */
  cancelled(error: Abort): void {
    const cancelFn = this.#cancelFn;
    if (cancelFn === null) return;
    this.#cancelFn = ignore;
    asCancelFunction(() => cancelFn(error));
  }

  /** The operation has finished. */
  finished(): void {
    this.#cancelFn = ignore;
  }
}

/** The class of `FiberContext`s, with the way to make one that belongs to no fiber. */
export const FiberContext = FiberContextCore as unknown as FiberContextConstructors;

/** Registers the wait with whoever will call `resume`. */
export type Enter<T> = (context: FiberContext, resume: (result: Result<T>) => void) => void;

interface SuspendWait<T> extends Wait<T> {}

/**
 * A cancellation doesn't end this wait by itself (`interrupt` returns false): it calls the cancel
 * function, which resumes the wait like anybody else. The first `resumeWith` commits.
 */
class SuspendWait<T> {
  declare onEnter: Enter<T>;
  declare context: FiberContextCore | null;

  constructor(enter: Enter<T>) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.onEnter = enter;
    this.context = null;
  }

  /** It always waits. */
  couldComplete(): boolean {
    return false;
  }

  attempt(): boolean {
    return false;
  }

  enlist(): void {
    const { waiter } = this;
    const context = waiter instanceof FiberCore
      ? new FiberContextCore(waiter.id, waiter.context)
      : FiberContextCore.makeRoot() as FiberContextCore;
    this.context = context;
    // Not as code of the fiber, which is suspended from here on.
    executeAs(null, () => this.onEnter(context, (result) => this.resumeWith(result)));
  }

  /** The first call commits; later ones, and those after a cancellation, come too late. */
  resumeWith(result: Result<T>): void {
    if (typeof result?.ok !== "boolean") {
      throw wrongType("resume the fiber", "expected a Result", result);
    }
    if (this.state !== WAITING) return;
    this.context!.finished();
    if (result.ok) this.complete(result.value);
    else this.fail(result.error);
  }

  /** The cancel function decides whether and how the operation finishes. */
  interrupt(error: Abort): boolean {
    if (this.state === WAITING) this.context!.cancelled(error);
    return false;
  }

  /** Somebody who drives the generator by hand, or a foreign scheduler, has given it up. */
  withdraw(): void {
    this.context!.cancelled(new Abort());
  }

  conclude(): T {
    const { state, value, waiter } = this;
    this.state = SPENT;
    if (state !== FAILED) return value as T;
    if (value !== this.context!.getError()) throw asSeenByOthers(value);
    throw waiter instanceof FiberCore ? waiter.deliver() : value;
  }

  describe(): string {
    return "a suspension";
  }
}

inherit(SuspendWait);

/**
 * Suspends the current fiber and calls `enter` with its context and the way to resume it. The
 * first call of `resume` decides; it may come from anywhere, also from within `enter`.
 *
 * Cancellation: with a cancel function set, an abort calls it and it makes the operation finish;
 * with none, this one wait isn't cancellable. What `enter` throws is thrown in the fiber.
 *
 * @throws {TypeError} if `enter` is not a function
 *
 * @example Either it is cancelled, or it completes; never both
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { suspend } from "@weft/weft/lowlevel";
 *
 * const delay = (ms: number) =>
 *   suspend<string>((context, resume) => {
 *     const timer = setTimeout(() => resume({ ok: true, value: "done" }), ms);
 *     context.setCancelFn((error) => {
 *       clearTimeout(timer);
 *       resume({ ok: false, error });
 *     });
 *   });
 * assertEquals(await main(() => delay(1)), "done");
 * ```
 */
export function suspend<T>(enter: Enter<T>): Awaitable<T> {
  checkFunction("suspend", "enter", enter);
  return new SuspendWait(enter);
}
