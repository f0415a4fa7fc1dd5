/** `Mutex`: a lock that one holds at a time. */
import { checkOptions } from "../internal/check.ts";
import type { Event } from "../operation/event_constructors.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import { asSeenByOthers } from "../operation/wait.ts";
import { Acquire, AcquireEvent } from "./acquire.ts";
import type { Guard } from "./guard.ts";
import { holderOf, Line, type LineKind, type Permit } from "./line.ts";
import type { SyncOptions } from "./options.ts";
import { withGuard } from "./with_guard.ts";

/** How a mutex is made. */
export interface MutexOptions extends SyncOptions {
  /**
   * Whether a body of `withLock` that throws, or is aborted, while it holds the lock, poisons the
   * mutex, since what it guards may be half done: see `Mutex.isPoisoned`. Default false.
   */
  poison?: boolean;
}

/** What is going on in a mutex. */
export interface MutexStatistics {
  /** Whether somebody holds it. */
  readonly isLocked: boolean;
  /** Those who wait for it. */
  readonly waiting: number;
}

/** What the holder of a mutex was doing with it has failed: what it guards may be half done. */
export class PoisonedError extends Error {
  /** "PoisonedError". */
  override name = "PoisonedError";

  /** The message says that `mutex` is poisoned; the `cause` is what failed. */
  constructor(mutex: string, cause: unknown) {
    super(`Cannot lock ${mutex}: its holder failed, and what it guards may be half done`, {
      cause,
    });
  }
}

const mutexes: LineKind = {
  noun: "mutex",
  hasOwner: true,
  wanted: (_, line) => `the lock of ${line.describe()}${holderOf(line)}`,
};

/** The line of a mutex: for conditions, which wait with one. */
export let lineOf: (mutex: Mutex) => Line;

/**
 * A lock that one holds at a time: who wants it meanwhile waits in line. First come, first served;
 * who releases it hands it to the first in line.
 *
 * Where a fiber has locked it, no other fiber may release it, and the same one may not lock it again:
 * both are errors. (What passes from fiber to fiber is a `Semaphore`.) Async functions, and tasks of
 * other schedulers, have no identity that it could check.
 *
 * Cancellation: a wait that is cancelled has got nothing, and those behind it move up. The lock that
 * is granted in the same instant is either returned or goes to the next in line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, map, sleep } from "@weft/weft";
 * import { Mutex } from "@weft/weft/sync";
 *
 * const mutex = new Mutex();
 * let balance = 0;
 *
 * function* deposit(amount: number) {
 *   using _guard = yield* mutex.lock();
 *   const before = balance;
 *   yield* sleep(1); // the database, say
 *   balance = before + amount;
 * }
 * await main(() => map([1, 2, 3], deposit));
 * assertEquals(balance, 6);
 * ```
 */
export class Mutex {
  readonly #line: Line;
  readonly #rule: AcquireEvent;
  readonly #poisons: boolean;

  static {
    lineOf = (mutex) => mutex.#line;
  }

  /**
   * A mutex that nobody holds.
   *
   * @throws {TypeError} if an option is of the wrong type
   */
  constructor(options?: MutexOptions) {
    checkOptions("make the mutex", options, { name: "string", poison: "boolean" });
    this.#line = new Line(mutexes, 1, options?.name);
    this.#rule = new AcquireEvent(this.#line, 1);
    this.#poisons = options?.poison ?? false;
  }

  /** Whether somebody holds it. */
  get isLocked(): boolean {
    return this.#line.available === 0;
  }

  /**
   * Waits for the lock. Suspends while somebody holds it; if it is cancelled, nothing has happened.
   *
   * @throws {Error} in the fiber that holds it
   * @throws {PoisonedError} if it is poisoned, or gets so meanwhile
   */
  lock(): Awaitable<Guard> {
    return new Acquire(this.#rule);
  }

  /** The lock, or `undefined` if somebody holds it. Never suspends. Throws as `lock` does. */
  tryLock(): Guard | undefined {
    return this.#line.tryTake(1) ?? undefined;
  }

  /** `lock` as an event: the same one for every call. */
  lockEvent(): Event<Guard> {
    return this.#rule;
  }

  /**
   * Runs `body` with the lock, and releases it once, however it ends: also when it fails or is
   * aborted. Suspends as `lock` and `body` do.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   */
  withLock<T>(body: (guard: Guard) => Operation<T>): Awaitable<T> {
    const failed = this.#poisons ? this.#failed.bind(this) : undefined;
    return withGuard("hold a mutex", this.lock(), body, failed);
  }

  /** Not who had released it by then, nor who was told himself, as by a condition. */
  #failed(guard: Guard, error: unknown): void {
    if ((guard as Permit).held > 0 && error !== this.#line.failure) this.poison(error);
  }

  /**
   * Says that what it guards may be half done, because of `error`: from now on whoever wants the
   * lock, or waits for it, gets a `PoisonedError` with `error` as its `cause`. For the holder; one
   * that was made with `poison` is told by `withLock`. Never suspends.
   */
  poison(error: unknown): void {
    const line = this.#line;
    line.fail(new PoisonedError(line.title, asSeenByOthers(error)));
  }

  /**
   * Says that what it guards is good again. Never suspends. Whoever repairs it has no lock, since
   * nobody gets it: do so without a suspension, or under another lock.
   */
  clearPoison(): void {
    this.#line.failure = null;
  }

  /**
   * Whether its holder has failed, so that nobody gets the lock until it was repaired.
   *
   * @example
   * ```ts
   * import { assert, assertEquals } from "@std/assert";
   * import { main } from "@weft/weft";
   * import { Mutex, PoisonedError } from "@weft/weft/sync";
   *
   * const mutex = new Mutex({ poison: true });
   * const ledger = { debit: 0, credit: 0 };
   *
   * function* transfer(amount: number) {
   *   ledger.debit += amount;
   *   if (amount > 100) throw new RangeError("the limit is 100");
   *   ledger.credit += amount;
   * }
   * await main(function* () {
   *   try {
   *     yield* mutex.withLock(() => transfer(200));
   *   } catch { // it is out of balance now, and the next one is told
   *   }
   *   assert(mutex.isPoisoned);
   *   try {
   *     yield* mutex.lock();
   *   } catch (error) {
   *     assert(error instanceof PoisonedError && error.cause instanceof RangeError);
   *     ledger.debit = ledger.credit = 0;
   *     mutex.clearPoison();
   *   }
   *   yield* mutex.withLock(() => transfer(50));
   * });
   * assertEquals(ledger, { debit: 50, credit: 50 });
   * ```
   */
  get isPoisoned(): boolean {
    return this.#line.failure !== null;
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): MutexStatistics {
    return { isLocked: this.isLocked, waiting: this.#line.waiting };
  }
}
