/**
 * The life of a thread of a pool, from within: what it says that it is at, and how it ends.
 *
 * Main reads the first in the thread's word (protocol.ts), and may set it to ABANDONED; whoever is
 * first with the compare-and-set decides. So each step here that finds the word changed ends the
 * thread, without another word: main has given it up, and listens no more.
 *
 * Otherwise a thread never ends without a message, the last one that it sends: whether it does what
 * it was told, an error has escaped from what it runs, or that has called `Deno.exit` or `close`.
 */
import { pack } from "../memory/mod.ts";
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

  /** Whether it has said goodbye; it may go on for a moment. */
  get isOver(): boolean {
    return this.#phase === "over";
  }

  /** It has made its state. False, as below: it was given up, and ends. */
  began(): boolean {
    return this.#change(STARTING, IDLE);
  }

  /** It is about to claim a job: said before it does, so that the job isn't lost with it. */
  aimsAt(job: number): void {
    Atomics.store(this.#word, 0, atJob(job));
  }

  /** It didn't get that job. */
  missed(): void {
    Atomics.store(this.#word, 0, IDLE);
  }

  /** It is done with a job, and all that it has said of it is sent. */
  leaves(job: number): boolean {
    return this.#change(atJob(job), IDLE);
  }

  /** Main has told it to quit: whether that is news. */
  toldToQuit(): boolean {
    if (this.#phase !== "serving") return false;
    this.#phase = "told to quit";
    return true;
  }

  /** From now on it cleans up. */
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

  /** What it was told to do is no crash. */
  #sayGoodbye(): void {
    if (this.isOver) return;
    const isExpected = this.#phase === "quitting";
    this.#phase = "over";
    this.outbox.send(ENDED, isExpected ? 1 : 0, undefined);
    this.outbox.flush();
  }

  /** Whatever else this thread may die of, main is told. */
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
    workerScope.addEventListener("unload", () => this.#sayGoodbye()); // Deno.exit(), for one
    workerScope.close = () => this.end();
  }
}
