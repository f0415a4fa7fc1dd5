/**
 * A pool, in main: what becomes of its jobs, and of its threads.
 *
 * Each job ends in exactly one of four ways: its result comes, its thread dies, it is withdrawn, or
 * the pool can't start threads any more. Whichever comes first takes it out of the table of jobs,
 * in `#endJob` or in `withdraw`; what comes later doesn't find it there.
 *
 *     submit ─▶ the table ──▶ RESULT or FAILURE, `#failAll` ──▶ #endJob ─▶ the waiter is told
 *                  └──cancel──▶ not begun: withdrawn, gone
 *                               begun: the task is told, and has `graceMs` to end; what comes of it
 *                               is dropped, but the job counts until then (`isCancelled`)
 *
 * Each thread goes once, too, in `#left`: it has died, has ended as it was told, or is given up. It
 * takes along the job that it was at, and another thread is started in its place (`Refill`), unless
 * the pool is on its way to its end (`PoolEnd`).
 *
 * To be called whenever it may be true: `#jobs.moveUp` when jobs have ended, `#end.jobEnded` when
 * that may have been the last, `#end.threadLeft` likewise.
 */
import { reportUncaught } from "../../internal/report.ts";
import { doorbell } from "../../loop/doorbell.ts";
import { clock } from "../../loop/timers.ts";
import type { WaitNode } from "../../operation/event.ts";
import type { Result } from "../../operation/types.ts";
import {
  Encoded,
  type Packed,
  PoolClosedError,
  ThreadCrashedError,
  unpack,
} from "../memory/mod.ts";
import {
  argumentNotCloned,
  ARGUMENTS,
  CALL,
  CALL_CANCELLED,
  checkPostable,
  CRASHED,
  DEFINE,
  ENDED,
  EXIT_FAILED,
  FAILURE,
  NEED_ARGUMENTS,
  READY,
  RESULT,
  SentFunctions,
  START_FAILED,
} from "../protocol/mod.ts";
import { backgroundTimer } from "./background_timer.ts";
import { Job, type Order } from "./job.ts";
import { JobTable } from "./job_table.ts";
import type { MainFunctions } from "./main_calls.ts";
import { PoolEnd } from "./pool_end.ts";
import { MESSAGE_BYTES, PoolThread, type ThreadSettings } from "./pool_thread.ts";
import { Refill } from "./refill.ts";

export interface PoolSettings {
  readonly module: string;
  /** Whether that is a module of tasks of the user's. */
  readonly isModule: boolean;
  readonly size: number;
  readonly name: string;
  readonly main: MainFunctions;
  readonly maxQueued: number;
  readonly graceMs: number;
  readonly init: string | null;
  readonly atExit: string | null;
}

/** What is going on in a pool. */
export interface PoolStatistics {
  /** How many threads it has, or is about to have again. */
  readonly size: number;
  /** How many of them have nothing to do. */
  readonly idle: number;
  /** How many are at a job. */
  readonly busy: number;
  /** Jobs that wait for a thread. */
  readonly queued: number;
  /** Jobs that ended with a result, be it a failure of the task's. */
  readonly completed: number;
  /** Threads that died. */
  readonly crashed: number;
  /** Threads that were given up, as they did not react to an abort. */
  readonly abandoned: number;
}

/** A thread that dies within this time, and without having got a job done, has "died at once". */
const SHORT_LIFE_MS = 1000;
/** When so many starts in a row have failed, and no thread is left, the jobs fail as well. */
const MOST_FAILED_STARTS = 5;
/** How long a job waits before another thread is rung for it. */
const PASS_ON_MS = 500;

const encoding = new Encoded();

export class PoolCore {
  readonly #jobs: JobTable;
  readonly #functions = new SentFunctions();
  readonly #threads: Set<PoolThread> = new Set();
  readonly #refill = new Refill(() => this.#startInPlace());
  readonly #threadSettings: ThreadSettings;
  readonly #end: PoolEnd;
  #completed = 0;
  #crashed = 0;
  #abandoned = 0;
  readonly #opened = Promise.withResolvers<void>();
  #isOpen = false;
  #lastPassedOn = 0;

  constructor(readonly settings: PoolSettings) {
    const { module, name, size, maxQueued, graceMs, main, init, atExit } = settings;
    this.#jobs = new JobTable(size + maxQueued, MESSAGE_BYTES);
    const functions = this.#functions.sources;
    this.#threadSettings = {
      module,
      pool: name,
      ...this.#jobs.memory,
      init,
      atExit,
      functions,
      main,
    };
    this.#opened.promise.catch(() => {});
    this.#end = new PoolEnd({
      graceMs,
      threads: this.#threads,
      hasJobs: () => this.#jobs.size > 0,
      stopStarting: () => this.#refill.stop(),
      limitGrace: (ms) => this.#limitGrace(ms),
      giveUp: (thread, { isLate }) => {
        if (isLate) this.#abandoned++;
        this.#left(thread, { isCertain: false });
      },
      warn: (what) => this.#warn(what),
      gone: () => doorbell.unlisten(this.#passOn),
    });
    doorbell.listen(this.#passOn);
  }

  /**
   * Now and then rings for another thread: the one that was rung for a job may be busy with what an
   * earlier task has left behind.
   */
  readonly #passOn = (): void => {
    if (this.#jobs.size === 0) return;
    const now = clock();
    if (now - this.#lastPassedOn < PASS_ON_MS) return;
    this.#lastPassedOn = now;
    this.#jobs.ringAgain();
  };

  /** Starts its threads: settles once all are ready, or one has failed and the rest is gone. */
  async open(): Promise<void> {
    try {
      for (let i = 0; i < this.settings.size; i++) this.#startThread();
    } catch (error) {
      this.#opened.reject(error);
    }
    try {
      await this.#opened.promise;
    } catch (error) {
      await this.close().catch(() => {});
      throw error;
    }
  }

  // Jobs -----------------------------------------------------------------------------------------

  /** The number under which threads know a function. */
  define(source: string): number {
    return this.#functions.numberOf(source, (number) => {
      for (const thread of this.#threads) thread.send(DEFINE, number, source);
    });
  }

  /**
   * Takes a job, for which `waiter` waits from now on; or throws, and nobody waits for anything.
   * Encodes it, which may run code of the user's, unless that was done.
   *
   * @throws {PoolClosedError} if it is closed
   */
  submit(order: Order, waiter: WaitNode, encoded = this.encode(order)): Job {
    const job = new Job(order, waiter, this);
    if (this.#end.isClosing) throw new PoolClosedError(this.settings.name);
    if (job.isBlocking && this.#threads.size === 0) throw noThreadLeft();
    job.holder.hold();
    try {
      this.#jobs.add(job, encoded);
    } catch (error) {
      job.holder.release();
      throw error;
    }
    return job;
  }

  /**
   * What a thread needs to know, as it is now, so that the caller may go on using what it has
   * passed; `null` if a thread has to ask for it. Valid until the next call.
   */
  encode({ task, args }: Order): Encoded | null {
    if (encoding.encodeFast([task, ...args], MESSAGE_BYTES)) return encoding;
    checkPostable(args);
    return null;
  }

  /** Nobody waits for it any more: it is withdrawn if it has not begun, else its task is told. */
  cancel(job: Job): void {
    job.isCancelled = true;
    if (this.#jobs.withdraw(job)) return this.#end.jobEnded();
    this.#jobs.markCancelled(job);
    const thread = this.#threadOf(job.id);
    // A thread that is just about to claim it doesn't show it yet: so all are told, and one knows
    // it.
    for (const told of thread === undefined ? this.#threads : [thread]) {
      told.cancel(job.id, job.reason);
    }
    if (this.settings.graceMs < Infinity) this.#giveGrace(job, this.settings.graceMs);
  }

  /** If its task has not ended after `ms`, its thread is given up. */
  #giveGrace(job: Job, ms: number): void {
    job.graceTimer?.cancel();
    job.graceTimer = backgroundTimer(ms, () => this.#abandonThreadOf(job));
  }

  /** The program ends: all that were cancelled have no more than `ms` from now on. */
  #limitGrace(ms: number): void {
    for (const job of this.#jobs.all()) {
      if (job.isCancelled) this.#giveGrace(job, Math.min(this.settings.graceMs, ms));
    }
  }

  #threadOf(id: number): PoolThread | undefined {
    for (const thread of this.#threads) if (thread.currentJob === id) return thread;
  }

  /** The job with this number has ended so, unless it is over already. */
  #settle(id: number, result: Result<unknown>): void {
    const job = this.#jobs.find(id);
    if (job !== undefined) this.#endJob(job, result);
  }

  /** It is over; if somebody still waits for it, that is told. */
  #endJob(job: Job, result: Result<unknown>): void {
    job.graceTimer?.cancel();
    job.graceTimer = undefined;
    this.#jobs.end(job);
    this.#end.jobEnded();
    if (!job.isCancelled) job.settle(result);
  }

  /** No thread can be had: what waits for one will not get it. */
  #failAll(jobs: readonly Job[], error: unknown): void {
    for (const job of jobs) {
      // The failure of one may have cancelled another: two branches of a select.
      if (!job.isCancelled) this.#endJob(job, { ok: false, error });
    }
  }

  /** A thread has begun a job whose arguments did not fit into the queue, and asks for them. */
  #sendArguments(thread: PoolThread, id: number): void {
    const job = this.#jobs.find(id);
    if (job === undefined) return;
    if (job.isCancelled) return thread.send(ARGUMENTS, id, null);
    const { task, args, name } = job.order;
    try {
      thread.send(ARGUMENTS, id, [task, ...args], args);
    } catch (cause) {
      const error = argumentNotCloned(`run ${name}`, args, cause);
      job.isCancelled = true; // its waiter is told now; the job ends when the thread has left it
      job.settle({ ok: false, error });
      thread.send(ARGUMENTS, id, null);
    }
  }

  // Threads --------------------------------------------------------------------------------------

  #startThread(): void {
    const thread = new PoolThread(
      this.#threadSettings,
      (type, id, value) => this.#handle(thread, type, id, value),
      () => this.#jobs.moveUp(),
      (error) => this.#died(thread, error),
    );
    this.#threads.add(thread);
    // It knows the functions that there are from its settings, and hears of new ones by message.
  }

  #startInPlace(): void {
    try {
      this.#startThread();
    } catch (error) {
      this.#notStarted(error);
    }
  }

  /** A message of a thread. */
  #handle(thread: PoolThread, type: number, id: number, value: unknown): void {
    if (thread.isGone) return;
    const where = `thread ${thread.id} of pool "${this.settings.name}"`;
    switch (type) {
      case READY:
        return this.#ready(thread);
      case START_FAILED:
        return this.#startFailed(thread, unpack(value as Packed, where));
      case RESULT:
        thread.isProven = true;
        this.#completed++;
        return this.#settle(id, { ok: true, value });
      case FAILURE:
        this.#completed++;
        return this.#settle(id, { ok: false, error: unpack(value as Packed, where) });
      case NEED_ARGUMENTS:
        return this.#sendArguments(thread, id);
      case CALL:
        return thread.calls.answer(id, value as [string, ...unknown[]]);
      case CALL_CANCELLED:
        return thread.calls.cancel(id, "the call was cancelled");
      case CRASHED:
        return this.#died(thread, unpack(value as Packed, where));
      case EXIT_FAILED:
        return this.#end.failed(unpack(value as Packed, where));
      case ENDED:
        if (id === 1) this.#left(thread, { isCertain: true });
        else this.#died(thread, undefined);
    }
  }

  /** It has made its state. The pool is open once all have. */
  #ready(thread: PoolThread): void {
    thread.started(true);
    this.#refill.succeeded();
    if (this.#isOpen) return;
    const ready = [...this.#threads].filter(({ isReady }) => isReady).length;
    if (ready < this.settings.size) return;
    this.#isOpen = true;
    this.#opened.resolve();
  }

  /**
   * It could not make its state, or ended before it had: while the pool opens, that is its failure.
   */
  #startFailed(thread: PoolThread, error: unknown): void {
    this.#left(thread, { isCertain: true });
    if (!this.#isOpen) return this.#opened.reject(error);
    this.#crashed++;
    this.#notStarted(thread.crashed("could not start, and neither could others before", error));
  }

  /**
   * Tries again later. If no thread is left to wait for, the jobs fail, or the error is reported.
   */
  #notStarted(error: unknown): void {
    const failures = this.#refill.retry();
    if (failures < MOST_FAILED_STARTS || this.#threads.size > 0) return;
    const jobs = this.#jobs.all();
    this.#failAll(jobs, error);
    if (jobs.length === 0 && failures === MOST_FAILED_STARTS) reportSurvived(error);
  }

  /** It has died of `error`, or without one it has ended by itself. */
  #died(thread: PoolThread, error: unknown): void {
    if (thread.isGone) return;
    const wasReady = thread.isReady;
    if (!wasReady) {
      const what = error === undefined
        ? "ended before it was ready"
        : `could not start: ${error instanceof Error ? error.message : error}`;
      return this.#startFailed(thread, thread.crashed(what, error));
    }
    this.#crashed++;
    const crash = error === undefined
      ? thread.crashed("ended by itself (Deno.exit or close)")
      : thread.crashed("died of an error outside of a task", error);
    const diedAtOnce = !thread.isProven && performance.now() - thread.since < SHORT_LIFE_MS;
    const wasMissed = this.#left(thread, { isCertain: true }, crash);
    if (!this.#isOpen) return this.#opened.reject(crash);
    if (!wasMissed) reportSurvived(crash);
    this.#refill.replace({ diedAtOnce });
  }

  /**
   * It is gone, with the job `current`. Whether somebody waited for that one, and so hears of it.
   */
  #left(
    thread: PoolThread,
    how: { isCertain: boolean },
    crash?: unknown,
    current: number | undefined = thread.currentJob,
  ): boolean {
    this.#threads.delete(thread);
    thread.remove(how);
    this.#jobs.ringAgain(); // another one must take the job for which it may have been rung
    const job = this.#jobs.find(current);
    const isMissed = job !== undefined && !job.isCancelled;
    if (job !== undefined) {
      this.#endJob(job, { ok: false, error: crash ?? thread.crashed("ended") });
      this.#jobs.moveUp();
    }
    // Threads are started from the event loop: those who block it would wait for ever.
    if (this.#threads.size === 0) {
      this.#failAll(this.#jobs.all().filter(({ isBlocking }) => isBlocking), noThreadLeft());
    }
    this.#end.threadLeft();
    return isMissed;
  }

  /** A task that was told to end has not, within its grace period: gives its thread up. */
  #abandonThreadOf(job: Job): void {
    const thread = this.#threadOf(job.id);
    thread?.listen(); // it may have ended just now
    const isOver = this.#jobs.find(job.id) !== job;
    if (thread === undefined || isOver || !thread.abandonAt(job.id)) return;
    this.#abandoned++;
    if (this.#abandoned === 1) {
      this.#warn(
        `${job.order.name} was aborted and has not ended in time, so its thread was given up; a task that ` +
          `computes for long should ask cancelRequested() now and then`,
      );
    }
    this.#left(thread, { isCertain: false }, undefined, job.id);
    this.#refill.replace({ diedAtOnce: false });
  }

  #warn(what: string): void {
    console.warn(`Thread pool "${this.settings.name}": ${what}`);
  }

  /** Takes no more jobs; the threads end once those that there are have ended. */
  close(): Promise<void> {
    return this.#end.close();
  }

  /** `close` for somebody who doesn't wait: an error of `atExit` is reported. */
  closeAsync(): void {
    this.#end.closeAsync();
  }

  statistics(): PoolStatistics {
    const threads = [...this.#threads];
    const busy = threads.filter((thread) => this.#isBusy(thread)).length;
    return {
      size: threads.length + this.#refill.pending,
      idle: threads.filter(({ isReady }) => isReady).length - busy,
      busy,
      queued: this.#jobs.all().filter((job) => this.#jobs.isQueued(job)).length,
      completed: this.#completed,
      crashed: this.#crashed,
      abandoned: this.#abandoned,
    };
  }

  /**
   * Whether it is at a job. One whose result has come is over, though its thread may not say so
   * yet.
   */
  #isBusy(thread: PoolThread): boolean {
    const job = this.#jobs.find(thread.currentJob);
    return thread.isReady && job !== undefined && !this.#jobs.isQueued(job);
  }
}

function noThreadLeft(): ThreadCrashedError {
  return new ThreadCrashedError(
    "No thread of the pool is left, and none can be started while main blocks",
  );
}

/**
 * For the uncaught handler. Without one it is printed: the death of a thread doesn't end the
 * process.
 */
function reportSurvived(error: unknown): void {
  reportUncaught(error, (error) => console.error(error));
}
