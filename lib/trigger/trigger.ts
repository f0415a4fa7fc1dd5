/**
 * Blocking without knowing the scheduler, after OCaml's domain-local-await.
 *
 * A registration says how to block. `using` adds one at the end of the list, for the thread it is
 * called on, and removes that very one later, wherever it then stands: extents that last until a
 * promise settles need not nest. The last one of a thread counts. A current fiber of ours comes
 * before any of them. Without `perThread` the realm counts as one thread. Registrations that were
 * made before `perThread` was called stay visible to every thread, behind the thread's own.
 */
import {
  checkFunction,
  isIterable,
  isObject,
  isPromiseLike,
  wrongType,
} from "../internal/check.ts";
import { type Blocker, executeAs, execution } from "./execution.ts";
import { Inactive } from "./inactive.ts";
import type { AwaitableVoid, Trigger } from "./types.ts";

/** The part of a thread library that `perThread` needs. */
export interface ThreadModule<H> {
  /** The calling thread's handle. */
  self(): H;
  /** The number of a thread: equal for equal threads, different for different ones. */
  id(handle: H): number;
  /**
   * Calls `f` in the thread of `handle`: for modules whose threads share a realm, where a `release`
   * that is called in one thread may resume, there and then, a task that belongs to another.
   */
  runIn?(handle: H, f: () => void): void;
}

interface Registration {
  readonly prepareForAwait: () => Trigger;
  /** Whose it is; `undefined`: it belongs to no thread in particular. */
  readonly thread: number | undefined;
}

/** Of all threads, in the order in which they were made. */
const registrations: Registration[] = [];
let currentThreadId: (() => number) | undefined;
/** A function that calls `f` in the thread that is current now. */
let bindToThread: (f: () => void) => () => void = (f) => f;

function currentRegistration(): Registration | undefined {
  if (registrations.length === 0) return undefined;
  const current = currentThreadId?.();
  return registrations.findLast(({ thread }) => thread === current) ??
    registrations.findLast(({ thread }) => thread === undefined);
}

/**
 * Prepares a trigger for at most one `await`, with the mechanism of whoever calls: the current
 * fiber, else the scheduler that `using` registered here, else promises.
 *
 * Never suspends. Two calls may return the same trigger under some schedulers, so never rely on
 * its identity. It may throw what the scheduler throws into code that is cancelled.
 *
 * @example A one-shot flag that anything can wait on
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { prepareForAwait } from "@weft/weft/trigger";
 *
 * const trigger = prepareForAwait();
 * let woken = false;
 * const waiting = trigger.await().then(() => woken = true);
 * trigger.release();
 * trigger.release(); // harmless
 * await waiting;
 * assertEquals(woken, true);
 * ```
 */
export function prepareForAwait(): Trigger {
  if (execution.current !== null) return execution.current.prepareForAwait();
  return prepareRegistered() ?? new PromiseTrigger();
}

/** A trigger of the scheduler that is registered here, if there is one. */
function prepareRegistered(): Trigger | undefined {
  const registration = currentRegistration();
  if (registration === undefined) return undefined;
  const trigger = registration.prepareForAwait();
  if (typeof trigger?.release === "function" && typeof trigger.await === "function") return trigger;
  throw wrongType("prepare a trigger", "the registered prepareForAwait must return one", trigger);
}

/** A trigger for a `yield*` outside our own fibers: there promises are of no use. */
export function prepareForeign(action: string): Trigger {
  const trigger = prepareRegistered();
  if (trigger !== undefined) return trigger;
  throw new Inactive(
    `Cannot ${action}: no scheduler runs here, so yield* cannot suspend; ` +
      `use it in the body of main, run or spawn, or await it`,
  );
}

/**
 * How our own operations release a trigger of somebody else's. Some schedulers resume their task
 * within `release`. That code belongs to neither the fiber whose step this may be, nor its thread.
 */
export function releaserOf(trigger: Trigger): () => void {
  const release = bindToThread(trigger.release);
  return () => executeAs(null, release);
}

/**
 * Registers `prepareForAwait` as the way to block on this thread while `whileRunning` runs, and
 * returns what that returns. Extents nest; the one before is back afterwards, also after a throw.
 *
 * When `whileRunning` returns a promise, the registration lasts until that settles. Registrations
 * are removed by identity, so such extents may end in any order. The current fiber is hidden during
 * the call: the code in there is the registered scheduler's.
 *
 * @throws {TypeError} if `prepareForAwait` or `whileRunning` is not a function
 */
export function using<T>(
  options: { prepareForAwait: () => Trigger; whileRunning: () => T },
): T {
  if (!isObject(options)) {
    throw wrongType(
      "register a scheduler",
      "using takes { prepareForAwait, whileRunning }",
      options,
    );
  }
  const { prepareForAwait, whileRunning } = options;
  checkFunction("register a scheduler", "prepareForAwait", prepareForAwait);
  checkFunction("register a scheduler", "whileRunning", whileRunning);
  const registration = { prepareForAwait, thread: currentThreadId?.() };
  registrations.push(registration);
  const unregister = () => {
    const index = registrations.indexOf(registration); // where it stands by then
    if (index >= 0) registrations.splice(index, 1);
  };
  let result: T;
  try {
    result = executeAs(null, whileRunning);
  } catch (error) {
    unregister();
    throw error;
  }
  // The promise that is returned settles alike, so a rejection that nobody handles stays unhandled.
  if (result instanceof Promise) return result.finally(unregister) as T;
  // Our own operations are thenable, too, and `then` would start them.
  if (isPromiseLike(result) && !isIterable(result)) result.then(unregister, unregister);
  else unregister();
  return result;
}

/**
 * Makes registrations belong to threads, as `thread` tells them apart, from now on. Needed only
 * where two threads of one realm run different schedulers.
 *
 * @throws {TypeError} if `thread` is no thread module
 * @throws {Error} on the second call in a realm
 */
export function perThread<H>(thread: ThreadModule<H>): void {
  if (typeof thread?.self !== "function" || typeof thread.id !== "function") {
    throw wrongType("configure threads", "thread must have the methods self and id", thread);
  }
  if (thread.runIn !== undefined) {
    checkFunction("configure threads", "thread.runIn", thread.runIn);
  }
  if (currentThreadId !== undefined) {
    throw new Error("Cannot configure threads: perThread was called in this realm already");
  }
  currentThreadId = () => thread.id(thread.self());
  if (thread.runIn === undefined) return;
  bindToThread = (f) => {
    const handle = thread.self();
    return () => thread.runIn!(handle, f);
  };
}

/** How to wait where no scheduler is registered: for a promise. */
class PromiseTrigger implements Trigger {
  #released = false;
  #awaited = false;
  /** What lets the one waiter go on, once there is one. */
  #wake: (() => void) | undefined;

  readonly release = (): void => {
    this.#released = true;
    this.#wake?.();
  };

  await(onCancel?: () => void): AwaitableVoid {
    checkAwait(this.#awaited, onCancel);
    this.#awaited = true;
    let used = false;
    const use = () => {
      if (used) throw new TypeError("Cannot wait on the trigger: this wait was used already");
      used = true;
    };
    return {
      then: (fulfilled, rejected) => {
        const promise = new Promise<void>((resolve) => {
          use();
          if (this.#released) resolve();
          else this.#wake = resolve;
        });
        return promise.then(fulfilled, rejected);
      },
      // The trigger was prepared outside of any scheduler and is awaited inside of one: block as
      // that scheduler does, on a trigger of its own.
      [Symbol.iterator]: () => {
        use();
        const trigger = (execution.current as Blocker | null)?.prepareForAwait() ??
          prepareForeign("wait on the trigger");
        this.#wake = releaserOf(trigger);
        if (this.#released) trigger.release();
        return trigger.await(onCancel)[Symbol.iterator]();
      },
    };
  }
}

/** The misuse that every trigger of ours refuses in the same words. */
export function checkAwait(awaited: boolean, onCancel: unknown): void {
  if (onCancel !== undefined) checkFunction("await the trigger", "onCancel", onCancel);
  if (awaited) {
    throw new TypeError(
      "Cannot await the trigger: it was awaited already; prepare a new one for each wait",
    );
  }
}
