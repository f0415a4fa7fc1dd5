/**
 * Errors between threads: class name, message, both stacks, cause, and own enumerable fields.
 *
 * An error is taken apart into plain data, so that it travels as everything else does, and put
 * together again as an instance of the same built-in class; a class of the user's isn't known at
 * the other end, where its name is. What is thrown but no error travels as the value it is.
 */
import { show } from "../internal/check.ts";
import { Abort, Deadlock, FiberAborted, Timeout } from "../operation/errors.ts";
import { ChannelClosedError } from "../channel/error.ts";
import { Inactive } from "../trigger/inactive.ts";
import { PoolClosedError, ThreadCrashedError } from "./errors.ts";
import { isPlain } from "./values.ts";

/** An error, taken apart; or any other value that was thrown. */
export type Packed =
  | { readonly kind: "value"; readonly value: unknown }
  | {
    readonly kind: "error";
    readonly className: string;
    readonly name: string;
    readonly message: string;
    readonly stack: string | null;
    readonly fields: readonly (readonly [string, Packed])[];
    readonly cause: Packed | null;
    readonly errors: readonly Packed[] | null;
  };

/** How long a chain of causes may be: it may be a circle. */
const DEEPEST = 20;

/** Those that are the same class at the other end. */
const CLASSES: Record<string, { readonly prototype: Error }> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
  AggregateError,
  Abort,
  ChannelClosedError,
  Deadlock,
  FiberAborted,
  Inactive,
  PoolClosedError,
  ThreadCrashedError,
  Timeout,
};

export function pack(thrown: unknown, depth = DEEPEST): Packed {
  if (!(thrown instanceof Error)) return { kind: "value", value: cloneable(thrown) };
  const fields: [string, Packed][] = [];
  for (const key of Object.keys(thrown)) {
    if (key !== "name" && key !== "message" && key !== "stack") fields.push([key, field(key)]);
  }
  const { cause, errors } = thrown as { cause?: unknown; errors?: unknown };
  return {
    kind: "error",
    className: classOf(thrown),
    name: String(thrown.name),
    message: String(thrown.message),
    stack: typeof thrown.stack === "string" ? thrown.stack : null,
    fields: fields.filter(([key]) => key !== "cause" && key !== "errors"),
    cause: "cause" in thrown && depth > 0 ? pack(cause, depth - 1) : null,
    errors: Array.isArray(errors) && depth > 0 ? errors.map((e) => pack(e, depth - 1)) : null,
  };

  function field(key: string): Packed {
    if (depth === 0) return { kind: "value", value: "…" };
    return pack(read(thrown as Error, key), depth - 1);
  }
}

/** The name of its class: the nearest that the other end knows, if it is one of those. */
function classOf(error: Error): string {
  const { name } = error.constructor ?? Error;
  return typeof name === "string" && name !== "" ? name : "Error";
}

function read(object: object, key: string): unknown {
  try {
    return (object as Record<string, unknown>)[key];
  } catch (error) {
    return `(could not be read: ${show(error)})`;
  }
}

/** Itself, or what it looks like if it can't be copied to another thread. */
function cloneable(value: unknown): unknown {
  if (value === undefined || isPlain(value)) return value;
  try {
    structuredClone(value);
    return value;
  } catch {
    return show(value);
  }
}

/** `thread` says where it was thrown. */
export function unpack(packed: Packed, thread: string): unknown {
  if (packed.kind === "value") return packed.value;
  const known = Object.hasOwn(CLASSES, packed.className) ? CLASSES[packed.className] : undefined;
  const builtIn = known ?? (packed.errors === null ? nearest(packed.name) : AggregateError);
  // Built by hand: each class has a constructor of its own, and some make up their message.
  const error = new Error(packed.message);
  Object.setPrototypeOf(error, builtIn.prototype);
  if (error.name !== packed.name) define(error, "name", packed.name);
  if (known === undefined && packed.name === builtIn.prototype.name) {
    define(error, "name", packed.className);
  }
  if (packed.cause !== null) define(error, "cause", unpack(packed.cause, thread));
  if (packed.errors !== null) {
    define(error, "errors", packed.errors.map((inner) => unpack(inner, thread)));
  }
  for (const [key, value] of packed.fields) {
    Object.defineProperty(error, key, {
      value: unpack(value, thread),
      configurable: true,
      enumerable: true,
      writable: true,
    });
  }
  define(
    error,
    "stack",
    `${packed.stack ?? `${packed.name}: ${packed.message}`}\n    in ${thread}`,
  );
  remote.add(error);
  return error;
}

/** A class of the user's that extends a built-in one often keeps its name. */
function nearest(name: string): { readonly prototype: Error } {
  return Object.hasOwn(CLASSES, name) ? CLASSES[name]! : Error;
}

function define(error: Error, key: string, value: unknown): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true });
}

/** Errors that came from another thread and don't yet show who waited for them. */
const remote: WeakSet<object> = new WeakSet();

/** To be called where the error is thrown to the user: adds the stack of this side, once. */
export function addOwnStack(error: unknown): void {
  if (!(error instanceof Error) || !remote.delete(error)) return;
  const [, ...frames] = (new Error().stack ?? "").split("\n");
  const own = frames.filter((frame) => !frame.includes("/lib/thread/"));
  define(error, "stack", `${error.stack}\nwaited for here:\n${own.join("\n")}`);
}
