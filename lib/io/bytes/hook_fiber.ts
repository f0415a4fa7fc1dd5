/**
 * The fibers in which hooks run that users give to streams, as those may be operations. Such a fiber
 * is spawned in the scope of the fiber that waits for the stream, and so never outlives it. For those
 * who wait with `await`, or under another library's scheduler, it is a `main` of its own.
 */
import { isOperation, refusePromise } from "../../internal/check.ts";
import { currentFiberOrNull, FiberCore, main, spawnIn } from "../../fiber/core/mod.ts";
import { FiberAborted } from "../../operation/errors.ts";
import type { Waiter } from "../../operation/wait.ts";
import type { Awaitable, CancelHandle, Operation, Result } from "../../operation/types.ts";

/** How it ended: with its hook's result, or because it was aborted. */
export type HookEnd<T> = Result<T> | "aborted";

/** What a hook returns. */
export type HookResult<T> = T | Operation<T>;

/** What it does, and for whom. */
export interface HookFiberOptions<T> {
  /** For people: what a `Deadlock` calls it. */
  readonly name: string;
  /** Whom it works for; `null`: somebody who is no fiber of ours. */
  readonly fiber: FiberCore<unknown> | null;
  readonly hook: () => HookResult<T>;
  /** Called once, when it has ended. */
  readonly onEnd: (end: HookEnd<T>) => void;
  /** Whether aborts of the fiber reach it. Default true. */
  readonly abortable?: boolean;
}

/** The fiber that waits, if it is one of ours. */
export function fiberOf(waiter: Waiter | null): FiberCore<unknown> | null {
  return waiter instanceof FiberCore ? waiter : null;
}

/** The fiber whose step runs, if there is one. */
export function fiberNow(): FiberCore<unknown> | null {
  return currentFiberOrNull();
}

/**
 * Runs the hook in a fiber of its own, soon. To cancel is to abort that; it has ended when it calls
 * back. A hook that aborts itself has failed.
 */
export function startHookFiber<T>(options: HookFiberOptions<T>): CancelHandle {
  const { fiber, name, onEnd } = options;
  let cancelled = false;
  const body = () => runHook(name, options.hook);
  if (fiber === null) {
    const handle = main(body, { name });
    handle.then(
      (value) => onEnd({ ok: true, value }),
      (error) => onEnd(cancelled && error instanceof FiberAborted ? "aborted" : failed(error)),
    );
    return {
      cancel() {
        cancelled = true;
        void handle.abort(NOBODY);
      },
    };
  }
  const { context } = fiber;
  const hookFiber = spawnIn(fiber.scheduler, context, fiber, body, {
    name,
    propagateCancelToParent: false,
  }) as FiberCore<T>;
  if (options.abortable === false) hookFiber.shield();
  hookFiber.onResult((result) => {
    // Without an `error` nobody has aborted it but the hook itself.
    const aborted = hookFiber.wasAborted && hookFiber.error !== undefined;
    onEnd(aborted && (cancelled || context.error !== undefined) ? "aborted" : result);
  });
  return {
    cancel() {
      cancelled = true;
      hookFiber.abort(NOBODY);
    },
  };
}

const NOBODY = "nobody waits for it any more";

function failed(error: unknown): { ok: false; error: unknown } {
  return { ok: false, error };
}

function* runHook<T>(name: string, hook: () => HookResult<T>): Generator<never, T, unknown> {
  const result = hook();
  if (isOperation(result)) return yield* result as unknown as Awaitable<T>;
  refusePromise(`the hook of the ${name}`, result); // nothing could stop it: bytes would come twice
  return result as T;
}
