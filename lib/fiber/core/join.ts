/** Waiting for the end of a fiber. The waiters stand in the fiber's list `joiners`. */
import { append, type Linked, remove } from "../../internal/circle.ts";
import { type Arm, EventBase } from "../../operation/event.ts";
import { elsewhere, type FiberSlot, inherit, STATES, type Wait } from "../../operation/wait.ts";
import type { SelectWait } from "../../operation/select_wait.ts";
import type { Result } from "../../operation/types.ts";
import { execution as cell } from "../../trigger/execution.ts";
import type { FiberCore } from "./fiber.ts";
import { ENDED_ABORTED, ENDED_FAILED, OBSERVED } from "./flags.ts";

const [COLD, WAITING, COMMITTED, , SPENT] = STATES;
const execution = cell;

/** Whoever stands in a fiber's list. */
export interface Joiner extends Linked<Joiner> {
  /** The fiber has terminated: takes itself out of the list and commits. */
  closed(): void;
}

/** What is wanted: the value or the failure, the result, or just that it is over. */
type Wanted = "value" | "result" | "gone";

export interface JoinWait<T> extends Wait<T> {}

export class JoinWait<T> implements Joiner {
  declare after: Joiner | null;
  declare before: Joiner | null;
  declare fiber: FiberCore<unknown>;
  declare wanted: Wanted;

  constructor(fiber: FiberCore<unknown>, wanted: Wanted) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.after = null;
    this.before = null;
    this.fiber = fiber;
    this.wanted = wanted;
  }

  [Symbol.iterator](): Iterator<never, T, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere(this);
    return this as unknown as Iterator<never, T, unknown>;
  }

  /** Written out, as the hot path of joining (see `wait.ts`). */
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
      this.take();
      return this.state === COMMITTED ? this.finish() : this.resume();
    }
    this.state = WAITING;
    this.waiter = fiber;
    joined.joiners = append(joined.joiners, this as Joiner);
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this as Wait<unknown>;
    this.value = this;
    return this as never;
  }

  finish(): IteratorResult<never, T> {
    this.state = SPENT;
    this.done = true;
    return this as never;
  }

  couldComplete(): boolean {
    return this.fiber.terminated;
  }

  /** Somebody is about to look: a failure needs no report. */
  deferred(): void {
    if (this.wanted !== "gone") this.fiber.flags |= OBSERVED;
  }

  attempt(): boolean {
    if (!this.fiber.terminated) {
      if (this.fiber === execution.current) {
        throw new Error("Cannot wait for the fiber: it is itself");
      }
      return false;
    }
    this.take();
    return true;
  }

  enqueue(): void {
    const { fiber } = this;
    fiber.joiners = append(fiber.joiners, this as Joiner);
  }

  withdraw(): void {
    this.fiber.joiners = remove(this.fiber.joiners, this as Joiner);
  }

  closed(): void {
    this.fiber.joiners = remove(this.fiber.joiners, this as Joiner);
    this.state = COMMITTED;
    this.take();
    this.waiter!.unblock();
  }

  /** Takes from the terminated fiber what is wanted of it. */
  take(): void {
    const { fiber, wanted } = this;
    if (wanted === "gone") {
      this.value = undefined;
      return;
    }
    fiber.flags |= OBSERVED;
    if (wanted === "value" && (fiber.flags & (ENDED_FAILED | ENDED_ABORTED)) === 0) {
      this.value = fiber.result;
      return;
    }
    const outcome = fiber.outcome();
    if (wanted === "result") this.value = outcome;
    else this.settleNow(outcome as Result<T>);
  }

  describe(): string {
    return `the end of ${this.fiber.name} (#${this.fiber.id})`;
  }
}

inherit(JoinWait);

/** `join` as an event. */
export class JoinEvent<T> extends EventBase<Result<T>> {
  declare readonly fiber: FiberCore<unknown>;

  constructor(fiber: FiberCore<unknown>) {
    super();
    this.fiber = fiber;
  }

  override poll(sync: SelectWait<unknown>): boolean {
    if (!this.fiber.terminated) return false;
    this.fiber.flags |= OBSERVED;
    sync.value = this.fiber.outcome();
    return true;
  }

  override deferred(): void {
    if (this.fiber.terminated) this.fiber.flags |= OBSERVED;
  }

  override enqueue(arm: Arm): void {
    const { fiber } = this;
    fiber.joiners = append(fiber.joiners, arm as Joiner);
  }

  override withdraw(arm: Arm): void {
    this.fiber.joiners = remove(this.fiber.joiners, arm as Joiner);
  }

  override closed(arm: Arm): void {
    this.fiber.flags |= OBSERVED;
    arm.complete(this.fiber.outcome());
  }

  describe(): string {
    return `the end of ${this.fiber.name} (#${this.fiber.id})`;
  }
}
