/**
 * The waits of a shared channel: plain operations, and events.
 *
 * They only ever look again (`recheck`): what wakes them says that the queue may be ready, and the
 * compare-and-set in the queue decides. As events they are custom ones, which are polled.
 *
 * They count as committed before they leave the line, as the one behind them may be a task of a
 * scheduler that resumes it there and then, and which might cancel them.
 */
import { type Arm, EventBase } from "../../operation/event.ts";
import {
  COLD,
  COMMITTED,
  elsewhere,
  FAILED,
  type FiberSlot,
  inherit,
  SPENT,
  type Wait,
  WAITING,
} from "../../operation/wait.ts";
import { execution } from "../../trigger/execution.ts";
import { CUSTOM, type SelectWait } from "../../operation/select_wait.ts";
import type { Holder } from "../../loop/doorbell.ts";
import type { SharedPort } from "./shared_port.ts";
import type { Encoded } from "../memory/values.ts";
import { holderFor, type SharedSide, type SharedWaiter } from "./waiting.ts";

/** In the place of an item: there is none now. */
export const NOTHING: unique symbol = Symbol("nothing");
/** In the place of an item: there will never be one. */
export const DRAINED: unique symbol = Symbol("drained");

export interface SharedReceive<T> extends Wait<unknown> {}

/** `receive` (`orThrow` false: an option) and `receiveOrThrow` (the item itself). */
export class SharedReceive<T> implements SharedWaiter {
  declare port: SharedPort<T>;
  declare orThrow: boolean;
  declare after: SharedWaiter | null;
  declare before: SharedWaiter | null;
  declare woken: boolean;
  declare holder: Holder | null;

  constructor(port: SharedPort<T>, orThrow: boolean) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.port = port;
    this.orThrow = orThrow;
    this.after = null;
    this.before = null;
    this.woken = false;
    this.holder = null;
  }

  [Symbol.iterator](): Iterator<never, unknown, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere(this);
    return this as unknown as Iterator<never, unknown, unknown>;
  }

  /** Written out, as the hot path (see `wait.ts`): an item is there. */
  next(): IteratorResult<never, unknown> {
    if (this.state !== COLD) return this.resume();
    const { port } = this;
    const fiber = execution.current as FiberSlot;
    if (
      fiber.context.error !== undefined || port.receivers.first !== null || --execution.left < 0
    ) return this.start();
    const item = port.take();
    if (item === NOTHING || item === DRAINED) return this.enter();
    this.state = SPENT;
    this.value = this.orThrow ? item : { value: item };
    return this as never;
  }

  attempt(): boolean {
    const { port } = this;
    const { receivers } = port;
    if (receivers.first !== null) return false;
    return this.finishWith(port.take()) ||
      (receivers.isWorthWaiting() && this.finishWith(port.take()));
  }

  finishWith(item: unknown): boolean {
    if (item === NOTHING) return false;
    if (item !== DRAINED) {
      this.value = this.orThrow ? item : { value: item };
    } else if (this.orThrow || this.port.failure !== null) {
      this.value = this.port.end();
      this.state = FAILED;
    } else {
      this.value = undefined; // and no longer the effect that it was
    }
    return true;
  }

  enlist(): void {
    this.port.receivers.enlist(this, holderFor(this.waiter));
  }

  withdraw(): void {
    this.port.receivers.delist(this);
  }

  wake(): void {
    this.waiter!.unblock();
  }

  recheck(): boolean {
    const { receivers } = this.port;
    this.state = COMMITTED; // whatever the codec does: it comes too late
    if (!receivers.mayLook(this) || !this.takeOrFail()) {
      this.state = WAITING;
      receivers.waitOn(this);
      return false;
    }
    receivers.delist(this);
    return true;
  }

  takeOrFail(): boolean {
    try {
      return this.finishWith(this.port.take());
    } catch (error) { // of the codec's: the item is one that nobody could have received
      this.value = error;
      this.state = FAILED;
      return true;
    }
  }

  giveBack(): void {
    const { value } = this;
    if (this.orThrow) this.port.giveBack(value as T);
    else if (value !== undefined) this.port.giveBack((value as { value: T }).value);
  }

  describe(): string {
    return `a receive from ${this.port.describe()}`;
  }
}

inherit(SharedReceive);

export interface SharedSend<T> extends Wait<void> {}

export class SharedSend<T> implements SharedWaiter {
  declare port: SharedPort<T>;
  declare item: T;
  /** The item as it was when the wait began. */
  declare encoded: Encoded | null;
  declare after: SharedWaiter | null;
  declare before: SharedWaiter | null;
  declare woken: boolean;
  declare holder: Holder | null;

  constructor(port: SharedPort<T>, item: T) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.port = port;
    this.item = item;
    this.encoded = null;
    this.after = null;
    this.before = null;
    this.woken = false;
    this.holder = null;
  }

  [Symbol.iterator](): Iterator<never, void, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere(this);
    return this as unknown as Iterator<never, void, unknown>;
  }

  /** Written out, as the hot path: a number, and there is room. */
  next(): IteratorResult<never, void> {
    if (this.state !== COLD) return this.resume();
    const { port, item } = this;
    const fiber = execution.current as FiberSlot;
    if (
      fiber.context.error !== undefined || typeof item !== "number" ||
      port.senders.first !== null || --execution.left < 0
    ) return this.start();
    if (!port.putNumber(item)) return this.enter();
    this.state = SPENT;
    return this as never;
  }

  attempt(): boolean {
    const { port } = this;
    const { senders } = port;
    const encoded = port.encode(this.item);
    if (senders.first === null) {
      if (port.put(encoded, this.item)) return true;
      if (senders.isWorthWaiting() && port.put(encoded, this.item)) return true;
    }
    this.encoded = encoded.copy();
    return false;
  }

  enlist(): void {
    this.port.senders.enlist(this, holderFor(this.waiter));
  }

  withdraw(): void {
    this.port.senders.delist(this);
  }

  wake(): void {
    this.waiter!.unblock();
  }

  recheck(): boolean {
    const { senders } = this.port;
    if (!senders.mayLook(this) || !this.putOrFail()) {
      senders.waitOn(this);
      return false;
    }
    senders.delist(this);
    return true;
  }

  putOrFail(): boolean {
    try {
      if (!this.port.put(this.encoded!, this.item)) return false;
      this.state = COMMITTED;
      this.value = undefined;
    } catch (error) { // it is closed
      this.value = error;
      this.state = FAILED;
    }
    return true;
  }

  describe(): string {
    return `a send to ${this.port.describe()}`;
  }
}

inherit(SharedSend);

/** An arm of a select in line. */
class ArmInLine implements SharedWaiter {
  after: SharedWaiter | null = null;
  before: SharedWaiter | null = null;
  woken = false;
  holder: Holder | null = null;

  constructor(readonly arm: Arm, readonly side: SharedSide) {}

  wake(): void {
    this.arm.sync!.wake();
  }

  cancel(): void {
    this.side.delist(this);
  }
}

/** What both events are: a look at the queue, and a place in line. */
abstract class SharedEvent<T> extends EventBase<T> {
  constructor(readonly side: SharedSide) {
    super();
  }

  override kind(): number {
    return CUSTOM;
  }

  override enlist(arm: Arm): void {
    const node = new ArmInLine(arm, this.side);
    arm.handle = node;
    this.side.enlist(node, holderFor(arm.sync!.waiter));
  }

  /** Those in line come first: `sync` may look if nobody is there, or if it is its own turn. */
  protected mayLook(sync: SelectWait<unknown>): boolean {
    const { side } = this;
    return side.first === null ||
      sync.arms.some(({ handle }) =>
        handle instanceof ArmInLine && handle.side === side && side.mayLook(handle)
      );
  }

  /**
   * Whether `sync`, which waits and finds the channel closed, waits for just that, too: then this is
   * what happens, rather than that a send or a receive fails.
   */
  protected leavesItToClose(sync: SelectWait<unknown>, port: SharedPort<unknown>): boolean {
    if (sync.state !== WAITING) return false;
    for (const { event } of sync.arms) {
      if (event instanceof SharedCloseEvent && event.port === port) return true;
    }
    return false;
  }

  /** It has looked in vain: its place in line is one that waits to be woken again. */
  protected sleepOn(sync: SelectWait<unknown>): void {
    for (const { event, handle } of sync.arms) {
      if (event === this as unknown && handle instanceof ArmInLine && handle.woken) {
        this.side.waitOn(handle);
      }
    }
  }
}

export class SharedReceiveEvent<T> extends SharedEvent<T> {
  /** Closed and drained: `orThrow` fails, otherwise it happens with `DRAINED`. */
  constructor(readonly port: SharedPort<T>, readonly orThrow: boolean) {
    super(port.receivers);
  }

  override attempt(sync: SelectWait<unknown>): boolean {
    const { port } = this;
    const item = this.mayLook(sync) ? this.takeFor(sync) : NOTHING;
    if (
      item === NOTHING ||
      (item === DRAINED && this.leavesItToClose(sync, port as SharedPort<unknown>))
    ) {
      this.sleepOn(sync);
      return false;
    }
    sync.value = item;
    if (item === DRAINED && (this.orThrow || port.failure !== null)) {
      sync.value = port.end();
      sync.state = FAILED;
    }
    return true;
  }

  /** Takes the commit before a codec runs: it finds no arm to bring a partner to, and no wait. */
  private takeFor(sync: SelectWait<unknown>): unknown {
    const { port } = this;
    if (port.codec === undefined || sync.state !== WAITING) return port.take();
    return port.take(() => {
      sync.state = COMMITTED;
      sync.chosen = sync.arms.find(({ event }) => event === this as unknown)!;
      sync.leaveAll();
    });
  }

  override giveBack(item: unknown): void {
    if (item !== DRAINED) this.port.giveBack(item as T);
  }

  describe(): string {
    return `a receive from ${this.port.describe()}`;
  }
}

export class SharedSendEvent<T> extends SharedEvent<void> {
  constructor(readonly port: SharedPort<T>, readonly item: T) {
    super(port.senders);
  }

  override attempt(sync: SelectWait<unknown>): boolean {
    const { port, item } = this;
    const { state } = sync;
    let encoded: Encoded;
    try {
      encoded = port.encode(item);
    } catch (error) {
      if (sync.state !== state) return false; // as below, and what this arm would do is nothing
      throw error;
    }
    if (sync.state !== state) return false; // a getter or the codec has brought a partner
    try {
      if (!this.mayLook(sync) || !port.put(encoded, item)) {
        this.sleepOn(sync);
        return false;
      }
      sync.value = undefined;
    } catch (error) {
      if (this.leavesItToClose(sync, port as SharedPort<unknown>)) {
        this.sleepOn(sync);
        return false;
      }
      sync.value = error;
      sync.state = FAILED;
    }
    return true;
  }

  describe(): string {
    return `a send to ${this.port.describe()}`;
  }
}

/** The close itself, whoever closes it. Holds nothing of its waiters, so there is one per channel. */
export class SharedCloseEvent extends SharedEvent<void> {
  constructor(readonly port: SharedPort<unknown>) {
    super(port.closers);
  }

  override attempt(sync: SelectWait<unknown>): boolean {
    if (!this.port.queue.isClosed) {
      this.sleepOn(sync);
      return false;
    }
    sync.value = undefined;
    return true;
  }

  describe(): string {
    return `the close of ${this.port.describe()}`;
  }
}
