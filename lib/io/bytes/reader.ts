/**
 * Deno's shape of a source of bytes, and the one `Source` that stands for each of them.
 *
 * Deno's own `read` can't be cancelled without loss, and writes into the buffer whenever it likes.
 * So it is given space of ours, one read at a time, and what it brings stays here when nobody waits
 * any more. The source is found by the identity of the reader: a `read` and an `Input` over the same
 * connection share it, and each byte goes to one of them. So do those over the same Web Stream.
 */
import { checkFunction, show, wrongType } from "../../internal/check.ts";
import type { WaitNode } from "../../operation/event.ts";
import { failed, prompt, type StreamMarks } from "./stream_marks.ts";
import { ruleOf, Source } from "./source.ts";
import { ReadableSource } from "./sources.ts";

/** What can be read from: `Deno.Conn`, `Deno.FsFile`, `Deno.stdin`, or the like of your own. */
export interface Reader {
  /** Reads into `p`: how many bytes, or `null` at the end. */
  read(p: Uint8Array): Promise<number | null>;
}

const sources: WeakMap<object, ReaderSource | ReadableSource> = new WeakMap();

/**
 * The source of `from`, made when it is first asked for. `from` is checked only then.
 *
 * @throws {TypeError} if it can't be read from
 */
export function sourceOf(action: string, from: Reader | ReadableStream<Uint8Array>): Source {
  return sources.get(from) ?? newSourceOf(action, from);
}

function newSourceOf(action: string, from: Reader | ReadableStream<Uint8Array>): Source {
  if (from instanceof ReadableStream) return readableSourceOf(from);
  checkReader(action, from);
  const source = new ReaderSource(from);
  sources.set(from, source);
  return source;
}

/** The same for a stream. */
export function readableSourceOf(stream: ReadableStream<Uint8Array>): ReadableSource {
  let source = sources.get(stream) as ReadableSource | undefined;
  if (source === undefined) sources.set(stream, source = new ReadableSource(stream));
  return source;
}

/** Their `read` is another one: it would take a chunk away, and the buffer that is given to it. */
const STREAM_READERS = [ReadableStreamDefaultReader, ReadableStreamBYOBReader];

/** @throws {TypeError} unless `reader` is a `Reader` */
export function checkReader(action: string, reader: Reader, argument = "source"): void {
  if (typeof reader !== "object" && typeof reader !== "function" || reader === null) {
    throw wrongType(action, `${argument} must be an object with a method read`, reader);
  }
  if ((reader as unknown) instanceof ReadableStream) {
    throw new TypeError(
      `Cannot ${action}: ${argument} is a ReadableStream, whose chunks come as they are; ` +
        `use Input.fromReadable`,
    );
  }
  if (STREAM_READERS.some((type) => reader instanceof type)) {
    throw new TypeError(
      `Cannot ${action}: ${argument} is a ${
        show(reader)
      }, whose chunks come as they are; unlock the stream, and pass that`,
    );
  }
  checkFunction(action, `${argument}.read`, reader.read);
}

/** What a read rejected with: anything, `undefined` too. */
interface Failure {
  readonly error: unknown;
}

export class ReaderSource extends Source {
  readonly #isPrompt: boolean;

  constructor(readonly reader: Reader) {
    super();
    this.#isPrompt = prompt in reader;
  }

  describe(): string {
    return show(this.reader);
  }

  /**
   * In a microtask, if `read` may be code of the user's. Whoever has left by then has taken nothing.
   */
  protected pull(read: WaitNode): void {
    if (this.#isPrompt) this.#readFor(read);
    else queueMicrotask(this.#start);
  }

  // One of each for all reads: there is only one read at a time.
  readonly #start = (): void => {
    const { reads } = this;
    if (reads === null) this.gaveUp();
    else this.#readFor(reads);
  };
  readonly #onCount = (count: number | null): void => this.#ended(this.#most, undefined, count);
  readonly #onError = (error: unknown): void => this.#ended(0, { error });
  /** How many bytes the read under way may bring. */
  #most = 0;

  #readFor(read: WaitNode): void {
    let reading: Promise<number | null>;
    const space = this.bytes.reserve(ruleOf(read).wanted());
    this.#most = space.length;
    try {
      reading = this.reader.read(space);
    } catch (error) {
      return this.#ended(0, { error });
    }
    Promise.resolve(reading).then(this.#onCount, this.#onError);
  }

  #ended(most: number, failure: Failure | undefined, count: number | null = null): void {
    if (failure !== undefined) (this.reader as StreamMarks)[failed]?.(failure.error);
    const isCount = count === null || (Number.isInteger(count) && count >= 0 && count <= most);
    this.bytes.filled(isCount ? count ?? 0 : 0);
    if (failure !== undefined && !isReset(failure.error)) this.failed(failure.error);
    else if (!isCount) this.failed(badCount(most, count));
    else if (count === null || count === 0) this.ended();
    else this.arrived();
  }
}

function badCount(most: number, count: unknown): TypeError {
  return new TypeError(
    `Cannot read from the source: its read must return an integer from 0 to ${most}, or null at ` +
      `the end, got ${show(count)}`,
  );
}

const RESETS = ["ConnectionReset", "ConnectionAborted", "BrokenPipe"];
const RESET_CODES = ["ECONNRESET", "ECONNABORTED", "EPIPE"];

/** Whether the other side is gone without a word: for whoever reads, that is the end. */
export function isReset(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  return RESETS.includes(error.name) ||
    RESET_CODES.includes((error as { code?: unknown }).code as string);
}
