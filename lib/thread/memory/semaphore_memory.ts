/**
 * A semaphore in shared memory: STATE counts the permits that are available; RESERVED may stand
 * beside the count.
 *
 * Behind it is a table of those who hold some: the mark of a thread, and how many it holds. A
 * thread takes permits first and notes them then; it takes them off the table before it frees them.
 * So there are never more rows in use than permits are held, and the table has a row for each
 * permit (or for each thread that there may be). Of a thread that is gone nobody changes the count;
 * who wins the compare-and-set on its row frees them, and adds them to RECOVERED as well. As many
 * permits as that says are still to be handed out as abandoned.
 */
import {
  HEADER_WORDS,
  LockMemory,
  NOT_TAKEN,
  PERMITS,
  RESERVED,
  STATE,
  TAKEN,
  type Taken,
  TAKEN_ABANDONED,
} from "./lock_memory.ts";
import { PLACES, raiseTo } from "./registry.ts";

/** More would not leave room for RESERVED, with some to spare. */
export const MOST_PERMITS: number = 2 ** 30;

const RECOVERED = 35;
/** How many rows were ever in use: the rest needn't be looked at. */
const USED_ROWS = 36;

// Words of a row.
const OWNER = 0;
const COUNT = 1;
const ROW_WORDS = 2;

export class SemaphoreMemory extends LockMemory {
  readonly permits: number = this.words[PERMITS]!;
  readonly #rows = rowsFor(this.permits);
  /** How many permits this thread holds, and the row that says so. */
  #held = 0;
  #row = 0;

  /** Memory for one with `permits`, all of them available. */
  static create(permits: number): SharedArrayBuffer {
    const buffer = LockMemory.allocate(permits, wordsFor(permits));
    new Int32Array(buffer)[STATE] = permits;
    return buffer;
  }

  static isSemaphore(buffer: SharedArrayBuffer): boolean {
    const permits = LockMemory.permitsIn(buffer);
    return permits !== undefined && permits > 0 && permits <= MOST_PERMITS &&
      buffer.byteLength === wordsFor(permits) * 4;
  }

  get available(): number {
    this.recover();
    return Atomics.load(this.words, STATE) & ~RESERVED;
  }

  override take(need: number): Taken {
    const { words } = this;
    for (;;) {
      const state = Atomics.load(words, STATE);
      if ((state & ~RESERVED) < need || (state < 0 && !this.hasReserved)) {
        if (!this.unhinder()) return NOT_TAKEN;
        continue;
      }
      const rest = (state & ~RESERVED) - need;
      if (Atomics.compareExchange(words, STATE, state, rest) !== state) continue;
      this.#note(need);
      if (state < 0) {
        this.reservationUsed();
        this.ringNext(); // there may be more than it took, which others were kept from
      }
      return this.#takesRecovered(need) ? TAKEN_ABANDONED : TAKEN;
    }
  }

  override free(count: number): void {
    // Otherwise this thread has ended, and was found to be gone.
    if (Atomics.load(this.words, this.#row + OWNER) !== this.mark) return;
    this.#note(-count);
    this.#add(count);
  }

  #add(count: number): void {
    this.ringAfter(Atomics.add(this.words, STATE, count));
  }

  protected override has(need: number): boolean {
    return (Atomics.load(this.words, STATE) & ~RESERVED) >= need;
  }

  /** This thread holds so many more, or fewer: says so in its row. */
  #note(change: number): void {
    const { words } = this;
    if (this.#held === 0) this.#claimRow();
    this.#held += change;
    Atomics.store(words, this.#row + COUNT, this.#held);
    if (this.#held === 0) Atomics.compareExchange(words, this.#row + OWNER, this.mark, 0);
  }

  #claimRow(): void {
    const { words } = this;
    if (this.#row === 0) this.#row = HEADER_WORDS;
    const end = HEADER_WORDS + this.#rows * ROW_WORDS;
    while (Atomics.compareExchange(words, this.#row + OWNER, 0, this.mark) !== 0) {
      this.#row += ROW_WORDS;
      if (this.#row === end) this.#row = HEADER_WORDS;
    }
    raiseTo(words, USED_ROWS, (this.#row - HEADER_WORDS) / ROW_WORDS + 1);
  }

  protected override recover(): boolean {
    const { words } = this;
    let freed = 0;
    const end = HEADER_WORDS + Atomics.load(words, USED_ROWS) * ROW_WORDS;
    for (let row = HEADER_WORDS; row < end; row += ROW_WORDS) {
      const owner = Atomics.load(words, row + OWNER);
      if (owner === 0 || this.registry.isHere(owner)) continue;
      const count = Atomics.load(words, row + COUNT);
      if (Atomics.compareExchange(words, row + OWNER, owner, 0) === owner) freed += count;
    }
    if (freed === 0) return false;
    Atomics.add(words, RECOVERED, freed);
    this.#add(freed);
    return true;
  }

  /** Whether some of `count` permits, which were just taken, count as abandoned. */
  #takesRecovered(count: number): boolean {
    const { words } = this;
    for (;;) {
      const recovered = Atomics.load(words, RECOVERED);
      if (recovered === 0) return false;
      const rest = Math.max(0, recovered - count);
      if (Atomics.compareExchange(words, RECOVERED, recovered, rest) === recovered) return true;
    }
  }
}

function rowsFor(permits: number): number {
  return Math.min(permits, PLACES);
}

function wordsFor(permits: number): number {
  return HEADER_WORDS + rowsFor(permits) * ROW_WORDS;
}
