/**
 * `Cell`, and the rule of waiting until its value is as one wants it.
 *
 * A set is in two steps. First it asks each predicate, in the order in which the waiters came, and
 * takes those whose predicate holds out of the list: it is decided what they get. Then it wakes them.
 * A task of another scheduler may run within that, and set the cell again, which asks those who are
 * left and those who have come since. So each waiter gets the first value, of those set after it
 * came, for which its predicate holds.
 *
 * A predicate is code of the user's, and a select may meet it while it polls. So, like any custom
 * event, this one commits nobody: who was woken finds what was decided when it looks again. While a
 * predicate runs, its cell can neither be set nor be waited for.
 */
import { checkFunction, isOperation, isPromiseLike, show, wrongType } from "../internal/check.ts";
import { append, count, nodesOf, remove } from "../internal/circle.ts";
import { EventBase, type WaitNode } from "../operation/event.ts";
import type { Event } from "../operation/event_constructors.ts";
import { RuleWait } from "../operation/rule_wait.ts";
import { CUSTOM, type SelectWait } from "../operation/select_wait.ts";
import type { Awaitable, Result } from "../operation/types.ts";
import { type Wait, WAITING } from "../operation/wait.ts";
import { type SyncOptions, titleOf } from "./options.ts";

type Predicate<T> = (value: T) => boolean;

class CellCore<T> {
  /** Those for whom no value was right yet. */
  waiters: WaitNode | null = null;
  /** What those get who have been woken, and have not looked again. */
  readonly decided: Map<WaitNode, Result<T>> = new Map();
  /** Whether a predicate runs. */
  isAsking = false;

  constructor(public value: T, readonly title: string) {}

  set(value: T): void {
    this.refuseWhileAsking("set");
    this.value = value;
    const chosen: WaitNode[] = [];
    for (const node of nodesOf(this.waiters)) { // a predicate may abort whom it likes
      if (node.after === null) continue; // the predicate of another one has aborted it
      const result = this.ask((node.rule as HoldsEvent<T>).predicate);
      if (result === undefined || node.after === null) continue;
      this.waiters = remove(this.waiters, node);
      this.decided.set(node, result);
      chosen.push(node);
    }
    for (const node of chosen) {
      if (this.decided.has(node)) node.wake();
    }
  }

  /** The value if `predicate` holds for it; a failure if that throws; else `undefined`. */
  ask(predicate: Predicate<T>): Result<T> | undefined {
    const { value } = this;
    this.isAsking = true;
    try {
      const holds: unknown = predicate(value);
      if (isPromiseLike(holds) || isOperation(holds)) {
        throw wrongType(`wait for the ${this.title}`, "predicate must return a boolean", holds);
      }
      return holds ? { ok: true, value } : undefined;
    } catch (error) {
      return { ok: false, error };
    } finally {
      this.isAsking = false;
    }
  }

  refuseWhileAsking(action: string): void {
    if (!this.isAsking) return;
    throw new Error(`Cannot ${action} the ${this.title}: one of its predicates is running`);
  }
}

/** To have a value for which `predicate` holds. */
class HoldsEvent<T> extends EventBase<T> {
  constructor(readonly core: CellCore<T>, readonly predicate: Predicate<T>) {
    super();
  }

  /** Asking runs code of the user's. */
  override kind(): number {
    return CUSTOM;
  }

  override attempt(wait: Wait<unknown>): boolean {
    const { core } = this;
    core.refuseWhileAsking("wait for");
    const { state } = wait;
    const result = this.#decided(wait as SelectWait<unknown>) ?? core.ask(this.predicate);
    if (result === undefined) return false;
    // The predicate has made another alternative happen: this one has happened, too, and wins.
    if (wait.state !== state) (wait as SelectWait<unknown>).retract();
    return wait.settleNow(result);
  }

  /** What a select gets that was woken: it looks again by `attempt`, which isn't told for which arm. */
  #decided(select: SelectWait<unknown>): Result<T> | undefined {
    const { decided } = this.core;
    if (decided.size === 0 || select.state !== WAITING) return undefined;
    const arm = select.arms.find((arm) => arm.event === this && decided.has(arm));
    return arm && decided.get(arm);
  }

  override recheck(node: WaitNode, wait: Wait<unknown>): boolean {
    const result = this.core.decided.get(node);
    if (result === undefined) return false;
    this.withdraw(node);
    return wait.settleNow(result);
  }

  override enlist(node: WaitNode): void {
    this.core.waiters = append(this.core.waiters, node);
  }

  override withdraw(node: WaitNode): void {
    const { core } = this;
    if (!core.decided.delete(node)) core.waiters = remove(core.waiters, node);
  }

  describe(): string {
    return `a ${this.core.title}, whose value is ${show(this.core.value)}`;
  }
}

/** What is going on in a cell. */
export interface CellStatistics {
  /** How many wait for a value. */
  readonly waiting: number;
}

/**
 * A variable that one can watch: who waits goes on as soon as the value is as it wants it.
 *
 * A wait is for a state, not for a change: if the value is right already, it is over at once. A value
 * that was right for a moment counts: whoever waited then gets that very value. Of two sets in a row
 * both are shown to all who wait. To see each value exactly once, pass them through a `Channel`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, sleep, spawn } from "@weft/weft";
 * import { Cell } from "@weft/weft/sync";
 *
 * const load = new Cell(9);
 * const seen = await main(function* () {
 *   spawn(function* () {
 *     while (load.value > 0) {
 *       yield* sleep(1);
 *       load.value -= 3;
 *     }
 *   });
 *   const low = yield* load.waitUntil((n) => n < 5);
 *   return [low, yield* load.waitUntil((n) => n === 0)];
 * });
 * assertEquals(seen, [3, 0]);
 * ```
 */
export class Cell<T> {
  readonly #core: CellCore<T>;

  /**
   * A cell that holds `value`.
   *
   * @throws {TypeError} if the name is not a string
   */
  constructor(value: T, options?: SyncOptions) {
    this.#core = new CellCore(value, titleOf("cell", options));
  }

  /** What it holds. Never suspends. */
  get value(): T {
    return this.#core.value;
  }

  /**
   * Holds `value` from now on, and lets go those who waited for it, first come first, equal to the
   * one before or not. Never suspends, and throws nothing on account of who waits.
   *
   * @throws {Error} within a predicate of this cell
   */
  set value(value: T) {
    this.#core.set(value);
  }

  /**
   * Waits until `predicate` holds for the value, and returns that value.
   *
   * Suspends while it doesn't hold. If it is cancelled, nothing has happened. The predicate is called
   * at once and, while it waits, at each set, within that: it should be quick and do nothing else.
   * What it throws is thrown here.
   *
   * @throws {TypeError} if `predicate` is not a function, or returns a promise or an operation
   * @throws {Error} within a predicate of this cell
   */
  waitUntil<S extends T>(predicate: (value: T) => value is S): Awaitable<S>;
  /** The same for a predicate that tells nothing about the type. */
  waitUntil(predicate: (value: T) => boolean): Awaitable<T>;
  waitUntil(predicate: (value: T) => boolean): Awaitable<T> {
    return new RuleWait(this.#holds(predicate));
  }

  /**
   * `waitUntil` as an event, which may be waited on any number of times.
   *
   * @throws {TypeError} if `predicate` is not a function
   */
  event<S extends T>(predicate: (value: T) => value is S): Event<S>;
  /** The same for a predicate that tells nothing about the type. */
  event(predicate: (value: T) => boolean): Event<T>;
  event(predicate: (value: T) => boolean): Event<T> {
    return this.#holds(predicate);
  }

  #holds(predicate: (value: T) => boolean): HoldsEvent<T> {
    checkFunction(`wait for the ${this.#core.title}`, "predicate", predicate);
    return new HoldsEvent(this.#core, predicate);
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): CellStatistics {
    return { waiting: count(this.#core.waiters) };
  }
}
