/**
 * Where an error comes from. One that is made by the loop, a `Timeout` say, has only the loop in its
 * stack. To take a stack where the deadline is set, in case it strikes, would cost five times as
 * much as setting it. So it is taken where the error is first thrown into code of the user's: at the
 * `yield*` of the very `withTimeout`, `select` or `all` that is about to throw it.
 */
const placeless: WeakSet<Error> = new WeakSet();

/** Says that the stack of `error` leads nowhere. */
export function withoutPlace<E extends Error>(error: E): E {
  placeless.add(error);
  return error;
}

/**
 * To be called where `error` is thrown into code of the user's: if its stack leads nowhere, it is
 * that of the caller from now on, less what `outermost` and those that it has called add to it.
 */
export function placed(error: unknown, outermost?: (argument: never) => unknown): unknown {
  if (placeless.delete(error as Error)) Error.captureStackTrace?.(error as Error, outermost);
  return error;
}
