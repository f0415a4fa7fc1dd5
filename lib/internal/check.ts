/** Argument checks with one grammar of message: "Cannot <action>: <argument> must be …, got …". */

/** How a value is shown in an error message: short, and never throws. */
export function show(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 60));
  if (typeof value === "bigint") return `${value}n`;
  if (Object(value) !== value) return String(value);
  try {
    return showObject(value as object);
  } catch { // a revoked proxy, or a getter that throws
    return withArticle(typeof value);
  }
}

function showObject(value: object): string {
  if (typeof value === "function") return `function ${value.name || "(anonymous)"}`;
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (isPromiseLike(value) && !isIterable(value)) return "a promise";
  const tag = Object.prototype.toString.call(value).slice(8, -1);
  const name = (value as { constructor?: { name?: unknown } }).constructor?.name;
  const kind = tag !== "Object" || typeof name !== "string" || name === "" ? tag : name;
  return withArticle(kind);
}

function withArticle(kind: string): string {
  return /^[AEIOU]/i.test(kind) ? `an ${kind}` : `a ${kind}`;
}

export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** Whether `await` would wait for it. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as { then?: unknown } | null | undefined)?.then === "function";
}

/**
 * Whether `yield*` would take it: an object with an iterator. A string is iterable, too, but never
 * meant.
 */
export function isIterable(value: unknown): value is Iterable<unknown> {
  return isObject(value) &&
    typeof (value as { [Symbol.iterator]?: unknown })[Symbol.iterator] === "function";
}

/** Whether it may be an operation: what `yield*` takes, except for a list, which is never meant. */
export function isOperation(value: unknown): value is Iterable<unknown> {
  return isIterable(value) && !Array.isArray(value);
}

/** The error for a `value` that breaks `rule`. `hint`, with its punctuation, ends the message. */
export function wrongType(action: string, rule: string, value: unknown, hint = ""): TypeError {
  return new TypeError(`Cannot ${action}: ${rule}, got ${show(value)}${hint}`);
}

/** @throws {TypeError} unless `value` is a function */
export function checkFunction(action: string, argument: string, value: unknown): void {
  if (typeof value === "function") return;
  const hint = isOperation(value)
    ? ` (pass a function that makes the operation, as in () => worker())`
    : "";
  throw wrongType(action, `${argument} must be a function`, value, hint);
}

/**
 * A body: a function that returns an operation. An `async` function returns a promise, and that can
 * be told without calling it: so the error is thrown at whoever passed it.
 *
 * @throws {TypeError} unless `value` is a function, and no `async` one
 */
export function checkBody(action: string, argument: string, value: unknown): void {
  checkFunction(action, argument, value);
  const kind = (value as { [Symbol.toStringTag]?: unknown })[Symbol.toStringTag];
  if (kind !== "AsyncFunction" && kind !== "AsyncGeneratorFunction") return;
  throw new TypeError(
    `Cannot ${action}: ${argument} must be a generator function (function*), got ` +
      `${shortSource(value)}; write yield* fromPromise(promise) instead of await`,
  );
}

/**
 * The error for a body that returned `value`, which is no operation. `what` says whose body it is.
 * `body` is given where the name doesn't lead to it: the message then shows how its source begins.
 */
export function notAnOperation(what: string, value: unknown, body?: unknown): TypeError {
  const hint = isPromiseLike(value)
    ? "wait for a promise with fromPromise"
    : "is it a generator function (function*)?";
  const source = body === undefined ? "" : `; the body is ${shortSource(body)}`;
  return wrongType(`run ${what}`, "it must return an operation", value, `; ${hint}${source}`);
}

/** How the source of a function begins, in one line. */
function shortSource(f: unknown): string {
  const line = String(f).replace(/\s+/g, " ");
  return line.length > 60 ? `${line.slice(0, 60)}…` : line;
}

/**
 * For callbacks that can't suspend. A generator function in their place would run nothing at all.
 *
 * @throws {TypeError} if `result`, what the callback has returned, is a generator
 */
export function refuseGenerator(argument: string, result: unknown): void {
  if (Object.prototype.toString.call(result) !== "[object Generator]") return;
  throw new TypeError(
    `Cannot run ${argument}: it is a generator function, and may not switch fibers; ` +
      `use a plain function`,
  );
}

/**
 * For hooks that may return an operation, which is waited for. A promise would not be waited for.
 *
 * @throws {TypeError} if `result`, what the hook has returned, is a promise
 */
export function refusePromise(hook: string, result: unknown): void {
  if (isPromiseLike(result)) throw notAnOperation(hook, result);
}

type TypeName = "string" | "boolean" | "function";

/**
 * Options: `undefined` or an object. `types` has the types of those that are simple.
 *
 * @throws {TypeError} if it is neither, or one of the named options is of another type
 */
export function checkOptions(
  action: string,
  value: unknown,
  types?: { readonly [name: string]: TypeName },
): void {
  if (value === undefined) return;
  if (!isObject(value)) throw wrongType(action, "options must be an object", value);
  if (types === undefined) return;
  for (const [name, type] of Object.entries(types)) {
    checkOptional(action, name, (value as { readonly [name: string]: unknown })[name], type);
  }
}

/** @throws {TypeError} unless `value` is `undefined` or of the named type */
export function checkOptional(
  action: string,
  argument: string,
  value: unknown,
  type: TypeName,
): void {
  if (value === undefined || typeof value === type) return;
  throw wrongType(action, `${argument} must be a ${type}`, value);
}

function checkNumber(action: string, argument: string, value: unknown): asserts value is number {
  if (typeof value !== "number") throw wrongType(action, `${argument} must be a number`, value);
}

/**
 * A duration in milliseconds: any number but `NaN`; zero, negative and `Infinity` have a meaning.
 *
 * @throws {TypeError} if it is not a number
 * @throws {RangeError} if it is `NaN`
 */
export function checkDuration(action: string, argument: string, value: unknown): void {
  checkNumber(action, argument, value);
  if (Number.isNaN(value)) throw new RangeError(`Cannot ${action}: ${argument} must not be NaN`);
}

/**
 * A count that must be finite: an integer of at least `least`.
 *
 * @throws {TypeError} if it is not a number
 * @throws {RangeError} if it is another number
 */
export function checkFiniteCount(
  action: string,
  argument: string,
  value: unknown,
  least: number,
): void {
  checkNumber(action, argument, value);
  if (Number.isInteger(value) && value >= least) return;
  throw new RangeError(
    `Cannot ${action}: ${argument} must be an integer of at least ${least}, got ${value}`,
  );
}

/**
 * A count: an integer of at least `least`, or `Infinity`.
 *
 * @throws {TypeError} if it is not a number
 * @throws {RangeError} if it is another number
 */
export function checkCount(action: string, argument: string, value: unknown, least: number): void {
  checkNumber(action, argument, value);
  if (value === Infinity || (Number.isInteger(value) && value >= least)) return;
  throw new RangeError(
    `Cannot ${action}: ${argument} must be an integer of at least ${least} or Infinity, got ${value}`,
  );
}
