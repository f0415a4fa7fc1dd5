/** A pool of byte buffers. */
import { checkFiniteCount, checkOptions, show } from "../internal/check.ts";
import { ResourcePool } from "./resource_pool.ts";

/** How big the buffers are, and how many are kept. */
export interface BufferPoolOptions {
  /** The length of each buffer, in bytes. Default 16384. */
  bufferSize?: number;
  /** How many unused buffers it keeps; what comes back beyond that is dropped. Default 1024. */
  maxSize?: number;
}

/** What a pipe and a TLS record hold at least: 16 KiB. */
const DEFAULT_BUFFER_SIZE = 16 * 1024;

/**
 * A pool of byte buffers of one size. They are not cleared: a buffer holds what its last user left.
 *
 * @example
 * ```ts
 * import { assert, assertEquals } from "@std/assert";
 * import { BufferPool } from "@weft/weft/resource";
 *
 * const pool = new BufferPool({ bufferSize: 1024 });
 * const buffer = pool.acquire();
 * assertEquals(buffer.length, 1024);
 * pool.recycle(buffer);
 * assert(pool.acquire() === buffer);
 * ```
 */
export class BufferPool extends ResourcePool<Uint8Array> {
  /** The length of each buffer, in bytes. */
  readonly bufferSize: number;

  /**
   * An empty pool.
   *
   * @throws {RangeError} if a number is not whole, or `bufferSize` less than 1 or not finite
   * @throws {TypeError} if an option is of the wrong type
   */
  constructor(options?: BufferPoolOptions) {
    checkOptions("make the pool", options);
    const { bufferSize = DEFAULT_BUFFER_SIZE, maxSize } = options ?? {};
    checkFiniteCount("make the pool", "bufferSize", bufferSize, 1);
    super({
      make: () => new Uint8Array(bufferSize),
      ...(maxSize === undefined ? {} : { maxSize }),
    });
    this.bufferSize = bufferSize;
  }

  /**
   * Gives a buffer back. Never suspends.
   *
   * @throws {TypeError} if it is not a whole buffer of this size
   * @throws {Error} if it was recycled already, and not acquired since
   */
  override recycle(buffer: Uint8Array): void {
    if (!(buffer instanceof Uint8Array) || buffer.length !== this.bufferSize) {
      const got = buffer instanceof Uint8Array ? `one of ${buffer.length}` : show(buffer);
      throw new TypeError(
        `Cannot recycle the buffer: it must be a Uint8Array of ${this.bufferSize} bytes, got ${got}`,
      );
    }
    if (buffer.buffer.byteLength !== this.bufferSize) { // whoever has the rest would share it
      throw new TypeError(
        `Cannot recycle the buffer: it must fill its ArrayBuffer, ` +
          `got a part of ${buffer.buffer.byteLength} bytes`,
      );
    }
    super.recycle(buffer);
  }
}
