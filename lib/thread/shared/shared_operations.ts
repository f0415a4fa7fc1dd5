/**
 * The waits of a shared channel: for an item, for room, and for the close. Each is written down
 * once, as an event, which is also the rule of the operation (see `rule_wait.ts`). The operations
 * `SharedReceive` and `SharedSend` are hot, and have it written out that they complete at once (see
 * `wait.ts`).
 *
 * They look by the rules of `line_event.ts`, and by one more: codecs and getters are code of the
 * user's, and may do anything to this very wait. Encoding comes before the look, and if the wait
 * has changed then, this look is off. Decoding comes after the commit.
 */
import { RuleWait } from "../../operation/rule_wait.ts";
import { SelectWait } from "../../operation/select_wait.ts";
import {
  COLD,
  COMMITTED,
  elsewhere,
  FAILED,
  type FiberSlot,
  inherit,
  SPENT,
  Wait,
  WAITING,
} from "../../operation/wait.ts";
import { execution } from "../../trigger/execution.ts";
import type { Encoded } from "../memory/mod.ts";
import { LineEvent } from "./line_event.ts";
import { DRAINED, NOTHING, type SharedPort } from "./shared_port.ts";

/**
 * Whether `wait` finds the channel closed, and waits for just that, too: then this is what happens,
 * rather than that a send or a receive fails.
 */
function leavesItToClose(wait: Wait<unknown>, port: object): boolean {
  return wait.state === WAITING && wait instanceof SelectWait &&
    wait.arms.some(({ event }) => event instanceof SharedCloseEvent && event.port === port);
}

/**
 * To receive: an item (`orThrow`), or an option, which is `undefined` when the channel is closed
 * and drained. One of a kind per channel, since it holds nothing of its waiters.
 */
export class SharedReceiveEvent<T, R = unknown> extends LineEvent<R> {
  constructor(readonly port: SharedPort<T>, readonly orThrow: boolean) {
    super(port.receivers);
  }

  override attempt(wait: Wait<unknown>): boolean {
    const { port } = this;
    const item = this.mayLook(wait) ? this.#take(wait) : NOTHING;
    if (item === NOTHING || (item === DRAINED && leavesItToClose(wait, port))) {
      this.sleepOn(wait);
      return false;
    }
    if (item !== DRAINED) {
      wait.value = this.orThrow ? item : { value: item };
    } else if (this.orThrow || port.failure !== null) {
      wait.value = port.end();
      wait.state = FAILED;
    } else wait.value = undefined;
    return true;
  }

  /** Commits a wait before the codec runs: that finds nothing to cancel, and no arm in any list. */
  #take(wait: Wait<unknown>): unknown {
    const { port } = this;
    if (port.codec === undefined || wait.state !== WAITING) return port.take();
    return port.take(() => {
      wait.state = COMMITTED;
      if (!(wait instanceof SelectWait)) return wait.withdraw();
      wait.chosen = wait.arms.find(({ event }) => event === this as unknown)!;
      wait.leaveAll();
    });
  }

  override giveBack(value: unknown): void {
    if (this.orThrow) this.port.giveBack(value as T);
    else if (value !== undefined) this.port.giveBack((value as { value: T }).value);
  }

  describe(): string {
    return `a receive from ${this.port.describe()}`;
  }
}

export interface SharedReceive<T> extends RuleWait<T> {}

/** `receive` and `receiveOrThrow`. */
export class SharedReceive<T> {
  declare rule: SharedReceiveEvent<unknown>;

  constructor(rule: SharedReceiveEvent<unknown>) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.rule = rule;
    this.handle = null; // it stands in no circle itself, but has a `LineNode` there
  }

  [Symbol.iterator](): Iterator<never, T, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere<T>(this);
    return this as unknown as Iterator<never, T, unknown>;
  }

  /** Written out: an item is there, and nobody waits in line for it. */
  next(): IteratorResult<never, T> {
    if (this.state !== COLD) return this.resume();
    const { rule } = this;
    const { port } = rule;
    const fiber = execution.current as FiberSlot;
    if (
      fiber.context.error !== undefined || port.receivers.first !== null || --execution.left < 0
    ) return this.start();
    const item = port.take();
    // `enter` looks once more: that costs little for one that is going to wait, or is at the end.
    if (item === NOTHING || item === DRAINED) return this.enter();
    this.state = SPENT;
    this.value = rule.orThrow ? item : { value: item };
    return this as never;
  }

  /** Before it gets in line it looks for a moment whether an item comes. */
  attempt(): boolean {
    const { rule } = this;
    const wait = this as Wait<unknown>;
    return rule.attempt(wait) || (rule.line.isWorthWaiting() && rule.attempt(wait));
  }
}

inherit(SharedReceive, RuleWait);

/**
 * To send `item`. A select encodes it anew at each look; an operation sends it as it was when its
 * wait began (`SharedSend.encoded`).
 */
export class SharedSendEvent<T> extends LineEvent<void> {
  constructor(readonly port: SharedPort<T>, readonly item: T) {
    super(port.senders);
  }

  override attempt(wait: Wait<unknown>): boolean {
    const kept = wait instanceof SharedSend ? wait.encoded as Encoded | null : null;
    if (kept !== null) return this.#put(kept, wait);
    const { state } = wait;
    let encoded: Encoded;
    try {
      encoded = this.port.encode(this.item);
    } catch (error) {
      if (wait.state !== state) return false; // as below: the error is that of an arm that has lost
      throw error;
    }
    if (wait.state !== state) return false; // a getter or the codec has committed another arm
    return this.#put(encoded, wait);
  }

  #put(encoded: Encoded, wait: Wait<unknown>): boolean {
    const { port, item } = this;
    try {
      if (!this.mayLook(wait) || !port.put(encoded, item)) {
        this.sleepOn(wait);
        return false;
      }
      wait.value = undefined;
    } catch (error) { // it is closed
      if (leavesItToClose(wait, port)) {
        this.sleepOn(wait);
        return false;
      }
      wait.value = error;
      wait.state = FAILED;
    }
    return true;
  }

  describe(): string {
    return `a send to ${this.port.describe()}`;
  }
}

export interface SharedSend<T> extends RuleWait<void> {}

/** `send`. Its rule is made only where the path isn't written out. */
export class SharedSend<T> {
  declare port: SharedPort<T>;
  declare item: T;
  /** The item as it was when the wait began. */
  declare encoded: Encoded | null;

  constructor(port: SharedPort<T>, item: T) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.port = port;
    this.item = item;
    this.encoded = null;
    this.handle = null;
  }

  get rule(): SharedSendEvent<T> {
    return new SharedSendEvent(this.port, this.item);
  }

  [Symbol.iterator](): Iterator<never, void, unknown> {
    if (this.state !== COLD || execution.current === null) return elsewhere<void>(this);
    return this as unknown as Iterator<never, void, unknown>;
  }

  /** Written out: a number, there is room, and nobody waits in line for it. */
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

  /** Written out: whatever the item, there is room; or there is a moment later. */
  attempt(): boolean {
    const { port, item } = this;
    const { senders } = port;
    const encoded = port.encode(item); // valid until somebody else encodes: nobody does here
    if (senders.first === null) {
      if (port.put(encoded, item)) return true;
      if (senders.isWorthWaiting() && port.put(encoded, item)) return true;
    }
    this.encoded = encoded.copy();
    return false;
  }

  /** Its rule has nothing to add, and need not be made for that. */
  conclude(): void {
    Wait.prototype.conclude.call(this);
  }
}

inherit(SharedSend, RuleWait);

/**
 * The close itself, whoever closes it. Holds nothing of its waiters, so there is one per channel.
 */
export class SharedCloseEvent extends LineEvent<void> {
  constructor(readonly port: SharedPort<unknown>) {
    super(port.closers);
  }

  override attempt(wait: Wait<unknown>): boolean {
    if (!this.port.queue.isClosed) {
      this.sleepOn(wait);
      return false;
    }
    wait.value = undefined;
    return true;
  }

  describe(): string {
    return `the close of ${this.port.describe()}`;
  }
}
