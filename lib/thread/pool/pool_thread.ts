/**
 * A thread of a pool, as main sees it: its worker, what they share, and the mailboxes between them.
 *
 * It starts in steps: the worker loads its module, which says HELLO (`serve` does); main answers
 * with `Start`, the memory that they share; the thread makes its state, and says READY in a
 * message. So long main holds the doorbell, to hear of it; `started` ends that, whatever came of
 * it.
 *
 * Main ends it by `quit`, when it is idle, or by giving it up: `abandon…` decides with a
 * compare-and-set on the thread's word (states.ts), so main knows at what the thread was. After
 * `remove` nothing that it says counts.
 */
import { doorbell } from "../../loop/doorbell.ts";
import {
  ownRegistry,
  pack,
  type Registry,
  SharedQueue,
  ThreadCrashedError,
  workerName,
} from "../memory/mod.ts";
import {
  ABANDONED,
  atJob,
  CANCEL,
  type Handler,
  HELLO,
  IDLE,
  Inbox,
  jobOf,
  Outbox,
  QUIT,
  type Start,
  STARTING,
} from "../protocol/mod.ts";
import { MainCalls, type MainFunctions } from "./main_calls.ts";

const TO_THREAD_CAPACITY = 64;
const TO_MAIN_CAPACITY = 1024;
export const MESSAGE_BYTES = 496;
/** How long a module may take until it calls `serve`. */
const HELLO_MS = 30_000;

/** What is the same for all threads of a pool. */
export interface ThreadSettings {
  readonly module: string;
  readonly pool: string;
  readonly jobs: SharedArrayBuffer;
  readonly table: SharedArrayBuffer;
  readonly init: string | null;
  readonly atExit: string | null;
  readonly functions: readonly string[];
  readonly main: MainFunctions;
}

export class PoolThread {
  readonly id: number;
  /** When it was started. */
  readonly since: number = performance.now();
  readonly #registry: Registry;
  readonly #place: number;
  readonly #state = new Int32Array(new SharedArrayBuffer(4)).fill(STARTING);
  readonly #worker: Worker;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #port: MessagePort;
  /** The thread's end of it, until that is handed over. */
  #itsPort: MessagePort | undefined;
  readonly calls: MainCalls;
  #helloTimer: ReturnType<typeof setTimeout> | undefined;
  /** Whether it has made its state, and takes jobs. */
  isReady = false;
  isGone = false;
  /** Whether it ever got a job done. */
  isProven = false;

  /** Starts it. `onCrash` is told of a death that the thread itself could not tell of. */
  constructor(
    settings: ThreadSettings,
    handle: Handler,
    afterBunch: () => void,
    onCrash: (error: unknown) => void,
  ) {
    this.#registry = ownRegistry();
    const { id, place } = this.#registry.enter();
    this.id = id;
    this.#place = place;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#itsPort = port2;
    const { buffer } = this.#registry;
    const toThread = SharedQueue.allocate(TO_THREAD_CAPACITY, MESSAGE_BYTES);
    const toMain = SharedQueue.allocate(TO_MAIN_CAPACITY, MESSAGE_BYTES);
    this.#outbox = new Outbox(new SharedQueue(toThread, buffer), port1);
    this.#inbox = new Inbox(new SharedQueue(toMain, buffer), port1, handle, afterBunch);
    this.calls = new MainCalls(settings.main, this.send.bind(this));
    const name = workerName(id, settings.pool);
    try {
      this.#worker = new Worker(settings.module, { type: "module", name });
    } catch (error) {
      this.#registry.leave(place);
      port1.close();
      port2.close();
      throw error;
    }
    this.#worker.onerror = (event) => {
      event.preventDefault(); // it would be an error of main's
      this.listen(); // first, what it has said before
      onCrash(event.error ?? new Error(event.message));
    };
    const start: Start = {
      kind: "weft.start",
      registry: buffer,
      place,
      jobs: settings.jobs,
      table: settings.table,
      state: this.#state.buffer as SharedArrayBuffer,
      toThread,
      toMain,
      port: port2,
      pool: settings.pool,
      init: settings.init,
      atExit: settings.atExit,
      functions: settings.functions,
    };
    this.#worker.onmessage = ({ data }) => {
      if (data !== HELLO) return;
      clearTimeout(this.#helloTimer);
      this.#worker.onmessage = null; // other messages are the user's
      this.#worker.postMessage(start, [port2]);
      this.#itsPort = undefined;
    };
    this.#helloTimer = setTimeout(() => {
      onCrash(
        new Error(
          `The module has not called serve within ${HELLO_MS / 1000} s; a module of tasks has ` +
            `export default serve({ … })`,
        ),
      );
    }, HELLO_MS);
    doorbell.hold(); // until `started`
    this.#inbox.start();
    setWorkerRef(this.#worker, false);
  }

  /** It has started, or failed to: nothing more is waited for. */
  started(isReady: boolean): void {
    if (this.isReady || this.#helloTimer === undefined) return;
    this.isReady = isReady;
    clearTimeout(this.#helloTimer);
    this.#helloTimer = undefined;
    doorbell.release();
  }

  /** The number of the job that it is at, or was at when it died. */
  get currentJob(): number | undefined {
    return jobOf(Atomics.load(this.#state, 0));
  }

  send(type: number, id: number, value: unknown, transferring?: readonly unknown[]): void {
    if (!this.isGone) this.#outbox.send(type, id, value, transferring);
  }

  cancel(id: number, reason: unknown): void {
    this.send(CANCEL, id, pack(reason));
  }

  quit(): void {
    this.send(QUIT, 0, undefined);
  }

  /** Handles what it has said. */
  listen(): void {
    this.#inbox.wake();
  }

  /** False if it isn't at that job any more. From here on it takes none. */
  abandonAt(job: number): boolean {
    return this.#abandon(atJob(job));
  }

  /** False if it has made its state, and can be told to quit. */
  abandonStart(): boolean {
    return this.#abandon(STARTING);
  }

  /** False if it is cleaning up, as it was told. */
  abandonIdle(): boolean {
    return this.#abandon(IDLE);
  }

  #abandon(from: number): boolean {
    return Atomics.compareExchange(this.#state, 0, from, ABANDONED) === from;
  }

  /**
   * It is gone, or given up: nothing that it says counts any more. If its end `isCertain`, its
   * place in the table of threads is free again. Otherwise it may still be running: its place stays
   * taken, and the memory that it shares is dropped and never used again.
   */
  remove({ isCertain }: { isCertain: boolean }): void {
    if (this.isGone) return;
    this.isGone = true;
    this.started(false);
    this.#inbox.stop();
    this.#outbox.stop();
    this.calls.cancelAll("the thread that called is gone");
    this.#port.close();
    this.#itsPort?.close();
    this.#worker.onmessage = null;
    this.#worker.onerror = (event) => event.preventDefault();
    this.#worker.terminate();
    if (isCertain) this.#registry.leave(this.#place);
  }

  crashed(what: string, cause?: unknown): ThreadCrashedError {
    return new ThreadCrashedError(
      `Thread ${this.id} ${what}`,
      cause === undefined ? undefined : { cause },
    );
  }
}

/**
 * Says whether a worker keeps the program alive. Those of a pool don't: whoever waits for a job
 * does, and a thread that can't be stopped must not. Deno has a method for that, under a symbol,
 * for its `node:worker_threads`. Where there is none, a program has to close its pools, or it
 * doesn't end.
 */
function setWorkerRef(worker: Worker, on: boolean): void {
  const prototype = Object.getPrototypeOf(worker);
  for (const symbol of Object.getOwnPropertySymbols(prototype)) {
    const method: unknown = Object.getOwnPropertyDescriptor(prototype, symbol)?.value;
    if (typeof method !== "function" || method.length !== 1) continue;
    if (
      symbol.description !== "" && symbol.description !== undefined &&
      symbol.description !== "privateWorkerRef"
    ) continue;
    method.call(worker, on);
    return;
  }
}
