import { show } from "../../internal/check.ts";
import { SharedChannel, SharedTrigger } from "../shared/mod.ts";

/**
 * What belongs to this thread would arrive in another one as an object that can do nothing.
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

/** The error of a call that could not be sent, as one of its arguments can't be copied. */
export function argumentNotCloned(
  action: string,
  args: readonly unknown[],
  cause: unknown,
): TypeError {
  const reason = reasonOf(cause);
  // What is to be moved can't be copied, either, but for another reason.
  const index = args.findIndex((value) => reasonNotCloned(value) === reason);
  const which = index < 0 ? "an argument" : `argument ${index + 1}`;
  return new TypeError(`Cannot ${action}: ${which} could not be cloned: ${reason}`, { cause });
}

/** The error of a result that can't be copied to whom it is for. */
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

/** Never throws, whatever a getter of the user's may have thrown. */
function reasonOf(error: unknown): string {
  try {
    return String(error instanceof Error ? error.message : error).replace(/\.$/, "");
  } catch {
    return show(error);
  }
}
