/**
 * The operation that a base event is the rule of: the event says how to try, to enlist, to withdraw
 * and to give back, and this adds what one wait needs: its state, and a place in the event's list.
 * So whatever can be waited for is written down once, and `yield*`, `await` and `select` follow it.
 */
import type { Ring } from "../internal/ring.ts";
import type { EventBase, WaitNode } from "./event.ts";
import type { CancelHandle } from "./types.ts";
import { COLD, inherit, Wait } from "./wait.ts";

export interface RuleWait<T> extends Wait<T> {}

export class RuleWait<T> implements WaitNode {
  declare rule: EventBase<unknown>;
  declare after: WaitNode | null;
  declare before: WaitNode | null;
  declare handle: CancelHandle | null;

  constructor(rule: EventBase<unknown>) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.rule = rule;
    this.after = null;
    this.before = null;
    this.handle = null;
  }

  attempt(): boolean {
    return this.rule.attempt(this as Wait<unknown>);
  }

  couldComplete(): boolean {
    return this.rule.couldComplete();
  }

  deferred(): void {
    this.rule.deferred();
  }

  enlist(): void {
    this.rule.enlist(this as WaitNode);
  }

  /** It leaves without a commit: a subclass that has more to say when it is cancelled says it here. */
  withdraw(): void {
    this.rule.withdraw(this as WaitNode);
  }

  recheck(): boolean {
    return this.rule.recheck(this as WaitNode, this as Wait<unknown>);
  }

  complete(value: unknown): void {
    this.rule.withdraw(this as WaitNode);
    Wait.prototype.complete.call(this, value);
  }

  fail(error: unknown): void {
    this.rule.withdraw(this as WaitNode);
    Wait.prototype.fail.call(this, error);
  }

  accept(value: unknown): void {
    this.rule.accept!(this as WaitNode, value);
  }

  give(buffer?: Ring<unknown>): unknown {
    return this.rule.give!(this as WaitNode, buffer);
  }

  closed(): void {
    this.rule.closed!(this as WaitNode);
  }

  wake(): void {
    this.waiter!.unblock();
  }

  conclude(): T {
    return this.rule.resultOf(Wait.prototype.conclude.call(this)) as T;
  }

  giveBack(): void {
    this.rule.giveBack(this.value);
  }

  describe(): string {
    return this.rule.describe();
  }
}

inherit(RuleWait);
