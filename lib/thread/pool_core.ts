/**
 * A pool, in main: its jobs and its threads.
 *
 * Every job ends in exactly one of four ways: its result comes, its thread dies, it is withdrawn,
 * or the pool can't start threads any more. `#end` is the one place where it leaves the table.
 */
import { reportUncaught } from "../internal/report.ts";
import { doorbell } from "../loop/doorbell.ts";
import { onLoopEmpty } from "../loop/host_exit.ts";
import { clock } from "../loop/timers.ts";
import type { CancelHandle } from "../operation/event_base.ts";
import type { Result } from "../operation/types.ts";
import { backgroundTimer } from "./background_timer.ts";
import { Backlog } from "./backlog.ts";
import { PoolClosedError, ThreadCrashedError } from "./errors.ts";
import { extraOf, put } from "./flow.ts";
import type { Job } from "./job.ts";
import type { MainFunctions } from "./main_calls.ts";
import { MESSAGE_BYTES, type Outfit, PoolThread } from "./pool_thread.ts";
import {
  ARGUMENTS,
  CALL,
  CALL_CANCELLED,
  CANCELLED,
  CRASHED,
  DEFINE,
  ENDED,
  entry,
  EXIT_FAILED,
  FAILURE,
  FREE,
  indexOf,
  JOB_LIMIT,
  NEED_ARGUMENTS,
  QUEUED,
  READY,
  RESULT,
  START_FAILED,
  TABLE_SIZE,
} from "./protocol.ts";
import { ownRegistry } from "./registry.ts";
import { RECEIVERS, SharedQueue, WAKES_LAST } from "./shared_queue.ts";
import { Encoded } from "./values.ts";
import { type Packed, unpack } from "./wire.ts";

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

/** How many jobs the common queue holds. */
const QUEUE_CAPACITY = 1024;
/** A thread that dies before, and before it got a job done, has died at once. */
const SHORT_LIFE_MS = 1000;
/** How long its successor has to wait then; twice as long each time. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 10_000;
/** So many starts in a row may fail before the jobs that wait for a thread fail, too. */
const MOST_FAILED_STARTS = 5;
/** How long the end of the program waits at most for tasks that were aborted. */
const EXIT_GRACE_MS = 1000;
/** How long `close` waits at least for a thread to begin with its clean-up, however short of grace. */
const LEAST_QUIT_MS = 1000;
/** How often a job that no thread has taken is rung for again. */
const PASS_ON_MS = 500;

const encoding = new Encoded();

export class PoolCore {
  readonly #jobs: SharedQueue;
  readonly #table = new Int32Array(new SharedArrayBuffer(TABLE_SIZE * 4));
  /** The jobs in the table, by index. */
  readonly #entries: (Job | undefined)[] = new Array(TABLE_SIZE).fill(undefined);
  readonly #freeIndices: number[] = Array.from({ length: TABLE_SIZE }, (_, i) => i);
  readonly #lastIds: Int32Array = new Int32Array(TABLE_SIZE).fill(-1);
  /** Those for which there was no room in the common queue. */
  readonly #backlog: Backlog;
  readonly #threads: Set<PoolThread> = new Set();
  readonly #functions: string[] = [];
  readonly #functionIds: Map<string, number> = new Map();
  readonly #outfit: Outfit;
  readonly #onLoopEmpty: CancelHandle;
  /** Jobs that have not ended. */
  #inFlight = 0;
  #completed = 0;
  #crashed = 0;
  #abandoned = 0;
  #failedStarts = 0;
  /** Threads that are to be started, after a pause. */
  readonly #restarts: Set<CancelHandle> = new Set();
  #pause = 0;
  /** How far it has got with closing. */
  #closing: "no" | "finishing" | "quitting" | "gone" = "no";
  #exitErrors: unknown[] = [];
  readonly #gone = Promise.withResolvers<void>();
  readonly #opened = Promise.withResolvers<void>();
  #isOpen = false;
  /** Whether it closes because the program has come to its end. */
  #isExit = false;
  #quitTimer: CancelHandle | undefined;
  #lastPassedOn = 0;

  constructor(readonly settings: PoolSettings) {
    const { module, name, main, init, atExit } = settings;
    const jobs = SharedQueue.allocate(QUEUE_CAPACITY, MESSAGE_BYTES, WAKES_LAST);
    this.#jobs = new SharedQueue(jobs, ownRegistry().buffer);
    const table = this.#table.buffer as SharedArrayBuffer;
    const functions = this.#functions;
    this.#outfit = { module, pool: name, jobs, table, init, atExit, functions, main };
    this.#backlog = new Backlog(this.#jobs, () => this.#offerBacklog());
    this.#gone.promise.catch(() => {});
    this.#opened.promise.catch(() => {});
    this.#onLoopEmpty = onLoopEmpty(() => this.#closeAtExit());
    doorbell.listen(this.#passOn);
  }

  /**
   * A thread that was rung for a job may be busy with what an earlier task has left behind: now and
   * then another one is rung.
   */
  readonly #passOn = (): void => {
    if (this.#inFlight === 0 || !this.#jobs.isReady(RECEIVERS)) return;
    const now = clock();
    if (now - this.#lastPassedOn < PASS_ON_MS) return;
    this.#lastPassedOn = now;
    this.#jobs.wake(RECEIVERS);
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
      this.close();
      await this.#gone.promise.catch(() => {});
      throw error;
    }
  }

  // Jobs -----------------------------------------------------------------------------------------

  /** The number under which threads know a function. */
  define(source: string): number {
    let id = this.#functionIds.get(source);
    if (id === undefined) {
      id = this.#functions.push(source) - 1;
      this.#functionIds.set(source, id);
      for (const thread of this.#threads) thread.send(DEFINE, id, source);
    }
    return id;
  }

  /** @throws {PoolClosedError} if it is closed */
  submit(job: Job): void {
    // Copied now, so that the caller may go on using what it has passed; may run code of the user's.
    const isEncoded = encoding.encodeFast([job.task, ...job.args], MESSAGE_BYTES);
    if (this.#closing !== "no") throw new PoolClosedError(this.settings.name);
    if (job.isBlocking && this.#threads.size === 0) throw noThreadLeft();
    this.#inFlight++;
    if (isEncoded) {
      if (this.#backlog.size === 0 && this.#offer(job, encoding)) return;
      job.encoded = encoding.copy();
    }
    this.#backlog.push(job);
    this.#offerBacklog();
  }

  /** Puts a job into the common queue, if it may and there is room. */
  #offer(job: Job, encoded: Encoded): boolean {
    const { size, maxQueued } = this.settings;
    if (TABLE_SIZE - this.#freeIndices.length >= size + maxQueued) return false;
    const index = this.#freeIndices.pop();
    if (index === undefined) return false;
    const last = this.#lastIds[index]!;
    const id = last < 0 ? index : (last + TABLE_SIZE) % JOB_LIMIT;
    Atomics.store(this.#table, index, entry(id, QUEUED));
    if (!put(this.#jobs, extraOf(0, id), encoded)) {
      this.#freeIndices.push(index);
      this.#backlog.awaitRoom();
      return false;
    }
    this.#lastIds[index] = id;
    this.#entries[index] = job;
    job.id = id;
    return true;
  }

  #offerBacklog(): void {
    for (let job = this.#backlog.first; job !== null; job = this.#backlog.first) {
      if (job.encoded === undefined) encoding.encodeElsewhere();
      if (!this.#offer(job, job.encoded ?? encoding)) return;
      this.#backlog.remove(job);
      job.encoded = undefined;
    }
  }

  /** Nobody waits for it any more: withdrawn if it has not begun, else its task is told. */
  cancel(job: Job, reason: unknown): void {
    job.isCancelled = true;
    if (job.id < 0) {
      this.#backlog.remove(job);
      return this.#ended();
    }
    const index = indexOf(job.id);
    const queued = entry(job.id, QUEUED);
    if (Atomics.compareExchange(this.#table, index, queued, FREE) === queued) {
      this.#end(job);
      return this.#offerBacklog();
    }
    Atomics.or(this.#table, index, CANCELLED);
    const thread = this.#threadOf(job.id);
    // One that has taken it in this very instant will find the message later.
    for (const told of thread === undefined ? this.#threads : [thread]) {
      told.cancel(job.id, reason);
    }
    if (this.settings.graceMs < Infinity) this.#giveGrace(job, this.settings.graceMs);
  }

  #giveGrace(job: Job, ms: number): void {
    job.graceTimer?.cancel();
    job.graceTimer = backgroundTimer(ms, () => this.#abandonThreadOf(job));
  }

  #threadOf(id: number): PoolThread | undefined {
    for (const thread of this.#threads) if (thread.currentJob === id) return thread;
  }

  /** It leaves the table. */
  #end(job: Job): void {
    const index = indexOf(job.id);
    Atomics.store(this.#table, index, FREE);
    this.#entries[index] = undefined;
    this.#freeIndices.push(index);
    job.graceTimer?.cancel();
    job.graceTimer = undefined;
    this.#ended();
  }

  #ended(): void {
    this.#inFlight--;
    this.#quitIfDone();
  }

  #settle(id: number, result: Result<unknown>): void {
    const job = this.#entries[indexOf(id)];
    if (job === undefined || job.id !== id) return;
    this.#end(job);
    if (!job.isCancelled) job.waiter.settled(result);
  }

  // Threads --------------------------------------------------------------------------------------

  #startThread(): void {
    const thread = new PoolThread(
      this.#outfit,
      (type, id, value) => this.#handle(thread, type, id, value),
      () => this.#offerBacklog(),
      (error) => this.#died(thread, error),
    );
    this.#threads.add(thread);
    // Functions that were defined from here on reach it by message, those before by its outfit.
  }

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
        this.#exitErrors.push(unpack(value as Packed, where));
        return;
      case ENDED:
        if (id === 1) this.#left(thread, { isCertain: true });
        else this.#died(thread, undefined);
    }
  }

  #ready(thread: PoolThread): void {
    thread.started(true);
    this.#failedStarts = 0;
    if (this.#isOpen) return;
    const ready = [...this.#threads].filter(({ isReady }) => isReady).length;
    if (ready < this.settings.size) return;
    this.#isOpen = true;
    this.#opened.resolve();
  }

  #startFailed(thread: PoolThread, error: unknown): void {
    this.#left(thread, { isCertain: true });
    if (!this.#isOpen) return this.#opened.reject(error);
    this.#crashed++;
    this.#notStarted(thread.crashed("could not start, and neither could others before", error));
  }

  #notStarted(error: unknown): void {
    this.#failedStarts++;
    if (this.#failedStarts >= MOST_FAILED_STARTS && this.#threads.size === 0) {
      const isMissed = this.#inFlight > 0;
      this.#failWaiting(error);
      if (!isMissed && this.#failedStarts === MOST_FAILED_STARTS) reportSurvived(error);
    }
    this.#replace();
  }

  /** It has died of `error`, or ended on its own account. */
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
    this.#pause = diedAtOnce ? Math.min(LONGEST_PAUSE_MS, this.#pause * 2 || FIRST_PAUSE_MS) : 0;
    this.#replace();
  }

  /** It is gone. Whether it took a job with it, which somebody waited for. */
  #left(
    thread: PoolThread,
    how: { isCertain: boolean },
    crash?: unknown,
    current: number | undefined = thread.currentJob,
  ): boolean {
    this.#threads.delete(thread);
    thread.remove(how);
    // It may have been rung for a job that another one must take now.
    if (this.#jobs.isReady(RECEIVERS)) this.#jobs.wake(RECEIVERS);
    const job = current === undefined ? undefined : this.#entries[indexOf(current)];
    const hasJob = job?.id === current && job !== undefined;
    const isMissed = hasJob && !job.isCancelled;
    if (hasJob) {
      const error = crash ?? thread.crashed("ended");
      this.#settle(job.id, { ok: false, error });
      this.#offerBacklog();
    }
    if (this.#threads.size === 0) this.#failBlocked();
    this.#finishClosing();
    return isMissed;
  }

  /** Starts a thread in the place of one that is gone; after a pause, if they die at once. */
  #replace(): void {
    if (this.#closing === "quitting" || this.#closing === "gone") return;
    const pause = this.#failedStarts > 0
      ? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failedStarts)
      : this.#pause;
    const restart = backgroundTimer(pause, () => {
      this.#restarts.delete(restart);
      try {
        this.#startThread();
      } catch (error) {
        this.#notStarted(error);
      }
    });
    this.#restarts.add(restart);
  }

  /** No thread can be had: what waits for one will not get it. */
  #failWaiting(error: unknown): void {
    for (const job of [...this.#entries, ...this.#backlog.jobs()]) {
      if (job !== undefined) this.#fail(job, error);
    }
  }

  /** Threads are started from the event loop: those who block it would wait for ever. */
  #failBlocked(): void {
    const blocked = [...this.#entries, ...this.#backlog.jobs()].filter((job) => job?.isBlocking);
    for (const job of blocked) this.#fail(job!, noThreadLeft());
  }

  #fail(job: Job, error: unknown): void {
    if (job.id >= 0) return this.#settle(job.id, { ok: false, error });
    this.#backlog.remove(job);
    this.#ended();
    job.waiter.settled({ ok: false, error });
  }

  /** A task that was told to end has not, within its grace period. */
  #abandonThreadOf(job: Job): void {
    const thread = this.#threadOf(job.id);
    thread?.listen(); // it may have ended just now
    const isOver = this.#entries[indexOf(job.id)] !== job;
    if (thread === undefined || isOver || !thread.abandonAt(job.id)) return;
    this.#noteAbandoned(
      `${job.name} was aborted and has not ended in time, so its thread was given up; a task that ` +
        `computes for long should ask cancelRequested() now and then`,
    );
    this.#left(thread, { isCertain: false }, undefined, job.id);
    this.#pause = 0;
    this.#replace();
  }

  #noteAbandoned(what: string): void {
    this.#abandoned++;
    if (this.#abandoned === 1) console.warn(`Thread pool "${this.settings.name}": ${what}`);
  }

  // Talking to threads ---------------------------------------------------------------------------

  #sendArguments(thread: PoolThread, id: number): void {
    const job = this.#entries[indexOf(id)];
    if (job === undefined || job.id !== id) return;
    if (job.isCancelled) return thread.send(ARGUMENTS, id, null);
    try {
      thread.send(ARGUMENTS, id, [job.task, ...job.args], job.args);
    } catch (cause) {
      const error = new TypeError(
        `Cannot run ${job.name}: an argument could not be cloned: ${
          cause instanceof Error ? cause.message : cause
        }`,
        { cause },
      );
      job.isCancelled = true;
      job.waiter.settled({ ok: false, error });
      thread.send(ARGUMENTS, id, null);
    }
  }

  // Closing --------------------------------------------------------------------------------------

  /** Takes no more jobs; the threads end once those that there are have ended. */
  close(): Promise<void> {
    if (this.#closing === "no") {
      this.#closing = "finishing";
      this.#onLoopEmpty.cancel();
      doorbell.hold();
      this.#quitIfDone();
    }
    return this.#gone.promise;
  }

  #quitIfDone(): void {
    if (this.#closing !== "finishing" || this.#inFlight > 0) return;
    this.#closing = "quitting";
    for (const restart of this.#restarts) restart.cancel();
    this.#restarts.clear();
    const { graceMs } = this.settings;
    const ms = this.#isExit ? Math.min(graceMs, EXIT_GRACE_MS) : Math.max(graceMs, LEAST_QUIT_MS);
    if (ms < Infinity) this.#quitTimer = backgroundTimer(ms, () => this.#giveUpQuitting());
    const threads = [...this.#threads];
    for (const thread of threads) {
      // One that still makes its state can be stopped there, and nothing has to be undone.
      if (thread.abandonStart()) this.#left(thread, { isCertain: false });
      else thread.quit();
    }
    this.#finishClosing();
  }

  /**
   * Threads that have not even begun to clean up: something that a task has left behind keeps them.
   * At the end of the program those that have not finished, either.
   */
  #giveUpQuitting(): void {
    for (const thread of [...this.#threads]) {
      thread.listen();
      if (thread.isGone || !(thread.abandonIdle() || this.#isExit)) continue;
      this.#noteAbandoned("a thread has not ended in time and was given up");
      this.#left(thread, { isCertain: false });
    }
  }

  #finishClosing(): void {
    if (this.#closing !== "quitting" || this.#threads.size > 0) return;
    this.#closing = "gone";
    this.#quitTimer?.cancel();
    doorbell.unlisten(this.#passOn);
    doorbell.release();
    const errors = this.#exitErrors;
    if (errors.length === 0) this.#gone.resolve();
    else {this.#gone.reject(
        errors.length === 1
          ? errors[0]
          : new AggregateError(errors, "Several threads failed to clean up"),
      );}
  }

  /** For who closes it and doesn't wait: an error of `atExit` is reported. */
  closeAsync(): void {
    this.close().catch(reportUncaught);
  }

  /** The loop has run empty, and nobody has closed it: its threads may run their `atExit`. */
  #closeAtExit(): boolean {
    if (this.#closing !== "no") return false;
    this.#isExit = true;
    // Whoever waits for a job keeps the loop going, so these were cancelled.
    for (const job of this.#entries) {
      if (job?.isCancelled) this.#giveGrace(job, Math.min(this.settings.graceMs, EXIT_GRACE_MS));
    }
    this.closeAsync();
    return true;
  }

  statistics(): PoolStatistics {
    let queued = this.#backlog.size;
    for (const job of this.#entries) if (job !== undefined && this.#isQueued(job)) queued++;
    const threads = [...this.#threads];
    const busy = threads.filter((thread) => this.#isBusy(thread)).length;
    return {
      size: threads.length + this.#restarts.size,
      idle: threads.filter(({ isReady }) => isReady).length - busy,
      busy,
      queued,
      completed: this.#completed,
      crashed: this.#crashed,
      abandoned: this.#abandoned,
    };
  }

  #isQueued(job: Job): boolean {
    return Atomics.load(this.#table, indexOf(job.id)) === entry(job.id, QUEUED);
  }

  /** A job whose end is known is over, though its thread may not have got so far. */
  #isBusy(thread: PoolThread): boolean {
    const id = thread.currentJob;
    const job = id === undefined ? undefined : this.#entries[indexOf(id)];
    return thread.isReady && job !== undefined && job.id === id && !this.#isQueued(job);
  }
}

function noThreadLeft(): ThreadCrashedError {
  return new ThreadCrashedError(
    "No thread of the pool is left, and none can be started while main blocks",
  );
}

/** What a thread died of doesn't end the process: without a handler it is printed. */
function reportSurvived(error: unknown): void {
  reportUncaught(error, (error) => console.error(error));
}
