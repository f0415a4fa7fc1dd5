/** The trigger of our own fibers: its `await` suspends the fiber directly. */
import { asCancelFunction } from "../trigger/execution.ts";
import { checkAwait } from "../trigger/trigger.ts";
import type { AwaitableVoid, Trigger } from "../trigger/mod.ts";
import { COLD, inherit, type Wait } from "./wait.ts";

export class FiberTrigger implements Trigger {
  declare readonly purpose: string;
  declare released: boolean;
  /** What `release` completes; `null` before the wait begins, and after it has ended. */
  declare waiting: TriggerWait | null;
  #awaited = false;

  /** `purpose` says what its waiter waits on, in words. */
  constructor(purpose = "a trigger") {
    this.purpose = purpose;
    this.released = false;
    this.waiting = null;
  }

  readonly release = (): void => {
    if (this.released) return;
    this.released = true;
    this.waiting?.complete(undefined);
    this.waiting = null;
  };

  await(onCancel?: () => void): AwaitableVoid {
    checkAwait(this.#awaited, onCancel);
    this.#awaited = true;
    return new TriggerWait(this, onCancel);
  }
}

interface TriggerWait extends Wait<void> {}

/** The wait for a trigger of ours. `onCancel` runs whenever it ends without its waiter going on. */
class TriggerWait {
  declare trigger: FiberTrigger;
  declare onCancel: (() => void) | undefined;

  constructor(trigger: FiberTrigger, onCancel: (() => void) | undefined) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.trigger = trigger;
    this.onCancel = onCancel;
  }

  attempt(): boolean {
    return this.trigger.released;
  }

  enlist(): void {
    this.trigger.waiting = this;
  }

  withdraw(): void {
    this.trigger.waiting = null;
    this.refused();
  }

  refused(): void {
    if (this.onCancel !== undefined) asCancelFunction(this.onCancel);
  }

  /**
   * Released, but whoever waited is gone. What the release stood for (a lock that was handed over,
   * say) is for `onCancel` to pass on.
   */
  giveBack(): void {
    this.refused();
  }

  describe(): string {
    return this.trigger.purpose;
  }
}

inherit(TriggerWait);
