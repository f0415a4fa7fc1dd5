/** `RwLock`: many readers, or one writer. */
import { checkOptions } from "../internal/check.ts";
import type { Event } from "../operation/event_constructors.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import { Acquire, AcquireEvent } from "./acquire.ts";
import type { Guard } from "./guard.ts";
import { holderOf, Line, type LineKind } from "./line.ts";
import type { SyncOptions } from "./options.ts";
import { withGuard } from "./with_guard.ts";

/** What is going on in a read-write lock. */
export interface RwLockStatistics {
  /** Those who read now. */
  readonly readers: number;
  /** Whether somebody writes now. */
  readonly isWriting: boolean;
  /** Those who wait to read or to write. */
  readonly waiting: number;
}

/**
 * A reader has one permit, a writer all of them. There can't be as many readers. More than that isn't
 * a small integer everywhere, and one lock with larger numbers would slow down all of them: the
 * engine would keep the permits of each in a number object.
 */
const ALL = 2 ** 30 - 1;

const rwLocks: LineKind = {
  noun: "read-write lock",
  hasOwner: true,
  wanted: (n, line) => `to ${n === 1 ? "read" : "write"} under ${line.describe()}${holderOf(line)}`,
};

/**
 * A lock for what many may read at once, or one may write.
 *
 * First come, first served: who wants to read waits behind a writer that waits, so writers aren't
 * starved; readers next to each other in line are let in together.
 *
 * It isn't reentrant: the fiber that writes gets an error when it wants the lock again. A fiber that
 * reads and wants to write waits for itself, and to read once more behind a waiting writer, too.
 * Where the guard of a writer was got by a fiber, no other fiber may release it.
 *
 * Cancellation: a wait that is cancelled has got nothing, and those behind it move up. What is
 * granted in the same instant is either returned or goes to the next in line.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { all, main, yieldNow } from "@weft/weft";
 * import { RwLock } from "@weft/weft/sync";
 *
 * const lock = new RwLock();
 * const routes = new Map([["/", "home"]]);
 *
 * function* replace() {
 *   using _writing = yield* lock.write();
 *   routes.clear();
 *   yield* yieldNow(); // nobody sees them gone
 *   routes.set("/", "landing");
 * }
 * function* route() {
 *   using _reading = yield* lock.read();
 *   return routes.get("/");
 * }
 * assertEquals(await main(() => all([route, replace, route])), ["home", undefined, "landing"]);
 * ```
 */
export class RwLock {
  readonly #line: Line;
  readonly #read: AcquireEvent;
  readonly #write: AcquireEvent;

  /**
   * A lock that nobody holds.
   *
   * @throws {TypeError} if an option is of the wrong type
   */
  constructor(options?: SyncOptions) {
    checkOptions("make the read-write lock", options, { name: "string" });
    this.#line = new Line(rwLocks, ALL, options?.name);
    this.#read = new AcquireEvent(this.#line, 1);
    this.#write = new AcquireEvent(this.#line, ALL);
  }

  /**
   * Waits to read, together with others who do. Suspends while somebody writes, or is in line; if it
   * is cancelled, nothing has happened.
   *
   * @throws {Error} in the fiber that writes
   */
  read(): Awaitable<Guard> {
    return new Acquire(this.#read);
  }

  /**
   * Waits to write, alone. Suspends while anybody reads or writes, or is in line; if it is cancelled,
   * nothing has happened.
   *
   * @throws {Error} in the fiber that writes
   */
  write(): Awaitable<Guard> {
    return new Acquire(this.#write);
  }

  /** To read now, or `undefined`. Never suspends. Throws as `read` does. */
  tryRead(): Guard | undefined {
    return this.#line.tryTake(1) ?? undefined;
  }

  /** To write now, or `undefined`. Never suspends. Throws as `write` does. */
  tryWrite(): Guard | undefined {
    return this.#line.tryTake(ALL) ?? undefined;
  }

  /** `read` as an event: the same one for every call. */
  readEvent(): Event<Guard> {
    return this.#read;
  }

  /** `write` as an event: the same one for every call. */
  writeEvent(): Event<Guard> {
    return this.#write;
  }

  /**
   * Runs `body` while reading, and releases the lock once, however it ends. Suspends as `read` and
   * `body` do.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   */
  withRead<T>(body: (guard: Guard) => Operation<T>): Awaitable<T> {
    return withGuard("read under a lock", this.read(), body);
  }

  /**
   * Runs `body` while writing, and releases the lock once, however it ends. Suspends as `write` and
   * `body` do.
   *
   * @throws {TypeError} if `body` is not a function, or an `async` one
   */
  withWrite<T>(body: (guard: Guard) => Operation<T>): Awaitable<T> {
    return withGuard("write under a lock", this.write(), body);
  }

  /** What is going on in it: O(waiters), for tests and people. */
  statistics(): RwLockStatistics {
    const { available, waiting } = this.#line;
    const isWriting = available === 0;
    return { readers: isWriting ? 0 : ALL - available, isWriting, waiting };
  }
}
