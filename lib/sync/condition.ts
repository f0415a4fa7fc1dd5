/**
 * `Condition`: to wait, with a mutex in hand, until somebody says that something has changed.
 *
 * A wait has two steps, and each is a wait of its own: for the notification (`Notified`), at whose
 * beginning the lock goes to those in line, and for the lock (`Relock`). The second one is protected,
 * and follows if the first one returns or throws: so the lock is held again when the wait does.
 *
 * It doesn't follow where a scheduler of somebody else's cancels by `return` of the generator. A wait
 * in a `finally` would suspend that `return`, and when it ends, JavaScript lets the generators around
 * it go on as if it had returned: the task that was cancelled would run on.
 *
 * A notification is for somebody who goes on with it. If a scheduler of somebody else's drops the one
 * who was notified, who can't go on then, the next one is.
 */
import { GeneratorOperation } from "../fiber/core/mod.ts";
import { wrongType } from "../internal/check.ts";
import { append, count, nodesOf, remove } from "../internal/circle.ts";
import { EventBase, type WaitNode } from "../operation/event.ts";
import { RuleWait } from "../operation/rule_wait.ts";
import type { Awaitable } from "../operation/types.ts";
import { enterProtected, type Wait } from "../operation/wait.ts";
import { execution } from "../trigger/execution.ts";
import type { Guard } from "./guard.ts";
import { AcquireEvent } from "./acquire.ts";
import { type Line, Permit } from "./line.ts";
import { lineOf, Mutex } from "./mutex.ts";

/** What is going on at a condition. */
export interface ConditionStatistics {
  /** Those who wait to be notified. */
  readonly waiting: number;
}

/**
 * Where those who hold a mutex wait until others have changed what it guards.
 *
 * Notifications aren't kept: one that comes when nobody waits is gone. And what it was about may have
 * changed again when the one who was notified has the lock. So who waits looks, and waits again.
 *
 * First come, first served: `notifyOne` notifies whoever has waited longest.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, spawn } from "@weft/weft";
 * import { Condition, Mutex } from "@weft/weft/sync";
 *
 * const mutex = new Mutex();
 * const grown = new Condition(mutex);
 * const stock: string[] = [];
 *
 * function* deliver() {
 *   for (const item of ["warp", "weft"]) {
 *     using _guard = yield* mutex.lock();
 *     stock.push(item);
 *     grown.notifyOne();
 *   }
 * }
 * const pair = await main(function* () {
 *   spawn(deliver);
 *   using guard = yield* mutex.lock();
 *   while (stock.length < 2) yield* grown.wait(guard); // the lock is free meanwhile
 *   return stock.splice(0);
 * });
 * assertEquals(pair, ["warp", "weft"]);
 * ```
 */
export class Condition {
  readonly #line: Line;
  readonly #core: Core;

  /**
   * A condition of what `mutex` guards.
   *
   * @throws {TypeError} if it is no mutex
   */
  constructor(mutex: Mutex) {
    if (!(mutex instanceof Mutex)) {
      throw wrongType("make the condition", "mutex must be a Mutex", mutex);
    }
    this.#line = lineOf(mutex);
    this.#core = new Core();
  }

  /**
   * Releases what `guard` holds, waits to be notified, and locks the mutex again, with the same
   * guard. It holds the lock when it returns and when it throws.
   *
   * Suspends. If it is cancelled, it locks the mutex before it throws, which nothing cancels. Where a
   * scheduler of somebody else's cancels or refuses that as well, or cancels without a throw (by
   * `return`, or by never resuming), the lock stays free, and to release the guard does nothing.
   *
   * @throws {TypeError} if `guard` is no guard of a mutex
   * @throws {Error} if it is one of another mutex, was released, or belongs to another fiber
   * @throws {PoisonedError} if the mutex was poisoned meanwhile; the lock is held then, too
   */
  wait(guard: Guard): Awaitable<void> {
    const line = this.#line;
    if (!(guard instanceof Permit)) {
      throw wrongType("wait on the condition", `guard must be one of ${line.title}`, guard);
    }
    if (guard.line !== line) {
      throw new Error(
        `Cannot wait on the condition: it is one of ${line.title}, and the guard is of another lock`,
      );
    }
    guard.checkHeld("wait on a condition of");
    return new ConditionWait(this.#core, guard);
  }

  /** Notifies whoever has waited longest, if anybody waits. Needs no lock. Never suspends. */
  notifyOne(): void {
    this.#core.notifyOne();
  }

  /**
   * Notifies all who wait now. They get the lock one after the other. Needs no lock. Never suspends.
   */
  notifyAll(): void {
    this.#core.notifyAll();
  }

  /** What is going on at it: O(waiters), for tests and people. */
  statistics(): ConditionStatistics {
    return { waiting: count(this.#core.first) };
  }
}

/** Those who wait to be notified. */
class Core {
  first: WaitNode | null = null;

  notifyOne(): void {
    this.first?.complete(undefined);
  }

  notifyAll(): void {
    // A task of another scheduler that is resumed here may cancel others, or wait anew.
    for (const node of nodesOf(this.first)) if (node.after !== null) node.complete(undefined);
  }
}

/** To be notified. One per wait, since it lets go of the lock as it gets in line. */
class NotifiedEvent extends EventBase<void> {
  /** Whether the lock went to those in line: not if the guard held nothing, or never got here. */
  hasLetGo = false;

  constructor(readonly core: Core, readonly guard: Permit) {
    super();
  }

  /** It always waits, so nothing is gained by giving way first. */
  override couldComplete(): boolean {
    return false;
  }

  /** The lock goes last: a task of another scheduler that gets it may notify there and then. */
  override enlist(node: WaitNode): void {
    const { core, guard } = this;
    guard.checkHeld("wait on a condition of");
    core.first = append(core.first, node);
    this.hasLetGo = true;
    guard.takeAway();
  }

  override withdraw(node: WaitNode): void {
    const { core } = this;
    core.first = remove(core.first, node);
  }

  describe(): string {
    return `a condition of ${this.guard.line.title}`;
  }
}

class Notified extends RuleWait<void> {
  declare rule: NotifiedEvent;

  /** Cancelled; who goes on after that, as our fibers do, locks it again. */
  override withdraw(): void {
    super.withdraw();
    this.rule.guard.forfeit();
  }

  override giveBack(): void {
    const { core, guard } = this.rule;
    guard.forfeit();
    core.notifyOne();
  }
}

/** To have the lock again, though it be poisoned. */
class RelockEvent extends AcquireEvent {
  override get takesBroken(): boolean {
    return true;
  }

  override attempt(wait: Wait<unknown>): boolean {
    const { line, n } = this;
    if (line.first !== null || line.available < n) return false;
    wait.value = line.take(n, execution.current);
    return true;
  }
}

/** `wasNotified`: whether the wait before it has ended by a notification. */
class Relock extends RuleWait<Permit> {
  declare rule: RelockEvent;

  constructor(readonly core: Core, readonly guard: Permit, readonly wasNotified: boolean) {
    super(new RelockEvent(guard.line, 1));
  }

  override enter(): IteratorResult<never, Permit> {
    return enterProtected<Permit>(this);
  }

  override interrupt(): boolean {
    return false;
  }

  override withdraw(): void {
    super.withdraw();
    this.#forfeit();
  }

  override giveBack(): void {
    super.giveBack();
    this.#forfeit();
  }

  /** A `Deadlock` ends what nothing cancels, without having it leave the line. */
  override throw(error: unknown): IteratorResult<never, Permit> {
    if (this.after !== null) this.withdraw();
    return super.throw(error);
  }

  override conclude(): Permit {
    const permit = super.conclude();
    this.guard.giveAgain(permit);
    return permit;
  }

  /** Forfeits the lock if it never began: a scheduler of somebody else's may refuse a trigger. */
  end(): void {
    if (this.guard.isAway) this.#forfeit();
  }

  #forfeit(): void {
    this.guard.forfeit();
    if (this.wasNotified) this.core.notifyOne();
  }
}

interface Parts {
  readonly core: Core;
  readonly guard: Permit;
}

class ConditionWait extends GeneratorOperation<Parts, void> {
  constructor(core: Core, guard: Permit) {
    super(`a condition of ${guard.line.title}`, waitForNotification, { core, guard });
  }

  /** Not in a `main` of its own, as for most that take several steps: that would own the lock. */
  override then<B = void, C = never>(
    fulfilled?: ((value: void) => B | PromiseLike<B>) | null,
    rejected?: ((reason: unknown) => C | PromiseLike<C>) | null,
  ): Promise<B | C> {
    const { core, guard } = this.argument;
    const promise = new Promise<unknown>((resolve) => {
      this.use();
      resolve(
        new Notified(new NotifiedEvent(core, guard)).then(() => new Relock(core, guard, true)),
      );
    });
    return promise.then(() => throwIfPoisoned(guard)).then(fulfilled, rejected);
  }
}

function* waitForNotification({ core, guard }: Parts): Generator<never, void, unknown> {
  const event = new NotifiedEvent(core, guard);
  let relock: Relock | undefined;
  try {
    try {
      yield* new Notified(event);
    } catch (error) { // not `finally`: see the module comment
      if (event.hasLetGo) yield* relock = new Relock(core, guard, false);
      throw error;
    }
    yield* relock = new Relock(core, guard, true);
  } finally {
    relock?.end();
  }
  throwIfPoisoned(guard);
}

function throwIfPoisoned({ line }: Permit): void {
  if (line.failure !== null) throw line.failure;
}
