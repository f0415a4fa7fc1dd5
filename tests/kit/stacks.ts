/** Where in a test something was called, as stacks tell it. */
import type { Operation } from "@weft/weft";

/** The lines of the module at `url` that `error` leads to, innermost first. */
export function linesHere(url: string, error: Error): number[] {
  const lines = error.stack!.split("\n").filter((line) => line.includes(url));
  return lines.map((line) => Number(/:(\d+):\d+\)?$/.exec(line)![1]));
}

/** The line of the module at `url` from which this is called. */
export function lineHere(url: string): number {
  return linesHere(url, new Error())[0]!;
}

/** What `operation` throws. */
export function* thrownBy(operation: () => Operation<unknown>): Operation<Error> {
  try {
    yield* operation();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it threw nothing");
}
