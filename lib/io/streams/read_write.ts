import type { Event } from "../../operation/event_constructors.ts";
import type { Awaitable } from "../../operation/types.ts";
import { checkBuffer } from "../base/check.ts";
import { type Reader, sourceOf } from "./reader.ts";
import { someInto } from "./read_rules.ts";
import { sinkOf, type WritableBytes } from "./sinks.ts";
import { OPEN } from "./source.ts";
import { Take, TakeEvent } from "./input_waits.ts";
import { Write, WriteEvent } from "./write.ts";
import type { Writer } from "./sink.ts";

/**
 * Reads from `source` into `buffer`: how many bytes, at least one. 0: the end, or that the other
 * side reset the connection, or an empty buffer, for which it never waits and asks nobody.
 *
 * Suspends. Cancelled, or not chosen, it loses no byte: what arrives later is there for the next
 * `read` of that source, whatever buffer it brings, and for an `Input` over it. Readers are served
 * in the order in which they came. The system is asked for no more than fits into the buffer, up to
 * 16 KiB.
 *
 * A Web Stream is asked for one chunk at a time. It is locked as long as somebody waits, and no
 * longer: whoever was served, or has left, finds it unlocked. What didn't fit into the buffer, or
 * came too late for whoever has left, is there for the next `read` of that stream, and for an
 * `Input` over it, but for nobody else. Whoever waits throws what the stream fails with. An `Input`,
 * which keeps the lock, is the cheaper way through a whole stream.
 *
 * @throws {TypeError} if `source` is not a `ReadableStream` and has no method `read`, or `buffer` is
 * not a `Uint8Array`; once it waits, if somebody else has locked the stream, or its chunks aren't
 * `Uint8Array`s
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { read } from "@weft/weft/io";
 *
 * const source = {
 *   read(p: Uint8Array) {
 *     p.set([1, 2, 3]);
 *     return Promise.resolve(3);
 *   },
 * };
 * const buffer = new Uint8Array(10);
 * assertEquals(await main(() => read(source, buffer)), 3);
 * assertEquals(buffer.subarray(0, 3), new Uint8Array([1, 2, 3]));
 * ```
 *
 * @example A Web Stream
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { Input, read } from "@weft/weft/io";
 *
 * const stream = new Response("a greeting\nand more").body!;
 * await main(function* () {
 *   assertEquals(yield* read(stream, new Uint8Array(2)), 2); // "a "
 *   assertEquals(stream.locked, false);
 *   const input = Input.fromReadable(stream); // shares what the buffer had no room for
 *   assertEquals(yield* input.readLine(), { value: "greeting" });
 *   yield* input.close();
 * });
 * ```
 */
export function read(
  source: Reader | ReadableStream<Uint8Array>,
  buffer: Uint8Array,
): Awaitable<number> {
  const from = sourceOf("read", source);
  checkBuffer("read", "buffer", buffer);
  return new Take(from, someInto, buffer, OPEN);
}

/** `read` as an event: nothing is taken unless it is the one chosen. */
export function readEvent(
  source: Reader | ReadableStream<Uint8Array>,
  buffer: Uint8Array,
): Event<number> {
  const from = sourceOf("read", source);
  checkBuffer("read", "buffer", buffer);
  return new TakeEvent(from, someInto, buffer, OPEN);
}

/**
 * Writes bytes from the front of `buffer` to `sink`, in one system write: how many, at least one,
 * at most 64 KiB. An empty buffer: 0, at once.
 *
 * Suspends. Writers have their turns in the order in which they came. Cancelled before its turn, it
 * has written nothing. A system write can't be called back: cancelled in its turn, it ends at once,
 * but the bytes of that one system write are on their way; the next writer waits for it, and is the
 * one to be told if it fails.
 *
 * To a Web Stream, which it locks as `write` does, it is one chunk.
 *
 * @throws {TypeError} if `sink` is not a `WritableStream` and has no method `write`, or `buffer` is
 * not a `Uint8Array`
 */
export function writeOnce(
  sink: Writer | WritableBytes,
  buffer: Uint8Array,
): Awaitable<number> {
  const to = sinkOf("write", sink);
  checkBuffer("write", "buffer", buffer);
  return new Write(to, buffer, true);
}

/**
 * Writes the whole of `buffer` to `sink`.
 *
 * Suspends. Writers have their turns in the order in which they came, and the bytes of two never
 * mix. A write is never torn: cancelled before its turn, it has written nothing; cancelled in its
 * turn, it ends at once, and all of its bytes are written, before those of the next writer, who is
 * told if that fails. Either way the buffer is the caller's again.
 *
 * To a Web Stream it is one chunk, a copy, and its turn comes when that stream wants more: while it
 * has enough, a cancelled write has written nothing. It returns when the stream has written the
 * chunk: a `TransformStream` does when somebody reads from its other side. The stream is locked as
 * long as somebody waits, and no longer: whoever has written, or has left, finds it unlocked, to
 * close it for example.
 *
 * @throws {TypeError} if `sink` is not a `WritableStream` and has no method `write`, or `buffer` is
 * not a `Uint8Array`; once it waits, if somebody else has locked the stream
 * @throws {StreamClosedError} if the stream is closed
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { write } from "@weft/weft/io";
 *
 * const written: number[] = [];
 * const sink = {
 *   write(p: Uint8Array) { // takes two bytes at a time
 *     written.push(...p.subarray(0, 2));
 *     return Promise.resolve(Math.min(2, p.length));
 *   },
 * };
 * await main(() => write(sink, new Uint8Array([1, 2, 3])));
 * assertEquals(written, [1, 2, 3]);
 * ```
 *
 * @example A Web Stream
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { all, fromPromise, main } from "@weft/weft";
 * import { write } from "@weft/weft/io";
 *
 * const { readable, writable } = new TextDecoderStream();
 * function* produce() {
 *   for (const byte of [0xc3, 0xa4]) yield* write(writable, new Uint8Array([byte]));
 *   yield* fromPromise(writable.close());
 * }
 * const consume = () => fromPromise(Array.fromAsync(readable));
 * const [, chunks] = await main(() => all([produce, consume]));
 * assertEquals(chunks, ["ä"]);
 * ```
 */
export function write(
  sink: Writer | WritableBytes,
  buffer: Uint8Array,
): Awaitable<void> {
  const to = sinkOf("write", sink);
  checkBuffer("write", "buffer", buffer);
  return new Write(to, buffer, false) as Awaitable<unknown> as Awaitable<void>;
}

/**
 * An event that happens when it is its turn to write to `sink`; with how many bytes it has handed
 * over, which is all of `buffer`, up to 64 KiB. An empty buffer: 0, at once.
 *
 * Nothing is written unless it is the one chosen. The choice is the hand-over of a copy: from then
 * on the bytes are on their way, as a whole and before those of the next writer, who is told if
 * that fails. A Web Stream that has enough is not ready for it; it is locked until it has the copy,
 * soon.
 *
 * @throws {TypeError} if `sink` is not a `WritableStream` and has no method `write`, or `buffer` is
 * not a `Uint8Array`; once it waits, if somebody else has locked the stream
 * @throws {StreamClosedError} if the stream is closed
 */
export function writeEvent(
  sink: Writer | WritableBytes,
  buffer: Uint8Array,
): Event<number> {
  const to = sinkOf("write", sink);
  checkBuffer("write", "buffer", buffer);
  return new WriteEvent(to, buffer);
}
