/**
 * The state of a channel, and its rules. No fiber, no scheduler: waiters are nodes that commit.
 *
 * What holds between two calls:
 *  - receivers wait only while the buffer is empty and no sender waits;
 *  - senders wait only while the buffer is full and no receiver waits;
 *  - closed, nobody waits: senders failed at the close, with their values; receivers, who were
 *    waiting on an empty channel, were told that it is drained, or why it failed.
 * Both lists are first in, first out. A node that is found in a list can be committed, so a value
 * handed to a node has arrived, and a value taken from a node has been sent.
 */
import { show, wrongType } from "../internal/check.ts";
import { count } from "../internal/circle.ts";
import { Ring } from "../internal/ring.ts";
import type { WaitNode } from "../operation/event.ts";
import { OnceEvent } from "../operation/event_constructors.ts";
import type { Result } from "../operation/types.ts";
import { ChannelClosedError } from "./error.ts";

/** Why a channel was closed, where that was an error. */
export interface ChannelFailure {
  readonly error: unknown;
}

/** What to do with an item for which there is no room. */
export type Overflow = "block" | "dropNewest" | "dropOldest";

const OVERFLOWS: readonly Overflow[] = ["block", "dropNewest", "dropOldest"];

/** @throws {TypeError} unless `overflow` is one of those */
export function checkOverflow(action: string, overflow: Overflow): void {
  if (OVERFLOWS.includes(overflow)) return;
  throw wrongType(action, `overflow must be one of ${OVERFLOWS.map(show).join(", ")}`, overflow);
}

/** There is no item to take: an item may be `undefined`. */
export const NOTHING: unique symbol = Symbol("nothing");

export class ChannelCore<T> {
  declare readonly capacity: number;
  declare readonly overflow: Overflow;
  declare readonly name: string | undefined;
  declare readonly buffer: Ring<T>;
  declare isClosed: boolean;
  declare failure: ChannelFailure | null;
  /** The close itself, which comes before its items have run out. */
  declare closing: OnceEvent | null;
  declare receivers: WaitNode | null;
  declare senders: WaitNode | null;

  constructor(capacity: number, overflow: Overflow, name: string | undefined) {
    this.capacity = capacity;
    this.overflow = overflow;
    this.name = name;
    this.buffer = new Ring();
    this.isClosed = false;
    this.failure = null;
    this.closing = null;
    this.receivers = null;
    this.senders = null;
  }

  describe(): string {
    return this.name === undefined ? "a channel" : `channel "${this.name}"`;
  }

  /** How the errors of its users call it. */
  get title(): string {
    return this.name === undefined ? "the channel" : this.describe();
  }

  /** Sends now, if it need not wait. Dropping counts as sending; `offer` tells the difference. */
  put(item: T): boolean {
    return this.offer(item) || (this.overflow === "dropNewest");
  }

  /** Hands the item on or stores it; false if there was no room. */
  offer(item: T): boolean {
    if (this.isClosed) throw this.refusal(item);
    const { receivers, buffer } = this;
    if (receivers !== null) {
      receivers.accept(item);
      return true;
    }
    if (buffer.length >= this.capacity) {
      if (this.overflow !== "dropOldest") return false;
      while (buffer.length >= this.capacity) buffer.shift();
    }
    buffer.push(item);
    return true;
  }

  /** Takes an item, if it need not wait for one. */
  tryTake(): T | typeof NOTHING {
    const { buffer, senders } = this;
    if (buffer.length > 0) {
      const item = buffer.shift();
      // There is room now; but not if the item was one that had been given back. A foreign sender
      // may be resumed within `give` and use the channel: nothing must be half done meanwhile.
      if (senders !== null && buffer.length < this.capacity) senders.give(buffer);
      return item as T;
    }
    return senders === null ? NOTHING : senders.give() as T;
  }

  /** Takes back an item whose receiver is gone: to the next receiver, or to the front. */
  giveBack(item: T): void {
    if (this.receivers !== null) this.receivers.accept(item);
    else this.buffer.unshift(item);
  }

  /** There is one, which holds nothing of its waiters but those that wait now. */
  closeEvent(): OnceEvent {
    if (this.closing === null) {
      this.closing = new OnceEvent(`the close of ${this.describe()}`);
      if (this.isClosed) this.closing.happen();
    }
    return this.closing;
  }

  /** Closes it, because of `failure` unless that is `null`. */
  close(failure: ChannelFailure | null): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.failure = failure;
    this.closing?.happen(); // first: who sends as well need not see it fail
    while (this.receivers !== null) this.receivers.closed();
    while (this.senders !== null) this.senders.closed();
  }

  /** What a sender is told when it is closed. */
  refusal(item: T): ChannelClosedError {
    const error = new ChannelClosedError("send to", this.title, item);
    if (this.failure !== null) error.cause = this.failure.error;
    return error;
  }

  /** What a receiver who must have an item is told when there will be none. */
  end(): unknown {
    const { failure } = this;
    return failure === null ? new ChannelClosedError("receive from", this.title) : failure.error;
  }

  /** How a receive ends that gets no item: with `none`, or by throwing why. */
  atEnd<N>(orThrow: boolean, none: N): Result<N> {
    return orThrow || this.failure !== null
      ? { ok: false, error: this.end() }
      : { ok: true, value: none };
  }

  statistics(): { size: number; sendersWaiting: number; receiversWaiting: number } {
    return {
      size: this.buffer.length,
      sendersWaiting: count(this.senders),
      receiversWaiting: count(this.receivers),
    };
  }
}
