/**
 * How long the clean-up of an aborted body may take. Clean-up that is protected (a last line, a flush,
 * a close) may depend on somebody who doesn't read, and then an abort would never come to its end. So
 * from the abort on there is a grace period for it. Then whatever it waits for is closed under it, and
 * what it throws because of that is not a failure.
 */
import type { FiberCore } from "../../fiber/core/mod.ts";
import type { CancelHandle } from "../../operation/types.ts";

/** The grace period. Others who wait for the other side to be done wait as long. */
export const CLEANUP_GRACE_MS = 1000;

/** Calls `giveUp` the grace period after what `fiber` does now was aborted, unless that is cancelled. */
export function limitCleanup(fiber: FiberCore<unknown>, giveUp: () => void): CancelHandle {
  const { context, scheduler } = fiber;
  const callbacks = (context.extra.onCancel ??= new Set());
  let timer: CancelHandle | undefined;
  const onCancel = () => {
    timer = scheduler.loop.onTimer(CLEANUP_GRACE_MS, { repeat: false }, giveUp);
  };
  if (context.error === undefined) callbacks.add(onCancel);
  else onCancel();
  return {
    cancel() {
      callbacks.delete(onCancel);
      timer?.cancel();
    },
  };
}

/**
 * What a scope threw, without those failures that `isCaused`: `null` if nothing is left of it.
 */
export function failureWithout(
  isCaused: (error: unknown) => boolean,
  error: unknown,
): { readonly error: unknown } | null {
  if (isCaused(error)) return null;
  if (!(error instanceof AggregateError)) return { error };
  const rest = error.errors.filter((error) => !isCaused(error));
  if (rest.length === error.errors.length) return { error };
  if (rest.length <= 1) return rest.length === 0 ? null : { error: rest[0] };
  return { error: new AggregateError(rest, error.message, { cause: error.cause }) };
}
