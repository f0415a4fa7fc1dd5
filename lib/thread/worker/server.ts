/**
 * A thread of a pool, from within: it takes jobs from the common queue, one after the other.
 *
 *     in line ──rung──▶ takes an item ──claims it──▶ at the job ──result sent──▶ in line
 *        ▲                                │
 *        └──────── the queue is empty ────┘     (an item whose job was withdrawn is skipped)
 *
 * What holds, and who sees to it:
 *  - A job is never lost with the thread: the thread says which job it is about to claim *before*
 *    it does (`#claim`), and says that it has left it only *after* the result is sent (`#finish`).
 *    In between main knows which thread has it.
 *  - A ring is never lost on a thread that is busy: at a job it is not in line, so that it isn't
 *    rung for a job that another thread could do (`#workOn`).
 *  - One job at a time: while a task runs on as a fiber or a promise, or its result waits for room
 *    in the outbox, no other job is taken.
 *  - The thread's own event loop gets a turn after a slice of jobs (`#workNextTurn`), and messages
 *    of main are let in whenever the thread blocks or is asked about its job.
 */
import { hop } from "../../loop/hop.ts";
import { clock } from "../../loop/timers.ts";
import { attendance, doorbell } from "../../loop/doorbell.ts";
import {
  Decoded,
  ELSEWHERE,
  EXTRA,
  joinRegistry,
  NOT_NOW,
  pack,
  type Packed,
  RECEIVERS,
  SharedQueue,
  unpack,
} from "../memory/mod.ts";
import { LineNode, WaitingLine } from "../shared/mod.ts";
import {
  type AnyFunction,
  ARGUMENTS,
  CANCEL,
  DEFINE,
  entry,
  EXIT_FAILED,
  FAILURE,
  HELLO,
  idOf,
  Inbox,
  indexOf,
  NEED_ARGUMENTS,
  Outbox,
  perform,
  QUEUED,
  QUIT,
  READY,
  REPLY,
  REPLY_FAILED,
  RESULT,
  resultNotCloned,
  RUNNING,
  type Start,
  START_FAILED,
} from "../protocol/mod.ts";
import { setThreadCalls } from "./call_main.ts";
import { type Definition, Program } from "./program.ts";
import { CurrentJob, setCurrentJob } from "./task.ts";
import { ThreadCalls } from "./thread_calls.ts";
import { ThreadLife, workerScope } from "./thread_life.ts";

/** For how long jobs follow each other before the thread's own event loop gets a turn. */
const SLICE_MS = 2;
/** For how long it sleeps at a time without letting its event loop go on. */
const DOZE_MS = 1;

let started = false;

/** Goes to work as soon as main says how; `null`: with the functions that main will send. */
export function startServing(definition: Definition | null): void {
  if (started) throw new Error("Cannot serve tasks: serve was called in this thread already");
  started = true;
  const onMessage = ({ data }: MessageEvent<Start>) => {
    if (data?.kind !== "weft.start") return; // a message of the user's
    workerScope.removeEventListener("message", onMessage);
    new Server(data, definition).start();
  };
  workerScope.addEventListener("message", onMessage);
  workerScope.postMessage(HELLO); // only now, as main answers at once
}

class Server {
  readonly #jobs: SharedQueue;
  /** In line for jobs. */
  readonly #node: LineNode;
  readonly #table: Int32Array;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #decoded = new Decoded();
  readonly #where: string;
  readonly #program: Program;
  readonly #life: ThreadLife;
  readonly #calls: ThreadCalls;
  /** The job that it is at, from the claim until its result is sent or waits in the outbox. */
  #job: CurrentJob | null = null;
  /** What that job is: a task by name, or a function by number. */
  #task: string | number = "";
  /** Whether the result of the last job waits in the outbox: no other job is taken meanwhile. */
  #isReporting = false;
  /** Whether a call of `#work` is on its way. */
  #scheduled = false;
  /** Whether `#workOn` runs, and so goes on by itself when a job has ended. */
  #working = false;
  /** Until when jobs may follow each other before the event loop has to have a turn. */
  #turnEnd = 0;
  /** Whether it had a job a moment ago, and so is likely to get the next one soon. */
  #isWarm = false;
  /** Goes on with the job whose arguments it has asked main for. */
  #argumentsCame: ((args: unknown) => void) | undefined;

  constructor(start: Start, definition: Definition | null) {
    joinRegistry(start.registry, start.place);
    this.#jobs = new SharedQueue(start.jobs, start.registry);
    this.#node = new LineNode(new WaitingLine(this.#jobs.side(RECEIVERS)), this);
    this.#table = new Int32Array(start.table);
    this.#outbox = new Outbox(new SharedQueue(start.toMain, start.registry), start.port);
    this.#inbox = new Inbox(
      new SharedQueue(start.toThread, start.registry),
      start.port,
      (type, id, value) => this.#handle(type, id, value),
    );
    this.#where = `main, for thread pool "${start.pool}"`;
    this.#program = new Program(start, definition);
    this.#life = new ThreadLife(start.state, this.#outbox);
    this.#calls = new ThreadCalls(this.#life, this.#outbox, this.#inbox);
  }

  async start(): Promise<void> {
    this.#life.watchOver();
    setThreadCalls(this.#calls);
    this.#inbox.start();
    try {
      await this.#program.init();
    } catch (error) {
      this.#sendError(START_FAILED, 0, error);
      return this.#life.end();
    }
    if (!this.#life.began()) return;
    this.#outbox.send(READY, 0, undefined);
    this.#node.enter(attendance);
  }

  /** Sends an error of the user's. */
  #sendError(type: number, id: number, error: unknown): void {
    this.#outbox.send(type, id, pack(this.#program.explain(error)));
  }

  // Jobs -----------------------------------------------------------------------------------------

  /**
   * There may be jobs. They are looked for in a microtask: whoever calls this may be in the middle
   * of something, such as a task that blocks.
   */
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

  /** Takes jobs until one goes on by itself, or there are none, or the event loop is due. */
  #workOn(): void {
    for (;;) {
      if (this.#job !== null || this.#isReporting) return;
      if (this.#life.isToldToQuit) return void this.#quit();
      if (!this.#life.isServing) return;
      if (clock() > this.#turnEnd) return this.#workNextTurn();
      const slot = this.#jobs.take();
      if (slot <= NOT_NOW) {
        if (this.#lineUp() || this.#doze()) continue;
        return;
      }
      const id = idOf(this.#jobs.words[slot + EXTRA]!);
      this.#decoded.read(this.#jobs, slot); // its arguments stay there until `#begin`
      this.#jobs.free(slot);
      if (!this.#claim(id)) continue;
      this.#node.cancel(); // a ring that it had for this job goes on to the next thread
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
   * After a job the whole thread sleeps for a moment, in line: a thread that is woken so begins the
   * next job in a fraction of the time that an event loop takes to wake up. True if it was rung.
   */
  #doze(): boolean {
    if (!this.#isWarm || this.#scheduled) return false;
    this.#isWarm = doorbell.sleep(DOZE_MS);
    return this.#isWarm;
  }

  /** Gets in line with the other threads, or stays there: true if there may be a job now. */
  #lineUp(): boolean {
    const node = this.#node;
    if (node.isInLine) return node.line.rest(node);
    node.enter(attendance); // which looks as well, and then calls `wake`
    return false;
  }

  /**
   * False if the job was withdrawn before. Main looks at the thread's word when the thread has
   * died: so that comes first, or a job that was claimed would be nobody's.
   */
  #claim(id: number): boolean {
    this.#life.aimsAt(id);
    const queued = entry(id, QUEUED);
    const running = entry(id, RUNNING);
    if (Atomics.compareExchange(this.#table, indexOf(id), queued, running) === queued) return true;
    this.#life.missed();
    return false;
  }

  /** Performs the job, whose arguments have been read, or must be asked for. */
  #begin(id: number): void {
    const job = new CurrentJob(id, this.#table, () => this.#inbox.wake());
    this.#job = job;
    if (this.#decoded.kind !== ELSEWHERE) {
      return this.#perform(job, this.#decoded.decode() as [string | number, ...unknown[]]);
    }
    this.#argumentsCame = (args) => {
      this.#argumentsCame = undefined;
      if (args === null) this.#finish(job, RESULT, undefined); // nobody waits for it any more
      else this.#perform(job, args as [string | number, ...unknown[]]);
    };
    this.#outbox.send(NEED_ARGUMENTS, id, undefined);
  }

  #perform(job: CurrentJob, [name, ...args]: [string | number, ...unknown[]]): void {
    if (job.isCancelled) return this.#finish(job, RESULT, undefined); // before it has begun
    this.#task = name;
    setCurrentJob(job);
    let task: AnyFunction;
    try {
      task = this.#program.task(name, this.#listen);
    } catch (error) {
      return this.#finish(job, FAILURE, error);
    }
    const running = perform(
      () => task(this.#program.state, ...args),
      task.name || "task",
      (value) => this.#finish(job, RESULT, value),
      (error) => this.#finish(job, FAILURE, error),
    );
    if (running !== undefined) job.onAbort((abort) => void running.abort(abort.cause));
  }

  /** The task has ended: sends what came of it, and leaves the job once that is sent. */
  #finish(job: CurrentJob, type: typeof RESULT | typeof FAILURE, value: unknown): void {
    if (this.#job !== job || this.#life.isOver) return;
    try {
      if (type === FAILURE) this.#sendError(FAILURE, job.id, value);
      else this.#outbox.send(RESULT, job.id, value, [value]);
    } catch (error) {
      const failure = resultNotCloned(
        `send the result of ${this.#nameTask()} to main`,
        value,
        error,
      );
      this.#outbox.send(FAILURE, job.id, pack(failure));
    }
    setCurrentJob(undefined);
    this.#job = null;
    if (!this.#outbox.isBehind) return this.#leaveJob(job.id);
    // Before the result is sent, another job might get stuck, or end the thread, and the result
    // with it.
    this.#isReporting = true;
    this.#outbox.onceCaughtUp(() => {
      this.#isReporting = false;
      this.#leaveJob(job.id);
    });
  }

  /** What it is doing, for people. */
  #nameTask(): string {
    const name = this.#task;
    if (typeof name === "string") return `task "${name}"`;
    return `function ${this.#program.task(name, this.#listen).name || "(anonymous)"}`;
  }

  /** Says that it is idle; unless main has given it up meanwhile, it looks for the next job. */
  #leaveJob(id: number): void {
    if (this.#life.leaves(id) && !this.#working) this.wake();
  }

  /** As main has told it to, when no job was left. */
  async #quit(): Promise<void> {
    if (!this.#life.quits()) return;
    this.#node.cancel();
    try {
      await this.#program.atExit();
    } catch (error) {
      if (!this.#life.isOver) this.#sendError(EXIT_FAILED, 0, error);
    }
    this.#life.end();
  }

  // Messages -------------------------------------------------------------------------------------

  #handle(type: number, id: number, value: unknown): void {
    switch (type) {
      // What is about a job that is over, or a call that was cancelled, comes too late.
      case ARGUMENTS:
        if (this.#job?.id === id) this.#argumentsCame?.(value);
        break;
      case REPLY:
        this.#calls.answered(id, true, value);
        break;
      case REPLY_FAILED:
        this.#calls.answered(id, false, unpack(value as Packed, this.#where));
        break;
      case CANCEL:
        if (this.#job?.id === id) this.#job.cancel(unpack(value as Packed, this.#where));
        break;
      case DEFINE:
        this.#program.functions.define(id, value as string);
        break;
      case QUIT:
        if (this.#life.toldToQuit()) this.wake();
    }
  }

  /** Sleeps the thread until main has said something. */
  readonly #listen = (): void => this.#calls.listen();
}
