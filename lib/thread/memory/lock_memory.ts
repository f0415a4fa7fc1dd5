/**
 * What threads hold in shared memory, a mutex or permits of a semaphore, and who waits for it.
 *
 * STATE says what is held; what its bits mean is up to the subclass, but for the highest. Who takes
 * something does so by a compare-and-set there, which is the commit. Whoever fails stands in a
 * table of sleepers (`sleepers.ts`); who frees something rings the one that came first. Nothing is
 * handed over: a thread that is rung looks again, and one that runs may be faster. That is what
 * makes a lock that many threads want fast, as waking one takes a thousand times as long as to take
 * and free it.
 *
 * **Nobody is overtaken for ever.** A thread that was woken in vain reserves: RESERVER names it,
 * and the highest bit of STATE (RESERVED) keeps everybody else from taking anything, however
 * little, until it has taken what it waits for, or no longer waits.
 *
 *     RESERVER:  0 ──reserve──▶ a thread ──it has taken──▶ 0
 *                └──────────────────┴──end──▶ ENDING ──RESERVED is gone──▶ 0
 *
 * RESERVER comes first, and RESERVED goes first, so one who finds RESERVED finds whose it is, or
 * that it is about to go. While it stays, who frees something rings the reserver. When it goes, the
 * next one in the table is rung if there is anything to take. One thread reserves at a time. A
 * thread that was woken in vain while another one reserved keeps its turn in the table: it is rung
 * before all who came later. So whoever waits is overtaken only by those who come before it is
 * first in the table, has been woken and has looked.
 *
 * **A thread that is gone holds nothing.** Everything held or reserved has the mark of its thread
 * in it (`registry.ts`). Whoever is hindered looks whether that thread has left: then one who wins
 * a compare-and-set frees what it held (`recover`), and the next one to take it is told. When a
 * thread leaves, all others are rung. A thread isn't stopped in the middle of its program, so
 * between two words that belong together nobody dies.
 *
 * A reserver may also be unable to go on: its thread is blocked by something else, or was
 * terminated and nobody could tell. Therefore a reservation lapses: who finds the same one, with
 * enough there for it, at two looks that are LAPSE_MS apart, ends it. Those who sleep look once a
 * second.
 */
import { clock } from "../../loop/timers.ts";
import { joinRegistry, placeIn, type Registry, tokenOf } from "./registry.ts";
import { type Awaited, MAYBE_ASLEEP, Sleepers, SLEEPERS_WORDS } from "./sleepers.ts";

// Words. What is written at different times stands 64 bytes apart.
const MAGIC = 2;
/** How many permits there are; 0: it is a mutex. */
export const PERMITS = 3;
export const STATE = 16;
const RESERVER = 32;
/** How much the reserver wants. */
const NEED = 33;
/** How many reservations there have been, to tell them apart. */
const RESERVATIONS = 34;
const SLEEPERS = 48;
/** Not 0: whoever frees something looks for sleepers. */
export const ANY_ASLEEP: number = SLEEPERS + MAYBE_ASLEEP;
export const HEADER_WORDS: number = SLEEPERS + SLEEPERS_WORDS;

const MAGIC_NUMBER = 0x4c4f434b;

/** The bit of STATE that says that nobody but the reserver may take anything. */
export const RESERVED: number = 1 << 31;
/** In the place of RESERVER: it is being ended. */
const ENDING = -1;
/** For how long a reserver that could take what it wants is waited for. */
const LAPSE_MS = 500;

// What `take` says.
export const NOT_TAKEN = 0;
export const TAKEN = 1;
/** It was held by a thread that is gone. */
export const TAKEN_ABANDONED = 2;
export type Taken = typeof NOT_TAKEN | typeof TAKEN | typeof TAKEN_ABANDONED;

/** As one thread sees it. */
export abstract class LockMemory implements Awaited {
  readonly words: Int32Array;
  readonly registry: Registry;
  readonly place: number;
  /** The mark of this thread. */
  readonly mark: number;
  readonly sleepers: Sleepers;
  readonly isFair = true;
  /** The reservation that this thread has found unused, and when that was. */
  #seen = { reservation: -1, since: 0 };

  static allocate(permits: number, words: number): SharedArrayBuffer {
    const memory = new Int32Array(new SharedArrayBuffer(words * 4));
    memory.set(crypto.getRandomValues(new Int32Array(2)), 0);
    memory[MAGIC] = MAGIC_NUMBER;
    memory[PERMITS] = permits;
    return memory.buffer as SharedArrayBuffer;
  }

  /** How many permits the lock has of which `buffer` is the memory; undefined: it is none. */
  static permitsIn(buffer: SharedArrayBuffer): number | undefined {
    if (buffer.byteLength < HEADER_WORDS * 4 || buffer.byteLength % 4 !== 0) return undefined;
    const words = new Int32Array(buffer);
    return words[MAGIC] === MAGIC_NUMBER ? words[PERMITS] : undefined;
  }

  constructor(readonly buffer: SharedArrayBuffer, registry: SharedArrayBuffer) {
    this.words = new Int32Array(buffer);
    const joined = joinRegistry(registry);
    this.registry = joined.registry;
    this.place = joined.place;
    this.mark = joined.registry.markOf(joined.place);
    this.sleepers = new Sleepers(this.words, SLEEPERS, this, false);
  }

  /** What tells it apart from others. */
  get token(): string {
    return tokenOf(this.buffer);
  }

  /** Takes `need` if it is there, and nobody else has reserved it. */
  abstract take(need: number): Taken;
  /** Gives back what `take` gave. */
  abstract free(count: number): void;
  /** Whether `need` is there, for whomever. */
  protected abstract has(need: number): boolean;
  /** Frees what is held by threads that are gone: whether there was any. */
  protected abstract recover(): boolean;

  /**
   * Whether it is worth a look: one who has reserved waits until all is there; others come for
   * whatever there is, and reserve if it isn't enough.
   */
  isReady(need: number): boolean {
    do {
      const isFree = Atomics.load(this.words, STATE) >= 0;
      if (this.has(isFree ? 1 : need) && (isFree || this.hasReserved)) return true;
    } while (this.unhinder());
    return false;
  }

  /** Whether this thread has reserved. */
  protected get hasReserved(): boolean {
    return Atomics.load(this.words, RESERVER) === this.mark;
  }

  /** From now on nobody else takes anything. False: somebody else has reserved. */
  reserve(need: number): boolean {
    const { words, mark } = this;
    const reserver = Atomics.compareExchange(words, RESERVER, 0, mark);
    if (reserver !== 0 && reserver !== mark) return false;
    Atomics.store(words, NEED, need);
    Atomics.add(words, RESERVATIONS, 1);
    Atomics.or(words, STATE, RESERVED);
    return true;
  }

  /** This thread no longer wants what it has reserved, if it has. */
  unreserve(): void {
    this.#end(this.mark);
  }

  /** This thread has taken, and RESERVED is gone with that. */
  protected reservationUsed(): void {
    Atomics.compareExchange(this.words, RESERVER, this.mark, 0);
  }

  /**
   * Something was freed while STATE was `state`: rings the reserver, or else who sleeps longest.
   */
  protected ringAfter(state: number): void {
    if (state >= 0) return this.ringNext();
    const reserver = Atomics.load(this.words, RESERVER);
    if (reserver <= 0) this.ringNext(); // it has just ended
    else if (this.registry.isHere(reserver)) this.registry.ring(placeIn(reserver));
    else this.#end(reserver);
  }

  /** Rings who sleeps longest, if there is anything to take. */
  protected ringNext(): void {
    if (Atomics.load(this.words, ANY_ASLEEP) !== 0 && this.has(1)) this.sleepers.wake();
  }

  /** Whether what kept this thread from taking something has just gone away. */
  protected unhinder(): boolean {
    return this.recover() || this.#endsStale();
  }

  /** Ends the reservation of somebody else who doesn't use it. */
  #endsStale(): boolean {
    const { words } = this;
    if (Atomics.load(words, STATE) >= 0) return false;
    const reserver = Atomics.load(words, RESERVER);
    if (reserver === this.mark || reserver === ENDING) return false;
    if (reserver !== 0 && this.registry.isHere(reserver) && !this.#hasLapsed()) return false;
    this.#end(reserver);
    return true;
  }

  #hasLapsed(): boolean {
    const { words } = this;
    const reservation = Atomics.load(words, RESERVATIONS);
    if (!this.has(Atomics.load(words, NEED))) return false;
    const now = clock();
    if (this.#seen.reservation === reservation) return now - this.#seen.since >= LAPSE_MS;
    this.#seen = { reservation, since: now };
    return false;
  }

  /** Ends the reservation of `reserver`, unless that has ended. */
  #end(reserver: number): void {
    const { words } = this;
    if (Atomics.compareExchange(words, RESERVER, reserver, ENDING) !== reserver) return;
    Atomics.and(words, STATE, ~RESERVED);
    Atomics.store(words, RESERVER, 0);
    this.ringNext();
  }
}
