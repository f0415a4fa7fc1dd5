/** The ways to take bytes; see `take.ts` for what a rule is. */
import type { ByteQueue } from "./byte_queue.ts";
import { EndOfFileError, LimitExceededError } from "../base/errors.ts";
import type { Source } from "./source.ts";
import { MORE, type Rule } from "./input_waits.ts";

/** A byte order mark is a character like any other: nothing is dropped. Bad bytes become U+FFFD. */
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}

const LF = 10;
const CR = 13;
const NEWLINE = new Uint8Array([LF]);

/** Some bytes into a buffer: at least one, but for the end. */
export const someInto: Rule<Uint8Array, number, number> = {
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
export const someIntoAhead: Rule<Uint8Array, number, number> = {
  ...someInto,
  wanted: (buffer) => buffer.length === 0 ? 0 : ahead(),
};

/** As many as there is room for. */
function ahead(): number {
  return Infinity;
}

/** Whatever there is, as a chunk; `undefined` at the end. */
export const chunk: Rule<undefined, Uint8Array | undefined, Uint8Array | undefined> = {
  what: "a chunk",
  take(source) {
    if (source.bytes.length > 0) return takeBytes(source, source.bytes.length);
    return source.atEnd() ? undefined : MORE;
  },
  finish: (bytes) => bytes,
  giveBack: putBack,
  wanted: ahead,
};

/** Whatever there is, into an empty queue: how much that is; 0 at the end. */
export const pour: Rule<ByteQueue, number, number> = {
  what: "a chunk",
  take(source, basket) {
    const { length } = source.bytes;
    if (length === 0) return source.atEnd() ? 0 : MORE;
    source.bytes.pourInto(basket);
    return length;
  },
  finish: (count) => count,
  giveBack(source, count, basket) {
    if (count > 0) pourBack(source, basket);
    else source.giveBackEnd();
  },
  wanted: ahead,
};

/** Puts what is in the basket back. */
export function pourBack(source: Source, basket: ByteQueue): void {
  source.giveBack(basket.view(basket.length));
  basket.clear();
}

/** As many bytes as the buffer has, or none. */
export const exactlyInto: Rule<Uint8Array, number, void> = {
  what: "a read of a whole buffer",
  take(source, buffer) {
    if (!has(source, buffer.length)) return MORE;
    return source.bytes.moveInto(buffer);
  },
  finish() {},
  giveBack: (source, count, buffer) => source.giveBack(buffer.slice(0, count)),
  wanted: (buffer) => buffer.length === 0 ? 0 : ahead(),
};

/** So many bytes, as text. */
export const exactlyText: Rule<number, Uint8Array, string> = {
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

/** All there will ever be; at most `limit` bytes. */
function everything<T>(finish: (bytes: Uint8Array) => T): Rule<number, Uint8Array, T> {
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

export const allBytes: Rule<number, Uint8Array, Uint8Array> = everything((bytes) => bytes);
export const allText: Rule<number, Uint8Array, string> = everything(decode);

/** Up to a delimiter, which is part of what is taken; `limit` is without it. */
export interface Until {
  readonly delimiter: Uint8Array;
  readonly limit: number;
}

/** A line, without its end. */
export const line: Rule<number, Uint8Array | undefined, { value: string } | undefined> = {
  what: "a line",
  take(source, limit, keep) {
    const { bytes } = source;
    const at = bytes.indexOf(NEWLINE);
    const length = at < 0 ? bytes.length : at;
    // A carriage return before the line's end, or perhaps before it, doesn't count.
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

/** The bytes before a delimiter, which goes with them. */
export const until: Rule<Until, Uint8Array | undefined, { value: Uint8Array } | undefined> = {
  what: "a read up to a delimiter",
  take(source, { delimiter, limit }) {
    const { bytes } = source;
    const at = bytes.indexOf(delimiter);
    // Without it the last bytes may be its beginning.
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

/** Whether all has come. The end is left for the next one, unless there is nothing else to tell. */
function endsHere(source: Source): boolean {
  return source.atEnd(source.bytes.length > 0);
}

/** The first `count` bytes; none: the end. */
function takeTo(source: Source, count: number, keep: boolean): Uint8Array | undefined {
  if (count === 0) return undefined;
  return keep ? takeBytes(source, count) : lookAndConsume(source, count);
}

/** A copy of the first bytes, which are gone. */
function takeBytes(source: Source, count: number): Uint8Array {
  const taken = source.bytes.view(count).slice();
  source.bytes.consume(count);
  return taken;
}

/** A view of the first bytes, which are gone: valid as long as nobody touches the queue. */
function lookAndConsume(source: Source, count: number): Uint8Array {
  const taken = source.bytes.view(count);
  source.bytes.consume(count);
  return taken;
}

function putBack(source: Source, taken: Uint8Array | undefined): void {
  if (taken === undefined) source.giveBackEnd();
  else source.giveBack(taken);
}
