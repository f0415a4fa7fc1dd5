/**
 * The last place an error can go: what nobody can catch is handed to the uncaught handler, so that
 * nothing is swallowed. Realm-wide, because an error may surface with no scheduler at hand.
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

/** Hands `error` to the uncaught handler. Never throws into its caller. */
export function reportUncaught(error: unknown): void {
  if (handler === undefined) return reportToPlatform(error);
  try {
    handler(error);
  } catch (raised) {
    reportToPlatform(raised);
  }
}

/**
 * Hands over an error that the program survives: without a handler it is printed. For what went
 * wrong in another thread.
 */
export function reportSurvived(error: unknown): void {
  if (handler === undefined) console.error(error);
  else reportUncaught(error);
}

/** Calls what must not fail, such as a clean-up hook of the user's: what it throws is reported. */
export function trap(f: () => void): void {
  try {
    f();
  } catch (error) {
    reportUncaught(error);
  }
}

/** Always from a task of its own: `reportError` may end the process in the middle of a commit. */
function reportToPlatform(error: unknown): void {
  queueMicrotask(() => {
    const { reportError } = globalThis as { reportError?: (error: unknown) => void };
    if (reportError === undefined) throw error;
    reportError(error);
  });
}
