/** A wait that nothing cancels, and that works in a fiber that is aborting (law 12). */
import { enterProtected } from "../operation/protected_start.ts";
import { COLD, FAILED, inherit, type Suspension } from "../operation/suspension.ts";
import { hubOf, type SettleNode } from "../promise/hub.ts";
import type { Result } from "../operation/types.ts";

export interface Closing extends Suspension<void> {}

/** Waits for what `close` has started, which goes on whatever happens to the wait. */
export class Closing implements SettleNode {
  declare close: () => Promise<void>;
  declare promise: Promise<void> | null;

  constructor(close: () => Promise<void>) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.close = close;
    this.promise = null;
  }

  /** Unlike other operations it doesn't ask whether its fiber is aborting. */
  enter(): IteratorResult<never, void> {
    return enterProtected(this);
  }

  attempt(): boolean {
    this.promise ??= this.close();
    const { result } = hubOf(this.promise);
    if (result === undefined) return false;
    this.value = result.ok ? undefined : result.error;
    if (!result.ok) this.state = FAILED;
    return true;
  }

  enqueue(): void {
    hubOf(this.promise!).enlist(this);
  }

  settled(result: Result<unknown>): void {
    if (result.ok) this.complete(undefined);
    else this.fail(result.error);
  }

  interrupt(): boolean {
    return false;
  }

  withdraw(): void {
    hubOf(this.promise!).leave(this);
  }

  describe(): string {
    return "the end of a thread pool";
  }
}

inherit(Closing);
