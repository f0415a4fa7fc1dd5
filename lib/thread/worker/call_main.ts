/**
 * Calling main's functions from a thread of a pool: `runInMain` blocks the thread, `callMain`
 * suspends. Both send the call through the thread's `ThreadCalls`, and listen for the abort of the
 * current job.
 */
import { currentFiberOrNull } from "../../fiber/core/mod.ts";
import { show, wrongType } from "../../internal/check.ts";
import type { Awaitable } from "../../operation/types.ts";
import { fromPromise } from "../../promise/mod.ts";
import { addOwnStack, addStackOf } from "../memory/mod.ts";
import { abortOfCurrentJob, currentJobOrNone } from "./task.ts";
import type { ThreadCalls } from "./thread_calls.ts";

/** The calls of this thread, if it belongs to a pool. */
let ownCalls: ThreadCalls | undefined;

export function setThreadCalls(calls: ThreadCalls): void {
  ownCalls = calls;
}

function callsFor(name: unknown): ThreadCalls {
  if (ownCalls === undefined) {
    throw new Error(`Cannot call ${show(name)} in main: this is no thread of a pool`);
  }
  if (typeof name !== "string") {
    throw wrongType("call main", "name must be a string", name);
  }
  return ownCalls;
}

/**
 * In a thread of a pool: calls the function that main gave to the pool by this name
 * (`ThreadPool.make(…, { main: { … } })`), and blocks the whole thread until that has answered:
 * at once, with a promise, or as a fiber. Returns what it returned, or throws what it threw.
 *
 * Cancellation: if the job is aborted, before or meanwhile, it throws the `Abort`, and main's
 * function, if it is a fiber, is aborted. The rest of this thread stands still; a task that has
 * more to do waits with `callMain`. Nor may main's function wait for a job of the same pool, unless
 * a thread is sure to be free for it: one that blocks here isn't.
 *
 * @throws {TypeError} if an argument, or what main's function returned, can't be cloned, or there is
 * no such function
 * @throws {Error} outside of a pool's thread
 */
export function runInMain(name: string, ...args: unknown[]): unknown {
  const calls = callsFor(name);
  const early = abortOfCurrentJob();
  if (early !== undefined) throw early;
  let answer: { readonly ok: boolean; readonly value: unknown } | undefined;
  const id = calls.call(name, args, (ok, value) => answer = { ok, value });
  while (answer === undefined) {
    const abort = abortOfCurrentJob();
    if (abort !== undefined) {
      calls.cancel(id);
      throw abort;
    }
    calls.listen();
  }
  if (answer.ok) return answer.value;
  addOwnStack(answer.value);
  throw answer.value;
}

/**
 * The same for tasks that must not block: suspends. Cancelled, or if the job is aborted
 * meanwhile, it throws, and aborts main's function if that is a fiber.
 *
 * @throws {TypeError} as `runInMain` does, once it is waited for
 * @throws {Error} outside of a pool's thread
 */
export function callMain(name: string, ...args: unknown[]): Awaitable<unknown> {
  const calls = callsFor(name);
  // A fiber hears of it by its own abort, which `protect` may hold back. Other code must be told.
  const job = currentFiberOrNull() === null ? currentJobOrNone() : undefined;
  const here = new Error();
  return fromPromise((signal) =>
    new Promise((resolve, reject) => {
      const answer = (ok: boolean, value: unknown) => {
        stopListening?.();
        signal.removeEventListener("abort", cancel);
        if (ok) return resolve(value);
        addOwnStack(value, here);
        reject(value);
      };
      const id = callFrom(here, () => calls.call(name, args, answer));
      const forget = () => calls.cancel(id);
      const stopListening = job?.abort === undefined
        ? job?.onAbort((abort) => {
          forget();
          reject(abort);
        })
        : undefined; // it was aborted before: a call that cleans up goes ahead
      const cancel = () => {
        stopListening?.();
        forget();
      };
      signal.addEventListener("abort", cancel);
    })
  );
}

/**
 * Makes the call; an error gets the stack of `here`, as nothing else leads to whoever asked for it.
 */
function callFrom(here: Error, call: () => number): number {
  try {
    return call();
  } catch (error) {
    if (error instanceof Error) addStackOf(here, error);
    throw error;
  }
}
