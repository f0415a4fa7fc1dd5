/** A thread of a pool, from within: it takes jobs from the common queue, one after the other. */
import { main } from "../fiber/mod.ts";
import { refuseGenerator, show } from "../internal/check.ts";
import { hop } from "../loop/hop.ts";
import { clock } from "../loop/timers.ts";
import { attendance, doorbell, type Holder } from "../loop/doorbell.ts";
import { isPromiseLike } from "../promise/hub.ts";
import { explainCapture, functionFrom } from "./closure.ts";
import { type Caller, setCaller } from "./call_main.ts";
import { ID_LIMIT, idOf, Inflow, Outflow } from "./flow.ts";
import { isOperation } from "./main_calls.ts";
import {
  ARGUMENTS,
  atJob,
  CALL,
  CANCEL,
  CRASHED,
  DEFINE,
  ENDED,
  entry,
  EXIT_FAILED,
  FAILURE,
  HELLO,
  IDLE,
  indexOf,
  NEED_ARGUMENTS,
  QUEUED,
  QUIT,
  QUITTING,
  READY,
  REPLY,
  REPLY_FAILED,
  RESULT,
  RUNNING,
  type Start,
  START_FAILED,
  STARTING,
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
/** For how long it sleeps at a time without letting its event loop go on. */
const DOZE_MS = 1;
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
  /** Whether the result of a job waits for room: until it is sent, the thread is at that job. */
  #isReporting = false;
  /** What it is at, but for its jobs. */
  #life: "serving" | "told to quit" | "quitting" | "gone" = "serving";
  #scheduled = false;
  #working = false;
  /** Until when jobs may follow each other before the event loop has to have a turn. */
  #turnEnd = 0;
  /** Whether it had a job a moment ago. */
  #isWarm = false;
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
      const made = this.#init?.();
      refuseGenerator("init", made);
      this.#userState = await made;
    } catch (error) {
      this.#outflow.send(START_FAILED, 0, pack(this.#explain(error)));
      return this.#end();
    }
    if (!this.#setIdle(STARTING)) return;
    this.#outflow.send(READY, 0, undefined);
    this.#line.enlist(this, attendance);
  }

  #explain(error: unknown): unknown {
    return this.definition === null ? explainCapture(error) : error;
  }

  /** Whatever else this thread may die of, main is told. */
  #watchOver(): void {
    const crash = (error: unknown) => {
      if (this.#life === "gone") return;
      this.#outflow.send(this.#life === "quitting" ? EXIT_FAILED : CRASHED, 0, pack(error));
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

  /** The last thing that it says; what it was told to do is no crash. */
  #sayGoodbye(): void {
    if (this.#life === "gone") return;
    const isExpected = this.#life === "quitting";
    this.#life = "gone";
    this.#outflow.send(ENDED, isExpected ? 1 : 0, undefined);
    this.#outflow.flush();
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
    for (;;) {
      if (this.#job !== null || this.#isReporting) return;
      if (this.#life === "told to quit") return void this.#quit();
      if (this.#life !== "serving") return;
      if (clock() > this.#turnEnd) return this.#workNextTurn();
      const slot = this.#jobs.take();
      if (slot <= NOT_NOW) {
        if (this.#lineUp() || this.#doze()) continue;
        return;
      }
      const id = idOf(this.#jobs.words[slot + EXTRA]!);
      this.#decoded.read(this.#jobs, slot);
      this.#jobs.free(slot);
      if (!this.#claim(id)) continue;
      this.#leaveLine();
      this.#isWarm = true;
      this.#begin(id);
    }
  }

  /** Goes on when the thread's own event loop has had a turn. */
  #workNextTurn(): void {
    this.#scheduled = true;
    hop(() => {
      this.#turnEnd = clock() + SLICE_MS;
      this.#work();
    });
  }

  /**
   * After a job the whole thread sleeps for a moment, in line: woken in this way it is at the next
   * job in a fraction of the time that its event loop takes to wake up. True if it was rung.
   */
  #doze(): boolean {
    if (!this.#isWarm || this.#scheduled) return false;
    this.#isWarm = doorbell.sleep(DOZE_MS);
    return this.#isWarm;
  }

  /** Waits for jobs in line with the other threads: true if there may be one now. */
  #lineUp(): boolean {
    if (this.holder !== null) return this.#line.rest(this);
    this.#line.enlist(this, attendance); // which looks, too
    return false;
  }

  /** While it is at a job, no ring must come to it that another thread could answer. */
  #leaveLine(): void {
    if (this.holder !== null) this.#line.delist(this);
  }

  /** False if it was given up meanwhile: then it ends. */
  #setIdle(from: number): boolean {
    if (Atomics.compareExchange(this.#state, 0, from, IDLE) === from) return true;
    this.#life = "gone";
    closeWorker();
    return false;
  }

  /** False if the job was withdrawn before. */
  #claim(id: number): boolean {
    Atomics.store(this.#state, 0, atJob(id));
    const queued = entry(id, QUEUED);
    const running = entry(id, RUNNING);
    if (Atomics.compareExchange(this.#table, indexOf(id), queued, running) === queued) return true;
    Atomics.store(this.#state, 0, IDLE);
    return false;
  }

  #begin(id: number): void {
    const job = new CurrentJob(id, this.#table, () => this.#inflow.wake());
    this.#job = job;
    if (this.#decoded.kind !== ELSEWHERE) {
      return this.#perform(job, this.#decoded.decode() as [string | number, ...unknown[]]);
    }
    this.#argumentsCame = (args) => {
      this.#argumentsCame = undefined;
      if (args === null) this.#finish(job, RESULT, undefined); // nobody waits for it any more
      else this.#perform(job, args as [string | number, ...unknown[]]);
    };
    this.#outflow.send(NEED_ARGUMENTS, id, undefined);
  }

  #perform(job: CurrentJob, [name, ...args]: [string | number, ...unknown[]]): void {
    if (job.isCancelled) return this.#finish(job, RESULT, undefined);
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
      // A job may overtake the message that says what it is.
      while (this.#functions[name] === undefined) this.sleep();
      return this.#compiled[name] ??= functionFrom(this.#functions[name]);
    }
    const tasks = this.definition?.tasks ?? {};
    if (Object.hasOwn(tasks, name)) return tasks[name]!;
    const names = Object.keys(tasks).map(show).join(", ");
    throw new TypeError(`Cannot run task ${show(name)}: the module has ${names || "no tasks"}`);
  }

  /** What the task returned, or PENDING: then it will finish by itself. */
  #call(job: CurrentJob, task: AnyFunction, args: unknown[]): unknown {
    const result = task(this.#userState, ...args);
    if (isOperation(result)) {
      const running = main(() => result, { name: task.name || "task" });
      const off = job.onAbort((abort) => void running.abort(abort.cause));
      running.then(
        (value) => this.#finish(job, RESULT, value),
        (error) => this.#finish(job, FAILURE, error),
      ).then(off);
      return PENDING;
    }
    if (!isPromiseLike(result)) return result;
    Promise.resolve(result).then(
      (value) => this.#finish(job, RESULT, value),
      (error) => this.#finish(job, FAILURE, error),
    );
    return PENDING;
  }

  #finish(job: CurrentJob, type: typeof RESULT | typeof FAILURE, value: unknown): void {
    if (this.#job !== job || this.#life === "gone") return;
    try {
      if (type === FAILURE) this.#outflow.send(FAILURE, job.id, pack(this.#explain(value)));
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
    if (!this.#outflow.isBehind) return this.#leaveJob(job.id);
    // Another job that is stuck, or ends the thread, would take this result along.
    this.#isReporting = true;
    this.#outflow.onceCaughtUp(() => {
      this.#isReporting = false;
      this.#leaveJob(job.id);
    });
  }

  #leaveJob(id: number): void {
    if (this.#setIdle(atJob(id)) && !this.#working) this.wake();
  }

  async #quit(): Promise<void> {
    if (!this.#setQuitting()) return;
    this.#life = "quitting";
    this.#leaveLine();
    try {
      const done = this.#atExit?.(this.#userState);
      refuseGenerator("atExit", done);
      await done;
    } catch (error) {
      if (this.#isHere) this.#outflow.send(EXIT_FAILED, 0, pack(this.#explain(error)));
    }
    this.#end();
  }

  /** False if it was given up meanwhile: then it ends. */
  #setQuitting(): boolean {
    if (Atomics.compareExchange(this.#state, 0, IDLE, QUITTING) === IDLE) return true;
    this.#life = "gone";
    closeWorker();
    return false;
  }

  /** A thread may go on for a moment after it has said goodbye. */
  get #isHere(): boolean {
    return this.#life !== "gone";
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
        if (this.#life !== "serving") break;
        this.#life = "told to quit";
        this.wake();
    }
  }

  // Calls into main ------------------------------------------------------------------------------

  call(name: string, args: unknown[], answer: (ok: boolean, value: unknown) => void): number {
    if (!this.#isHere) throw new Error(`Cannot call ${show(name)} in main: this thread has ended`);
    const id = this.#lastCall = (this.#lastCall + 1) % ID_LIMIT;
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
