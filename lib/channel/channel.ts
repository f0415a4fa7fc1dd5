/** `Channel`, the surface. Its rules are in `core.ts`, its waits in `operations.ts`. */
import { checkCount, checkOptional, checkOptions } from "../internal/check.ts";
import type { Event } from "../operation/event_constructors.ts";
import type { Awaitable, Option } from "../operation/types.ts";
import { ChannelCore, checkOverflow, NOTHING, type Overflow } from "./core.ts";
import { ChannelIterator } from "./iterator.ts";
import { Receive, ReceiveEvent, Send, SendEvent } from "./operations.ts";

/** How a channel is made. */
export interface ChannelOptions {
  /**
   * How many items it holds when nobody receives. 0: none, sender and receiver meet. Default
   * `Infinity`: senders never wait.
   */
  capacity?: number;
  /**
   * What a `send` does when there is no room: wait ("block", the default), forget its own item
   * ("dropNewest"), or forget the oldest item held ("dropOldest").
   */
  overflow?: Overflow;
  /** For people: shown in errors, and where a `Deadlock` says what a fiber waits on. */
  name?: string;
}

/** What is going on in a channel. */
export interface ChannelStatistics {
  /** The items held. */
  readonly size: number;
  /** The senders that wait for room, or for a receiver. */
  readonly sendersWaiting: number;
  /** The receivers that wait for an item. */
  readonly receiversWaiting: number;
}

/**
 * A channel: items go in at one end and come out at the other, first in, first out, each to
 * exactly one receiver. Any number of fibers, async functions and foreign schedulers may send and
 * receive; waiting senders and receivers are served in the order in which they came.
 *
 * Cancellation: a `send` or a `receive` either happened or left the channel unchanged. An item is
 * never lost and never doubled, also in a `select`.
 *
 * Closing: what is held can still be received; after that receivers are told. Senders, those who
 * wait included, get a `ChannelClosedError` with the item that was not sent.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Channel, main, spawn } from "@weft/weft";
 *
 * const lines = new Channel<string>({ capacity: 1 });
 *
 * function* produce() {
 *   for (const line of ["one", "two", "three"]) yield* lines.send(line);
 *   lines.close();
 * }
 * function* consume() {
 *   const seen: string[] = [];
 *   for (;;) {
 *     const line = yield* lines.receive();
 *     if (line === undefined) return seen;
 *     seen.push(line.value);
 *   }
 * }
 * const seen = await main(function* () {
 *   spawn(produce);
 *   return yield* consume();
 * });
 * assertEquals(seen, ["one", "two", "three"]);
 * ```
 */
export class Channel<T> implements AsyncIterable<T> {
  readonly #core: ChannelCore<T>;
  #receiveEvent: Event<T> | undefined;
  #receiveOptionEvent: Event<Option<T>> | undefined;

  /**
   * An open and empty channel.
   *
   * @throws {RangeError} if `capacity` is not a whole number or `Infinity`, or is 0 with an
   * `overflow` other than "block"
   * @throws {TypeError} if an option is of the wrong type
   */
  constructor(options?: ChannelOptions) {
    checkOptions("make the channel", options);
    const { capacity = Infinity, overflow = "block", name } = options ?? {};
    checkCount("make the channel", "capacity", capacity, 0);
    checkOptional("make the channel", "name", name, "string");
    checkOverflow("make the channel", overflow);
    if (capacity === 0 && overflow !== "block") {
      throw new RangeError(
        `Cannot make the channel: with capacity 0 every item would be dropped by "${overflow}"`,
      );
    }
    this.#core = new ChannelCore(capacity, overflow, name);
  }

  /**
   * Sends `value`: to the receiver that has waited longest, else into the buffer.
   *
   * Suspends while there is no room. A channel that is unbounded, or may drop, always has room: there
   * it suspends only to give way to others (law 10). If it is cancelled, nothing was sent.
   *
   * @throws {ChannelClosedError} with the value, if the channel is closed or is closed meanwhile
   */
  send(value: T): Awaitable<void> {
    return new Send(this.#core, value);
  }

  /**
   * Sends `value` if that needs no waiting: whether it was sent. Never suspends. With "dropOldest"
   * it always is, perhaps at the cost of another item.
   *
   * @throws {ChannelClosedError} with the value, if the channel is closed
   */
  trySend(value: T): boolean {
    return this.#core.offer(value);
  }

  /** `send` as an event; it offers the same value at each select. */
  sendEvent(value: T): Event<void> {
    return new SendEvent(this.#core, value);
  }

  /**
   * Receives the next item, or `undefined` when the channel is closed and drained.
   *
   * Suspends while there is none. If it is cancelled, nothing was received. Throws the error that
   * the channel has failed with, once it is drained.
   */
  receive(): Awaitable<Option<T>> {
    return new Receive(this.#core as ChannelCore<unknown>, false);
  }

  /**
   * Receives the next item itself. Suspends while there is none.
   *
   * @throws {ChannelClosedError} when the channel is closed and drained
   */
  receiveOrThrow(): Awaitable<T> {
    return new Receive(this.#core as ChannelCore<unknown>, true);
  }

  /**
   * Receives the next item if there is one, else `undefined`, also when the channel is closed and
   * drained. Never suspends. Throws the error that the channel has failed with, once it is drained.
   *
   * @example What is there, at once
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { Channel } from "@weft/weft";
   *
   * const queue = new Channel<number>();
   * for (const n of [1, 2]) queue.trySend(n);
   * queue.close();
   * const left: number[] = [];
   * for (let item; (item = queue.tryReceive()) !== undefined;) left.push(item.value);
   * assertEquals(left, [1, 2]);
   * ```
   */
  tryReceive(): Option<T> {
    const core = this.#core;
    const item = core.tryTake();
    if (item !== NOTHING) return { value: item };
    if (core.failure !== null) throw core.end();
    return undefined;
  }

  /** `receiveOrThrow` as an event: the same one for every call. */
  receiveEvent(): Event<T> {
    return this.#receiveEvent ??= new ReceiveEvent<T, T>(this.#core, true);
  }

  /**
   * `receive` as an event: happens with `undefined` when the channel is closed and drained, so
   * that closing a channel can be a branch of a `select`. The same one for every call.
   */
  receiveOptionEvent(): Event<Option<T>> {
    return this.#receiveOptionEvent ??= new ReceiveEvent<T, Option<T>>(this.#core, false);
  }

  /**
   * Closes it. What is held can still be received; whoever waits is told. Idempotent, never
   * suspends, never throws.
   */
  close(): void {
    this.#core.close(null);
  }

  /**
   * Closes it because of `error`: what is held can still be received, and after that receivers get
   * `error` thrown, so that what was cut short isn't taken for complete. For senders `error` is the
   * `cause` of their `ChannelClosedError`. Does nothing if it is closed; never suspends or throws.
   *
   * @example
   * ```ts
   * import { assertEquals, assertRejects } from "@std/assert";
   * import { Channel } from "@weft/weft";
   *
   * const lines = new Channel<string>();
   * lines.trySend("one");
   * lines.fail(new Error("the source broke off"));
   * assertEquals(await lines.receive(), { value: "one" });
   * await assertRejects(async () => void (await lines.receive()), Error, "the source broke off");
   * ```
   */
  fail(error: unknown): void {
    this.#core.close({ error });
  }

  /**
   * Happens once the channel is closed, though it may still hold items: that is how a producer learns
   * that nobody wants more.
   */
  closeEvent(): Event<void> {
    return this.#core.closeEvent();
  }

  /** Whether it was closed; there may still be items to receive. */
  get isClosed(): boolean {
    return this.#core.isClosed;
  }

  /** How many items it holds; those of waiting senders don't count. */
  get size(): number {
    return this.#core.buffer.length;
  }

  /** Whether it holds no item. */
  get isEmpty(): boolean {
    return this.#core.buffer.length === 0;
  }

  /** How many items it holds at most. */
  get capacity(): number {
    return this.#core.capacity;
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): ChannelStatistics {
    return this.#core.statistics();
  }

  /**
   * Receives until the channel is closed and drained. Leaving the loop early loses nothing: a
   * `return` takes back the receives that still wait.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined, undefined> {
    return new ChannelIterator(() => new Receive(this.#core as ChannelCore<unknown>, false));
  }
}
