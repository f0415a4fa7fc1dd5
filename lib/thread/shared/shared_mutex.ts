/** `SharedMutex`: what users see of it. How it works is in memory/lock_memory.ts. */
import { checkOptions, wrongType } from "../../internal/check.ts";
import type { Event } from "../../operation/event_constructors.ts";
import type { Awaitable, Operation } from "../../operation/types.ts";
import { withGuard } from "../../sync/with_guard.ts";
import { isNamedHandle, MutexMemory, ownRegistry } from "../memory/mod.ts";
import { SharedAcquireEvent, SharedLock } from "./lock_operations.ts";
import { LockPort, type SharedGuard } from "./lock_port.ts";
import { Ports } from "./ports.ts";

/** How a shared mutex is made. */
export interface SharedMutexOptions {
  /**
   * For people: shown in errors, and where a `Deadlock` says what a fiber waits on. Travels with
   * the handle.
   */
  name?: string;
}

/** What can be posted to another thread, which gets the mutex from it. */
export interface SharedMutexHandle {
  /** What it is a handle of. */
  readonly kind: "weft.SharedMutex";
  /** Who holds it. */
  readonly buffer: SharedArrayBuffer;
  /** The threads that wait for it. */
  readonly registry: SharedArrayBuffer;
  /** The mutex's name. */
  readonly name: string | undefined;
}

/** What is going on in a shared mutex. */
export interface SharedMutexStatistics {
  /** Whether somebody holds it. */
  readonly isLocked: boolean;
  /** How many wait: each in this thread, and each other thread in which somebody does. */
  readonly waiting: number;
}

const ports = new Ports<LockPort<MutexMemory>>();

/**
 * A mutex between threads: in shared memory, held by one at a time, in whichever thread. It works
 * in fibers, with `await`, in threads that block, and in `select`, together with everything else.
 *
 * A fiber that locks it owns it: it can't lock it again, and no other fiber can release its guard.
 * Code that runs outside of fibers isn't told apart.
 *
 * Order: those who wait in one thread get it in the order in which they came. Waiting threads are
 * woken in the order in which they came; one that is running may be faster than one that is being
 * woken, but not twice: who was woken in vain is next. If that one can't go on, as its thread is
 * blocked by something else, the others wait for it for a second or two, and no longer.
 *
 * Cancellation: a wait that is cancelled leaves nothing behind.
 *
 * A thread that is gone holds nothing: the mutex is free then, and the next one who locks it is
 * told by `guard.abandoned`, for what it guards may be half-changed. That goes for the threads of
 * pools, whatever they die of, and for workers of your own that end by `Deno.exit()` or `close()`.
 * Nobody is told when a worker of your own is terminated from outside or dies of an uncaught error,
 * nor when a pool gives up a thread that doesn't end: what such a thread holds stays held.
 *
 * While somebody waits the thread stays alive; see `SharedChannel`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { all, main } from "@weft/weft";
 * import { SharedMutex } from "@weft/weft/thread";
 *
 * const mutex = new SharedMutex();
 * const balance = new Int32Array(new SharedArrayBuffer(4));
 *
 * function* deposit(amount: number) {
 *   const there = SharedMutex.from(mutex.handle); // in a worker, as a rule
 *   using _guard = yield* there.lock();
 *   balance[0]! += amount;
 * }
 * await main(() => all([() => deposit(30), () => deposit(12)]));
 * assertEquals(balance[0], 42);
 * ```
 */
export class SharedMutex {
  /** To be posted to other threads, as often as one likes. */
  readonly handle: SharedMutexHandle;
  readonly #port: LockPort<MutexMemory>;
  readonly #locking: SharedAcquireEvent<MutexMemory>;

  /**
   * A mutex that nobody holds.
   *
   * @throws {TypeError} if an option is of the wrong type
   */
  constructor(options?: SharedMutexOptions);
  /** @ignore the other end, for `from` */
  constructor(options: undefined, handle: SharedMutexHandle);
  constructor(options?: SharedMutexOptions, handle?: SharedMutexHandle) {
    this.handle = handle ?? makeHandle(options);
    this.#port = portOf(this.handle);
    this.#locking = new SharedAcquireEvent(this.#port, 1);
  }

  /**
   * The mutex that `handle` is of.
   *
   * @throws {TypeError} if it is no handle of a shared mutex
   */
  static from(handle: SharedMutexHandle): SharedMutex {
    if (!isNamedHandle(handle, "weft.SharedMutex") || !MutexMemory.isMutex(handle.buffer)) {
      throw wrongType("open the shared mutex", "expected the handle of one", handle);
    }
    return new SharedMutex(undefined, handle);
  }

  /**
   * Locks it: the guard, to be released. Suspends while somebody holds it. If it is cancelled, it
   * wasn't locked.
   *
   * @throws {Error} in the fiber that holds it
   */
  lock(): Awaitable<SharedGuard> {
    return new SharedLock(this.#locking);
  }

  /**
   * Locks it if nobody holds it, and nobody in this thread waits for it; else `undefined`. Never
   * suspends.
   *
   * @throws {Error} in the fiber that holds it
   */
  tryLock(): SharedGuard | undefined {
    return this.#port.tryTake(1);
  }

  /** `lock` as an event: the same one for every call. */
  lockEvent(): Event<SharedGuard> {
    return this.#locking;
  }

  /**
   * Locks it, runs `body`, and releases it, however `body` ends. Suspends while somebody holds it,
   * and as `body` does.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   * @throws {Error} in the fiber that holds it
   */
  withLock<T>(body: (guard: SharedGuard) => Operation<T>): Awaitable<T> {
    return withGuard("hold a shared mutex", this.lock(), body);
  }

  /** Whether somebody holds it, in whichever thread. */
  get isLocked(): boolean {
    return this.#port.memory.isLocked;
  }

  /** What is going on in it. */
  statistics(): SharedMutexStatistics {
    return { isLocked: this.isLocked, waiting: this.#port.line.waiting };
  }
}

function makeHandle(options: SharedMutexOptions | undefined): SharedMutexHandle {
  checkOptions("make the shared mutex", options, { name: "string" });
  return {
    kind: "weft.SharedMutex",
    buffer: MutexMemory.create(),
    registry: ownRegistry().buffer,
    name: options?.name,
  };
}

function portOf({ buffer, registry, name }: SharedMutexHandle): LockPort<MutexMemory> {
  const memory = new MutexMemory(buffer, registry);
  return ports.find(memory.token, () => new LockPort(memory, "mutex", name));
}
