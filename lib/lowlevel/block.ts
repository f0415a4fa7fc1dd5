/**
 * The blocking operation of affect, in its three parts: for those who unblock fibers from outside.
 */
import { checkFunction, isObject, wrongType } from "../internal/check.ts";
import { COLD, inherit, SPENT, type Wait, WAITING } from "../operation/wait.ts";
import type { Awaitable } from "../operation/types.ts";
import { asCancelFunction, executeAs } from "../trigger/execution.ts";
import { currentFiber, type Fiber, type FiberCore } from "../fiber/core/mod.ts";

/** A blocking operation that returns a `T`. The functions are given the fiber that blocks. */
export interface BlockOptions<T> {
  /**
   * Called at once, unless the fiber is aborting: registers the operation with whoever will call
   * `unblock` on the fiber. What it throws is thrown in the fiber.
   */
  block: (fiber: Fiber<unknown>) => void;
  /** Called iff the operation is aborted, before `Abort` is thrown. What it throws is reported. */
  abort: (fiber: Fiber<unknown>) => void;
  /** Called for the value once the fiber no longer blocks. What it throws is thrown in the fiber. */
  retv: (fiber: Fiber<unknown>) => T;
}

interface BlockWait<T> extends Wait<T> {}

/** WAITING from `block` on; whoever calls `unblock` on the fiber completes it (`unblocked`). */
class BlockWait<T> {
  declare options: BlockOptions<T>;
  declare fiber: FiberCore<unknown> | null;

  constructor(options: BlockOptions<T>) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.options = options;
    this.fiber = null;
  }

  /** It always waits. */
  couldComplete(): boolean {
    return false;
  }

  attempt(): boolean {
    this.fiber = currentFiber("block");
    return false;
  }

  enlist(): void {
    const fiber = this.fiber!;
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this as Wait<unknown>; // already now, as `block` itself may call `unblock`
    try {
      executeAs(null, () => this.options.block(fiber)); // not as code of the fiber, as in `suspend`
    } catch (error) {
      fiber.pending = null;
      fiber.thrown = null; // the fiber gets this error first, even if `block` has aborted it
      throw error;
    }
  }

  withdraw(): void {
    const fiber = this.fiber!;
    asCancelFunction(() => this.options.abort(fiber));
  }

  refused(): void {
    this.fiber = currentFiber("block");
    this.withdraw();
  }

  unblocked(): boolean {
    if (this.state !== WAITING) return false;
    this.complete(undefined as T);
    return true;
  }

  conclude(): T {
    this.state = SPENT;
    return this.options.retv(this.fiber!);
  }

  describe(): string {
    return "a blocking operation";
  }
}

inherit(BlockWait);

/**
 * Blocks the current fiber until somebody calls `unblock` on it, or the `unblock` of `run` returns
 * it. Eventually exactly one of `retv` and `abort` is called.
 *
 * @throws {TypeError} if one of the three functions is missing
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { run } from "@weft/weft";
 * import { type AnyFiber, block } from "@weft/weft/lowlevel";
 *
 * const blocked: AnyFiber[] = [];
 * const wait = () => block({ block: (f) => blocked.push(f), abort: () => {}, retv: () => 42 });
 * const result = run(wait, { unblock: () => blocked.pop() });
 * assertEquals(result, { ok: true, value: 42 });
 * ```
 */
export function block<T>(options: BlockOptions<T>): Awaitable<T> {
  if (!isObject(options)) {
    throw wrongType("block", "expected { block, abort, retv }", options);
  }
  checkFunction("block", "block", options.block);
  checkFunction("block", "abort", options.abort);
  checkFunction("block", "retv", options.retv);
  return new BlockWait(options);
}
