import { show } from "../internal/check.ts";
import { SharedChannel } from "./shared_channel.ts";
import { SharedTrigger } from "./shared_trigger.ts";

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
