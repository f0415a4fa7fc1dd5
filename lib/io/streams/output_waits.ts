/** The waits of an output: for room, and for what is in it to be written. */
import type { FiberCore } from "../../fiber/core/mod.ts";
import { COLD, FAILED, inherit, type Wait } from "../../operation/wait.ts";
import { ByteQueue, fiberNow, fiberOf } from "../bytes/mod.ts";
import type { FlushNode, OutputBuffer, OutputNode } from "./output_buffer.ts";

const encoder = new TextEncoder();

export interface Put extends Wait<void> {}

/** Outputs bytes, or text in UTF-8, or all that is in a queue. */
export class Put implements OutputNode {
  declare buffered: OutputBuffer;
  declare content: Uint8Array | string | ByteQueue;
  declare after: OutputNode | null;
  declare before: OutputNode | null;

  constructor(buffered: OutputBuffer, content: Uint8Array | string | ByteQueue) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.buffered = buffered;
    this.content = content;
    this.after = null;
    this.before = null;
  }

  attempt(): boolean {
    try {
      return this.buffered.puts === null && this.tryNow(null);
    } catch (error) {
      this.value = error;
      this.state = FAILED;
      return true;
    }
  }

  /** `fiber`: who waits; if nobody did, it is the one that runs. */
  tryNow(fiber: FiberCore<unknown> | null): boolean {
    const { buffered, content } = this;
    const { filling } = buffered;
    if (typeof content === "string") {
      const most = 3 * content.length; // the most that so many code units can take
      if (filling.length + most > buffered.capacity) {
        this.content = encoder.encode(content);
        return this.tryNow(fiber);
      }
      buffered.check();
      const { length } = filling;
      filling.appendBy(most, (space) => encoder.encodeInto(content, space).written);
      buffered.put(filling.length - length, fiber ?? fiberNow());
      return true;
    }
    const { length } = content;
    if (!buffered.admits(length, fiber ?? fiberNow())) return false;
    if (content instanceof ByteQueue) content.pourInto(buffered.filling);
    else buffered.filling.append(content);
    buffered.put(length, fiber ?? fiberNow());
    return true;
  }

  enlist(): void {
    this.buffered.waitToPut(this as OutputNode);
  }

  withdraw(): void {
    this.buffered.leavePuts(this as OutputNode);
  }

  advance(): boolean {
    let done: boolean;
    try {
      done = this.tryNow(this.fiber());
    } catch (error) {
      this.refuse(error);
      return true;
    }
    if (!done) return false;
    this.withdraw();
    this.complete(undefined);
    return true;
  }

  refuse(error: unknown): void {
    this.withdraw();
    this.fail(error);
  }

  fiber(): FiberCore<unknown> | null {
    return fiberOf(this.waiter);
  }

  describe(): string {
    return `room in ${this.buffered.drain.describe()}`;
  }
}

inherit(Put);

export interface Flush extends Wait<void> {}

/** Waits until everything that was accepted before it is written. */
export class Flush implements FlushNode {
  declare buffered: OutputBuffer;
  declare target: number;
  declare after: FlushNode | null;
  declare before: FlushNode | null;

  constructor(buffered: OutputBuffer) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.buffered = buffered;
    this.target = 0;
    this.after = null;
    this.before = null;
  }

  attempt(): boolean {
    const { buffered } = this;
    try {
      buffered.check();
    } catch (error) {
      this.value = error;
      this.state = FAILED;
      return true;
    }
    this.target = buffered.accepted;
    return buffered.isFlushed(this.target);
  }

  enlist(): void {
    this.buffered.waitToFlush(this as FlushNode);
  }

  withdraw(): void {
    this.buffered.leaveFlushes(this as FlushNode);
  }

  flushed(failure: { readonly error: unknown } | null): void {
    this.withdraw();
    if (failure === null) this.complete(undefined);
    else this.fail(failure.error);
  }

  fiber(): FiberCore<unknown> | null {
    return fiberOf(this.waiter);
  }

  describe(): string {
    return `a flush of ${this.buffered.drain.describe()}`;
  }
}

inherit(Flush);
