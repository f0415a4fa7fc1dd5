/**
 * What fibers are called. A fiber without a name is called like its generator function.
 *
 * Asking a function what it is and how it is called takes a tenth of a spawn and a join. In a crowd of
 * fibers most run the same function, so the last one that was asked is remembered, with its name:
 * until the end of the batch, or, under a scheduler without batches, until another one is asked.
 *
 * A label may also be a function that gives the name (of `map`, say), which is asked only when
 * somebody wants it. When the fiber ends it may keep the name alone: whoever keeps the fiber for its
 * result must not keep alive what the function has closed over.
 */

/** A name, or what gives it. */
export type Label = string | ((...args: never) => unknown) | Numbered;

/** The name of one of many: put together only when somebody asks. */
export interface Numbered {
  readonly base: string;
  readonly index: number;
}

/** The name, or "" if there is none. A function's `name` may be of any type, or throw when read. */
export function nameOf(label: Label | undefined): string {
  try {
    if (typeof label === "object") return label.base && `${label.base} ${label.index}`;
    const name: unknown = typeof label === "function" ? label.name : label;
    return typeof name === "string" ? name : "";
  } catch {
    return "";
  }
}

/** In the place of a function. */
const nobody = Symbol("nobody");
let spawned: unknown = nobody;
let nameOfSpawned: string | undefined;

/** What a fiber is called that runs `body` and was given no name: `undefined`, nothing in particular. */
export function nameOfBody(body: () => unknown): string | undefined {
  if (body === spawned) return nameOfSpawned;
  if (!isGeneratorFunction(body)) return undefined;
  spawned = body;
  return nameOfSpawned = nameOf(body);
}

/** Whether `body` is the generator function that was spawned last, and need not be looked at. */
export function isSpawnedAgain(body: unknown): boolean {
  return body === spawned;
}

function isGeneratorFunction(body: () => unknown): boolean {
  return (body as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag] === "GeneratorFunction";
}

let asked: Label | null = null;
let answer = "";

/** The same, for a fiber that ends; fast if the one before it ran the same function. */
export function nameOfEnded(label: Label): string {
  if (label !== asked) {
    asked = label;
    answer = nameOf(label);
  }
  return answer;
}

/** Forgets the functions that were asked last, so that they aren't kept alive. */
export function forgetFunctions(): void {
  asked = null;
  spawned = nobody;
}
