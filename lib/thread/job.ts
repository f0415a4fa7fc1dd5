/** Jobs of a pool, from the call to the result. */
import type { CancelHandle } from "../operation/event_base.ts";
import type { Result } from "../operation/types.ts";
import type { Encoded } from "./values.ts";

/** Whoever waits for a job. */
export interface JobWaiter {
  /** Once, unless the job was cancelled before. */
  settled(result: Result<unknown>): void;
}

export class Job {
  /** Its number, while it is in the table; -1 before. */
  id = -1;
  /** How it is sent; the arguments, if that is not within the queue. */
  encoded: Encoded | undefined = undefined;
  /** Whether it was handed over to the threads. */
  isOffered = false;
  /** Nobody waits for it any more. */
  isCancelled = false;
  reason: unknown = undefined;
  graceTimer: CancelHandle | undefined = undefined;

  constructor(
    readonly task: string | number,
    readonly args: readonly unknown[],
    /** For people. */
    readonly name: string,
    readonly waiter: JobWaiter,
  ) {}
}
