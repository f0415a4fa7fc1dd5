/** The sink that stands for whatever is written to; and the one for Web Streams, with its door. */
import { checkFunction, show, wrongType } from "../../internal/check.ts";
import { reportUncaught } from "../../internal/report.ts";
import { StreamClosedError } from "./errors.ts";
import { lockedByOthers } from "./sources.ts";
import { type Door, type Failure, Sink, type Writer } from "./sink.ts";

/** A Web Stream that takes bytes: those of the platform, a `CompressionStream`'s say, take more. */
export type WritableBytes = WritableStream<Uint8Array> | WritableStream<BufferSource>;

const sinks: WeakMap<object, Sink> = new WeakMap();

/**
 * The sink of `to`, made when it is first asked for. `to` is checked only then.
 *
 * @throws {TypeError} if it can't be written to
 */
export function sinkOf(action: string, to: Writer | WritableBytes): Sink {
  return sinks.get(to) ?? newSinkOf(action, to);
}

function newSinkOf(action: string, to: Writer | WritableBytes): Sink {
  if (to instanceof WritableStream) return writableSinkOf(to);
  checkWriter(action, to);
  const sink = new Sink(to);
  sinks.set(to, sink);
  return sink;
}

/** The same for a stream. */
export function writableSinkOf(stream: WritableBytes): WritableSink {
  let sink = sinks.get(stream) as WritableSink | undefined;
  if (sink === undefined) sinks.set(stream, sink = new WritableSink(new StreamWriter(stream)));
  return sink;
}

/** @throws {TypeError} unless `writer` is a `Writer` */
export function checkWriter(action: string, writer: Writer, argument = "sink"): void {
  if (typeof writer !== "object" && typeof writer !== "function" || writer === null) {
    throw wrongType(action, `${argument} must be an object with a method write`, writer);
  }
  if ((writer as unknown) instanceof WritableStream) {
    throw new TypeError(
      `Cannot ${action}: ${argument} is a WritableStream, which doesn't say how many bytes it took; use Output.fromWritable`,
    );
  }
  // Its `write` is another one: it takes the whole chunk, and keeps it.
  if (writer instanceof WritableStreamDefaultWriter) {
    throw new TypeError(
      `Cannot ${action}: ${argument} is ${
        show(writer)
      }, which doesn't say how many bytes it took; unlock the stream, and pass that`,
    );
  }
  checkFunction(action, `${argument}.write`, writer.write);
}

/**
 * A Web Stream as a writer that takes each chunk as a whole, and as the door of its sink. It is
 * locked by us from `approach` until `leave`, or as long as an output holds it:
 *
 *     FREE ──approach or open──▶ LOCKED ──leave──▶ FREE
 *     FREE or LOCKED ──hold──▶ HELD ──release, close or abort──▶ LOCKED if somebody waits, else FREE
 *
 * Unlocking takes no chunk back that was handed over. Whoever waits at the door is told to ask again.
 */
class StreamWriter implements Writer, Door {
  readonly #stream: WritableBytes;
  #writer: WritableStreamDefaultWriter<Uint8Array> | null = null;
  #held = false;
  /** Whether somebody was told what the stream failed with, or will be. */
  #told = false;

  constructor(stream: WritableBytes) {
    this.#stream = stream;
  }

  describe(): string {
    return "a WritableStream";
  }

  open(): "open" | "shut" | Failure {
    try {
      const { desiredSize } = this.#lock("write to the stream");
      return desiredSize !== null && desiredSize > 0 ? "open" : "shut";
    } catch (error) {
      return { error };
    }
  }

  whenOpen(onChange: (failure: Failure | null) => boolean): void {
    const writer = this.#writer!;
    writer.ready.then(() => {
      // It is ready, and yet wants nothing: it is closed, or will be.
      const isClosed = writer === this.#writer && (writer.desiredSize ?? 1) <= 0;
      onChange(isClosed ? { error: new StreamClosedError("write to the stream") } : null);
    }, (error) => {
      if (writer !== this.#writer) onChange(null);
      else if (onChange({ error })) this.#told = true;
    });
  }

  approach(): void {
    if (this.#writer === null && !this.#stream.locked) this.#lock("write to the stream");
  }

  leave(): void {
    if (this.#held || this.#writer === null) return;
    const writer = this.#writer;
    this.#writer = null; // first, for whoever waits at the door
    writer.releaseLock();
  }

  /** A stream may keep a chunk after it has taken it. */
  async write(chunk: Uint8Array): Promise<number> {
    const writer = this.#lock("write to the stream");
    try {
      await writer.write(chunk);
    } catch (error) {
      this.#told = true;
      // If it has not failed, it is being closed, which it doesn't say before.
      throw this.#hasFailed() ? error : new StreamClosedError("write to the stream");
    }
    return chunk.length;
  }

  hold(): void {
    if (this.#held) {
      throw new TypeError("Cannot make the output: an output holds the stream already");
    }
    this.#lock("make the output");
    this.#held = true;
  }

  /** Holds it no longer. Its sink lets go of it, once nobody waits there. */
  unhold(): void {
    this.#held = false;
  }

  /** Doesn't throw a failure that a write was told. */
  async close(): Promise<void> {
    const writer = this.#writer!;
    if (this.#told) return;
    if (writer.desiredSize === null) await writer.closed; // throws what the stream failed with
    await writer.close();
  }

  async abort(): Promise<void> {
    await this.#writer!.abort("the output was discarded");
  }

  /** A failure for which nobody waits any more. */
  failedLate(error: unknown): void {
    if (!this.#told) reportUncaught(error);
  }

  /** Whether it has failed, as far as can be told: also of one that was let go of. */
  #hasFailed(): boolean {
    if (this.#writer !== null) return this.#writer.desiredSize === null;
    if (this.#stream.locked) return true;
    const writer = this.#stream.getWriter();
    const { desiredSize } = writer;
    writer.releaseLock();
    return desiredSize === null;
  }

  /** The writer. @throws {TypeError} if somebody else has it */
  #lock(action: string): WritableStreamDefaultWriter<Uint8Array> {
    if (this.#writer === null) {
      if (this.#stream.locked) throw lockedByOthers(action);
      this.#writer = this.#stream.getWriter() as WritableStreamDefaultWriter<Uint8Array>;
    }
    return this.#writer;
  }
}

/** The sink of a Web Stream, which an output can hold. */
export class WritableSink extends Sink {
  readonly #stream: StreamWriter;

  constructor(stream: StreamWriter) {
    super(stream, stream);
    this.#stream = stream;
  }

  /** Keeps it locked. @throws {TypeError} if somebody else has it, or another output */
  hold(): void {
    this.#stream.hold();
  }

  release(): void {
    this.#stream.unhold();
    this.rest();
  }

  /** Closes what is held, and releases it. */
  async close(): Promise<void> {
    try {
      await this.#stream.close();
    } finally {
      this.release();
    }
  }

  /**
   * The same, at once: what was handed over and not written is lost. A stream aborts nothing before
   * the write that is under way has ended. That may be never, so then it isn't waited for.
   */
  async abort(): Promise<void> {
    const aborting = this.#stream.abort();
    try {
      if (this.isIdle) await aborting;
      else aborting.catch((error) => this.#stream.failedLate(error));
    } finally {
      this.release();
    }
  }
}
