/** `Semaphore`: permits for so many at once. */
import { checkFiniteCount, checkOptions } from "../internal/check.ts";
import type { Event } from "../operation/event_constructors.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import { Acquire, AcquireEvent } from "./acquire.ts";
import type { Guard } from "./guard.ts";
import { Line, type LineKind } from "./line.ts";
import { checkPermits } from "./lock_errors.ts";
import type { SyncOptions } from "./options.ts";
import { withGuard } from "./with_guard.ts";

/** What is going on in a semaphore. */
export interface SemaphoreStatistics {
  /** The permits that nobody holds. */
  readonly available: number;
  /** Those who wait for some. */
  readonly waiting: number;
}

const semaphores: LineKind = {
  noun: "semaphore",
  hasOwner: false,
  wanted: (n, line) =>
    `${n === 1 ? "a permit" : `${n} permits`} of ${line.describe()}, which has ${line.available}`,
};

/**
 * A number of permits, each of which one holds at a time: to limit how many do something at once.
 *
 * First come, first served: whoever wants many isn't overtaken by those who want few. A permit has
 * no owner: its guard may go from hand to hand, and whoever has it releases it.
 *
 * Cancellation: a wait that is cancelled has got nothing, and those behind it move up. A permit that
 * is granted in the same instant is either returned or goes to the next in line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, map, sleep } from "@weft/weft";
 * import { Semaphore } from "@weft/weft/sync";
 *
 * const connections = new Semaphore(2);
 * let open = 0;
 * let most = 0;
 *
 * function* query() {
 *   using _permit = yield* connections.acquire();
 *   most = Math.max(most, ++open);
 *   yield* sleep(1);
 *   open--;
 * }
 * await main(() => map([1, 2, 3, 4, 5], query));
 * assertEquals([most, connections.available], [2, 2]);
 * ```
 */
export class Semaphore {
  readonly #line: Line;
  readonly #acquireOne: AcquireEvent;

  /**
   * A semaphore of so many permits.
   *
   * @throws {RangeError} if `permits` is not a whole number of at least 1
   * @throws {TypeError} if it is no number, or an option is of the wrong type
   */
  constructor(permits: number, options?: SyncOptions) {
    checkFiniteCount("make the semaphore", "permits", permits, 1);
    if (!Number.isSafeInteger(permits)) { // one less would be as many
      throw new RangeError(
        `Cannot make the semaphore: permits must be at most ${Number.MAX_SAFE_INTEGER}, got ${permits}`,
      );
    }
    checkOptions("make the semaphore", options, { name: "string" });
    this.#line = new Line(semaphores, permits, options?.name);
    this.#acquireOne = new AcquireEvent(this.#line, 1);
  }

  /** The permits that nobody holds. */
  get available(): number {
    return this.#line.available;
  }

  /**
   * Waits for `n` permits, behind all who came before. Suspends while there are fewer, or others are
   * in line; if it is cancelled, nothing was taken.
   *
   * @throws {RangeError} if `n` is not a whole number of at least 1, or more than there ever are
   * @throws {TypeError} if it is no number
   */
  acquire(n = 1): Awaitable<Guard> {
    return new Acquire(n === 1 ? this.#acquireOne : this.#rule(n));
  }

  /**
   * `n` permits, or `undefined` if there are fewer, or others are in line. Never suspends. Throws as
   * `acquire` does.
   */
  tryAcquire(n = 1): Guard | undefined {
    const line = this.#line;
    if (n !== 1) checkPermits(line.title, n, line.total);
    return line.tryTake(n) ?? undefined;
  }

  /** `acquire` as an event: for one permit the same one for every call. Throws as `acquire` does. */
  acquireEvent(n = 1): Event<Guard> {
    return this.#rule(n);
  }

  /**
   * Runs `body` while holding `n` permits, and releases them once, however it ends: also when it
   * fails or is aborted. Suspends as `acquire` and `body` do.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   * @throws {RangeError} as `acquire` does
   */
  withPermit<T>(body: (guard: Guard) => Operation<T>, n = 1): Awaitable<T> {
    return withGuard("hold permits", this.acquire(n), body);
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): SemaphoreStatistics {
    const { available, waiting } = this.#line;
    return { available, waiting };
  }

  #rule(n: number): AcquireEvent {
    if (n === 1) return this.#acquireOne;
    const line = this.#line;
    checkPermits(line.title, n, line.total);
    return new AcquireEvent(line, n);
  }
}
