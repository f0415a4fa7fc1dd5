/**
 * Small arrays of bytes that share a buffer, as Node's `Buffer`s do: to make one with a buffer of
 * its own takes ten times as long. A channel has them with `pooledBytes`.
 */
import { DATA, type SharedQueue } from "./shared_queue.ts";

/** A slab is kept as a whole while one of its pieces is in use. */
const SLAB_BYTES = 1 << 15;
/** What is larger gets a buffer of its own. */
const LARGEST_PIECE = SLAB_BYTES >> 5;

let words = new Int32Array(0);
/** How many bytes of the current slab have been given away. */
let used = 0;

/** A copy of the first `length` bytes of what is in a slot. */
export function pieceOf(queue: SharedQueue, slot: number, length: number): Uint8Array<ArrayBuffer> {
  const from = slot + DATA;
  if (length > LARGEST_PIECE) {
    return queue.bytes.slice(from * 4, from * 4 + length) as Uint8Array<ArrayBuffer>;
  }
  if (used + length > words.byteLength) {
    words = new Int32Array(SLAB_BYTES / 4);
    used = 0;
  }
  const piece = new Uint8Array(words.buffer, used, length);
  const to = used >> 2;
  const count = (length + 3) >> 2; // whole words: a slot has them, and so has a slab
  for (let i = 0; i < count; i++) words[to + i] = queue.words[from + i]!;
  used += count * 4;
  return piece;
}
