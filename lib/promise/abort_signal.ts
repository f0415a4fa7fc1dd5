/**
 * From an `AbortSignal` to fibers: as an event, and as a scope that the signal cancels. All waits for
 * one signal share a listener, so that a signal that lives long holds on to none of them.
 */
import { openNursery, type ScopeContext, yieldNow } from "../fiber/core/mod.ts";
import { checkBody, wrongType } from "../internal/check.ts";
import { onAbort } from "../internal/signal_hub.ts";
import type { Event } from "../operation/event_constructors.ts";
import { EventBase, type WaitNode } from "../operation/event.ts";
import type { Wait } from "../operation/wait.ts";
import type { Awaitable, Operation } from "../operation/types.ts";

/** What `abortEvent` makes. */
class AbortEvent extends EventBase<unknown> {
  constructor(readonly signal: AbortSignal) {
    super();
  }

  override attempt(wait: Wait<unknown>): boolean {
    wait.value = this.signal.reason;
    return this.signal.aborted;
  }

  override enlist(node: WaitNode): void {
    node.handle = onAbort(this.signal, (reason) => node.complete(reason));
  }

  describe(): string {
    return "an AbortSignal";
  }
}

/**
 * Happens once the signal is aborted, with its reason. Waits leave no listener behind.
 *
 * @throws {TypeError} if it is not an `AbortSignal`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Channel, main, select } from "@weft/weft";
 * import { abortEvent } from "@weft/weft/promise";
 *
 * const jobs = new Channel<string>();
 * const signal = AbortSignal.abort("no more");
 * const next = await main(() => select({ job: jobs.receiveEvent(), stop: abortEvent(signal) }));
 * assertEquals(next, { kind: "stop", value: "no more" });
 * ```
 */
export function abortEvent(signal: AbortSignal): Event<unknown> {
  checkSignal("make the event", signal);
  return new AbortEvent(signal);
}

/**
 * Runs `body` in a scope that is cancelled when the signal is aborted, with the signal's reason.
 *
 * Suspends. If the signal is aborted, it throws `FiberAborted`, once everything inside has ended. If
 * it is aborted from the start, `body` isn't called. A body that returned before anything was thrown
 * into it was in time. No listener stays behind on the signal.
 *
 * The other way round, `Fiber.signal` and `Scope.signal` are aborted with the fiber or the scope.
 *
 * @throws {FiberAborted} if the signal was aborted
 * @throws {TypeError} if `signal` is not an `AbortSignal`, or `body` not a function or an `async` one
 *
 * @example
 * ```ts
 * import { assertRejects } from "@std/assert";
 * import { FiberAborted, main, sleep } from "@weft/weft";
 * import { withAbortSignal } from "@weft/weft/promise";
 *
 * const signal = AbortSignal.timeout(1);
 * await assertRejects(
 *   async () => void (await main(() => withAbortSignal(signal, () => sleep(60_000)))),
 *   FiberAborted,
 * );
 * ```
 */
export function withAbortSignal<T>(signal: AbortSignal, body: () => Operation<T>): Awaitable<T> {
  checkSignal("run under the signal", signal);
  checkBody("run under the signal", "body", body);
  return openNursery({
    name: "scope with a signal",
    enter: (context) => cancelOn(signal, context),
    body: (context) => context.error === undefined ? body() : yieldNow() as Awaitable<never>,
  });
}

function cancelOn(signal: AbortSignal, context: ScopeContext): void {
  if (signal.aborted) return context.cancel(signal.reason);
  const listener = onAbort(signal, (reason) => context.cancel(reason));
  context.onRelease(() => listener.cancel());
}

function checkSignal(action: string, signal: unknown): void {
  if (signal instanceof AbortSignal) return;
  throw wrongType(action, "signal must be an AbortSignal", signal);
}
