/**
 * What fibers are called. A fiber without a name has that of its generator function; it keeps the
 * function itself, which its generator holds anyway, and asks it only when somebody wants to know.
 *
 * When the fiber ends, the name alone must stay: whoever keeps the fiber for its result must not
 * keep alive what its body has closed over. But to ask a function for its name takes a tenth of a
 * spawn and a join. So the last one that was asked is remembered until the end of the batch (under a
 * scheduler that runs none, until another is asked): in a crowd of fibers most run the same function.
 */

/** A name, or what it is made of. */
export type Label = string | ((...args: never) => unknown) | Numbered;

/** The name of one of many: put together only when somebody asks. */
export interface Numbered {
  readonly base: string;
  readonly index: number;
}

/** The name, or "" if there is none: the name of a function may be anything, by its owner's doing. */
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

/** The same, for the fibers that end. */
export function nameOfEnded(label: Label): string {
  if (label !== asked) {
    asked = label;
    answer = nameOf(label);
  }
  return answer;
}

/** Keeps no function alive. */
export function forgetFunctions(): void {
  asked = null;
}
