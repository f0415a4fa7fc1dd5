/** `select` and `when`. How a select waits is in `operation/select_wait.ts`. */
import {
  checkFunction,
  checkOptional,
  checkOptions,
  isIterable,
  isObject,
  wrongType,
} from "../internal/check.ts";
import type { Event } from "../operation/event_constructors.ts";
import { Arm, checkEvent } from "../operation/event.ts";
import { SelectWait } from "../operation/select_wait.ts";
import type { Awaitable } from "../operation/types.ts";

/** One alternative of a `select`, made by `when`. It may be kept and used again. */
export interface Branch<R> {
  /** What it waits for. */
  readonly event: Event<unknown>;
  /** Only a type: what the branch returns. Not there at run time. */
  readonly result?: R;
}

/** What a branch returns. */
export type ResultOf<B> = B extends Branch<infer R> ? R : never;

/** What an event happens with. */
export type ValueOf<E> = E extends Event<infer T> ? T : never;

/** How a `select` chooses. */
export interface SelectOptions {
  /**
   * Whether the alternatives are looked at from a random one on, so that none starves. Default
   * false: the first that is ready, in list order, wins.
   */
  fair?: boolean;
}

/** What `select` over named events returns: told apart by `kind`. */
export type Selected<O extends Record<string, Event<unknown>>> = {
  [K in keyof O]: { readonly kind: K; readonly value: ValueOf<O[K]> };
}[keyof O];

/**
 * A branch of a `select`: if `event` is the one that happens, the result is `f` of its value. `f`
 * runs in the waiter, after the commit.
 *
 * Cost: one small object; a branch that is made once and used again costs nothing.
 *
 * @throws {TypeError} if `event` is not an event or `f` not a function
 */
export function when<T, R>(event: Event<T>, f: (value: T) => R): Branch<R> {
  checkFunction("make the branch", "f", f);
  return new Arm(checkEvent("make the branch", event), f as (value: never) => unknown) as
    & Arm
    & Branch<R>;
}

/**
 * Waits until one of several events happens, commits to exactly that one, and returns what its
 * branch makes of it. The losers leave no trace: no item taken, no waiter, no timer.
 *
 * Suspends. If several have happened already, the first in list order wins, or with `fair` the
 * first from a random one on. With an empty list it waits for ever. If it is cancelled, nothing has
 * happened; once one has committed, that is returned.
 *
 * @throws {TypeError} if `branches` is no list of branches and no record of events
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { afterEvent, Channel, main, select, when } from "@weft/weft";
 *
 * const work = new Channel<number>();
 * const urgent = new Channel<string>();
 * urgent.trySend("fire");
 *
 * const first = await main(() =>
 *   select([
 *     when(urgent.receiveEvent(), (alarm) => `urgent: ${alarm}`),
 *     when(work.receiveEvent(), (n) => `work: ${n}`),
 *   ])
 * );
 * assertEquals(first, "urgent: fire");
 *
 * const second = await main(() => select({ item: work.receiveEvent(), idle: afterEvent(1) }));
 * assertEquals(second, { kind: "idle", value: undefined });
 * assertEquals(work.statistics().receiversWaiting, 0);
 * ```
 */
export function select<const B extends readonly Branch<unknown>[]>(
  branches: B,
  options?: SelectOptions,
): Awaitable<ResultOf<B[number]>>;
/** The same over named events: the result says which by its `kind`. */
export function select<O extends Record<string, Event<unknown>>>(
  events: O,
  options?: SelectOptions,
): Awaitable<Selected<O>>;
export function select(
  alternatives: readonly Branch<unknown>[] | Record<string, Event<unknown>>,
  options?: SelectOptions,
): Awaitable<unknown> {
  let fair = false;
  if (options !== undefined) {
    checkOptions("select", options);
    checkOptional("select", "fair", options.fair, "boolean");
    fair = options.fair === true;
  }
  if (Array.isArray(alternatives)) return new SelectWait(checkBranches(alternatives), fair);
  return new SelectWait(namedArms(alternatives), fair);
}

function checkBranches(branches: readonly unknown[]): Arm[] {
  for (let i = 0; i < branches.length; i++) {
    if (!(branches[i] instanceof Arm)) {
      throw wrongType("select", `branches[${i}] must be made by when(event, f)`, branches[i]);
    }
  }
  return branches as Arm[];
}

function namedArms(events: unknown): Arm[] {
  if (!isObject(events) || isIterable(events)) {
    throw wrongType("select", "expected a list of branches or a record of events", events);
  }
  return Object.keys(events).map((kind) => {
    const event = checkEvent(`select "${kind}"`, (events as Record<string, Event<unknown>>)[kind]!);
    return new Arm(event, (value) => ({ kind, value }), null, kind);
  });
}
