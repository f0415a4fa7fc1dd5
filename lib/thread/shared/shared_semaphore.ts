/** `SharedSemaphore`: what users see of it. How it works is in memory/lock_memory.ts. */
import { checkFiniteCount, checkOptions, wrongType } from "../../internal/check.ts";
import type { Event } from "../../operation/event_constructors.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import type { Awaitable, Operation } from "../../operation/types.ts";
import { checkPermits } from "../../sync/lock_errors.ts";
import { withGuard } from "../../sync/with_guard.ts";
import { isNamedHandle, MOST_PERMITS, ownRegistry, SemaphoreMemory } from "../memory/mod.ts";
import { SharedAcquireEvent } from "./lock_operations.ts";
import { LockPort, type SharedGuard } from "./lock_port.ts";
import { Ports } from "./ports.ts";

/** How a shared semaphore is made. */
export interface SharedSemaphoreOptions {
  /**
   * For people: shown in errors, and where a `Deadlock` says what a fiber waits on. Travels with
   * the handle.
   */
  name?: string;
}

/** What can be posted to another thread, which gets the semaphore from it. */
export interface SharedSemaphoreHandle {
  /** What it is a handle of. */
  readonly kind: "weft.SharedSemaphore";
  /** Its permits, and who holds them. */
  readonly buffer: SharedArrayBuffer;
  /** The threads that wait for them. */
  readonly registry: SharedArrayBuffer;
  /** The semaphore's name. */
  readonly name: string | undefined;
}

/** What is going on in a shared semaphore. */
export interface SharedSemaphoreStatistics {
  /** How many permits nobody holds. */
  readonly available: number;
  /** How many wait: each in this thread, and each other thread in which somebody does. */
  readonly waiting: number;
}

const ports = new Ports<LockPort<SemaphoreMemory>>();

/**
 * A semaphore between threads: a number of permits in shared memory, of which anybody in any thread
 * takes some, and gives them back by releasing the guard. It works in fibers, with `await`, in
 * threads that block, and in `select`, together with everything else. Permits have no owner.
 *
 * Order: those who wait in one thread get theirs in the order in which they came, and one who wants
 * many isn't overtaken by those who want few. Between threads it is as with a `SharedMutex`: one
 * that was woken in vain is next, and until it has what it wants nobody else gets any. If there is
 * enough for it and it can't go on, the others wait for it for a second or two, and no longer; if
 * there isn't, and its thread is blocked by something else, for some five seconds.
 *
 * Cancellation: a wait that is cancelled leaves nothing behind.
 *
 * A thread that is gone holds no permits: they are available again, and as many permits as those
 * were are handed out next with `guard.abandoned`. Which threads that goes for is said at
 * `SharedMutex`.
 *
 * While somebody waits the thread stays alive; see `SharedChannel`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { SharedSemaphore } from "@weft/weft/thread";
 *
 * const connections = new SharedSemaphore(10);
 * const there = SharedSemaphore.from(connections.handle); // in a worker, as a rule
 * const left = await main(() =>
 *   there.withPermit(function* () {
 *     return connections.available;
 *   }, 3)
 * );
 * assertEquals([left, connections.available], [7, 10]);
 * ```
 */
export class SharedSemaphore {
  /** To be posted to other threads, as often as one likes. */
  readonly handle: SharedSemaphoreHandle;
  readonly #port: LockPort<SemaphoreMemory>;
  readonly #acquireOne: SharedAcquireEvent<SemaphoreMemory>;

  /**
   * A semaphore with that many permits, all of them available.
   *
   * @throws {RangeError} if `permits` is not an integer from 1 to 2 ** 30
   * @throws {TypeError} if an argument is of the wrong type
   */
  constructor(permits: number, options?: SharedSemaphoreOptions);
  /** @ignore the other end, for `from` */
  constructor(permits: undefined, options: undefined, handle: SharedSemaphoreHandle);
  constructor(
    permits: number | undefined,
    options?: SharedSemaphoreOptions,
    handle?: SharedSemaphoreHandle,
  ) {
    this.handle = handle ?? makeHandle(permits as number, options);
    this.#port = portOf(this.handle);
    this.#acquireOne = new SharedAcquireEvent(this.#port, 1);
  }

  /**
   * The semaphore that `handle` is of.
   *
   * @throws {TypeError} if it is no handle of a shared semaphore
   */
  static from(handle: SharedSemaphoreHandle): SharedSemaphore {
    if (
      !isNamedHandle(handle, "weft.SharedSemaphore") ||
      !SemaphoreMemory.isSemaphore(handle.buffer)
    ) {
      throw wrongType("open the shared semaphore", "expected the handle of one", handle);
    }
    return new SharedSemaphore(undefined, undefined, handle);
  }

  /**
   * Takes `n` permits, all at once: the guard, to be released. Suspends until they are there. If it
   * is cancelled, none was taken.
   *
   * @throws {RangeError} if `n` is not an integer of at least 1, or more than there ever are
   */
  acquire(n = 1): Awaitable<SharedGuard> {
    return new RuleWait<SharedGuard>(this.#rule(n));
  }

  /**
   * Takes `n` permits if they are there, and nobody in this thread waits for any; else `undefined`.
   * Never suspends. Throws as `acquire` does.
   */
  tryAcquire(n = 1): SharedGuard | undefined {
    this.#check(n);
    return this.#port.tryTake(n);
  }

  /** `acquire` as an event: for one permit the same one for every call. Throws as `acquire` does. */
  acquireEvent(n = 1): Event<SharedGuard> {
    return this.#rule(n);
  }

  /**
   * Takes `n` permits, runs `body`, and gives them back, however `body` ends. Suspends until they
   * are there, and as `body` does. Throws as `acquire` does.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   */
  withPermit<T>(body: (guard: SharedGuard) => Operation<T>, n = 1): Awaitable<T> {
    return withGuard("hold permits", this.acquire(n), body);
  }

  #rule(n: number): SharedAcquireEvent<SemaphoreMemory> {
    if (n === 1) return this.#acquireOne;
    this.#check(n);
    return new SharedAcquireEvent(this.#port, n);
  }

  #check(n: number): void {
    checkPermits(this.#port.title, n, this.#port.memory.permits);
  }

  /** How many permits nobody holds, in whichever thread. */
  get available(): number {
    return this.#port.memory.available;
  }

  /** What is going on in it. */
  statistics(): SharedSemaphoreStatistics {
    return { available: this.available, waiting: this.#port.line.waiting };
  }
}

function makeHandle(
  permits: number,
  options: SharedSemaphoreOptions | undefined,
): SharedSemaphoreHandle {
  const action = "make the shared semaphore";
  checkFiniteCount(action, "permits", permits, 1);
  if (permits > MOST_PERMITS) {
    throw new RangeError(`Cannot ${action}: permits must be at most 2 ** 30, got ${permits}`);
  }
  checkOptions(action, options, { name: "string" });
  return {
    kind: "weft.SharedSemaphore",
    buffer: SemaphoreMemory.create(permits),
    registry: ownRegistry().buffer,
    name: options?.name,
  };
}

function portOf({ buffer, registry, name }: SharedSemaphoreHandle): LockPort<SemaphoreMemory> {
  const memory = new SemaphoreMemory(buffer, registry);
  return ports.find(memory.token, () => new LockPort(memory, "semaphore", name));
}
