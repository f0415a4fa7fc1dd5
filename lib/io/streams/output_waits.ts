/**
 * The waits of an output, as rules: `Append`, for room, and `Flush`, until all is written. The
 * protocol is that of `output_buffer.ts`; here is what each does in it.
 *
 *     Append: attempt ──▶ appended                   nobody else waits, and there is room
 *                └──enlist──▶ in line ──advance──▶ appended, or failed with what breaks the output
 *                                └──withdraw──▶ gone: nothing was output
 *
 * All of its bytes are appended or none. Text is encoded straight into the buffer, if it is sure to
 * fit: a code unit takes three bytes at most. Otherwise it is encoded first, to know its length, and
 * that is kept for the next try.
 *
 *     Flush: attempt ──▶ done                        all that was accepted is written and flushed
 *                └──enlist──▶ in line ──flushed──▶ done, or failed
 *                                └──withdraw──▶ gone: what was output stays where it is
 */
import type { FiberCore } from "../../fiber/core/mod.ts";
import { EventBase, type WaitNode } from "../../operation/event.ts";
import { FAILED, type Wait } from "../../operation/wait.ts";
import { ByteQueue, fiberNow, fiberOf } from "../bytes/mod.ts";
import type { AppendRule, FlushNode, FlushRule, OutputBuffer } from "./output_buffer.ts";

const encoder = new TextEncoder();

/** To append bytes, or text in UTF-8, or all that is in a queue. */
export class Append extends EventBase<void> implements AppendRule {
  constructor(readonly buffer: OutputBuffer, public content: Uint8Array | string | ByteQueue) {
    super();
  }

  override attempt(wait: Wait<unknown>): boolean {
    if (this.buffer.appends !== null) return false; // it would overtake those who wait
    try {
      wait.value = undefined;
      return this.#append(null);
    } catch (error) {
      wait.value = error;
      wait.state = FAILED;
      return true;
    }
  }

  override enlist(node: WaitNode): void {
    this.buffer.enlistAppend(node);
  }

  override withdraw(node: WaitNode): void {
    this.buffer.delistAppend(node);
  }

  advance(node: WaitNode): boolean {
    let done: boolean;
    try {
      done = this.#append(fiberOf(node.waiter));
    } catch (error) {
      node.fail(error);
      return true;
    }
    if (done) node.complete(undefined);
    return done;
  }

  /** `waiter`: the fiber that waits; if nobody did, it is the one that runs. */
  #append(waiter: FiberCore<unknown> | null): boolean {
    const { buffer, content } = this;
    const { filling } = buffer;
    const fiber = waiter ?? fiberNow();
    if (typeof content === "string") {
      const most = 3 * content.length;
      if (filling.length + most > buffer.capacity) {
        this.content = encoder.encode(content);
        return this.#append(waiter);
      }
      buffer.check();
      const { length } = filling;
      filling.appendBy(most, (space) => encoder.encodeInto(content, space).written);
      buffer.appended(filling.length - length, fiber);
      return true;
    }
    const { length } = content;
    if (!buffer.admits(length, fiber)) return false;
    // `filling` may be another one by now: `admits` hands it over.
    if (content instanceof ByteQueue) content.pourInto(buffer.filling);
    else buffer.filling.append(content);
    buffer.appended(length, fiber);
    return true;
  }

  describe(): string {
    return `room in ${this.buffer.drain.describe()}`;
  }
}

/** To wait until everything that was accepted before is written. */
export class Flush extends EventBase<void> implements FlushRule {
  /** How many bytes had been accepted when the wait began. */
  target = 0;

  constructor(readonly buffer: OutputBuffer) {
    super();
  }

  override attempt(wait: Wait<unknown>): boolean {
    const { buffer } = this;
    try {
      buffer.check();
    } catch (error) {
      wait.value = error;
      wait.state = FAILED;
      return true;
    }
    wait.value = undefined;
    this.target = buffer.accepted;
    return buffer.isFlushed(this.target);
  }

  override enlist(node: WaitNode): void {
    this.buffer.enlistFlush(node as unknown as FlushNode);
  }

  override withdraw(node: WaitNode): void {
    this.buffer.delistFlush(node as unknown as FlushNode);
  }

  flushed(node: WaitNode, failure: { readonly error: unknown } | null): void {
    if (failure === null) node.complete(undefined);
    else node.fail(failure.error);
  }

  describe(): string {
    return `a flush of ${this.buffer.drain.describe()}`;
  }
}
