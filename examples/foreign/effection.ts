/**
 * Weft in Effection 4: in an operation that `run` runs, and in all that it spawns, `yield*` waits for
 * a channel, a lock, a `select`. It suspends Effection's task, and `halt()` withdraws it.
 *
 * Effection unwinds what it halts with the generator's `return()`: so `finally` and `using` clean up,
 * and may wait for Weft while they do. But there is a wound in that, which is JavaScript's: once the
 * `finally` of an operation that is within another one has waited, the other one goes on as if
 * nothing had been. So `condition.wait(guard)` doesn't lock again when it is halted, though what is
 * around it may rely on that. What contains such an operation is to be an `unwinding`.
 *
 * Another library may be registered in the same realm, too, and the last one would be asked for all:
 * `perThread(asyncContextThreads)` of `@weft/weft/thread` tells apart what was started within
 * `asyncContextThreads.run`. And what resumes or halts a task there and then, such as `resolve()`, a
 * fiber of Weft's calls in a microtask: `queueMicrotask(resolve)`. Else the task would run within the
 * fiber's step, and pass for that fiber.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { sleep, spawn } from "npm:effection@4.1.1";
 * import { Mutex } from "@weft/weft/sync";
 * import { run } from "./effection.ts";
 *
 * const mutex = new Mutex();
 * const log: string[] = [];
 *
 * function* work(name: string) {
 *   using _guard = yield* mutex.lock(); // Weft's
 *   log.push(`${name} begins`);
 *   yield* sleep(1); // Effection's
 *   log.push(`${name} ends`);
 * }
 * await run(function* () {
 *   const [a, b] = [yield* spawn(() => work("a")), yield* spawn(() => work("b"))];
 *   yield* a;
 *   yield* b;
 * });
 * assertEquals(log, ["a begins", "a ends", "b begins", "b ends"]);
 * ```
 *
 * @module
 */
import {
  type Effect,
  Ok,
  type Operation,
  run as runTask,
  type Task,
  withResolvers,
} from "npm:effection@4.1.1";
import { Abort } from "@weft/weft/fiber";
import { type Trigger, using } from "@weft/weft/trigger";

/** Runs `operation` as Effection's `run` does, with Weft registered until the task has ended. */
export function run<T>(operation: () => Operation<T>): Task<T> {
  let task!: Task<T>;
  const over = () => {}; // how it ended is told to those who wait for the task
  using({ prepareForAwait, whileRunning: () => (task = runTask(operation)).then(over, over) });
  return task;
}

/** How a task of Effection's blocks. */
export function prepareForAwait(): Trigger {
  const { operation, resolve } = withResolvers<void>();
  function* wait(onCancel: (() => void) | undefined) {
    let isCancelled = true;
    try {
      yield* operation;
      isCancelled = false;
    } finally {
      if (isCancelled) onCancel?.();
    }
  }
  return {
    release: resolve,
    // What it yields is Effection's business alone; and it is never awaited as a promise.
    await: (onCancel) => wait(onCancel) as unknown as ReturnType<Trigger["await"]>,
  };
}

/**
 * `body`, which is halted by an `Abort` that is thrown at its `yield*`, and not by `return()`. So it
 * ends however often its `finally` blocks wait, if it lets the `Abort` pass.
 */
export function unwinding<T>(body: () => Operation<T>): Operation<T> {
  return { [Symbol.iterator]: () => new Unwinding(body()[Symbol.iterator]()) };
}

type Step<T> = IteratorResult<Effect<unknown>, T>;

class Unwinding<T> implements Iterator<Effect<unknown>, T, unknown> {
  #abort: Abort | undefined;
  #hasEnded = false;

  constructor(readonly iterator: Iterator<Effect<unknown>, T, unknown>) {}

  next(input?: unknown): Step<T> {
    return this.#step(() => this.iterator.next(input));
  }

  throw(error: unknown): Step<T> {
    return this.#step(() => throwInto(this.iterator, error));
  }

  return(value?: unknown): Step<T> {
    const step = this.throw(this.#abort ??= new Abort("halted"));
    return this.#hasEnded ? { done: true, value: value as T } : step;
  }

  #step(resume: () => Step<T>): Step<T> {
    try {
      const step = resume();
      if (!step.done || this.#abort === undefined) return step;
    } catch (error) {
      if (error !== this.#abort) throw error;
    }
    this.#hasEnded = true;
    return { done: false, value: haltOn };
  }
}

function throwInto<T>(iterator: Iterator<Effect<unknown>, T, unknown>, error: unknown): Step<T> {
  if (iterator.throw === undefined) throw error;
  return iterator.throw(error);
}

/** Has Effection go on with the halt: it calls `return()` again. */
const haltOn: Effect<unknown> = {
  description: "to go on with a halt",
  enter(_resolve, routine) {
    routine.unwind();
    return (left) => left(Ok());
  },
};
