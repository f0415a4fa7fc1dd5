/**
 * A queue of bytes in one piece: they are appended at the back and consumed at the front.
 *
 * The storage is a buffer from a pool, or a chunk that somebody gave us, until more is needed than
 * fits. `reserve` lends the free space at the back to a read that is under way, and `filled` takes
 * it back; meanwhile the bytes may be consumed, and even be moved to another storage.
 */
import { BufferPool } from "../../resource/mod.ts";

/** Shared by all streams of this realm. */
export const buffers = new BufferPool();
/** For those through which much is flowing. */
const bigBuffers = new BufferPool({ bufferSize: 64 * 1024, maxSize: 256 });
/** Copied faster one by one than with a view of them. */
const FEW = 64;

const NOTHING = new Uint8Array(0);

/** A system call for less isn't worth it, where there is more to be had. */
const LEAST_READ = 4096;

/** Whose the storage is, and so what may be done with it. */
type Owner =
  | "pool" // a buffer of the pool: goes back when it is empty
  | "queue" // made to measure: may be written to, and is dropped when it is empty
  | "other"; // somebody else's chunk: never written to

export class ByteQueue {
  #storage: Uint8Array = NOTHING;
  #owner: Owner = "other";
  #start = 0;
  #end = 0;
  /** The space that a read under way writes to. */
  #lent: Uint8Array | null = null;
  /** Whether reads bring so much that they are worth more room. */
  #flowing = false;
  /** What `indexOf` looked for last, and at how many places, from the front, it doesn't begin. */
  #sought: Uint8Array = NOTHING;
  #searched = 0;
  /** How many of its bytes are at the place after those. */
  #matched = 0;
  /** `bordersOf` it, once they were needed. */
  #borders: Int32Array | undefined;

  /** How many bytes there are. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** How many bytes can be appended without making room. */
  get room(): number {
    return this.#owner === "other" ? 0 : this.#storage.length - this.#end;
  }

  /** The first `count` bytes, valid until the next call of a method. */
  view(count: number): Uint8Array {
    return this.#storage.subarray(this.#start, this.#start + count);
  }

  /** Removes the first `count` bytes. */
  consume(count: number): void {
    this.#start += count;
    if (count <= this.#searched) this.#searched -= count;
    else this.#searchAnew();
    if (this.#start === this.#end) this.#release();
  }

  /** Moves the first bytes into `target`, as many as fit; how many that were. */
  moveInto(target: Uint8Array): number {
    const count = Math.min(target.length, this.length);
    if (count > FEW) target.set(this.view(count));
    else {
      const storage = this.#storage;
      const start = this.#start;
      for (let i = 0; i < count; i++) target[i] = storage[start + i]!;
    }
    this.consume(count);
    return count;
  }

  /** Moves everything to the back of `other`; without a copy, if that is empty and nothing is lent. */
  pourInto(other: ByteQueue): void {
    const { length } = this;
    if (other.length > 0 || other.#lent !== null || this.#lent !== null) {
      other.append(this.view(length));
      return this.consume(length);
    }
    other.#replace(this.#storage, this.#owner);
    other.#start = this.#start;
    other.#end = this.#end;
    other.#searchAnew();
    this.#owner = "other"; // the storage is no longer this one's to give back
    this.#release();
  }

  /**
   * Where `delimiter` begins, counted from the front, or -1. Looks at no byte twice in vain, however
   * often the beginning of `delimiter` comes and in however many pieces, and never behind the end,
   * where others' bytes are (Knuth, Morris and Pratt).
   */
  indexOf(delimiter: Uint8Array): number {
    if (!sameBytes(delimiter, this.#sought)) {
      this.#sought = delimiter;
      this.#borders = undefined;
      this.#searchAnew();
    }
    const storage = this.#storage;
    const end = this.#end;
    const { length } = delimiter;
    let at = this.#start + this.#searched;
    let matched = this.#matched;
    for (;;) {
      if (matched === 0) {
        at = firstOf(storage, delimiter[0]!, at, end);
        if (at === end) break;
        matched = 1;
      }
      const most = Math.min(length, end - at);
      while (matched < most && storage[at + matched] === delimiter[matched]) matched++;
      if (matched === most) break;
      // What matches still, further back.
      const rest = matched === 1 ? 0 : (this.#borders ??= bordersOf(delimiter))[matched]!;
      at += matched - rest;
      matched = rest;
    }
    this.#searched = at - this.#start;
    this.#matched = matched;
    return matched === length ? this.#searched : -1;
  }

  #searchAnew(): void {
    this.#searched = 0;
    this.#matched = 0;
  }

  /** Copies `bytes` to the back. */
  append(bytes: Uint8Array): void {
    this.#makeRoom(bytes.length);
    this.#storage.set(bytes, this.#end);
    this.#end += bytes.length;
  }

  /** Puts a chunk at the back that will not change any more, without a copy if it can. */
  adopt(chunk: Uint8Array): void {
    if (this.length > 0 || this.#lent !== null) return this.append(chunk);
    this.#replace(chunk, "other");
    this.#end = chunk.length;
  }

  /** Puts `bytes` back at the front. */
  prepend(bytes: Uint8Array): void {
    this.#searchAnew();
    if (this.#owner !== "other" && this.#start >= bytes.length) {
      this.#start -= bytes.length;
      this.#storage.set(bytes, this.#start);
      return;
    }
    const rest = this.view(this.length);
    const storage = new Uint8Array(bytes.length + rest.length);
    storage.set(bytes);
    storage.set(rest, bytes.length);
    this.#replace(storage, "queue");
    this.#end = storage.length;
  }

  /** Appends what `write` writes to the free space, which has at least `least` bytes. */
  appendBy(least: number, write: (space: Uint8Array) => number): void {
    this.#makeRoom(least);
    this.#end += write(this.#storage.subarray(this.#end));
  }

  /** Lends free space, at least one byte of it and at most `most`. */
  reserve(most: number): Uint8Array {
    this.#makeRoom(Math.min(most, this.#flowing ? bigBuffers.bufferSize : LEAST_READ));
    const storage = this.#storage;
    const isWhole = this.#end === 0 && most >= storage.length;
    return this.#lent = isWhole ? storage : storage.subarray(this.#end, this.#end + most);
  }

  /** The first `count` bytes of the lent space are filled; nobody writes to it any more. */
  filled(count: number): void {
    const lent = this.#lent!;
    this.#lent = null;
    this.#flowing = this.#flowing
      ? count >= bigBuffers.bufferSize / 8
      : count === lent.length && count >= LEAST_READ;
    const storage = this.#storage;
    const atEnd = lent === storage ? this.#end === 0 : lent.buffer === storage.buffer &&
      lent.byteOffset === storage.byteOffset + this.#end;
    if (atEnd) this.#end += count;
    else this.append(lent.subarray(0, count));
    if (this.length === 0) this.#release();
  }

  /** Forgets all bytes. */
  clear(): void {
    this.consume(this.length);
  }

  #makeRoom(count: number): void {
    if (this.room >= count && this.#lent === null) return;
    const { length } = this;
    if (this.#lent === null && this.#owner !== "other" && this.#fits(length + count)) {
      this.#storage.copyWithin(0, this.#start, this.#end);
    } else {
      const pool = poolFor(length + count);
      const storage = pool?.acquire() ?? new Uint8Array(Math.max(length + count, 2 * length));
      storage.set(this.view(length));
      this.#replace(storage, pool === undefined ? "queue" : "pool");
    }
    this.#start = 0;
    this.#end = length;
  }

  /** Whether `count` bytes fit and moving them costs little for each that was consumed. */
  #fits(count: number): boolean {
    return count <= this.#storage.length && this.#start >= this.length;
  }

  #release(): void {
    this.#searchAnew();
    if (this.#lent === null) this.#replace(NOTHING, "other");
  }

  /** Another storage, which begins with what is in the queue. */
  #replace(storage: Uint8Array, owner: Owner): void {
    // While it is lent it must not have another user; it is left to the garbage collector.
    if (this.#owner === "pool" && this.#lent === null) {
      poolFor(this.#storage.length)!.recycle(this.#storage);
    }
    this.#storage = storage;
    this.#owner = owner;
    this.#start = 0;
    this.#end = 0;
  }
}

/** The pool of the smallest buffers that have so many bytes, if there is one. */
function poolFor(byteCount: number): BufferPool | undefined {
  if (byteCount <= buffers.bufferSize) return buffers;
  return byteCount <= bigBuffers.bufferSize ? bigBuffers : undefined;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a === b) return true;
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** So many bytes are searched faster one by one than with a view of them. */
const FEW_TO_SEARCH = 64;

/** Where the first `byte` is, from `at` on, or `after`, if there is none before that. */
function firstOf(storage: Uint8Array, byte: number, at: number, after: number): number {
  const few = Math.min(after, at + FEW_TO_SEARCH);
  for (; at < few; at++) if (storage[at] === byte) return at;
  if (at >= after) return after;
  const found = storage.subarray(at, after).indexOf(byte);
  return found < 0 ? after : at + found;
}

/**
 * How many bytes at the end of the first `n` are also the first ones, and fewer than `n`: at the
 * index `n`.
 */
function bordersOf(bytes: Uint8Array): Int32Array {
  const borders = new Int32Array(bytes.length);
  for (let n = 2, border = 0; n < bytes.length; n++) {
    const last = bytes[n - 1];
    while (border > 0 && bytes[border] !== last) border = borders[border]!;
    if (bytes[border] === last) border++;
    borders[n] = border;
  }
  return borders;
}
