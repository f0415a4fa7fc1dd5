/**
 * A bounded queue in shared memory: any number of threads put in, any number take out, first in,
 * first out, and nobody ever waits for a thread that was stopped in the middle of its program.
 *
 * After the bounded queue of Dmitry Vyukov. Each slot has a sequence word that says whose turn it
 * is; positions count in twos and wrap around, and slot `i` is the place of each position `p` with
 * `p / 2 = i` modulo the number of slots `n`:
 *
 *     sequence = p            free: the sender at position p may fill it
 *     sequence = p + 2        full: the receiver at position p may empty it
 *     sequence = p + 2n       free again, for the sender one lap later
 *
 * A sender claims position `p` by moving TAIL from `p` to `p + 2` with a compare-and-set, fills the
 * slot, and publishes it by its sequence word; a receiver does the like with HEAD. That
 * compare-and-set is the commit: either it happened, or nothing has. Between claim and publication
 * there is no code of the user's and no wait, and a worker's thread isn't stopped there either.
 *
 * The lowest bit of TAIL says that the queue is closed: so an item is either in before the close,
 * or refused. Whoever sets it, and one does, then says in STATUS why: because it is over, or because
 * of a failure, which has a place of its own behind the slots. Until that is said nobody is told
 * that the queue is closed; it takes no longer than to fill a slot, and nothing runs in between.
 *
 * The stack may overflow anywhere. Where that happens to a sender before the publication, the slot
 * is published as VOID, which receivers pass over: nothing was sent, and nobody is blocked. That, and
 * what a receiver does in its place, is done without a call, for which there may be no room. A receiver
 * that couldn't read its slot reads it later. So that nobody has to wait for that, in a queue that
 * forgets it puts the slot aside meanwhile: an odd sequence, 1 more than it was. A sender that comes
 * upon it may forget the item; a compare-and-set decides.
 *
 * A queue that forgets its oldest items when it is full (FORGETS) has more slots than it holds
 * items. So a sender always gets one, and then takes out what is too much: an item is forgotten
 * only for one that is in.
 *
 * Who waits for items (or for room) is a thread, not a fiber: it notes its place in the registry in
 * a table of sleepers, *then looks again*, and sleeps on its doorbell. Who has put in an item (or
 * made room) looks whether there may be sleepers (AWAKE is 0), takes the one that came first out
 * of the table, and rings. Of the two looks at least one sees the other. A thread that was rung
 * and finds more than it takes passes the ring on; so does one that was rung and has lost interest.
 * A ring that goes to a thread that dies is lost: therefore everybody who sleeps looks again now
 * and then. A full table is no harm either: who finds no line is not rung, but looks all the same.
 */
import { joinRegistry, type Registry, tokenOf } from "./registry.ts";

// Words of the header. What different threads write stands 64 bytes apart.
const SLOTS = 2;
const CAPACITY = 3;
const SLOT_WORDS = 4;
const FLAGS = 5;
const STATUS = 6;
const TAIL = 16;
const HEAD = 32;
/** For each side: whether there may be sleepers, the next ticket, and the table with its use. */
const SIDES = [48, 160, 272] as const;
const MAYBE_ASLEEP = 0;
const NEXT_TICKET = 1;
/** How many lines of the table were ever in use: the rest needn't be looked at. */
const USED_LINES = 2;
const TABLE = 16;
const LINES = 64;
const HEADER_WORDS = 384;
/** Says that it is the memory of a queue, laid out like this. */
const MAGIC = 7;
const MAGIC_NUMBER = 0x57454654;

// Words of a slot.
const SEQUENCE = 0;
export const KIND = 1;
export const LENGTH = 2;
export const EXTRA = 3;
export const DATA = 4;
/** In the place of KIND: there is no item in the slot. */
const VOID = -1;

/**
 * A flag of a queue: of several sleepers the one that fell asleep last is woken, for it is the one
 * that is warm. Others are up to who uses the queue.
 */
export const WAKES_LAST = 1 << 16;

/** A flag of a queue: the bytes that are received may share a buffer. */
export const POOLS_BYTES = 1 << 17;

/** A flag of a queue: there is a place to say why it has failed. */
export const CAN_FAIL = 1 << 18;

/** A flag of a queue: when it is full it forgets the oldest item. */
export const FORGETS = 1 << 19;

/** How many items more than it should hold a queue that forgets has room for. */
const SPARE_SLOTS = 16;

/** How many bytes the reason of a failure may take. */
export const FAILURE_BYTES = 4096;
const FAILURE_WORDS = DATA + FAILURE_BYTES / 4;

/** Those who wait for items, those who wait for room, and those who wait for the close. */
export const RECEIVERS = 0;
export const SENDERS = 1;
export const CLOSERS = 2;
/** The word that has publishers and receivers look for sleepers: set where a ring was missed. */
export const SENDERS_ASLEEP: number = SIDES[SENDERS] + MAYBE_ASLEEP;
const RECEIVERS_ASLEEP = SIDES[RECEIVERS] + MAYBE_ASLEEP;
export type Side = typeof RECEIVERS | typeof SENDERS | typeof CLOSERS;

// What STATUS says.
const OPEN = 0;
const OVER = 1;
const FAILED = 2;

/** How often who finds it closed looks whether it is said why; somebody is just about to. */
const CLOSING_LOOKS = 10_000;
/** How often a sender that can't wait looks whether a slot is free, before it sleeps a moment. */
const FULL_LOOKS = 1000;
const MOMENT_MS = 1;

// What `claim` and `take` say if they give no slot.
export const NOT_NOW = 0;
export const CLOSED = -1;

const CLOSED_BIT = 1;
/** A line of the table: the ticket, and the place + 1 below. */
const TICKET_SHIFT = 15;
const PLACE_MASK = (1 << TICKET_SHIFT) - 1;

/** What knows how to fill a slot. */
export interface Content {
  write(queue: SharedQueue, slot: number): void;
}

export class SharedQueue {
  readonly words: Int32Array;
  readonly numbers: Float64Array;
  readonly bytes: Uint8Array;
  readonly chars: Uint16Array;
  readonly registry: Registry;
  readonly place: number;
  readonly slotBytes: number;
  readonly capacity: number;
  readonly mask: number;
  readonly slotWords: number;
  /** Where the reason of a failure has its place: like a slot, for whoever writes or reads it. */
  readonly failureSlot: number;
  /** How many positions may be claimed and not yet taken. */
  readonly #limit: number;
  /** HEAD as this thread saw it last. */
  #knownHead = 0;

  /** Memory for a queue of `capacity` items of at most `slotBytes`. */
  static allocate(capacity: number, slotBytes: number, flags = 0): SharedArrayBuffer {
    const { slots, slotWords, bytes } = SharedQueue.layout(capacity, slotBytes, flags);
    const buffer = new SharedArrayBuffer(bytes);
    const words = new Int32Array(buffer);
    words.set(crypto.getRandomValues(new Int32Array(2)), 0);
    words[SLOTS] = slots;
    words[CAPACITY] = capacity;
    words[SLOT_WORDS] = slotWords;
    words[FLAGS] = flags;
    words[MAGIC] = MAGIC_NUMBER;
    for (let i = 0; i < slots; i++) words[HEADER_WORDS + i * slotWords + SEQUENCE] = 2 * i;
    return buffer;
  }

  /** How many slots of how many words that takes, and how many bytes in all. */
  static layout(
    capacity: number,
    slotBytes: number,
    flags = 0,
  ): { slots: number; slotWords: number; bytes: number } {
    let slots = 2; // with a single one, full and free again would look the same
    while (slots < capacity + ((flags & FORGETS) === 0 ? 0 : SPARE_SLOTS)) slots *= 2;
    const slotWords = Math.ceil((slotBytes / 4 + DATA) / 16) * 16;
    const failureWords = (flags & CAN_FAIL) === 0 ? 0 : FAILURE_WORDS;
    return { slots, slotWords, bytes: (HEADER_WORDS + slots * slotWords + failureWords) * 4 };
  }

  /** Whether `buffer` is the memory of a queue. */
  static isQueue(buffer: SharedArrayBuffer): boolean {
    if (buffer.byteLength < HEADER_WORDS * 4) return false;
    const words = new Int32Array(buffer, 0, HEADER_WORDS);
    if (words[MAGIC] !== MAGIC_NUMBER) return false;
    const slotBytes = (words[SLOT_WORDS]! - DATA) * 4;
    const { slots, bytes } = SharedQueue.layout(words[CAPACITY]!, slotBytes, words[FLAGS]!);
    return words[SLOTS] === slots && buffer.byteLength === bytes;
  }

  constructor(readonly buffer: SharedArrayBuffer, registry: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    this.numbers = new Float64Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.chars = new Uint16Array(buffer);
    const joined = joinRegistry(registry);
    this.registry = joined.registry;
    this.place = joined.place;
    this.mask = this.words[SLOTS]! - 1;
    this.capacity = this.words[CAPACITY]!;
    this.slotWords = this.words[SLOT_WORDS]!;
    this.slotBytes = (this.slotWords - DATA) * 4;
    this.failureSlot = HEADER_WORDS + this.words[SLOTS]! * this.slotWords;
    this.#limit = this.forgets ? this.words[SLOTS]! : this.capacity;
  }

  get #wakesLast(): boolean {
    return (this.words[FLAGS]! & WAKES_LAST) !== 0;
  }

  /** Whether the bytes that are received may share a buffer. */
  get poolsBytes(): boolean {
    return (this.words[FLAGS]! & POOLS_BYTES) !== 0;
  }

  /** Whether it forgets the oldest item when it is full. */
  get forgets(): boolean {
    return (this.words[FLAGS]! & FORGETS) !== 0;
  }

  get flags(): number {
    return this.words[FLAGS]!;
  }

  get token(): string {
    return tokenOf(this.buffer);
  }

  #slotOf(position: number): number {
    return HEADER_WORDS + ((position >>> 1) & this.mask) * this.slotWords;
  }

  /**
   * Puts an item in: true, or NOT_NOW or CLOSED.
   *
   * @throws what `content` throws, which should be nothing; then nothing was put in
   */
  put(content: Content, extra: number): true | typeof NOT_NOW | typeof CLOSED {
    const slot = this.#limit === this.capacity ? this.claim() : this.#claimNow();
    if (slot <= NOT_NOW) return slot as typeof NOT_NOW | typeof CLOSED;
    const { words } = this;
    const sequence = words[slot + SEQUENCE]!;
    try {
      content.write(this, slot);
      words[slot + EXTRA] = extra;
      this.publish(slot);
      if (this.#limit !== this.capacity) this.trim();
    } catch (error) { // the stack overflows: no calls
      if (words[slot + SEQUENCE] === sequence) {
        words[slot + KIND] = VOID;
        Atomics.store(words, slot + SEQUENCE, (sequence + 2) | 0);
        throw error;
      }
      Atomics.store(words, RECEIVERS_ASLEEP, 1); // it is in, and the ring is for the next one
    }
    return true;
  }

  /** Puts in a number, whose form is `kind`: whether there was room. For queues that don't forget. */
  putNumber(kind: number, value: number): boolean {
    const slot = this.claim();
    if (slot <= NOT_NOW) return false;
    const { words } = this;
    const sequence = words[slot + SEQUENCE]!;
    words[slot + KIND] = kind;
    this.numbers[(slot + DATA) >> 1] = value;
    try {
      this.publish(slot);
    } catch { // as above, but for that it is filled
      if (words[slot + SEQUENCE] === sequence) {
        Atomics.store(words, slot + SEQUENCE, (sequence + 2) | 0);
      }
      Atomics.store(words, RECEIVERS_ASLEEP, 1);
    }
    return true;
  }

  /** A slot to fill and `publish`, or NOT_NOW (there is no room), or CLOSED. */
  claim(): number {
    const { words } = this;
    for (;;) {
      const tail = Atomics.load(words, TAIL);
      if ((tail & CLOSED_BIT) !== 0) return this.#isOver() ? CLOSED : NOT_NOW;
      if (this.#isFull(tail)) return NOT_NOW;
      const slot = this.#slotOf(tail);
      const ahead = (Atomics.load(words, slot + SEQUENCE) - tail) | 0;
      if (ahead < 0) return NOT_NOW; // its receiver is still reading
      if (
        ahead === 0 && Atomics.compareExchange(words, TAIL, tail, (tail + 2) | 0) === tail
      ) return slot;
    }
  }

  /** HEAD is looked at only where what was known of it doesn't do: receivers keep writing it. */
  #isFull(tail: number): boolean {
    const known = (tail - this.#knownHead) | 0;
    if (known >= 0 && known < 2 * this.#limit) return false;
    this.#knownHead = Atomics.load(this.words, HEAD);
    return ((tail - this.#knownHead) | 0) >= 2 * this.#limit;
  }

  /** For a queue that forgets: a slot to fill, `publish` and `trim`, or CLOSED. */
  #claimNow(): number {
    for (let looks = 1;; looks++) {
      const slot = this.claim();
      if (slot !== NOT_NOW) return slot;
      // Others are reading, writing, or about to take out what is too much: they are awake.
      this.trim();
      this.#forgetAside();
      if (looks % FULL_LOOKS === 0) Atomics.wait(this.words, STATUS, OPEN, MOMENT_MS);
    }
  }

  /**
   * The slot that is in the way may be one that was put aside (an odd sequence): its item is older than
   * all others.
   */
  #forgetAside(): void {
    const { words } = this;
    const index = this.#slotOf(Atomics.load(words, TAIL)) + SEQUENCE;
    const sequence = Atomics.load(words, index);
    if ((sequence & 1) === 0) return;
    Atomics.compareExchange(words, index, sequence, (sequence - 1 + 2 * this.mask) | 0);
  }

  /** For a queue that forgets: takes out what is too much. Whoever publishes must call it. */
  trim(): void {
    const { words } = this;
    for (;;) {
      const head = Atomics.load(words, HEAD);
      const tail = Atomics.load(words, TAIL) & ~CLOSED_BIT;
      if (((tail - head) | 0) <= 2 * this.capacity) return;
      const slot = this.#slotOf(head);
      // If its sender is still writing, then that one trims after this one.
      if (((Atomics.load(words, slot + SEQUENCE) - head - 2) | 0) < 0) return;
      if (Atomics.compareExchange(words, HEAD, head, (head + 2) | 0) !== head) continue;
      // Without a call, or the slot might be lost. Nobody waits for room.
      Atomics.store(words, slot + SEQUENCE, (words[slot + SEQUENCE]! + 2 * this.mask) | 0);
    }
  }

  /** Whether it is said why it is closed. */
  #isOver(): boolean {
    for (let looks = CLOSING_LOOKS; looks > 0; looks--) {
      if (Atomics.load(this.words, STATUS) !== OPEN) return true;
    }
    return false;
  }

  /** The slot that `claim` gave has been filled. */
  publish(slot: number): void {
    const { words } = this;
    Atomics.store(words, slot + SEQUENCE, (words[slot + SEQUENCE]! + 2) | 0);
    if (Atomics.load(words, SIDES[RECEIVERS] + MAYBE_ASLEEP) !== 0) this.wake(RECEIVERS);
  }

  /** A slot to read and `free`, or NOT_NOW (there is no item), or CLOSED (and never will be). */
  take(): number {
    const { words } = this;
    for (;;) {
      const head = Atomics.load(words, HEAD);
      const slot = this.#slotOf(head);
      const ahead = (Atomics.load(words, slot + SEQUENCE) - head - 2) | 0;
      if (ahead === 0) {
        if (Atomics.compareExchange(words, HEAD, head, (head + 2) | 0) !== head) continue;
        if (words[slot + KIND] !== VOID) return slot;
        words[slot + KIND] = 0;
        Atomics.store(words, slot + SEQUENCE, (words[slot + SEQUENCE]! + 2 * this.mask) | 0);
        if (Atomics.load(words, SENDERS_ASLEEP) !== 0) this.wake(SENDERS);
      } else if (ahead < 0) {
        const tail = Atomics.load(words, TAIL);
        if ((tail & ~CLOSED_BIT) === head) {
          return tail !== head && this.#isOver() ? CLOSED : NOT_NOW;
        }
        if (Atomics.load(words, HEAD) === head) return NOT_NOW; // its sender is still writing
      }
    }
  }

  /** The slot that `take` gave has been read. */
  free(slot: number): void {
    const { words } = this;
    Atomics.store(words, slot + SEQUENCE, (words[slot + SEQUENCE]! + 2 * this.mask) | 0);
    if (Atomics.load(words, SIDES[SENDERS] + MAYBE_ASLEEP) !== 0) this.wake(SENDERS);
  }

  /**
   * From now on nothing goes in; true for who closed it. If it has failed, `failure` writes why into
   * the slot that it is given; if the stack overflows there, then nobody is told why.
   */
  close(failure?: (slot: number) => void): boolean {
    const { words } = this;
    if ((Atomics.or(words, TAIL, CLOSED_BIT) & CLOSED_BIT) !== 0) return false;
    try {
      failure?.(this.failureSlot);
    } catch { // the stack overflows: no calls, and what is unsaid holds up everybody
      words[this.failureSlot + KIND] = VOID;
    }
    Atomics.store(words, STATUS, failure === undefined ? OVER : FAILED);
    // Who comes later looks and sees it. Without the limit, one who sleeps again because a sender
    // is still writing would be woken again and again.
    for (const side of [CLOSERS, RECEIVERS, SENDERS] as const) {
      for (let n = 0; n < LINES && this.wake(side); n++);
    }
    return true;
  }

  /** Whether it is written why it has failed. */
  get saysWhy(): boolean {
    return this.words[this.failureSlot + KIND] !== VOID;
  }

  /** Whether it was closed because of a failure. */
  get hasFailed(): boolean {
    return Atomics.load(this.words, STATUS) === FAILED;
  }

  get isClosed(): boolean {
    return (Atomics.load(this.words, TAIL) & CLOSED_BIT) !== 0;
  }

  get size(): number {
    const head = Atomics.load(this.words, HEAD); // first: so it is never more than there were
    const tail = Atomics.load(this.words, TAIL) & ~CLOSED_BIT;
    return Math.min(this.capacity, ((tail - head) | 0) >>> 1);
  }

  /** Whether one item more would not be too much. */
  get hasRoom(): boolean {
    return this.size < this.capacity;
  }

  /** Whether somebody who waits on this side would get on now. */
  isReady(side: Side): boolean {
    const { words } = this;
    const tail = Atomics.load(words, TAIL);
    const isClosed = (tail & CLOSED_BIT) !== 0;
    if (side === CLOSERS) return isClosed;
    if (side === SENDERS) {
      if (isClosed) return Atomics.load(words, STATUS) !== OPEN;
      if (((tail - Atomics.load(words, HEAD)) | 0) >= 2 * this.#limit) return false;
      return ((Atomics.load(words, this.#slotOf(tail) + SEQUENCE) - tail) | 0) >= 0;
    }
    const head = Atomics.load(words, HEAD);
    if (((Atomics.load(words, this.#slotOf(head) + SEQUENCE) - head - 2) | 0) >= 0) return true;
    return tail === (head | CLOSED_BIT) && Atomics.load(words, STATUS) !== OPEN;
  }

  /** Notes that this thread sleeps: its line in the table, to be given to `leave`; -1: it is full. */
  enter(side: Side): number {
    const { words } = this;
    const base = SIDES[side];
    const ticket = Atomics.add(words, base + NEXT_TICKET, 1);
    const entry = (ticket << TICKET_SHIFT) | (this.place + 1); // of the ticket as much as there is room
    for (let line = 0; line < LINES; line++) {
      if (Atomics.compareExchange(words, base + TABLE + line, 0, entry) !== 0) continue;
      this.#noteUsed(base + USED_LINES, line + 1);
      Atomics.store(words, base + MAYBE_ASLEEP, 1); // last: who sees it finds the entry
      return line;
    }
    return -1;
  }

  #noteUsed(index: number, lines: number): void {
    const { words } = this;
    for (let used = Atomics.load(words, index); used < lines; used = Atomics.load(words, index)) {
      Atomics.compareExchange(words, index, used, lines);
    }
  }

  /** Whether this thread still stands in `line`: nobody has rung for it. */
  isEntered(side: Side, line: number): boolean {
    const entry = Atomics.load(this.words, SIDES[side] + TABLE + line);
    return (entry & PLACE_MASK) === this.place + 1;
  }

  /** It no longer sleeps; false if it has been rung. */
  leave(side: Side, line: number): boolean {
    const { words } = this;
    const index = SIDES[side] + TABLE + line;
    const entry = Atomics.load(words, index);
    return (entry & PLACE_MASK) === this.place + 1 &&
      Atomics.compareExchange(words, index, entry, 0) === entry;
  }

  /**
   * Rings for whoever sleeps longest on this side, or shortest where the queue says so; false if
   * nobody does.
   */
  wake(side: Side): boolean {
    const { words } = this;
    const base = SIDES[side];
    for (;;) {
      Atomics.store(words, base + MAYBE_ASLEEP, 0);
      let first = -1;
      let firstEntry = 0;
      let others = false;
      const used = Atomics.load(words, base + USED_LINES);
      for (let line = 0; line < used; line++) {
        const entry = Atomics.load(words, base + TABLE + line);
        if (entry === 0) continue;
        others ||= first >= 0;
        if (first >= 0 && isOlder(entry, firstEntry) === this.#wakesLast) continue;
        first = line;
        firstEntry = entry;
      }
      if (first < 0) return false;
      if (others) Atomics.store(words, base + MAYBE_ASLEEP, 1);
      const place = (firstEntry & PLACE_MASK) - 1;
      const isAlive = this.registry.isTaken(place);
      if (Atomics.compareExchange(words, base + TABLE + first, firstEntry, 0) !== firstEntry) {
        continue;
      }
      if (!isAlive) continue;
      this.registry.ring(place);
      return true;
    }
  }

  /** How many threads sleep on this side: for tests and people. */
  sleepers(side: Side): number {
    const table = this.words.subarray(SIDES[side] + TABLE, SIDES[side] + TABLE + LINES);
    return table.reduce((n, entry) => entry === 0 ? n : n + 1, 0);
  }
}

/** By the tickets, which wrap around; the place below them makes no difference. */
function isOlder(entry: number, than: number): boolean {
  return ((entry - than) | 0) < 0;
}
