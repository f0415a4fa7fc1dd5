/**
 * A pool, in main: its jobs and its threads.
 *
 * Every job ends in exactly one of four ways: its result comes, its thread dies, it is withdrawn,
 * or the pool can't start threads any more. `#end` is the one place where it leaves the table.
 */
import { reportUncaught, trap } from "../internal/report.ts";
import { Ring } from "../internal/ring.ts";
import { type Main, main } from "../fiber/mod.ts";
import { doorbell } from "../loop/doorbell.ts";
import { onLoopEmpty } from "../loop/host_exit.ts";
import { hostLoop } from "../loop/mod.ts";
import type { CancelHandle } from "../operation/event_base.ts";
import type { Operation, Result } from "../operation/types.ts";
import { PoolClosedError } from "./errors.ts";
import { extraOf, put } from "./flow.ts";
import { Job } from "./job.ts";
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
  REPLY,
  REPLY_FAILED,
  RESULT,
  START_FAILED,
  TABLE_SIZE,
} from "./protocol.ts";
import { ownRegistry } from "./registry.ts";
import { SharedQueue } from "./shared_queue.ts";
import { Encoded } from "./values.ts";
import { pack, type Packed, unpack } from "./wire.ts";

// deno-lint-ignore no-explicit-any -- the functions of main that threads may call
export type MainFunctions = Readonly<Record<string, (...args: any[]) => unknown>>;

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
/** A thread that dies before has died at once: its successor is started after a pause. */
const SHORT_LIFE_MS = 1000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 10_000;
/** So many starts in a row may fail before the jobs that wait for a thread fail, too. */
const MOST_FAILED_STARTS = 5;

const encoding = new Encoded();

export class PoolCore {
  readonly #jobs: SharedQueue;
  readonly #table = new Int32Array(new SharedArrayBuffer(TABLE_SIZE * 4));
  /** The jobs in the table, by index. */
  readonly #entries: (Job | undefined)[] = new Array(TABLE_SIZE).fill(undefined);
  readonly #freeIndices: number[] = Array.from({ length: TABLE_SIZE }, (_, i) => i);
  readonly #lastIds: Int32Array = new Int32Array(TABLE_SIZE).fill(-1);
  /** Those for which there was no room in the common queue. */
  readonly #backlog: Ring<Job> = new Ring();
  readonly #threads: Set<PoolThread> = new Set();
  /** Fibers in main that answer calls, by thread and number. */
  readonly #calls: Map<PoolThread, Map<number, Main<unknown>>> = new Map();
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
  #restarts = 0;
  #pause = 0;
  #isClosing = false;
  #quitSent = false;
  #exitErrors: unknown[] = [];
  readonly #gone = Promise.withResolvers<void>();
  readonly #opened = Promise.withResolvers<void>();
  #isOpen = false;

  constructor(readonly settings: PoolSettings) {
    const { module, name, init, atExit } = settings;
    const jobs = SharedQueue.allocate(QUEUE_CAPACITY, MESSAGE_BYTES);
    this.#jobs = new SharedQueue(jobs, ownRegistry().buffer);
    const table = this.#table.buffer as SharedArrayBuffer;
    const functions = this.#functions;
    this.#outfit = { module, pool: name, jobs, table, init, atExit, functions };
    this.#gone.promise.catch(() => {});
    this.#opened.promise.catch(() => {});
    // Forgotten, and nothing is left to do: its threads may run their `atExit`.
    this.#onLoopEmpty = onLoopEmpty(() => {
      if (this.#isClosing || this.#inFlight > 0) return false;
      this.close();
      return true;
    });
  }

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

  get isClosed(): boolean {
    return this.#isClosing;
  }

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
    if (this.#isClosing) throw new PoolClosedError(this.settings.name);
    this.#inFlight++;
    // Copied now, so that the caller may go on using what it has passed.
    if (encoding.encodeFast([job.task, ...job.args], MESSAGE_BYTES)) {
      if (this.#backlog.length === 0 && this.#offer(job, encoding)) return;
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
      return false;
    }
    this.#lastIds[index] = id;
    this.#entries[index] = job;
    job.id = id;
    job.isOffered = true;
    return true;
  }

  #offerBacklog(): void {
    while (this.#backlog.length > 0) {
      const job = this.#backlog.shift()!;
      if (job.isCancelled) continue;
      if (job.encoded === undefined) encoding.encodeElsewhere();
      if (this.#offer(job, job.encoded ?? encoding)) continue;
      this.#backlog.unshift(job);
      return;
    }
  }

  /** Nobody waits for it any more: withdrawn if it has not begun, else its task is told. */
  cancel(job: Job, reason: unknown): void {
    job.isCancelled = true;
    if (!job.isOffered) return this.#ended();
    const index = indexOf(job.id);
    const queued = entry(job.id, QUEUED);
    if (Atomics.compareExchange(this.#table, index, queued, FREE) === queued) {
      return this.#end(job);
    }
    Atomics.or(this.#table, index, CANCELLED);
    job.reason = reason;
    const thread = this.#threadOf(job.id);
    // One that has taken it in this very instant will find the message later.
    for (const told of thread === undefined ? this.#threads : [thread]) {
      told.cancel(job.id, reason);
    }
    if (this.settings.graceMs === Infinity) return;
    doorbell.hold();
    const timer = hostLoop().onTimer(
      this.settings.graceMs,
      { repeat: false },
      () => this.#abandonThreadOf(job),
    );
    job.graceTimer = {
      cancel() {
        timer.cancel();
        doorbell.release();
      },
    };
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
    this.#offerBacklog();
    if (this.#isClosing && this.#inFlight === 0) this.#sendQuit();
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
        this.#completed++;
        return this.#settle(id, { ok: true, value });
      case FAILURE:
        this.#completed++;
        return this.#settle(id, { ok: false, error: unpack(value as Packed, where) });
      case NEED_ARGUMENTS:
        return this.#sendArguments(thread, id);
      case CALL:
        return this.#answer(thread, id, value as [string, ...unknown[]]);
      case CALL_CANCELLED:
        return void this.#calls.get(thread)?.get(id)?.abort("the call was cancelled");
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
    this.#failedStarts++;
    if (this.#failedStarts >= MOST_FAILED_STARTS) {
      this.#failWaiting(thread.crashed("could not start, and neither could others before", error));
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
    const shortLived = performance.now() - thread.since < SHORT_LIFE_MS;
    const wasAtWork = this.#left(thread, { isCertain: true }, crash);
    if (error !== undefined && !wasAtWork) reportUncaught(crash);
    this.#pause = shortLived ? Math.min(LONGEST_PAUSE_MS, this.#pause * 2 || FIRST_PAUSE_MS) : 0;
    this.#replace();
  }

  /** It is gone. Whether it took a job with it, which somebody waited for. */
  #left(thread: PoolThread, how: { isCertain: boolean }, crash?: unknown): boolean {
    const current = thread.currentJob;
    this.#threads.delete(thread);
    thread.remove(how);
    this.#abortCalls(thread);
    const job = current === undefined ? undefined : this.#entries[indexOf(current)];
    const hasJob = job?.id === current && job !== undefined;
    const isMissed = hasJob && !job.isCancelled;
    if (hasJob) {
      const error = crash ?? thread.crashed("ended");
      this.#settle(job.id, { ok: false, error });
    }
    if (this.#isClosing && this.#threads.size === 0) this.#allGone();
    return isMissed;
  }

  /** Starts a thread in the place of one that is gone; after a pause, if they die at once. */
  #replace(): void {
    if (this.#isClosing && this.#inFlight === 0) return;
    const pause = this.#failedStarts > 0
      ? Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.#failedStarts)
      : this.#pause;
    this.#restarts++;
    const holds = this.#inFlight > 0;
    if (holds) doorbell.hold();
    hostLoop().onTimer(pause, { repeat: false }, () => {
      if (holds) doorbell.release();
      this.#restarts--;
      if (this.#isClosing && this.#inFlight === 0) return;
      try {
        this.#startThread();
      } catch (error) {
        this.#failedStarts++;
        if (this.#failedStarts >= MOST_FAILED_STARTS) this.#failWaiting(error);
        this.#replace();
      }
    });
  }

  /** No thread can be had: what waits for one will not get it. */
  #failWaiting(error: unknown): void {
    if (this.#threads.size > 0) return;
    for (const job of [...this.#entries]) {
      if (job !== undefined) this.#settle(job.id, { ok: false, error });
    }
    while (this.#backlog.length > 0) {
      const job = this.#backlog.shift()!;
      if (job.isCancelled) continue;
      this.#ended();
      job.waiter.settled({ ok: false, error });
    }
  }

  /** A task that was told to end has not, within its grace period. */
  #abandonThreadOf(job: Job): void {
    const thread = this.#threadOf(job.id);
    if (thread === undefined || job.id < 0 || this.#entries[indexOf(job.id)] !== job) return;
    thread.listen();
    if (this.#entries[indexOf(job.id)] !== job || !thread.abandon()) return;
    this.#abandoned++;
    if (this.#abandoned === 1) {
      console.warn(
        `Thread pool "${this.settings.name}": task ${job.name} was aborted and has not ended ` +
          `within ${this.settings.graceMs} ms, so its thread was given up and replaced; a task ` +
          `that computes for long should ask cancelRequested() now and then`,
      );
    }
    this.#left(thread, { isCertain: false });
    this.#pause = 0;
    this.#replace();
  }

  // Talking to threads ---------------------------------------------------------------------------

  #sendArguments(thread: PoolThread, id: number): void {
    const job = this.#entries[indexOf(id)];
    if (job === undefined || job.id !== id) return;
    try {
      thread.send(ARGUMENTS, id, [job.task, ...job.args], job.args);
    } catch (cause) {
      const error = new TypeError(
        `Cannot run ${job.name}: an argument could not be cloned: ${
          cause instanceof Error ? cause.message : cause
        }`,
        { cause },
      );
      // The thread waits for arguments; a job that it is told to forget it gives back as a failure.
      if (!job.isCancelled) {
        job.isCancelled = true;
        job.waiter.settled({ ok: false, error });
      }
      thread.send(ARGUMENTS, id, null);
    }
  }

  #answer(thread: PoolThread, id: number, [name, ...args]: [string, ...unknown[]]): void {
    const fail = (error: unknown) => thread.send(REPLY_FAILED, id, pack(error));
    const reply = (value: unknown) => {
      try {
        thread.send(REPLY, id, value, [value]);
      } catch (error) {
        fail(error);
      }
    };
    const functions = this.settings.main;
    if (!Object.hasOwn(functions, name)) {
      const names = Object.keys(functions).join(", ") || "none";
      return fail(new TypeError(`Cannot call ${name} in main: the pool was given ${names}`));
    }
    let result: unknown;
    try {
      result = functions[name]!(...args);
    } catch (error) {
      return fail(error);
    }
    if (!isOperation(result)) {
      if (!isPromiseLike(result)) return reply(result);
      result.then(reply, fail);
      return;
    }
    const operation = result;
    const running = main(() => operation, { name: `${name}, called by a thread` });
    const calls = this.#calls.get(thread) ?? new Map<number, Main<unknown>>();
    this.#calls.set(thread, calls);
    calls.set(id, running);
    running.then(reply, fail).then(() => calls.delete(id));
  }

  #abortCalls(thread: PoolThread): void {
    for (const call of this.#calls.get(thread)?.values() ?? []) {
      void call.abort("the thread that called is gone");
    }
    this.#calls.delete(thread);
  }

  // Closing --------------------------------------------------------------------------------------

  /** Takes no more jobs; the threads end once those that there are have ended. */
  close(): Promise<void> {
    if (!this.#isClosing) {
      this.#isClosing = true;
      this.#onLoopEmpty.cancel();
      doorbell.hold();
      if (this.#inFlight === 0) this.#sendQuit();
    }
    return this.#gone.promise;
  }

  #sendQuit(): void {
    if (this.#quitSent) return;
    this.#quitSent = true;
    if (this.#threads.size === 0) return this.#allGone();
    for (const thread of [...this.#threads]) {
      if (thread.isReady) thread.quit();
      else this.#left(thread, { isCertain: true });
    }
  }

  #allGone(): void {
    if (this.#inFlight > 0) return; // a successor comes
    doorbell.release();
    const errors = this.#exitErrors;
    if (errors.length === 0) this.#gone.resolve();
    else this.#gone.reject(errors.length === 1 ? errors[0] : new AggregateError(errors));
  }

  /** For who closes it and doesn't wait: an error of `atExit` is reported. */
  closeAsync(): void {
    this.close().catch((error) => trap(() => reportUncaught(error)));
  }

  statistics(): PoolStatistics {
    let queued = this.#backlog.length;
    for (const job of this.#entries) {
      if (job === undefined) continue;
      if (Atomics.load(this.#table, indexOf(job.id)) === entry(job.id, QUEUED)) queued++;
    }
    const threads = [...this.#threads];
    const busy = threads.filter((thread) => thread.isBusy && thread.currentJob !== undefined);
    return {
      size: threads.length + this.#restarts,
      idle: threads.filter(({ isReady }) => isReady).length - busy.length,
      busy: busy.length,
      queued,
      completed: this.#completed,
      crashed: this.#crashed,
      abandoned: this.#abandoned,
    };
  }
}

function isOperation(value: unknown): value is Operation<unknown> {
  if (Object.prototype.toString.call(value) === "[object Generator]") return true;
  return isPromiseLike(value) && Symbol.iterator in value; // an Awaitable
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
