/**
 * Where an error comes from. An error that is made by the loop, a `Timeout` say, has only the loop
 * in its stack. Taking a stack where the deadline is set, in case it strikes, would cost five times
 * as much as setting it. So the stack is taken where the error is first thrown into the user's
 * code: at the `yield*` of the `withTimeout`, `select` or `all` that throws it.
 */
const placeless: WeakSet<Error> = new WeakSet();

/** Says that the stack of `error` leads nowhere. */
export function withoutPlace<E extends Error>(error: E): E {
  placeless.add(error);
  return error;
}

/**
 * To be called where `error` is thrown into the user's code. If its stack leads nowhere, it is
 * replaced with the stack here, without `outermost` and the calls below it.
 */
export function placed(error: unknown, outermost?: (argument: never) => unknown): unknown {
  if (placeless.delete(error as Error)) Error.captureStackTrace?.(error as Error, outermost);
  return error;
}
