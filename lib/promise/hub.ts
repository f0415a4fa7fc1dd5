/**
 * One reaction per promise, with waiters that can leave.
 *
 * A promise keeps every reaction until it settles, so a promise that lives long would hold on to
 * every cancelled wait. So each promise gets one hub, which reacts once and serves a list of
 * waiters. As the hub handles the rejection, a cancelled wait leaves no unhandled one behind.
 */
import type { Result } from "../operation/types.ts";

/** Whoever waits for a promise. */
export interface SettleNode {
  /** Commits the waiter, which the hub has taken out of its list. */
  settled(result: Result<unknown>): void;
}

export class PromiseHub {
  /** How the promise has settled, once it is known. */
  result: Result<unknown> | undefined = undefined;
  /** In the order in which they came. */
  readonly #waiters: Set<SettleNode> = new Set();

  constructor(promise: PromiseLike<unknown>) {
    try {
      promise.then(
        (value) => this.#settle({ ok: true, value }),
        (error) => this.#settle({ ok: false, error }),
      );
    } catch (error) { // a thenable; if it has settled before, that stands, as for `await`
      this.#settle({ ok: false, error });
    }
  }

  enlist(node: SettleNode): void {
    if (this.result === undefined) this.#waiters.add(node);
    else node.settled(this.result);
  }

  leave(node: SettleNode): void {
    this.#waiters.delete(node);
  }

  #settle(result: Result<unknown>): void {
    if (this.result !== undefined) return; // a thenable that settles twice
    this.result = result;
    for (const node of this.#waiters) {
      this.#waiters.delete(node);
      node.settled(result);
    }
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
