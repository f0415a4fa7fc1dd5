/** Waiting for a job of a pool: as an operation, and as an event. */
import { BlockingLoop } from "../../loop/blocking_loop.ts";
import type { Holder } from "../../loop/doorbell.ts";
import type { Abort } from "../../operation/errors.ts";
import { type Arm, CompositeEvent, EventBase } from "../../operation/event.ts";
import { asSeenByOthers, COLD, FAILED, inherit, SPENT, type Wait } from "../../operation/wait.ts";
import type { Result } from "../../operation/types.ts";
import { Job, type JobWaiter } from "./job.ts";
import type { PoolCore } from "./pool_core.ts";
import type { Encoded } from "../memory/values.ts";
import { holderFor } from "../shared/waiting.ts";
import { addOwnStack } from "../memory/wire.ts";

/** What to run: a task by name, or a function by its number. */
export interface Order {
  readonly task: string | number;
  readonly args: readonly unknown[];
  readonly name: string;
}

export interface PoolRun<T> extends Wait<T> {}

export class PoolRun<T> implements JobWaiter {
  declare core: PoolCore;
  declare order: Order;
  declare job: Job | null;
  declare holder: Holder | null;
  declare reason: unknown;

  constructor(core: PoolCore, order: Order) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.core = core;
    this.order = order;
    this.job = null;
    this.holder = null;
    this.reason = undefined;
  }

  /** It always waits. */
  couldComplete(): boolean {
    return false;
  }

  attempt(): boolean {
    return false;
  }

  enlist(): void {
    this.holder = holderFor(this.waiter);
    const encoded = this.core.encode(this.order.task, this.order.args);
    this.job = submit(this.core, this.order, encoded, this, this.holder);
  }

  settled(result: Result<unknown>): void {
    this.holder!.release();
    if (result.ok) this.complete(result.value as T);
    else this.fail(result.error);
  }

  interrupt(error: Abort): boolean {
    this.reason = error.cause;
    return this.leave();
  }

  withdraw(): void {
    this.holder!.release();
    this.core.cancel(this.job!, this.reason);
  }

  conclude(): T {
    const failed = this.state === FAILED;
    this.state = SPENT;
    if (!failed) return this.value as T;
    addOwnStack(this.value);
    throw asSeenByOthers(this.value);
  }

  describe(): string {
    return describe(this.core, this.order);
  }
}

inherit(PoolRun);

/** An arm of a select that waits for its job. */
class ArmJob implements JobWaiter {
  readonly #job: Job;
  readonly #holder: Holder;
  /** Made where the user waits, since the failure is thrown by code that knows nothing of it. */
  readonly #here = new Error();

  constructor(
    readonly arm: Arm,
    readonly core: PoolCore,
    order: Order,
    encoded: Encoded | null,
  ) {
    this.#holder = holderFor(arm.sync!.waiter);
    this.#job = submit(core, order, encoded, this, this.#holder);
  }

  settled(result: Result<unknown>): void {
    this.#holder.release();
    this.arm.handle = null;
    if (result.ok) return this.arm.complete(result.value);
    addOwnStack(result.error, this.#here);
    this.arm.fail(result.error);
  }

  cancel(): void {
    this.#holder.release();
    this.core.cancel(this.#job, "another branch was chosen, or the wait was cancelled");
  }
}

/**
 * Each select that comes to waiting is a job of its own. Its arguments are encoded when
 * the event expands, for that may run code of the user's: between the poll and the end of the
 * enlisting none may run (see `select_wait.ts`).
 */
export class PoolRunEvent<T> extends CompositeEvent<T> {
  constructor(core: PoolCore, order: Order) {
    super((arm) => {
      const encoded = core.encode(order.task, order.args)?.copy() ?? null;
      return [arm.over(new JobEvent(core, order, encoded))];
    });
  }
}

/** The event of one select. */
class JobEvent extends EventBase<unknown> {
  constructor(
    readonly core: PoolCore,
    readonly order: Order,
    readonly encoded: Encoded | null,
  ) {
    super();
  }

  override attempt(): boolean {
    return false;
  }

  override enlist(arm: Arm): void {
    arm.handle = new ArmJob(arm, this.core, this.order, this.encoded);
  }

  describe(): string {
    return describe(this.core, this.order);
  }
}

/** Hands over a new job, and holds `holder`, which `waiter` releases; or throws, and does neither. */
function submit(
  core: PoolCore,
  { task, args, name }: Order,
  encoded: Encoded | null,
  waiter: JobWaiter,
  holder: Holder,
): Job {
  const job = new Job(task, args, name, waiter, holder instanceof BlockingLoop);
  holder.hold();
  try {
    core.submit(job, encoded);
  } catch (error) {
    holder.release();
    throw error;
  }
  return job;
}

function describe(core: PoolCore, { name }: Order): string {
  return `${name} in thread pool "${core.settings.name}"`;
}
