/**
 * The waits of a channel: plain operations, and events. Each is its own node in the channel's list.
 *
 * Hot path: flat classes, one object per operation, and the iterator of each written out (see
 * `wait.ts`).
 */
import type { Linked } from "../internal/circle.ts";
import type { Ring } from "../internal/ring.ts";
import { type Arm, EventBase } from "../operation/event.ts";
import { elsewhere, type FiberSlot, inherit, STATES, type Wait } from "../operation/wait.ts";
import type { SelectWait } from "../operation/select_wait.ts";
import { execution as cell } from "../trigger/execution.ts";
import {
  type ChannelCore,
  NOTHING as nothing,
  type ReceiverNode,
  type SenderNode,
} from "./core.ts";

const [COLD, WAITING, COMMITTED, , SPENT] = STATES;
const execution = cell;
const NOTHING: typeof nothing = nothing;

export interface Receive<T> extends Wait<unknown> {}

/** `receive` (`orThrow` false: an option) and `receiveOrThrow` (the item itself). */
export class Receive<T> implements ReceiverNode<T> {
  declare core: ChannelCore<T>;
  declare orThrow: boolean;
  declare after: ReceiverNode<T> | null;
  declare before: ReceiverNode<T> | null;

  constructor(core: ChannelCore<T>, orThrow: boolean) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.core = core;
    this.orThrow = orThrow;
    this.after = null;
    this.before = null;
  }

  [Symbol.iterator](): Iterator<never, unknown, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere(this);
    return this as unknown as Iterator<never, unknown, unknown>;
  }

  next(): IteratorResult<never, unknown> {
    if (this.state === COMMITTED) {
      this.state = SPENT;
      this.done = true;
      return this as never;
    }
    if (this.state !== COLD) return this.resume();
    const fiber = execution.current as FiberSlot;
    if (fiber.context.error !== undefined || --execution.left < 0) return this.start();
    const { core } = this;
    const item = core.poll();
    if (item !== NOTHING) {
      this.state = SPENT;
      this.value = this.orThrow ? item : { value: item };
      this.done = true;
      return this as never;
    }
    if (core.isClosed) return this.enter();
    this.state = WAITING;
    this.waiter = fiber;
    core.receivers = enlist<ReceiverNode<T>>(core.receivers, this);
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this;
    this.value = this;
    return this as never;
  }

  attempt(): boolean {
    const { core } = this;
    const item = core.poll();
    if (item !== NOTHING) {
      this.value = this.orThrow ? item : { value: item };
      return true;
    }
    return core.isClosed && this.settleNow(core.atEnd(this.orThrow, undefined));
  }

  enqueue(): void {
    const { core } = this;
    core.receivers = enlist<ReceiverNode<T>>(core.receivers, this);
  }

  withdraw(): void {
    const { core } = this;
    core.receivers = delist<ReceiverNode<T>>(core.receivers, this);
  }

  take(item: T): void {
    const { core } = this;
    core.receivers = delist<ReceiverNode<T>>(core.receivers, this);
    this.value = this.orThrow ? item : { value: item };
    this.state = COMMITTED;
    this.waiter!.unblock();
  }

  closed(): void {
    this.withdraw();
    this.settled(this.core.atEnd(this.orThrow, undefined));
  }

  undo(): void {
    const { value } = this;
    if (this.orThrow) this.core.giveBack(value as T);
    else if (value !== undefined) this.core.giveBack((value as { value: T }).value);
  }

  describe(): string {
    return `a receive from ${this.core.describe()}`;
  }
}

inherit(Receive);

export interface Send<T> extends Wait<void> {}

export class Send<T> implements SenderNode<T> {
  declare core: ChannelCore<T>;
  declare item: T;
  declare after: SenderNode<T> | null;
  declare before: SenderNode<T> | null;

  constructor(core: ChannelCore<T>, item: T) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.core = core;
    this.item = item;
    this.after = null;
    this.before = null;
  }

  [Symbol.iterator](): Iterator<never, void, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere(this);
    return this as unknown as Iterator<never, void, unknown>;
  }

  next(): IteratorResult<never, void> {
    if (this.state === COMMITTED) {
      this.state = SPENT;
      this.done = true;
      return this as never;
    }
    if (this.state !== COLD) return this.resume();
    const fiber = execution.current as FiberSlot;
    if (fiber.context.error !== undefined || --execution.left < 0) return this.start();
    const { core } = this;
    this.state = SPENT; // unless it has to wait; `put` throws if the channel is closed
    if (core.put(this.item)) {
      this.done = true;
      return this as never;
    }
    this.state = WAITING;
    this.waiter = fiber;
    core.senders = enlist<SenderNode<T>>(core.senders, this);
    if (fiber.pending !== null) fiber.dropPending();
    fiber.pending = this;
    this.value = this;
    return this as never;
  }

  attempt(): boolean {
    return this.core.put(this.item);
  }

  enqueue(): void {
    const { core } = this;
    core.senders = enlist<SenderNode<T>>(core.senders, this);
  }

  withdraw(): void {
    const { core } = this;
    core.senders = delist<SenderNode<T>>(core.senders, this);
  }

  give(buffer?: Ring<T>): T {
    const { core } = this;
    core.senders = delist<SenderNode<T>>(core.senders, this);
    buffer?.push(this.item);
    this.value = undefined;
    this.state = COMMITTED;
    this.waiter!.unblock();
    return this.item;
  }

  closed(): void {
    this.withdraw();
    this.fail(this.core.refusal(this.item));
  }

  describe(): string {
    return `a send to ${this.core.describe()}`;
  }
}

inherit(Send);

/** In the place of an item: there will be none. */
export const CLOSED: unique symbol = Symbol("closed");

/** A receive as an event: one of a kind per channel, since it holds nothing of its waiters. */
export class ReceiveEvent<T> extends EventBase<T> {
  declare readonly core: ChannelCore<T>;
  declare readonly orThrow: boolean;

  /** Closed and drained: `orThrow` fails, otherwise it happens with `CLOSED`. */
  constructor(core: ChannelCore<T>, orThrow: boolean) {
    super();
    this.core = core;
    this.orThrow = orThrow;
  }

  override poll(sync: SelectWait<unknown>): boolean {
    const { core } = this;
    const item = core.poll();
    if (item !== NOTHING) {
      sync.value = item;
      return true;
    }
    return core.isClosed && sync.settleNow(core.atEnd(this.orThrow, CLOSED));
  }

  override enqueue(arm: Arm): void {
    const { core } = this;
    core.receivers = enlist(core.receivers, arm as ReceiverNode<T>);
  }

  override withdraw(arm: Arm): void {
    const { core } = this;
    core.receivers = delist(core.receivers, arm as ReceiverNode<T>);
  }

  override closed(arm: Arm): void {
    arm.settled(this.core.atEnd(this.orThrow, CLOSED));
  }

  override undo(item: unknown): void {
    if (item !== CLOSED) this.core.giveBack(item as T);
  }

  describe(): string {
    return `a receive from ${this.core.describe()}`;
  }
}

/** `send` as an event. */
export class SendEvent<T> extends EventBase<void> {
  declare readonly core: ChannelCore<T>;
  declare readonly item: T;

  constructor(core: ChannelCore<T>, item: T) {
    super();
    this.core = core;
    this.item = item;
  }

  override poll(sync: SelectWait<unknown>): boolean {
    sync.value = undefined;
    try {
      return this.core.put(this.item);
    } catch (error) {
      return sync.settleNow({ ok: false, error });
    }
  }

  override enqueue(arm: Arm): void {
    const { core } = this;
    core.senders = enlist(core.senders, arm as SenderNode<unknown> as SenderNode<T>);
  }

  override withdraw(arm: Arm): void {
    const { core } = this;
    core.senders = delist(core.senders, arm as SenderNode<unknown> as SenderNode<T>);
  }

  override give(arm: Arm, buffer?: Ring<T>): T {
    buffer?.push(this.item);
    arm.complete(undefined);
    return this.item;
  }

  override closed(arm: Arm): void {
    arm.fail(this.core.refusal(this.item));
  }

  describe(): string {
    return `a send to ${this.core.describe()}`;
  }
}

// The lists of waiters: `internal/circle.ts` once more. Shared with every other list of the library,
// these two would forget what a channel's waiters look like, and a rendezvous take twice as long.

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
