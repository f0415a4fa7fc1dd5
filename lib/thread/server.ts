/** A thread of a pool, from within: it takes jobs from the common queue, one after the other. */
import { main } from "../fiber/mod.ts";
import { show } from "../internal/check.ts";
import { clock } from "../loop/timers.ts";
import { attendance, doorbell, type Holder } from "../loop/doorbell.ts";
import type { Operation } from "../operation/types.ts";
import { explainCapture, functionFrom } from "./closure.ts";
import { type Caller, setCaller } from "./call_main.ts";
import { idOf, Inflow, Outflow } from "./flow.ts";
import {
  ABANDONED,
  ARGUMENTS,
  BUSY,
  CALL,
  CANCEL,
  CRASHED,
  CURRENT,
  DEFINE,
  ENDED,
  entry,
  EXIT_FAILED,
  FAILURE,
  HELLO,
  IDLE,
  indexOf,
  NEED_ARGUMENTS,
  PHASE,
  QUEUED,
  QUIT,
  READY,
  REPLY,
  REPLY_FAILED,
  RESULT,
  RUNNING,
  type Start,
  START_FAILED,
} from "./protocol.ts";
import { joinRegistry } from "./registry.ts";
import { EXTRA, NOT_NOW, RECEIVERS, SharedQueue } from "./shared_queue.ts";
import { CurrentJob, setCurrentJob } from "./task.ts";
import { Decoded, ELSEWHERE } from "./values.ts";
import { SharedSide, type SharedWaiter } from "./waiting.ts";
import { pack, type Packed, unpack } from "./wire.ts";

// deno-lint-ignore no-explicit-any -- main has checked what it passes, as far as types can
type AnyFunction = (...args: any[]) => unknown;

/** A module of tasks, without its types. */
export interface Definition {
  readonly init?: () => unknown;
  readonly atExit?: (state: unknown) => unknown;
  readonly tasks: Readonly<Record<string, AnyFunction>>;
}

interface WorkerScope {
  postMessage(message: unknown): void;
  close(): void;
  addEventListener(type: string, listener: (event: never) => void): void;
  removeEventListener(type: string, listener: (event: never) => void): void;
}

const scope = globalThis as unknown as WorkerScope;
const closeWorker = scope.close?.bind(scope);

/** For how long jobs follow each other before the thread's own event loop gets a turn. */
const SLICE_MS = 2;
/** A job that doesn't end in a step. */
const PENDING = Symbol("pending");

let started = false;

/** Goes to work as soon as main says how; `null`: with the functions that main will send. */
export function startServing(definition: Definition | null): void {
  if (started) throw new Error("Cannot serve tasks: serve was called in this thread already");
  started = true;
  const onMessage = ({ data }: MessageEvent<Start>) => {
    if (data?.kind !== "weft.start") return; // the user's own affair
    scope.removeEventListener("message", onMessage);
    new Server(data, definition).start();
  };
  scope.addEventListener("message", onMessage);
  scope.postMessage(HELLO); // not before there is somebody to hear the answer
}

class Server implements SharedWaiter, Caller {
  // In line for jobs.
  after: SharedWaiter | null = null;
  before: SharedWaiter | null = null;
  woken = false;
  holder: Holder | null = null;

  readonly #jobs: SharedQueue;
  readonly #line: SharedSide;
  readonly #table: Int32Array;
  readonly #state: Int32Array;
  readonly #outflow: Outflow;
  readonly #inflow: Inflow;
  readonly #decoded = new Decoded();
  readonly #functions: string[];
  readonly #compiled: AnyFunction[] = [];
  readonly #where: string;
  readonly #init: AnyFunction | undefined;
  readonly #atExit: AnyFunction | undefined;
  #userState: unknown;
  #job: CurrentJob | null = null;
  #quitting = false;
  #gone = false;
  #scheduled = false;
  #working = false;
  /** What waits for an answer of main's, by the number of the call or the job. */
  readonly #answers: Map<number, (ok: boolean, value: unknown) => void> = new Map();
  #argumentsCame: ((args: unknown) => void) | undefined;
  #lastCall = 0;

  constructor(start: Start, readonly definition: Definition | null) {
    joinRegistry(start.registry, start.place);
    this.#jobs = new SharedQueue(start.jobs, start.registry);
    this.#line = new SharedSide(this.#jobs, RECEIVERS);
    this.#table = new Int32Array(start.table);
    this.#state = new Int32Array(start.state);
    this.#outflow = new Outflow(new SharedQueue(start.outbox, start.registry), start.port);
    this.#inflow = new Inflow(
      new SharedQueue(start.inbox, start.registry),
      start.port,
      (type, id, value) => this.#handle(type, id, value),
    );
    this.#functions = [...start.functions];
    this.#where = `main, for thread pool "${start.pool}"`;
    this.#init = start.init === null ? definition?.init : functionFrom(start.init);
    this.#atExit = start.atExit === null ? definition?.atExit : functionFrom(start.atExit);
  }

  async start(): Promise<void> {
    this.#watchOver();
    setCaller(this);
    this.#inflow.start();
    try {
      this.#userState = await this.#init?.();
    } catch (error) {
      this.#outflow.send(START_FAILED, 0, pack(explainCapture(error)));
      return this.#end();
    }
    this.#outflow.send(READY, 0, undefined);
    this.#line.enlist(this, attendance);
  }

  /** Whatever else this thread may die of, main is told. */
  #watchOver(): void {
    const crash = (error: unknown) => {
      if (this.#gone) return;
      this.#outflow.send(CRASHED, 0, pack(error));
      this.#end();
    };
    scope.addEventListener("error", (event: ErrorEvent) => {
      event.preventDefault();
      crash(event.error ?? new Error(event.message));
    });
    scope.addEventListener("unhandledrejection", (event: PromiseRejectionEvent) => {
      event.preventDefault();
      crash(event.reason);
    });
    scope.addEventListener("unload", () => this.#sayGoodbye()); // Deno.exit(), for one
    scope.close = () => {
      this.#sayGoodbye();
      closeWorker();
    };
  }

  #sayGoodbye(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#outflow.send(ENDED, 0, undefined);
  }

  #end(): void {
    this.#sayGoodbye();
    closeWorker();
  }

  // Jobs -----------------------------------------------------------------------------------------

  /** There may be jobs. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(this.#work);
  }

  readonly #work = (): void => {
    this.#scheduled = false;
    this.#working = true;
    try {
      this.#workOn();
    } finally {
      this.#working = false;
    }
  };

  #workOn(): void {
    for (const end = clock() + SLICE_MS;;) {
      if (this.#job !== null || this.#gone) return;
      if (this.#quitting) return void this.#quit();
      if (!this.#setBusy()) return;
      const slot = this.#jobs.take();
      if (slot <= NOT_NOW) {
        if (this.#setIdle() && this.#line.rest(this)) continue;
        return;
      }
      const id = idOf(this.#jobs.words[slot + EXTRA]!);
      this.#decoded.read(this.#jobs, slot);
      this.#jobs.free(slot);
      if (!this.#claim(id)) {
        this.#setIdle();
        continue;
      }
      this.#begin(id);
      if (this.#job === null && clock() > end) {
        this.#scheduled = true;
        nextTurn(this.#work);
        return;
      }
    }
  }

  #setBusy(): boolean {
    return Atomics.compareExchange(this.#state, PHASE, IDLE, BUSY) === IDLE;
  }

  /** False if it was abandoned meanwhile: then it ends. */
  #setIdle(): boolean {
    if (Atomics.compareExchange(this.#state, PHASE, BUSY, IDLE) !== ABANDONED) return true;
    this.#gone = true;
    closeWorker();
    return false;
  }

  /** False if the job was withdrawn before. */
  #claim(id: number): boolean {
    const queued = entry(id, QUEUED);
    const running = entry(id, RUNNING);
    if (Atomics.compareExchange(this.#table, indexOf(id), queued, running) !== queued) return false;
    Atomics.store(this.#state, CURRENT, id + 1);
    return true;
  }

  #begin(id: number): void {
    const job = new CurrentJob(id, "", this.#table, () => this.#inflow.wake());
    this.#job = job;
    if (this.#decoded.kind !== ELSEWHERE) {
      return this.#perform(job, this.#decoded.decode() as [string | number, ...unknown[]]);
    }
    this.#argumentsCame = (args) => {
      this.#argumentsCame = undefined;
      if (args === null) this.#finish(job, RESULT, undefined); // they could not be sent
      else this.#perform(job, args as [string | number, ...unknown[]]);
    };
    this.#outflow.send(NEED_ARGUMENTS, id, undefined);
  }

  #perform(job: CurrentJob, [name, ...args]: [string | number, ...unknown[]]): void {
    setCurrentJob(job);
    let result: unknown;
    try {
      result = this.#call(job, this.#taskOf(name), args);
    } catch (error) {
      return this.#finish(job, FAILURE, error);
    }
    if (result !== PENDING) this.#finish(job, RESULT, result);
  }

  #taskOf(name: string | number): AnyFunction {
    if (typeof name === "number") {
      return this.#compiled[name] ??= functionFrom(this.#functions[name]!);
    }
    const tasks = this.definition?.tasks ?? {};
    if (Object.hasOwn(tasks, name)) return tasks[name]!;
    const names = Object.keys(tasks).map(show).join(", ");
    throw new TypeError(`Cannot run task ${show(name)}: the module has ${names || "no tasks"}`);
  }

  /** What the task returned, or PENDING: then it will finish by itself. */
  #call(job: CurrentJob, task: AnyFunction, args: unknown[]): unknown {
    const result = task(this.#userState, ...args);
    if (isGenerator(result)) {
      const running = main(() => result, { name: task.name || "task" });
      const off = job.onAbort((abort) => void running.abort(abort.cause));
      running.then(
        (value) => this.#finish(job, RESULT, value),
        (error) => this.#finish(job, FAILURE, error),
      ).then(off);
      return PENDING;
    }
    if (!isPromiseLike(result)) return result;
    result.then(
      (value) => this.#finish(job, RESULT, value),
      (error) => this.#finish(job, FAILURE, error),
    );
    return PENDING;
  }

  #finish(job: CurrentJob, type: typeof RESULT | typeof FAILURE, value: unknown): void {
    if (this.#job !== job || this.#gone) return;
    try {
      if (type === FAILURE) this.#outflow.send(FAILURE, job.id, pack(explainCapture(value)));
      else this.#outflow.send(RESULT, job.id, value, [value]);
    } catch (error) {
      const failure = new TypeError(
        `Cannot send the result of the task to main: ${show(value)} could not be cloned`,
        { cause: error },
      );
      this.#outflow.send(FAILURE, job.id, pack(failure));
    }
    setCurrentJob(undefined);
    this.#job = null;
    Atomics.store(this.#state, CURRENT, 0);
    if (this.#setIdle() && !this.#working) this.wake();
  }

  async #quit(): Promise<void> {
    this.#gone = true; // it takes no more jobs; `unload` has nothing to tell
    this.#line.delist(this);
    try {
      await this.#atExit?.(this.#userState);
    } catch (error) {
      this.#outflow.send(EXIT_FAILED, 0, pack(explainCapture(error)));
    }
    this.#outflow.send(ENDED, 1, undefined);
    closeWorker();
  }

  // Messages -------------------------------------------------------------------------------------

  #handle(type: number, id: number, value: unknown): void {
    switch (type) {
      case ARGUMENTS:
        if (this.#job?.id === id) this.#argumentsCame?.(value);
        break;
      case REPLY:
      case REPLY_FAILED: {
        const answer = this.#answers.get(id);
        this.#answers.delete(id);
        answer?.(type === REPLY, type === REPLY ? value : unpack(value as Packed, this.#where));
        break;
      }
      case CANCEL:
        if (this.#job?.id === id) this.#job.cancel(unpack(value as Packed, this.#where));
        break;
      case DEFINE:
        this.#functions[id] = value as string;
        break;
      case QUIT:
        this.#quitting = true;
        this.wake();
    }
  }

  // Calls into main ------------------------------------------------------------------------------

  call(name: string, args: unknown[], answer: (ok: boolean, value: unknown) => void): number {
    const id = ++this.#lastCall;
    this.#outflow.send(CALL, id, [name, ...args], args);
    this.#answers.set(id, answer);
    return id;
  }

  forget(id: number, type: number): void {
    if (this.#answers.delete(id)) this.#outflow.send(type, id, undefined);
  }

  /** Sleeps the whole thread until main has said something. */
  sleep(): void {
    doorbell.sleep(1000);
    this.#outflow.wake();
    this.#inflow.wake();
  }
}

function isGenerator(value: unknown): value is Operation<unknown> {
  if (Object.prototype.toString.call(value) === "[object Generator]") return true;
  return isPromiseLike(value) && Symbol.iterator in value; // an Awaitable of ours
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}

/** A turn of the event loop later. */
function nextTurn(f: () => void): void {
  const { setImmediate } = globalThis as { setImmediate?: (f: () => void) => void };
  if (setImmediate === undefined) setTimeout(f, 0);
  else setImmediate(f);
}
