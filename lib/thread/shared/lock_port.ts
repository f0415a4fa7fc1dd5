/**
 * A shared mutex or semaphore as one thread sees it: its memory, the line of those who wait here,
 * and the guards of those who hold it.
 */
import { currentFiberOrNull, type FiberCore } from "../../fiber/core/mod.ts";
import { heldAlready, heldByAnother, holdsNothing } from "../../sync/lock_errors.ts";
import type { Guard } from "../../sync/mod.ts";
import { execution } from "../../trigger/execution.ts";
import { type LockMemory, NOT_TAKEN, TAKEN_ABANDONED } from "../memory/mod.ts";
import { type LineNode, WaitingLine } from "./waiting_line.ts";

/** A guard of what threads share. */
export interface SharedGuard extends Guard {
  /**
   * Whether what it guards was left behind by a thread that is gone, in whatever state: a mutex
   * that its last holder never unlocked, or permits that were recovered.
   */
  readonly abandoned: boolean;
}

/** The one class of guards. */
export class HeldGuard implements SharedGuard {
  declare readonly port: LockPort<LockMemory>;
  declare readonly count: number;
  declare abandoned: boolean;
  /** The fiber that holds a mutex; null: it isn't held by a fiber of ours. */
  declare readonly owner: object | null;
  declare isReleased: boolean;

  constructor(
    port: LockPort<LockMemory>,
    count: number,
    owner: object | null,
  ) {
    this.port = port;
    this.count = count;
    this.abandoned = false;
    this.owner = owner;
    this.isReleased = false;
  }

  release(): void {
    if (this.isReleased) {
      throw holdsNothing("release", this.port.title);
    }
    if (this.owner !== null && execution.current !== this.owner) this.refuseStranger();
    this.free();
  }

  /** Code that runs outside of fibers has no identity, and may release what it was given. */
  refuseStranger(): void {
    const stranger = currentFiberOrNull();
    if (stranger === null) return;
    const owner = this.owner as FiberCore<unknown>;
    throw heldByAnother("release", this.port.title, owner, stranger, "SharedSemaphore");
  }

  /** Releases it, whoever asks. */
  free(): void {
    const { port } = this;
    this.isReleased = true;
    port.owner = null;
    port.memory.free(this.count);
  }

  [Symbol.dispose](): void {
    if (!this.isReleased) this.release();
  }
}

/** One per thread and lock. */
export class LockPort<M extends LockMemory> {
  readonly line: WaitingLine;
  /** The fiber of this thread that holds it: of a mutex only. */
  owner: object | null = null;
  /** On whose behalf this thread has reserved. */
  #reservedFor: LineNode | null = null;

  /** `kind` is for people. Those who hold a mutex own it; permits have no owner. */
  constructor(
    readonly memory: M,
    readonly kind: "mutex" | "semaphore",
    readonly name: string | undefined,
  ) {
    this.line = new WaitingLine(memory);
  }

  /** Takes `need` if it is there: null if not. Doesn't ask whose turn it is. */
  take(need: number): HeldGuard | null {
    const owner = this.kind === "mutex" ? currentFiberOrNull() : null;
    const guard = new HeldGuard(this, need, owner); // first: if the stack overflows, nothing was taken
    const taken = this.memory.take(need);
    if (taken === NOT_TAKEN) return null;
    guard.abandoned = taken === TAKEN_ABANDONED;
    this.owner = owner;
    this.left(this.#reservedFor); // its reservation is over, even if another one took its place
    return guard;
  }

  /** The same if nobody here waits in line for it, which includes those who have been woken. */
  tryTake(need: number): HeldGuard | undefined {
    this.refuseOwner();
    return this.line.first === null ? this.take(need) ?? undefined : undefined;
  }

  /**
   * `node` was woken in vain: nobody else takes anything before it does. False: somebody else has
   * reserved.
   */
  reserve(node: LineNode): boolean {
    if (!this.memory.reserve(node.need)) return false;
    this.#reservedFor = node;
    return true;
  }

  /** `node` leaves the line: if it hasn't taken what was reserved for it, that is over. */
  left(node: unknown): void {
    if (this.#reservedFor === null || this.#reservedFor !== node) return;
    this.#reservedFor = null;
    this.memory.unreserve();
  }

  /** The fiber that holds it would wait for itself. */
  refuseOwner(): void {
    const { owner } = this;
    if (owner === null || owner !== execution.current) return;
    throw heldAlready(this.title, owner as FiberCore<unknown>);
  }

  /** How errors call it. */
  get title(): string {
    return this.name === undefined ? `the shared ${this.kind}` : this.describe();
  }

  describe(): string {
    return this.name === undefined ? `a shared ${this.kind}` : `shared ${this.kind} "${this.name}"`;
  }
}
