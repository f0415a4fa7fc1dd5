/**
 * Fibers: the contexts in the tree that run code.
 *
 * The scheduler steps the generator of a fiber (`step.ts`). It is told in one way when to:
 * `scheduler.ready(fiber)`, for a spawn, a wake-up and a yield. QUEUED says that it was told, and
 * that the step has not begun: so a fiber stands in a ready queue at most once.
 *
 * Between two steps the fiber is suspended on `pending`. Whoever completes that operation calls
 * `unblock`; an abort takes it away (`interrupt`) and leaves the error in `thrown` for the next
 * step. If the operation has committed, the abort comes too late for this suspension, and shows
 * at the next.
 *
 *     spawned ─▶ running ◀──▶ suspended
 *                   └─▶ CLOSING (body ended, kids left) ─▶ CLOSED (finally) ─▶ TERMINATED
 */
import { append } from "../../internal/circle.ts";
import { publicFace } from "../../internal/public_face.ts";
import { trap } from "../../internal/report.ts";
import { checkFunction, refuseGenerator } from "../../internal/check.ts";
import { Abort, FiberAborted } from "../../operation/errors.ts";
import type { Event } from "../../operation/event_constructors.ts";
import type { WaitNode } from "../../operation/event.ts";
import { FiberTrigger } from "../../operation/fiber_trigger.ts";
import { type FiberSlot, inherit, type Wait } from "../../operation/wait.ts";
import type { Awaitable, CancelHandle, Effect, Operation, Result } from "../../operation/types.ts";
import { executeAs, execution, Refusal } from "../../trigger/execution.ts";
import { Inactive } from "../../trigger/inactive.ts";
import type { Trigger } from "../../trigger/mod.ts";
import { Context } from "./context.ts";
import { JoinEvent, JoinWait } from "./join.ts";
import { type Label, nameOf } from "./label.ts";
import type { SchedulerCore } from "./scheduler.ts";
import { usedUp } from "./share.ts";
import {
  CLOSED,
  DELIVERED,
  ENDED_ABORTED,
  ENDED_FAILED,
  FIBER,
  OBSERVED,
  QUEUED as queued,
  TERMINATED as terminated,
} from "./flags.ts";

const QUEUED = queued;
const TERMINATED = terminated;

/** An identifier that no fiber ever has. */
export const fiberIdNil = 0;

let lastId: number = fiberIdNil;

/** The generator of a fiber, as its scheduler sees it. */
export type FiberIterator = Iterator<Effect, unknown, unknown>;

/**
 * A fiber: an operation that runs concurrently with its siblings, inside the context that spawned
 * it, which it never outlives.
 *
 * `yield* fiber` waits for it: its value, or throws its failure (`FiberAborted` if it was aborted).
 */
export interface Fiber<T> extends Awaitable<T> {
  /** Unique in this realm, in spawn order, never `fiberIdNil`. */
  readonly id: number;
  /** The name it was spawned with, else its generator function's name, else `fiber` and its id. */
  readonly name: string;
  /** "aborting" from the abort until it has terminated. */
  readonly state: "running" | "aborting" | "terminated";
  /** How it ended, or `undefined` while it hasn't: never suspends. */
  poll(): Result<T> | undefined;
  /**
   * Waits until it has terminated: its body ended, its spawns are gone, its `finally` ran. Never
   * throws what the fiber threw. Cancelling the wait leaves the fiber alone.
   */
  join(): Awaitable<Result<T>>;
  /** `join` as an event. */
  joinEvent(): Event<Result<T>>;
  /**
   * Aborts the fiber and everything in it, at the call: suspended fibers are woken with `Abort`,
   * whose cause is `reason`; running ones get it at their next suspension. Idempotent.
   *
   * Wait on what it returns for the fiber and its spawns to be gone; that never throws what the
   * fiber threw.
   */
  abort(reason?: unknown): Awaitable<void>;
  /** Aborted when the fiber is, or fails; made when first asked for. */
  readonly signal: AbortSignal;
  /** The fiber and all in it, one a line, with what each waits on: for people. */
  dump(): string;
  /**
   * Calls `callback` once with the result, when the fiber terminates, or at once if it has, unless
   * the handle is cancelled before. What `callback` throws is reported.
   *
   * @throws {TypeError} if `callback` is not a function
   */
  onResult(callback: (result: Result<T>) => void): CancelHandle;
}

/** The statics of fibers. */
export interface FiberConstructors {
  /**
   * The fiber that is running.
   *
   * @throws {Inactive} outside of any fiber
   */
  current(): Fiber<unknown>;
  /** A terminated fiber that returned `value`. */
  returned<T>(value: T): Fiber<T>;
  /** A terminated fiber that failed with `error`, which counts as observed. */
  failed(error: unknown): Fiber<never>;
  /** A terminated fiber that was aborted. */
  aborted(): Fiber<never>;
  /** What all fibers inherit from. */
  readonly prototype: Fiber<unknown>;
  /** Makes `instanceof Fiber` narrow. */
  [Symbol.hasInstance](value: unknown): value is Fiber<unknown>;
}

export interface FiberCore<T> extends Context {}

/** The class of all fibers; its public face is the interface `Fiber`. */
export class FiberCore<T> implements Fiber<T>, FiberSlot {
  declare readonly id: number;
  declare label: Label | undefined;
  declare scheduler: SchedulerCore;
  /** The innermost context of its stack; `this` outside of any scope. */
  declare context: Context;
  /** Makes the operation to run; `null` once the first step has called it. */
  declare body: (() => Operation<T>) | null;
  declare iterator: FiberIterator | null;
  declare pending: Wait<unknown> | null;
  /** What the next step throws into the generator, if anything. */
  declare thrown: Error | null;
  /** Once terminated: the value, the failure, or the `Abort`. */
  declare result: unknown;
  declare joiners: WaitNode | null;

  constructor(
    scheduler: SchedulerCore,
    parent: Context | null,
    body: (() => Operation<T>) | null,
    label: Label | undefined,
    flags: number,
  ) {
    this.parent = parent;
    this.owner = this as FiberCore<unknown>;
    this.kids = null;
    this.after = null;
    this.before = null;
    this.error = parent === null ? undefined : parent.error;
    this.failures = null;
    this.flags = flags;
    this.extras = null;
    this.id = ++lastId;
    this.label = label;
    this.scheduler = scheduler;
    this.context = this as Context;
    this.body = body;
    this.iterator = null;
    this.pending = null;
    this.thrown = null;
    this.result = undefined;
    this.joiners = null;
    if (parent !== null) parent.kids = append(parent.kids, this as Context);
  }

  get name(): string {
    return nameOf(this.label) || `fiber ${this.id}`;
  }

  /** How messages call it. */
  get title(): string {
    const name = nameOf(this.label);
    return name ? `fiber "${name}"` : this.name;
  }

  get state(): "running" | "aborting" | "terminated" {
    if (this.terminated) return "terminated";
    return this.error === undefined ? "running" : "aborting";
  }

  get terminated(): boolean {
    return (this.flags & TERMINATED) !== 0;
  }

  /** Whether it has ended by an abort. */
  get wasAborted(): boolean {
    return (this.flags & ENDED_ABORTED) !== 0;
  }

  describe(): string {
    const waitsOn = this.terminated ? "" : `: ${this.waitsOn()}`;
    return `${this.name} (#${this.id})${waitsOn}`;
  }

  /** What it is doing, in words. */
  waitsOn(): string {
    if (this.closing) return "the end of its spawns";
    if ((this.flags & QUEUED) !== 0) return "its turn";
    return this.pending?.describe() ?? "nothing";
  }

  // Waiting for it -------------------------------------------------------------------------------

  [Symbol.iterator](): Iterator<never, T, unknown> {
    return new JoinWait<T>(this as FiberCore<unknown>, "value")[Symbol.iterator]();
  }

  then<A = T, B = never>(
    fulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    rejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return new JoinWait<T>(this as FiberCore<unknown>, "value").then(fulfilled, rejected);
  }

  join(): Awaitable<Result<T>> {
    return new JoinWait<Result<T>>(this as FiberCore<unknown>, "result");
  }

  joinEvent(): Event<Result<T>> {
    return new JoinEvent<Result<T>>(this as FiberCore<unknown>, "result");
  }

  poll(): Result<T> | undefined {
    if (!this.terminated) return undefined;
    this.flags |= OBSERVED;
    return this.outcome();
  }

  onResult(callback: (result: Result<T>) => void): CancelHandle {
    checkFunction("register the callback", "callback", callback);
    this.flags |= OBSERVED;
    const call = () =>
      executeAs(null, () => trap(() => refuseGenerator("callback", callback(this.outcome()))));
    if (this.terminated) call();
    else (this.extra.onResult ??= new Set()).add(call);
    return { cancel: () => void this.extras?.onResult?.delete(call) };
  }

  /** How it ended; to be asked only once it has terminated. */
  outcome(): Result<T> {
    if ((this.flags & (ENDED_FAILED | ENDED_ABORTED)) === 0) {
      return { ok: true, value: this.result as T };
    }
    if ((this.flags & ENDED_ABORTED) !== 0 && !(this.result instanceof FiberAborted)) {
      this.result = new FiberAborted(this.result as Abort, `fiber "${this.name}"`);
    }
    return { ok: false, error: this.result };
  }

  // Being a waiter -------------------------------------------------------------------------------

  unblock(): void {
    if ((this.flags & (QUEUED | TERMINATED)) !== 0) return;
    this.flags |= QUEUED;
    this.scheduler.ready(this as FiberCore<unknown>);
  }

  prepareForAwait(): Trigger {
    return new FiberTrigger();
  }

  usedUp(): boolean {
    return usedUp(this as FiberCore<unknown>);
  }

  dropPending(): void {
    const { pending } = this;
    this.pending = null;
    pending!.drop();
  }

  // Being aborted --------------------------------------------------------------------------------

  abort(reason?: unknown): Awaitable<void> {
    if (!this.terminated) this.scheduler.abort(this as FiberCore<unknown>, reason);
    return new JoinWait<void>(this as FiberCore<unknown>, "gone");
  }

  /** For `cancelTree`, which has marked it: wakes it with the abort, if that isn't too late. */
  interrupt(): void {
    const { error } = this.context;
    const { pending } = this;
    if (error === undefined || pending === null || !pending.interrupt(error)) return;
    this.thrown = this.deliver();
    this.unblock();
  }

  deliver(): Abort {
    const error = this.context.error!;
    for (let c = this.context; c.error === error; c = c.parent!) {
      c.flags |= DELIVERED;
      c.extras?.outside?.abort(error); // of a call that had settled before the abort
      if (c === (this as Context)) break;
    }
    return error;
  }
}

inherit(FiberCore, Context);
Object.defineProperty(FiberCore, "name", { value: "Fiber" }); // for people who inspect one

/** The class of all fibers, with the ways to get one that is not spawned. */
export const Fiber: FiberConstructors = publicFace("Fiber", FiberCore, "spawn one", {
  current(): Fiber<unknown> {
    return currentFiber("tell the current fiber");
  },

  returned<T>(value: T): Fiber<T> {
    return terminatedFiber<T>(0, value);
  },

  failed(error: unknown): Fiber<never> {
    return terminatedFiber<never>(ENDED_FAILED, error);
  },

  aborted(): Fiber<never> {
    return terminatedFiber<never>(ENDED_ABORTED, new Abort());
  },
});

/** A fiber that has ended already, and belongs to no scheduler. */
function terminatedFiber<T>(ending: number, result: unknown): Fiber<T> {
  const flags = FIBER | CLOSED | TERMINATED | OBSERVED | ending;
  const fiber = new FiberCore<T>(null as never, null, null, undefined, flags);
  fiber.result = result;
  return fiber;
}

/** The fiber that runs now, if any. */
export function currentFiberOrNull(): FiberCore<unknown> | null {
  const { current } = execution;
  return current instanceof FiberCore ? current : null;
}

/** The fiber that runs now; `action` names what needs one. */
export function currentFiber(action: string): FiberCore<unknown> {
  const { current } = execution;
  if (current instanceof FiberCore) return current;
  if (current instanceof Refusal) current.refuse(action);
  throw new Inactive(
    `Cannot ${action}: no fiber runs here; call it in the body of main, run or spawn ` +
      `(under another library's scheduler, use what that offers)`,
  );
}
