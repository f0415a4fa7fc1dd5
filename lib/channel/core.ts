/**
 * The state of a channel, and its rules. No fiber, no scheduler: waiters are nodes that commit.
 *
 * What holds between two calls:
 *  - receivers wait only while the buffer is empty and no sender waits;
 *  - senders wait only while the buffer is full and no receiver waits;
 *  - once it is closed, nobody waits. At the close, waiting senders fail, with their values; waiting
 *    receivers, whose channel is empty, are told that it is drained, or why it failed.
 * Both lists are first in, first out. A node that is found in a list can be committed: so a value
 * that is handed to a node (`accept`) has arrived, and one that is taken from a node (`give`) has
 * been sent. Both take the node out of its list first.
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

/** Stands for no item, as an item may be `undefined`. */
export const NOTHING: unique symbol = Symbol("nothing");

export class ChannelCore<T> {
  declare readonly capacity: number;
  declare readonly overflow: Overflow;
  declare readonly name: string | undefined;
  declare readonly buffer: Ring<T>;
  declare isClosed: boolean;
  declare failure: ChannelFailure | null;
  /** Happens at the close, when it may still hold items; made when somebody asks for it. */
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

  /** What error messages call it. */
  get title(): string {
    return this.name === undefined ? "the channel" : this.describe();
  }

  /** Sends now, if it need not wait. Dropping counts as sending, here; for `offer` it doesn't. */
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
      // There is room now, unless the item was one too many, that had been given back. The sender
      // fills the buffer within `give`, before it is told: a foreign one may be resumed there and
      // then, and use the channel, so nothing may be half done.
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

  /** The event of the close, one per channel. */
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
    this.closing?.happen(); // first, so that a select that also sends chooses this and doesn't fail
    while (this.receivers !== null) this.receivers.closed();
    while (this.senders !== null) this.senders.closed();
  }

  /** What is thrown at a sender when the channel is closed. */
  refusal(item: T): ChannelClosedError {
    const error = new ChannelClosedError("send to", this.title, item);
    if (this.failure !== null) error.cause = this.failure.error;
    return error;
  }

  /** What is thrown at a receiver who must have an item, when there will be none. */
  end(): unknown {
    const { failure } = this;
    return failure === null ? new ChannelClosedError("receive from", this.title) : failure.error;
  }

  /** How a receive ends when there will be no item: with `undefined`, or by throwing why. */
  atEnd(orThrow: boolean): Result<undefined> {
    return orThrow || this.failure !== null
      ? { ok: false, error: this.end() }
      : { ok: true, value: undefined };
  }

  statistics(): { size: number; sendersWaiting: number; receiversWaiting: number } {
    return {
      size: this.buffer.length,
      sendersWaiting: count(this.senders),
      receiversWaiting: count(this.receivers),
    };
  }
}
