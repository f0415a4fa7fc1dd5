import { assertInstanceOf } from "@std/assert";
import { Abort, FiberAborted, type Result } from "@weft/weft";

/** The value; an error is thrown as it is, so that a failed assertion in a body fails the test. */
export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw result.error;
  return result.value;
}

/** What it failed with. */
export function errorOf(result: Result<unknown>): unknown {
  if (result.ok) throw new Error(`Expected a failure, got the value ${Deno.inspect(result.value)}`);
  return result.error;
}

/** The reason of the abort that it ended with. */
export function reasonOf(result: Result<unknown>): unknown {
  const error = errorOf(result);
  assertInstanceOf(error, FiberAborted);
  assertInstanceOf(error.cause, Abort);
  return error.cause.cause;
}
