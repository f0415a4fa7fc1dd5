/**
 * Taking bytes from a source: one operation, and one event, for all the ways to read. How much is
 * taken, and what becomes of it, is a rule; it takes everything it wants, or nothing.
 */
import type { FiberCore } from "../../fiber/core/fiber.ts";
import { type Arm, EventBase } from "../../operation/event.ts";
import { asSeenByOthers, COLD, FAILED, inherit, SPENT, type Wait } from "../../operation/wait.ts";
import type { SelectWait } from "../../operation/select_wait.ts";
import { StreamClosedError } from "../base/errors.ts";
import { fiberOf } from "../base/hook_fiber.ts";
import type { Gate, Source, TakerNode } from "./source.ts";

/** In the place of what was taken: there is not enough yet. */
export const MORE: unique symbol = Symbol("more");

/** `A`: what the rule needs to know; `R`: what it takes; `T`: what the waiter gets of that. */
export interface Rule<A, R, T> {
  /** In words: "a line". */
  readonly what: string;
  /**
   * Takes what is wanted, or throws, or says that there must be more. With `keep` what it returns
   * may not be a view of the queue: the waiter gets it later.
   */
  take(source: Source, argument: A, keep: boolean): R | typeof MORE;
  /** Turns it into what the waiter gets. */
  finish(taken: R, argument: A): T;
  /** The waiter is gone: puts it back. */
  giveBack(source: Source, taken: R, argument: A): void;
  /** How many bytes more it could use; 0: it never waits. */
  wanted(argument: A): number;
}

export interface Take<A, R, T> extends Wait<T> {}

export class Take<A, R, T> implements TakerNode {
  declare source: Source;
  declare rule: Rule<A, R, T>;
  declare argument: A;
  declare gate: Gate;
  declare after: TakerNode | null;
  declare before: TakerNode | null;

  constructor(source: Source, rule: Rule<A, R, T>, argument: A, gate: Gate) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.source = source;
    this.rule = rule;
    this.argument = argument;
    this.gate = gate;
    this.after = null;
    this.before = null;
  }

  /** Not before those who wait, unless it wants nothing. */
  attempt(): boolean {
    return this.mayTake() && this.tryNow(false);
  }

  mayTake(): boolean {
    return this.source.takers === null || this.gate.isClosed || this.wanted() === 0;
  }

  tryNow(keep: boolean): boolean {
    try {
      if (this.gate.isClosed) throw new StreamClosedError("read from the input");
      const taken = this.rule.take(this.source, this.argument, keep);
      if (taken === MORE) return false;
      this.value = taken;
    } catch (error) {
      this.value = error;
      this.state = FAILED;
    }
    return true;
  }

  enlist(): void {
    this.source.enlist(this as TakerNode);
  }

  withdraw(): void {
    this.source.delist(this as TakerNode);
  }

  advance(): boolean {
    if (!this.tryNow(true)) return false;
    const { state, value } = this;
    this.withdraw();
    if (state === FAILED) this.fail(value);
    else this.complete(value as T);
    return true;
  }

  conclude(): T {
    const failed = this.state === FAILED;
    this.state = SPENT;
    if (failed) throw asSeenByOthers(this.value);
    return this.rule.finish(this.value as R, this.argument);
  }

  closed(): void {
    this.withdraw();
    this.fail(new StreamClosedError("read from the input"));
  }

  giveBack(): void {
    this.rule.giveBack(this.source, this.value as R, this.argument);
  }

  wanted(): number {
    return this.rule.wanted(this.argument);
  }

  fiber(): FiberCore<unknown> | null {
    return fiberOf(this.waiter);
  }

  describe(): string {
    return `${this.rule.what} from ${this.source.describe()}`;
  }
}

inherit(Take);

/** The same as an event, which happens with what the rule takes. */
export class TakeEvent<A, R> extends EventBase<R> {
  constructor(
    readonly source: Source,
    readonly rule: Rule<A, R, unknown>,
    readonly argument: A,
    readonly gate: Gate,
  ) {
    super();
  }

  override attempt(sync: SelectWait<unknown>): boolean {
    return (this.source.takers === null || this.gate.isClosed || this.wanted() === 0) &&
      this.tryNow(sync);
  }

  wanted(): number {
    return this.rule.wanted(this.argument);
  }

  tryNow(outcome: { value: unknown; state: number }): boolean {
    try {
      if (this.gate.isClosed) throw new StreamClosedError("read from the input");
      const taken = this.rule.take(this.source, this.argument, true);
      if (taken === MORE) return false;
      outcome.value = taken;
    } catch (error) {
      outcome.value = error;
      outcome.state = FAILED;
    }
    return true;
  }

  override enlist(arm: Arm): void {
    const node = new ArmNode(this as TakeEvent<unknown, unknown>, arm);
    arm.handle = { cancel: () => this.source.delist(node) };
    this.source.enlist(node);
  }

  override giveBack(taken: unknown): void {
    this.rule.giveBack(this.source, taken as R, this.argument);
  }

  describe(): string {
    return `${this.rule.what} from ${this.source.describe()}`;
  }
}

/** An arm of a select in a source's list. */
class ArmNode implements TakerNode {
  after: TakerNode | null = null;
  before: TakerNode | null = null;
  readonly gate: Gate;

  constructor(readonly event: TakeEvent<unknown, unknown>, readonly arm: Arm) {
    this.gate = event.gate;
  }

  /** The commit withdraws the arm, which takes this out of the list. */
  advance(): boolean {
    const outcome = { value: undefined as unknown, state: COLD };
    if (!this.event.tryNow(outcome)) return false;
    if (outcome.state === FAILED) this.arm.fail(outcome.value);
    else this.arm.complete(outcome.value);
    return true;
  }

  closed(): void {
    this.arm.fail(new StreamClosedError("read from the input"));
  }

  wanted(): number {
    return this.event.wanted();
  }

  fiber(): FiberCore<unknown> | null {
    return fiberOf(this.arm.sync!.waiter);
  }
}
