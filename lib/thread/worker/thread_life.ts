/**
 * The life of a thread of a pool, from within: what it says that it is doing, and how it ends.
 *
 * What it is doing stands in the thread's word (states.ts), which main reads, and may set to
 * ABANDONED; a compare-and-set decides who was first. A step that finds the word changed ends the
 * thread in silence: main has given it up, and no longer listens.
 *
 * Otherwise the last thing that a thread does is to send a message that it ends: because it was
 * told to, or an error has escaped from what it runs, or its code has called `Deno.exit` or
 * `close`.
 */
import { leavePlaces, pack } from "../memory/mod.ts";
import {
  atJob,
  CRASHED,
  ENDED,
  EXIT_FAILED,
  IDLE,
  type Outbox,
  QUITTING,
  STARTING,
} from "../protocol/mod.ts";

/** What a worker has as its global object. */
export interface WorkerScope {
  postMessage(message: unknown): void;
  close(): void;
  addEventListener(type: string, listener: (event: never) => void): void;
  removeEventListener(type: string, listener: (event: never) => void): void;
}

export const workerScope: WorkerScope = globalThis as unknown as WorkerScope;
const closeWorker = workerScope.close?.bind(workerScope);

export class ThreadLife {
  #phase: "serving" | "told to quit" | "quitting" | "over" = "serving";
  readonly #word: Int32Array;

  constructor(word: SharedArrayBuffer, readonly outbox: Outbox) {
    this.#word = new Int32Array(word);
  }

  /** Whether it takes jobs. */
  get isServing(): boolean {
    return this.#phase === "serving";
  }

  /** Whether it is to quit, and hasn't begun to. */
  get isToldToQuit(): boolean {
    return this.#phase === "told to quit";
  }

  /** Whether it has said that it ends; its code may still run for a moment. */
  get isOver(): boolean {
    return this.#phase === "over";
  }

  /** It has made its state. False, here and below: it was given up, and ends. */
  began(): boolean {
    return this.#change(STARTING, IDLE);
  }

  /** It is about to claim a job: said before it does, so that the job isn't lost with it. */
  aimsAt(job: number): void {
    Atomics.store(this.#word, 0, atJob(job));
  }

  /** It did not get the job that it aimed at. */
  missed(): void {
    Atomics.store(this.#word, 0, IDLE);
  }

  /** It is done with a job, and all that it has said of it is sent. */
  leaves(job: number): boolean {
    return this.#change(atJob(job), IDLE);
  }

  /** Main has told it to quit: whether for the first time. */
  toldToQuit(): boolean {
    if (this.#phase !== "serving") return false;
    this.#phase = "told to quit";
    return true;
  }

  /** It takes no more jobs, and cleans up. */
  quits(): boolean {
    if (!this.#change(IDLE, QUITTING)) return false;
    this.#phase = "quitting";
    return true;
  }

  #change(from: number, to: number): boolean {
    if (Atomics.compareExchange(this.#word, 0, from, to) === from) return true;
    this.#phase = "over";
    closeWorker();
    return false;
  }

  end(): void {
    this.#sayGoodbye();
    closeWorker();
  }

  /** Tells main that it ends, and whether that is what it was told. */
  #sayGoodbye(): void {
    if (this.isOver) return;
    const isExpected = this.#phase === "quitting";
    this.#phase = "over";
    leavePlaces();
    this.outbox.send(ENDED, isExpected ? 1 : 0, undefined);
    this.outbox.flush();
  }

  /** Has main told of whatever else this thread may die of. */
  watchOver(): void {
    const crash = (error: unknown) => {
      if (this.isOver) return;
      this.outbox.send(this.#phase === "quitting" ? EXIT_FAILED : CRASHED, 0, pack(error));
      this.end();
    };
    workerScope.addEventListener("error", (event: ErrorEvent) => {
      event.preventDefault();
      crash(event.error ?? new Error(event.message));
    });
    workerScope.addEventListener("unhandledrejection", (event: PromiseRejectionEvent) => {
      event.preventDefault();
      crash(event.reason);
    });
    workerScope.addEventListener("unload", () => this.#sayGoodbye()); // after Deno.exit(), say
    workerScope.close = () => this.end();
  }
}
