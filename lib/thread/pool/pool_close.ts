/**
 * The wait for the end of a pool, `ThreadPool.close()`. It works in a fiber that is aborting (law
 * 12), and then nothing cancels it. An abort that comes later ends the wait, and the closing goes
 * on.
 */
import {
  COLD,
  enterProtected,
  type FiberSlot,
  inherit,
  type Wait,
  YIELDED,
} from "../../operation/wait.ts";
import type { SettleNode } from "../../operation/event_constructors.ts";
import { hubOf } from "../../promise/hub.ts";
import { execution } from "../../trigger/execution.ts";

export interface PoolClose extends Wait<void> {}

export class PoolClose implements SettleNode {
  declare close: () => Promise<void>;
  declare leaveAlone: () => void;
  declare promise: Promise<void> | null;
  declare after: SettleNode | null;
  declare before: SettleNode | null;
  /** Whether its fiber was aborting when it began. */
  declare isCleanUp: boolean;

  /** `close` starts the closing; `leaveAlone` is told that nobody hears any more how it ends. */
  constructor(close: () => Promise<void>, leaveAlone: () => void) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.close = close;
    this.leaveAlone = leaveAlone;
    this.promise = null;
    this.after = null;
    this.before = null;
    this.isCleanUp = false;
  }

  /** Unlike other operations it begins in a fiber that is aborting, too. */
  enter(): IteratorResult<never, void> {
    const fiber = execution.current as FiberSlot;
    this.isCleanUp = fiber.context.error !== undefined;
    return enterProtected(this);
  }

  attempt(): boolean {
    this.promise ??= this.close();
    return hubOf(this.promise).attempt(this as Wait<unknown>);
  }

  enlist(): void {
    hubOf(this.promise!).enlist(this);
  }

  /** Not while it gives way: the closing has not begun then, and it must. */
  interrupt(): boolean {
    return this.state !== YIELDED && !this.isCleanUp && this.leave();
  }

  withdraw(): void {
    hubOf(this.promise!).withdraw(this);
    this.leaveAlone();
  }

  describe(): string {
    return "the end of a thread pool";
  }
}

inherit(PoolClose);
