/**
 * To take a shared mutex, or permits of a shared semaphore: the event, which is also the rule of
 * the operation. They look by the rules of `line_event.ts`; one that was woken in vain reserves
 * (`lock_memory.ts`) and looks once more.
 */
import type { WaitNode } from "../../operation/event.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import {
  COLD,
  elsewhere,
  type FiberSlot,
  inherit,
  SPENT,
  type Wait,
} from "../../operation/wait.ts";
import { execution } from "../../trigger/execution.ts";
import type { LockMemory, MutexMemory } from "../memory/mod.ts";
import { LineEvent } from "./line_event.ts";
import { HeldGuard, type LockPort, type SharedGuard } from "./lock_port.ts";

/** Holds nothing of its waiters. */
export class SharedAcquireEvent<M extends LockMemory> extends LineEvent<SharedGuard> {
  constructor(readonly port: LockPort<M>, need: number) {
    super(port.line, need);
  }

  override attempt(wait: Wait<unknown>): boolean {
    const { port } = this;
    port.refuseOwner();
    const guard = this.mayLook(wait) ? this.#take(wait) : null;
    if (guard === null) {
      this.sleepOn(wait);
      return false;
    }
    wait.value = guard;
    return true;
  }

  #take(wait: Wait<unknown>): SharedGuard | null {
    const { port, need } = this;
    const guard = port.take(need);
    if (guard !== null) return guard;
    const node = this.wokenNode(wait);
    return node !== undefined && port.reserve(node) ? port.take(need) : null;
  }

  override withdraw(node: WaitNode): void {
    this.port.left(node.handle);
    super.withdraw(node);
  }

  override giveBack(guard: unknown): void {
    (guard as HeldGuard).free();
  }

  describe(): string {
    const { port, need } = this;
    if (port.kind === "mutex") return `the lock of ${port.describe()}`;
    return `${need === 1 ? "a permit" : `${need} permits`} of ${port.describe()}`;
  }
}

export interface SharedLock extends RuleWait<SharedGuard> {}

/** `lock`. */
export class SharedLock {
  declare rule: SharedAcquireEvent<MutexMemory>;

  constructor(rule: SharedAcquireEvent<MutexMemory>) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.rule = rule;
    this.handle = null; // it stands in no circle itself, but has a `LineNode` there
  }

  [Symbol.iterator](): Iterator<never, SharedGuard, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere<SharedGuard>(this);
    return this as unknown as Iterator<never, SharedGuard, unknown>;
  }

  /** Written out: nobody holds it, and nobody waits in line for it. */
  next(): IteratorResult<never, SharedGuard> {
    if (this.state !== COLD) return this.resume();
    const { port } = this.rule;
    const fiber = execution.current as FiberSlot;
    if (
      fiber.context.error !== undefined || port.line.first !== null || --execution.left < 0
    ) return this.start();
    if (!port.memory.takeAtOnce()) return this.enter();
    this.state = SPENT;
    port.owner = fiber;
    this.value = new HeldGuard(port, 1, false, fiber);
    return this as never;
  }

  /** Before it gets in line it looks for a moment whether it is unlocked. */
  attempt(): boolean {
    const { rule } = this;
    const wait = this as Wait<unknown>;
    return rule.attempt(wait) || (rule.line.isWorthWaiting() && rule.attempt(wait));
  }
}

inherit(SharedLock, RuleWait);
