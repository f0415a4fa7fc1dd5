/**
 * The waits of a channel. `ReceiveEvent` and `SendEvent` say what it is to receive and to send; the
 * operations `Receive` and `Send` follow them, like any `RuleWait`. Each is its own node in the
 * channel's list.
 *
 * Hot path: three cases are written out in the operations (see `wait.ts`): that they complete at
 * once, that they begin to wait, and that a partner comes. In all others they follow their rule.
 */
import type { Linked } from "../internal/circle.ts";
import type { Ring } from "../internal/ring.ts";
import { EventBase, type WaitNode } from "../operation/event.ts";
import { RuleWait } from "../operation/rule_wait.ts";
import { elsewhere, type FiberSlot, inherit, STATES, type Wait } from "../operation/wait.ts";
import { execution as cell } from "../trigger/execution.ts";
import { type ChannelCore, NOTHING as nothing } from "./core.ts";

const [COLD, WAITING, COMMITTED, , SPENT] = STATES;
const execution = cell;
const NOTHING: typeof nothing = nothing;

/**
 * To receive: an item (`orThrow`), or an option, which is `undefined` when the channel is closed and
 * drained. One of a kind per channel, since it holds nothing of its waiters.
 */
export class ReceiveEvent<T, R = unknown> extends EventBase<R> {
  declare readonly core: ChannelCore<T>;
  declare readonly orThrow: boolean;

  constructor(core: ChannelCore<T>, orThrow: boolean) {
    super();
    this.core = core;
    this.orThrow = orThrow;
  }

  override attempt(wait: Wait<unknown>): boolean {
    const { core } = this;
    const item = core.tryTake();
    if (item === NOTHING) return core.isClosed && wait.settleNow(core.atEnd(this.orThrow));
    wait.value = this.orThrow ? item : { value: item };
    return true;
  }

  override enlist(node: WaitNode): void {
    const { core } = this;
    core.receivers = enlist(core.receivers, node);
  }

  override withdraw(node: WaitNode): void {
    const { core } = this;
    core.receivers = delist(core.receivers, node);
  }

  override accept(node: WaitNode, item: unknown): void {
    node.complete(this.orThrow ? item : { value: item });
  }

  override closed(node: WaitNode): void {
    node.settled(this.core.atEnd(this.orThrow));
  }

  override giveBack(value: unknown): void {
    if (this.orThrow) this.core.giveBack(value as T);
    else if (value !== undefined) this.core.giveBack((value as { value: T }).value);
  }

  describe(): string {
    return `a receive from ${this.core.describe()}`;
  }
}

export interface Receive<T> extends RuleWait<T> {}

/**
 * `receive` (`orThrow` false: an option) and `receiveOrThrow` (the item itself). Its rule is made only
 * where the path isn't written out.
 */
export class Receive<T> implements WaitNode {
  declare core: ChannelCore<unknown>;
  declare orThrow: boolean;

  constructor(core: ChannelCore<unknown>, orThrow: boolean) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.core = core;
    this.orThrow = orThrow;
    this.after = null;
    this.before = null;
  }

  get rule(): ReceiveEvent<unknown> {
    return new ReceiveEvent(this.core, this.orThrow);
  }

  [Symbol.iterator](): Iterator<never, T, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere<T>(this);
    return this as unknown as Iterator<never, T, unknown>;
  }

  next(): IteratorResult<never, T> {
    if (this.state === COMMITTED) {
      this.state = SPENT;
      return this as never;
    }
    if (this.state !== COLD) return this.resume();
    const fiber = execution.current as FiberSlot;
    if (fiber.context.error !== undefined || --execution.left < 0) return this.start();
    const { core } = this;
    const item = core.tryTake();
    if (item !== NOTHING) {
      this.state = SPENT;
      this.value = this.orThrow ? item : { value: item };
      return this as never;
    }
    if (core.isClosed) return this.enter();
    this.state = WAITING;
    this.waiter = fiber;
    core.receivers = enlist<WaitNode>(core.receivers, this);
    // Unlike `enter`, no second look at the context: where nothing was taken, no code of others has
    // run since the first one, so no abort can have come.
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this as Wait<unknown>;
    this.value = this;
    return this as never;
  }

  accept(item: unknown): void {
    const { core } = this;
    core.receivers = delist<WaitNode>(core.receivers, this);
    this.value = this.orThrow ? item : { value: item };
    this.state = COMMITTED;
    this.waiter!.unblock();
  }
}

inherit(Receive, RuleWait);

/** To send `item`. */
export class SendEvent<T> extends EventBase<void> {
  declare readonly core: ChannelCore<T>;
  declare readonly item: T;

  constructor(core: ChannelCore<T>, item: T) {
    super();
    this.core = core;
    this.item = item;
  }

  override attempt(wait: Wait<unknown>): boolean {
    wait.value = undefined;
    try {
      return this.core.put(this.item);
    } catch (error) {
      return wait.settleNow({ ok: false, error });
    }
  }

  override enlist(node: WaitNode): void {
    const { core } = this;
    core.senders = enlist(core.senders, node);
  }

  override withdraw(node: WaitNode): void {
    const { core } = this;
    core.senders = delist(core.senders, node);
  }

  override give(node: WaitNode, buffer?: Ring<T>): T {
    buffer?.push(this.item);
    node.complete(undefined);
    return this.item;
  }

  override closed(node: WaitNode): void {
    node.fail(this.core.refusal(this.item));
  }

  describe(): string {
    return `a send to ${this.core.describe()}`;
  }
}

export interface Send<T> extends RuleWait<void> {}

/** `send`. Its rule is made only where the path isn't written out. */
export class Send<T> implements WaitNode {
  declare core: ChannelCore<T>;
  declare item: T;

  constructor(core: ChannelCore<T>, item: T) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.core = core;
    this.item = item;
    this.after = null;
    this.before = null;
  }

  get rule(): SendEvent<T> {
    return new SendEvent(this.core, this.item);
  }

  [Symbol.iterator](): Iterator<never, void, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere<void>(this);
    return this as unknown as Iterator<never, void, unknown>;
  }

  next(): IteratorResult<never, void> {
    if (this.state === COMMITTED) {
      this.state = SPENT;
      return this as never;
    }
    if (this.state !== COLD) return this.resume();
    const fiber = execution.current as FiberSlot;
    if (fiber.context.error !== undefined || --execution.left < 0) return this.start();
    const { core } = this;
    this.state = SPENT; // unless it has to wait; `put` throws if the channel is closed
    if (core.put(this.item)) return this as never;
    this.state = WAITING;
    this.waiter = fiber;
    core.senders = enlist<WaitNode>(core.senders, this);
    // As in `Receive.next`: `put` runs code of others only where it sends, as it wakes the receiver.
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this;
    this.value = this;
    return this as never;
  }

  give(buffer?: Ring<T>): T {
    const { core } = this;
    core.senders = delist<WaitNode>(core.senders, this);
    buffer?.push(this.item);
    this.value = undefined;
    this.state = COMMITTED;
    this.waiter!.unblock();
    return this.item;
  }
}

inherit(Send, RuleWait);

// The lists of waiters: `internal/circle.ts` once more. Shared with every other list of the library,
// these two would forget what a channel's waiters look like: a rendezvous in a program that uses
// everything takes 7 % longer then.

/** The list `first` with `node` as its last. */
function enlist<N extends Linked<N>>(first: N | null, node: N): N {
  if (first === null) {
    node.after = node;
    node.before = node;
    return node;
  }
  const last = first.before!;
  node.before = last;
  node.after = first;
  last.after = node;
  first.before = node;
  return first;
}

/** The list `first` without `node`, which must be in it. */
function delist<N extends Linked<N>>(first: N | null, node: N): N | null {
  const after = node.after!;
  const before = node.before!;
  node.after = null;
  node.before = null;
  if (after === node) return null;
  before.after = after;
  after.before = before;
  return first === node ? after : first;
}
