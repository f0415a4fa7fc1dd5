/**
 * Nurseries: the one mechanism under `scope`, `cancelScope`, `protect`, `withTimeout`, `all`, `any`
 * and `map`. Each pushes a context on the stack of the current fiber, runs a body in it, waits for
 * what was spawned in it, runs its hooks, pops it, and then settles what it ends with:
 *
 *  1. Failures recorded in the context (of the body, of fibers spawned in it, of a deadline) are
 *     thrown: one as itself, several as an AggregateError.
 *  2. Otherwise, if an abort was thrown into the body or has ended a fiber inside: an abort of the
 *     fiber goes on outwards; one of this context alone ends here, as the kind of nursery says.
 *  3. Otherwise what the body returned stands, also when an abort came that changed nothing.
 */
import {
  checkFunction,
  isIterable,
  isOperation,
  notAnOperation,
  refusePromise,
} from "../../internal/check.ts";
import { Abort, FiberAborted } from "../../operation/errors.ts";
import { placed } from "../../operation/place.ts";
import type { Awaitable, Operation, Result } from "../../operation/types.ts";
import { COLD, enterProtected, inherit, type Wait } from "../../operation/wait.ts";
import {
  type CancelContext,
  cancelTree,
  clearDeadline,
  Context,
  failBody,
  forgiveLateDeadline,
  recordFailure,
  type ReleaseHook,
  unlink,
  wasReached,
} from "./context.ts";
import { abandon } from "./termination.ts";
import { currentFiber, currentFiberOrNull, type Fiber, type FiberCore } from "./fiber.ts";
import { GeneratorOperation } from "./generator_operation.ts";
import { checkOpen, checkSpawn, spawnIn, type SpawnOptions } from "./spawn_in.ts";
import { ABANDONED, CLOSED, SHIELD } from "./flags.ts";

/** A nursery, as its body sees it. */
export interface Scope extends CancelContext {
  /**
   * Spawns a fiber in this scope, which waits for it. May be called by any fiber, also one that
   * was spawned in it, as long as the scope is open.
   *
   * @throws {Inactive} if the scope is closed
   */
  spawn<T>(body: () => Operation<T>, options?: SpawnOptions): Fiber<T>;
  /**
   * Runs `hook` when the scope is left, however it is left, after all that was spawned in it is
   * gone. Hooks run last in, first out, protected from aborts; they may suspend. What one throws
   * is a failure of the scope, and the others still run. One that returns a promise, which nobody
   * would wait for, has failed: wait for it with `fromPromise`.
   *
   * @throws {TypeError} if `hook` is not a function
   * @throws {Inactive} if the scope is closed
   */
  onRelease(hook: ReleaseHook): void;
}

/** The context of a nursery, and what its body gets to see. */
export class ScopeContext extends Context implements Scope {
  /** The wait of its fiber for the kids to be gone. */
  declare waiting: KidsGone | null;
  /** How many scopes of the same fiber are around it. */
  declare readonly depth: number;
  declare readonly name: string;

  constructor(parent: Context, owner: FiberCore<unknown>, flags: number, name: string) {
    super(parent, owner, flags);
    this.name = name;
    this.waiting = null;
    this.depth = parent instanceof ScopeContext ? parent.depth + 1 : 0;
  }

  override describe(): string {
    return this.name;
  }

  spawn<T>(body: () => Operation<T>, options?: SpawnOptions): Fiber<T> {
    checkSpawn("spawn", body, options);
    checkOpen("spawn", this);
    const owner = this.owner!;
    return spawnIn(owner.scheduler, this, currentFiberOrNull() ?? owner, body, options);
  }

  onRelease(hook: ReleaseHook): void {
    checkFunction("register the release hook", "hook", hook);
    checkOpen("register the release hook", this);
    (this.extra.releases ??= []).push(hook);
  }

  /** Abandoned, it has no generator to run the hooks in: a protected fiber is spawned for them. */
  override released(): void {
    const releases = this.extras?.releases;
    if (releases === undefined) return;
    const name = "release hooks";
    const enter = (context: ScopeContext) => void (context.extra.releases = releases);
    const hooks = () => openNursery({ name: `scope of ${name}`, enter, body: nothing });
    const owner = this.owner!;
    const fiber = spawnIn(owner.scheduler, this.parent!, owner, hooks, { name }) as FiberCore<void>;
    fiber.shield();
    this.extras!.releases = undefined;
  }

  override get closing(): boolean {
    return this.waiting !== null;
  }

  override emptied(): void {
    const { waiting } = this;
    this.waiting = null;
    waiting?.complete(undefined);
  }
}

interface KidsGone extends Wait<void> {}

/** The wait of a nursery for its kids. An abort reaches the kids, never this wait. */
class KidsGone {
  declare scope: ScopeContext;

  constructor(scope: ScopeContext) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.scope = scope;
  }

  /** It begins in a fiber that is aborting, too. */
  enter(): IteratorResult<never, void> {
    return enterProtected(this);
  }

  /** It is made only while there are kids. */
  couldComplete(): boolean {
    return false;
  }

  attempt(): boolean {
    return false;
  }

  enlist(): void {
    this.scope.waiting = this;
  }

  interrupt(): boolean {
    return false;
  }

  withdraw(): void {
    this.scope.waiting = null;
  }

  describe(): string {
    return "the end of what its scope spawned";
  }
}

inherit(KidsGone);

/** What tells one kind of nursery from another. */
export interface Nursery<T> {
  /** For people, and for error messages. */
  readonly name: string;
  readonly shield?: boolean;
  /** Runs first, and may arm deadlines. */
  enter?(context: ScopeContext): void;
  /** Runs in the context. */
  body(context: ScopeContext): Operation<T>;
  /** The result when the context alone was cancelled; without it, that throws `FiberAborted`. */
  cancelled?(context: ScopeContext): T;
}

/** The operation that runs `nursery` in the current fiber. */
export function openNursery<T>(nursery: Nursery<T>): Awaitable<T> {
  const isProtected = nursery.shield === true;
  return new GeneratorOperation(`a ${nursery.name}`, runNursery<T>, nursery, isProtected);
}

/**
 * How many contexts one fiber may have open inside each other. Resuming a generator that is deeper
 * comes near the end of the stack, and an overflow in the middle of the core's work would leave it
 * half done. Protected contexts are never refused, because they clean up. Fibers may be nested as
 * deep as memory allows.
 */
const DEEPEST = 500;

/** The body of a nursery that is there only for its hooks. */
export function* nothing(): Generator<never, void, unknown> {}

/** What a nursery does from its opening to its end; the module comment has the steps. */
function* runNursery<T>(nursery: Nursery<T>): Generator<never, T, unknown> {
  const fiber = currentFiber(`open a ${nursery.name}`);
  const parent = fiber.context;
  if (nursery.shield !== true) {
    if (parent.error !== undefined) throw fiber.deliver();
    if (parent instanceof ScopeContext && parent.depth >= DEEPEST) {
      throw new RangeError(
        `Cannot open a ${nursery.name}: ${DEEPEST} are open in this fiber; is it endless recursion?`,
      );
    }
  }
  const flags = nursery.shield === true ? SHIELD : 0;
  const context = new ScopeContext(parent, fiber, flags, nursery.name);
  fiber.context = context;
  let ending: Result<T>;
  let finished = false;
  try {
    try {
      nursery.enter?.(context);
      ending = { ok: true, value: yield* runBody(nursery.body(context)) };
    } catch (error) {
      ending = { ok: false, error };
    }
    if ((context.flags & ABANDONED) !== 0) {
      throw new Error(`Cannot leave the ${nursery.name}: a scope around it was left before`);
    }
    leaveInner(fiber, context);
    noteEnding(context, ending);
    while (context.kids !== null) yield* new KidsGone(context) as Awaitable<void>;
    if (context.extras !== null) {
      clearDeadline(context); // not before: it holds for the kids as well
      if (ending.ok) forgiveLateDeadline(context);
      if (context.extras.releases !== undefined) {
        const abort = yield* runReleases(context);
        if (abort !== undefined && ending.ok) ending = { ok: false, error: abort };
      }
    }
    finished = true;
  } finally {
    // Left by `return()`: somebody drives the generator by hand, and dropped it half-way.
    if (!finished && (context.flags & ABANDONED) === 0) {
      leaveInner(fiber, context);
      abandon(context);
    }
  }
  context.flags |= CLOSED;
  unlink(context);
  fiber.context = parent;
  return settle(nursery, fiber, context, ending);
}

/** The operation that a body returned. One that returned something else is the user's mistake. */
export function runBody<T>(operation: Operation<T>): Awaitable<T> {
  if (isOperation(operation)) return operation as Awaitable<T>;
  throw notAnOperation("the body", operation);
}

/** Abandons the contexts inside of `context` that are still open: their generators were dropped. */
function leaveInner(fiber: FiberCore<unknown>, context: Context): void {
  while (fiber.context !== context) abandon(fiber.context);
}

/** The body has failed, or thrown an `Abort`: the fibers that it has spawned are aborted. */
function noteEnding(context: ScopeContext, ending: Result<unknown>): void {
  if (ending.ok) return;
  if (ending.error instanceof Abort) {
    if (context.error === undefined && context.kids !== null) {
      cancelTree(context, new Abort(ending.error.cause));
    }
  } else failBody(context, ending.error);
}

/**
 * Runs the hooks, last in, first out; they may spawn, suspend and register more. Each has a protected
 * nursery of its own, so neither an abort nor the failure of another one reaches it. An `Abort` that
 * a hook throws by itself is no failure: the first one is returned.
 */
function* runReleases(context: ScopeContext): Generator<never, Abort | undefined, unknown> {
  const releases = context.extras!.releases!;
  let abort: Abort | undefined;
  for (let hook = releases.pop(); hook !== undefined; hook = releases.pop()) {
    const run = hook;
    try {
      yield* openNursery({
        name: "release hook",
        shield: true,
        body: () => runHook("the release hook", run),
      });
    } catch (error) {
      if (error instanceof Abort) abort ??= error;
      else recordFailure(context, error);
    }
    while (context.kids !== null) yield* new KidsGone(context) as Awaitable<void>;
  }
  return abort;
}

/** Runs a hook of the user's, which may suspend; `name` is what an error calls it. */
export function* runHook(name: string, hook: ReleaseHook): Generator<never, void, unknown> {
  const operation: unknown = hook();
  if (isIterable(operation)) yield* operation as unknown as Awaitable<void>;
  else refusePromise(name, operation);
}

/** Returns or throws what the nursery ends with, as the module comment says. */
function settle<T>(
  nursery: Nursery<T>,
  fiber: FiberCore<unknown>,
  context: ScopeContext,
  ending: Result<T>,
): T {
  if (context.failures !== null) throw placed(context.failures.combined(), runNursery);
  const threw = !ending.ok; // an Abort: anything else would be among the failures
  if (!threw && !wasReached(context)) return ending.value;
  if (fiber.context.error !== undefined) throw fiber.deliver();
  // The abort of `selfAbort` goes through shields.
  if (threw ? ending.error === fiber.error : context.error === undefined) throw fiber.error!;
  if (threw && ending.error !== context.error) throw ending.error; // an Abort that the user made
  if (nursery.cancelled !== undefined) return nursery.cancelled(context);
  throw new FiberAborted(context.error!, nursery.name);
}
