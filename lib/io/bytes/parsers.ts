/**
 * Parsers: how much a read takes from the front of a source's queue, and what it makes of that.
 *
 * A parser takes all that it wants, or nothing: then it says MORE, and is asked again when more has
 * come. It works in two steps. `take` is the commit, and what it took is still bytes, so that `giveBack`
 * can put them back for a reader that is gone. `finish` makes of it what the reader gets; it runs
 * when nobody can take that away from it any more.
 */
import type { ByteQueue } from "./byte_queue.ts";
import { EndOfFileError, LimitExceededError } from "./errors.ts";
import type { Source } from "./source.ts";

/** A byte order mark is a character like any other: nothing is dropped. Bad bytes become U+FFFD. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

/** In the place of what was taken: there is not enough yet. */
export const MORE: unique symbol = Symbol("more");

/** `A`: what it needs to know; `R`: what it takes; `T`: what the reader gets of that. */
export interface Parser<A, R, T> {
  /** What a reader waits for, in words: "a line". */
  readonly what: string;
  /**
   * Takes what is wanted, or throws, or says that there must be more. With `keep` what it returns
   * may not be a view of the queue: the reader gets it later.
   */
  take(source: Source, argument: A, keep: boolean): R | typeof MORE;
  /** Turns it into what the reader gets. */
  finish(taken: R, argument: A): T;
  /** The reader is gone: puts it back. */
  giveBack(source: Source, taken: R, argument: A): void;
  /** How many bytes more it could use; 0: it takes at once, whatever there is. */
  wanted(argument: A): number;
}

const LF = 10;
const CR = 13;
const NEWLINE = new Uint8Array([LF]);

/** Some bytes into a buffer: at least one, or none at the end. */
export const someInto: Parser<Uint8Array, number, number> = {
  what: "a read",
  take(source, buffer) {
    if (buffer.length === 0) return 0;
    if (source.bytes.length > 0) return source.bytes.moveInto(buffer);
    return source.atEnd() ? 0 : MORE;
  },
  finish: (count) => count,
  giveBack(source, count, buffer) {
    if (count > 0) source.giveBack(buffer.slice(0, count));
    else if (buffer.length > 0) source.giveBackEnd();
  },
  wanted: (buffer) => buffer.length,
};

/** The same, but reads ahead: as many bytes as there is room for. */
export const someIntoAhead: Parser<Uint8Array, number, number> = {
  ...someInto,
  wanted: (buffer) => buffer.length === 0 ? 0 : ahead(),
};

/** As many as there is room for. */
function ahead(): number {
  return Infinity;
}

/** Whatever there is, as a chunk; `undefined` at the end. */
export const chunk: Parser<undefined, Uint8Array | undefined, Uint8Array | undefined> = {
  what: "a chunk",
  take(source) {
    if (source.bytes.length > 0) return takeBytes(source, source.bytes.length);
    return source.atEnd() ? undefined : MORE;
  },
  finish: (bytes) => bytes,
  giveBack: putBack,
  wanted: ahead,
};

/** Whatever there is, into an empty queue of the reader's: how much that is; 0 at the end. */
export const pour: Parser<ByteQueue, number, number> = {
  what: "a chunk",
  take(source, queue) {
    const { length } = source.bytes;
    if (length === 0) return source.atEnd() ? 0 : MORE;
    source.bytes.pourInto(queue);
    return length;
  },
  finish: (count) => count,
  giveBack(source, count, queue) {
    if (count > 0) pourBack(source, queue);
    else source.giveBackEnd();
  },
  wanted: ahead,
};

/** Puts what is left in `queue` back to the source. */
export function pourBack(source: Source, queue: ByteQueue): void {
  source.giveBack(queue.view(queue.length));
  queue.clear();
}

/** As many bytes as fit into the buffer. */
export const exactlyInto: Parser<Uint8Array, number, void> = {
  what: "a read of a whole buffer",
  take(source, buffer) {
    if (!has(source, buffer.length)) return MORE;
    return source.bytes.moveInto(buffer);
  },
  finish() {},
  giveBack: (source, count, buffer) => source.giveBack(buffer.slice(0, count)),
  wanted: (buffer) => buffer.length === 0 ? 0 : ahead(),
};

/** A number of bytes, as text. */
export const exactlyText: Parser<number, Uint8Array, string> = {
  what: "a read of a number of bytes",
  take(source, wanted, keep) {
    if (!has(source, wanted)) return MORE;
    return keep ? takeBytes(source, wanted) : lookAndConsume(source, wanted);
  },
  finish: decode,
  giveBack: putBack,
  wanted: (byteCount) => byteCount === 0 ? 0 : ahead(),
};

function has(source: Source, wanted: number): boolean {
  const available = source.bytes.length;
  if (available >= wanted) return true;
  if (!source.atEnd()) return false;
  throw new EndOfFileError(wanted, available);
}

/** Everything up to the end; at most `limit` bytes. */
function everything<T>(finish: (bytes: Uint8Array) => T): Parser<number, Uint8Array, T> {
  return {
    what: "a read of everything",
    take(source, limit) {
      const { length } = source.bytes;
      if (length > limit) throw new LimitExceededError("read everything", "the input", limit);
      return source.atEnd() ? takeBytes(source, length) : MORE;
    },
    finish,
    giveBack(source, bytes) {
      source.giveBack(bytes);
      source.giveBackEnd();
    },
    wanted: ahead,
  };
}

export const allBytes: Parser<number, Uint8Array, Uint8Array> = everything((bytes) => bytes);
export const allText: Parser<number, Uint8Array, string> = everything(decode);

/** What to look for, and how many bytes may come before it. */
export interface Until {
  readonly delimiter: Uint8Array;
  readonly limit: number;
}

/** A line, without its end. */
export const line: Parser<number, Uint8Array | undefined, { value: string } | undefined> = {
  what: "a line",
  take(source, limit, keep) {
    const { bytes } = source;
    const at = bytes.indexOf(NEWLINE);
    const length = at < 0 ? bytes.length : at;
    // A carriage return right before the line feed doesn't count, nor one that may turn out to be.
    if (length > limit && (length > limit + 1 || bytes.view(length)[limit] !== CR)) {
      throw new LimitExceededError("read a line", "it", limit);
    }
    if (at < 0 && !endsHere(source)) return MORE;
    if (at < 0 && length > limit) throw new LimitExceededError("read a line", "it", limit);
    return takeTo(source, at < 0 ? length : at + 1, keep);
  },
  finish(taken) {
    if (taken === undefined) return undefined;
    let { length } = taken;
    if (taken[length - 1] === LF) length -= taken[length - 2] === CR ? 2 : 1;
    return { value: decode(length === taken.length ? taken : taken.subarray(0, length)) };
  },
  giveBack: putBack,
  wanted: ahead,
};

/** The bytes before a delimiter, which is taken with them, or what is left before the end. */
export const until: Parser<Until, Uint8Array | undefined, { value: Uint8Array } | undefined> = {
  what: "a read up to a delimiter",
  take(source, { delimiter, limit }) {
    const { bytes } = source;
    const at = bytes.indexOf(delimiter);
    // If it has not come, the last bytes may be its beginning: only those before count so far.
    let length = at < 0 ? bytes.length - delimiter.length + 1 : at;
    if (at < 0 && length <= limit) {
      if (!endsHere(source)) return MORE;
      ({ length } = bytes);
    }
    if (length > limit) throw new LimitExceededError("read up to the delimiter", "it", limit);
    return takeTo(source, at < 0 ? length : at + delimiter.length, true);
  },
  finish(taken, { delimiter }) {
    if (taken === undefined) return undefined;
    const length = taken.length - delimiter.length;
    const isWhole = length >= 0 && delimiter.every((byte, i) => taken[length + i] === byte);
    return { value: isWhole ? taken.subarray(0, length) : taken };
  },
  giveBack: putBack,
  wanted: ahead,
};

/**
 * Whether all has come. If bytes are left, the end is kept for the next reader: this one gets them.
 */
function endsHere(source: Source): boolean {
  return source.atEnd(source.bytes.length > 0);
}

/** Takes the first `count` bytes; with none there is only the end to tell. */
function takeTo(source: Source, count: number, keep: boolean): Uint8Array | undefined {
  if (count === 0) return undefined;
  return keep ? takeBytes(source, count) : lookAndConsume(source, count);
}

/** Removes the first bytes from the queue: a copy. */
function takeBytes(source: Source, count: number): Uint8Array {
  const taken = source.bytes.view(count).slice();
  source.bytes.consume(count);
  return taken;
}

/** Removes them as well: a view, valid until somebody touches the queue. */
function lookAndConsume(source: Source, count: number): Uint8Array {
  const taken = source.bytes.view(count);
  source.bytes.consume(count);
  return taken;
}

function putBack(source: Source, taken: Uint8Array | undefined): void {
  if (taken === undefined) source.giveBackEnd();
  else source.giveBack(taken);
}
