/** Async iterables and web streams, into channels and out of them. */
import { Channel } from "../channel/mod.ts";
import { checkOpen, currentFiber } from "../fiber/core/mod.ts";
import { protect, spawn } from "../fiber/mod.ts";
import { checkOptional, checkOptions, wrongType } from "../internal/check.ts";
import { reportUncaught } from "../internal/report.ts";
import { select } from "../event/mod.ts";
import { SPENT, type Wait } from "../operation/wait.ts";
import type { Option } from "../operation/types.ts";
import { fromPromise, promiseEvent, tellLate } from "./from_promise.ts";

/** How a channel of `T` is fed from elsewhere. */
export interface ChannelFromOptions<T = unknown> {
  /** How many items are fetched ahead, besides the one under way. Default 0. */
  capacity?: number;
  /** For people: shown where a `Deadlock` says what a fiber waits on. */
  name?: string;
  /**
   * Called with an item that was fetched, and that nobody can receive any more: the channel was
   * closed, or the scope aborted, before it could be sent. What it throws is reported.
   */
  onLate?: (item: T) => void;
}

/**
 * A channel with the items of an async iterable or a web stream, fetched by a fiber in the current
 * scope as they are received, one ahead at most unless there is `capacity`. Never suspends.
 *
 *  - The source ends: the channel is closed.
 *  - The source fails: so does the channel, once it is drained, and the scope.
 *  - The reader closes the channel, or the scope is aborted: the source is told at once (`return`, or
 *    `cancel`), and the fiber ends. It waits for the source, unless a `next` is under way, which
 *    nothing can interrupt, or the fiber had not begun.
 *
 * A receive that is cancelled loses no item. For an item that was fetched ahead, and can't be sent
 * any more, see `onLate`. The scope waits for the fiber, so a reader who leaves early closes the
 * channel.
 *
 * @throws {Inactive} outside of any fiber
 * @throws {RangeError} if `capacity` is not a whole number or `Infinity`
 * @throws {TypeError} if `source` is not async-iterable, or a locked stream, or an option is of the
 * wrong type; and what opening it throws
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { channelFrom } from "@weft/weft/promise";
 *
 * const seen = await main(function* () {
 *   const numbers = channelFrom(ReadableStream.from([1, 2, 3]));
 *   const seen = [yield* numbers.receiveOrThrow(), yield* numbers.receiveOrThrow()];
 *   numbers.close();
 *   return seen;
 * });
 * assertEquals(seen, [1, 2]);
 * ```
 */
export function channelFrom<T>(
  source: AsyncIterable<T> | ReadableStream<T>,
  options?: ChannelFromOptions<T>,
): Channel<T> {
  checkSource(source);
  checkOptions("make the channel", options);
  const { capacity = 0, onLate, ...rest } = options ?? {};
  checkOptional("make the channel", "onLate", onLate, "function");
  const channel = new Channel<T>({ capacity, ...rest });
  checkOpen("make the channel", currentFiber("make the channel").context); // before it is opened
  const tap = source instanceof ReadableStream ? new StreamTap(source) : new IteratorTap(source);
  const feeder = spawn(() => feed({ channel, tap, onLate }), {
    name: `feeder of ${rest.name ?? "a channel"}`,
  });
  feeder.onResult((result) => {
    if (result.ok) return;
    channel.fail(result.error); // what was cut short must not look complete
    if (tap.isOpen) tap.stop().catch(reportUncaught); // it was aborted before its first step
  });
  return channel;
}

function checkSource(source: unknown): void {
  if (source instanceof ReadableStream) {
    if (!source.locked) return;
    throw new TypeError("Cannot make the channel: source is locked, somebody else reads from it");
  }
  const { [Symbol.asyncIterator]: iterate } = Object(source) as Partial<AsyncIterable<unknown>>;
  if (typeof iterate === "function") return;
  throw wrongType(
    "make the channel",
    "source must be an async iterable or a ReadableStream",
    source,
  );
}

interface Feeding<T> {
  readonly channel: Channel<T>;
  readonly tap: Tap<T>;
  readonly onLate: ((item: T) => void) | undefined;
}

function* feed<T>(feeding: Feeding<T>): Generator<never, void, unknown> {
  const { channel, tap } = feeding;
  try {
    while (yield* handOn(feeding));
  } finally {
    if (tap.isOpen) yield* protect(() => fromPromise(tap.stop()));
  }
  channel.close();
}

/** Hands on the next item; false if there is none, or nobody wants it. */
function* handOn<T>({ channel, tap, onLate }: Feeding<T>): Generator<never, boolean, unknown> {
  const fetched = tap.next();
  let isSent = false;
  try {
    const next = yield* select({ closed: channel.closeEvent(), item: promiseEvent(fetched) });
    if (next.kind === "closed" || next.value.done === true) return false;
    const sent = yield* select({
      closed: channel.closeEvent(),
      sent: channel.sendEvent(next.value.value),
    });
    isSent = sent.kind === "sent";
    return isSent;
  } finally {
    if (!isSent && onLate !== undefined) {
      fetched.then((next) => next.done === true || tellLate(onLate, next.value), () => {});
    }
  }
}

/** A source that is being drawn from. */
interface Tap<T> {
  /** False once it has ended, failed, or was stopped. */
  readonly isOpen: boolean;
  next(): Promise<IteratorResult<T, unknown>>;
  /** Tells the source that no more is wanted. To be called once, while it is open. */
  stop(): Promise<void>;
}

class IteratorTap<T> implements Tap<T> {
  isOpen = true;
  #isBusy = false;
  readonly #iterator: AsyncIterator<T>;

  constructor(source: AsyncIterable<T>) {
    this.#iterator = source[Symbol.asyncIterator]();
  }

  async next(): Promise<IteratorResult<T, unknown>> {
    this.#isBusy = true;
    let ended = true; // an iterator that throws has ended
    try {
      const result = await this.#iterator.next();
      ended = result.done === true;
      return result;
    } finally {
      this.#isBusy = false;
      if (ended) this.isOpen = false;
    }
  }

  async stop(): Promise<void> {
    this.isOpen = false;
    const returned = this.#returned();
    if (this.#isBusy) returned.catch(reportUncaught); // it waits for the `next`, perhaps for ever
    else await returned;
  }

  async #returned(): Promise<void> {
    await this.#iterator.return?.();
  }
}

/** Not the stream's own iterator, whose `return` waits for the read before it. */
class StreamTap<T> implements Tap<T> {
  isOpen = true;
  readonly #reader: ReadableStreamDefaultReader<T>;

  constructor(source: ReadableStream<T>) {
    this.#reader = source.getReader();
  }

  async next(): Promise<IteratorResult<T, unknown>> {
    let ended = true;
    try {
      const { done, value } = await this.#reader.read();
      ended = done;
      return done ? { done, value } : { done, value: value as T };
    } finally {
      if (ended) this.isOpen = false;
    }
  }

  async stop(): Promise<void> {
    this.isOpen = false;
    await this.#reader.cancel("nobody receives from the channel any more");
  }
}

/**
 * A web stream of what is received from `channel`. It takes nothing before it is read from, and
 * then one item at a time; it ends when the channel is closed and drained, and errors when the
 * channel failed. Cancelling the stream closes the channel, which tells the senders. Never suspends.
 *
 * @throws {TypeError} if `channel` is not a channel
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { Channel } from "@weft/weft";
 * import { readableFrom } from "@weft/weft/promise";
 *
 * const words = new Channel<string>();
 * for (const word of ["warp ", "and ", "weft"]) words.trySend(word);
 * words.close();
 * const body = readableFrom(words).pipeThrough(new TextEncoderStream());
 * assertEquals(await new Response(body).text(), "warp and weft");
 * ```
 */
export function readableFrom<T>(channel: Channel<T>): ReadableStream<T> {
  if (!(channel instanceof Channel)) {
    throw wrongType("make the stream", "channel must be a Channel", channel);
  }
  let receive: Wait<Option<T>> | null = null;
  let isCancelled = false;
  return new ReadableStream<T>({
    async pull(controller) {
      const wait = channel.receive() as unknown as Wait<Option<T>>; // as every operation is
      receive = wait;
      const item = await wait;
      const isKept = receive === wait;
      receive = null;
      if (isCancelled && isKept) wait.giveBack(); // it had its item when the stream was cancelled
      else if (isCancelled) return; // it was dropped
      else if (item === undefined) controller.close();
      else controller.enqueue(item.value);
    },
    cancel() {
      isCancelled = true;
      if (receive !== null && receive.state !== SPENT) {
        receive.drop();
        receive = null;
      }
      channel.close();
    },
  }, { highWaterMark: 0 });
}
