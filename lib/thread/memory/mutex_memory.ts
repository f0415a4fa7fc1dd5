/**
 * A mutex in shared memory: STATE has the mark of the thread that holds it, or 0. So an uncontended
 * lock is one compare-and-set, and so is the unlock.
 *
 *     STATE:  0 ──lock──▶ mark ──unlock──▶ 0
 *                          └──its thread is gone, recover──▶ ABANDONED ──lock──▶ mark
 *
 * RESERVED may stand beside each of them, and then keeps all but the reserver from the lock.
 */
import {
  ANY_ASLEEP,
  HEADER_WORDS,
  LockMemory,
  NOT_TAKEN,
  RESERVED,
  STATE,
  TAKEN,
  type Taken,
  TAKEN_ABANDONED,
} from "./lock_memory.ts";
import { MARK } from "./registry.ts";

/** Nobody holds it, and who held it last is gone. */
const ABANDONED = 1 << 30;

export class MutexMemory extends LockMemory {
  /** Memory for one. */
  static create(): SharedArrayBuffer {
    return LockMemory.allocate(0, HEADER_WORDS);
  }

  static isMutex(buffer: SharedArrayBuffer): boolean {
    return LockMemory.permitsIn(buffer) === 0;
  }

  get isLocked(): boolean {
    this.recover();
    return !this.has();
  }

  /** Takes it if it is free, and there is nothing else to know: true. Never sees to anything. */
  takeAtOnce(): boolean {
    return Atomics.compareExchange(this.words, STATE, 0, this.mark) === 0;
  }

  override take(): Taken {
    const { words } = this;
    for (;;) {
      const state = Atomics.load(words, STATE);
      if ((state & MARK) !== 0 || (state < 0 && !this.hasReserved)) {
        if (!this.unhinder()) return NOT_TAKEN;
      } else if (Atomics.compareExchange(words, STATE, state, this.mark) === state) {
        if (state < 0) this.reservationUsed();
        return (state & ABANDONED) === 0 ? TAKEN : TAKEN_ABANDONED;
      }
    }
  }

  override free(): void {
    const { words, mark } = this;
    if (Atomics.compareExchange(words, STATE, mark, 0) === mark) {
      if (Atomics.load(words, ANY_ASLEEP) !== 0) this.sleepers.wake();
      return;
    }
    for (;;) {
      const state = Atomics.load(words, STATE);
      if ((state & MARK) !== mark) return; // this thread has ended, and was found to be gone
      if (Atomics.compareExchange(words, STATE, state, state & RESERVED) !== state) continue;
      return this.ringAfter(state);
    }
  }

  protected override has(): boolean {
    return (Atomics.load(this.words, STATE) & MARK) === 0;
  }

  protected override recover(): boolean {
    const { words } = this;
    const state = Atomics.load(words, STATE);
    const holder = state & MARK;
    if (holder === 0 || this.registry.isHere(holder)) return false;
    const free = (state & RESERVED) | ABANDONED;
    if (Atomics.compareExchange(words, STATE, state, free) === state) this.ringAfter(state);
    return true; // or somebody else was faster
  }
}
