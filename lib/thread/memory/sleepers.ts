/**
 * Who sleeps until something in shared memory is ready: a table of threads, one for each side of a
 * queue.
 *
 * Who waits is a thread, not a fiber: it notes its place in the registry in the table, *then looks
 * again*, and sleeps on its doorbell. Who has made something ready looks whether there may be
 * sleepers (MAYBE_ASLEEP is 0: none), takes the one that came first out of the table, and rings. Of
 * the two looks at least one sees the other. A thread that was rung and finds more than it takes
 * passes the ring on; so does one that was rung and has lost interest. A ring that goes to a thread
 * that dies is lost: therefore everybody who sleeps looks again now and then. A full table is no
 * harm either: whoever finds no free row is not rung, but looks all the same.
 */
import { raiseTo, type Registry } from "./registry.ts";

// Words of a table.
/** Not 0: there may be sleepers. */
export const MAYBE_ASLEEP = 0;
const NEXT_TICKET = 1;
/** How many rows were ever in use: the rest needn't be looked at. */
const USED_ROWS = 2;
const TABLE = 16;
const ROWS = 64;
/** How many words it takes, so that it fills cache lines of its own. */
export const SLEEPERS_WORDS = 112;

// An entry: the place of a thread, plus 1, below the ticket, of which there is as much as fits.
const TICKET_SHIFT = 15;
const PLACE_MASK = (1 << TICKET_SHIFT) - 1;

/** What threads sleep on until it is ready. */
export interface Awaited {
  readonly sleepers: Sleepers;
  /**
   * Whether nobody may be overtaken, neither in line nor in the table: those in line look one after
   * the other, and a thread that was woken in vain stands in the table where it stood before.
   */
  readonly isFair: boolean;
  /** Whether it is likely that one who wants `need` of it gets that now. */
  isReady(need: number): boolean;
}

/** Who rings, or sleeps. */
interface Thread {
  readonly registry: Registry;
  readonly place: number;
}

export class Sleepers {
  /** `base`: where its words begin; `wakesLast`: whether who came last is rung first. */
  constructor(
    readonly words: Int32Array,
    readonly base: number,
    readonly thread: Thread,
    readonly wakesLast: boolean,
  ) {}

  /** A ticket that is younger than all that were drawn before. */
  drawTicket(): number {
    return Atomics.add(this.words, this.base + NEXT_TICKET, 1);
  }

  /**
   * Notes that this thread sleeps, as of `ticket`: its row in the table, to be given to `leave`; -1:
   * it is full.
   */
  enter(ticket: number = this.drawTicket()): number {
    const { words, base } = this;
    const entry = (ticket << TICKET_SHIFT) | (this.thread.place + 1);
    for (let row = 0; row < ROWS; row++) {
      if (Atomics.compareExchange(words, base + TABLE + row, 0, entry) !== 0) continue;
      raiseTo(words, base + USED_ROWS, row + 1);
      Atomics.store(words, base + MAYBE_ASLEEP, 1); // last: who sees it finds the entry
      return row;
    }
    return -1;
  }

  /** Whether this thread still stands in `row`: nobody has rung for it. */
  isEntered(row: number): boolean {
    const entry = Atomics.load(this.words, this.base + TABLE + row);
    return (entry & PLACE_MASK) === this.thread.place + 1;
  }

  /** It no longer sleeps; false if it has been rung. */
  leave(row: number): boolean {
    const { words } = this;
    const index = this.base + TABLE + row;
    const entry = Atomics.load(words, index);
    return (entry & PLACE_MASK) === this.thread.place + 1 &&
      Atomics.compareExchange(words, index, entry, 0) === entry;
  }

  /** Rings for whoever sleeps longest, or shortest where it says so; false if nobody sleeps. */
  wake(): boolean {
    const { words, base } = this;
    const { registry } = this.thread;
    for (;;) {
      Atomics.store(words, base + MAYBE_ASLEEP, 0);
      let first = -1;
      let firstEntry = 0;
      let others = false;
      const used = Atomics.load(words, base + USED_ROWS);
      for (let row = 0; row < used; row++) {
        const entry = Atomics.load(words, base + TABLE + row);
        if (entry === 0) continue;
        others ||= first >= 0;
        if (first >= 0 && isOlder(entry, firstEntry) === this.wakesLast) continue;
        first = row;
        firstEntry = entry;
      }
      if (first < 0) return false;
      if (others) Atomics.store(words, base + MAYBE_ASLEEP, 1);
      const place = (firstEntry & PLACE_MASK) - 1;
      const isAlive = registry.isTaken(place);
      if (Atomics.compareExchange(words, base + TABLE + first, firstEntry, 0) !== firstEntry) {
        continue;
      }
      if (!isAlive) continue;
      registry.ring(place);
      return true;
    }
  }

  /** Wakes each that sleeps now. Who comes while it does so is not waited for. */
  wakeAll(): void {
    for (let n = 0; n < ROWS && this.wake(); n++);
  }

  /** How many threads sleep: for tests and people. */
  get count(): number {
    const table = this.words.subarray(this.base + TABLE, this.base + TABLE + ROWS);
    return table.reduce((n, entry) => entry === 0 ? n : n + 1, 0);
  }
}

/** By the tickets, which wrap around; the place below them makes no difference. */
function isOlder(entry: number, than: number): boolean {
  return ((entry - than) | 0) < 0;
}
