/**
 * What can't be sent to another thread, and the errors that say so: of a call, one of whose
 * arguments can't be cloned, and of a result that can't be cloned.
 */
import { show } from "../../internal/check.ts";
import { SharedChannel, SharedTrigger } from "../shared/mod.ts";

/**
 * A shared channel or trigger would arrive in another thread as an object that can do nothing.
 *
 * @throws {TypeError} if one of `values` is a shared channel or trigger, in the place of its handle
 */
export function checkPostable(values: readonly unknown[]): void {
  for (const value of values) {
    if (!(value instanceof SharedChannel || value instanceof SharedTrigger)) continue;
    const name = value instanceof SharedChannel ? "SharedChannel" : "SharedTrigger";
    throw new TypeError(
      `Cannot send ${show(value)} to another thread: send its handle, and use ` +
        `${name}.from(handle) there`,
    );
  }
}

/** The error of a call, one of whose arguments can't be cloned. */
export function argumentNotCloned(
  action: string,
  args: readonly unknown[],
  cause: unknown,
): TypeError {
  const reason = reasonOf(cause);
  // By its reason: an argument that is to be moved can't be cloned either, but for another one.
  const index = args.findIndex((value) => reasonNotCloned(value) === reason);
  const which = index < 0 ? "an argument" : `argument ${index + 1}`;
  return new TypeError(`Cannot ${action}: ${which} could not be cloned: ${reason}`, { cause });
}

/** The error of a result that can't be cloned. */
export function resultNotCloned(action: string, value: unknown, cause: unknown): TypeError {
  const reason = reasonOf(cause);
  return new TypeError(`Cannot ${action}: ${show(value)} could not be cloned: ${reason}`, {
    cause,
  });
}

function reasonNotCloned(value: unknown): string | undefined {
  try {
    structuredClone(value);
    return undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

/**
 * The message of what `structuredClone` threw, which may be anything, from a getter of the user's.
 */
function reasonOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error).replace(/\.$/, "");
  } catch {
    return show(error);
  }
}
