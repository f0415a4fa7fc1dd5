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
 */
import { append, type Linked, remove } from "../internal/circle.ts";
import { loopOf } from "../fiber/time.ts";
import { BlockingLoop } from "../loop/blocking_loop.ts";
import { doorbell, type Holder } from "../loop/doorbell.ts";
import { type EventLoop, hostLoop } from "../loop/mod.ts";
import type { CancelHandle } from "../operation/event_base.ts";
import type { Waiter } from "../operation/suspension.ts";
import type { SharedQueue, Side } from "./shared_queue.ts";

/** How often a loop that doesn't know the doorbell looks by itself. */
const POLL_MS = 1;

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

  constructor(readonly queue: SharedQueue, readonly side: Side) {}

  get isReady(): boolean {
    return this.returned > 0 || this.queue.isReady(this.side);
  }

  /** Whether this thread stands in the table of sleepers. */
  get isAsleep(): boolean {
    return this.#line >= 0 && this.queue.isEntered(this.side, this.#line);
  }

  /** To the end of the line; `waiter` is what decides which loop has to listen. */
  enlist(node: SharedWaiter, waiter: Waiter): void {
    if (this.first === null) doorbell.listen(this.look);
    this.first = append(this.first, node);
    node.woken = false;
    node.holder = holderFor(loopOf(waiter));
    node.holder.hold();
    this.#sleep();
  }

  /** Out of the line, whether it has got what it waited for or not. */
  delist(node: SharedWaiter): void {
    this.first = remove(this.first, node);
    node.holder!.release();
    node.holder = null;
    if (this.first !== null) {
      if (node.woken) this.#sleep();
      return;
    }
    doorbell.unlisten(this.look);
    const rung = this.#line >= 0 && !this.queue.leave(this.side, this.#line);
    this.#line = -1;
    if ((rung || node.woken) && this.isReady) this.queue.wake(this.side);
  }

  /** It was woken for nothing, and waits on. */
  waitOn(node: SharedWaiter): void {
    node.woken = false;
    this.#sleep();
  }

  /** The thread's doorbell was rung, or it is time to look. */
  readonly look = (): void => {
    if (this.first !== null) this.#sleep();
  };

  /** First it says that it sleeps, then it looks: so nothing comes unnoticed in between. */
  #sleep(): void {
    const { queue, side } = this;
    if (!this.isAsleep) this.#line = queue.enter(side);
    if (this.isReady) this.#rouse();
  }

  #rouse(): void {
    const { first } = this;
    for (let node = first!;; node = node.after!) {
      if (!node.woken) {
        node.woken = true;
        return node.wake();
      }
      if (node.after === first) return;
    }
  }
}

/** What keeps `loop` listening to the doorbell. */
export function holderFor(loop: EventLoop): Holder {
  if (loop === hostLoop()) return doorbell;
  return loop instanceof BlockingLoop ? loop : new Poller(loop);
}

/** For loops of the user's. */
class Poller implements Holder {
  #timer: CancelHandle | undefined;

  constructor(readonly loop: EventLoop) {}

  hold(): void {
    this.#timer = this.loop.onTimer(POLL_MS, { repeat: true }, () => doorbell.look());
  }

  release(): void {
    this.#timer?.cancel();
  }
}
