/** The wait for permits of a `Line`: its rule, and the operation. */
import type { FiberCore } from "../fiber/core/mod.ts";
import { append, remove } from "../internal/circle.ts";
import { EventBase, type WaitNode } from "../operation/event.ts";
import { RuleWait } from "../operation/rule_wait.ts";
import { LEAVING } from "../operation/select_wait.ts";
import { elsewhere, type FiberSlot, inherit, STATES, type Wait } from "../operation/wait.ts";
import { execution as cell } from "../trigger/execution.ts";
import { type Line, Permit as PermitClass, type Request } from "./line.ts";

const [COLD, WAITING, COMMITTED, , SPENT] = STATES;
const execution = cell;
const Permit = PermitClass;
type Permit = PermitClass;

/** To have `n` permits. Holds nothing of its waiters: there may be one for all of them. */
export class AcquireEvent extends EventBase<Permit> implements Request {
  /** Whether a fiber that gets them is the owner of the line. */
  readonly owns: boolean;

  constructor(readonly line: Line, readonly n: number) {
    super();
    this.owns = line.isOwned(n);
  }

  /** Whether it also takes what has a failure. */
  get takesBroken(): boolean {
    return false;
  }

  /**
   * One who wants several may keep others waiting who want less, and lets them in when it leaves.
   */
  override kind(): number {
    return this.n > 1 ? LEAVING : super.kind();
  }

  override attempt(wait: Wait<unknown>): boolean {
    const permit = this.line.tryTake(this.n);
    if (permit === null) return false;
    wait.value = permit;
    return true;
  }

  override enlist(node: WaitNode): void {
    const { line } = this;
    line.first = append(line.first, node);
  }

  override withdraw(node: WaitNode): void {
    const { line } = this;
    line.first = remove(line.first, node);
  }

  override left(): void {
    this.line.settle();
  }

  override giveBack(permit: unknown): void {
    (permit as Permit).giveBack();
  }

  describe(): string {
    const { line, n } = this;
    return line.kind.wanted(n, line);
  }
}

export interface Acquire extends RuleWait<Permit> {}

/** The wait for permits. Hot path: written out (see `operation/wait.ts`). */
export class Acquire implements WaitNode {
  declare rule: AcquireEvent;

  constructor(rule: AcquireEvent) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.rule = rule;
    this.after = null;
    this.before = null;
  }

  [Symbol.iterator](): Iterator<never, Permit, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere<Permit>(this);
    return this as unknown as Iterator<never, Permit, unknown>;
  }

  next(): IteratorResult<never, Permit> {
    if (this.state === COMMITTED) {
      this.state = SPENT;
      return this as never;
    }
    if (this.state !== COLD) return this.resume();
    const fiber = execution.current as FiberSlot;
    if (fiber.context.error !== undefined || --execution.left < 0) return this.start();
    const { line, n, owns } = this.rule;
    this.state = SPENT; // unless it has to wait; what is broken throws
    if (line.first === null && n <= line.available && line.failure === null) { // `line.tryTake`
      line.available -= n;
      if (owns) line.owner = fiber as FiberCore<unknown>;
      this.value = new Permit(line, n);
      return this as never;
    }
    line.refuse();
    this.state = WAITING;
    this.waiter = fiber;
    line.first = append<WaitNode>(line.first, this);
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this as Wait<unknown>;
    this.value = this;
    return this as never;
  }

  complete(permit: unknown): void {
    const { line } = this.rule;
    line.first = remove<WaitNode>(line.first, this);
    this.value = permit;
    this.state = COMMITTED;
    this.waiter!.unblock();
  }

  /** It leaves without having got anything. */
  withdraw(): void {
    const { line, n } = this.rule;
    line.first = remove<WaitNode>(line.first, this);
    if (n > 1) line.settle();
  }
}

inherit(Acquire, RuleWait);
