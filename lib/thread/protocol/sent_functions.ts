/**
 * Functions that are sent to threads as their source, and made anew there: so they have nothing of
 * what they captured. Main gives each source a number (`SentFunctions`), and tells the threads; a
 * job names the number (`ReceivedFunctions`).
 */
import { checkFunction } from "../../internal/check.ts";

// deno-lint-ignore no-explicit-any -- nothing is known of it but its text
export type AnyFunction = (...args: any[]) => unknown;

const sources: WeakMap<AnyFunction, string> = new WeakMap();

/**
 * The text of an expression that makes `f` anew.
 *
 * @throws {TypeError} if `f` is not a function, or is one whose source can't be had
 */
export function sourceOf(action: string, argument: string, f: unknown): string {
  checkFunction(action, argument, f);
  let source = sources.get(f as AnyFunction);
  if (source === undefined) {
    source = findSource(action, argument, f as AnyFunction);
    sources.set(f as AnyFunction, source);
  }
  return source;
}

function findSource(action: string, argument: string, f: AnyFunction): string {
  const text = Function.prototype.toString.call(f);
  // A method's text is no expression, unless it stands in an object.
  for (const source of [`(${text})`, `Object.values({ ${text} })[0]`]) {
    if (!text.startsWith("class") && !ACCESSOR.test(text) && makesFunction(source)) return source;
  }
  throw new TypeError(
    `Cannot ${action}: the source of ${argument} can't be had (it is bound, built in, a class, a ` +
      `getter, has a computed name, or uses import.meta or a private name); use a plain function, ` +
      `or a module of tasks`,
  );
}

/** The text of a getter or a setter, but not of a function that is called so. */
const ACCESSOR = /^(?:get|set)\s+[^\s(=]/;

function makesFunction(source: string): boolean {
  try {
    return typeof functionFrom(source) === "function";
  } catch {
    return false;
  }
}

/** The function that `source` makes. */
export function functionFrom(source: string): AnyFunction {
  return new Function(`"use strict"; return ${source}`)();
}

/** `error`, or if it comes of a name that the function had captured, one that says so. */
export function explainCapture(error: unknown): unknown {
  const name = error instanceof ReferenceError && /^(\S+) is not defined$/.exec(error.message)?.[1];
  if (!name) return error;
  return new TypeError(
    `Cannot run the function in a thread: it uses ${name}, which is not defined there; a function ` +
      `that is sent to a thread must be self-contained, so pass what it captured as an argument`,
    { cause: error },
  );
}

/** The functions of a pool, in main: each source has a number, under which the threads know it. */
export class SentFunctions {
  /** By number. Threads that start later begin with these. */
  readonly sources: string[] = [];
  readonly #numbers: Map<string, number> = new Map();

  /** The number of a source. If it is new, `tell` is to tell the running threads. */
  numberOf(source: string, tell: (number: number) => void): number {
    let number = this.#numbers.get(source);
    if (number === undefined) {
      number = this.sources.push(source) - 1;
      this.#numbers.set(source, number);
      tell(number);
    }
    return number;
  }
}

/** The functions of a thread, each made when it is first called. */
export class ReceivedFunctions {
  readonly #sources: string[];
  readonly #made: AnyFunction[] = [];

  constructor(sources: readonly string[]) {
    this.#sources = [...sources];
  }

  define(number: number, source: string): void {
    this.#sources[number] = source;
  }

  /** `listen` waits for messages: a job may come before the message that defines its function. */
  get(number: number, listen: () => void): AnyFunction {
    while (this.#sources[number] === undefined) listen();
    return this.#made[number] ??= functionFrom(this.#sources[number]);
  }
}
