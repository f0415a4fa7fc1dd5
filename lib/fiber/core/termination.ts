/**
 * How fibers and contexts end.
 *
 * A fiber terminates when its body has ended and its last kid is gone: then its `finally` runs, its
 * result becomes visible, it leaves the tree, joiners are told, and only then its failure goes up
 * (law 2). Its parent may have been waiting for just that, and the parent's parent: so it is a loop,
 * as such chains may be long.
 */
import { refuseGenerator } from "../../internal/check.ts";
import { reportUncaught } from "../../internal/report.ts";
import { FinallyRaised } from "../../operation/errors.ts";
import { executeAs } from "../../trigger/execution.ts";
import {
  clearDeadline,
  type Context,
  type Extras,
  failContext,
  forgiveLateDeadline,
  noteReached,
  unlink,
  wasReached,
} from "./context.ts";
import type { FiberCore } from "./fiber.ts";
import { nameOfEnded } from "./label.ts";
import {
  ABANDONED,
  CLOSED,
  CLOSING,
  ENDED_ABORTED,
  ENDED_FAILED,
  FIBER,
  PROPAGATE,
  TERMINATED,
} from "./flags.ts";

/** Ends `start`, and every parent that was only waiting for that. */
export function terminate(start: FiberCore<unknown>): void {
  let fiber: FiberCore<unknown> | null = start;
  while (fiber !== null) fiber = terminateOne(fiber);
}

/** Ends one fiber. Returns its parent, if that was waiting for this fiber alone. */
function terminateOne(fiber: FiberCore<unknown>): FiberCore<unknown> | null {
  fiber.flags |= CLOSED;
  if (fiber.failures !== null) forgiveLateDeadline(fiber);
  if (fiber.failures !== null) {
    fiber.flags |= ENDED_FAILED;
    fiber.result = fiber.failures.combined();
    fiber.failures = null;
  } else if (wasReached(fiber)) {
    fiber.flags |= ENDED_ABORTED;
    fiber.result = fiber.error;
  }
  if (typeof fiber.label === "function") fiber.label = nameOfEnded(fiber.label);
  const { extras, parent } = fiber;
  if (extras !== null) runExtras(fiber, extras);
  fiber.flags |= TERMINATED;
  unlink(fiber);
  fiber.parent = null;
  if (fiber.error !== undefined && parent !== null) noteReached(parent, fiber);

  // Joiners come first: their operations commit before the context is failed (law 2).
  while (fiber.joiners !== null) fiber.joiners.closed();
  if (extras?.onResult !== undefined) callAll(extras.onResult);
  const failed = (fiber.flags & ENDED_FAILED) !== 0;
  if (failed && (fiber.flags & PROPAGATE) !== 0 && parent !== null) {
    failContext(parent, fiber.result);
  } else if (failed) {
    fiber.scheduler.failedAlone(fiber);
  }
  if (parent === null) return null;
  return closeEmptied(parent);
}

/**
 * A function of its own because of the closure: a function that may make one costs 80 bytes at each
 * call, whether it makes it or not.
 */
function runExtras(fiber: FiberCore<unknown>, extras: Extras): void {
  clearDeadline(fiber);
  const { finally: last } = extras;
  if (last !== undefined) runFinally(() => executeAs(fiber, last));
  extras.finally = undefined; // whoever keeps the fiber for its result must not keep this
  extras.outside = undefined;
}

/** To be called when a kid of `context` is gone. Returns the fiber that can terminate now, if any. */
export function closeEmptied(context: Context): FiberCore<unknown> | null {
  let emptied: Context | null = context;
  while (emptied !== null && emptied.kids === null) {
    if ((emptied.flags & FIBER) !== 0) {
      return (emptied.flags & CLOSING) !== 0 ? emptied as FiberCore<unknown> : null;
    }
    if ((emptied.flags & ABANDONED) === 0) {
      emptied.emptied();
      return null;
    }
    const parent: Context | null = emptied.parent;
    abandonedEnded(emptied);
    emptied = parent;
  }
  return null;
}

/** The last kid of an abandoned context is gone: its failures, if any, go up. */
function abandonedEnded(context: Context): void {
  const { parent, failures } = context;
  context.flags |= CLOSED;
  context.released();
  unlink(context);
  if (parent !== null) noteReached(parent, context);
  if (failures !== null && parent !== null) failContext(parent, failures.combined());
}

/**
 * Takes `context` off the stack of its fiber though its generator never came to its end: it is
 * cancelled, and the context around it waits for its kids.
 */
export function abandon(context: Context): void {
  const owner = context.owner!;
  owner.context = context.parent!;
  context.flags |= ABANDONED;
  clearDeadline(context);
  context.cancel("the generator that had opened the scope was dropped");
  if (context.kids === null) abandonedEnded(context);
}

function callAll(callbacks: Set<() => void>): void {
  for (const call of callbacks) {
    callbacks.delete(call);
    call();
  }
}

/** Calls a `finally` callback, which should not throw. */
export function runFinally(f: () => void): void {
  try {
    refuseGenerator("finally", f());
  } catch (error) {
    reportUncaught(new FinallyRaised(error));
  }
}
