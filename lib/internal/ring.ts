/** The queue under ready queues and channel buffers. */

/** Capacity of a ring that holds nothing yet, and the one it shrinks back to. A power of two. */
const INITIAL_CAPACITY = 16;

/** A ring that has drained gives its storage back when it had grown past this. */
const KEEP_CAPACITY = 4096;

/**
 * A growable first-in-first-out queue: O(1) at both ends; it allocates only when it grows.
 *
 * Empty slots are set to `undefined`, so that the ring keeps nothing alive. An item may be
 * `undefined`, too, so ask `length` whether there is one.
 */
export class Ring<T> {
  #slots: (T | undefined)[] = new Array(INITIAL_CAPACITY).fill(undefined);
  #mask = INITIAL_CAPACITY - 1;
  #head = 0;
  length = 0;

  /** Appends at the back. */
  push(item: T): void {
    if (this.length > this.#mask) this.#grow();
    this.#slots[(this.#head + this.length++) & this.#mask] = item;
  }

  /** Puts back at the front: the next `shift` returns it. */
  unshift(item: T): void {
    if (this.length > this.#mask) this.#grow();
    this.#head = (this.#head - 1) & this.#mask;
    this.#slots[this.#head] = item;
    this.length++;
  }

  /** Takes from the front; `undefined` when empty. */
  shift(): T | undefined {
    if (this.length === 0) return undefined;
    const head = this.#head;
    const item = this.#slots[head];
    this.#slots[head] = undefined;
    this.#head = (head + 1) & this.#mask;
    if (--this.length === 0 && this.#mask >= KEEP_CAPACITY) this.#reset(INITIAL_CAPACITY);
    return item;
  }

  #grow(): void {
    const { length } = this;
    const old = this.#slots;
    const [head, mask] = [this.#head, this.#mask];
    this.#reset(length * 2);
    for (let i = 0; i < length; i++) this.#slots[i] = old[(head + i) & mask];
  }

  #reset(capacity: number): void {
    this.#slots = new Array(capacity).fill(undefined);
    this.#mask = capacity - 1;
    this.#head = 0;
  }
}
