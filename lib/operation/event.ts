/**
 * Events: waits as values, after Concurrent ML. An event says what could happen; synchronising on
 * it (`yield* event`, `select`) waits until exactly one of its alternatives has happened.
 *
 * Two kinds. A *base* event can be polled and waited on by an `Arm`, the node that stands in its
 * list. A *composite* event (choose, guard, map, withNack) only expands into arms over base events,
 * anew for each wait. The protocol between the two is in `select_wait.ts`.
 */
import { checkFunction, wrongType } from "../internal/check.ts";
import type { Linked } from "../internal/circle.ts";
import type { Ring } from "../internal/ring.ts";
import type { Event, OnceEvent } from "./event_constructors.ts";
import { BASE, COMPOSITE, SelectWait } from "./select_wait.ts";
import type { CancelHandle, Result } from "./types.ts";
import type { Wait, Waiter } from "./wait.ts";

const identity = <T>(value: T): T => value;

/**
 * What stands in an event's list of waiters: the arm of a select, or an operation (`RuleWait`).
 * Whoever finds it there commits it by `complete`, `fail` or `settled`, which take it out first.
 */
export interface WaitNode extends Linked<WaitNode> {
  /** What the event needs to withdraw it, where there is no list: a timer, say. */
  handle: CancelHandle | null;
  /** What it waits for: for whoever finds it in a list of nodes whose rules are of one kind. */
  readonly rule: EventBase<unknown>;
  /** Who waits; known from `enlist` on. */
  readonly waiter: Waiter | null;
  complete(value: unknown): void;
  fail(error: unknown): void;
  settled(result: Result<unknown>): void;
  /** Lets the waiter look again (`attempt` of a custom event, else `recheck`). */
  wake(): void;

  // What the partner of a rendezvous calls on a node that it found.

  /** Hands a value over to the waiter. */
  accept(value: unknown): void;
  /** Takes over the value that the waiter offers. */
  give(buffer?: Ring<unknown>): unknown;
  /** Tells the waiter that what it waits at has come to its end. */
  closed(): void;
}

/**
 * One alternative of one select: a base event, and what becomes of its value. It is its
 * own node in the event's list of waiters; a branch that `when` made is one, too, and is used as
 * the node as long as no other select is using it.
 */
export class Arm implements WaitNode {
  declare event: EventBase<unknown>;
  declare kind: number;
  declare handler: (value: never) => unknown;
  /** The select that waits with this arm, while it stands in a list. */
  declare select: SelectWait<unknown> | null;
  declare after: WaitNode | null;
  declare before: WaitNode | null;
  declare handle: CancelHandle | null;
  /** The nacks that don't happen if this arm is chosen. */
  declare nacks: readonly OnceEvent[] | null;
  /** What the alternative is called, if it has a name. */
  declare name: string | null;

  constructor(
    event: EventBase<unknown>,
    handler: (value: never) => unknown,
    nacks: readonly OnceEvent[] | null = null,
    name: string | null = null,
  ) {
    this.event = event;
    this.kind = event.kind();
    this.handler = handler;
    this.select = null;
    this.after = null;
    this.before = null;
    this.handle = null;
    this.nacks = nacks;
    this.name = name;
  }

  /** The same alternative, or a part of it, as an arm over `event`. */
  over(
    event: EventBase<unknown>,
    handler: (value: never) => unknown = this.handler,
    nacks: readonly OnceEvent[] | null = this.nacks,
  ): Arm {
    return new Arm(event, handler, nacks, this.name);
  }

  /** Commits the select to this arm: for whoever found the arm in a list. */
  complete(value: unknown): void {
    this.select!.commit(this, value, false);
  }

  /** Commits the select to this arm's failure. */
  fail(error: unknown): void {
    this.select!.commit(this, error, true);
  }

  /** Commits it to either. */
  settled(result: Result<unknown>): void {
    if (result.ok) this.complete(result.value);
    else this.fail(result.error);
  }

  get rule(): EventBase<unknown> {
    return this.event;
  }

  get waiter(): Waiter | null {
    return this.select!.waiter;
  }

  wake(): void {
    this.select!.wake();
  }

  accept(value: unknown): void {
    this.event.accept!(this, value);
  }

  give(buffer?: Ring<unknown>): unknown {
    return this.event.give!(this, buffer);
  }

  closed(): void {
    this.event.closed!(this);
  }
}

/** Every event; see the module comment. A base event is also the rule of an operation. */
export abstract class EventBase<T> implements Event<T> {
  /** BASE, COMPOSITE, CUSTOM or LEAVING. */
  kind(): number {
    return BASE;
  }

  /** Composite events turn into arms over base events; base events say `null`. */
  expand(_arm: Arm, _select: SelectWait<unknown>): Arm[] | null {
    return null;
  }

  /** Commits if it can: true, and the outcome is in `wait.value` (state FAILED for an error). */
  attempt(_wait: Wait<unknown>): boolean {
    return false;
  }
  /** Puts `node` into the list of waiters. Throws only if it did not. */
  enlist(_node: WaitNode): void {}
  /** Takes it out, in O(1). */
  withdraw(node: WaitNode): void {
    node.handle?.cancel();
    node.handle = null;
  }
  /** For events that take a value: commits `node` with it. */
  accept?(node: WaitNode, value: unknown): void;
  /** For events that offer a value: commits `node` and returns the value. */
  give?(node: WaitNode, buffer?: Ring<unknown>): unknown;
  /** For events at something that can come to its end: commits `node` to that. */
  closed?(node: WaitNode): void;
  /** Gives back what was committed to a waiter that is gone (see `Wait.giveBack`). */
  giveBack(_value: unknown): void {}
  abstract describe(): string;

  // For its operation; see the methods of `Wait` that are called so.

  couldComplete(): boolean {
    return true;
  }
  /** A wait for it gives way; a select, too. */
  deferred(): void {}
  /** A select has left with all of its arms, of which this is a LEAVING one: others may be let in. */
  left(): void {}
  recheck(_node: WaitNode, _wait: Wait<unknown>): boolean {
    return false;
  }
  /** What the operation returns, if that is not what the event happens with. */
  resultOf(value: unknown): unknown {
    return value;
  }

  map<U>(f: (value: T) => U): Event<U> {
    checkFunction("map the event", "f", f);
    return new CompositeEvent((arm) => {
      const { handler } = arm;
      return [arm.over(this, (value: T) => handler(f(value) as never))];
    }, [this]);
  }

  synchronise(): SelectWait<T> {
    return new SelectWait<T>([new Arm(this, identity)], false);
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
}

/** @throws {TypeError} unless `event` is an event */
export function checkEvent<T>(action: string, event: Event<T>): EventBase<T> {
  if (event instanceof EventBase) return event;
  const rule =
    "expected an Event (as from channel.receiveEvent(), fiber.joinEvent(), afterEvent(ms))";
  throw wrongType(action, rule, event);
}

/** Never waited on itself: it stands for the arms that `parts` makes of one, anew each time. */
export class CompositeEvent<T> extends EventBase<T> {
  readonly #parts: (arm: Arm, select: SelectWait<unknown>) => Arm[];
  readonly #known: readonly EventBase<unknown>[];

  /** `known` are the events that it is made of, where they are known beforehand. */
  constructor(
    parts: (arm: Arm, select: SelectWait<unknown>) => Arm[],
    known: readonly EventBase<unknown>[] = [],
  ) {
    super();
    this.#parts = parts;
    this.#known = known;
  }

  override deferred(): void {
    for (const event of this.#known) event.deferred();
  }

  override kind(): number {
    return COMPOSITE;
  }
  override expand(arm: Arm, select: SelectWait<unknown>): Arm[] {
    return this.#parts(arm, select);
  }
  describe(): string {
    return "a composite event";
  }
}
