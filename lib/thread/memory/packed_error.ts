/**
 * Errors between threads: class name, message, both stacks, cause, and own enumerable fields.
 *
 * An error is taken apart into plain data, so that it travels as everything else does, and put
 * together again as an instance of the same class, if that is JavaScript's or Weft's. The other end
 * doesn't know a class of the user's: there the error is of the nearest class that it extends, and
 * has its name. A thrown value that is no error travels as it is.
 */
import { show } from "../../internal/check.ts";
import { Abort, Deadlock, FiberAborted, Timeout } from "../../operation/errors.ts";
import { ChannelClosedError } from "../../channel/mod.ts";
import { Inactive } from "../../trigger/inactive.ts";
import { PoolClosedError, ThreadCrashedError } from "./errors.ts";

/** An error, taken apart; or any other value that was thrown. */
export type Packed =
  | { readonly kind: "value"; readonly value: unknown }
  /** An error that came before, by its number from the outside in: errors may cause each other. */
  | { readonly kind: "again"; readonly index: number }
  | {
    readonly kind: "error";
    /** The nearest class that both ends know. */
    readonly base: string;
    readonly className: string;
    readonly name: string;
    readonly message: string;
    readonly stack: string | null;
    readonly fields: readonly (readonly [string, Packed])[];
    readonly cause: Packed | null;
    readonly errors: readonly Packed[] | null;
  };

/** How deep errors may be within errors. */
const DEEPEST = 100;
const TOO_DEEP: Packed = { kind: "value", value: "…" };

/** The classes that both ends know. */
const CLASSES: Record<string, { readonly prototype: Error }> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
  DOMException,
  Abort,
  ChannelClosedError,
  Deadlock,
  FiberAborted,
  Inactive,
  PoolClosedError,
  ThreadCrashedError,
  Timeout,
  ...(globalThis.SuppressedError === undefined ? {} : { SuppressedError }),
};
const names: Map<object, string> = new Map(
  Object.entries(CLASSES).map(([name, { prototype }]) => [prototype, name]),
);

/** The errors that were met so far, each with its number. */
type Seen = Map<object, number>;

/** Never throws, whatever was thrown. */
export function pack(thrown: unknown): Packed {
  try {
    return packWithin(thrown, new Map(), DEEPEST);
  } catch { // a proxy, or a getter that throws
    return { kind: "value", value: show(thrown) };
  }
}

function packWithin(thrown: unknown, seen: Seen, depth: number): Packed {
  if (!isError(thrown)) return { kind: "value", value: cloneable(thrown) };
  const index = seen.get(thrown);
  if (index !== undefined) return { kind: "again", index };
  if (depth === 0) return TOO_DEEP;
  seen.set(thrown, seen.size);
  const inner = (value: unknown) => packWithin(value, seen, depth - 1);
  const base = baseOf(thrown);
  const className = classNameOf(thrown) ?? base;
  const errors = read(thrown, "errors");
  return {
    kind: "error",
    base,
    className,
    name: textOf(thrown, "name") ?? className,
    message: textOf(thrown, "message") ?? "(its message could not be read)",
    stack: stackOf(thrown),
    cause: "cause" in thrown ? inner(read(thrown, "cause")) : null,
    errors: Array.isArray(errors) ? errors.map(inner) : null,
    fields: [...Object.keys(thrown), ...hiddenFields(base)].filter((key) => !APART.has(key))
      .map((key) => [key, inner(read(thrown, key))]),
  };
}

function isError(thrown: unknown): thrown is Error {
  try {
    return thrown instanceof Error;
  } catch { // a proxy
    return false;
  }
}

/**
 * The fields of a built-in error that aren't enumerable, besides those that every error may have.
 */
function hiddenFields(base: string): readonly string[] {
  return base === "SuppressedError" ? ["error", "suppressed"] : [];
}

function classNameOf(error: Error): string | undefined {
  const constructor = read(error, "constructor");
  return typeof constructor === "function" ? textOf(constructor, "name") : undefined;
}

/** A field as text; `undefined` if its getter throws. */
function textOf(object: object, key: string): string | undefined {
  try {
    return String((object as Record<string, unknown>)[key]);
  } catch {
    return undefined;
  }
}

function stackOf(error: Error): string | null {
  try {
    return typeof error.stack === "string" ? error.stack : null;
  } catch {
    return null;
  }
}

/** What travels on its own, rather than among the fields. */
const APART: ReadonlySet<string> = new Set(["name", "message", "stack", "cause", "errors"]);

function baseOf(error: Error): string {
  for (let at: object | null = error; at !== null; at = Object.getPrototypeOf(at)) {
    const name = names.get(at);
    if (name !== undefined) return name;
  }
  return "Error";
}

function read(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch (error) {
    return `(could not be read: ${show(error)})`;
  }
}

/**
 * A copy, whose getters have become values, as they could throw when it is sent; or a text that
 * shows it, if it can't be copied to another thread.
 */
function cloneable(value: unknown): unknown {
  try {
    return structuredClone(value);
  } catch {
    return show(value);
  }
}

/** `thread` says where it was thrown. */
export function unpack(packed: Packed, thread: string): unknown {
  return unpackWithin(packed, thread, []);
}

function unpackWithin(packed: Packed, thread: string, made: Error[]): unknown {
  if (packed.kind === "value") return packed.value;
  if (packed.kind === "again") return made[packed.index];
  const error = emptyError(packed);
  made.push(error);
  const inner = (part: Packed) => unpackWithin(part, thread, made);
  if (packed.cause !== null) define(error, "cause", inner(packed.cause));
  if (packed.errors !== null) define(error, "errors", packed.errors.map(inner));
  const hidden = hiddenFields(packed.base);
  for (const [key, value] of packed.fields) {
    define(error, key, inner(value), !hidden.includes(key));
  }
  const stack = packed.stack ?? `${packed.name}: ${packed.message}`;
  define(error, "stack", `${stack}\n    in ${thread}`);
  remote.add(error);
  return error;
}

/** An instance of its class, with its name and message. */
function emptyError({ base, className, name, message }: Packed & { kind: "error" }): Error {
  if (base === "DOMException") return new DOMException(message, name);
  const { prototype } = Object.hasOwn(CLASSES, base) ? CLASSES[base]! : Error;
  // Not by its constructor: each class has other parameters, and some make up their message.
  const error = new Error(message);
  Object.setPrototypeOf(error, prototype);
  // A class of the user's often leaves `name` as the class that it extends has it.
  const shown = className !== base && className !== "" && name === prototype.name
    ? className
    : name;
  if (error.name !== shown) define(error, "name", shown);
  return error;
}

function define(error: Error, key: string, value: unknown, enumerable = false): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable });
}

/** Errors that came from another thread and don't yet show who waited for them. */
const remote: WeakSet<object> = new WeakSet();

/** Where Weft's own files are: their frames tell users nothing. */
const LIBRARY = new URL("../../", import.meta.url).href;

/**
 * Adds the stack of this side, once: that of `here`, an error made where the user called, or the
 * one that there is now, if the error is about to be thrown in the user's fiber.
 */
export function addOwnStack(error: unknown, here: Error = new Error()): void {
  if (error instanceof Error && remote.delete(error)) addStackOf(here, error);
}

/** Adds to the stack of `error`, made where users don't look, that of `here`, where they called. */
export function addStackOf(here: Error, error: Error): void {
  const frames = here.stack?.split("\n").slice(1).filter(isOfUser) ?? [];
  if (frames.length === 0) return;
  define(error, "stack", `${error.stack}\nwaited for here:\n${frames.join("\n")}`);
}

function isOfUser(frame: string): boolean {
  return !/\b(?:ext|node):/.test(frame) && !frame.includes(LIBRARY) &&
    !frame.endsWith("(<anonymous>)");
}
