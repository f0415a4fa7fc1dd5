/**
 * Values in shared memory.
 *
 * The forms are chosen by what is fast: numbers, text and bytes are copied as they are; plain data
 * (objects, arrays, strings, numbers, booleans, null, as JSON has them) travels as JSON, the one
 * way in which JavaScript makes an object from bytes without a call for each of its fields. What
 * JSON would change in silence (`undefined`, `NaN`, `-0`, a `Date`, a `Map`, an instance of a
 * class, a cycle) is not plain; it goes through the structured clone of the platform, where that
 * can be had as bytes, which takes some ten times as long.
 *
 * Text has one byte for each character if all are ASCII, else two; no character is ever replaced.
 *
 * Encoding runs code of the user's (getters, codecs); writing and reading don't, nor do they fail.
 */
import { show, wrongType } from "../../internal/check.ts";
import { DATA, KIND, LENGTH, type SharedQueue } from "./shared_queue.ts";
import { pieceOf } from "./slab.ts";

/** Between values and bytes. */
export interface Codec<T> {
  /** The bytes of `value`, which are copied at once. */
  encode(value: T): Uint8Array;
  /** The value of bytes that `encode` has made; they are the receiver's own. */
  decode(bytes: Uint8Array): T;
}

// The forms.
const UNDEFINED = 0;
const NULL = 1;
const FALSE = 2;
const TRUE = 3;
export const NUMBER = 4;
const BYTES = 5;
const ASCII = 6;
const WIDE = 7;
const JSON_ASCII = 8;
const JSON_WIDE = 9;
const CLONE = 10;
const CUSTOM = 11;
/** Not in the slot: the value comes by another way. */
export const ELSEWHERE = 12;

/** Text up to this length is copied character by character, as no call pays off. */
const SHORT_TEXT = 200;
/** More plain data than this is left to the structured clone. */
const MOST_PLAIN_BYTES = 1 << 20;
/** How deep plain data may be. */
const DEEPEST = 100;
/** Of how many characters a call can make a string. */
const CHUNK = 8192;

const encoder = new TextEncoder();
const asciiDecoder = new TextDecoder();

/** A value ready to be written. */
export class Encoded {
  kind = UNDEFINED;
  /** How many bytes it takes. */
  length = 0;
  number = 0;
  text = "";
  bytes: Uint8Array | undefined = undefined;

  /** A copy that stays as it is, whatever becomes of the value. */
  copy(): Encoded {
    const copy = new Encoded();
    copy.kind = this.kind;
    copy.length = this.length;
    copy.number = this.number;
    copy.text = this.text;
    if (this.bytes !== undefined) copy.bytes = new Uint8Array(this.bytes); // a Buffer's slice is none
    return copy;
  }

  /**
   * Takes `value` in the form in which it will be written. Plain data of more than `mostBytes` is
   * not looked at to its end, as its JSON would be longer still.
   *
   * @throws {TypeError} if the value can't be copied to another thread
   */
  encode(value: unknown, mostBytes = Infinity): void {
    this.length = 0;
    switch (typeof value) {
      case "number":
        this.kind = NUMBER;
        this.number = value;
        this.length = 8;
        return;
      case "string":
        return this.#setText(value, ASCII);
      case "boolean":
        this.kind = value ? TRUE : FALSE;
        return;
      case "undefined":
        this.kind = UNDEFINED;
        return;
      case "object":
        if (value === null) this.kind = NULL;
        else if (value instanceof Uint8Array && value.constructor === Uint8Array) {
          this.#setBytes(value, BYTES);
        } else if (isPlain(value, mostBytes)) this.#setText(JSON.stringify(value), JSON_ASCII);
        else this.#setBytes(serialize(value), CLONE);
        return;
      default:
        this.#setBytes(serialize(value), CLONE);
    }
  }

  /**
   * The same where it is fast: false if it takes the structured clone, or more than `mostBytes`, or
   * would copy memory that is to be shared.
   */
  encodeFast(value: unknown, mostBytes: number): boolean {
    if (typeof value === "object" && value !== null && !(value instanceof Uint8Array)) {
      if (!isPlain(value, mostBytes)) return false;
      this.#setText(JSON.stringify(value), JSON_ASCII);
    } else {
      if (!isSimple(value) || (typeof value === "string" && value.length > mostBytes)) return false;
      if (value instanceof Uint8Array && value.buffer instanceof SharedArrayBuffer) return false;
      this.encode(value);
    }
    return this.kind !== CLONE && this.length <= mostBytes;
  }

  /** Stands for a value that comes by another way. */
  encodeElsewhere(): void {
    this.kind = ELSEWHERE;
    this.length = 0;
  }

  encodeWith<T>(codec: Codec<T>, value: T): void {
    const bytes = codec.encode(value);
    if (!(bytes instanceof Uint8Array)) {
      throw wrongType("encode", "codec.encode must return a Uint8Array", bytes);
    }
    this.#setBytes(bytes, CUSTOM);
  }

  #setText(text: string, ascii: number): void {
    this.text = text;
    const narrow = isAscii(text);
    this.kind = narrow ? ascii : ascii + 1;
    this.length = narrow ? text.length : text.length * 2;
  }

  #setBytes(bytes: Uint8Array, kind: number): void {
    this.kind = kind;
    this.bytes = bytes;
    this.length = lengthOf(bytes);
  }

  /** Into a slot that has room for it. */
  write(queue: SharedQueue, slot: number): void {
    const { words } = queue;
    const data = slot + DATA;
    words[slot + KIND] = this.kind;
    words[slot + LENGTH] = this.length;
    switch (this.kind) {
      case NUMBER:
        queue.numbers[data >> 1] = this.number;
        return;
      case ASCII:
      case JSON_ASCII:
        return writeAscii(this.text, queue.bytes, data * 4);
      case WIDE:
      case JSON_WIDE:
        return writeWide(this.text, queue.chars, data * 2);
      case BYTES:
      case CLONE:
      case CUSTOM:
        queue.bytes.set(this.bytes!, data * 4);
        this.bytes = undefined;
    }
  }
}

/** Reads a number that `SharedQueue.putNumber` has written. */
export function readNumber(queue: SharedQueue, slot: number): number {
  return queue.numbers[(slot + DATA) >> 1]!;
}

/** Copies a value out of a slot, as bytes or text; `decode` turns it into the value. */
export class Decoded {
  kind = UNDEFINED;
  number = 0;
  text = "";
  bytes: Uint8Array<ArrayBuffer> | undefined = undefined;

  read(queue: SharedQueue, slot: number): void {
    const { words } = queue;
    const data = slot + DATA;
    const length = words[slot + LENGTH]!;
    this.kind = words[slot + KIND]!;
    switch (this.kind) {
      case NUMBER:
        this.number = queue.numbers[data >> 1]!;
        return;
      case ASCII:
      case JSON_ASCII:
        this.text = readAscii(queue.bytes, data * 4, length);
        return;
      case WIDE:
      case JSON_WIDE:
        this.text = readWide(queue.chars, data * 2, length / 2);
        return;
      case BYTES:
        if (queue.poolsBytes) {
          this.bytes = pieceOf(queue, slot, length);
          return;
        } // falls through
      case CLONE:
      case CUSTOM:
        this.bytes = queue.bytes.slice(data * 4, data * 4 + length) as Uint8Array<ArrayBuffer>;
    }
  }

  decode(codec?: Codec<unknown>): unknown {
    switch (this.kind) {
      case NUMBER:
        return this.number;
      case ASCII:
      case WIDE:
        return this.text;
      case JSON_ASCII:
      case JSON_WIDE:
        return JSON.parse(this.text);
      case BYTES:
        return this.bytes;
      case CLONE:
        return deserialize(this.bytes!);
      case CUSTOM:
        return codec!.decode(this.bytes!);
      case NULL:
        return null;
      case TRUE:
        return true;
      case FALSE:
        return false;
      default:
        return undefined;
    }
  }
}

/** How many bytes there are to write. It must be right: behind them is another thread's slot. */
function lengthOf(bytes: Uint8Array): number {
  const { length } = bytes;
  if (length === 0 || length !== bytes.byteLength) checkBytes(bytes, length);
  return length;
}

/** Bytes whose memory is gone have length 0, and writing them would throw. */
function checkBytes(bytes: Uint8Array, length: number): void {
  let cause: unknown;
  try {
    if (new Uint8Array(bytes).length === length) return;
  } catch (error) {
    cause = error;
  }
  throw new TypeError(
    "Cannot copy the bytes to another thread: their memory was transferred or has shrunk, or " +
      "their length was redefined",
    cause === undefined ? undefined : { cause },
  );
}

function isSimple(value: unknown): boolean {
  return typeof value !== "function" && typeof value !== "symbol" && typeof value !== "bigint";
}

/**
 * How many bytes of JSON may still come: an object that is reached on many ways counts each time.
 */
let bytesLeft = 0;

/** Whether JSON gives it back as it was, in not too much more than `mostBytes`. */
export function isPlain(value: unknown, mostBytes = MOST_PLAIN_BYTES): boolean {
  bytesLeft = mostBytes;
  return isPlainValue(value, DEEPEST);
}

function isPlainValue(value: unknown, depth: number): boolean {
  if (--bytesLeft < 0) return false;
  switch (typeof value) {
    case "string":
      bytesLeft -= value.length;
      return true;
    case "boolean":
      return true;
    case "number":
      return Number.isFinite(value) && !Object.is(value, -0);
    case "object":
      if (value === null) return true;
      if (depth === 0) return false;
      return Array.isArray(value) ? isPlainArray(value, depth) : isPlainObject(value, depth);
    default:
      return false;
  }
}

function isPlainArray(array: readonly unknown[], depth: number): boolean {
  const { length } = array;
  for (let i = 0; i < length; i++) { // a hole is `undefined`, too
    if (!isPlainValue(array[i], depth - 1)) return false;
  }
  // It may have more than its elements: the match of a regular expression does.
  return Object.getPrototypeOf(array) === Array.prototype && Object.keys(array).length === length;
}

function isPlainObject(object: object, depth: number): boolean {
  const prototype = Object.getPrototypeOf(object);
  if (prototype !== Object.prototype && prototype !== null) return false;
  for (const key in object) {
    if (!isPlainValue((object as Record<string, unknown>)[key], depth - 1)) return false;
  }
  return true;
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 127) return false;
  return true;
}

function writeAscii(text: string, bytes: Uint8Array, at: number): void {
  const { length } = text;
  if (length > SHORT_TEXT) {
    encoder.encodeInto(text, bytes.subarray(at, at + length));
    return;
  }
  for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
}

function writeWide(text: string, chars: Uint16Array, at: number): void {
  for (let i = 0; i < text.length; i++) chars[at + i] = text.charCodeAt(i);
}

const codes: number[] = [];

function readAscii(bytes: Uint8Array, at: number, length: number): string {
  if (length > SHORT_TEXT) return asciiDecoder.decode(bytes.subarray(at, at + length));
  codes.length = length;
  for (let i = 0; i < length; i++) codes[i] = bytes[at + i]!;
  return String.fromCharCode.apply(null, codes);
}

function readWide(chars: Uint16Array, at: number, length: number): string {
  let text = "";
  for (let start = 0; start < length; start += CHUNK) {
    const end = Math.min(length, start + CHUNK);
    codes.length = end - start;
    for (let i = start; i < end; i++) codes[i - start] = chars[at + i]!;
    text += String.fromCharCode.apply(null, codes);
  }
  return text;
}

interface Serializer {
  serialize(value: unknown): Uint8Array;
  deserialize(bytes: Uint8Array): unknown;
}

let serializer: Serializer | undefined;

/** The platform's structured clone, loaded when first needed. */
function loadSerializer(): Serializer {
  const { process } = globalThis as {
    process?: { getBuiltinModule?(name: string): Serializer | undefined };
  };
  const v8 = process?.getBuiltinModule?.("node:v8");
  if (v8 !== undefined) return v8;
  const refuse = (): never => {
    throw new TypeError(
      "Cannot copy the value to another thread: it is not plain data, and this platform has no " +
        "node:v8; use a codec",
    );
  };
  return { serialize: refuse, deserialize: refuse };
}

function serialize(value: unknown): Uint8Array {
  serializer ??= loadSerializer();
  try {
    return serializer.serialize(value);
  } catch (error) {
    const reason = String(error instanceof Error ? error.message : error).replace(/\.$/, "");
    const hint = reason.includes("SharedArrayBuffer")
      ? "; memory that is shared, handles too, can only be posted (postMessage)"
      : "";
    throw new TypeError(
      `Cannot copy the value to another thread: ${reason}${hint}; got ${show(value)}`,
      { cause: error },
    );
  }
}

function deserialize(bytes: Uint8Array): unknown {
  return (serializer ??= loadSerializer()).deserialize(bytes);
}
