/** `yieldNow`, and how an operation of several steps gives way. */
import { execution as cell } from "../../trigger/execution.ts";
import { elsewhere, type FiberSlot, inherit, STATES, type Wait } from "../../operation/wait.ts";
import type { Awaitable } from "../../operation/types.ts";

const [COLD, WAITING, , , SPENT] = STATES;
const execution = cell;

interface Yield extends Wait<void> {}

/** It is WAITING as long as the fiber stands in the ready queue, so that an abort is thrown there. */
class Yield {
  constructor() {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
  }

  [Symbol.iterator](): Iterator<never, void, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere(this);
    return this as unknown as Iterator<never, void, unknown>;
  }

  /** Written out, as the hot path of yielding (see `wait.ts`). */
  next(): IteratorResult<never, void> {
    if (this.state !== COLD) {
      this.state = SPENT;
      this.value = undefined;
      return this as never;
    }
    const fiber = execution.current as FiberSlot;
    if (fiber.context.error !== undefined) {
      this.state = SPENT;
      throw fiber.deliver();
    }
    if (fiber.pending !== null) fiber.dropPending();
    this.state = WAITING;
    fiber.pending = this as Wait<unknown>;
    this.value = this;
    fiber.unblock();
    return this as never;
  }

  attempt(): boolean {
    return false;
  }

  enlist(): void {
    this.waiter!.unblock();
  }

  recheck(): boolean {
    this.state = SPENT;
    this.value = undefined;
    return true;
  }

  withdraw(): void {}

  describe(): string {
    return "its turn";
  }
}

inherit(Yield);

export interface Turn extends Wait<void> {}

/**
 * How an operation of several steps gives way before its first step. It also begins in a fiber that
 * is aborting: what happens there is up to the operation. An abort ends it, unless it is protected.
 */
export class Turn {
  declare isProtected: boolean;

  constructor(isProtected: boolean) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.isProtected = isProtected;
  }

  start(): IteratorResult<never, void> {
    return this.giveWay(execution.current as FiberSlot);
  }

  /** The fiber has its turn, which is all that this waited for. */
  enter(): IteratorResult<never, void> {
    return this.finished();
  }

  interrupt(): boolean {
    return !this.isProtected && this.leave();
  }
}

inherit(Turn);

/**
 * Lets the other ready fibers run before going on, and checks for an abort.
 *
 * Always suspends, to the end of the ready queue. The host, too, gets a turn whenever a slice of
 * time is used up.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { run, spawn, yieldNow } from "@weft/weft";
 *
 * const seen: string[] = [];
 * function* steps(name: string) {
 *   for (const n of [1, 2]) {
 *     seen.push(name + n);
 *     yield* yieldNow();
 *   }
 * }
 * run(function* () {
 *   spawn(() => steps("a"));
 *   spawn(() => steps("b"));
 * });
 * assertEquals(seen, ["a1", "b1", "a2", "b2"]);
 * ```
 */
export function yieldNow(): Awaitable<void> {
  return new Yield();
}
