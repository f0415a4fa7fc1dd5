/**
 * Weft in Effect 4: in a generator of an effect that `runPromise` runs, `yield*` waits for a channel,
 * a lock, a `select`. It suspends Effect's fiber, and an interruption withdraws it.
 *
 * In `Effect.gen` it does just that, and no more: Effect drops the generator of a fiber that it
 * interrupts, so neither its `finally` nor a `using` runs, nor those of the operations in it. Where
 * they have to, as with a guard, or with an operation of several steps (`mutex.withLock(body)`,
 * `condition.wait(guard)`), say `unwinding` instead of `Effect.gen`. And `withGuard` holds a lock
 * around an effect that is no generator.
 *
 * Another library may be registered in the same realm, too, and the last one would be asked for all:
 * `perThread(asyncContextThreads)` of `@weft/weft/thread` tells apart what was started within
 * `asyncContextThreads.run`. And what resumes or interrupts a fiber of Effect's there and then, such
 * as `Deferred.doneUnsafe`, a fiber of Weft's calls in a microtask, by `queueMicrotask`. Else the one
 * would run within the step of the other, and pass for it.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Effect } from "npm:effect@4.1.0";
 * import { Mutex } from "@weft/weft/sync";
 * import { runPromise, unwinding, withGuard } from "./effect.ts";
 *
 * const mutex = new Mutex();
 * const log: string[] = [];
 *
 * const work = unwinding(function* () {
 *   using _guard = yield* mutex.lock(); // Weft's
 *   log.push("begins");
 *   yield* Effect.sleep(60_000); // Effect's
 * });
 * const other = withGuard(() => mutex.lock(), () => Effect.sync(() => log.push("other")));
 *
 * await runPromise(Effect.raceFirst(work, Effect.sleep(1))); // which interrupts the work
 * await runPromise(other);
 * assertEquals(log, ["begins", "other"]);
 * ```
 *
 * @module
 */
import { Effect, Exit, Fiber } from "npm:effect@4.1.0";
import { Abort } from "@weft/weft/fiber";
import { type Trigger, using } from "@weft/weft/trigger";

/** Runs `effect` as `Effect.runPromise` does, with Weft registered until it has ended. */
export function runPromise<A, E>(
  effect: Effect.Effect<A, E>,
  options?: Effect.RunOptions,
): Promise<A> {
  return using({ prepareForAwait, whileRunning: () => Effect.runPromise(effect, options) });
}

/** The effects that are waits of Weft's. */
const waits = new WeakSet<object>();

/** How a fiber of Effect's blocks. */
export function prepareForAwait(): Trigger {
  const fiber = Fiber.getCurrent();
  if (fiber === undefined) {
    throw new Error(
      "Cannot wait as Effect does: no fiber of Effect's runs; perThread tells several libraries apart",
    );
  }
  const { currentDispatcher } = fiber;
  let isReleased = false;
  let isOver = false;
  let resume = () => {};
  function release() {
    isReleased = true;
    resume();
  }
  function* wait(onCancel: (() => void) | undefined) {
    const cancel = () => {
      if (!isOver) onCancel?.();
      isOver = true;
    };
    // Before Effect begins with what a generator has yielded, it may let others run, and one of them
    // interrupt the fiber. In `Effect.gen` nothing tells that but the end of the fiber.
    const begin = fiber!.addObserver(cancel);
    const effect = Effect.callback<void>((go) => {
      begin();
      // In a turn of its own: hand-overs within hand-overs would overflow the stack.
      resume = () => currentDispatcher.scheduleTask(() => go(Effect.void), 0);
      if (isReleased) resume();
      return Effect.sync(cancel);
    });
    waits.add(effect);
    try {
      yield* effect;
      isOver = true;
    } finally {
      cancel();
    }
  }
  // What it yields is Effect's business alone; and it is never awaited as a promise.
  return {
    release,
    await: (onCancel) => wait(onCancel) as unknown as ReturnType<Trigger["await"]>,
  };
}

type AnyEffect = Effect.Effect<unknown, unknown, unknown>;
type Around = <B, E, R>(effect: Effect.Effect<B, E, R>) => Effect.Effect<B, E, R>;

/** What `Effect.gen` takes, or an operation of Weft's. */
type Body<Eff, A> = () => { [Symbol.iterator](): Iterator<Eff, A, never> };

/**
 * `Effect.gen` that unwinds: if its fiber is interrupted, or an effect in it fails, its `finally`
 * blocks run, and what they wait for is not interrupted.
 *
 * At a wait of Weft's an `Abort` is thrown, as in Weft's fibers; let it pass. Elsewhere the generator
 * is ended by `return()`, since Effect's iterators have no `throw`. After that, JavaScript takes an
 * operation for one that has returned if it waits in its `finally`: make it an `unwinding` of its own.
 */
export function unwinding<Eff extends AnyEffect, A>(
  body: Body<Eff, A>,
): Effect.Effect<A, Effect.Error<Eff>, Effect.Services<Eff>> {
  return drive(body, (effect) => effect);
}

/** Runs the effect that `use` makes, while it holds what `acquire` waits for: a lock, permits. */
export function withGuard<G extends Disposable, A, E, R>(
  acquire: Body<never, G>,
  use: (guard: G) => Effect.Effect<A, E, R>,
): Effect.Effect<A, E, R> {
  // It can be interrupted while it waits, and only then: so it returns what it has acquired.
  return Effect.uninterruptibleMask((restore) =>
    Effect.acquireUseRelease(
      drive(acquire, restore),
      (guard) => restore(use(guard)),
      (guard) => Effect.sync(() => guard[Symbol.dispose]()),
    )
  );
}

/** `wait` is around all that `body` waits for, but not in its `finally` blocks when they unwind. */
function drive<Eff extends AnyEffect, A>(body: Body<Eff, A>, wait: Around) {
  type Result = Effect.Effect<A, Effect.Error<Eff>, Effect.Services<Eff>>;
  type Yielded = Effect.Effect<unknown, Effect.Error<Eff>, Effect.Services<Eff>>;
  type Step = IteratorResult<Eff, A>;
  return Effect.suspend(() => {
    const iterator = body()[Symbol.iterator]();
    const abort = new Abort("interrupted");
    let pending: Eff | undefined;

    function take(step: () => Step): Step {
      try {
        return step();
      } catch (error) {
        if (error !== abort) throw error;
        return { done: true, value: undefined as A };
      }
    }
    function* run(first: () => Step, wait: Around): Generator<Yielded, A, never> {
      let step = take(first);
      while (!step.done) {
        pending = step.value;
        const input = yield* wait(pending as Yielded);
        step = take(() => iterator.next(input as never));
      }
      return step.value;
    }
    function unwind(): Step {
      if (pending !== undefined && waits.has(pending)) return iterator.throw!(abort);
      return iterator.return?.() ?? { done: true, value: undefined as A };
    }
    const runAndUnwind = (first: () => Step, wait: Around): Result =>
      Effect.onExit(
        Effect.gen(() => run(first, wait)),
        (exit) =>
          Exit.isSuccess(exit)
            ? Effect.void
            : Effect.asVoid(runAndUnwind(unwind, (effect) => effect)),
      );
    return runAndUnwind(() => iterator.next(undefined as never), wait);
  });
}
