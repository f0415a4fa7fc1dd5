import type { Event } from "../operation/event.ts";
import type { Awaitable } from "../operation/types.ts";
import { checkBuffer } from "./check.ts";
import { checkReader, type Reader, sourceOf } from "./reader.ts";
import { someInto } from "./rules.ts";
import { OPEN } from "./source.ts";
import { Take, TakeEvent } from "./take.ts";
import { Write, WriteEvent } from "./write.ts";
import { checkWriter, sinkOf, type Writer } from "./writer.ts";

/**
 * Reads from `source` into `buffer`: how many bytes, at least one. 0: the end, or that the other
 * side reset the connection, or an empty buffer, for which it never waits and asks nobody.
 *
 * Suspends. Cancelled, or not chosen, it loses no byte: what arrives later is there for the next
 * `read` of that source, whatever buffer it brings, and for an `Input` over it. Readers are served
 * in the order in which they came. The system is asked for no more than fits into the buffer, up to
 * 16 KiB.
 *
 * A Web Stream has another `read`; for that there is {@linkcode Input.fromReadable}.
 *
 * @throws {TypeError} if `source` has no method `read`, or `buffer` is not a `Uint8Array`
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
 */
export function read(source: Reader, buffer: Uint8Array): Awaitable<number> {
  checkReader("read", source);
  checkBuffer("read", "buffer", buffer);
  return new Take(sourceOf(source), someInto, buffer, OPEN);
}

/** `read` as an event: nothing is taken unless it is the one chosen. */
export function readEvent(source: Reader, buffer: Uint8Array): Event<number> {
  checkReader("read", source);
  checkBuffer("read", "buffer", buffer);
  return new TakeEvent(sourceOf(source), someInto, buffer, OPEN);
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
 * @throws {TypeError} if `sink` has no method `write`, or `buffer` is not a `Uint8Array`
 */
export function writeOnce(sink: Writer, buffer: Uint8Array): Awaitable<number> {
  checkWriter("write", sink);
  checkBuffer("write", "buffer", buffer);
  return new Write(sinkOf(sink), buffer, true);
}

/**
 * Writes the whole of `buffer` to `sink`.
 *
 * Suspends. Writers have their turns in the order in which they came, and the bytes of two never
 * mix. A write is never torn: cancelled before its turn, it has written nothing; cancelled in its
 * turn, it ends at once, and all of its bytes are written, before those of the next writer, who is
 * told if that fails. Either way the buffer is the caller's again.
 *
 * @throws {TypeError} if `sink` has no method `write`, or `buffer` is not a `Uint8Array`
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
 */
export function write(sink: Writer, buffer: Uint8Array): Awaitable<void> {
  checkWriter("write", sink);
  checkBuffer("write", "buffer", buffer);
  return new Write(sinkOf(sink), buffer, false) as Awaitable<unknown> as Awaitable<void>;
}

/**
 * An event that happens when it is its turn to write to `sink`; with how many bytes it has handed
 * over, which is all of `buffer`, up to 64 KiB. An empty buffer: 0, at once.
 *
 * Nothing is written unless it is the one chosen. The choice is the hand-over of a copy: from then
 * on the bytes are on their way, as a whole and before those of the next writer, who is told if
 * that fails.
 *
 * @throws {TypeError} if `sink` has no method `write`, or `buffer` is not a `Uint8Array`
 */
export function writeEvent(sink: Writer, buffer: Uint8Array): Event<number> {
  checkWriter("write", sink);
  checkBuffer("write", "buffer", buffer);
  return new WriteEvent(sinkOf(sink), buffer);
}
