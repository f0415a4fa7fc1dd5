/** Fiber-local variables. */
import { checkBody, checkFunction, checkOptions } from "../internal/check.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import { currentFiber, type FiberCore, GeneratorOperation, runBody } from "./core/mod.ts";

/**
 * A variable with a value of its own in each fiber.
 *
 * By default each fiber starts with a fresh `init()`, called when it first asks. With `inherit`, a
 * spawned fiber starts with the value that its spawner has at that moment; later changes on either
 * side stay there. `get`, `set` and `with` never leak into other fibers.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { FiberLocal, run, spawn } from "@weft/weft";
 *
 * const user = new FiberLocal(() => "nobody", { inherit: true });
 * function* whoami() {
 *   return user.get();
 * }
 * const result = run(function* () {
 *   const inside = yield* user.with("ada", () => spawn(whoami));
 *   return [inside, user.get()];
 * });
 * assertEquals(result, { ok: true, value: ["ada", "nobody"] });
 * ```
 */
export class FiberLocal<T> {
  readonly #init: () => T;
  readonly #kind: "inherited" | "own";

  /**
   * A variable that no fiber has a value for yet.
   *
   * @throws {TypeError} if `init` is not a function or `inherit` not a boolean
   */
  constructor(init: () => T, options?: { inherit?: boolean }) {
    checkFunction("make a fiber-local", "init", init);
    checkOptions("make a fiber-local", options, { inherit: "boolean" });
    this.#init = init;
    this.#kind = options?.inherit ? "inherited" : "own";
  }

  /**
   * The value in the current fiber. Never suspends.
   *
   * @throws {Inactive} outside of any fiber
   */
  get(): T {
    const fiber = currentFiber("get a fiber-local");
    const found = this.#find(fiber);
    if (found !== undefined) return found.value;
    const value = this.#init();
    this.#store(fiber, { value });
    return value;
  }

  /**
   * Changes the value in the current fiber. Never suspends.
   *
   * @throws {Inactive} outside of any fiber
   */
  set(value: T): void {
    this.#store(currentFiber("set a fiber-local"), { value });
  }

  /**
   * Runs `body` with `value` in the current fiber, and puts back what was there before, however
   * `body` ends. Suspends as `body` does; it is no nursery.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   */
  with<R>(value: T, body: () => Operation<R>): Awaitable<R> {
    checkBody("set a fiber-local", "body", body);
    return new GeneratorOperation("a fiber-local", () => this.#runWith(value, body), undefined);
  }

  *#runWith<R>(value: T, body: () => Operation<R>): Generator<never, R, unknown> {
    const fiber = currentFiber("set a fiber-local");
    const before = this.#find(fiber);
    this.#store(fiber, { value });
    try {
      return yield* runBody(body());
    } finally {
      this.#store(fiber, before);
    }
  }

  #find({ extras }: FiberCore<unknown>): { value: T } | undefined {
    return extras?.[this.#kind]?.get(this) as { value: T } | undefined;
  }

  #store({ extra }: FiberCore<unknown>, entry: { value: T } | undefined): void {
    // Inherited maps are shared with the fibers spawned so far, so they are never changed.
    const values = new Map(extra[this.#kind]);
    if (entry === undefined) values.delete(this);
    else values.set(this, entry);
    extra[this.#kind] = values;
  }
}
