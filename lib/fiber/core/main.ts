/** `main`: fibers on the JavaScript loop. */
import { checkOptions, wrongType } from "../../internal/check.ts";
import { onAbort } from "../../internal/signal_hub.ts";
import { onEndSignal, onLoopEmpty } from "../../loop/host_exit.ts";
import { hostTurns } from "../../loop/host_loop.ts";
import { clock } from "../../loop/timers.ts";
import { FiberAborted } from "../../operation/errors.ts";
import type { CancelHandle, Operation } from "../../operation/types.ts";
import { breakDeadlock } from "./deadlock.ts";
import type { Fiber, FiberCore } from "./fiber.ts";
import { nameOf } from "./label.ts";
import { FifoScheduler, type Scheduler } from "./scheduler.ts";
import { checkSpawn, spawnIn } from "./spawn_in.ts";

/** For how long fibers run before the host gets a turn. */
const SLICE_MS = 2;

/**
 * How many steps are run between two looks at the clock: at most, and at most in the first batch of a
 * slice. The number doubles while batches are quick, and falls to one when a batch was too slow.
 */
const LARGEST_BATCH = 128;
const FIRST_BATCH = 16;
const QUICK_MS = 0.25;
const SLOW_MS = 1;

/** Runs ready fibers in slices of the JavaScript loop. */
class HostScheduler extends FifoScheduler {
  #scheduled = false;
  #steps = FIRST_BATCH;

  constructor() {
    super(hostTurns());
  }

  override ready(fiber: FiberCore<unknown>): void {
    this.queue.push(fiber);
    this.reportSoon();
  }

  /** What nobody joins in the next slice is reported at the end of it: so there must be one. */
  reportSoon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    hostTurns().schedule(this.#slice);
  }

  readonly #slice = (): void => {
    const start = hostTurns().sliceStart;
    let before = start;
    let steps = Math.min(this.#steps, FIRST_BATCH);
    try {
      // A look at the clock costs as much as four steps. So the faster the steps are, the rarer it
      // is, and there is none for a slice that is a single batch.
      while (this.runBatch(steps)) {
        const now = clock();
        const took = now - before;
        before = now;
        if (took < QUICK_MS) steps = Math.min(2 * steps, LARGEST_BATCH);
        else if (took > SLOW_MS) steps = 1;
        if (now - start >= SLICE_MS) break;
      }
      this.#steps = steps;
    } finally {
      this.reportOlder();
      // Asked last, since the handler of a failure that was reported may have made fibers ready.
      const isBusy = this.queue.length > 0;
      this.#scheduled = isBusy || this.hasFailures;
      if (this.#scheduled) hostTurns().scheduleTurn(this.#slice, isBusy);
    }
  };
}

/** How `main` runs. */
export interface MainOptions {
  /** The name of its first fiber. Default: the name of the body, or "main" if it has none. */
  name?: string;
  /** Aborts it, with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Whether the first SIGINT or SIGTERM aborts it and sets the exit code to 130 or 143, with which
   * the process ends once nothing else keeps it; a second one ends it at once. Default false.
   */
  handleSignals?: boolean;
}

/** A running `main`: the promise of its result. */
export interface Main<T> extends PromiseLike<T> {
  /**
   * Aborts it at the call, with `reason` as the cause; resolves when everything in it is gone,
   * however it ended.
   */
  abort(reason?: unknown): Promise<void>;
  /** What runs its fibers: for `spawnFromAnywhere`. */
  readonly scheduler: Scheduler;
}

class MainHandle<T> implements Main<T> {
  readonly #root: Fiber<T>;
  readonly #promise: Promise<T>;

  declare readonly scheduler: Scheduler;

  constructor(root: Fiber<T>, scheduler: Scheduler, onEnd: () => void) {
    this.scheduler = scheduler;
    this.#root = root;
    root.onResult(onEnd);
    // An abort needs no handler, as somebody has asked for it; a failure does, like any rejection.
    this.#promise = promiseOf(root, (error) => error instanceof FiberAborted);
  }

  abort(reason?: unknown): Promise<void> {
    return Promise.resolve(this.#root.abort(reason));
  }

  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#promise.then(fulfilled, rejected);
  }
}

/**
 * Runs `body` in a fiber on the JavaScript loop, and everything that it spawns; the promise of its
 * value. Returns at once; the body starts soon.
 *
 * However busy the fibers, the host gets its turns: timers and I/O make progress. When nothing can
 * ever wake the fibers that are left, it fails with `Deadlock`; write `main(…)` at module level
 * without `await`, for under a pending top-level await Deno ends the process before that can be
 * noticed.
 *
 * Failed and not awaited, it is an unhandled rejection; aborted and not awaited, it is quiet.
 * Aborted and awaited, it rejects with `FiberAborted`.
 *
 * @throws {TypeError} if `body` is not a function, or an `async` one, or an option of the wrong type
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, sleep } from "@weft/weft";
 *
 * const greeting = main(function* () {
 *   yield* sleep(1);
 *   return "hello";
 * });
 * assertEquals(await greeting, "hello");
 * ```
 */
export function main<T>(body: () => Operation<T>, options?: MainOptions): Main<T> {
  checkMain(body, options);
  const scheduler = new HostScheduler();
  scheduler.abortable = options?.signal !== undefined || options?.handleSignals === true;
  // Before the spawn: Deno loads `process` when it is first read, and runs microtasks meanwhile.
  const hooks: CancelHandle[] = [onLoopEmpty(() => breakIfStuck(scheduler))];
  if (options?.handleSignals === true) {
    hooks.push(onEndSignal((signal) => void root.abort(signal)));
  }
  const root = spawnIn(scheduler, null, null, body, {
    name: options?.name ?? (nameOf(body) || "main"),
  });
  const signal = options?.signal;
  if (signal?.aborted) root.abort(signal.reason);
  else if (signal !== undefined) hooks.push(onAbort(signal, (reason) => void root.abort(reason)));
  return new MainHandle(root, scheduler, () => hooks.forEach((hook) => hook.cancel()));
}

/** A promise of the value of `fiber`. A rejection for which `isQuiet` says true needs no handler. */
export function promiseOf<T>(fiber: Fiber<T>, isQuiet: (error: unknown) => boolean): Promise<T> {
  const promise = new Promise<T>((resolve, reject) =>
    fiber.onResult((result) => {
      if (result.ok) return resolve(result.value);
      if (isQuiet(result.error)) promise.catch(() => {});
      reject(result.error);
    })
  );
  return promise;
}

/** The JavaScript loop is empty: if fibers are left, nothing can wake them. */
function breakIfStuck(scheduler: HostScheduler): boolean {
  if (scheduler.root!.terminated) return false;
  return breakDeadlock(scheduler, "fail");
}

function checkMain(body: unknown, options: MainOptions | undefined): void {
  checkSpawn("run main", body, undefined);
  checkOptions("run main", options, { name: "string", handleSignals: "boolean" });
  const signal = options?.signal;
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw wrongType("run main", "signal must be an AbortSignal", signal);
  }
}
