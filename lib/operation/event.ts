/**
 * Events: waits as values, after Concurrent ML. An event says what could happen; synchronising on
 * it (`yield* event`, `select`) waits until exactly one of its alternatives has happened.
 *
 * Two kinds. A *base* event can be polled and waited on by an `Arm`, the node that stands in its
 * list. A *composite* event (choose, guard, map, withNack) only expands into arms over base events,
 * anew for each synchronisation. The protocol between the two is in `synchronisation.ts`.
 */
import { checkFunction, show } from "../internal/check.ts";
import { publicFace } from "../internal/public_face.ts";
import type { Ring } from "../internal/ring.ts";
import { asCancelFunction } from "../trigger/execution.ts";
import { FAILED } from "./suspension.ts";
import { Synchronisation } from "./synchronisation.ts";
import type { Awaitable, Result } from "./types.ts";

/** A disposer: idempotent. */
export interface CancelHandle {
  /** Makes it stop. Does nothing the second time, or when it is over. */
  cancel(): void;
}

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
  /** The event that `make` returns, which is called anew for each synchronisation. */
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

// Kinds of events, which each arm keeps at hand.
/** To be waited on as it is. */
export const BASE = 0;
/** Expands into arms over base events. */
export const COMPOSITE = 1;
/** Polling it and waiting on it run code of the user's (see `synchronisation.ts`). */
export const CUSTOM = 2;

const identity = <T>(value: T): T => value;

/**
 * One alternative of one synchronisation: a base event, and what becomes of its value. It is its
 * own node in the event's list of waiters; a branch that `when` made is one, too, and is used as
 * the node as long as no other synchronisation is using it.
 */
export class Arm {
  event: EventBase<unknown>;
  kind: number;
  handler: (value: never) => unknown;
  /** The synchronisation that waits with this arm, while it stands in a list. */
  sync: Synchronisation<unknown> | null;
  after: Arm | null;
  before: Arm | null;
  /** What the event needs to withdraw the arm: a timer, say. */
  handle: CancelHandle | null;
  /** The negative acknowledgements that this arm would *not* cause. */
  nacks: readonly NackEvent[] | null;

  constructor(
    event: EventBase<unknown>,
    handler: (value: never) => unknown,
    nacks: readonly NackEvent[] | null,
  ) {
    this.event = event;
    this.kind = event.kind();
    this.handler = handler;
    this.sync = null;
    this.after = null;
    this.before = null;
    this.handle = null;
    this.nacks = nacks;
  }

  /** Commits the synchronisation to this arm: for whoever found the arm in a list. */
  complete(value: unknown): void {
    this.sync!.commit(this, value, false);
  }

  /** Commits the synchronisation to this arm's failure. */
  fail(error: unknown): void {
    this.sync!.commit(this, error, true);
  }

  // What the partner of a rendezvous calls on a node that it found, be it an arm or an operation.

  /** Hands a value over to the waiter. */
  take(value: unknown): void {
    this.complete(value);
  }

  /** Takes over the value that the waiter offers. */
  give(buffer?: Ring<unknown>): unknown {
    return this.event.give(this, buffer);
  }

  /** Tells the waiter that there will be no partner any more. */
  closed(): void {
    this.event.closed(this);
  }
}

/** Every event; see the module comment. */
export abstract class EventBase<T> implements Event<T> {
  /** BASE, COMPOSITE or CUSTOM. */
  kind(): number {
    return BASE;
  }

  /** Composite events turn into arms over base events; base events say `null`. */
  expand(_arm: Arm, _sync: Synchronisation<unknown>): Arm[] | null {
    return null;
  }

  /** Commits if it can: true, and the outcome is in `sync.value` (state FAILED for an error). */
  abstract poll(sync: Synchronisation<unknown>): boolean;
  /** Puts the arm into the list of waiters. */
  abstract enqueue(arm: Arm): void;
  /** Takes it out, in O(1). */
  abstract withdraw(arm: Arm): void;
  /** For events that offer a value: commits `arm` and returns the value. */
  give(_arm: Arm, _buffer?: Ring<unknown>): unknown {
    throw new Error("unreachable: this event offers nothing");
  }
  /** For events that can be closed: commits `arm` to that. */
  closed(_arm: Arm): void {
    throw new Error("unreachable: this event is never closed");
  }
  /** Gives back what was committed to a waiter that is gone (see `Suspension.undo`). */
  undo(_value: unknown): void {}
  abstract describe(): string;

  map<U>(f: (value: T) => U): Event<U> {
    checkFunction("map the event", "f", f);
    return new MapEvent(this, f);
  }

  synchronise(): Synchronisation<T> {
    return new Synchronisation<T>([new Arm(this, identity, null)], false);
  }

  [Symbol.iterator](): Iterator<never, T, unknown> {
    return this.synchronise()[Symbol.iterator]();
  }

  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.synchronise().then(fulfilled, rejected);
  }

  static from<T>(source: EventSource<T>): Event<T> {
    if (typeof source?.poll !== "function" || typeof source.wait !== "function") {
      throw new TypeError(
        `Cannot make the event: source must have the methods poll and wait, got ${show(source)}`,
      );
    }
    return new CustomEvent(source);
  }

  static always<T>(value: T): Event<T> {
    return new AlwaysEvent(value);
  }

  static never(): Event<never> {
    return never;
  }

  static choose<T>(...events: Event<T>[]): Event<T> {
    return new ChooseEvent(events.map((event) => checkEvent("choose", event)));
  }

  static guard<T>(make: () => Event<T>): Event<T> {
    checkFunction("guard the event", "make", make);
    return new GuardEvent(make);
  }

  static withNack<T>(make: (nack: Event<void>) => Event<T>): Event<T> {
    checkFunction("make the event with a nack", "make", make);
    return new WithNackEvent(make);
  }
}

/** The class of all events, and their constructors. */
export const Event: EventConstructors = publicFace("Event", EventBase, "use Event.from");

/** @throws {TypeError} unless `event` is an event */
export function checkEvent<T>(action: string, event: Event<T>): EventBase<T> {
  if (event instanceof EventBase) return event;
  throw new TypeError(
    `Cannot ${action}: expected an Event (as from channel.receiveEvent(), fiber.joinEvent(), ` +
      `afterEvent(ms)), got ${show(event)}`,
  );
}

class AlwaysEvent<T> extends EventBase<T> {
  constructor(readonly value: T) {
    super();
  }
  poll(sync: Synchronisation<unknown>): boolean {
    sync.value = this.value;
    return true;
  }
  enqueue(): void {}
  withdraw(): void {}
  describe(): string {
    return "an event that has always happened";
  }
}

class NeverEvent extends EventBase<never> {
  poll(): boolean {
    return false;
  }
  enqueue(): void {}
  withdraw(): void {}
  describe(): string {
    return "an event that never happens";
  }
}

const never = new NeverEvent();

/** An event of the user's. A wake-up only makes the waiter look again; `poll` commits. */
class CustomEvent<T> extends EventBase<T> {
  constructor(readonly source: EventSource<T>) {
    super();
  }

  override kind(): number {
    return CUSTOM;
  }

  poll(sync: Synchronisation<unknown>): boolean {
    const { state } = sync;
    const result: Result<T> | undefined = this.source.poll();
    if (result === undefined) return false;
    if (typeof result?.ok !== "boolean") {
      throw new TypeError(
        `Cannot poll the event: poll must return a Result or undefined, got ${show(result)}`,
      );
    }
    if (sync.state !== state) sync.retract();
    sync.value = result.ok ? result.value : result.error;
    if (!result.ok) sync.state = FAILED;
    return true;
  }

  enqueue(arm: Arm): void {
    const sync = arm.sync!;
    const handle: CancelHandle = this.source.wait(() => sync.wake());
    if (typeof handle?.cancel !== "function") {
      throw new TypeError(
        `Cannot wait for the event: wait must return a CancelHandle, got ${show(handle)}`,
      );
    }
    arm.handle = handle;
  }

  withdraw(arm: Arm): void {
    const handle = arm.handle!;
    arm.handle = null;
    asCancelFunction(() => handle.cancel());
  }

  describe(): string {
    return "an event from a source";
  }
}

/** What is common to the composite events: they are never waited on themselves. */
abstract class CompositeEvent<T> extends EventBase<T> {
  override kind(): number {
    return COMPOSITE;
  }
  abstract override expand(arm: Arm, sync: Synchronisation<unknown>): Arm[];
  poll(): boolean {
    throw new Error("unreachable: a composite event is expanded before it is polled");
  }
  enqueue(): void {
    this.poll();
  }
  withdraw(): void {
    this.poll();
  }
}

class MapEvent<T, U> extends CompositeEvent<U> {
  constructor(readonly event: EventBase<T>, readonly f: (value: T) => U) {
    super();
  }
  expand(arm: Arm): Arm[] {
    const { f } = this;
    const { handler } = arm;
    return [new Arm(this.event, (value: T) => handler(f(value) as never), arm.nacks)];
  }
  describe(): string {
    return this.event.describe();
  }
}

class ChooseEvent<T> extends CompositeEvent<T> {
  constructor(readonly events: readonly EventBase<T>[]) {
    super();
  }
  expand(arm: Arm): Arm[] {
    return this.events.map((event) => new Arm(event, arm.handler, arm.nacks));
  }
  describe(): string {
    return `a choice of ${this.events.length} events`;
  }
}

class GuardEvent<T> extends CompositeEvent<T> {
  constructor(readonly make: () => Event<T>) {
    super();
  }
  expand(arm: Arm): Arm[] {
    const event = checkEvent("synchronise on the guard", this.make());
    return [new Arm(event, arm.handler, arm.nacks)];
  }
  describe(): string {
    return "a guarded event";
  }
}

class WithNackEvent<T> extends CompositeEvent<T> {
  constructor(readonly make: (nack: Event<void>) => Event<T>) {
    super();
  }
  expand(arm: Arm, sync: Synchronisation<unknown>): Arm[] {
    const nack = new NackEvent();
    sync.addNack(nack); // before `make`: if that throws, its event was certainly not chosen
    const event = checkEvent("synchronise on the event with a nack", this.make(nack));
    return [new Arm(event, arm.handler, [...arm.nacks ?? [], nack])];
  }
  describe(): string {
    return "an event with a negative acknowledgement";
  }
}

/** Happens once and for good, when its synchronisation chose something else. */
export class NackEvent extends EventBase<void> {
  #happened = false;
  readonly #waiters: Set<Arm> = new Set();

  happen(): void {
    this.#happened = true;
    for (const arm of this.#waiters) arm.complete(undefined);
  }
  poll(sync: Synchronisation<unknown>): boolean {
    sync.value = undefined;
    return this.#happened;
  }
  enqueue(arm: Arm): void {
    this.#waiters.add(arm);
  }
  withdraw(arm: Arm): void {
    this.#waiters.delete(arm);
  }
  describe(): string {
    return "a negative acknowledgement";
  }
}
