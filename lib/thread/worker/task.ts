/** What a task may ask of the job that it does. A thread does one job at a time. */
import { Abort } from "../../operation/errors.ts";
import { entry, indexOf, RUNNING } from "../protocol/mod.ts";

/** The job that this thread is doing. */
export class CurrentJob {
  #controller: AbortController | undefined;
  #abort: Abort | undefined;
  /** Called when it is aborted. */
  readonly #listeners: Set<(abort: Abort) => void> = new Set();
  /** What the table says as long as it runs, and nobody has cancelled it. */
  readonly #running: number;

  constructor(
    readonly id: number,
    readonly table: Int32Array,
    /** Handles messages of main's that wait, as the thread was too busy for them. */
    readonly look: () => void,
  ) {
    this.#running = entry(id, RUNNING);
  }

  /** Once true, it stays so: the entry of a job that main has ended may be another job's by now. */
  get isCancelled(): boolean {
    return Atomics.load(this.table, indexOf(this.id)) !== this.#running;
  }

  get signal(): AbortSignal {
    this.look();
    const controller = this.#controller ??= new AbortController();
    if (this.#abort !== undefined) controller.abort(this.#abort);
    return controller.signal;
  }

  /** What it was aborted with, once this thread knows. */
  get abort(): Abort | undefined {
    return this.#abort;
  }

  onAbort(f: (abort: Abort) => void): () => void {
    if (this.#abort !== undefined) f(this.#abort);
    else this.#listeners.add(f);
    return () => void this.#listeners.delete(f);
  }

  cancel(reason: unknown): void {
    if (this.#abort !== undefined) return;
    this.#abort = new Abort(reason);
    this.#controller?.abort(this.#abort);
    for (const listener of this.#listeners) listener(this.#abort);
    this.#listeners.clear();
  }
}

let current: CurrentJob | undefined;

/** `undefined`: it is done with its job. */
export function setCurrentJob(job: CurrentJob | undefined): void {
  current = job;
}

/** The job that is being done, if there is one. */
export function currentJobOrNone(): CurrentJob | undefined {
  return current;
}

/** What the job was aborted with, if there is one and it was. */
export function abortOfCurrentJob(): Abort | undefined {
  if (current?.isCancelled) current.look(); // the message that says why may still wait
  return current?.abort;
}

/** The job of the task that asks; `action` is what it wanted to do. */
export function currentJob(action: string): CurrentJob {
  if (current !== undefined) return current;
  throw new Error(`Cannot ${action}: no task of a thread pool runs here`);
}

/**
 * In a task: aborted when the job is (because the fiber that waits for it was), with an `Abort`
 * whose cause is the reason. For what takes an `AbortSignal`. A task that is a generator function
 * needs none: its suspensions throw. For loops that don't suspend there is `cancelRequested`.
 * What a task leaves behind must not ask: it would hear of the thread's next job.
 *
 * @throws {Error} outside of a task
 */
export function taskSignal(): AbortSignal {
  return currentJob("get the task's signal").signal;
}

/**
 * In a task: whether the job was aborted. Costs a few nanoseconds, and may be asked in loops that
 * give the thread no other chance to hear of it. What the task then returns or throws is dropped.
 *
 * @throws {Error} outside of a task
 */
export function cancelRequested(): boolean {
  return currentJob("ask whether the task was cancelled").isCancelled;
}
