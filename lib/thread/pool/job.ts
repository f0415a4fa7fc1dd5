/**
 * A job of a pool, from the call to the result. It is at the same time what its waiter holds on to
 * (`WaitNode.handle`): `cancel` withdraws it, and `settle` tells the waiter, once, how it ended.
 */
import type { Linked } from "../../internal/circle.ts";
import { BlockingLoop } from "../../loop/blocking_loop.ts";
import type { Holder } from "../../loop/doorbell.ts";
import type { WaitNode } from "../../operation/event.ts";
import type { CancelHandle, Result } from "../../operation/types.ts";
import { addOwnStack, type Encoded } from "../memory/mod.ts";
import { holderFor } from "../shared/mod.ts";

/** What to run: a task by name, or a function by its number. */
export interface Order {
  readonly task: string | number;
  readonly args: readonly unknown[];
  /** For people. */
  readonly name: string;
}

export class Job implements Linked<Job>, CancelHandle {
  // In the backlog.
  after: Job | null = null;
  before: Job | null = null;
  /** Its number, once it was offered to the threads; -1 while it is in the backlog. */
  id = -1;
  /** In the backlog: what to offer. Without it, a thread has to ask for the arguments. */
  encoded: Encoded | undefined = undefined;
  /** Nobody waits for it any more. */
  isCancelled = false;
  /** Why, for its task. */
  reason: unknown = undefined;
  /** Where the user waits, if the failure will be thrown by code that knows nothing of pools. */
  here: Error | undefined = undefined;
  graceTimer: CancelHandle | undefined = undefined;
  /** What keeps the waiter's loop going meanwhile. */
  readonly holder: Holder;

  constructor(
    readonly order: Order,
    readonly waiter: WaitNode,
    /** Its pool. */
    readonly pool: { cancel(job: Job): void },
  ) {
    this.holder = holderFor(waiter.waiter);
  }

  /** Whether its waiter blocks the thread, so that the event loop stands still. */
  get isBlocking(): boolean {
    return this.holder instanceof BlockingLoop;
  }

  /** How it ended. Not for one that was cancelled. */
  settle(result: Result<unknown>): void {
    const { waiter } = this;
    waiter.handle = null; // first: there is nothing left to withdraw
    this.holder.release();
    if (!result.ok && this.here !== undefined) addOwnStack(result.error, this.here);
    waiter.settled(result);
  }

  /** Its waiter has left. */
  cancel(): void {
    this.holder.release();
    this.pool.cancel(this);
  }
}
