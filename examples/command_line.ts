/** What the example programs have in common on the command line: how they say that they can't. */

import type { Operation } from "@weft/weft";

/** Ends the process, with one line on stderr. */
export function exitWith(code: number, problem: string): never {
  console.error(problem);
  Deno.exit(code);
}

/** Ends the process with 2, for what the reading of its arguments has thrown: a `TypeError`. */
export function exitWithMistake(error: unknown): never {
  if (!(error instanceof TypeError)) throw error;
  const [problem] = error.message.split(". "); // Node adds advice of its own
  exitWith(2, `${problem}; see --help`);
}

/**
 * The port that a program is given as its one argument, or `otherwise` if there is none. Ends the
 * process with 2 if that is no port.
 */
export function readPort(args: readonly string[], otherwise?: number): number {
  const [text, ...rest] = args;
  if (rest.length > 0) exitWith(2, `Cannot use "${rest.join(" ")}": give a port, and nothing else`);
  if (text === undefined) return otherwise ?? exitWith(2, "Cannot connect: give the server's port");
  const port = /^\d+$/.test(text) ? Number(text) : NaN;
  if (port <= 65_535) return port;
  exitWith(2, `Cannot use port "${text}": give a whole number from 0 to 65535`);
}

const refusals = Object.values(Deno.errors);

/**
 * Runs `body`; where the system refuses what it asks for (a port in use, nobody who listens, no
 * right to write), the process ends with 1 and says that it cannot do `action`. What else fails is
 * a mistake in the program, and shows as one.
 */
export function* orExit<T>(action: string, body: () => Operation<T>): Operation<T> {
  try {
    return yield* body();
  } catch (error) {
    if (!refusals.some((refusal) => error instanceof refusal)) throw error;
    exitWith(1, `Cannot ${action}: ${(error as Error).message}`);
  }
}
