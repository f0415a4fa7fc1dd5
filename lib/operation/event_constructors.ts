/** `Event` and its constructors; other rooms add kinds of events. See `event.ts` for what one is. */
import { checkFunction, wrongType } from "../internal/check.ts";
import { append, type Linked, remove } from "../internal/circle.ts";
import { publicFace } from "../internal/public_face.ts";
import { asCancelFunction } from "../trigger/execution.ts";
import { type Arm, checkEvent, CompositeEvent, EventBase, type WaitNode } from "./event.ts";
import { CUSTOM, type SelectWait } from "./select_wait.ts";
import type { Awaitable, CancelHandle, Result } from "./types.ts";
import type { Wait } from "./wait.ts";

/** What an event of your own is made of. */
export interface EventSource<T> {
  /** Commits if it can: what happened, or `undefined` if nothing did. Called any number of times. */
  poll(): Result<T> | undefined;
  /**
   * Asks to be woken when `poll` may have something, until the handle is cancelled. `wakeup` may
   * be called early, late or twice: `poll` decides.
   */
  wait(wakeup: () => void): CancelHandle;
}

/**
 * Something that can happen, as a value: `yield*` it to wait for it, `select` to choose between
 * several. Making one does nothing; it may be waited on any number of times, by anybody.
 */
export interface Event<T> extends Awaitable<T> {
  /**
   * The same event with its value passed through `f`, which runs in the waiter after the commit;
   * what `f` throws is thrown there.
   *
   * @throws {TypeError} if `f` is not a function
   */
  map<U>(f: (value: T) => U): Event<U>;
}

/** The constructors of events. */
export interface EventConstructors {
  /**
   * An event of your own, from a way to poll and a way to be woken.
   *
   * @throws {TypeError} if `source` lacks one of the two methods
   */
  from<T>(source: EventSource<T>): Event<T>;
  /** Has always happened, with `value`. */
  always<T>(value: T): Event<T>;
  /** Never happens: an alternative that is switched off. */
  never(): Event<never>;
  /** Happens when one of `events` does; exactly one of them is committed. None: never. */
  choose<T>(...events: Event<T>[]): Event<T>;
  /** The same for events of different types. */
  choose<const E extends readonly Event<unknown>[]>(
    ...events: E
  ): Event<E[number] extends Event<infer T> ? T : never>;
  /** The event that `make` returns, which is called anew for each wait. */
  guard<T>(make: () => Event<T>): Event<T>;
  /**
   * Like `guard`, and `make` is told of the outcome: `nack` happens iff the event it returned is
   * not the one that was chosen, also when the wait was aborted.
   */
  withNack<T>(make: (nack: Event<void>) => Event<T>): Event<T>;
  /** What all events inherit from. */
  readonly prototype: Event<unknown>;
  /** Makes `instanceof Event` narrow. */
  [Symbol.hasInstance](value: unknown): value is Event<unknown>;
}

/** The class of all events, and their constructors. */
export const Event: EventConstructors = publicFace("Event", EventBase, "use Event.from", {
  from<T>(source: EventSource<T>): Event<T> {
    if (typeof source?.poll !== "function" || typeof source.wait !== "function") {
      throw wrongType("make the event", "source must have the methods poll and wait", source);
    }
    return new CustomEvent(source);
  },

  always<T>(value: T): Event<T> {
    return new AlwaysEvent(value);
  },

  never(): Event<never> {
    return never;
  },

  choose<T>(...events: Event<T>[]): Event<T> {
    const bases = events.map((event) => checkEvent("choose", event));
    return new CompositeEvent((arm) => bases.map((event) => arm.over(event)), bases);
  },

  guard<T>(make: () => Event<T>): Event<T> {
    checkFunction("guard the event", "make", make);
    return new CompositeEvent(
      (arm) => [arm.over(checkEvent("synchronise on the guard", make()))],
    );
  },

  withNack<T>(make: (nack: Event<void>) => Event<T>): Event<T> {
    checkFunction("make the event with a nack", "make", make);
    return new CompositeEvent((arm, select) => {
      const nack = new OnceEvent("a negative acknowledgement");
      (select.nacks ??= []).push(nack); // before `make`: if that throws, it was certainly not chosen
      const event = checkEvent("synchronise on the event with a nack", make(nack));
      return [arm.over(event, arm.handler, [...arm.nacks ?? [], nack])];
    });
  },
});

/** What `Event.always` makes. */
class AlwaysEvent<T> extends EventBase<T> {
  declare readonly value: T;

  constructor(value: T) {
    super();
    this.value = value;
  }
  override attempt(select: SelectWait<unknown>): boolean {
    select.value = this.value;
    return true;
  }
  describe(): string {
    return "an event that has always happened";
  }
}

class NeverEvent extends EventBase<never> {
  describe(): string {
    return "an event that never happens";
  }
}

const never = new NeverEvent();

/**
 * An event of the user's (`Event.from`). A wake-up only makes the waiter look again: the `poll` of
 * the source is what commits.
 */
class CustomEvent<T> extends EventBase<T> {
  declare readonly source: EventSource<T>;

  constructor(source: EventSource<T>) {
    super();
    this.source = source;
  }

  override kind(): number {
    return CUSTOM;
  }

  override attempt(select: SelectWait<unknown>): boolean {
    const { state } = select;
    const result: Result<T> | undefined = this.source.poll();
    if (result === undefined) return false;
    if (typeof result?.ok !== "boolean") {
      throw wrongType("poll the event", "poll must return a Result or undefined", result);
    }
    // While `poll` ran, a partner has committed another arm: this one has happened, too, and wins.
    if (select.state !== state) select.retract();
    return select.settleNow(result);
  }

  override enlist(node: WaitNode): void {
    const { select } = node as Arm; // read now: the arm may serve another select when it is woken
    const handle: CancelHandle = this.source.wait(() => select!.wake());
    if (typeof handle?.cancel !== "function") {
      throw wrongType("wait for the event", "wait must return a CancelHandle", handle);
    }
    node.handle = handle;
  }

  override withdraw(node: WaitNode): void {
    const handle = node.handle!;
    node.handle = null;
    asCancelFunction(() => handle.cancel());
  }

  describe(): string {
    return "an event from a source";
  }
}

/** Whoever waits for a `OnceEvent`. */
export interface SettleNode extends Linked<SettleNode> {
  /** Commits the waiter, which the event has taken out of its list. */
  settled(result: Result<unknown>): void;
}

/** Happens once, well or badly, and stays so: whoever waits later finds it happened. */
export class OnceEvent extends EventBase<void> {
  declare readonly what: string;
  /** How it has happened, once it has. */
  result: Result<unknown> | undefined;
  /** In the order in which they came. */
  #waiters: SettleNode | null = null;

  /** `what` it is, in words. */
  constructor(what: string) {
    super();
    this.what = what;
  }

  /** Only the first call counts. */
  happen(result: Result<unknown> = { ok: true, value: undefined }): void {
    this.result ??= result;
    for (let node; (node = this.#waiters) !== null;) {
      this.withdraw(node);
      node.settled(this.result);
    }
  }
  override attempt(wait: Wait<unknown>): boolean {
    return this.result !== undefined && wait.settleNow(this.result);
  }
  override enlist(node: SettleNode): void {
    if (this.result === undefined) this.#waiters = append(this.#waiters, node);
    else node.settled(this.result);
  }
  /** Idempotent. */
  override withdraw(node: SettleNode): void {
    if (node.after !== null) this.#waiters = remove(this.#waiters, node);
  }
  describe(): string {
    return this.what;
  }
}
