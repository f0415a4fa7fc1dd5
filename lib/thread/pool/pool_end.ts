/**
 * How a pool comes to its end.
 *
 *     open ──close──▶ finishing ──no job is left──▶ quitting ──no thread is left──▶ gone
 *
 * Whoever closes it says so once, the rest follows: `jobEnded` and `threadLeft` are to be called
 * whenever that was perhaps the last one. Threads are told to quit when no job is left, not before,
 * and are given up where they have not ended in time, which the console is told. At the end of a
 * program that has closed nothing the pool closes itself, and has less patience.
 */
import { reportUncaught } from "../../internal/report.ts";
import { doorbell } from "../../loop/doorbell.ts";
import { onLoopEmpty } from "../../loop/host_exit.ts";
import type { CancelHandle } from "../../operation/types.ts";
import { backgroundTimer } from "./background_timer.ts";
import type { PoolThread } from "./pool_thread.ts";

/** How long the end of the program waits at most, for tasks that were aborted and for clean-up. */
const EXIT_GRACE_MS = 1000;
/** How long `close` waits at least for a thread to clean up, however short of grace. */
const LEAST_QUIT_MS = 1000;

/** The pool that ends. */
export interface EndingPool {
  readonly graceMs: number;
  readonly threads: ReadonlySet<PoolThread>;
  hasJobs(): boolean;
  /** From now on no thread is started. */
  stopStarting(): void;
  /** The program ends: jobs that were aborted have `ms` from now on. */
  limitGrace(ms: number): void;
  /** A thread doesn't matter any more. `isLate`: it should have ended by now. */
  giveUp(thread: PoolThread, how: { isLate: boolean }): void;
  /** What people should know. */
  warn(what: string): void;
  /** There is nothing left of it. */
  gone(): void;
}

export class PoolEnd {
  #phase: "open" | "finishing" | "quitting" | "gone" = "open";
  /** Whether it closes because the program has come to its end. */
  #isExit = false;
  /** What the threads' `atExit` threw. */
  readonly #errors: unknown[] = [];
  readonly #gone = Promise.withResolvers<void>();
  readonly #onLoopEmpty: CancelHandle;
  #timer: CancelHandle | undefined;

  constructor(readonly pool: EndingPool) {
    this.#gone.promise.catch(() => {}); // nobody may wait for it
    this.#onLoopEmpty = onLoopEmpty(() => this.#closeAtExit());
  }

  get isClosing(): boolean {
    return this.#phase !== "open";
  }

  /** No job is taken any more. Settles when it is gone. */
  close(): Promise<void> {
    if (this.#phase === "open") {
      this.#phase = "finishing";
      this.#onLoopEmpty.cancel();
      doorbell.hold();
      this.jobEnded();
    }
    return this.#gone.promise;
  }

  /** For who doesn't wait: an error of `atExit` is reported. */
  closeAsync(): void {
    this.close().catch(reportUncaught);
  }

  /** The loop has run empty, and nobody has closed it: its threads may run their `atExit`. */
  #closeAtExit(): boolean {
    if (this.isClosing) return false;
    this.#isExit = true;
    // Whoever waits for a job keeps the loop going, so all that there are were aborted.
    this.pool.limitGrace(EXIT_GRACE_MS);
    this.closeAsync();
    return true;
  }

  /** A thread could not clean up: `close` will throw that. */
  failed(error: unknown): void {
    this.#errors.push(error);
  }

  jobEnded(): void {
    if (this.#phase !== "finishing" || this.pool.hasJobs()) return;
    this.#phase = "quitting";
    this.pool.stopStarting();
    const { graceMs, threads } = this.pool;
    const ms = this.#isExit ? Math.min(graceMs, EXIT_GRACE_MS) : Math.max(graceMs, LEAST_QUIT_MS);
    if (ms < Infinity) this.#timer = backgroundTimer(ms, () => this.#giveUpLateThreads(ms));
    for (const thread of [...threads]) {
      // One that still makes its state can be stopped there, and nothing has to be undone.
      if (thread.abandonStart()) this.pool.giveUp(thread, { isLate: false });
      else thread.quit();
    }
    this.threadLeft();
  }

  /** Those that have not ended within `ms`. */
  #giveUpLateThreads(ms: number): void {
    let kept = 0;
    let cleaningUp = 0;
    for (const thread of [...this.pool.threads]) {
      thread.listen(); // it may have ended just now
      if (thread.isGone) continue;
      if (thread.abandonIdle()) kept++;
      else cleaningUp++;
      this.pool.giveUp(thread, { isLate: true });
    }
    const { warn } = this.pool;
    if (kept > 0) {
      warn(`${givenUp(kept)}: what a task has left behind kept it from its end for ${ms} ms`);
    }
    if (cleaningUp > 0) {
      const advice = this.#isExit ? "close the pool if it needs longer" : "graceMs may be longer";
      warn(`${givenUp(cleaningUp)}: atExit has not ended within ${ms} ms; ${advice}`);
    }
  }

  threadLeft(): void {
    if (this.#phase !== "quitting" || this.pool.threads.size > 0) return;
    this.#phase = "gone";
    this.#timer?.cancel();
    this.pool.gone();
    doorbell.release();
    const errors = this.#errors;
    if (errors.length === 0) this.#gone.resolve();
    else if (errors.length === 1) this.#gone.reject(errors[0]);
    else this.#gone.reject(new AggregateError(errors, "Several threads failed to clean up"));
  }
}

function givenUp(threads: number): string {
  return threads === 1 ? "a thread was given up" : `${threads} threads were given up`;
}
