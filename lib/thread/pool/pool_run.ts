/**
 * To run something in a pool: `RunEvent` says what that is, and the operation `PoolRun` follows it.
 *
 * It always waits: to begin means to submit a job, which settles the waiter when it has ended, and
 * is cancelled when the waiter leaves. From here a job goes one way:
 *
 *     RunEvent.enlist ▶ PoolCore.submit ▶ JobTable.add ▶ the common queue ▶ a thread (server.ts)
 *     Job.settle ◀ PoolCore, which hears of its end ◀ the mailbox of that thread ◀──┘
 */
import type { Abort } from "../../operation/errors.ts";
import { Arm, EventBase, type WaitNode } from "../../operation/event.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import { BASE, COMPOSITE } from "../../operation/select_wait.ts";
import { FAILED } from "../../operation/wait.ts";
import { addOwnStack, type Encoded } from "../memory/mod.ts";
import type { Job, Order } from "./job.ts";
import type { PoolCore } from "./pool_core.ts";

/**
 * Each wait is a job of its own. For a select the arguments are encoded when the event expands, for
 * that may run code of the user's: between the attempts and the end of the enlisting none may run
 * (see `select_wait.ts`).
 */
export class RunEvent<T> extends EventBase<T> implements Order {
  declare readonly core: PoolCore;
  declare readonly task: string | number;
  declare readonly args: readonly unknown[];
  declare readonly name: string;
  /** Of the one arm that this has expanded into. Else it is encoded when it enlists. */
  declare readonly encoded: Encoded | null | undefined;

  constructor(
    core: PoolCore,
    task: string | number,
    args: readonly unknown[],
    name: string,
    encoded?: Encoded | null,
  ) {
    super();
    this.core = core;
    this.task = task;
    this.args = args;
    this.name = name;
    this.encoded = encoded;
  }

  override kind(): number {
    return this.encoded === undefined ? COMPOSITE : BASE;
  }

  override expand(arm: Arm): Arm[] | null {
    if (this.encoded !== undefined) return null;
    const { core, task, args, name } = this;
    const encoded = core.encode(this)?.copy() ?? null;
    return [arm.over(new RunEvent(core, task, args, name, encoded))];
  }

  /** It always waits, so it need not give way first. */
  override couldComplete(): boolean {
    return false;
  }

  override enlist(node: WaitNode): void {
    const job = this.core.submit(this, node, this.encoded);
    node.handle = job; // which `withdraw` cancels
    if (!(node instanceof Arm)) return;
    job.here = new Error();
    job.reason = "another branch was chosen, or the wait was cancelled";
  }

  describe(): string {
    return `${this.name} in thread pool "${this.core.settings.name}"`;
  }
}

/** `run`. It knows why it is cancelled, and throws where the user waits. */
export class PoolRun<T> extends RuleWait<T> {
  override interrupt(error: Abort): boolean {
    if (this.handle !== null) (this.handle as Job).reason = error.cause;
    return this.leave();
  }

  override conclude(): T {
    if (this.state === FAILED) addOwnStack(this.value);
    return super.conclude();
  }
}
