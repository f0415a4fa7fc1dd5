/** Several fibers at once: `all`, `map`, `any`, `first`, `either`. */
import { checkBody, checkCount, isIterable, wrongType } from "../internal/check.ts";
import { reportUncaught } from "../internal/report.ts";
import { FiberAborted } from "../operation/errors.ts";
import { Arm, type EventBase } from "../operation/event.ts";
import { FiberTrigger } from "../operation/fiber_trigger.ts";
import { SelectWait } from "../operation/select_wait.ts";
import type { Awaitable, Either, Operation, Result } from "../operation/types.ts";
import {
  checkFiber,
  currentFiber,
  failContext,
  type Fiber,
  type FiberCore,
  GeneratorOperation,
  type Label,
  nameOf,
  openNursery,
  recordFailure,
  runHook,
  type ScopeContext,
  spawnIn,
} from "./core/mod.ts";
import { checkLate, type LateOptions, openHarvest } from "./late.ts";

/** What the fiber that called one of these waits on, in words. */
const ITS_FIBERS = "the fibers that it spawned";

/** What `all` returns for a tuple of bodies. */
export type ValuesOf<B extends readonly (() => Operation<unknown>)[]> = {
  -readonly [K in keyof B]: B[K] extends () => Operation<infer T> ? T : never;
};

/**
 * Runs all of `bodies` concurrently and returns their values, in the order of `bodies`.
 *
 * Suspends. The first failure aborts the rest and is thrown once they have ended; a body that
 * aborts itself counts as failed with `FiberAborted`. None: an empty array, at once. The fibers have
 * the names of the bodies.
 *
 * If it fails or is aborted, what others have returned by then is forgotten, so a body must not
 * return what has to be closed; or with `onLate` it may, and gets it back.
 *
 * @throws {TypeError} if `bodies` is not an array of functions, one of them is `async`, or an option
 * is of the wrong type
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { all, main, sleep } from "@weft/weft";
 *
 * function* later<T>(ms: number, value: T) {
 *   yield* sleep(ms);
 *   return value;
 * }
 * const values = await main(() => all([() => later(2, "slow"), () => later(1, 42)]));
 * assertEquals(values, ["slow", 42]);
 * ```
 */
export function all<const B extends readonly (() => Operation<unknown>)[]>(
  bodies: B,
  options?: LateOptions<ValuesOf<B>[number]>,
): Awaitable<ValuesOf<B>> {
  checkBodies("run all", bodies);
  const jobs = bodies.map((body) => ({ body, name: body }));
  const onLate = checkLate("run all", options) as LateOptions<unknown>["onLate"];
  const values = openMap<unknown>("scope of all", jobs, Infinity, onLate);
  return values as Awaitable<unknown> as Awaitable<ValuesOf<B>>;
}

/**
 * Runs `body` for each of `items`, at most `concurrency` at a time (default: all at once), and
 * returns the results in the order of `items`.
 *
 * Suspends. Items are taken as places get free, so an endless or lazy iterable is fine; it is
 * closed when the rest isn't wanted. The first failure aborts the rest, as in `all`, which has the
 * same `onLate`. The fiber of an item has the name of `body` and the index: `visit 17`.
 *
 * @throws {TypeError} if `items` is not iterable, `body` not a function or an `async` one, or an
 * option of the wrong type
 * @throws {RangeError} if `concurrency` is not an integer of at least 1 or `Infinity`
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, map, sleep } from "@weft/weft";
 *
 * function* double(n: number) {
 *   yield* sleep(1);
 *   return 2 * n;
 * }
 * assertEquals(await main(() => map([1, 2, 3], double, { concurrency: 2 })), [2, 4, 6]);
 * ```
 */
export function map<A, B>(
  items: Iterable<A>,
  body: (item: A, index: number) => Operation<B>,
  options?: { concurrency?: number } & LateOptions<B>,
): Awaitable<B[]> {
  if (typeof items !== "string" && !isIterable(items)) {
    throw wrongType("map", "items must be iterable", items);
  }
  checkBody("map", "body", body);
  const onLate = checkLate("map", options);
  const concurrency = options?.concurrency ?? Infinity;
  checkCount("map", "concurrency", concurrency, 1);
  return openMap("scope of map", jobsOf(items, body), concurrency, onLate);
}

/** What one fiber of `all` or `map` runs. */
interface Job<B> {
  readonly body: () => Operation<B>;
  readonly name: Label;
}

function* jobsOf<A, B>(
  items: Iterable<A>,
  body: (item: A, index: number) => Operation<B>,
): Generator<Job<B>, void, unknown> {
  const base = nameOf(body);
  let count = 0;
  for (const item of items) {
    const index = count++;
    yield { body: () => body(item, index), name: { base, index } };
  }
}

function openMap<B>(
  name: string,
  jobs: Iterable<Job<B>>,
  concurrency: number,
  onLate: LateOptions<B>["onLate"],
): Awaitable<B[]> {
  const values: B[] = [];
  const body = (context: ScopeContext) => mapInto(context, jobs, concurrency, values);
  return openHarvest({ name, body }, values, Infinity, onLate);
}

/**
 * The body of `all` and `map`: spawns a fiber for each job, as places get free, and waits until all
 * have ended. A failure isn't seen here: it fails the context, which aborts this body.
 */
function* mapInto<B>(
  context: ScopeContext,
  jobs: Iterable<Job<B>>,
  concurrency: number,
  values: B[],
): Generator<never, B[], unknown> {
  let running = 0;
  let ended = new FiberTrigger(ITS_FIBERS);
  const onEnd = (index: number, result: Result<B>) => {
    running--;
    if (result.ok) values[index] = result.value;
    else if (result.error instanceof FiberAborted && context.error === undefined) {
      failContext(context, result.error); // it aborted itself: there will be no value
    }
    ended.release();
  };
  const owner = context.owner!;
  let count = 0;
  for (const job of jobs) {
    const index = count++;
    running++;
    const fiber = spawnIn(owner.scheduler, context, owner, job.body, job);
    fiber.onResult((result) => onEnd(index, result));
    while (running >= concurrency) { // the next item is taken only when there is a place for it
      ended = new FiberTrigger(ITS_FIBERS);
      yield* ended.await();
    }
    context.check(); // it may have failed after the wait was over
  }
  while (running > 0) {
    ended = new FiberTrigger(ITS_FIBERS);
    yield* ended.await();
  }
  return values;
}

/**
 * Runs `bodies` concurrently and returns the first value; the rest are aborted, and have ended
 * when this returns.
 *
 * Suspends. Failures are kept while another may still win; if all fail, an `AggregateError` with
 * all of them is thrown, in the order in which they happened. None: an empty `AggregateError`.
 *
 * Others may have a value as well, that came in the same instant, or from a `protect` in spite of
 * the abort. It is forgotten, so a body must not return what has to be closed, but close it itself;
 * or with `onLate` it may, and gets back all but the winner's value, and that, too, if this then
 * fails or is aborted.
 *
 * @throws {TypeError} if `bodies` is not an array of functions, one of them is `async`, or an
 * option is of the wrong type
 *
 * @example Whoever answers first, and nobody's connection is lost
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { any, main, sleep } from "@weft/weft";
 *
 * const closed: string[] = [];
 * function* connect(host: string) {
 *   yield* sleep(1);
 *   return { host, close: () => void closed.push(host) };
 * }
 * const connection = await main(() =>
 *   any([() => connect("a"), () => connect("b")], { onLate: (late) => late.close() })
 * );
 * assertEquals([connection.host, closed], ["a", ["b"]]);
 * ```
 */
export function any<const B extends readonly (() => Operation<unknown>)[]>(
  bodies: B,
  options?: LateOptions<ValuesOf<B>[number]>,
): Awaitable<ValuesOf<B>[number]> {
  checkBodies("run any", bodies);
  const onLate = checkLate("run any", options) as LateOptions<unknown>["onLate"];
  const values: unknown[] = [];
  const body = (context: ScopeContext) => firstValue(context, bodies, values);
  const value = openHarvest({ name: "scope of any", body }, values, 1, onLate);
  return value as Awaitable<ValuesOf<B>[number]>;
}

/**
 * The body of `any`: spawns all, waits for the first value or the last failure, and aborts the rest.
 * Failures stay in their fibers; those that came before the rest was aborted, perhaps in the instant
 * of the value, are kept for the `AggregateError`.
 */
function* firstValue(
  context: ScopeContext,
  bodies: readonly (() => Operation<unknown>)[],
  values: unknown[],
): Generator<never, unknown, unknown> {
  const decided = new FiberTrigger(ITS_FIBERS);
  const errors: unknown[] = [];
  let isOver = false;
  const onEnd = (result: Result<unknown>) => {
    if (result.ok) values.push(result.value);
    else if (context.error === undefined && !isOver) errors.push(result.error);
    else if (result.error instanceof FiberAborted) { /* a loser: as it should be */ }
    // The others are bodies that were aborted, and failed while they cleaned up.
    else if (values.length === 0) recordFailure(context, result.error);
    else reportUncaught(result.error);
    if (values.length > 0 || errors.length === bodies.length) decided.release();
  };
  const owner = context.owner!;
  const fibers = bodies.map((body) =>
    spawnIn(owner.scheduler, context, owner, body, { name: body, propagateCancelToParent: false })
  );
  for (const fiber of fibers) fiber.onResult(onEnd);
  if (bodies.length > 0) yield* decided.await();
  if (values.length === 0) throw new AggregateError(errors, "None of the bodies returned a value");
  isOver = true;
  // Each by itself: should the whole be aborted meanwhile, the winner's value stands all the same.
  for (const fiber of fibers) fiber.abort("another one was first");
  return values[0];
}

function checkBodies(action: string, bodies: unknown): void {
  if (!Array.isArray(bodies)) {
    throw wrongType(action, "bodies must be an array", bodies);
  }
  bodies.forEach((body, index) => checkBody(action, `bodies[${index}]`, body));
}

/**
 * Waits until one of the two has terminated, and returns which, and how it ended; the first if
 * both have. Never throws what they threw; aborts neither. Cancelling the wait leaves both alone.
 *
 * @throws {TypeError} if one of the two is not a fiber
 */
export function first<A, B>(f0: Fiber<A>, f1: Fiber<B>): Awaitable<Either<Result<A>, Result<B>>> {
  checkFiber("wait for the first", "f0", f0);
  checkFiber("wait for the first", "f1", f1);
  const arms = [f0, f1].map((fiber: Fiber<unknown>, index) =>
    new Arm(fiber.joinEvent() as EventBase<unknown>, (value) => ({ index, value }))
  );
  return new SelectWait<Either<Result<A>, Result<B>>>(arms, false);
}

/**
 * Waits for the first of the two that returns a value, and aborts the other if it has not
 * terminated; the first if both have a value already. `undefined` iff neither returned a value.
 *
 * Does not wait for the loser to be gone: that is for the context that spawned it. With `onLate` it
 * does, out of reach of aborts, since the loser may return a value, too, and `onLate` is called with
 * that. What it throws is thrown here; the winner's value is still in its fiber. Cancelling the wait
 * leaves both alone, and their values to whoever joins them.
 *
 * @throws {TypeError} if one of the two is not a fiber, or an option is of the wrong type
 */
export function either<A, B>(
  f0: Fiber<A>,
  f1: Fiber<B>,
  options?: LateOptions<A | B>,
): Awaitable<Either<A, B> | undefined> {
  checkFiber("wait for either", "f0", f0);
  checkFiber("wait for either", "f1", f1);
  const onLate = checkLate("wait for either", options);
  const argument = { f0, f1, onLate } as Pair<A | B>;
  const either = new GeneratorOperation("either of two fibers", eitherValue<A | B>, argument);
  return either as Awaitable<Either<A, B> | undefined>;
}

interface Pair<T> {
  readonly f0: Fiber<T>;
  readonly f1: Fiber<T>;
  readonly onLate: LateOptions<T>["onLate"];
}

function* eitherValue<T>(
  { f0, f1, onLate }: Pair<T>,
): Generator<never, { index: number; value: T } | undefined, unknown> {
  if (onLate !== undefined) currentFiber("wait for either with onLate"); // before anything is decided
  const { index, value: result } = yield* first(f0, f1);
  const other = index === 0 ? f1 : f0;
  if (result.ok) {
    yield* endLoser(other, onLate);
    return { index, value: result.value };
  }
  const second = yield* other.join();
  return second.ok ? { index: 1 - index, value: second.value } : undefined;
}

/** Aborts the loser. With `onLate` it waits for its end, protected, and hands its value over. */
function* endLoser<T>(
  loser: Fiber<T>,
  onLate: LateOptions<T>["onLate"],
): Generator<never, void, unknown> {
  const gone = loser.abort("the other one was first");
  if (onLate === undefined) return;
  yield* openNursery({
    name: "scope of either",
    shield: true,
    *body() {
      yield* gone;
      const result = (loser as FiberCore<T>).outcome(); // its failure is not observed by that
      if (result.ok) yield* runHook("onLate", () => onLate(result.value));
    },
  });
}
