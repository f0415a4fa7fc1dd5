/** `Latch`, and the rule of waiting for one. */
import { checkFiniteCount } from "../internal/check.ts";
import { append, count, remove } from "../internal/circle.ts";
import { EventBase, type WaitNode } from "../operation/event.ts";
import type { Event } from "../operation/event_constructors.ts";
import { RuleWait } from "../operation/rule_wait.ts";
import type { Awaitable } from "../operation/types.ts";
import type { Wait } from "../operation/wait.ts";
import { type SyncOptions, titleOf } from "./options.ts";

/** To find the latch open. Holds the count and those who wait, who are there only while it is shut. */
class OpenEvent extends EventBase<void> {
  waiters: WaitNode | null = null;
  constructor(public count: number, readonly title: string) {
    super();
  }
  override attempt(wait: Wait<unknown>): boolean {
    wait.value = undefined;
    return this.count === 0;
  }
  override enlist(node: WaitNode): void {
    this.waiters = append(this.waiters, node);
  }
  override withdraw(node: WaitNode): void {
    this.waiters = remove(this.waiters, node);
  }
  describe(): string {
    return `a ${this.title} with a count of ${this.count}`;
  }
}

/** Shut until it has been counted down to zero; open from then on, for everybody. */
export class Latch {
  readonly #open: OpenEvent;

  /**
   * A latch that is shut, unless `count` is 0.
   *
   * @throws {RangeError} if `count` is not a whole number of at least 0
   * @throws {TypeError} if it is not a number, or the name not a string
   */
  constructor(count: number, options?: SyncOptions) {
    checkFiniteCount("make the latch", "count", count, 0);
    this.#open = new OpenEvent(count, titleOf("latch", options));
  }

  /** How far it is from open. */
  get count(): number {
    return this.#open.count;
  }

  /**
   * Counts down by `n`. At zero all who wait are let in, first come first. Never suspends.
   *
   * @throws {RangeError} if `n` is not a whole number of at least 1, or more than is left
   */
  countDown(n = 1): void {
    const open = this.#open;
    checkFiniteCount("count the latch down", "n", n, 1);
    if (n > open.count) {
      throw new RangeError(`Cannot count the latch down by ${n}: its count is ${open.count}`);
    }
    open.count -= n;
    while (open.count === 0 && open.waiters !== null) open.waiters.complete(undefined);
  }

  /** Waits until it is open. Suspends while it is shut; if it is cancelled, nothing has happened. */
  wait(): Awaitable<void> {
    return new RuleWait(this.#open);
  }

  /** `wait` as an event: the same one for every call. */
  waitEvent(): Event<void> {
    return this.#open;
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): { readonly count: number; readonly waiting: number } {
    return { count: this.count, waiting: count(this.#open.waiters) };
  }
}
