/** Waits made of `suspend`, for the tests of cancellation. */
import type { Abort, Awaitable, Result } from "@weft/weft";
import { type FiberContext, suspend } from "@weft/weft/lowlevel";

export type Resume<T> = (result: Result<T>) => void;

/** A wait that can't be cancelled, and the way to end it. */
export function gate<T>(): {
  pass: () => Awaitable<T>;
  resume: Resume<T>;
  context: () => FiberContext;
} {
  let kept: { context: FiberContext; resume: Resume<T> } | undefined;
  return {
    pass: () => suspend<T>((context, resume) => void (kept = { context, resume })),
    resume: (result) => kept!.resume(result),
    context: () => kept!.context,
  };
}

/** A wait that ends with `Abort` when it is cancelled. */
export function cancellable(onCancel: (error: Abort) => unknown = () => {}): Awaitable<never> {
  return suspend<never>((context, resume) =>
    context.setCancelFn((error) => {
      try {
        return onCancel(error);
      } finally {
        resume({ ok: false, error });
      }
    })
  );
}
