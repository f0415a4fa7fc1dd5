/**
 * One reaction per promise, with waiters that can leave.
 *
 * A promise keeps every reaction until it settles, so a promise that lives long would hold on to
 * every cancelled wait. So each promise gets one hub, which reacts once and serves a list of
 * waiters. As the hub handles the rejection, a cancelled wait leaves no unhandled one behind.
 */
import { append, type Linked, remove } from "../internal/circle.ts";
import type { Result } from "../operation/types.ts";

/** Whoever waits for a promise. */
export interface SettleNode extends Linked<SettleNode> {
  /** Takes itself out of the hub and commits. */
  settled(result: Result<unknown>): void;
}

export class PromiseHub {
  result: Result<unknown> | undefined = undefined;
  #waiters: SettleNode | null = null;

  constructor(promise: PromiseLike<unknown>) {
    promise.then(
      (value) => this.#settle({ ok: true, value }),
      (error) => this.#settle({ ok: false, error }),
    );
  }

  enlist(node: SettleNode): void {
    this.#waiters = append(this.#waiters, node);
  }

  leave(node: SettleNode): void {
    this.#waiters = remove(this.#waiters, node);
  }

  #settle(result: Result<unknown>): void {
    this.result = result;
    while (this.#waiters !== null) this.#waiters.settled(result);
  }
}

const hubs: WeakMap<PromiseLike<unknown>, PromiseHub> = new WeakMap();

/** The hub of `promise`, made when it is first asked for. */
export function hubOf(promise: PromiseLike<unknown>): PromiseHub {
  let hub = hubs.get(promise);
  if (hub === undefined) {
    hub = new PromiseHub(promise);
    hubs.set(promise, hub);
  }
  return hub;
}

/** Whether `await` would wait for it. */
export function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return (typeof value === "object" || typeof value === "function") && value !== null &&
    typeof (value as { then?: unknown }).then === "function";
}
