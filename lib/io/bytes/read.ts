/**
 * Reading from a source. `Read` is the rule of every read: of `read` and `readEvent` below, and of
 * all the ways in which an `Input` reads. What tells them apart is the parser.
 *
 *     attempt ──▶ taken                            nobody else waits, and enough has come
 *        └──enlist──▶ in the source's list ──advance──▶ taken, and out of the list
 *                         ├──closed──▶ failed      its input was closed
 *                         └──withdraw──▶ gone      nothing was taken
 *
 *  - attempt: only if nobody waits, or it would overtake those who do. Two kinds of reads need not
 *    line up, though: one that wants no byte, and one through an input that is closed.
 *  - advance: by the source, for the first in the list, whenever something has come.
 *  - taken is the commit. If the waiter is gone by then, the bytes are put back (`giveBack`).
 *
 * An operation that takes in `attempt` turns that into its result at once, so it may be a view of the
 * source's queue. It is a copy if its waiter gets it later, or if a `select` took it, which may run
 * code of the user's in between.
 */
import { EventBase, type WaitNode } from "../../operation/event.ts";
import type { Event } from "../../operation/event_constructors.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import type { Awaitable } from "../../operation/types.ts";
import { FAILED, type Wait } from "../../operation/wait.ts";
import { checkBuffer } from "./check.ts";
import { StreamClosedError } from "./errors.ts";
import { MORE, type Parser, someInto } from "./parsers.ts";
import { type Reader, sourceOf } from "./reader.ts";
import { type Gate, OPEN, type ReadRule, type Source } from "./source.ts";

/** The rule of a read; `A`, `R` and `T` are the parser's. As an event it happens with what is taken. */
export class Read<A, R, T> extends EventBase<R> implements ReadRule {
  constructor(
    readonly source: Source,
    readonly parser: Parser<A, R, T>,
    readonly argument: A,
    readonly gate: Gate,
  ) {
    super();
  }

  override attempt(wait: Wait<unknown>): boolean {
    const { source, gate } = this;
    if (source.reads !== null && !gate.isClosed && this.wanted() > 0) return false;
    try {
      const taken = this.#take(!(wait instanceof RuleWait));
      if (taken === MORE) return false;
      wait.value = taken;
    } catch (error) {
      wait.value = error;
      wait.state = FAILED;
    }
    return true;
  }

  override enlist(node: WaitNode): void {
    this.source.enlist(node);
  }

  override withdraw(node: WaitNode): void {
    this.source.delist(node);
  }

  /** Whoever is first in the list may take, or fails. `complete` and `fail` take it out. */
  advance(node: WaitNode): boolean {
    let taken: R | typeof MORE;
    try {
      taken = this.#take(true);
    } catch (error) {
      node.fail(error);
      return true;
    }
    if (taken === MORE) return false;
    node.complete(taken);
    return true;
  }

  #take(keep: boolean): R | typeof MORE {
    if (this.gate.isClosed) throw new StreamClosedError("read from the input");
    return this.parser.take(this.source, this.argument, keep);
  }

  override closed(node: WaitNode): void {
    node.fail(new StreamClosedError("read from the input"));
  }

  override giveBack(taken: unknown): void {
    this.parser.giveBack(this.source, taken as R, this.argument);
  }

  override resultOf(taken: unknown): unknown {
    return this.parser.finish(taken as R, this.argument);
  }

  wanted(): number {
    return this.parser.wanted(this.argument);
  }

  describe(): string {
    return `${this.parser.what} from ${this.source.describe()}`;
  }
}

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
  return new RuleWait(new Read(from, someInto, buffer, OPEN));
}

/** `read` as an event: nothing is taken unless it is the one chosen. */
export function readEvent(
  source: Reader | ReadableStream<Uint8Array>,
  buffer: Uint8Array,
): Event<number> {
  const from = sourceOf("read", source);
  checkBuffer("read", "buffer", buffer);
  return new Read(from, someInto, buffer, OPEN);
}
