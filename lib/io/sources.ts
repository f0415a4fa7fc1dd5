/** The sources that are no `Reader`: hooks of the user's, bytes that are there, Web Streams. */
import { show } from "../internal/check.ts";
import type { CancelHandle } from "../operation/event_base.ts";
import { type HelperEnd, type HookResult, startHelper } from "./helper.ts";
import { Source, type TakerNode } from "./source.ts";

/**
 * A hook of the user's that reads into a buffer, and may suspend. It runs in a helper of the fiber
 * that waits longest. If that one leaves, the helper is aborted, or it would keep the scope from
 * ending; whoever waits next gets a helper of its own.
 */
export class HookSource extends Source {
  #helper: CancelHandle | null = null;
  #taker: TakerNode | null = null;

  constructor(readonly input: (buffer: Uint8Array) => HookResult<number>) {
    super();
  }

  describe(): string {
    return "an input";
  }

  protected pull(taker: TakerNode): void {
    const space = this.bytes.reserve(taker.wanted());
    this.#taker = taker;
    this.#helper = startHelper<number>({
      name: "input",
      fiber: taker.fiber(),
      hook: () => this.input(space),
      onEnd: (end) => this.#ended(space.length, end),
    });
  }

  protected override reconsider(): void {
    const taker = this.#taker;
    // Whoever waits in the list has an `after`, and it was the first.
    if (taker !== null && taker.after === null) this.#stop();
  }

  #stop(): void {
    const helper = this.#helper;
    this.#helper = null;
    this.#taker = null;
    helper?.cancel();
  }

  #ended(most: number, end: HelperEnd<number>): void {
    this.#helper = null;
    this.#taker = null;
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

/** A Web Stream. A chunk that comes when nobody waits any more is parked (T28). */
export class ReadableSource extends Source {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #errored = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    super();
    this.#reader = stream.getReader();
  }

  describe(): string {
    return "a ReadableStream";
  }

  /** The spec runs nothing of the user's within `read`, but a `pull` of an underlying source. */
  protected pull(): void {
    queueMicrotask(() => {
      if (this.takers === null) return this.gaveUp();
      this.#reader.read().then(
        ({ done, value }) => {
          if (done) this.ended();
          else if (value instanceof Uint8Array) this.arrivedAs(value);
          else this.failed(badChunk(value));
        },
        (error) => {
          this.#errored = true;
          this.failed(error);
        },
      );
    });
  }

  /** Tells the stream that nobody will read on. */
  async cancel(): Promise<void> {
    try {
      await this.#reader.cancel("the input was closed");
    } catch (error) {
      if (!this.#errored) throw error; // else it is the failure that was told before
    } finally {
      this.#reader.releaseLock();
    }
  }

  /** Leaves the stream to somebody else: a read under way is taken back, its chunk stays there. */
  unlock(): void {
    this.#reader.releaseLock();
  }
}

function badChunk(value: unknown): TypeError {
  return new TypeError(
    `Cannot read from the stream: its chunks must be Uint8Arrays, got ${show(value)}`,
  );
}
