/**
 * The waits of a channel: plain operations, and events. Each is its own node in the channel's list.
 *
 * Hot path: flat classes (see `suspension.ts`), one object per operation.
 */
import { append, remove } from "../internal/circle.ts";
import { type Arm, EventBase } from "../operation/event.ts";
import { COLD, FAILED, inherit, type Suspension } from "../operation/suspension.ts";
import type { Synchronisation } from "../operation/synchronisation.ts";
import type { ChannelCore, ReceiverNode, SenderNode } from "./core.ts";
import { ChannelClosedError } from "./error.ts";

export interface Receive<T> extends Suspension<unknown> {}

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

  attempt(): boolean {
    const { core } = this;
    if (core.poll()) {
      const item = core.take();
      this.value = this.orThrow ? item : { value: item };
      return true;
    }
    if (!core.isClosed) return false;
    this.drained();
    return true;
  }

  enqueue(): void {
    const { core } = this;
    core.receivers = append<ReceiverNode<T>>(core.receivers, this);
  }

  withdraw(): void {
    const { core } = this;
    core.receivers = remove<ReceiverNode<T>>(core.receivers, this);
  }

  take(item: T): void {
    this.withdraw();
    this.complete(this.orThrow ? item : { value: item });
  }

  closed(): void {
    this.withdraw();
    if (this.orThrow) this.fail(new ChannelClosedError("receive from"));
    else this.complete(undefined);
  }

  drained(): void {
    this.value = this.orThrow ? new ChannelClosedError("receive from") : undefined;
    if (this.orThrow) this.state = FAILED;
  }

  undo(): void {
    const { value } = this;
    if (this.orThrow) this.core.giveBack(value as T);
    else if (value !== undefined) this.core.giveBack((value as { value: T }).value);
  }

  describe(): string {
    return "a receive from a channel";
  }
}

inherit(Receive);

export interface Send<T> extends Suspension<void> {}

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

  attempt(): boolean {
    return this.core.put(this.item);
  }

  enqueue(): void {
    const { core } = this;
    core.senders = append<SenderNode<T>>(core.senders, this);
  }

  withdraw(): void {
    const { core } = this;
    core.senders = remove<SenderNode<T>>(core.senders, this);
  }

  give(): T {
    this.withdraw();
    this.complete(undefined);
    return this.item;
  }

  closed(): void {
    this.withdraw();
    this.fail(new ChannelClosedError("send to", this.item));
  }

  describe(): string {
    return "a send to a channel";
  }
}

inherit(Send);

/** `receiveOrThrow` as an event: one per channel, since it holds nothing of its waiters. */
export class ReceiveEvent<T> extends EventBase<T> {
  constructor(readonly core: ChannelCore<T>) {
    super();
  }

  poll(sync: Synchronisation<unknown>): boolean {
    const { core } = this;
    if (core.poll()) {
      sync.value = core.take();
      return true;
    }
    if (!core.isClosed) return false;
    sync.value = new ChannelClosedError("receive from");
    sync.state = FAILED;
    return true;
  }

  enqueue(arm: Arm): void {
    const { core } = this;
    core.receivers = append(core.receivers, arm as ReceiverNode<T>);
  }

  withdraw(arm: Arm): void {
    const { core } = this;
    core.receivers = remove(core.receivers, arm as ReceiverNode<T>);
  }

  override closed(arm: Arm): void {
    arm.fail(new ChannelClosedError("receive from"));
  }

  override undo(item: unknown): void {
    this.core.giveBack(item as T);
  }

  describe(): string {
    return "a receive from a channel";
  }
}

/** `send` as an event. */
export class SendEvent<T> extends EventBase<void> {
  constructor(readonly core: ChannelCore<T>, readonly item: T) {
    super();
  }

  poll(sync: Synchronisation<unknown>): boolean {
    sync.value = undefined;
    try {
      return this.core.put(this.item);
    } catch (error) {
      sync.value = error;
      sync.state = FAILED;
      return true;
    }
  }

  enqueue(arm: Arm): void {
    const { core } = this;
    core.senders = append(core.senders, arm as SenderNode<unknown> as SenderNode<T>);
  }

  withdraw(arm: Arm): void {
    const { core } = this;
    core.senders = remove(core.senders, arm as SenderNode<unknown> as SenderNode<T>);
  }

  override give(arm: Arm): T {
    arm.complete(undefined);
    return this.item;
  }

  override closed(arm: Arm): void {
    arm.fail(new ChannelClosedError("send to", this.item));
  }

  describe(): string {
    return "a send to a channel";
  }
}
