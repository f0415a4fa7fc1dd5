/** Jobs of a pool, from the call to the result. */
import type { Linked } from "../../internal/circle.ts";
import type { CancelHandle, Result } from "../../operation/types.ts";
import type { Encoded } from "../memory/values.ts";

/** Whoever waits for a job. */
export interface JobWaiter {
  /** Once, unless the job was cancelled before. */
  settled(result: Result<unknown>): void;
}

export class Job implements Linked<Job> {
  // In the backlog.
  after: Job | null = null;
  before: Job | null = null;
  /** Its number, once it was offered to the threads; -1 while it is in the backlog. */
  id = -1;
  /** How it is sent; the arguments, if that is not within the queue. */
  encoded: Encoded | undefined = undefined;
  /** Nobody waits for it any more. */
  isCancelled = false;
  graceTimer: CancelHandle | undefined = undefined;

  constructor(
    readonly task: string | number,
    readonly args: readonly unknown[],
    /** For people. */
    readonly name: string,
    readonly waiter: JobWaiter,
    /** Whether its waiter blocks the thread, so that the event loop stands still. */
    readonly isBlocking: boolean,
  ) {}
}
