/** `Lazy`: a value that is made when it is first asked for. `run_once.ts` sees to whose turn it is. */
import { checkBody } from "../internal/check.ts";
import { count } from "../internal/circle.ts";
import type { Awaitable, Operation, Result } from "../operation/types.ts";
import { type SyncOptions, titleOf } from "./options.ts";
import { RunOnce } from "./run_once.ts";

/** What is going on in a lazy value. */
export interface LazyStatistics {
  /** Whether it is there, or is known to have failed. */
  readonly isSettled: boolean;
  /** Whether somebody is making it. */
  readonly isRunning: boolean;
  /** How many wait for that. */
  readonly waiting: number;
}

/**
 * A value that is made once for all, when it is first asked for: a connection, a configuration, a
 * compiled template. What failed stays failed, and everybody is told with the same error.
 *
 * Cancellation: if the one that makes it is aborted, or its time is up, the next in line makes it
 * anew, and nobody else notices; if nobody waits, whoever asks next does.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { all, main, sleep } from "@weft/weft";
 * import { Lazy } from "@weft/weft/sync";
 *
 * let loads = 0;
 * const config = new Lazy(function* () {
 *   loads++;
 *   yield* sleep(1); // stands for reading a file
 *   return { port: 8000 };
 * });
 * const ports = await main(() =>
 *   all([1, 2, 3].map(() => function* () {
 *     return (yield* config.force()).port;
 *   }))
 * );
 * assertEquals([ports, loads], [[8000, 8000, 8000], 1]);
 * assertEquals((await config.force()).port, 8000);
 * ```
 */
export class Lazy<T> {
  readonly #run: RunOnce<T>;

  /**
   * A value that `thunk` will make. The thunk runs in a scope of its own, in the fiber that asks
   * first; under `await`, and for a task of another library's scheduler, in a `main` of its own.
   *
   * @throws {TypeError} if `thunk` is not a function, or an `async` one, or the name not a string
   */
  constructor(thunk: () => Operation<T>, options?: SyncOptions) {
    checkBody("make the lazy value", "thunk", thunk);
    const title = titleOf("lazy value", options);
    this.#run = new RunOnce({ title, verb: "force", keepsFailure: true }, thunk);
  }

  /**
   * The value: makes it if nobody has, or waits for whoever is at it. Throws what the thunk has thrown.
   *
   * Suspends until it is there. If it is cancelled, it has left the line, or the making to the next.
   *
   * @throws {Error} within its own thunk, which would wait for itself
   */
  force(): Awaitable<T> {
    return this.#run.operation();
  }

  /** What the thunk returned or threw, or `undefined` while there is neither. Never suspends. */
  poll(): Result<T> | undefined {
    return this.#run.settled?.result;
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): LazyStatistics {
    const { settled, isTaken, waiters } = this.#run;
    return {
      isSettled: settled !== null,
      isRunning: isTaken && settled === null,
      waiting: count(waiters),
    };
  }
}
