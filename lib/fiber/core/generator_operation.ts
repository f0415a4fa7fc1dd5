/** Operations that take several steps: an `Awaitable` over a hoisted generator function. */
import { type FiberSlot, usedTwice } from "../../operation/wait.ts";
import type { Awaitable, Effect } from "../../operation/types.ts";
import { execution } from "../../trigger/execution.ts";
import { main } from "./main.ts";
import { Turn } from "./yield.ts";

/**
 * Runs `generator(argument)` when it is first used. `await` runs it in a `main` of its own.
 *
 * The generator function is hoisted and gets its one argument from here, because a generator
 * closure per call would cost ten times as much as the call.
 */
export class GeneratorOperation<A, T> implements Awaitable<T>, Effect {
  declare readonly name: string;
  declare readonly generator: (argument: A) => Generator<never, T, unknown>;
  declare readonly argument: A;
  /** Whether it may begin in a fiber that is aborting, as what cleans up does. */
  declare readonly isProtected: boolean;
  declare used: boolean;

  constructor(
    name: string,
    generator: (argument: A) => Generator<never, T, unknown>,
    argument: A,
    isProtected = false,
  ) {
    this.name = name;
    this.generator = generator;
    this.argument = argument;
    this.isProtected = isProtected;
    this.used = false;
  }

  describe(): string {
    return this.name;
  }

  [Symbol.iterator](): Iterator<never, T, unknown> {
    this.use();
    const fiber = execution.current as FiberSlot | null;
    if (fiber !== null && --execution.left < 0 && fiber.usedUp()) return this.#afterTurn();
    return this.generator(this.argument);
  }

  /** Marks it as used. */
  use(): void {
    if (this.used) throw usedTwice(this);
    this.used = true;
  }

  *#afterTurn(): Generator<never, T, unknown> {
    yield* new Turn(this.isProtected) as Awaitable<void>;
    return yield* this.generator(this.argument);
  }

  then<B = T, C = never>(
    fulfilled?: ((value: T) => B | PromiseLike<B>) | null,
    rejected?: ((reason: unknown) => C | PromiseLike<C>) | null,
  ): Promise<B | C> {
    const promise = new Promise<T>((resolve, reject) => {
      this.use();
      main(() => this.generator(this.argument), { name: this.name }).then(resolve, reject);
    });
    return promise.then(fulfilled, rejected);
  }
}
