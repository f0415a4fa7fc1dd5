/**
 * Waiting for the end of a fiber. The waiters stand in the fiber's list `joiners`, and are told
 * (`closed`) when it has terminated. `JoinEvent` says what it is to join; the operation `JoinWait`
 * follows it, with what runs without a hitch written out (see `wait.ts`).
 */
import { append, remove } from "../../internal/circle.ts";
import { EventBase, type WaitNode } from "../../operation/event.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import type { Result } from "../../operation/types.ts";
import { elsewhere, type FiberSlot, inherit, STATES, type Wait } from "../../operation/wait.ts";
import { execution as cell } from "../../trigger/execution.ts";
import type { FiberCore } from "./fiber.ts";
import { ENDED_ABORTED, ENDED_FAILED, OBSERVED } from "./flags.ts";

const [COLD, WAITING, COMMITTED, , SPENT] = STATES;
const execution = cell;

/** What is wanted: the value or the failure, the result, or just that it is over. */
type Wanted = "value" | "result" | "gone";

export class JoinEvent<T> extends EventBase<T> {
  declare readonly fiber: FiberCore<unknown>;
  declare readonly wanted: Wanted;

  constructor(fiber: FiberCore<unknown>, wanted: Wanted) {
    super();
    this.fiber = fiber;
    this.wanted = wanted;
  }

  override attempt(wait: Wait<unknown>): boolean {
    return this.fiber.terminated && wait.settleNow(outcomeOf(this.fiber, this.wanted));
  }

  /** One that is going to wait need not give way first. */
  override couldComplete(): boolean {
    return this.fiber.terminated;
  }

  /** Somebody is about to look: a failure needs no report. */
  override deferred(): void {
    if (this.wanted !== "gone" && this.fiber.terminated) this.fiber.flags |= OBSERVED;
  }

  override enlist(node: WaitNode): void {
    const { fiber } = this;
    fiber.joiners = append(fiber.joiners, node);
  }

  override withdraw(node: WaitNode): void {
    this.fiber.joiners = remove(this.fiber.joiners, node);
  }

  override closed(node: WaitNode): void {
    node.settled(outcomeOf(this.fiber, this.wanted));
  }

  describe(): string {
    return `the end of ${this.fiber.name} (#${this.fiber.id})`;
  }
}

/** What is wanted of the fiber, which has terminated. */
function outcomeOf(fiber: FiberCore<unknown>, wanted: Wanted): Result<unknown> {
  if (wanted === "gone") return { ok: true, value: undefined };
  fiber.flags |= OBSERVED;
  const outcome = fiber.outcome();
  return wanted === "value" ? outcome : { ok: true, value: outcome };
}

/** The same for an operation: a value needs no result to carry it. */
function takeOutcome(fiber: FiberCore<unknown>, wanted: Wanted, wait: Wait<unknown>): void {
  if (wanted === "value" && (fiber.flags & (ENDED_FAILED | ENDED_ABORTED)) === 0) {
    fiber.flags |= OBSERVED;
    wait.value = fiber.result;
  } else wait.settleNow(outcomeOf(fiber, wanted));
}

export interface JoinWait<T> extends RuleWait<T> {}

/** Its rule is made only where the path isn't written out. */
export class JoinWait<T> implements WaitNode {
  declare fiber: FiberCore<unknown>;
  declare wanted: Wanted;

  constructor(fiber: FiberCore<unknown>, wanted: Wanted) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.after = null;
    this.before = null;
    this.fiber = fiber;
    this.wanted = wanted;
  }

  get rule(): JoinEvent<T> {
    return new JoinEvent(this.fiber, this.wanted);
  }

  [Symbol.iterator](): Iterator<never, T, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere<T>(this);
    return this as unknown as Iterator<never, T, unknown>;
  }

  next(): IteratorResult<never, T> {
    if (this.state === COMMITTED) return this.finish();
    if (this.state !== COLD) return this.resume();
    const fiber = execution.current as FiberSlot;
    const joined = this.fiber;
    if (
      fiber.context.error !== undefined || fiber === joined || --execution.left < 0
    ) return this.start();
    if (joined.terminated) {
      this.state = COMMITTED;
      takeOutcome(joined, this.wanted, this as Wait<unknown>);
      return this.state === COMMITTED ? this.finish() : this.resume();
    }
    this.state = WAITING;
    this.waiter = fiber;
    joined.joiners = append<WaitNode>(joined.joiners, this);
    // Only `terminated` was read since the look at the context: no abort can have come.
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this as Wait<unknown>;
    this.value = this;
    return this as never;
  }

  finish(): IteratorResult<never, T> {
    this.state = SPENT;
    return this as never;
  }

  /** A fiber that joins itself would wait for ever. */
  attempt(): boolean {
    if (this.fiber === execution.current && !this.fiber.terminated) {
      throw new Error("Cannot wait for the fiber: it would wait for itself");
    }
    return this.rule.attempt(this as Wait<unknown>);
  }

  closed(): void {
    this.fiber.joiners = remove<WaitNode>(this.fiber.joiners, this);
    this.state = COMMITTED;
    takeOutcome(this.fiber, this.wanted, this as Wait<unknown>);
    this.waiter!.unblock();
  }
}

inherit(JoinWait, RuleWait);
