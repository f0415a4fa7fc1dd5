/** Which thread this is: its number, and how it got it. */
import type { ThreadModule } from "../../trigger/mod.ts";

/**
 * Threads of a pool have their number in the name of their worker, so they know it from the start.
 */
const NAME = /^weft thread (\d+)\b/;

/** Workers that no pool has made take a random number from here on. */
const FOREIGN = 2 ** 24;

const scope = globalThis as { WorkerGlobalScope?: unknown; name?: unknown };

let id: number | undefined = isWorker() ? numberIn(String(scope.name)) : 0;

function numberIn(name: string): number | undefined {
  const digits = NAME.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The name for the worker of thread `id`. */
export function workerName(id: number, poolName: string): string {
  return `weft thread ${id} of ${poolName}`;
}

/** Whether this thread is a worker. */
export function isWorker(): boolean {
  return scope.WorkerGlobalScope !== undefined;
}

/** Whether this thread belongs to a pool. */
export function isPoolThread(): boolean {
  return isWorker() && NAME.test(String(scope.name));
}

/** Whether this thread's number is settled. */
export function hasOwnNumber(): boolean {
  return id !== undefined;
}

export function setThreadId(number: number): void {
  id = number;
}

/**
 * The number of this thread. A worker that no pool has made, and that has met no other, takes one.
 */
export function threadId(): number {
  return id ??= FOREIGN + Math.floor(Math.random() * FOREIGN);
}

/**
 * One thread per Web Worker. Main is number 0; each thread of a pool has a number of its own, which
 * no other thread of the program ever has; one that was made by hand gets its own when it first
 * meets another.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { webWorkerThreads as threads } from "@weft/weft/thread";
 *
 * assertEquals(threads.id(threads.self()), 0); // this is main
 * ```
 */
export const webWorkerThreads: ThreadModule<unknown> = {
  self: () => threadId(),
  id: (handle) => handle as number,
};
