/** `Barrier`, and the rule of waiting at one. */
import { checkFiniteCount } from "../internal/check.ts";
import { append, remove } from "../internal/circle.ts";
import { Arm, EventBase, type WaitNode } from "../operation/event.ts";
import type { Event } from "../operation/event_constructors.ts";
import { RuleWait } from "../operation/rule_wait.ts";
import type { Awaitable } from "../operation/types.ts";
import type { Wait } from "../operation/wait.ts";
import { type SyncOptions, titleOf } from "./options.ts";

/** Those who wait for one trip of the barrier, in the order in which they came. */
class Round {
  waiters: WaitNode | null = null;
  count = 0;
}

/**
 * To be there when all are.
 *
 * A task of another scheduler may run while a round is let go: it may arrive again, for the next
 * round, or be cancelled before it is its turn. So who waits keeps, as its handle, how to leave its
 * own round, and the next round has begun before the first is told.
 */
class TripEvent extends EventBase<number> {
  round = new Round();
  constructor(readonly parties: number, readonly title: string) {
    super();
  }
  /** The last one to arrive lets the others go. */
  override attempt(wait: Wait<unknown>): boolean {
    const { round } = this;
    if (round.count < this.parties - 1) return false;
    this.round = new Round();
    for (let index = 0; round.waiters !== null; index++) round.waiters.complete(index);
    wait.value = this.parties - 1;
    return true;
  }
  /** Arms of one select enlist one after the other. Only one can be chosen, so they arrive once. */
  override enlist(node: WaitNode): void {
    const { round } = this;
    const last = round.waiters?.before;
    if (node instanceof Arm && last instanceof Arm && last.select === node.select) return;
    round.waiters = append(round.waiters, node);
    round.count++;
    node.handle = {
      cancel() {
        round.waiters = remove(round.waiters, node);
        round.count--;
      },
    };
  }
  describe(): string {
    return `a ${this.title} where ${this.round.count} of ${this.parties} wait`;
  }
}

/** What is going on at a barrier. */
export interface BarrierStatistics {
  /** How many have to arrive. */
  readonly parties: number;
  /** How many have arrived, and wait for the rest. */
  readonly waiting: number;
}

/**
 * Where a number of parties wait for each other, round after round: nobody goes on before all have
 * arrived.
 *
 * Cancellation: one that stops waiting has not arrived, and the others wait for somebody else. So
 * whoever aborts one party for good aborts the others, too: `all` does, or a `scope`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { all, main } from "@weft/weft";
 * import { Barrier } from "@weft/weft/sync";
 *
 * const halves = [[3, 1], [2, 4]];
 * const barrier = new Barrier(halves.length);
 * let sum = 0;
 * function* normalise(numbers: number[]) {
 *   for (const n of numbers) sum += n;
 *   yield* barrier.wait(); // now the sum is that of all
 *   return numbers.map((n) => n / sum);
 * }
 * const parts = await main(() => all(halves.map((half) => () => normalise(half))));
 * assertEquals(parts, [[0.3, 0.1], [0.2, 0.4]]);
 * ```
 */
export class Barrier {
  readonly #trip: TripEvent;

  /**
   * A barrier for so many parties, where nobody has arrived.
   *
   * @throws {RangeError} if `parties` is not a whole number of at least 1
   * @throws {TypeError} if it is not a number, or the name not a string
   */
  constructor(parties: number, options?: SyncOptions) {
    checkFiniteCount("make the barrier", "parties", parties, 1);
    this.#trip = new TripEvent(parties, titleOf("barrier", options));
  }

  /**
   * Arrives, and waits until all parties have. Returns the place in which this one arrived, from 0
   * on: each place goes to one of the parties, and the last one to the one that let the others go,
   * first come, first.
   *
   * Suspends, unless all others wait already. If it is cancelled, it has not arrived.
   */
  wait(): Awaitable<number> {
    return new RuleWait(this.#trip);
  }

  /**
   * `wait` as an event: the same one for every call. A select that has it among its alternatives has
   * arrived for as long as it waits, and has not if another one is chosen.
   */
  waitEvent(): Event<number> {
    return this.#trip;
  }

  /** What is going on at it, for tests and people. */
  statistics(): BarrierStatistics {
    return { parties: this.#trip.parties, waiting: this.#trip.round.count };
  }
}
