/**
 * What fibers are called. A fiber without a name is called like its generator function. It keeps the
 * function, which its generator holds anyway, and asks for the name only when somebody wants it.
 *
 * When the fiber ends it may keep the name alone: whoever keeps the fiber for its result must not
 * keep alive what the body has closed over. But asking a function for its name takes a tenth of a
 * spawn and a join. In a crowd of fibers most run the same function, so the last one that was asked
 * is remembered, with its name: until the end of the batch, or, under a scheduler without batches,
 * until another one is asked.
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

/** Forgets the function that was asked last, so that it isn't kept alive. */
export function forgetFunctions(): void {
  asked = null;
}
