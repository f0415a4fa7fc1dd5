/**
 * Calls a function of the user's on behalf of the other side: a task in a thread, or one of main's
 * functions that a thread calls. It may be plain, async, or a generator function, which is a fiber.
 */
import { type Main, main } from "../../fiber/mod.ts";
import { isPromiseLike } from "../../internal/check.ts";
import type { Operation } from "../../operation/types.ts";

/**
 * Calls `f`, then `done` or `failed` with what comes of it: within this call if `f` is plain, else
 * when it has ended. Returns the fiber, named `name`, if there is one.
 */
export function perform(
  f: () => unknown,
  name: string,
  done: (value: unknown) => void,
  failed: (error: unknown) => void,
): Main<unknown> | undefined {
  let returned: unknown;
  try {
    returned = f();
    if (isOperation(returned)) {
      const operation = returned;
      const running = main(() => operation, { name });
      running.then(done, failed);
      return running;
    }
    if (isPromiseLike(returned)) {
      Promise.resolve(returned).then(done, failed);
      return;
    }
  } catch (error) {
    failed(error);
    return;
  }
  done(returned);
}

/**
 * Whether a function returned something that is to be performed: it was a generator function, say.
 */
function isOperation(value: unknown): value is Operation<unknown> {
  if (Object.prototype.toString.call(value) === "[object Generator]") return true;
  return isPromiseLike(value) && Symbol.iterator in value; // an Awaitable
}
