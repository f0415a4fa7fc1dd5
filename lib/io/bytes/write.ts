/** Writing to a sink: as an operation, and as an event. See `writer.ts` for the protocol. */
import { type Arm, EventBase } from "../../operation/event.ts";
import { COLD, FAILED, inherit, type Wait } from "../../operation/wait.ts";
import type { SelectWait } from "../../operation/select_wait.ts";
import type { Event } from "../../operation/event_constructors.ts";
import type { Awaitable } from "../../operation/types.ts";
import { checkBuffer } from "../check.ts";
import type { Sink, Turn, TurnNode, Writer } from "./sink.ts";
import { sinkOf, type WritableBytes } from "./sinks.ts";

export interface Write extends Wait<number> {}

/** `once`: one system write, whose count it returns; else all of the bytes, and nothing. */
export class Write implements TurnNode {
  declare sink: Sink;
  declare bytes: Uint8Array;
  declare once: boolean;
  /** Whether its turn has begun. */
  declare begun: boolean;
  declare after: TurnNode | null;
  declare before: TurnNode | null;

  constructor(sink: Sink, bytes: Uint8Array, once: boolean) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.sink = sink;
    this.bytes = bytes;
    this.once = once;
    this.begun = false;
    this.after = null;
    this.before = null;
  }

  attempt(): boolean {
    if (this.bytes.length > 0) return false;
    if (this.once) this.value = 0;
    return true;
  }

  enlist(): void {
    this.sink.lineUp(this as TurnNode);
  }

  begin(): Turn {
    this.begun = true;
    return { bytes: this.bytes, once: this.once, stable: false };
  }

  written(count: number): void {
    this.complete((this.once ? count : undefined) as number);
  }

  failed(error: unknown): void {
    this.fail(error);
  }

  withdraw(): void {
    if (this.begun) this.sink.detach();
    else this.sink.leave(this as TurnNode);
  }

  describe(): string {
    return `a write to ${this.sink.describe()}`;
  }
}

inherit(Write);

/** How much a write event hands over at most. */
const MOST = 64 * 1024;

/**
 * Happens when the sink can begin a turn, which it does: the commit is the hand-over of a copy.
 */
export class WriteEvent extends EventBase<number> {
  constructor(readonly sink: Sink, readonly bytes: Uint8Array) {
    super();
  }

  override attempt(sync: SelectWait<unknown>): boolean {
    const { sink } = this;
    if (this.bytes.length === 0) {
      sync.value = 0;
      return true;
    }
    if (!sink.isIdle) return false;
    const failure = sink.takeFailure();
    if (failure === null) {
      if (!sink.isOpen) return false;
      const turn = this.turn();
      sink.take(turn);
      sync.value = turn.bytes.length;
    } else {
      sync.value = failure.error;
      sync.state = FAILED;
    }
    return true;
  }

  turn(): Turn {
    return { bytes: this.bytes.slice(0, MOST), once: false, stable: true };
  }

  override enlist(arm: Arm): void {
    const node = new ArmTurn(this, arm);
    arm.handle = { cancel: () => node.leave() };
    this.sink.lineUp(node);
  }

  describe(): string {
    return `a write to ${this.sink.describe()}`;
  }
}

/** An arm of a select in the line. It is chosen when its turn comes, and told nothing after that. */
class ArmTurn implements TurnNode {
  after: TurnNode | null = null;
  before: TurnNode | null = null;

  constructor(readonly event: WriteEvent, readonly arm: Arm) {}

  begin(): Turn {
    const turn = this.event.turn();
    this.arm.complete(turn.bytes.length);
    return turn;
  }

  written(): void {}

  failed(error: unknown): void {
    this.arm.fail(error);
  }

  /** Unless its turn has taken it out. */
  leave(): void {
    if (this.after !== null) this.event.sink.leave(this);
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
