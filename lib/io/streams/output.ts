/**
 * Outputs: buffered streams of bytes to write. An `Output` is an `OutputBuffer`, which empties itself
 * into a `Drain`: a sink, hooks of the user's, memory. The waiting is in `output_waits.ts`.
 */
import {
  checkFunction,
  checkOptional,
  checkOptions,
  isIterable,
  wrongType,
} from "../../internal/check.ts";
import { GeneratorOperation } from "../../fiber/core/mod.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import type { Awaitable, Operation } from "../../operation/types.ts";
import { OutputBuffer } from "./output_buffer.ts";
import {
  buffers,
  type ByteQueue,
  checkBuffer,
  checkHooks,
  checkWriter,
  decode,
  fiberNow,
  sinkOf,
  type WritableBytes,
  writableSinkOf,
  type Writer,
} from "../bytes/mod.ts";
import { type CloseHook, ClosingState, type OnClosed, runCloseHook } from "./closing_state.ts";
import { closeAll, Tee } from "./combined.ts";
import { type Drain, HookDrain, MemoryDrain, nowhere, SinkDrain } from "./drain.ts";
import { Append, Flush } from "./output_waits.ts";

/** How an output of your own writes. */
export interface OutputHooks {
  /**
   * Writes all of `bytes`, which it may keep. It may suspend; aborted, it must have written nothing
   * (a `write` in it belongs into `protect`), and is given the same bytes again when somebody waits.
   * An async function is refused: nothing could stop it.
   */
  output(bytes: Uint8Array): void | Operation<void>;
  /** Called by `flush` once everything is written: passes it on. */
  flush?(): void | Operation<void>;
  /** Called once, by the first `close`, after everything is written; what it returns is waited for. */
  close?(): void | Operation<void>;
}

/** How an output over a `Writer` is closed. */
export interface FromWriterOptions {
  /** In the place of the writer's own `close()`. */
  close?: () => void | Operation<void>;
}

/** How an output over a stream is closed. */
export interface FromWritableOptions {
  /** Whether the stream is merely unlocked, in the place of closed. Default false. */
  preventClose?: boolean;
}

/** What is going on in an output. */
export interface OutputStatistics {
  /** How many bytes were output and are not written. */
  readonly buffered: number;
  /** Who waits for room, or for a flush. */
  readonly waiting: number;
}

/** An output that keeps everything in memory. */
export interface BytesOutput extends Output {
  /** Everything that was output so far, flushed or not, closed or not: a copy. Never suspends. */
  bytes(): Uint8Array;
  /** The same, as text. */
  text(): string;
}

/** Outputs all that is in `queue`, which is empty afterwards. If it is cancelled, nothing was output. */
export let outputQueue: (output: Output, queue: ByteQueue) => Awaitable<void>;

/**
 * A stream of bytes to write, buffered: up to 16 KiB wait until that is full, or `flush` or `close`
 * is called. Then they are written while the next ones are put into another buffer.
 *
 * Any number of fibers, async functions and foreign schedulers may write to it; the bytes of two
 * calls never mix, and come in the order in which they were made. One call is accepted as a whole or
 * waits for room: cancelled, it has output nothing. What was accepted is written, also if whoever
 * output it is aborted after that.
 *
 * When writing fails, the output is broken: everybody who waits, and every later call, gets that
 * failure; if there is none, `close` throws it. After `close` each call throws `StreamClosedError`,
 * also those that wait for room.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { run } from "@weft/weft";
 * import { Output } from "@weft/weft/io";
 *
 * const output = Output.toBytes();
 * run(function* () {
 *   yield* output.outputLine("hello");
 *   yield* output.outputInt(42);
 * });
 * assertEquals(output.text(), "hello\n42");
 * ```
 */
export class Output implements AsyncDisposable {
  readonly #buffer: OutputBuffer;
  readonly #closing: ClosingState;
  #discarded = false;

  static {
    outputQueue = (output, queue) => append(output.#buffer, queue);
  }

  private constructor(drain: Drain, close: CloseHook, discard: CloseHook = close) {
    if (typeof drain?.write !== "function") {
      throw new TypeError("Cannot construct Output: use Output.create, or one of Output.from…");
    }
    const buffer = new OutputBuffer(drain, buffers.bufferSize);
    this.#buffer = buffer;
    this.#closing = new ClosingState("the closing of an output", (onClosed) => {
      const closer = fiberNow();
      buffer.finish(closer, (failure) => {
        const hook = this.#discarded ? discard : close;
        const report: OnClosed = failure === null ? onClosed : (result) => {
          onClosed({ ok: false, error: result.ok ? failure.error : both(failure, result) });
        };
        runCloseHook(hook, "close an output", closer, report);
      });
    });
  }

  /**
   * An output of your own.
   *
   * @throws {TypeError} if `hooks` has no function `output`
   */
  static create(hooks: OutputHooks): Output {
    checkHooks("make the output", hooks);
    checkFunction("make the output", "hooks.output", hooks.output);
    checkOptional("make the output", "hooks.flush", hooks.flush, "function");
    checkOptional("make the output", "hooks.close", hooks.close, "function");
    return new Output(new HookDrain(hooks), () => hooks.close?.());
  }

  /** An output that forgets everything. */
  static dummy(): Output {
    return new Output(nowhere, () => {});
  }

  /** An output that keeps everything in memory. */
  static toBytes(): BytesOutput {
    const drain = new MemoryDrain();
    const output = new Output(drain, () => {});
    const bytes = () => {
      const { filling } = output.#buffer;
      const all = new Uint8Array(drain.bytes.length + filling.length);
      all.set(drain.bytes.view(drain.bytes.length));
      all.set(filling.view(filling.length), drain.bytes.length);
      return all;
    };
    return Object.assign(output, { bytes, text: () => decode(bytes()) });
  }

  /**
   * Writes to a connection, a file, `Deno.stdout` or the like, in turns with `write` and everybody
   * else who writes to it through this library, and closes it with `close`.
   *
   * @throws {TypeError} if `writer` has no method `write`, or an option is of the wrong type
   */
  static fromWriter(writer: Writer & { close?(): void }, options?: FromWriterOptions): Output {
    checkWriter("make the output", writer, "writer");
    checkOptions("make the output", options);
    checkOptional("make the output", "close", options?.close, "function");
    const drain = new SinkDrain(sinkOf("make the output", writer));
    return new Output(drain, options?.close ?? (() => writer.close?.()));
  }

  /**
   * Writes to a Web Stream, which it keeps locked, whenever that wants more, in turns with `write`.
   * `close` closes the stream, `discard` aborts it.
   *
   * @throws {TypeError} if it is not a `WritableStream`, is locked by somebody else or has an output,
   * or an option is of the wrong type
   */
  static fromWritable(stream: WritableBytes, options?: FromWritableOptions): Output {
    if (!(stream instanceof WritableStream)) {
      throw wrongType("make the output", "stream must be a WritableStream", stream);
    }
    checkOptions("make the output", options);
    checkOptional("make the output", "preventClose", options?.preventClose, "boolean");
    const sink = writableSinkOf(stream);
    sink.hold();
    const drain = new SinkDrain(sink);
    if (options?.preventClose === true) return new Output(drain, () => sink.release());
    return new Output(drain, () => sink.close(), () => sink.abort());
  }

  /**
   * Everything goes to each of `outputs`; so do `flush` and `close`. It waits for the slowest.
   *
   * @throws {TypeError} if one of them is not an `Output`
   */
  static tee(...outputs: readonly (Output | readonly Output[])[]): Output {
    const parts = outputs.flat() as Output[];
    for (const part of parts) {
      if (part instanceof Output) continue;
      throw wrongType("make a tee", "expected an Output", part);
    }
    const close = () => {
      for (const part of parts) part.#closing.begin();
      return closeAll(parts);
    };
    const discard = () => {
      for (const part of parts) part.discard();
      return closeAll(parts);
    };
    return new Output(new HookDrain(new Tee(parts)), close, discard);
  }

  /**
   * Outputs `bytes`, which are copied. Suspends while there is no room. If it is cancelled, nothing
   * was output.
   *
   * @throws {TypeError} if it is not a `Uint8Array`
   * @throws {StreamClosedError} if the output is closed, or is closed while it waits
   */
  output(bytes: Uint8Array): Awaitable<void> {
    checkBuffer("output the bytes", "bytes", bytes);
    return append(this.#buffer, bytes);
  }

  /**
   * Outputs one character, in UTF-8; otherwise like `output`.
   *
   * @throws {TypeError} if `char` is not a string of one code point
   */
  outputChar(char: string): Awaitable<void> {
    if (typeof char !== "string" || char.length === 0 || char.length > 2 || [...char].length > 1) {
      throw wrongType("output the character", "char must be a string of one code point", char);
    }
    return append(this.#buffer, char);
  }

  /**
   * Outputs `text` in UTF-8; otherwise like `output`.
   *
   * @throws {TypeError} if it is not a string
   */
  outputString(text: string): Awaitable<void> {
    return append(this.#buffer, checkString("output the string", "text", text));
  }

  /**
   * Outputs `line` and a line feed; otherwise like `output`.
   *
   * @throws {TypeError} if it is not a string
   */
  outputLine(line: string): Awaitable<void> {
    return append(this.#buffer, checkString("output the line", "line", line) + "\n");
  }

  /**
   * Outputs each of `lines`, and a line feed after each. Suspends while there is no room. If it is
   * cancelled, each line was output as a whole or not at all. The iterable is closed at the end.
   *
   * @throws {TypeError} if `lines` is not iterable, or one of them is not a string
   */
  outputLines(lines: Iterable<string>): Awaitable<void> {
    if (!isIterable(lines)) {
      throw wrongType("output the lines", "lines must be iterable", lines);
    }
    return new GeneratorOperation("an output of lines", outputEach, { output: this, lines });
  }

  /**
   * Outputs `value` in decimal digits; otherwise like `output`.
   *
   * @throws {TypeError} if it is neither a number nor a bigint
   * @throws {RangeError} if it is not a whole number
   */
  outputInt(value: number | bigint): Awaitable<void> {
    if (typeof value !== "number" && typeof value !== "bigint") {
      throw wrongType("output the integer", "value must be a number or a bigint", value);
    }
    if (typeof value === "number" && !Number.isInteger(value)) {
      throw new RangeError(`Cannot output the integer: value must be an integer, got ${value}`);
    }
    return append(this.#buffer, BigInt(value).toString());
  }

  /**
   * Waits until everything that was output before it is written.
   *
   * Suspends. If it is cancelled, what was output is still there, or on its way.
   *
   * @throws what writing failed with
   * @throws {StreamClosedError} if the output is closed, or is discarded while it waits
   */
  flush(): Awaitable<void> {
    return new RuleWait(new Flush(this.#buffer));
  }

  /**
   * The same as a Web Stream of bytes. Each chunk is flushed before the next one is asked for. To
   * close it closes this output, to abort it discards it.
   */
  toWritable(): WritableStream<Uint8Array> {
    return new WritableStream({
      // Not the hook `abort`: that waits for the write under way, which may never end.
      start: ({ signal }) => signal.addEventListener("abort", () => this.discard(), { once: true }),
      write: async (chunk) => {
        await this.output(chunk);
        await this.flush();
      },
      close: async () => {
        await this.close();
      },
    });
  }

  /**
   * Accepts nothing more, at once; writes and flushes what was output, and closes what is behind it,
   * also if the writing fails. Those who wait for room get a `StreamClosedError`. Idempotent.
   *
   * Suspends, out of reach of aborts: in a `finally` it needs no `protect`. Where the other side
   * may never take the bytes, `discard` ends the wait.
   *
   * @throws what writing failed with, if nobody was told, or what closing failed with
   */
  close(): Awaitable<void> {
    return this.#closing.close();
  }

  /**
   * Forgets what is not written, and closes what is behind it at once. Never suspends. Those who
   * wait get a `StreamClosedError`; `close` may be used to wait for the end. A write to a Web Stream
   * that is under way is not waited for. Idempotent.
   */
  discard(): void {
    this.#discarded = true;
    this.#buffer.discard();
    this.#closing.begin();
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): OutputStatistics {
    return { buffered: this.#buffer.pending, waiting: this.#buffer.waiting };
  }

  /** `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

function append(buffer: OutputBuffer, content: Append["content"]): Awaitable<void> {
  return new RuleWait(new Append(buffer, content));
}

function both(first: { error: unknown }, second: { error: unknown }): AggregateError {
  const errors = [first.error, second.error];
  return new AggregateError(errors, "The output could neither be written nor closed");
}

function* outputEach(
  { output, lines }: { output: Output; lines: Iterable<string> },
): Generator<never, void, unknown> {
  for (const line of lines) yield* output.outputLine(line);
}

function checkString(action: string, argument: string, value: unknown): string {
  if (typeof value === "string") return value;
  throw wrongType(action, `${argument} must be a string`, value);
}
