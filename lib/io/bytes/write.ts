/**
 * Writing to a sink. `Write` is the rule of every write: of `write`, `writeOnce` and `writeEvent`
 * below. See `sink.ts` for the line in which they wait and for what a turn is.
 *
 * `write` and `writeOnce` wait for the end of their turn. In the turn they are still WAITING, and
 * stand in no list: whoever is cancelled then (`withdraw`) leaves the turn, which goes on without it.
 * A `writeEvent` waits for the beginning of its turn. That is its commit, by which it hands over a
 * copy; nothing of what happens in the turn is told to it any more.
 */
import { EventBase, type WaitNode } from "../../operation/event.ts";
import type { Event } from "../../operation/event_constructors.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import type { Awaitable } from "../../operation/types.ts";
import { FAILED, type Wait } from "../../operation/wait.ts";
import { checkBuffer } from "./check.ts";
import type { Sink, Turn, TurnNode, TurnRule, Writer } from "./sink.ts";
import { sinkOf, type WritableBytes } from "./sinks.ts";

/** How much a write event hands over at most. */
const MOST = 64 * 1024;

/** What is waited for: that all is written, one system write, or just for the turn. */
type Wanted = "all" | "one call" | "turn";

/** The rule of a write. It happens with how many bytes that were; "all" has nothing to tell. */
class Write extends EventBase<number> implements TurnRule {
  constructor(readonly sink: Sink, readonly bytes: Uint8Array, readonly wanted: Wanted) {
    super();
  }

  /** Nothing to write needs no turn. A write needs time, but a mere turn may be had at once. */
  override attempt(wait: Wait<unknown>): boolean {
    if (this.bytes.length === 0) {
      wait.value = this.#result(0);
      return true;
    }
    return this.wanted === "turn" && this.#takeTurn(wait);
  }

  #takeTurn(wait: Wait<unknown>): boolean {
    const { sink } = this;
    if (!sink.isIdle) return false;
    const failure = sink.takeFailure();
    if (failure === null) {
      if (!sink.isOpen) return false;
      const turn = this.#handOver();
      sink.handOver(turn);
      wait.value = turn.bytes.length;
    } else {
      wait.value = failure.error;
      wait.state = FAILED;
    }
    return true;
  }

  override enlist(node: WaitNode): void {
    this.sink.lineUp(node as unknown as TurnNode);
  }

  override withdraw(node: WaitNode): void {
    this.sink.leave(node as unknown as TurnNode);
  }

  begin(node: WaitNode): Turn {
    if (this.wanted !== "turn") {
      return { bytes: this.bytes, once: this.wanted === "one call", stable: false };
    }
    const turn = this.#handOver();
    node.complete(turn.bytes.length);
    return turn;
  }

  #handOver(): Turn {
    return { bytes: this.bytes.slice(0, MOST), once: false, stable: true };
  }

  written(node: WaitNode, count: number): void {
    if (this.wanted === "turn") return; // that was its commit
    node.complete(this.#result(count));
  }

  #result(count: number): number | undefined {
    return this.wanted === "all" ? undefined : count;
  }

  failed(node: WaitNode, error: unknown): void {
    node.fail(error);
  }

  describe(): string {
    return `a write to ${this.sink.describe()}`;
  }
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
  return new RuleWait(new Write(to, buffer, "one call"));
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
  return new RuleWait(new Write(to, buffer, "all"));
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
  return new Write(to, buffer, "turn");
}
