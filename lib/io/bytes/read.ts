/**
 * Taking bytes from a source: one operation, and one event, for all the ways to read. How much is
 * taken, and what becomes of it, is a rule; it takes everything it wants, or nothing.
 */
import type { FiberCore } from "../../fiber/core/fiber.ts";
import { type Arm, EventBase } from "../../operation/event.ts";
import { asSeenByOthers, COLD, FAILED, inherit, SPENT, type Wait } from "../../operation/wait.ts";
import type { SelectWait } from "../../operation/select_wait.ts";
import type { Event } from "../../operation/event_constructors.ts";
import type { Awaitable } from "../../operation/types.ts";
import { checkBuffer } from "../check.ts";
import { StreamClosedError } from "../errors.ts";
import { fiberOf } from "./hook_fiber.ts";
import { MORE, type Parser, someInto } from "./parsers.ts";
import { type Reader, sourceOf } from "./reader.ts";
import { type Gate, OPEN, type ReadNode, type Source } from "./source.ts";

export interface Take<A, R, T> extends Wait<T> {}

export class Take<A, R, T> implements ReadNode {
  declare source: Source;
  declare rule: Parser<A, R, T>;
  declare argument: A;
  declare gate: Gate;
  declare after: ReadNode | null;
  declare before: ReadNode | null;

  constructor(source: Source, rule: Parser<A, R, T>, argument: A, gate: Gate) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.source = source;
    this.rule = rule;
    this.argument = argument;
    this.gate = gate;
    this.after = null;
    this.before = null;
  }

  /** Not before those who wait, unless it wants nothing. */
  attempt(): boolean {
    return this.mayTake() && this.tryNow(false);
  }

  mayTake(): boolean {
    return this.source.reads === null || this.gate.isClosed || this.wanted() === 0;
  }

  tryNow(keep: boolean): boolean {
    try {
      if (this.gate.isClosed) throw new StreamClosedError("read from the input");
      const taken = this.rule.take(this.source, this.argument, keep);
      if (taken === MORE) return false;
      this.value = taken;
    } catch (error) {
      this.value = error;
      this.state = FAILED;
    }
    return true;
  }

  enlist(): void {
    this.source.enlist(this as ReadNode);
  }

  withdraw(): void {
    this.source.delist(this as ReadNode);
  }

  advance(): boolean {
    if (!this.tryNow(true)) return false;
    const { state, value } = this;
    this.withdraw();
    if (state === FAILED) this.fail(value);
    else this.complete(value as T);
    return true;
  }

  conclude(): T {
    const failed = this.state === FAILED;
    this.state = SPENT;
    if (failed) throw asSeenByOthers(this.value);
    return this.rule.finish(this.value as R, this.argument);
  }

  closed(): void {
    this.withdraw();
    this.fail(new StreamClosedError("read from the input"));
  }

  giveBack(): void {
    this.rule.giveBack(this.source, this.value as R, this.argument);
  }

  wanted(): number {
    return this.rule.wanted(this.argument);
  }

  fiber(): FiberCore<unknown> | null {
    return fiberOf(this.waiter);
  }

  describe(): string {
    return `${this.rule.what} from ${this.source.describe()}`;
  }
}

inherit(Take);

/** The same as an event, which happens with what the rule takes. */
export class TakeEvent<A, R> extends EventBase<R> {
  constructor(
    readonly source: Source,
    readonly rule: Parser<A, R, unknown>,
    readonly argument: A,
    readonly gate: Gate,
  ) {
    super();
  }

  override attempt(sync: SelectWait<unknown>): boolean {
    return (this.source.reads === null || this.gate.isClosed || this.wanted() === 0) &&
      this.tryNow(sync);
  }

  wanted(): number {
    return this.rule.wanted(this.argument);
  }

  tryNow(outcome: { value: unknown; state: number }): boolean {
    try {
      if (this.gate.isClosed) throw new StreamClosedError("read from the input");
      const taken = this.rule.take(this.source, this.argument, true);
      if (taken === MORE) return false;
      outcome.value = taken;
    } catch (error) {
      outcome.value = error;
      outcome.state = FAILED;
    }
    return true;
  }

  override enlist(arm: Arm): void {
    const node = new ArmNode(this as TakeEvent<unknown, unknown>, arm);
    arm.handle = { cancel: () => this.source.delist(node) };
    this.source.enlist(node);
  }

  override giveBack(taken: unknown): void {
    this.rule.giveBack(this.source, taken as R, this.argument);
  }

  describe(): string {
    return `${this.rule.what} from ${this.source.describe()}`;
  }
}

/** An arm of a select in a source's list. */
class ArmNode implements ReadNode {
  after: ReadNode | null = null;
  before: ReadNode | null = null;
  readonly gate: Gate;

  constructor(readonly event: TakeEvent<unknown, unknown>, readonly arm: Arm) {
    this.gate = event.gate;
  }

  /** The commit withdraws the arm, which takes this out of the list. */
  advance(): boolean {
    const outcome = { value: undefined as unknown, state: COLD };
    if (!this.event.tryNow(outcome)) return false;
    if (outcome.state === FAILED) this.arm.fail(outcome.value);
    else this.arm.complete(outcome.value);
    return true;
  }

  closed(): void {
    this.arm.fail(new StreamClosedError("read from the input"));
  }

  wanted(): number {
    return this.event.wanted();
  }

  fiber(): FiberCore<unknown> | null {
    return fiberOf(this.arm.sync!.waiter);
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
