/**
 * The last place an error can go: what nobody can catch is handed to the uncaught handler, so that
 * nothing is swallowed. There is one handler per realm, because an error may surface where no
 * scheduler is at hand.
 */

/** Receives an error that nobody observed. It should not throw. */
export type UncaughtHandler = (error: unknown) => void;

let handler: UncaughtHandler | undefined;

/**
 * Replaces the uncaught handler and returns the one before; `undefined` restores the default, the
 * platform's `reportError`, which ends a Deno process the way an unhandled rejection does.
 *
 * @throws {TypeError} if `next` is neither a function nor `undefined`
 */
export function setUncaughtHandler(next: UncaughtHandler | undefined): UncaughtHandler | undefined {
  if (next !== undefined && typeof next !== "function") {
    throw new TypeError("Cannot set the uncaught handler: it must be a function or undefined");
  }
  const previous = handler;
  handler = next;
  return previous;
}

/**
 * Hands `error` to the uncaught handler. Never throws into its caller. Where no handler is set,
 * `otherwise` is called: by default the platform's `reportError`, which may end the process.
 */
export function reportUncaught(
  error: unknown,
  otherwise: UncaughtHandler = reportToPlatform,
): void {
  if (handler === undefined) return otherwise(error);
  try {
    handler(error);
  } catch (raised) {
    reportToPlatform(raised);
  }
}

/** Calls what must not fail, such as a clean-up hook of the user's: what it throws is reported. */
export function trap(f: () => void): void {
  try {
    f();
  } catch (error) {
    reportUncaught(error);
  }
}

/** In a microtask, as `reportError` may end the process: not in the middle of a commit. */
function reportToPlatform(error: unknown): void {
  queueMicrotask(() => {
    const { reportError } = globalThis as { reportError?: (error: unknown) => void };
    if (reportError === undefined) throw error;
    reportError(error);
  });
}
