/** Nurseries that run one body: scopes of several kinds, each a few lines over `nursery.ts`. */
import { checkBody, checkDuration, checkFunction } from "../internal/check.ts";
import { Timeout } from "../operation/errors.ts";
import { withoutPlace } from "../operation/place.ts";
import type { Awaitable, Operation, Option } from "../operation/types.ts";
import {
  type CancelContext,
  type Context,
  currentFiber,
  failDeadline,
  GeneratorOperation,
  openNursery,
  runBody,
  type Scope,
} from "./core/mod.ts";
import { loopNow } from "./time.ts";

/**
 * A nursery: runs `body`, waits for everything that was spawned inside, runs the release hooks,
 * and returns what `body` returned.
 *
 * Suspends. A failure inside, of the body or of a fiber, aborts the rest and is thrown here, where
 * a `try` catches it: the fiber around is spared. Cancelled from inside (`scope.cancel`), it
 * throws `FiberAborted`; aborted from outside, `Abort`.
 *
 * @throws {TypeError} if `body` is not a function, or an `async` one
 * @throws {Inactive} when used under another library's scheduler
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { run, scope, yieldNow } from "@weft/weft";
 *
 * const log: string[] = [];
 * function* worker(name: string) {
 *   yield* yieldNow();
 *   log.push(name);
 * }
 * const result = run(() =>
 *   scope(function* (s) {
 *     s.onRelease(() => void log.push("released"));
 *     s.spawn(() => worker("a"));
 *     s.spawn(() => worker("b"));
 *     return "body";
 *   })
 * );
 * assertEquals(result, { ok: true, value: "body" });
 * assertEquals(log, ["a", "b", "released"]);
 * ```
 */
export function scope<T>(body: (scope: Scope) => Operation<T>): Awaitable<T> {
  checkBody("open a scope", "body", body);
  return openNursery({ name: "scope", body });
}

/**
 * A nursery that can be cancelled by itself: `context.cancel(reason)` ends just this part, which
 * then returns `undefined` in the place of `{ value }`.
 *
 * Suspends. An abort of the fiber goes through; failures are thrown, as from `scope`.
 *
 * @throws {TypeError} if `body` is not a function, or an `async` one
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { cancelScope, Event, run } from "@weft/weft";
 *
 * const result = run(() =>
 *   cancelScope(function* (context) {
 *     context.cancel("enough");
 *     yield* Event.never();
 *   })
 * );
 * assertEquals(result, { ok: true, value: undefined });
 * ```
 */
export function cancelScope<T>(
  body: (context: CancelContext) => Operation<T>,
): Awaitable<Option<T>> {
  checkBody("open a cancel scope", "body", body);
  return openNursery<Option<T>>({
    name: "cancel scope",
    body: (context) => toOption(body(context)),
    cancelled: () => undefined,
  });
}

function* toOption<T>(operation: Operation<T>): Generator<never, Option<T>, unknown> {
  return { value: yield* runBody(operation) };
}

/**
 * Runs `body` out of reach of aborts from outside: its suspensions don't throw `Abort` for them.
 * The abort shows at the first suspension after it.
 *
 * Suspends; may be entered while aborting, which is what it is for. What is spawned inside is
 * protected as well, and waited for.
 *
 * @throws {TypeError} if `body` is not a function, or an `async` one
 */
export function protect<T>(body: () => Operation<T>): Awaitable<T> {
  checkBody("protect", "body", body);
  return openNursery({ name: "protected scope", shield: true, body: () => body() });
}

/**
 * A nursery with a deadline: when `ms` have passed it fails with `Timeout`, which aborts what is
 * inside and is thrown once all of that has ended.
 *
 * Suspends. Zero or less: the deadline has passed at the start, and strikes at the first suspension
 * inside; `Infinity`: none. A body that returned before anything was thrown into it was in time,
 * unless what it spawned was not. Each `Timeout` belongs to its own `withTimeout`: nested ones cannot
 * catch each other's.
 *
 * @throws {Timeout} when the deadline struck
 * @throws {RangeError} if `ms` is `NaN`
 * @throws {TypeError} if `ms` is not a number, or `body` not a function or an `async` one
 */
export function withTimeout<T>(ms: number, body: () => Operation<T>): Awaitable<T> {
  checkDuration("set a timeout", "ms", ms);
  checkBody("set a timeout", "body", body);
  return openNursery({
    name: "scope with a timeout",
    enter: (context) => armDeadline(context, ms),
    body: () => body(),
  });
}

/**
 * Fails the current fiber with `Timeout` after `ms`, unless it ends first: everything in it is
 * aborted. Never suspends. Zero or less: at the next suspension; `Infinity`: never.
 *
 * @throws {Inactive} outside of any fiber
 * @throws {RangeError} if `ms` is `NaN`
 * @throws {TypeError} if `ms` is not a number
 */
export function cancelAfter(ms: number): void {
  checkDuration("set a deadline", "ms", ms);
  armDeadline(currentFiber("set a deadline"), ms);
}

function armDeadline(context: Context, ms: number): void {
  if (ms === Infinity) return;
  if (ms <= 0) return failDeadline(context, deadlinePassed(context, ms));
  const timeout = () => failDeadline(context, withoutPlace(deadlinePassed(context, ms)));
  const { extra } = context;
  const { loop } = context.owner!.scheduler;
  const at = loopNow(loop) + ms;
  if (extra.deadline !== undefined && extra.deadline.at <= at) return; // that one strikes first
  extra.deadline?.timer.cancel();
  extra.deadline = { at, timer: loop.onTimer(ms, { repeat: false }, timeout) };
}

function deadlinePassed(context: Context, ms: number): Timeout {
  return new Timeout(`The deadline of ${ms} ms passed in ${context.owner!.title}`);
}

/**
 * Runs `body`; if the current context is cancelled meanwhile, `callback` is called with the reason,
 * once, at the cancel itself, before the abort is thrown in `body`.
 *
 * Suspends as `body` does; it is no nursery. `callback` may not suspend; what it throws is
 * reported.
 *
 * @throws {TypeError} if one of the two is not a function, or `body` an `async` one
 */
export function withCancelCallback<T>(
  callback: (reason: unknown) => void,
  body: () => Operation<T>,
): Awaitable<T> {
  checkFunction("set a cancel callback", "callback", callback);
  checkBody("set a cancel callback", "body", body);
  return new GeneratorOperation("a cancel callback", runWithCallback<T>, { callback, body });
}

function* runWithCallback<T>(
  { callback, body }: { callback: (reason: unknown) => void; body: () => Operation<T> },
): Generator<never, T, unknown> {
  const fiber = currentFiber("set a cancel callback");
  const { context } = fiber;
  if (context.error !== undefined) throw fiber.deliver();
  const callbacks = (context.extra.onCancel ??= new Set());
  const onCancel = (error: Error) => callback(error.cause);
  callbacks.add(onCancel);
  try {
    return yield* runBody(body());
  } finally {
    callbacks.delete(onCancel);
  }
}
