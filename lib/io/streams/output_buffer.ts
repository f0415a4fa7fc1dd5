/**
 * The buffer of an output, and who waits for it.
 *
 *     filling ──hand over──▶ draining ──▶ written
 *
 * What is output goes into `filling`; once that is full, it becomes what is `draining`, and the
 * next ones fill another. So an output waits only while one buffer drains and the other is full.
 *
 *  - An `Append` puts all of its bytes into `filling`, which is its commit, or waits. It need not wait
 *    if they fit, or if nothing drains: then `filling` is handed over first, and they go into an empty
 *    one, however many they are. So at most two buffers and the largest single output are in memory,
 *    and what is cancelled has output nothing.
 *  - A `Flush` waits until as many bytes are written as were accepted when it began, and until the
 *    drain has been flushed after that. While one waits, whatever is in `filling` is handed over.
 *
 * A drain that fails breaks the output for good: what comes after must not be written behind a gap.
 * Whoever waits, and whoever comes, gets that failure; `close` tells it if nobody else was told.
 *
 * A drain that was cancelled has written nothing: its hook belonged to a fiber that was aborted. What
 * is draining stays, and is written again as soon as somebody waits for it.
 */
import { append, count, type Linked, remove } from "../../internal/circle.ts";
import type { FiberCore } from "../../fiber/core/mod.ts";
import type { WaitNode } from "../../operation/event.ts";
import type { Waiter } from "../../operation/wait.ts";
import { ByteQueue, fiberOf, StreamClosedError } from "../bytes/mod.ts";
import type { Drain, DrainEnd, HookOwner } from "./drain.ts";

/** What a buffer asks the rule of an append that waits for room. */
export interface AppendRule {
  /** Appends for `node`, if there is room: then that has left the list and has committed. */
  advance(node: WaitNode): boolean;
}

/** Who waits until what was accepted is written: an operation, or the closing of the output. */
export interface FlushNode extends Linked<FlushNode> {
  readonly rule: FlushRule;
  /** For whom the hooks run. */
  readonly waiter: Waiter | null;
}

/** What a buffer asks and tells, for a `node` of the list of flushes; see `TurnRule` of `sink.ts`. */
export interface FlushRule {
  /** How many bytes must have been written, since the beginning. */
  readonly target: number;
  /** All is written, or it failed: takes the node out of the list. */
  flushed(node: unknown, failure: { readonly error: unknown } | null): void;
}

/** Called when all is written, or can't be. */
type OnFinished = (failure: { readonly error: unknown } | null) => void;

/** The flush of a closing: no operation, so it is its own rule. `waiter` is who closes. */
class LastFlush implements FlushNode, FlushRule {
  after: FlushNode | null = null;
  before: FlushNode | null = null;
  readonly rule: FlushRule = this;
  readonly target: number;

  constructor(
    readonly buffer: OutputBuffer,
    readonly waiter: FiberCore<unknown> | null,
    readonly onFinished: OnFinished,
  ) {
    this.target = buffer.accepted;
  }

  flushed(_node: unknown, failure: { readonly error: unknown } | null): void {
    this.buffer.delistFlush(this);
    this.onFinished(failure);
  }
}

export class OutputBuffer {
  readonly drain: Drain;
  readonly capacity: number;
  /** Bytes, since the beginning. */
  accepted = 0;
  /** Who waits for room. */
  appends: WaitNode | null = null;
  /** Who waits until all is written. */
  flushes: FlushNode | null = null;
  closed = false;
  #filling = new ByteQueue();
  /** What the drain is writing, or has left because it was cancelled. */
  #draining = new ByteQueue();
  #written = 0;
  /** How many bytes had been written when the drain was flushed last. */
  #flushed = 0;
  #busy: "no" | "writing" | "flushing" = "no";
  #failure: { readonly error: unknown } | null = null;
  #told = false;

  constructor(drain: Drain, capacity: number) {
    this.drain = drain;
    this.capacity = capacity;
  }

  /** The bytes that have not been handed over. */
  get filling(): ByteQueue {
    return this.#filling;
  }

  /** How many bytes are accepted and not written. */
  get pending(): number {
    return this.#filling.length + this.#draining.length;
  }

  /** How many wait, for room or for a flush: O(n), for tests and people. */
  get waiting(): number {
    return count(this.appends) + count(this.flushes);
  }

  /** Whether so many bytes can be appended now; if need be, hands over what is in their way. */
  admits(byteCount: number, fiber: FiberCore<unknown> | null): boolean {
    this.check();
    if (this.#filling.length + byteCount <= this.capacity) return true;
    if (this.#filling.length > 0 && this.#isFree) this.#handOver(fiber);
    return this.#filling.length === 0;
  }

  /** So many bytes were appended to `filling`. */
  appended(byteCount: number, fiber: FiberCore<unknown> | null): void {
    this.accepted += byteCount;
    if (this.#filling.length >= this.capacity && this.#isFree) this.#handOver(fiber);
  }

  /** Whether everything up to `target` is written and flushed. */
  isFlushed(target: number): boolean {
    return this.#written >= target && this.#flushed >= target;
  }

  /** @throws what it failed with, or that it is closed */
  check(): void {
    const failure = this.takeFailure();
    if (failure !== null) throw failure.error;
    if (this.closed) throw new StreamClosedError("write to the output");
  }

  /** What the drain failed with; whoever asks is told. */
  takeFailure(): { readonly error: unknown } | null {
    if (this.#failure !== null) this.#told = true;
    return this.#failure;
  }

  enlistAppend(node: WaitNode): void {
    this.appends = append(this.appends, node);
    this.#advance();
  }

  delistAppend(node: WaitNode): void {
    this.appends = remove(this.appends, node);
  }

  enlistFlush(node: FlushNode): void {
    this.flushes = append(this.flushes, node);
    this.#advance();
  }

  delistFlush(node: FlushNode): void {
    this.flushes = remove(this.flushes, node);
  }

  /**
   * Accepts nothing any more, and writes what was accepted on behalf of `closer`; then calls back,
   * with a failure that nobody was told.
   */
  finish(closer: FiberCore<unknown> | null, onFinished: OnFinished): void {
    this.#refuse();
    if (this.#failure !== null) onFinished(this.#told ? null : this.takeFailure());
    else if (this.isFlushed(this.accepted)) this.#settle(onFinished);
    else this.enlistFlush(new LastFlush(this, closer, onFinished));
  }

  #settle(onFinished: OnFinished): void {
    if (this.drain.settle === undefined) return onFinished(null);
    this.drain.settle((end) => onFinished(end.kind === "failed" ? end : null));
  }

  #refuse(): void {
    this.closed = true;
    while (this.appends !== null) this.appends.fail(new StreamClosedError("write to the output"));
  }

  /** Forgets what is not written. */
  discard(): void {
    this.#refuse();
    const error = new StreamClosedError("write to the output", "was discarded");
    this.#failure ??= { error };
    this.#told = true;
    this.#filling.clear();
    this.drain.discard();
    const failure = { error };
    while (this.flushes !== null) this.flushes.rule.flushed(this.flushes, failure);
  }

  /** Whether a full buffer can be handed over. */
  get #isFree(): boolean {
    return this.#busy === "no" && this.#draining.length === 0;
  }

  #handOver(fiber: FiberCore<unknown> | null): void {
    [this.#filling, this.#draining] = [this.#draining, this.#filling];
    this.#write(fiber);
  }

  #write(fiber: FiberCore<unknown> | null): void {
    this.#busy = "writing";
    const draining = this.#draining;
    this.drain.write(draining.view(draining.length), this.#owner(fiber), this.#onWritten);
  }

  /** Nobody has added to what is draining meanwhile. */
  readonly #onWritten = (end: DrainEnd): void => {
    this.#busy = "no";
    if (end.kind === "done") {
      const { length } = this.#draining;
      this.#written += length;
      this.#draining.consume(length);
    }
    this.#ended(end);
  };

  /** Once it is closed, what is left is written whatever happens to whoever closes it. */
  #owner(fiber: FiberCore<unknown> | null): HookOwner {
    return { fiber, abortable: !this.closed };
  }

  /** Nothing is written until it is over. */
  #flush(fiber: FiberCore<unknown> | null): void {
    this.#busy = "flushing";
    this.drain.flush(this.#owner(fiber), this.#onFlushed);
  }

  readonly #onFlushed = (end: DrainEnd): void => {
    this.#busy = "no";
    if (end.kind === "done") this.#flushed = this.#written;
    this.#ended(end);
  };

  #ended(end: DrainEnd): void {
    if (end.kind === "failed") this.#failure ??= end;
    if (this.#failure !== null) {
      this.#filling.clear();
      this.#draining.clear();
    }
    this.#advance();
  }

  /** Serves those who wait, as far as possible, and has the drain work on what the others wait for. */
  #advance(): void {
    const failure = this.#failure;
    if (failure !== null) return this.#fail(failure);
    while (this.flushes !== null && this.isFlushed(this.flushes.rule.target)) {
      this.flushes.rule.flushed(this.flushes, null);
    }
    while (this.appends !== null && advance(this.appends));
    if (this.#busy !== "no") return;
    const { flushes } = this;
    const first = flushes ?? this.appends;
    const fiber = fiberOf(first?.waiter ?? null);
    if (this.#draining.length > 0) { // it was cancelled, and goes on when somebody waits
      if (first !== null) this.#write(fiber);
    } else if (this.#filling.length >= this.capacity) this.#handOver(fiber);
    else if (flushes !== null && this.#written < flushes.rule.target) this.#handOver(fiber);
    else if (flushes !== null) this.#flush(fiber);
  }

  #fail(failure: { readonly error: unknown }): void {
    while (this.appends !== null) {
      this.#told = true;
      this.appends.fail(failure.error);
    }
    while (this.flushes !== null) {
      this.#told = true;
      this.flushes.rule.flushed(this.flushes, failure);
    }
  }
}

function advance(node: WaitNode): boolean {
  return (node.rule as unknown as AppendRule).advance(node);
}
