/**
 * Synchronising on events: waiting until exactly one arm has happened.
 *
 * The protocol, after "Parallel Concurrent ML" (Reppy, Russo, Xiao), cut down to one thread:
 *  1. Composite events expand into arms over base events, in list order, guards and nacks included.
 *  2. Each arm is polled, in list order (`fair`: from a random one on). The first that has
 *     happened is the choice, and nothing was ever enlisted.
 *  3. Otherwise every arm enlists with its event, and the select is WAITING.
 *  4. Whoever finds an arm in a list commits the whole select to it (`commit`), which
 *     first takes every arm out of every list. So what stands in a list can still be chosen, and
 *     two selects rendezvous by one of them finding the other's arm in step 2.
 *  5. An abort takes every arm out as well; nothing was chosen.
 *
 * An arm never meets another arm of its own select: in step 2 none is enlisted, and in
 * step 3 nobody polls. That, and that no wake-up is lost, needs that no code of the user's runs
 * between step 2 and the end of step 3. Custom events do run code of the user's in `wait`; so
 * where there are some, they enlist first, and then step 2 is done once more before the rest does.
 *
 * A custom event only wakes the waiter, who polls again on resumption (`recheck`).
 */
import { wrongType } from "../internal/check.ts";
import { Random } from "../internal/random.ts";
import type { OnceEvent } from "./event_constructors.ts";
import type { Arm } from "./event.ts";
import { execution as cell } from "../trigger/execution.ts";
import { elsewhere, type FiberSlot, inherit, STATES, Wait } from "./wait.ts";

const [COLD, WAITING, COMMITTED, FAILED, SPENT] = STATES;
const execution = cell;

// Kinds of events, which each arm keeps at hand.
/** To be waited on as it is. */
export const BASE = 0;
/** Expands into arms over base events. */
export const COMPOSITE = 1;
/** Polling it, waiting on it or leaving it run code of the user's. */
export const CUSTOM = 2;
/** When a select has left with all of its arms it is told (`left`), since it may let others in. */
export const LEAVING = 3;

let random = new Random(0x5eed);

/**
 * Restarts the sequence of random choices that fair selects make in this realm.
 *
 * @throws {TypeError} if `seed` is not a finite number
 */
export function seedSelect(seed: number): void {
  if (!Number.isFinite(seed)) {
    throw wrongType("seed the choices", "seed must be a finite number", seed);
  }
  random = new Random(seed);
}

export interface SelectWait<T> extends Wait<T> {}

/** What `select` makes, and any event that is waited for by itself. */
export class SelectWait<T> {
  /** The alternatives, in order of preference. The user's own list until it waits. */
  declare arms: Arm[];
  declare fair: boolean;
  declare chosen: Arm | null;
  declare nacks: OnceEvent[] | null;
  /** Whether it has arms that are told apart when it leaves: CUSTOM or LEAVING. */
  declare custom: boolean;

  constructor(arms: Arm[], fair: boolean) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.arms = arms;
    this.fair = fair;
    this.chosen = null;
    this.nacks = null;
    this.custom = false;
  }

  [Symbol.iterator](): Iterator<never, T, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere(this);
    return this as unknown as Iterator<never, T, unknown>;
  }

  /** Written out, as the hot path of selecting (see `wait.ts`). */
  next(): IteratorResult<never, T> {
    if (this.state === COMMITTED) return this.finish();
    if (this.state !== COLD) return this.resume();
    const fiber = execution.current as FiberSlot;
    if (
      fiber.context.error !== undefined || !arePlain(this.arms) || --execution.left < 0
    ) return this.start();
    this.state = SPENT;
    if (this.pollArms(false)) {
      return (this.state as number) === FAILED ? this.finished() : this.finish();
    }
    this.state = WAITING;
    this.waiter = fiber;
    this.arms = this.arms.slice(); // the user's list may change while this waits
    this.enlistArms(false);
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this as Wait<unknown>;
    this.value = this;
    return this as never;
  }

  finish(): IteratorResult<never, T> {
    this.state = SPENT;
    this.value = this.chosen!.handler(this.value as never);
    return this as never;
  }

  deferred(): void {
    for (const arm of this.arms) arm.event.deferred();
  }

  attempt(): boolean {
    try {
      if (this.arms.some(isComposite)) this.arms = expand(this);
      if (!this.pollArms(false)) return false;
    } catch (error) {
      this.acknowledge(null);
      throw error;
    }
    this.acknowledge(this.chosen);
    return true;
  }

  enlist(): void {
    this.arms = this.arms.slice(); // the user's list may change while this waits
    if (arePlain(this.arms)) return this.enlistArms(false);
    this.custom = true;
    this.enlistArms(true);
    if (this.state !== WAITING) return;
    try {
      if (this.choose(false)) return this.waiter!.unblock();
    } catch (error) {
      this.giveUp(error);
    }
    this.enlistArms(false);
  }

  /** It can't wait: nothing happened, and nothing will. */
  giveUp(error: unknown): never {
    this.state = SPENT;
    this.withdraw();
    throw error;
  }

  withdraw(): void {
    this.leaveAll();
    this.acknowledge(null);
  }

  /** Woken by a custom event: looks again. */
  wake(): void {
    if (this.state === WAITING) this.waiter!.unblock();
  }

  recheck(): boolean {
    try {
      return this.choose(true);
    } catch (error) {
      this.state = FAILED;
      this.withdraw();
      this.value = error;
      return true;
    }
  }

  /** Commits to `arm`: for whoever found it in a list. */
  commit(arm: Arm, outcome: unknown, failed: boolean): void {
    this.state = failed ? FAILED : COMMITTED;
    this.chosen = arm;
    this.value = outcome;
    this.leaveAll();
    this.acknowledge(arm);
    this.waiter!.unblock();
  }

  conclude(): T {
    const value = Wait.prototype.conclude.call(this);
    return this.chosen!.handler(value as never) as T;
  }

  giveBack(): void {
    const { chosen, value } = this;
    chosen!.event.giveBack(value);
    for (const nack of chosen!.nacks ?? []) nack.happen();
  }

  describe(): string {
    const { arms } = this;
    if (arms.length === 1) return arms[0]!.event.describe();
    const named = arms.map(({ name, event }) =>
      name === null ? event.describe() : `${name}: ${event.describe()}`
    ).join(", ");
    return `a select of ${arms[0]?.name ? `{ ${named} }` : `[${named}]`}`;
  }

  /** Polls the arms, or the custom ones alone; true: one has happened, and `value` says what. */
  pollArms(customOnly: boolean): boolean {
    const { arms } = this;
    const { length } = arms;
    const start = this.fair && length > 1 ? random.below(length) : 0;
    for (let i = 0; i < length; i++) {
      const arm = arms[start + i < length ? start + i : start + i - length]!;
      if (customOnly && arm.kind !== CUSTOM) continue;
      if (arm.event.attempt(this as SelectWait<unknown>)) {
        this.chosen = arm;
        return true;
      }
      if (customOnly && this.state !== WAITING) return true; // a partner came while it was polled
    }
    return false;
  }

  /** Polls while enlisted; if something has happened, that is the commit. */
  choose(customOnly: boolean): boolean {
    if (!this.pollArms(customOnly)) return false;
    if (this.state === WAITING) this.state = COMMITTED;
    this.leaveAll();
    this.acknowledge(this.chosen); // not before it has left: whom that wakes may look for partners
    return true;
  }

  /** Enlists the custom arms, or the others. */
  enlistArms(custom: boolean): void {
    const { arms } = this;
    let i = 0;
    try {
      for (; i < arms.length; i++) {
        let arm = arms[i]!;
        if ((arm.kind === CUSTOM) !== custom) continue;
        if (arm.select !== null) arm = arms[i] = arm.over(arm.event); // another select waits with it
        arm.select = this as SelectWait<unknown>;
        arm.event.enlist(arm);
      }
    } catch (error) { // a thread pool that is closed, say
      arms[i]!.select = null;
      this.giveUp(error);
    }
  }

  leaveAll(): void {
    this.delist(false);
    if (this.custom) {
      this.delist(true);
      for (const arm of this.arms) arm.event.left();
    }
  }

  /**
   * The custom arms come last, for `cancel` is code of the user's: it must not find another arm of
   * this select in a list, and commit it a second time. Nor must what runs in `left`, which comes
   * when none is in any.
   */
  delist(custom: boolean): void {
    const { arms } = this;
    for (let i = 0; i < arms.length; i++) {
      const arm = arms[i]!;
      if (arm.select === this as unknown && (arm.kind === CUSTOM) === custom) {
        arm.select = null;
        arm.event.withdraw(arm);
      }
    }
  }

  /** A custom event has happened; what a partner has committed meanwhile is given back. */
  retract(): void {
    if (this.state === COMMITTED) this.giveBack();
    this.state = WAITING;
  }

  /** Tells the nacks of every arm but the chosen one. */
  acknowledge(chosen: Arm | null): void {
    const { nacks } = this;
    if (nacks === null) return;
    this.nacks = null;
    for (const nack of nacks) {
      if (chosen?.nacks?.includes(nack) !== true) nack.happen();
    }
  }
}

inherit(SelectWait);

/** The arms over base events that those of `select` stand for. */
function expand<T>(select: SelectWait<T>): Arm[] {
  const expanded: Arm[] = [];
  const pending = select.arms.toReversed();
  for (let arm = pending.pop(); arm !== undefined; arm = pending.pop()) {
    const parts = arm.event.expand(arm, select as SelectWait<unknown>);
    if (parts === null) expanded.push(arm);
    else pending.push(...parts.reverse());
  }
  return expanded;
}

function isComposite(arm: Arm): boolean {
  return arm.kind === COMPOSITE;
}

/** A loop, for this is the hot path, and `every` is a call for each arm. */
function arePlain(arms: readonly Arm[]): boolean {
  for (let i = 0; i < arms.length; i++) {
    if (arms[i]!.kind !== BASE) return false;
  }
  return true;
}
