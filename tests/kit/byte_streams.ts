/** Readers and writers that do what the test says, when it says so. */
import { type Awaitable, fromPromise } from "@weft/weft";
import type { Reader, Writer } from "@weft/weft/io";
import { hostTurn } from "./uncaught.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of `text`. */
export const bytes = (text: string): Uint8Array => encoder.encode(text);

/** The text of `bytes`. */
export const text = (bytes: Uint8Array): string => decoder.decode(bytes);

/** A buffer, and a way to see what is in it. */
export const buffer = (length: number): Uint8Array => new Uint8Array(length);

/** Lets everything happen that can happen now, promises included. */
export const turn = (): Awaitable<void> => fromPromise(hostTurn());

/** A reader whose reads are answered by the test, one at a time and in order. */
export class SlowReader implements Reader {
  /** How long the buffers were that `read` was given. */
  readonly asked: number[] = [];
  closes = 0;
  #pending: { into: Uint8Array; answer: PromiseWithResolvers<number | null> } | undefined;

  read(into: Uint8Array): Promise<number | null> {
    if (this.#pending !== undefined) throw new Error("two reads at once");
    this.asked.push(into.length);
    const answer = Promise.withResolvers<number | null>();
    this.#pending = { into, answer };
    return answer.promise;
  }

  /** Whether a read is under way. */
  get isReading(): boolean {
    return this.#pending !== undefined;
  }

  give(content: string | Uint8Array): void {
    const { into, answer } = this.#take();
    const given = typeof content === "string" ? bytes(content) : content;
    into.set(given);
    answer.resolve(given.length);
  }

  end(): void {
    this.#take().answer.resolve(null);
  }

  fail(error: unknown): void {
    this.#take().answer.reject(error);
  }

  /** Answers with something that no reader may answer. */
  lie(count: number): void {
    this.#take().answer.resolve(count);
  }

  /** As Deno's do, it rejects a read that is under way. */
  close(): void {
    this.closes++;
    if (this.#pending !== undefined) this.fail(new Error("closed under the read"));
  }

  #take() {
    const pending = this.#pending;
    if (pending === undefined) throw new Error("nobody reads");
    this.#pending = undefined;
    return pending;
  }
}

/** A reader that gives these chunks, cut to what it is asked for, and ends. */
export function readerOf(
  ...chunks: (string | Uint8Array)[]
): Reader & { closes: number; close(): void } {
  const left = chunks.map((chunk) => typeof chunk === "string" ? bytes(chunk) : chunk);
  return {
    closes: 0,
    close() {
      this.closes++;
    },
    read(into) {
      const chunk = left.shift();
      if (chunk === undefined) return Promise.resolve(null);
      const given = chunk.subarray(0, into.length);
      if (given.length < chunk.length) left.unshift(chunk.subarray(given.length));
      into.set(given);
      return Promise.resolve(given.length);
    },
  };
}

/** A writer whose writes are answered by the test, one at a time and in order. */
export class SlowWriter implements Writer {
  /** What was written, each system write by itself. */
  readonly writes: string[] = [];
  closes = 0;
  #pending: { piece: Uint8Array; answer: PromiseWithResolvers<number> } | undefined;

  write(piece: Uint8Array): Promise<number> {
    if (this.#pending !== undefined) throw new Error("two writes at once");
    const answer = Promise.withResolvers<number>();
    this.#pending = { piece, answer };
    return answer.promise;
  }

  get isWriting(): boolean {
    return this.#pending !== undefined;
  }

  /** Everything that was written. */
  get all(): string {
    return this.writes.join("");
  }

  /** Takes so many bytes of the write that is under way, or all of it. */
  take(count = Infinity): void {
    const { piece, answer } = this.#take();
    const taken = piece.subarray(0, count);
    this.writes.push(text(taken));
    answer.resolve(taken.length);
  }

  fail(error: unknown): void {
    this.#take().answer.reject(error);
  }

  lie(count: number): void {
    this.#take().answer.resolve(count);
  }

  close(): void {
    this.closes++;
    if (this.#pending !== undefined) this.fail(new Error("closed under the write"));
  }

  #take() {
    const pending = this.#pending;
    if (pending === undefined) throw new Error("nobody writes");
    this.#pending = undefined;
    return pending;
  }
}

/** A writer that takes everything, `most` bytes at a time. */
export function writerTo(most = Infinity): Writer & { all: string; closes: number; close(): void } {
  return {
    all: "",
    closes: 0,
    close() {
      this.closes++;
    },
    write(piece) {
      const taken = piece.subarray(0, most);
      this.all += text(taken);
      return Promise.resolve(taken.length);
    },
  };
}

/** An error as Deno has it. */
export function namedError(name: string, message = "told by the test"): Error {
  return Object.assign(new Error(message), { name });
}

/** A stream that the test feeds, and what was asked of it. */
export function feedStream(highWaterMark = 0) {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const seen = { pulls: 0, cancelled: undefined as unknown };
  const stream = new ReadableStream<Uint8Array>({
    start: (c) => void (controller = c),
    pull: () => void seen.pulls++,
    cancel: (reason) => void (seen.cancelled = reason),
  }, { highWaterMark });
  return { stream, controller, seen };
}

/** A stream whose writes are answered by the test. */
export function slowStream(highWaterMark = 1) {
  const slow = new SlowWriter();
  const seen = { closed: 0, aborted: undefined as unknown };
  const stream = new WritableStream<Uint8Array>({
    write: async (chunk) => void (await slow.write(chunk)),
    close: () => void seen.closed++,
    abort: (reason) => void (seen.aborted = reason),
  }, { highWaterMark });
  return { stream, slow, seen };
}
