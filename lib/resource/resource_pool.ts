/** Pools of items that are cheaper to use again than to make. */
import {
  checkBody,
  checkCount,
  checkFunction,
  checkOptional,
  show,
  wrongType,
} from "../internal/check.ts";
import { Abort } from "../operation/errors.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import { GeneratorOperation, runBody } from "../fiber/core/mod.ts";

/** How a pool makes, cleans and keeps its items. */
export interface ResourcePoolOptions<T> {
  /** Makes an item when none is kept. */
  make: () => T;
  /** Makes an item as good as new; called for each that comes back. */
  clear?: (item: T) => void;
  /** How many unused items it keeps; what comes back beyond that is dropped. Default 1024. */
  maxSize?: number;
}

/** What is going on in a pool. */
export interface ResourcePoolStatistics {
  /** The items that wait for their next user. */
  readonly kept: number;
  /** The items that were acquired and have not come back. */
  readonly inUse: number;
}

const DEFAULT_MAX_SIZE = 1024;

/**
 * A pool of items that are cheaper to use again than to make: buffers, encoders, parsers.
 *
 * It never waits and never refuses: `acquire` makes an item when none is kept. To limit how many are
 * in use, put that many items into a `Channel` to begin with: `receive` waits for one, `send` gives
 * it back.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { run } from "@weft/weft";
 * import { ResourcePool } from "@weft/weft/resource";
 *
 * const pool = new ResourcePool<string[]>({ make: () => [], clear: (lines) => lines.length = 0 });
 * const result = run(() =>
 *   pool.withResource(function* (lines) {
 *     lines.push("one", "two");
 *     return lines.join();
 *   })
 * );
 * assertEquals(result, { ok: true, value: "one,two" });
 * assertEquals(pool.acquire(), []);
 * ```
 */
export class ResourcePool<T> {
  readonly #make: () => T;
  readonly #clear: ((item: T) => void) | undefined;
  readonly #maxSize: number;
  /** The last to come back is the first to go out: it is still in the caches. */
  readonly #kept: T[] = [];
  /**
   * Whether an item is back, for items that have an identity: to notice one that is recycled twice.
   * Items in use would enter and leave a `Set`, which takes 2 µs each time when it holds a thousand.
   */
  readonly #isBack: WeakMap<T & object, boolean> = new WeakMap();
  #inUse = 0;

  /**
   * An empty pool.
   *
   * @throws {TypeError} if an option is missing or of the wrong type
   * @throws {RangeError} if `maxSize` is not a whole number or `Infinity`
   */
  constructor(options: ResourcePoolOptions<T>) {
    if (typeof options !== "object" || options === null) {
      throw wrongType("make the pool", "options must be an object", options);
    }
    const { make, clear, maxSize = DEFAULT_MAX_SIZE } = options;
    checkFunction("make the pool", "make", make);
    checkOptional("make the pool", "clear", clear, "function");
    checkCount("make the pool", "maxSize", maxSize, 0);
    this.#make = make;
    this.#clear = clear;
    this.#maxSize = maxSize;
  }

  /** How many unused items it keeps at most. */
  get maxSize(): number {
    return this.#maxSize;
  }

  /**
   * An item for the caller alone, until it is recycled. Never suspends; throws what `make` throws.
   */
  acquire(): T {
    const item = this.#kept.length === 0 ? this.#make() : this.#kept.pop() as T;
    if (hasIdentity(item)) this.#isBack.set(item, false);
    this.#inUse++;
    return item;
  }

  /**
   * Gives an item back: it is cleared, and kept, or dropped if enough are kept. Never suspends. An
   * item whose `clear` throws is dropped, and this throws the same.
   *
   * @throws {Error} if the item was recycled already, and not acquired since: two would share it
   */
  recycle(item: T): void {
    if (hasIdentity(item)) {
      if (this.#isBack.get(item) === true) {
        throw new Error(
          `Cannot recycle ${show(item)}: it was recycled already; recycle what you acquired once`,
        );
      }
      this.#isBack.set(item, true); // before `clear`, which is code of the user's
    }
    if (this.#inUse > 0) this.#inUse--; // it may never have been acquired here
    this.#clear?.(item);
    if (this.#kept.length < this.#maxSize) this.#kept.push(item);
  }

  /**
   * Acquires an item, runs `body` with it, and recycles it once, however `body` ends: also when it
   * fails or is aborted. `body` must not keep the item.
   *
   * Suspends as `body` does.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   */
  withResource<R>(body: (item: T) => Operation<R>): Awaitable<R> {
    checkBody("use a resource", "body", body);
    return new GeneratorOperation("a use of a resource", useItem<T, R>, { pool: this, body });
  }

  /** What is going on in it, for tests and people. */
  statistics(): ResourcePoolStatistics {
    return { kept: this.#kept.length, inUse: this.#inUse };
  }
}

function hasIdentity<T>(item: T): item is T & object {
  return typeof item === "object" && item !== null || typeof item === "function";
}

function* useItem<T, R>(
  { pool, body }: { pool: ResourcePool<T>; body: (item: T) => Operation<R> },
): Generator<never, R, unknown> {
  const item = pool.acquire();
  let failure: { error: unknown } | undefined;
  try {
    return yield* runBody(body(item));
  } catch (error) {
    failure = { error };
    throw error;
  } finally { // also when somebody gives the generator up by `return`
    recycleAfter(pool, item, failure);
  }
}

/** Recycles `item`. If that fails after the body has failed, neither failure may hide the other. */
function recycleAfter<T>(
  pool: ResourcePool<T>,
  item: T,
  failure: { error: unknown } | undefined,
): void {
  try {
    pool.recycle(item);
  } catch (error) {
    if (failure === undefined || failure.error instanceof Abort) throw error;
    throw new AggregateError([failure.error, error], "The body failed, and so did the recycling");
  }
}
