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
 * or refused. Exactly one thread sets it, and must then say in STATUS why: because it is over, or
 * because of a failure, which has a place of its own behind the slots. Until that is said nobody is
 * told that the queue is closed; it takes no longer than to fill a slot, and nothing runs in
 * between.
 *
 * The stack may overflow anywhere. A sender to whom that happens before the publication publishes
 * the slot as VOID, which receivers pass over: nothing was sent, and nobody is blocked. A receiver
 * that couldn't read its slot keeps it, and reads it later. Both do so without a call, for which
 * there may be no room on the stack. In a queue that forgets, nobody may have to wait for that
 * receiver: it puts the slot aside meanwhile, which shows as an odd sequence, 1 more than it was. A
 * sender that comes upon it may forget the item; a compare-and-set decides between the two.
 *
 * A queue that forgets its oldest items when it is full (FORGETS) has more slots than it holds
 * items. So a sender always gets one, and then takes out what is too much: an item is forgotten
 * only for one that is in.
 *
 * Who waits, for items, for room or for the close, is in a table of sleepers (see `sleepers.ts`).
 */
import { joinRegistry, type Registry, tokenOf } from "./registry.ts";
import { type Awaited, MAYBE_ASLEEP, Sleepers, SLEEPERS_WORDS } from "./sleepers.ts";

// Words of the header. What different threads write stands 64 bytes apart.
const SLOTS = 2;
const CAPACITY = 3;
const SLOT_WORDS = 4;
const FLAGS = 5;
const STATUS = 6;
const TAIL = 16;
const HEAD = 32;
/** For each side, the table of those who sleep. */
const SIDES = [48, 48 + SLEEPERS_WORDS, 48 + 2 * SLEEPERS_WORDS] as const;
const HEADER_WORDS = 48 + 3 * SLEEPERS_WORDS;
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
 * whose caches are warm. The flags below this one are up to whoever uses the queue.
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
/**
 * Not 0: whoever frees a slot looks for sleepers. To be set by one who freed a slot and could not
 * ring.
 */
export const SENDERS_ASLEEP: number = SIDES[SENDERS] + MAYBE_ASLEEP;
const RECEIVERS_ASLEEP = SIDES[RECEIVERS] + MAYBE_ASLEEP;
export type Side = typeof RECEIVERS | typeof SENDERS | typeof CLOSERS;

// What STATUS says.
const OPEN = 0;
const OVER = 1;
const FAILED = 2;

/** How often one who finds it closed looks for the reason, which the closer is about to write. */
const CLOSING_LOOKS = 10_000;
/** How often a sender that can't wait looks whether a slot is free, before it sleeps a moment. */
const FULL_LOOKS = 1000;
const MOMENT_MS = 1;

// What `claim` and `take` say if they give no slot.
export const NOT_NOW = 0;
export const CLOSED = -1;

const CLOSED_BIT = 1;

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
  /** Who sleeps, on each side. */
  readonly sleepers: readonly [Sleepers, Sleepers, Sleepers];
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
    const wakesLast = (this.flags & WAKES_LAST) !== 0;
    const [receivers, senders, closers] = SIDES;
    this.sleepers = [
      new Sleepers(this.words, receivers, this, wakesLast),
      new Sleepers(this.words, senders, this, wakesLast),
      new Sleepers(this.words, closers, this, wakesLast),
    ];
    this.#limit = this.forgets ? this.words[SLOTS]! : this.capacity;
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
      Atomics.store(words, RECEIVERS_ASLEEP, 1); // it is in; whoever publishes next rings
    }
    return true;
  }

  /**
   * Puts in a number, whose form is `kind`: whether there was room. For queues that don't forget.
   */
  putNumber(kind: number, value: number): boolean {
    const slot = this.claim();
    if (slot <= NOT_NOW) return false;
    const { words } = this;
    const sequence = words[slot + SEQUENCE]!;
    words[slot + KIND] = kind;
    this.numbers[(slot + DATA) >> 1] = value;
    try {
      this.publish(slot);
    } catch { // as in `put`, but the slot is filled already
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

  /**
   * Reads HEAD only if what it was last isn't enough: receivers keep writing it, so a read is slow.
   */
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
      // The others are reading, writing, or about to `trim`: they are awake, and soon done.
      this.trim();
      this.#forgetAside();
      if (looks % FULL_LOOKS === 0) Atomics.wait(this.words, STATUS, OPEN, MOMENT_MS);
    }
  }

  /**
   * Forgets the item of the slot that is in the way, if it was put aside: it is the oldest of all.
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
      // Without a call, as the stack might overflow there and the slot be lost. Nobody waits for
      // room.
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
    if (Atomics.load(words, RECEIVERS_ASLEEP) !== 0) this.sleepers[RECEIVERS].wake();
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
        if (Atomics.load(words, SENDERS_ASLEEP) !== 0) this.sleepers[SENDERS].wake();
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
    if (Atomics.load(words, SENDERS_ASLEEP) !== 0) this.sleepers[SENDERS].wake();
  }

  /**
   * From now on nothing goes in; true for the one who closed it. If it has failed, `failure` writes
   * why into the slot that it is given; if the stack overflows there, nobody is told why.
   */
  close(failure?: (slot: number) => void): boolean {
    const { words } = this;
    if ((Atomics.or(words, TAIL, CLOSED_BIT) & CLOSED_BIT) !== 0) return false;
    try {
      failure?.(this.failureSlot);
    } catch { // the stack overflows: no calls; STATUS below must be said, or everybody is held up
      words[this.failureSlot + KIND] = VOID;
    }
    Atomics.store(words, STATUS, failure === undefined ? OVER : FAILED);
    // Whoever comes later looks first and sees it. `wakeAll` has a limit, for one who goes back to
    // sleep because a sender is still writing would be woken again and again.
    for (const side of [CLOSERS, RECEIVERS, SENDERS] as const) this.sleepers[side].wakeAll();
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

  /** One side of it, for those who wait there. */
  side(side: Side): Awaited {
    return {
      sleepers: this.sleepers[side],
      isFair: false,
      isReady: () => this.isReady(side),
    };
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
}
