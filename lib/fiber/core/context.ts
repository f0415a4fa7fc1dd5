/**
 * Contexts: the one concept under structure and cancellation.
 *
 * A context is a nursery. A fiber is a context; each `scope` is one more on its fiber's stack;
 * `protect` is one with a shield. Contexts form a tree: the kids of a context are the fibers that
 * were spawned in it and the scope, if any, that its fiber opened directly inside it.
 *
 * `error` is what every suspension in the context throws. It is set once and for good, by
 * `cancelTree`, on a whole subtree at once: first everything is marked, shields and what is below
 * them left out, and only then is anybody woken, children before parents, siblings in spawn order.
 * A context that is made later inherits the `error` of its parent, so marks never need repairing:
 * when a shield is popped, its fiber is back in a context that was marked meanwhile.
 *
 * `failures` are the exceptions that a context will end with. Failing is recording one and then
 * cancelling. A context ends (its fiber pops it, or terminates) when its body has ended and no kid
 * is left; nothing can cancel that wait.
 *
 * Two flags say what an abort has changed: DELIVERED, that it was thrown into the body, at a
 * `yield*`; REACHED, that it ended a fiber that was spawned inside. Only with one of them does the
 * context end cancelled. An abort that changed nothing came too late.
 */
import { append, type Linked, remove } from "../../internal/circle.ts";
import { Abort } from "../../operation/errors.ts";
import type { CancelHandle, Operation } from "../../operation/types.ts";
import { asCancelFunction } from "../../trigger/execution.ts";
import { Failures } from "./failures.ts";
import type { FiberCore } from "./fiber.ts";
import { CLOSED, CLOSING, DELIVERED, FIBER, REACHED, SHIELD } from "./flags.ts";
import type { OutsideWork } from "./outside_work.ts";

/** The cancellation of a part of the tree of fibers. */
export interface CancelContext {
  /**
   * Cancels everything inside: every suspension in there throws `Abort`, with `reason` as its
   * cause. Never suspends; idempotent; does nothing once the context has ended.
   */
  cancel(reason?: unknown): void;
  /**
   * Throws if the context is cancelled. Never suspends.
   *
   * @throws {Abort} its `error`
   */
  check(): void;
  /** What every suspension inside throws, once the context is cancelled. */
  readonly error: Abort | undefined;
  /** Whether an abort from outside stops at this context. */
  readonly protected: boolean;
  /** Aborted when the context is cancelled or fails, with its `error` as the reason. */
  readonly signal: AbortSignal;
  /** The contexts below, one a line, for people. */
  dump(): string;
}

/** What a nursery runs when it is left. */
export type ReleaseHook = () => void | Operation<void>;

/** What few contexts have. It is made when it is first needed, and so is each of its fields. */
export interface Extras {
  finally?: (() => void) | undefined;
  /** In the order of registration. */
  onCancel?: Set<(error: Abort) => void> | undefined;
  controller?: AbortController | undefined;
  /** What the context has started outside of fibers, and stops when it is cancelled. */
  outside?: OutsideWork | undefined;
  /** The earliest deadline that `cancelAfter` or `withTimeout` has set. */
  deadline?: { readonly at: number; readonly timer: CancelHandle } | undefined;
  /** The failures that deadlines caused. */
  deadlineErrors?: Set<unknown> | undefined;
  releases?: ReleaseHook[] | undefined;
  onResult?: Set<() => void> | undefined;
  /** Fiber-locals that spawned fibers inherit. Both maps are replaced, never changed. */
  inherited?: ReadonlyMap<object, unknown> | undefined;
  /** Fiber-locals of this fiber alone. */
  own?: ReadonlyMap<object, unknown> | undefined;
}

export class Context implements CancelContext, Linked<Context> {
  declare parent: Context | null;
  /** The fiber on whose stack it is; a fiber is its own owner. */
  declare owner: FiberCore<unknown> | null;
  declare kids: Context | null;
  declare after: Context | null;
  declare before: Context | null;
  declare error: Abort | undefined;
  declare failures: Failures | null;
  declare flags: number;
  declare extras: Extras | null;

  constructor(parent: Context | null, owner: FiberCore<unknown> | null, flags: number) {
    this.parent = parent;
    this.owner = owner;
    this.kids = null;
    this.after = null;
    this.before = null;
    this.error = parent === null || (flags & SHIELD) !== 0 ? undefined : parent.error;
    this.failures = null;
    this.flags = flags;
    this.extras = null;
    if (parent !== null) parent.kids = append(parent.kids, this as Context);
  }

  cancel(reason?: unknown): void {
    if (this.error === undefined && (this.flags & CLOSED) === 0) {
      cancelTree(this, new Abort(reason));
    }
  }

  check(): void {
    if (this.error !== undefined) throw this.error;
  }

  get protected(): boolean {
    return isProtected(this);
  }

  get signal(): AbortSignal {
    const controller = (this.extra.controller ??= new AbortController());
    if (this.error !== undefined) controller.abort(this.error);
    return controller.signal;
  }

  get extra(): Extras {
    return this.extras ??= {};
  }

  describe(): string {
    return (this.flags & SHIELD) !== 0 ? "protected scope" : "scope";
  }

  dump(): string {
    return dumpTree(this);
  }

  /** Puts it out of reach of aborts from outside, as if none had come yet: for one that is new. */
  shield(): void {
    this.flags |= SHIELD;
    this.error = undefined;
  }

  /** It ended without its generator (abandoned): sees to what was to be run at its end. */
  released(): void {}

  /** Whether its body has ended, and it waits for the kids. */
  get closing(): boolean {
    return (this.flags & CLOSING) !== 0;
  }

  /** The last kid is gone: whoever waits for that may go on. */
  emptied(): void {}
}

function isProtected(context: Context): boolean {
  for (let c: Context | null = context; c !== null; c = c.parent) {
    if ((c.flags & SHIELD) !== 0) return true;
  }
  return false;
}

/** Takes `context` out of the tree. */
export function unlink(context: Context): void {
  const { parent } = context;
  if (parent !== null && context.after !== null) parent.kids = remove(parent.kids, context);
}

/**
 * Marks the subtree of `root` with `error`, then wakes the fibers that are suspended in it. Nothing
 * recurses. `before` is the error that marks it already, if `mark` was called alone before: then the
 * fibers are only woken.
 */
export function cancelTree(root: Context, error: Abort, before?: Abort): void {
  const marked = mark(root, error, before);
  for (let i = marked.length - 1; i >= 0; i--) {
    const context = marked[i]!;
    if (context.extras !== null) runCancelFunctions(context.extras, error);
    if ((context.flags & FIBER) !== 0) (context as FiberCore<unknown>).interrupt();
  }
  if ((root.flags & FIBER) === 0) root.owner?.interrupt();
}

/**
 * Marks with `error` what is marked with `before`, and returns it in the reverse of the order in
 * which to wake: parents before their kids, the last kid first.
 */
export function mark(root: Context, error: Abort, before?: Abort): Context[] {
  const marked: Context[] = [];
  const pending: Context[] = [root];
  for (let context = pending.pop(); context !== undefined; context = pending.pop()) {
    context.error = error;
    marked.push(context);
    const first = context.kids;
    for (let kid = first; kid !== null; kid = kid.after === first ? null : kid.after) {
      if (kid.error === before && (kid.flags & SHIELD) === 0) pending.push(kid);
    }
  }
  return marked;
}

/** Tells the users' functions. They may not suspend, and what they throw is reported. */
function runCancelFunctions(extras: Extras, error: Abort): void {
  const { onCancel, controller, outside } = extras;
  if (onCancel !== undefined) {
    extras.onCancel = undefined; // each is called once
    for (const f of [...onCancel]) asCancelFunction(() => f(error));
  }
  outside?.abort(error);
  if (controller !== undefined) asCancelFunction(() => controller.abort(error));
}

/** Fails the context: it will end with `error`, and everything inside is aborted. */
export function failContext(context: Context, error: unknown): void {
  recordFailure(context, error);
  if (context.error === undefined) cancelTree(context, new Abort(error));
}

/** The same for a body that has failed. Where nothing goes on inside, nothing need be cancelled. */
export function failBody(context: Context, error: unknown): void {
  const { extras, kids } = context;
  if (kids === null && extras?.outside === undefined && extras?.controller === undefined) {
    return recordFailure(context, error);
  }
  failContext(context, error);
  extras?.outside?.abort(context.error!); // calls that settled before an abort and returned after it
}

/** Fails it because of a deadline (see `forgiveLateDeadline`). */
export function failDeadline(context: Context, error: unknown): void {
  if (context.error !== undefined) return; // it is ending anyway
  (context.extra.deadlineErrors ??= new Set()).add(error);
  failContext(context, error);
}

/** Records a failure that the context will end with (see `failures.ts`). */
export function recordFailure(context: Context, error: unknown): void {
  if (context.failures === null) context.failures = new Failures(error);
  else context.failures.add(error);
}

/** Whether its abort changed anything, in the body or in what was spawned inside. */
export function wasReached(context: Context): boolean {
  return (context.flags & (DELIVERED | REACHED)) !== 0;
}

/**
 * A fiber that was spawned in `context`, or a context that was left open there, has ended: if the
 * abort of `context` reached that, it has reached `context`.
 */
export function noteReached(context: Context, ended: Context): void {
  if (context.error !== undefined && context.error === ended.error && wasReached(ended)) {
    context.flags |= REACHED;
  }
}

/**
 * To be called when the body has returned and the kids are gone. A deadline that struck meanwhile,
 * and changed nothing, came too late: its failure is forgotten.
 */
export function forgiveLateDeadline(context: Context): void {
  const errors = context.extras?.deadlineErrors;
  if (errors === undefined || context.failures === null || wasReached(context)) return;
  if (!context.failures.forgive(errors)) context.failures = null;
}

/** Cancels the timer of the deadline, as the context has come to its end. */
export function clearDeadline(context: Context): void {
  context.extras?.deadline?.timer.cancel();
}

/** `root` and all contexts below: each before its kids, and those in spawn order. */
export function treeOf(root: Context): Context[] {
  const tree: Context[] = [];
  const pending: Context[] = [root];
  for (let context = pending.pop(); context !== undefined; context = pending.pop()) {
    tree.push(context);
    const last = context.kids?.before ?? null;
    for (let kid = last; kid !== null; kid = kid === context.kids ? null : kid.before) {
      pending.push(kid);
    }
  }
  return tree;
}

function dumpTree(root: Context): string {
  const depths: Map<Context | null, number> = new Map();
  return treeOf(root).map((context) => {
    const depth = (depths.get(context.parent) ?? -1) + 1;
    depths.set(context, depth);
    const cancelled = context.error === undefined ? "" : " (cancelled)";
    return `${"  ".repeat(depth)}${context.describe()}${cancelled}`;
  }).join("\n");
}
