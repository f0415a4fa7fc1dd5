/**
 * A trigger between threads: two words of shared memory.
 *
 * STATE goes from INITIAL to RELEASED or to CANCELLED, once; a compare-and-set decides which.
 * WAITER says whose doorbell to ring. The one who awaits claims it first and then looks at STATE;
 * the one who releases sets STATE first and then looks at WAITER. Of the two looks at least one
 * sees the other.
 *
 * A release in another thread has happened when STATE says so, though this thread may hear of it
 * only later: an abort that comes in between comes too late, and the wait ends well.
 */
import { wrongType } from "../../internal/check.ts";
import { doorbell, type Holder } from "../../loop/doorbell.ts";
import type { Abort } from "../../operation/errors.ts";
import { COLD, inherit, type Wait, WAITING } from "../../operation/wait.ts";
import { asCancelFunction } from "../../trigger/execution.ts";
import { checkAwait } from "../../trigger/trigger.ts";
import type { AwaitableVoid, Trigger } from "../../trigger/mod.ts";
import { hasMemory, joinRegistry, ownRegistry, type Registry } from "../memory/mod.ts";
import { holderFor } from "./waiting_line.ts";

/** What can be posted to another thread, which gets the trigger from it. */
export interface SharedTriggerHandle {
  /** What it is a handle of. */
  readonly kind: "weft.SharedTrigger";
  /** Its state. */
  readonly buffer: SharedArrayBuffer;
  /** The threads that may wait for it. */
  readonly registry: SharedArrayBuffer;
}

// Words of its memory.
const STATE = 0;
/** The place (in the table of threads) of the thread that awaits it, + 1. */
const WAITER = 1;
const BYTES = 8;

// States. A compare-and-set from INITIAL decides whether it is released or cancelled.
const INITIAL = 0;
const RELEASED = 1;
const CANCELLED = 2;

/** The memory as one thread sees it, and how to ring for the thread that awaits. */
class Cell {
  readonly words: Int32Array;
  readonly registry: Registry;
  readonly place: number;

  constructor(handle: SharedTriggerHandle) {
    this.words = new Int32Array(handle.buffer);
    const joined = joinRegistry(handle.registry);
    this.registry = joined.registry;
    this.place = joined.place;
  }

  get isReleased(): boolean {
    return Atomics.load(this.words, STATE) === RELEASED;
  }

  /** True for the one whose decision it was. */
  decide(state: typeof RELEASED | typeof CANCELLED): boolean {
    return Atomics.compareExchange(this.words, STATE, INITIAL, state) === INITIAL;
  }

  /** True for the one thread that may await. */
  claim(): boolean {
    return Atomics.compareExchange(this.words, WAITER, 0, this.place + 1) === 0;
  }

  ringWaiter(): void {
    const waiter = Atomics.load(this.words, WAITER);
    if (waiter !== 0) this.registry.ring(waiter - 1);
  }
}

/**
 * A trigger between threads: one thread awaits it, any thread releases it. Either it is released,
 * or its wait was cancelled; one compare-and-set in shared memory decides.
 *
 * While it is awaited the thread stays alive; see `SharedChannel`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, spawn } from "@weft/weft";
 * import { SharedTrigger } from "@weft/weft/thread";
 *
 * const trigger = new SharedTrigger();
 * function* release() {
 *   SharedTrigger.from(trigger.handle).release(); // in a worker, as a rule
 * }
 * const woken = await main(function* () {
 *   spawn(release);
 *   yield* trigger.await();
 *   return true;
 * });
 * assertEquals(woken, true);
 * ```
 */
export class SharedTrigger implements Trigger {
  /** To be posted to other threads, as often as one likes. */
  readonly handle: SharedTriggerHandle;
  /**
   * Resumes whoever awaits, in whichever thread, or lets the `await` that is still to come return
   * at once. Never throws and never suspends; may be called detached, any number of times, from
   * any thread.
   */
  readonly release: () => void;
  readonly #cell: Cell;

  /**
   * A trigger that nobody has released; or the one that `handle` is of.
   *
   * @throws {TypeError} if `handle` is given, and no handle of a shared trigger
   */
  constructor(handle?: SharedTriggerHandle) {
    if (handle !== undefined) checkHandle(handle);
    this.handle = handle ?? {
      kind: "weft.SharedTrigger",
      buffer: new SharedArrayBuffer(BYTES),
      registry: ownRegistry().buffer,
    };
    const cell = new Cell(this.handle);
    this.#cell = cell;
    this.release = () => {
      if (cell.decide(RELEASED)) cell.ringWaiter();
    };
  }

  /**
   * The trigger that `handle` is of.
   *
   * @throws {TypeError} if it is no handle of a shared trigger
   */
  static from(handle: SharedTriggerHandle): SharedTrigger {
    checkHandle(handle);
    return new SharedTrigger(handle);
  }

  /**
   * Waits until `release` is called, in whichever thread. To be called at most once, in one thread.
   *
   * Suspends. If it is cancelled, `onCancel` runs once, before anything is thrown, and whatever
   * releases it later does nothing.
   *
   * @throws {TypeError} on the second call, in whichever thread
   */
  await(onCancel?: () => void): AwaitableVoid {
    checkAwait(!this.#cell.claim(), onCancel);
    return new SharedTriggerWait(this.#cell, onCancel);
  }
}

function checkHandle(handle: SharedTriggerHandle): void {
  if (
    handle?.kind !== "weft.SharedTrigger" || !hasMemory(handle) ||
    handle.buffer.byteLength !== BYTES
  ) {
    throw wrongType("open the shared trigger", "expected the handle of one", handle);
  }
}

interface SharedTriggerWait extends Wait<void> {}

class SharedTriggerWait {
  declare cell: Cell;
  declare onCancel: (() => void) | undefined;
  declare holder: Holder | null;
  declare look: (() => void) | null;

  constructor(cell: Cell, onCancel: (() => void) | undefined) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.cell = cell;
    this.onCancel = onCancel;
    this.holder = null;
    this.look = null;
  }

  attempt(): boolean {
    return this.cell.isReleased;
  }

  enlist(): void {
    this.look = () => {
      if (this.state === WAITING && this.cell.isReleased) this.finish();
    };
    this.holder = holderFor(this.waiter);
    this.holder.hold(); // first: a loop of the user's may throw
    doorbell.listen(this.look);
    this.look();
  }

  finish(): void {
    this.delist();
    this.complete(undefined);
  }

  delist(): void {
    doorbell.unlisten(this.look!);
    this.holder!.release();
  }

  /** A release that this thread hasn't heard of yet has happened all the same. */
  interrupt(_error: Abort): boolean {
    if (this.state !== WAITING) return this.leave();
    if (this.cell.decide(CANCELLED)) {
      this.leave();
      return true;
    }
    this.finish();
    return false;
  }

  withdraw(): void {
    this.delist();
    this.refused();
  }

  refused(): void {
    this.cell.decide(CANCELLED);
    if (this.onCancel !== undefined) asCancelFunction(this.onCancel);
  }

  giveBack(): void {
    if (this.onCancel !== undefined) asCancelFunction(this.onCancel);
  }

  describe(): string {
    return "a shared trigger";
  }
}

inherit(SharedTriggerWait);
