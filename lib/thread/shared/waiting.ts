/**
 * Those of this thread who wait for one side of a shared queue: for items, or for room.
 *
 * The thread stands once in the queue's table of sleepers, for all of them; here they wait in line.
 * Nobody is ever handed anything: when the queue may be ready, the first in line is woken, and
 * takes for itself when its turn to run comes. So a wait that is cancelled is a matter of this
 * thread alone, an item is taken in the same step in which the waiter goes on, and a thread that
 * dies while it waits takes nothing with it.
 *
 * Woken are always the first few in line. Whoever was woken and leaves the line, because it got
 * what it wanted or because it was cancelled, sees to it that the next one has a look.
 *
 * They may wait on several loops: on JavaScript's, and on one that blocks the thread meanwhile. As
 * long as that one runs nobody else goes on, so those who wait on another loop are woken, but keep
 * nobody behind them waiting; and if there is nobody who could go on, another thread is rung.
 */
import { append, type Linked, remove } from "../../internal/circle.ts";
import { loopOf } from "../../fiber/time.ts";
import { BlockingLoop } from "../../loop/blocking_loop.ts";
import { doorbell, type Holder } from "../../loop/doorbell.ts";
import { type EventLoop, hostLoop } from "../../loop/mod.ts";
import type { CancelHandle } from "../../operation/types.ts";
import type { Waiter } from "../../operation/wait.ts";
import { execution } from "../../trigger/execution.ts";
import type { SharedQueue, Side } from "../memory/shared_queue.ts";
import type { Sleepers } from "../memory/sleepers.ts";

/** How often a loop that doesn't know the doorbell looks by itself. */
const POLL_MS = 1;

/** How often it looks again before somebody gets in line, some 20 ns each. */
const MOST_LOOKS = 100;
const FEW_LOOKS = 8;

/** Somebody in line. */
export interface SharedWaiter extends Linked<SharedWaiter> {
  /** Whether it was told to look, and hasn't yet. */
  woken: boolean;
  /** What keeps its thread listening meanwhile. */
  holder: Holder | null;
  /** Lets it look, soon. */
  wake(): void;
}

export class SharedSide {
  first: SharedWaiter | null = null;
  /** Items that were given back, and are here rather than in the queue. */
  returned = 0;
  /** Where this thread stands in the table of sleepers; -1: nowhere. */
  #line = -1;
  #patience = MOST_LOOKS;
  readonly #sleepers: Sleepers;

  constructor(readonly queue: SharedQueue, readonly side: Side) {
    this.#sleepers = queue.sleepers[side];
  }

  get isReady(): boolean {
    return this.returned > 0 || this.queue.isReady(this.side);
  }

  /** Whether this thread stands in the table of sleepers. */
  get isAsleep(): boolean {
    return this.#line >= 0 && this.#sleepers.isEntered(this.#line);
  }

  /** To the end of the line; `holder` keeps the thread listening meanwhile. */
  enlist(node: SharedWaiter, holder: Holder): void {
    holder.hold(); // first: a loop of the user's may throw
    if (this.first === null) doorbell.listen(this.look);
    this.first = append(this.first, node);
    node.woken = false;
    node.holder = holder;
    // Or those before it see to it that it is woken.
    if (this.first === node || !isServed(this.first.holder)) this.#sleep();
  }

  /**
   * Whether the queue becomes ready within a moment, for one who is about to get in line: to be
   * woken takes longer than the other thread does as a rule. Not if it was in vain lately.
   */
  isWorthWaiting(): boolean {
    if (this.first !== null) return false;
    for (let looks = this.#patience; looks > 0; looks--) {
      if (!this.queue.isReady(this.side)) continue;
      this.#patience = MOST_LOOKS;
      return true;
    }
    this.#patience >>= 1;
    return false;
  }

  /** Out of the line, whether it has got what it waited for or not. */
  delist(node: SharedWaiter): void {
    if (node.woken && this.#patience < FEW_LOOKS) this.#patience = FEW_LOOKS; // perhaps now
    this.first = remove(this.first, node);
    node.holder!.release();
    node.holder = null;
    if (this.first !== null) {
      if (node.woken) this.#sleep();
      return;
    }
    doorbell.unlisten(this.look);
    const rung = this.#line >= 0 && !this.#sleepers.leave(this.#line);
    this.#line = -1;
    if ((rung || node.woken) && this.isReady) this.#sleepers.wake();
  }

  /** Whether `node` may take what there is: it is first, or woken like all who stand before it. */
  mayLook(node: SharedWaiter): boolean {
    const { first } = this;
    if (node === first) return true;
    if (!node.woken) return false;
    for (let other = first!; other !== node; other = other.after!) if (!other.woken) return false;
    return true;
  }

  /** It was woken for nothing, and waits on. */
  waitOn(node: SharedWaiter): void {
    let other = node;
    do { // those who were woken after it don't overtake it
      other.woken = false;
      other = other.after!;
    } while (other !== this.first && other.woken);
    this.#sleep();
  }

  /** The same for one who looks itself if there is something: whether there is. */
  rest(node: SharedWaiter): boolean {
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

  /** First it says that it sleeps, then it looks: so nothing comes unnoticed in between. */
  #enter(): boolean {
    if (!this.isAsleep) this.#line = this.#sleepers.enter();
    return this.isReady;
  }

  #rouse(): void {
    let isAnyServed = false;
    for (let node = this.first; node !== null;) {
      const next: SharedWaiter | null = node.after === this.first ? null : node.after;
      const canGoOn = isServed(node.holder);
      isAnyServed ||= canGoOn;
      if (!node.woken) {
        node.woken = true;
        node.wake();
        if (canGoOn) return;
      }
      node = next !== null && next.after === null ? this.first : next; // or it has left meanwhile
    }
    if (!isAnyServed && this.first !== null) this.#passOn();
  }

  /** Nobody here gets to look before long: the ring is another thread's, and not for this one again. */
  #passOn(): void {
    if (this.#line >= 0) this.#sleepers.leave(this.#line);
    this.#line = -1;
    if (this.queue.isReady(this.side)) this.#sleepers.wake();
  }
}

/** The loop for which this thread does what it does: that of the fiber that runs, if one does. */
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

/** For loops of the user's. */
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
