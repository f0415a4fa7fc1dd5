/** `SharedChannel`: what users see of it. Its ends meet in a queue (memory/shared_queue.ts). */
import type { ChannelStatistics } from "../../channel/mod.ts";
import { checkOverflow, type Overflow } from "../../channel/core.ts";
import { ChannelIterator } from "../../channel/iterator.ts";
import {
  checkFiniteCount,
  checkFunction,
  checkOptional,
  checkOptions,
  wrongType,
} from "../../internal/check.ts";
import type { Event } from "../../operation/event_constructors.ts";
import type { Awaitable, Option } from "../../operation/types.ts";
import {
  CAN_FAIL,
  type Codec,
  FORGETS,
  isNamedHandle,
  ownRegistry,
  POOLS_BYTES,
  SharedQueue,
} from "../memory/mod.ts";
import { Ports } from "./ports.ts";
import {
  SharedCloseEvent,
  SharedReceive,
  SharedReceiveEvent,
  SharedSend,
  SharedSendEvent,
} from "./shared_operations.ts";
import { DRAINED, DROPS_NEWEST, NOTHING, SharedPort } from "./shared_port.ts";

/** How a shared channel is made. */
export interface SharedChannelOptions<T> {
  /**
   * How many items it holds when nobody receives: at least 1, for between threads sender and
   * receiver can't meet, and finite, for the memory is taken at once.
   */
  capacity: number;
  /**
   * What a `send` does when there is no room: wait ("block", the default), forget its own item
   * ("dropNewest"), or forget the oldest item held ("dropOldest").
   */
  overflow?: Overflow;
  /** How many bytes an item may take. Default 240; rounded up so that slots fill cache lines. */
  slotBytes?: number;
  /**
   * How items become bytes, where they are not plain data. Every thread has to bring its own, and
   * the first that it brings is used for all of its ends. What `encode` throws is thrown at the
   * sender, and nothing was sent; what `decode` throws at the receiver, and the item is gone.
   */
  codec?: Codec<T>;
  /**
   * Whether small `Uint8Array`s are received as views of a buffer that they share with others, as
   * Node's `Buffer`s are: five times as fast. Then mind their `byteOffset`, and don't transfer
   * their `buffer`. Default false: each has a buffer of its own.
   */
  pooledBytes?: boolean;
  /**
   * For people: shown in errors, and where a `Deadlock` says what a fiber waits on. Travels with
   * the handle.
   */
  name?: string;
}

/** What can be posted to another thread, which gets its end of the channel from it. */
export interface SharedChannelHandle {
  /** What it is a handle of. */
  readonly kind: "weft.SharedChannel";
  /** The items. */
  readonly buffer: SharedArrayBuffer;
  /** The threads that wait for them. */
  readonly registry: SharedArrayBuffer;
  /** The channel's name. */
  readonly name: string | undefined;
}

const DEFAULT_SLOT_BYTES = 240;
const MOST_BYTES = 2 ** 30;
const OVERFLOW_FLAGS: Record<Overflow, number> = {
  block: 0,
  dropNewest: DROPS_NEWEST,
  dropOldest: FORGETS,
};
/** The flag of channels that have a codec. */
const HAS_CODEC = 1;
const ACTION = "make the shared channel";

const ports = new Ports<SharedPort<unknown>>();

/**
 * A channel between threads: in shared memory, for any number of senders and receivers in any
 * number of threads, first in, first out, each item to exactly one receiver. Bounded: a sender
 * waits while there is no room, or an item is forgotten (`overflow`). It works in fibers, with
 * `await`, in threads that block, and in `select`, together with everything else.
 *
 * It has the surface of `Channel`, and two things differ. Its capacity is at least 1: for sender
 * and receiver to meet both would have to commit in one step, which two threads don't have. And an
 * item is in the channel until a receiver runs and takes it, though one may be waiting; so it
 * counts, and with `overflow` it may still be forgotten.
 *
 * Items are copied. Plain data (as JSON has it), strings, numbers and `Uint8Array`s are fast; what
 * else JavaScript itself can clone (`Map`, `Date`, `undefined` inside of objects, …) is slower;
 * functions, and memory that is shared, can't be sent, and objects of the platform's (a `File`, a
 * `MessagePort`) arrive empty. An object that appears twice in an item
 * arrives as two, and an object without plain prototype loses it, as everywhere between threads.
 *
 * Closing, and failing: what is held can still be received; after that receivers are told, or get
 * the error thrown. Senders, those who wait included, get a `ChannelClosedError` with the item that
 * was not sent. Of threads that close it or have it fail at the same time one decides, for all.
 *
 * Cancellation: a `send` or a `receive` either happened or left the channel unchanged; one
 * compare-and-set decides. A thread that dies while it waits takes no item with it and stops
 * nobody. Waiting threads are woken in the order in which they came; one that is running and finds
 * an item may take it before one that is being woken. Those who wait in one thread are woken in the
 * order in which they came, too, and one who comes later waits behind them.
 *
 * While somebody waits the thread stays alive: for JavaScript's loop that means that a program in
 * which nobody sends any more doesn't end. Close the channel when it is over.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, spawn } from "@weft/weft";
 * import { SharedChannel } from "@weft/weft/thread";
 *
 * const words = new SharedChannel<string>({ capacity: 8 });
 *
 * function* say() {
 *   const there = SharedChannel.from<string>(words.handle); // in a worker, as a rule
 *   for (const word of ["warp", "weft"]) yield* there.send(word);
 *   there.close();
 * }
 * function* listen() {
 *   const heard: string[] = [];
 *   for (let word = yield* words.receive(); word; word = yield* words.receive()) {
 *     heard.push(word.value);
 *   }
 *   return heard;
 * }
 * const heard = await main(function* () {
 *   spawn(say);
 *   return yield* listen();
 * });
 * assertEquals(heard, ["warp", "weft"]);
 * ```
 */
export class SharedChannel<T> implements AsyncIterable<T> {
  /** To be posted to other threads, as often as one likes. */
  readonly handle: SharedChannelHandle;
  readonly #port: SharedPort<T>;
  readonly #receiving: SharedReceiveEvent<T, Option<T>>;
  readonly #receivingOrThrow: SharedReceiveEvent<T, T>;
  #closeEvent: Event<void> | undefined;

  /**
   * An open and empty channel. Its memory, the capacity (rounded up to a power of two) times the
   * size of a slot, is allocated at once.
   *
   * @throws {RangeError} if `capacity` is not an integer of at least 1 (0, as for a `Channel` in
   * which sender and receiver meet, is not to be had between threads), or that is more than a
   * gigabyte
   * @throws {TypeError} if an option is of the wrong type
   */
  constructor(options: SharedChannelOptions<T>);
  /** @ignore the other end, for `from` */
  constructor(options: undefined, handle: SharedChannelHandle, codec: Codec<T> | undefined);
  constructor(
    options: SharedChannelOptions<T> | undefined,
    handle?: SharedChannelHandle,
    codec?: Codec<T>,
  ) {
    this.handle = handle ?? makeHandle(options as SharedChannelOptions<T>);
    this.#port = portOf(this.handle, handle === undefined ? options?.codec : codec);
    this.#receiving = new SharedReceiveEvent(this.#port, false);
    this.#receivingOrThrow = new SharedReceiveEvent(this.#port, true);
  }

  /**
   * This thread's end of the channel that `handle` is of; where the channel was made with a codec,
   * this end has to bring one.
   *
   * @throws {TypeError} if it is no handle of a shared channel, or the codec is missing, or one too
   * many
   */
  static from<T>(
    handle: SharedChannelHandle,
    options?: { codec?: Codec<T> },
  ): SharedChannel<T> {
    if (!isNamedHandle(handle, "weft.SharedChannel") || !SharedQueue.isQueue(handle.buffer)) {
      throw wrongType("open the shared channel", "expected the handle of one", handle);
    }
    checkOptions("open the shared channel", options);
    checkCodec("open the shared channel", options?.codec);
    return new SharedChannel<T>(undefined, handle, options?.codec);
  }

  /**
   * Sends a copy of `value`. Suspends while there is no room, unless it may drop. If it is
   * cancelled, nothing was sent.
   *
   * @throws {ChannelClosedError} with the value, if the channel is closed or is closed meanwhile
   * @throws {TypeError} if the value can't be copied to another thread
   * @throws {RangeError} if it is larger than a slot
   */
  send(value: T): Awaitable<void> {
    return new SharedSend(this.#port, value);
  }

  /**
   * Sends a copy of `value` if that needs no waiting: whether it was sent. Never suspends, and
   * doesn't wait behind those who do. With "dropOldest" it always is, perhaps at the cost of
   * another item. Throws as `send` does.
   */
  trySend(value: T): boolean {
    const port = this.#port;
    return port.offer(port.encode(value), value);
  }

  /** `send` as an event. */
  sendEvent(value: T): Event<void> {
    return new SharedSendEvent(this.#port, value);
  }

  /**
   * Receives the next item, or `undefined` when the channel is closed and drained.
   *
   * Suspends while there is none. If it is cancelled, nothing was received. Throws the error that
   * the channel has failed with, once it is drained, as do all that receive.
   */
  receive(): Awaitable<Option<T>> {
    return new SharedReceive(this.#receiving);
  }

  /**
   * Receives the next item itself. Suspends while there is none.
   *
   * @throws {ChannelClosedError} when the channel is closed and drained
   */
  receiveOrThrow(): Awaitable<T> {
    return new SharedReceive(this.#receivingOrThrow);
  }

  /**
   * Receives the next item if there is one, else `undefined`, also when the channel is closed and
   * drained. Never suspends, and doesn't wait behind those who do. Throws the error that the
   * channel has failed with, once it is drained.
   */
  tryReceive(): Option<T> {
    const item = this.#port.take();
    if (item === DRAINED && this.#port.failure !== null) throw this.#port.end();
    return item === NOTHING || item === DRAINED ? undefined : { value: item as T };
  }

  /** `receiveOrThrow` as an event: the same one for every call. */
  receiveEvent(): Event<T> {
    return this.#receivingOrThrow;
  }

  /** `receive` as an event, so that a close can be a branch. The same one for every call. */
  receiveOptionEvent(): Event<Option<T>> {
    return this.#receiving;
  }

  /**
   * Closes it, for all threads. What is held can still be received; whoever waits is told.
   * Idempotent, never suspends, never throws.
   */
  close(): void {
    this.#port.queue.close();
  }

  /**
   * Closes it because of `error`, for all threads: what is held can still be received, and after
   * that receivers get `error` thrown, so that what was cut short isn't taken for complete. For
   * senders `error` is the `cause` of their `ChannelClosedError`. Does nothing if it is closed, by
   * whomever; never suspends or throws.
   *
   * In this thread it is `error` itself that is thrown. The other threads get one like it each: of
   * the same class if it is one of JavaScript's or of Weft's, else of the class that it extends and
   * with its name, with message, stack, cause, and own enumerable fields. Where that takes more
   * than 4096 bytes, it is cut, the stacks first.
   *
   * @example
   * ```ts
   * import { assertEquals, assertRejects } from "@std/assert";
   * import { SharedChannel } from "@weft/weft/thread";
   *
   * const lines = new SharedChannel<string>({ capacity: 8 });
   * const there = SharedChannel.from<string>(lines.handle); // in a worker, as a rule
   * there.trySend("one");
   * there.fail(new RangeError("the source broke off"));
   * assertEquals(await lines.receive(), { value: "one" });
   * await assertRejects(async () => void (await lines.receive()), RangeError, "broke off");
   * ```
   */
  fail(error: unknown): void {
    this.#port.fail(error);
  }

  /**
   * Happens once the channel is closed, by whomever, though it may still hold items: how who
   * produces for it learns that nobody wants more. The same one for every call.
   *
   * @example
   * ```ts
   * import { assertEquals } from "@std/assert";
   * import { select } from "@weft/weft";
   * import { SharedChannel } from "@weft/weft/thread";
   *
   * const frames = new SharedChannel<number>({ capacity: 1 });
   * frames.trySend(0); // so that the next one has to wait
   * const next = (async () => {
   *   return await select({ over: frames.closeEvent(), sent: frames.sendEvent(1) });
   * })();
   * frames.close(); // in another thread, as a rule
   * assertEquals((await next).kind, "over");
   * ```
   */
  closeEvent(): Event<void> {
    return this.#closeEvent ??= new SharedCloseEvent(this.#port as SharedPort<unknown>);
  }

  /** Whether it was closed, by whomever; there may still be items to receive. */
  get isClosed(): boolean {
    return this.#port.queue.isClosed;
  }

  /** How many items it holds, as far as that can be said while others send and receive. */
  get size(): number {
    return this.#port.queue.size + this.#port.returned;
  }

  /** Whether it holds no item. */
  get isEmpty(): boolean {
    return this.size === 0;
  }

  /** How many items it holds at most. */
  get capacity(): number {
    return this.#port.queue.capacity;
  }

  /**
   * What is going on in it. Those who wait in this thread are counted one by one, and each other
   * thread in which somebody waits counts as one.
   */
  statistics(): ChannelStatistics {
    const { receivers, senders } = this.#port;
    return {
      size: this.size,
      sendersWaiting: senders.waiting,
      receiversWaiting: receivers.waiting,
    };
  }

  /**
   * Receives until the channel is closed and drained. Leaving the loop early loses nothing: a
   * `return` takes back the receives that still wait.
   */
  [Symbol.asyncIterator](): AsyncIterableIterator<T, undefined, undefined> {
    return new ChannelIterator(() => new SharedReceive(this.#receiving));
  }
}

function makeHandle<T>(options: SharedChannelOptions<T>): SharedChannelHandle {
  if (typeof options !== "object" || options === null) {
    throw wrongType(ACTION, "options must have a capacity", options);
  }
  const { capacity, slotBytes = DEFAULT_SLOT_BYTES, overflow = "block" } = options;
  const { codec, name, pooledBytes = false } = options;
  if (capacity === 0) {
    throw new RangeError(
      `Cannot ${ACTION}: capacity must be at least 1, got 0; sender and receiver can meet only ` +
        `within a thread, in a Channel`,
    );
  }
  checkFiniteCount(ACTION, "capacity", capacity, 1);
  checkFiniteCount(ACTION, "slotBytes", slotBytes, 1);
  checkCodec(ACTION, codec);
  checkOptional(ACTION, "name", name, "string");
  checkOptional(ACTION, "pooledBytes", pooledBytes, "boolean");
  checkOverflow(ACTION, overflow);
  const flags = OVERFLOW_FLAGS[overflow] | (codec === undefined ? 0 : HAS_CODEC) |
    (pooledBytes ? POOLS_BYTES : 0) | CAN_FAIL;
  if (SharedQueue.layout(capacity, slotBytes, flags).bytes > MOST_BYTES) {
    throw new RangeError(
      `Cannot ${ACTION}: ${capacity} slots of ${slotBytes} bytes take more than a gigabyte`,
    );
  }
  return {
    kind: "weft.SharedChannel",
    buffer: SharedQueue.allocate(capacity, Math.max(slotBytes, 8), flags),
    registry: ownRegistry().buffer,
    name,
  };
}

function checkCodec(action: string, codec: unknown): void {
  if (codec === undefined) return;
  const { encode, decode } = codec as Codec<unknown>;
  checkFunction(action, "codec.encode", encode);
  checkFunction(action, "codec.decode", decode);
}

function portOf<T>(handle: SharedChannelHandle, codec: Codec<T> | undefined): SharedPort<T> {
  const queue = new SharedQueue(handle.buffer, handle.registry);
  const hasCodec = (queue.flags & HAS_CODEC) !== 0;
  if (hasCodec !== (codec !== undefined)) {
    throw new TypeError(
      hasCodec
        ? "Cannot open the shared channel: it was made with a codec; pass the same to from"
        : "Cannot open the shared channel: it was made without a codec; pass none to from",
    );
  }
  return ports.find(queue.token, () => {
    return new SharedPort<T>(queue, codec, handle.name) as SharedPort<unknown>;
  }) as SharedPort<T>;
}
