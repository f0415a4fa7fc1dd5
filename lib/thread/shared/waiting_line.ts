/**
 * The line of those who wait, in this thread, for something in shared memory: for one side of a
 * queue (items, room, or its close), or for what a lock guards.
 *
 * The thread stands once in the table of sleepers, for all of them; here they wait in line. Nobody
 * is ever handed anything: when what they wait for may be ready, the first in line is woken, and
 * takes for itself when its turn to run comes. So a wait that is cancelled is a matter of this
 * thread alone, what is taken is taken in the same step in which the waiter goes on, and a thread
 * that dies while it waits takes nothing with it.
 *
 * A node is *woken* from when its owner was told to look until it has looked (`waitOn`, `rest`) or
 * left (`cancel`). Those who are woken are always the first few in line. Whoever is woken and
 * leaves, with what it wanted or cancelled, must have the next one look: there may be more than it
 * took.
 *
 * They may wait on several loops: on JavaScript's, and on one that blocks the thread meanwhile.
 * While that one runs nobody else goes on. So those who wait on another loop are woken, but don't
 * keep the ones behind them waiting; and if nobody here could go on, another thread is rung.
 */
import { append, count, type Linked, remove } from "../../internal/circle.ts";
import { loopOf } from "../../fiber/time.ts";
import { BlockingLoop } from "../../loop/blocking_loop.ts";
import { doorbell, type Holder } from "../../loop/doorbell.ts";
import { type EventLoop, hostLoop } from "../../loop/mod.ts";
import type { CancelHandle } from "../../operation/types.ts";
import type { Waiter } from "../../operation/wait.ts";
import { execution } from "../../trigger/execution.ts";
import type { Awaited } from "../memory/mod.ts";

/** How often a loop that doesn't know the doorbell looks by itself. */
const POLL_MS = 1;

/**
 * How often one looks again before it gets in line, at some 20 ns each; and how often at least,
 * once that paid.
 */
const MOST_LOOKS = 100;
const FEW_LOOKS = 8;

/**
 * An owner's node in the line. An operation or an arm has one for its only wait; an owner that
 * waits again and again, a mailbox say, uses the same one each time.
 */
export class LineNode implements Linked<LineNode>, CancelHandle {
  after: LineNode | null = null;
  before: LineNode | null = null;
  /** Whether its owner was told to look, and hasn't yet. */
  woken = false;
  /** What keeps the thread listening while it is in line; null: it is in none. */
  holder: Holder | null = null;

  /** `wake` lets the owner look, soon. `need`: how much it wants of what it waits for. */
  constructor(
    readonly line: WaitingLine,
    readonly owner: { wake(): void },
    readonly need = 1,
  ) {}

  get isInLine(): boolean {
    return this.holder !== null;
  }

  /** To the end of the line; `holder` keeps the thread listening meanwhile. */
  enter(holder: Holder): void {
    this.line.enlist(this, holder);
  }

  /** Out of the line, whether its owner has got what it waited for or not. */
  cancel(): void {
    if (this.holder !== null) this.line.delist(this);
  }
}

/**
 * See the module comment. One per thread and thing that is waited for, so that whoever comes first
 * is first.
 */
export class WaitingLine {
  first: LineNode | null = null;
  /** The row of this thread in the table of sleepers; -1: none. */
  #row = -1;
  /** Its ticket there, as long as the same one is first who drew it; undefined: none, or any. */
  #ticket: number | undefined;
  #patience = MOST_LOOKS;

  constructor(readonly awaited: Awaited) {}

  /** Whether there is something for the first who could go on now, or else for the first. */
  get isReady(): boolean {
    const { first } = this;
    let node = first;
    while (node !== null && !isServed(node.holder)) node = node.after === first ? null : node.after;
    return this.awaited.isReady((node ?? first)?.need ?? 1);
  }

  /** Whether this thread stands in the table of sleepers. */
  get isAsleep(): boolean {
    return this.#row >= 0 && this.awaited.sleepers.isEntered(this.#row);
  }

  /** How many wait: each in this thread, and each other thread in which somebody does. */
  get waiting(): number {
    return count(this.first) + this.awaited.sleepers.count - (this.isAsleep ? 1 : 0);
  }

  /** See `LineNode.enter`. */
  enlist(node: LineNode, holder: Holder): void {
    holder.hold(); // first: a loop of the user's may throw
    if (this.first === null) doorbell.listen(this.look);
    this.first = append(this.first, node);
    node.woken = false;
    node.holder = holder;
    // Otherwise its turn comes when those before it leave.
    if (this.first === node || !isServed(this.first.holder)) this.#sleep();
  }

  /**
   * Whether it becomes ready within a moment, for one who is about to get in line: the other thread
   * is often done sooner than this one could be woken. Each time in vain it looks less often.
   */
  isWorthWaiting(): boolean {
    if (this.first !== null) return false;
    for (let looks = this.#patience; looks > 0; looks--) {
      if (!this.awaited.isReady(1)) continue;
      this.#patience = MOST_LOOKS;
      return true;
    }
    this.#patience >>= 1;
    return false;
  }

  /** See `LineNode.cancel`. */
  delist(node: LineNode): void {
    if (node.woken && this.#patience < FEW_LOOKS) this.#patience = FEW_LOOKS; // things move again
    if (node === this.first) this.#ticket = undefined;
    this.first = remove(this.first, node);
    node.holder!.release();
    node.holder = null;
    if (this.first !== null) {
      if (node.woken) this.#sleep();
      return;
    }
    doorbell.unlisten(this.look);
    const { sleepers } = this.awaited;
    const rung = this.#row >= 0 && !sleepers.leave(this.#row);
    this.#row = -1;
    if ((rung || node.woken) && this.isReady) sleepers.wake();
  }

  /**
   * Whether `node` may take what there is: it is first, or woken like all who stand before it. Where
   * nobody may be overtaken those can't go on now.
   */
  mayLook(node: LineNode): boolean {
    const { first } = this;
    if (node === first) return true;
    if (!node.woken) return false;
    for (let other = first!; other !== node; other = other.after!) {
      if (!other.woken || (this.awaited.isFair && isServed(other.holder))) return false;
    }
    return true;
  }

  /** Its owner has looked and found nothing: it waits to be woken again. */
  waitOn(node: LineNode): void {
    let other = node;
    do { // with those who were woken after it, or they would overtake it
      other.woken = false;
      other = other.after!;
    } while (other !== this.first && other.woken);
    this.#sleep();
  }

  /** The same for an owner that is about to look again by itself: whether there is something. */
  rest(node: LineNode): boolean {
    node.woken = false;
    return this.#enter();
  }

  /** The thread's doorbell was rung, or it is time to look. */
  readonly look = (): void => {
    if (this.first !== null) this.#sleep();
  };

  #sleep(): void {
    if (this.#enter()) this.#rouse();
  }

  /** First says that this thread sleeps, then looks: so nothing comes unnoticed in between. */
  #enter(): boolean {
    if (!this.isAsleep) {
      const { sleepers, isFair } = this.awaited;
      const ticket = this.#ticket ?? sleepers.drawTicket();
      if (isFair) this.#ticket = ticket;
      this.#row = sleepers.enter(ticket);
    }
    return this.isReady;
  }

  #rouse(): void {
    let isAnyServed = false;
    for (let node = this.first; node !== null;) {
      const next: LineNode | null = node.after === this.first ? null : node.after;
      const canGoOn = isServed(node.holder);
      isAnyServed ||= canGoOn;
      if (!node.woken) {
        node.woken = true;
        node.owner.wake();
        if (canGoOn) return;
      } else if (canGoOn && this.awaited.isFair) return;
      // If `next` has left the line meanwhile, begin anew: those who are woken are skipped.
      node = next !== null && next.after === null ? this.first : next;
    }
    if (!isAnyServed && this.first !== null) this.#passOn();
  }

  /**
   * Nobody here will look before long: another thread gets the ring, as this one no longer sleeps.
   */
  #passOn(): void {
    const { sleepers } = this.awaited;
    if (this.#row >= 0) sleepers.leave(this.#row);
    this.#row = -1;
    if (this.isReady) sleepers.wake();
  }
}

/** The loop on whose behalf this thread runs now: that of the running fiber, if there is one. */
function servedLoop(): unknown {
  return doorbell.servedLoop ?? loopOf(execution.current as Waiter | null);
}

/** Whether whoever waits with `holder` goes on before the loop that runs now has ended. */
function isServed(holder: Holder | null): boolean {
  if (holder === doorbell) return servedLoop() === hostLoop();
  if (holder instanceof BlockingLoop) return servedLoop() === holder;
  return !(holder instanceof Poller) || servedLoop() === holder.loop;
}

/** What keeps the loop that `waiter` waits on listening to the doorbell. */
export function holderFor(waiter: Waiter | null): Holder {
  const loop = loopOf(waiter);
  if (loop === hostLoop()) return doorbell;
  return loop instanceof BlockingLoop ? loop : new Poller(loop);
}

/** For loops of the user's, which know no doorbell: looks by itself, again and again. */
class Poller implements Holder {
  #timer: CancelHandle | undefined;

  constructor(readonly loop: EventLoop) {}

  hold(): void {
    this.#timer = this.loop.onTimer(POLL_MS, { repeat: true }, () => {
      const before = doorbell.servedLoop;
      doorbell.servedLoop = this.loop;
      doorbell.look(); // throws nothing
      doorbell.servedLoop = before;
    });
  }

  release(): void {
    this.#timer?.cancel();
  }
}
