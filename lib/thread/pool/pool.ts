/** `ThreadPool`: what users see of it. `pool_run.ts` says which way a job goes. */
import {
  checkCount,
  checkDuration,
  checkFiniteCount,
  checkOptional,
  checkOptions,
  show,
  wrongType,
} from "../../internal/check.ts";
import type { Event } from "../../operation/event_constructors.ts";
import type { Awaitable } from "../../operation/types.ts";
import { fromPromise } from "../../promise/mod.ts";
import {
  type ArgumentsOf,
  type Outcome,
  type ResultOf,
  sourceOf,
  type TasksOf,
} from "../protocol/mod.ts";
import { functionWorker } from "../worker/mod.ts";
import { PoolClose } from "./pool_close.ts";
import { PoolCore, type PoolSettings, type PoolStatistics } from "./pool_core.ts";
import { PoolRun, RunEvent } from "./pool_run.ts";

/** What is common to all pools. */
export interface PoolOptions {
  /** How many threads. Default: as many as the machine runs at once. */
  size?: number;
  /** For people: in errors, and in the names of the workers. */
  name?: string;
  /** Functions of main that threads may call: plain, async, or generator functions. */
  // deno-lint-ignore no-explicit-any -- each has arguments of its own
  main?: Record<string, (...args: any[]) => unknown>;
  /**
   * How many jobs may wait for a thread; the calls beyond that wait to be let in, in the order in
   * which they came, and their arguments are looked at then. Default `Infinity`.
   */
  maxQueued?: number;
  /**
   * How long a task may go on, in ms, after it was aborted, before its thread is given up; and a
   * thread after it was told to end, but never less than a second. Default 1000; `Infinity`: as
   * long as it likes.
   */
  graceMs?: number;
}

/** A pool whose threads run functions. */
export interface FunctionPoolOptions<S> extends PoolOptions {
  /** Makes the state of a thread, in it, once. A self-contained function. */
  init?: () => S | Promise<S>;
  /** Called once in each thread with its state, before it ends. A self-contained function. */
  atExit?: (state: S) => void | Promise<void>;
}

/**
 * A pool of threads, each with a state of its own that its jobs are given.
 *
 * `M` is the type of a module of tasks, `typeof import("./tasks.ts").default`, whose tasks are run
 * by name; or, for pools without a module, the type of the state, for functions that are sent to
 * the threads as their source and must be self-contained.
 *
 * First come, first served: whichever thread is free takes the next job. Arguments and results are
 * copied, no later than when a thread takes the job: small plain data as JSON, which is fast (an
 * object that appears twice in it arrives as two), all else as `structuredClone` does; `transfer`
 * moves what can be moved.
 *
 * Cancellation: a job whose wait is cancelled is withdrawn if no thread has begun it. Otherwise its
 * task is told (`taskSignal`, `cancelRequested`, and each suspension of a task that is a fiber),
 * what becomes of it is dropped, and the thread is free when it has ended; if that takes longer
 * than `graceMs`, the thread is given up and another one started. So a result is data: what has to
 * be closed, the task closes, or keeps in the state of its thread for `atExit`.
 *
 * A thread that dies takes its job along, which fails with `ThreadCrashedError`; others don't
 * notice, and a new one is started, after a pause if threads die at once. The death of one that
 * had no job is handed to the uncaught handler; without one it is printed, and the program goes on.
 *
 * Threads are started from the event loop: a main that blocks, in `run` with `blockingLoop`, gets a
 * `ThreadCrashedError` once the last thread has died.
 *
 * A pool that nobody has closed doesn't keep the program alive. At the end its threads run
 * `atExit`, once tasks that were aborted have ended; for both it waits for `graceMs`, but no longer
 * than a second. A pool inside of a thread of another one is to be closed by the `atExit` there.
 *
 * Threads need permission to read their module (`--allow-read`), unless it is remote.
 *
 * @example Functions
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { ThreadPool } from "@weft/weft/thread";
 *
 * const squares = await main(function* () {
 *   const pool = yield* ThreadPool.make({ size: 1, init: () => ({ jobs: 0 }) });
 *   const square = (state: { jobs: number }, n: number) => [++state.jobs, n * n];
 *   const squares = [yield* pool.run(square, 3), yield* pool.run(square, 4)];
 *   yield* pool.close();
 *   return squares;
 * });
 * assertEquals(squares, [[1, 9], [2, 16]]);
 * ```
 */
export class ThreadPool<M> implements AsyncDisposable {
  readonly #core: PoolCore;

  /** @ignore made by `make` */
  private constructor(core: PoolCore) {
    this.#core = core;
  }

  /**
   * Starts a pool whose threads run the module of tasks at `module`: an absolute URL, as from
   * `import.meta.resolve("./tasks.ts")`. A URL is no import: `deno compile` wants the module with
   * `--include`, and `deno cache` as one more argument, unless its type is imported.
   *
   * Suspends until all threads are ready. Cancelled or failed, it leaves no thread behind.
   *
   * @throws what `init` threw, in whichever thread
   * @throws {ThreadCrashedError} if a thread could not start
   * @throws {RangeError} if `size` is less than 1
   * @throws {TypeError} if an argument is of the wrong type
   */
  static make<M>(module: URL | string, options?: PoolOptions): Awaitable<ThreadPool<M>>;
  /**
   * Starts a pool whose threads run functions. Suspends, and throws, as with a module.
   */
  static make<S = undefined>(options?: FunctionPoolOptions<S>): Awaitable<ThreadPool<S>>;
  static make<M>(
    first?: URL | string | FunctionPoolOptions<M>,
    second?: PoolOptions,
  ): Awaitable<ThreadPool<M>> {
    const hasModule = typeof first === "string" || first instanceof URL;
    const settings = hasModule
      ? check(second, { module: moduleUrl(first), isModule: true, init: null, atExit: null })
      : check(first, functionsOf(first));
    return fromPromise((signal) => ThreadPool.#open<M>(settings, signal), {
      onLate: (pool) => pool.closeAsync(),
    });
  }

  static async #open<M>(settings: PoolSettings, signal: AbortSignal): Promise<ThreadPool<M>> {
    const core = new PoolCore(settings);
    const stop = () => core.closeAsync();
    signal.addEventListener("abort", stop);
    try {
      await core.open();
    } finally {
      signal.removeEventListener("abort", stop);
    }
    return new ThreadPool<M>(core);
  }

  /**
   * Runs the task named `task` in the first thread that is free, and returns what it returns.
   *
   * Suspends. For cancellation see the class.
   *
   * @throws what the task threw, with the stacks of both sides
   * @throws {ThreadCrashedError} if its thread died meanwhile
   * @throws {PoolClosedError} if the pool is closed
   * @throws {TypeError} if an argument or the result can't be cloned, or there is no such task
   */
  run<K extends keyof TasksOf<M> & string>(
    task: K,
    ...args: ArgumentsOf<TasksOf<M>[K]>
  ): Awaitable<ResultOf<TasksOf<M>[K]>>;
  /**
   * Runs `f` with the state of the first thread that is free. Its source is sent there, so it must
   * be self-contained; one that uses what it captured fails with a `TypeError` that names it.
   */
  run<A extends unknown[], R>(
    f: (state: M, ...args: A) => R,
    ...args: A
  ): Awaitable<Outcome<R>>;
  run(task: unknown, ...args: unknown[]): Awaitable<never> {
    return new PoolRun<never>(this.#event(task, args));
  }

  /**
   * `run` as an event: each select that has to wait for it starts a job, and if another
   * branch is chosen, or the wait is cancelled, that job is cancelled.
   */
  runEvent<K extends keyof TasksOf<M> & string>(
    task: K,
    ...args: ArgumentsOf<TasksOf<M>[K]>
  ): Event<ResultOf<TasksOf<M>[K]>>;
  /** The same for a function. */
  runEvent<A extends unknown[], R>(
    f: (state: M, ...args: A) => R,
    ...args: A
  ): Event<Outcome<R>>;
  runEvent(task: unknown, ...args: unknown[]): Event<never> {
    return this.#event(task, args);
  }

  #event(task: unknown, args: unknown[]): RunEvent<never> {
    const core = this.#core;
    const hasModule = core.settings.isModule;
    if (typeof task === "string" && hasModule) {
      return new RunEvent(core, task, args, `task "${task}"`);
    }
    if (typeof task === "function" && !hasModule) {
      const id = core.define(sourceOf("run in the pool", "f", task));
      return new RunEvent(core, id, args, `function ${task.name || "(anonymous)"}`);
    }
    throw new TypeError(
      `Cannot run in thread pool "${core.settings.name}": expected ${
        hasModule
          ? "the name of a task of its module"
          : "a function, as the pool was made without a module"
      }, got ${show(task)}`,
    );
  }

  /**
   * Closes it: nothing more can be run, what was begun or queued is finished, each thread runs its
   * `atExit`, and ends. Idempotent. A thread that has not ended `graceMs` after it was told to, but
   * no less than a second, is given up, and the console says so: its `atExit` doesn't end, or what
   * a task has left behind keeps it from even beginning.
   *
   * Suspends until all threads are gone; in a `finally` it needs no `protect`: in a fiber that is
   * aborting already it waits to the end. An abort that comes while it waits ends the wait, and the
   * closing goes on; what `atExit` throws then is reported.
   *
   * @throws what `atExit` threw
   */
  close(): Awaitable<void> {
    return new PoolClose(() => this.#core.close(), () => this.#core.closeAsync());
  }

  /** The same without waiting; what `atExit` throws is reported. Never suspends. */
  closeAsync(): void {
    this.#core.closeAsync();
  }

  /** What is going on in it. */
  statistics(): PoolStatistics {
    return this.#core.statistics();
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#core.close();
  }
}

/** What its threads run. */
type ThreadProgram = Pick<PoolSettings, "module" | "isModule" | "init" | "atExit">;

const ACTION = "make the thread pool";

function moduleUrl(module: URL | string): string {
  const url = URL.parse(module);
  if (url !== null) return url.href;
  throw new TypeError(
    `Cannot ${ACTION}: module must be an absolute URL, as from import.meta.resolve, got ${
      show(module)
    }`,
  );
}

function functionsOf<S>(
  options: FunctionPoolOptions<S> | undefined,
): ThreadProgram {
  checkOptions(ACTION, options);
  const { init, atExit } = options ?? {};
  return {
    module: functionWorker.url,
    isModule: false,
    init: init === undefined ? null : sourceOf(ACTION, "init", init),
    atExit: atExit === undefined ? null : sourceOf(ACTION, "atExit", atExit),
  };
}

function check(
  options: PoolOptions | undefined,
  program: ThreadProgram,
): PoolSettings {
  checkOptions(ACTION, options);
  const {
    size = navigator.hardwareConcurrency,
    name = "pool",
    main = {},
    maxQueued = Infinity,
    graceMs = 1000,
  } = options ?? {};
  checkFiniteCount(ACTION, "size", size, 1);
  checkOptional(ACTION, "name", name, "string");
  checkCount(ACTION, "maxQueued", maxQueued, 0);
  checkDuration(ACTION, "graceMs", graceMs);
  if (graceMs < 0) {
    throw new RangeError(`Cannot ${ACTION}: graceMs must not be negative, got ${graceMs}`);
  }
  if (typeof main !== "object" || main === null || Array.isArray(main)) {
    throw wrongType(ACTION, "main must be an object", main);
  }
  for (const [key, f] of Object.entries(main)) {
    checkOptional(ACTION, `main.${key}`, f, "function");
  }
  return { ...program, size, name, main, maxQueued, graceMs };
}
