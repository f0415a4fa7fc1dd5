/** The sources behind which there is no `Reader`: hooks of the user's, bytes in memory, Web Streams. */
import { show, wrongType } from "../../internal/check.ts";
import type { WaitNode } from "../../operation/event.ts";
import type { CancelHandle } from "../../operation/types.ts";
import { fiberOf, type HookEnd, type HookResult, startHookFiber } from "./hook_fiber.ts";
import { ruleOf, Source } from "./source.ts";

/**
 * A hook of the user's that reads into a buffer, and may suspend. It runs in a fiber of its own, in
 * the scope of the fiber that waits longest. If that one leaves, the hook is aborted, or it would keep
 * the scope from ending; then it runs anew, for whoever waits next.
 */
export class HookSource extends Source {
  #hookFiber: CancelHandle | null = null;
  #read: WaitNode | null = null;

  constructor(readonly input: (buffer: Uint8Array) => HookResult<number>) {
    super();
  }

  describe(): string {
    return "an input";
  }

  protected pull(read: WaitNode): void {
    const space = this.bytes.reserve(ruleOf(read).wanted());
    this.#read = read;
    this.#hookFiber = startHookFiber<number>({
      name: "input",
      fiber: fiberOf(read.waiter),
      hook: () => this.input(space),
      onEnd: (end) => this.#ended(space.length, end),
    });
  }

  protected override reconsider(): void {
    const read = this.#read;
    // Whoever stands in the list has an `after`.
    if (read !== null && read.after === null) this.#stop();
  }

  #stop(): void {
    const hookFiber = this.#hookFiber;
    this.#hookFiber = null;
    this.#read = null;
    hookFiber?.cancel();
  }

  #ended(most: number, end: HookEnd<number>): void {
    this.#hookFiber = null;
    this.#read = null;
    const count = end !== "aborted" && end.ok ? end.value : 0;
    const isCount = Number.isInteger(count) && count >= 0 && count <= most;
    this.bytes.filled(isCount ? count : 0);
    if (end === "aborted") this.gaveUp();
    else if (!end.ok) this.failed(end.error);
    else if (!isCount) this.failed(badCount(most, count));
    else if (count === 0) this.ended();
    else this.arrived();
  }
}

function badCount(most: number, count: unknown): TypeError {
  return new TypeError(
    `Cannot read from the input: its hook must return an integer from 0 (the end) to ${most}, ` +
      `got ${show(count)}`,
  );
}

/** Bytes that are all there. */
export class BytesSource extends Source {
  constructor(bytes: Uint8Array) {
    super();
    this.bytes.adopt(bytes);
  }

  describe(): string {
    return "bytes in memory";
  }

  /** All has come, so nobody ever waits. */
  override atEnd(): boolean {
    return true;
  }

  protected pull(): void {}
}

/** A stream that is kept locked. */
export interface Held {
  /** Tells the stream that nobody will read on, and lets go of it. */
  cancel(): Promise<void>;
  /** Lets go of it: whoever waits, or comes, reads on. */
  release(): void;
}

/**
 * A Web Stream. It is locked by us exactly as long as a read waits, or an input holds it. So whoever
 * was served, or has left, can cancel it, pipe it, or give it away:
 *
 *     FREE ──a read enlists──▶ LOCKED ──the last read is served, or leaves──▶ FREE
 *     FREE or LOCKED ──hold──▶ HELD ──release or cancel──▶ LOCKED if somebody waits, else FREE
 *
 * Unlocking takes back a read of the stream that is under way: its chunk stays in the stream. If the
 * read has brought one by then, that is parked here, as is what a buffer had no room for. There is one
 * pull at a time all the same: the next begins when the one that was taken back has said so.
 */
export class ReadableSource extends Source {
  readonly #stream: ReadableStream<Uint8Array>;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #held = false;
  #errored = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    super();
    this.#stream = stream;
  }

  describe(): string {
    return "a ReadableStream";
  }

  /** Keeps it locked, for an input. */
  hold(): Held {
    if (this.#held) throw new TypeError("Cannot make the input: an input holds the stream already");
    this.#lock("make the input");
    this.#held = true;
    return { cancel: () => this.#cancel(), release: () => this.#release() };
  }

  override enlist(read: WaitNode): void {
    if (!this.#stream.locked) this.#lock("read from the stream"); // else it is ours, or the pull fails
    super.enlist(read);
  }

  override delist(read: WaitNode): void {
    super.delist(read);
    this.#rest();
  }

  /** In a microtask: `read` may run the `pull` of an underlying source, which is the user's code. */
  protected pull(): void {
    queueMicrotask(this.#start);
  }

  readonly #start = (): void => {
    if (this.reads === null) return this.gaveUp();
    let reader: ReadableStreamDefaultReader<Uint8Array>;
    try {
      reader = this.#lock("read from the stream");
    } catch (error) {
      return this.failed(error);
    }
    reader.read().then(
      ({ done, value }) => {
        if (done) this.ended();
        else if (value instanceof Uint8Array) this.arrivedAs(value);
        else this.failed(badChunk(value));
      },
      (error) => {
        if (reader !== this.#reader) return this.gaveUp(); // taken back; a failure stays one
        this.#errored = true;
        this.failed(error);
      },
    );
  };

  /** The reader. @throws {TypeError} if somebody else has it */
  #lock(action: string): ReadableStreamDefaultReader<Uint8Array> {
    if (this.#reader === null) {
      if (this.#stream.locked) throw lockedByOthers(action);
      this.#reader = this.#stream.getReader();
    }
    return this.#reader;
  }

  #rest(): void {
    if (this.reads !== null || this.#held || this.#reader === null) return;
    const reader = this.#reader;
    this.#reader = null; // first, for those whose read this takes back
    reader.releaseLock();
  }

  #release(): void {
    this.#held = false;
    this.#rest();
  }

  async #cancel(): Promise<void> {
    try {
      await this.#reader!.cancel("the input was closed");
    } catch (error) {
      if (!this.#errored) throw error; // else it is the failure that was told before
    } finally {
      this.#release();
    }
  }
}

/** Somebody else has the lock of a stream. */
export function lockedByOthers(action: string): TypeError {
  return new TypeError(`Cannot ${action}: the stream is locked by somebody else`);
}

function badChunk(value: unknown): TypeError {
  return wrongType("read from the stream", "its chunks must be Uint8Arrays", value);
}
