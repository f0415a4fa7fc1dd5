/**
 * The line at a lock: permits, those who hold some, and those who wait for some. It is what mutexes,
 * semaphores and read-write locks are made of: a mutex has one permit; a reader takes one of many,
 * and a writer takes them all.
 *
 * First come, first served, to the letter: whoever could have its permits at once waits behind one
 * who can't, so a large request isn't overtaken. What holds between two calls, therefore: whoever is
 * first in line wants more than there is.
 *
 * Permits go from hand to hand. Who gives some back gives them to those in line (`settle`), so nobody
 * can take them in between, and a granted request that nobody can take any more (`giveBack`) goes on
 * to the next. When the first in line leaves, those behind it may want less, and are let in. A select
 * that leaves does that only when all of its arms have left (`EventBase.left`), since a task of
 * another scheduler may run there and then.
 *
 * For the same reason `settle` doesn't nest: what is put back while it runs it hands out itself.
 */
import { FiberCore as FiberClass } from "../fiber/core/mod.ts";
import { count, nodesOf } from "../internal/circle.ts";
import type { WaitNode } from "../operation/event.ts";
import { execution as cell } from "../trigger/execution.ts";
import type { Guard } from "./guard.ts";
import { called, heldAlready, heldByAnother, holdsNothing } from "./lock_errors.ts";

const execution = cell;
const FiberCore = FiberClass;
type FiberCore = FiberClass<unknown>;

/** What a line says of itself, and how it differs. */
export interface LineKind {
  /** What it is, for errors: "mutex". */
  readonly noun: string;
  /** What one waits for who wants `n`, and how many that are. */
  wanted(n: number, line: Line): string;
  /** Whether who holds all of the permits, if it is a fiber, alone may give them back. */
  readonly hasOwner: boolean;
}

/** What whoever stands in line wants. */
export interface Request {
  readonly n: number;
  /** Whether it also takes permits of a line that has a failure. */
  readonly takesBroken: boolean;
}

export class Line {
  declare readonly kind: LineKind;
  declare readonly name: string | undefined;
  declare readonly total: number;
  declare available: number;
  /** Of a kind that has an owner: the fiber that has all permits; `null` if none of ours has. */
  declare owner: FiberCore | null;
  /** What everybody gets thrown who wants a permit, and why. */
  declare failure: Error | null;
  declare first: WaitNode | null;
  declare settling: boolean;

  constructor(kind: LineKind, total: number, name: string | undefined) {
    this.kind = kind;
    this.name = name;
    this.total = total;
    this.available = total;
    this.owner = null;
    this.failure = null;
    this.first = null;
    this.settling = false;
  }

  /** How errors and descriptions call it. */
  get title(): string {
    const { noun } = this.kind;
    return this.name === undefined ? `the ${noun}` : `${noun} "${this.name}"`;
  }

  describe(): string {
    return this.name === undefined ? `a ${this.kind.noun}` : this.title;
  }

  get waiting(): number {
    return count(this.first);
  }

  /** `n` permits for whoever executes now, or `null` if there aren't, or others wait. */
  tryTake(n: number): Permit | null {
    if (this.first === null && n <= this.available && this.failure === null) {
      return this.take(n, execution.current);
    }
    this.refuse();
    return null;
  }

  /** Throws if waiting would be in vain. */
  refuse(): void {
    if (this.failure !== null) throw this.failure;
    const { owner } = this;
    if (owner === null || owner !== execution.current as unknown) return;
    throw heldAlready(this.title, owner);
  }

  /** Hot path: an `Acquire` that need not wait does the same. */
  take(n: number, taker: unknown): Permit {
    this.available -= n;
    if (this.isOwned(n) && taker instanceof FiberCore) this.owner = taker;
    return new Permit(this, n);
  }

  /** Whether who has `n` permits owns it. */
  isOwned(n: number): boolean {
    return n === this.total && this.kind.hasOwner;
  }

  put(n: number): void {
    this.owner = null;
    this.available += n;
    if (this.first !== null) this.settle();
  }

  /** Hands out what there is, from the first in line on. */
  settle(): void {
    if (this.settling) return;
    this.settling = true;
    try {
      for (let { first } = this; first !== null; first = this.first) {
        const rule = first.rule as unknown as Request;
        if (rule.n > this.available) break;
        first.complete(this.take(rule.n, first.waiter));
      }
    } finally {
      this.settling = false;
    }
  }

  /**
   * Tells all in line, but those who take what is broken, and whoever comes. A task of another
   * scheduler that is told may run there and then: nobody is let in meanwhile who is still to be told.
   */
  fail(failure: Error): void {
    const { settling } = this;
    this.failure = failure;
    this.settling = true;
    try {
      for (const node of nodesOf(this.first)) {
        const { takesBroken } = node.rule as unknown as Request;
        if (node.after !== null && !takesBroken) node.fail(failure);
      }
    } finally {
      this.settling = settling;
    }
    this.settle();
  }

  /**
   * Whether the caller may give back what it holds all of.
   *
   * @throws {Error} if it is another fiber than the owner: see `Mutex`
   */
  checkOwner(action: string): void {
    const { current } = execution;
    const { owner } = this;
    if (owner === null || owner === current as unknown || !(current instanceof FiberCore)) return;
    throw heldByAnother(action, this.title, owner, current, "Semaphore");
  }
}

/** What one waits for at a mutex or for the whole of a lock: who holds it, if that is a fiber. */
export function holderOf({ owner }: Line): string {
  if (owner === null) return "";
  return `, held by ${called(owner)}${owner.terminated ? ", which has ended" : ""}`;
}

const RELEASED = 0;
const AWAY = -1;
const FORFEITED = -2;

/**
 * The guard of what a line has handed out. `held` is how many permits it holds, or why it holds
 * none. A wait on a condition takes them away meanwhile:
 *
 *     held > 0 ──release──▶ RELEASED ◀──release── FORFEITED
 *       │  ▲                                          ▲
 *   takeAway  giveAgain                               │ the scheduler of somebody else's, which
 *       ▼  │                                          │ cancelled it, lets nobody lock it again
 *      AWAY ──────────────────────────────────────────┘
 */
export class Permit implements Guard {
  declare readonly line: Line;
  declare held: number;

  constructor(line: Line, held: number) {
    this.line = line;
    this.held = held;
  }

  /** Hot path: what is to be said of one who may not release it is elsewhere. */
  release(): void {
    const { line, held } = this;
    const { owner } = line;
    if (held <= RELEASED || (owner !== null && owner !== execution.current as unknown)) {
      if (held !== FORFEITED) this.checkHeld("release");
    }
    this.held = RELEASED;
    if (held > RELEASED) line.put(held);
  }

  [Symbol.dispose](): void {
    if (this.held !== RELEASED) this.release();
  }

  /** @throws {Error} if it holds nothing, or nothing that the caller may dispose of */
  checkHeld(action: string): void {
    const { line, held } = this;
    if (held === AWAY) throw holdsNothing(action, line.title, "waits on a condition");
    if (held <= RELEASED) throw holdsNothing(action, line.title);
    line.checkOwner(action);
  }

  /** Released, without a look at who does it. */
  giveBack(): void {
    const { held } = this;
    this.held = RELEASED;
    if (held > RELEASED) this.line.put(held);
  }

  /** Whether it waits on a condition. */
  get isAway(): boolean {
    return this.held === AWAY;
  }

  /** A wait on a condition begins: what is held goes to those in line. */
  takeAway(): void {
    const { held } = this;
    this.held = AWAY;
    this.line.put(held);
  }

  /** That wait is over: `other` is what it has got, and this guard holds it from now on. */
  giveAgain(other: Permit): void {
    this.held = other.held;
    other.held = RELEASED;
  }

  /** That wait was cut off: whoever releases this later has nothing to give back. */
  forfeit(): void {
    this.held = FORFEITED;
  }
}
