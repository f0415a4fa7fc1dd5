/**
 * Inputs: buffered streams of bytes to read. An `Input` is a way into a `Source`, with parsers for
 * lines and the like; the waiting is `bytes/read.ts`, the queue and the lines of waiters are the
 * source's. Several inputs may share a source, so each can be closed without it.
 */
import {
  checkCount,
  checkFiniteCount,
  checkFunction,
  checkOptional,
  checkOptions,
  wrongType,
} from "../../internal/check.ts";
import type { Event } from "../../operation/event_constructors.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import type { Awaitable, Operation, Option } from "../../operation/types.ts";
import {
  allBytes,
  allText,
  BytesSource,
  checkBuffer,
  checkHooks,
  checkReader,
  chunk,
  exactlyInto,
  exactlyText,
  fiberNow,
  Gate,
  HookSource,
  line,
  type Parser,
  Read,
  readableSourceOf,
  type Reader,
  someIntoAhead,
  Source,
  sourceOf,
  until,
} from "../bytes/mod.ts";
import { type CloseHook, ClosingState, runCloseHook } from "./closing_state.ts";
import { closeAll, type Concatenation, concatInto } from "./combined.ts";
import { copy, type CopyOptions } from "./copy.ts";
import { ReadIterator } from "./read_iterator.ts";
import type { Output } from "./output.ts";

/** How an input of your own reads. */
export interface InputHooks {
  /**
   * Reads into `buffer`, which has at least one byte and is its own only until it returns: how many
   * bytes, 0 at the end. It may suspend, and is aborted when nobody waits for it any more. An async
   * function is refused: nothing could stop it.
   */
  input(buffer: Uint8Array): number | Operation<number>;
  /** Called once, by the first `close`; what it returns is waited for. */
  close?(): void | Operation<void>;
}

/** How far a read may go. */
export interface LimitOptions {
  /** How many bytes are allowed, without the end of the line or the delimiter. Default: any. */
  maxBytes?: number;
}

/** How an input over a `Reader` is closed. */
export interface FromReaderOptions {
  /**
   * In the place of the reader's own `close()`. The reader itself may go on after that: what was
   * read ahead is there for the next `read`, or input, over it.
   */
  close?: () => void | Operation<void>;
}

/** How an input over a stream is closed. */
export interface FromReadableOptions {
  /**
   * Whether the stream is merely unlocked, in the place of cancelled. What this input has taken out
   * of it, up to the end of a chunk, and nobody has read, is there for the next `read`, or input,
   * over that stream, but for nobody else. Default false.
   */
  preventCancel?: boolean;
}

/** What is going on in an input. */
export interface InputStatistics {
  /** How many bytes have come and were not read. */
  readonly buffered: number;
  /** Who waits for a read. */
  readonly waiting: number;
}

const encoder = new TextEncoder();

/**
 * A stream of bytes to read, buffered.
 *
 * Any number of fibers, async functions and foreign schedulers may read from it; they are served in
 * the order in which they came. A read takes all that it is to return, or nothing: one that is
 * cancelled, fails or loses a `select` leaves each byte for the next. Text is UTF-8; what isn't
 * becomes U+FFFD, and a byte order mark is kept.
 *
 * An end or a failure is told to the first read that meets it; a later one asks anew. After `close`
 * each read throws `StreamClosedError`, also those that wait.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { run } from "@weft/weft";
 * import { Input } from "@weft/weft/io";
 *
 * const result = run(function* () {
 *   const input = Input.fromString("first\r\nsecond\nrest");
 *   const lines = [yield* input.readLine(), yield* input.readLine()];
 *   return [...lines.map((line) => line?.value), yield* input.inputAllText()];
 * });
 * assertEquals(result, { ok: true, value: ["first", "second", "rest"] });
 * ```
 */
export class Input implements AsyncIterable<Uint8Array>, AsyncDisposable {
  readonly #source: Source;
  readonly #gate = new Gate();
  readonly #closing: ClosingState;

  /** `keeps`: what is behind the source isn't closed by `release`, so what was read ahead stays. */
  private constructor(source: Source, release: CloseHook, keeps = false) {
    if (!(source instanceof Source)) {
      throw new TypeError("Cannot construct Input: use Input.create, or one of Input.from…");
    }
    this.#source = source;
    this.#closing = new ClosingState("the closing of an input", (onClosed) => {
      source.close(this.#gate);
      if (!keeps) source.forget();
      runCloseHook(release, "close an input", fiberNow(), onClosed);
    });
  }

  /**
   * An input of your own.
   *
   * @throws {TypeError} if `hooks` has no function `input`
   */
  static create(hooks: InputHooks): Input {
    checkHooks("make the input", hooks);
    checkFunction("make the input", "hooks.input", hooks.input);
    checkOptional("make the input", "hooks.close", hooks.close, "function");
    return new Input(new HookSource((buffer) => hooks.input(buffer)), () => hooks.close?.());
  }

  /** An input that has ended. */
  static empty(): Input {
    return Input.fromBytes(new Uint8Array(0));
  }

  /**
   * The bytes of `text`, in UTF-8.
   *
   * @throws {TypeError} if it is not a string
   */
  static fromString(text: string): Input {
    if (typeof text !== "string") {
      throw wrongType("make the input", "text must be a string", text);
    }
    return Input.fromBytes(encoder.encode(text));
  }

  /**
   * Bytes that are there, which are not copied: they may not change any more.
   *
   * @throws {TypeError} if it is not a `Uint8Array`
   */
  static fromBytes(bytes: Uint8Array): Input {
    checkBuffer("make the input", "bytes", bytes);
    return new Input(new BytesSource(bytes), () => {});
  }

  /**
   * Reads from a connection, a file, `Deno.stdin` or the like, ahead by up to 16 KiB, and closes it
   * with `close`. Several inputs, and `read`, over the same one share what was read ahead.
   *
   * @throws {TypeError} if `reader` has no method `read`, or an option is of the wrong type
   */
  static fromReader(reader: Reader & { close?(): void }, options?: FromReaderOptions): Input {
    checkReader("make the input", reader, "reader");
    const source = sourceOf("make the input", reader);
    checkOptions("make the input", options);
    checkOptional("make the input", "close", options?.close, "function");
    const close = options?.close;
    return new Input(source, close ?? (() => reader.close?.()), close !== undefined);
  }

  /**
   * Reads from a Web Stream, which it keeps locked, no further ahead than the chunk that was asked
   * for. `close` cancels the stream. It shares what was read ahead with `read` over the same stream.
   *
   * @throws {TypeError} if it is not a `ReadableStream`, is locked by somebody else or has an input,
   * or an option is of the wrong type
   */
  static fromReadable(stream: ReadableStream<Uint8Array>, options?: FromReadableOptions): Input {
    if (!(stream instanceof ReadableStream)) {
      throw wrongType("make the input", "stream must be a ReadableStream", stream);
    }
    checkOptions("make the input", options);
    checkOptional("make the input", "preventCancel", options?.preventCancel, "boolean");
    const source = readableSourceOf(stream);
    const held = source.hold();
    if (options?.preventCancel === true) return new Input(source, () => held.release(), true);
    return new Input(source, () => held.cancel());
  }

  /**
   * One input after the other; `close` closes all of them.
   *
   * @throws {TypeError} if one of them is not an `Input`
   */
  static concat(...inputs: readonly (Input | readonly Input[])[]): Input {
    const parts = inputs.flat() as Input[];
    for (const part of parts) {
      if (part instanceof Input) continue;
      throw wrongType("concatenate", "expected an Input", part);
    }
    const state: Concatenation = { inputs: parts, index: 0 };
    const source = new HookSource((buffer) => concatInto(state, buffer));
    return new Input(source, () => {
      for (const part of parts) part.#closing.begin();
      return closeAll(parts);
    });
  }

  /**
   * Reads at least one byte and at most as many as fit into `buffer`: how many. 0: the end, or an
   * empty buffer, for which it never waits. Suspends.
   *
   * @throws {TypeError} if `buffer` is not a `Uint8Array`
   * @throws {StreamClosedError} if the input is closed
   */
  input(buffer: Uint8Array): Awaitable<number> {
    checkBuffer("read", "buffer", buffer);
    return this.#read(someIntoAhead, buffer);
  }

  /** `input` as an event: nothing is taken unless it is the one chosen. */
  readEvent(buffer: Uint8Array): Event<number> {
    checkBuffer("read", "buffer", buffer);
    return this.#rule(someIntoAhead, buffer);
  }

  /**
   * Reads everything up to the end. Suspends. If it is cancelled, what came so far is there for the
   * next read.
   *
   * @throws {LimitExceededError} if more than `maxBytes` come
   * @throws {RangeError} if `maxBytes` is not a whole number or `Infinity`
   */
  inputAll(options?: LimitOptions): Awaitable<Uint8Array> {
    return this.#read(allBytes, limitOf("read everything", options));
  }

  /** The same, as text. */
  inputAllText(options?: LimitOptions): Awaitable<string> {
    return this.#read(allText, limitOf("read everything", options));
  }

  /**
   * Fills the whole of `buffer`. Suspends. If it is cancelled, nothing was taken.
   *
   * @throws {EndOfFileError} if the input ends before; what there was is still there
   */
  reallyInput(buffer: Uint8Array): Awaitable<void> {
    checkBuffer("read", "buffer", buffer);
    return this.#read(exactlyInto, buffer);
  }

  /**
   * Reads `byteCount` bytes as text. Suspends. If it is cancelled, nothing was taken.
   *
   * @throws {EndOfFileError} if the input ends before; what there was is still there
   * @throws {RangeError} if `byteCount` is not a whole number
   */
  reallyInputString(byteCount: number): Awaitable<string> {
    if (byteCount === Infinity) {
      throw new RangeError("Cannot read: byteCount must be finite; use inputAllText()");
    }
    checkFiniteCount("read", "byteCount", byteCount, 0);
    return this.#read(exactlyText, byteCount);
  }

  /**
   * Reads up to the next line feed: the text before it, without a carriage return that stands right
   * before it; `undefined` at the end. What follows the last line feed, if anything, is a line, too.
   *
   * Suspends. If it is cancelled, nothing was taken.
   *
   * @throws {LimitExceededError} if the line is longer than `maxBytes`, as soon as that is certain;
   * it is still there
   */
  readLine(options?: LimitOptions): Awaitable<Option<string>> {
    return this.#read(line, limitOf("read a line", options));
  }

  /** `readLine` as an event: nothing is taken unless it is the one chosen. */
  readLineEvent(options?: LimitOptions): Event<Option<string>> {
    const limit = limitOf("read a line", options);
    return this.#rule(line, limit).map((taken) => line.finish(taken, limit));
  }

  /**
   * Reads up to the next `delimiter`, a string or bytes: the bytes before it; `undefined` at the
   * end. What follows the last delimiter, if anything, counts, too.
   *
   * Suspends. If it is cancelled, nothing was taken.
   *
   * @throws {LimitExceededError} if more than `maxBytes` come before it; they are still there
   * @throws {TypeError} if `delimiter` is empty, or neither a string nor a `Uint8Array`
   */
  readUntil(delimiter: string | Uint8Array, options?: LimitOptions): Awaitable<Option<Uint8Array>> {
    const bytes = typeof delimiter === "string" ? encoder.encode(delimiter) : delimiter;
    if (!(bytes instanceof Uint8Array)) {
      throw wrongType("read up to the delimiter", "it must be a string or a Uint8Array", bytes);
    }
    if (bytes.length === 0) {
      throw new TypeError("Cannot read up to the delimiter: delimiter must not be empty");
    }
    const limit = limitOf("read up to the delimiter", options);
    return this.#read(until, { delimiter: bytes.slice(), limit });
  }

  /**
   * Outputs everything up to the end, and returns how many bytes that were. Closes neither of the
   * two, and flushes only with `flush`: then whatever has come is written before it waits for more,
   * as an echo or a proxy must. The cheapest way there is from an input to an output.
   *
   * Suspends. If it is cancelled, each byte is either in the output or still here.
   *
   * @throws {TypeError} if it is not an `Output`, or an option is of the wrong type
   */
  copyInto(output: Output, options?: CopyOptions): Awaitable<number> {
    return copy(this.#source, this.#gate, output, options);
  }

  /** Its lines, without their ends. Leaving the loop early loses nothing, and doesn't close it. */
  lines(options?: LimitOptions): AsyncIterableIterator<string, undefined, undefined> {
    const limit = limitOf("read a line", options);
    return new ReadIterator<string, Option<string>>(
      () => this.#read(line, limit),
      (taken) => taken === undefined ? DONE : { done: false, value: taken.value },
    );
  }

  /** Its bytes, in chunks as they come. Leaving the loop early loses nothing, and doesn't close it. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Uint8Array, undefined, undefined> {
    return new ReadIterator<Uint8Array, Uint8Array | undefined>(
      () => this.#read(chunk, undefined),
      (taken) => taken === undefined ? DONE : { done: false, value: taken },
    );
  }

  /**
   * The same as a Web Stream of bytes. It reads when it is asked, never ahead, and is closed at the
   * end; to cancel it closes this input.
   */
  toReadable(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const taken = await this.#read(chunk, undefined);
        if (taken !== undefined) return controller.enqueue(taken as Uint8Array<ArrayBuffer>);
        await this.close();
        controller.close();
        controller.byobRequest?.respond(0); // or whoever brought a buffer would wait for ever
      },
      cancel: async () => {
        await this.close();
      },
    });
  }

  /**
   * Closes it, and what it reads from, at once; then waits for as long as that takes. Those who
   * wait for a read get a `StreamClosedError`. Idempotent.
   *
   * Suspends, out of reach of aborts: in a `finally` it needs no `protect`.
   */
  close(): Awaitable<void> {
    return this.#closing.close();
  }

  #rule<A, R, T>(parser: Parser<A, R, T>, argument: A): Read<A, R, T> {
    return new Read(this.#source, parser, argument, this.#gate);
  }

  #read<A, R, T>(parser: Parser<A, R, T>, argument: A): RuleWait<T> {
    return new RuleWait(this.#rule(parser, argument));
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): InputStatistics {
    return { buffered: this.#source.bytes.length, waiting: this.#source.waiting };
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

const DONE = { done: true, value: undefined } as const;

function limitOf(action: string, options: LimitOptions | undefined): number {
  if (options === undefined) return Infinity;
  checkOptions(action, options);
  const { maxBytes = Infinity } = options;
  checkCount(action, "maxBytes", maxBytes, 0);
  return maxBytes;
}
