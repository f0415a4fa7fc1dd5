/** `Once`: what is done by the first who comes. `run_once.ts` sees to whose turn it is. */
import { checkBody } from "../internal/check.ts";
import { count } from "../internal/circle.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import { type SyncOptions, titleOf } from "./options.ts";
import { RunOnce } from "./run_once.ts";

/** What is going on in a `Once`. */
export interface OnceStatistics {
  /** Whether it has been done. */
  readonly isDone: boolean;
  /** Whether somebody is doing it. */
  readonly isRunning: boolean;
  /** How many wait for that. */
  readonly waiting: number;
}

/**
 * Something that is to be done once, by whoever comes first: a migration, a registration, a warm-up.
 * The others wait until it has been done.
 *
 * Cancellation: if the one that does it fails or is aborted, it has not been done, and the next in
 * line does it. For a value, or a failure that is to stay, there is `Lazy`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, sleep, spawn } from "@weft/weft";
 * import { Once } from "@weft/weft/sync";
 *
 * const log: string[] = [];
 * const migrated = new Once();
 * function* handle(request: string) {
 *   yield* migrated.do(function* () {
 *     log.push(`${request} migrates`);
 *     yield* sleep(1);
 *   });
 *   log.push(request);
 * }
 * await main(function* () {
 *   for (const request of ["a", "b", "c"]) spawn(() => handle(request));
 * });
 * assertEquals(log, ["a migrates", "a", "b", "c"]);
 * ```
 */
export class Once {
  readonly #run: RunOnce<void>;

  /**
   * Not yet done.
   *
   * @throws {TypeError} if the name is not a string
   */
  constructor(options?: SyncOptions) {
    const title = titleOf("once", options);
    this.#run = new RunOnce({ title, verb: "do", keepsFailure: false });
  }

  /** Whether it has been done. */
  get isDone(): boolean {
    return this.#run.settled !== null;
  }

  /**
   * Sees to it that it has been done: runs `body` if nobody has come before, else waits for whoever
   * is at it. What `body` throws is thrown here, and nowhere else.
   *
   * The body runs in a scope of its own, in the fiber that calls; under `await`, and for a task of
   * another library's scheduler, in a `main` of its own. Suspends until it has been done. If it is
   * cancelled, it has left the line, or the doing to the next.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   * @throws {Error} within a body of the same `Once`, which would wait for itself
   */
  do(body: () => Operation<void>): Awaitable<void> {
    checkBody("do it once", "body", body);
    return this.#run.operation(body);
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): OnceStatistics {
    const { isTaken, waiters } = this.#run;
    const { isDone } = this;
    return { isDone, isRunning: isTaken && !isDone, waiting: count(waiters) };
  }
}
