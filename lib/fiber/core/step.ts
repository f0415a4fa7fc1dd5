/**
 * The step function: runs a fiber to its next suspension. All that a scheduler needs.
 *
 * A generator may yield one thing only: the operation that announced itself in `fiber.pending`
 * during this very step. Anything else is a mistake of the user's (a forgotten star, a promise, a
 * list) and is thrown back as a `TypeError`, at the very `yield`.
 */
import { isObject, isOperation, notAnOperation, show } from "../../internal/check.ts";
import { Abort } from "../../operation/errors.ts";
import { withoutPlace } from "../../operation/place.ts";
import { Wait } from "../../operation/wait.ts";
import { type Blocker, execution as cell, Refusal } from "../../trigger/execution.ts";
import { cancelTree, failBody } from "./context.ts";
import { abandon, terminate } from "./termination.ts";
import type { FiberCore, FiberIterator } from "./fiber.ts";
import { leaveStep } from "./share.ts";
import {
  CLOSING,
  DELIVERED,
  GENERATOR as generator,
  QUEUED as queued,
  RUNNING as running,
  WATCH_SHIFT as watchShift,
} from "./flags.ts";

const QUEUED = queued;
const RUNNING = running;
const WATCH_SHIFT = watchShift;
const GENERATOR = generator;
const execution = cell;

const generatorPrototype = Object.getPrototypeOf(function* () {}).prototype as Generator;
/**
 * What all generators inherit. Each generator function has a prototype of its own, so in a real
 * program to look `next` up in the generator takes a twentieth of a switch.
 */
const generatorNext = generatorPrototype.next;
const generatorIterator = generatorPrototype[Symbol.iterator];

/** Whether it is a generator as the language makes it, and nothing that somebody made of one. */
function isGenerator(operation: unknown): operation is FiberIterator {
  if (!isObject(operation)) return false;
  const { next, [Symbol.iterator]: iterator } = operation as Generator;
  return next === generatorNext && iterator === generatorIterator;
}

/**
 * Runs `fiber`, which its scheduler was told is ready, to its next suspension or to its end.
 *
 * To be called once for each call of `ready`, never from within `ready` while another step runs
 * that fiber. Never throws what the fiber throws.
 *
 * @throws {Error} if the fiber is not ready, or from a cancel function
 */
export function step(fiber: FiberCore<unknown>): void {
  const outer = execution.current;
  if (outer !== null) return stepInside(outer, fiber);
  if ((fiber.flags & (QUEUED | RUNNING)) !== QUEUED) {
    throw new Error(`Cannot step ${fiber.name}: it is not ready`);
  }
  runStep(fiber);
}

/**
 * The same, for whoever knows that `fiber` is ready and that no step runs. Small, and what is rare is
 * out of line, so that the engine compiles it into the loop of the scheduler.
 */
export function runStep(fiber: FiberCore<unknown>): void {
  const { flags, iterator, scheduler } = fiber;
  if (iterator === null && fiber.body === null) { // woken in its last step: it has ended
    fiber.flags &= ~QUEUED;
    return;
  }
  scheduler.taskCount++;
  fiber.flags = (flags & ~QUEUED) | RUNNING;
  fiber.pending = null;
  execution.current = fiber;
  const watched = flags >>> WATCH_SHIFT;
  if (watched !== 0) execution.left = watched - 1;
  let result: IteratorResult<unknown, unknown> | undefined;
  let error: unknown;
  let threw = false;
  try {
    if (fiber.thrown !== null) result = throwInto(fiber, fiber.thrown);
    else if (iterator === null) result = start(fiber).next();
    else if ((flags & GENERATOR) !== 0) result = generatorNext.call(iterator as never);
    else result = iterator.next();
  } catch (thrown) {
    error = thrown;
    threw = true;
  }
  execution.current = null;
  fiber.flags &= ~RUNNING;
  if (threw) bodyThrew(fiber, error);
  // An operation is its own iterator result: nothing needs to be loaded from it.
  else if ((result as unknown) !== fiber.pending) endOrRefuse(fiber, result!);
  if (scheduler.microTasks !== null) scheduler.runMicroTasks();
}

/** A step in the middle of another one: a fiber runs a scheduler of its own. */
function stepInside(outer: Blocker, fiber: FiberCore<unknown>): void {
  if (outer instanceof Refusal) outer.refuse("step a fiber");
  const goBack = leaveStep();
  try {
    step(fiber);
  } finally {
    goBack();
  }
}

/** The first step: calls the body, unless the fiber was aborted before. */
function start(fiber: FiberCore<unknown>): FiberIterator {
  if (fiber.error !== undefined) throw fiber.deliver(); // aborted before it started
  const body = fiber.body!;
  fiber.body = null;
  const operation: unknown = body();
  if (isGenerator(operation)) {
    fiber.flags |= GENERATOR;
    return fiber.iterator = operation;
  }
  if (!isOperation(operation)) {
    throw withoutPlace(
      notAnOperation(`the body of ${fiber.title}`, operation, sourceOf(fiber, body)),
    );
  }
  return fiber.iterator = operation[Symbol.iterator]() as FiberIterator;
}

/** What to look for in the program, where a name doesn't lead there: `map` has a body of its own. */
function sourceOf({ label, parent }: FiberCore<unknown>, body: () => unknown): unknown {
  if (typeof label === "function") return label;
  return label === undefined || parent === null ? body : undefined;
}

function throwInto(
  fiber: FiberCore<unknown>,
  thrown: Error,
): IteratorResult<unknown, unknown> {
  const iterator = fiber.iterator ?? start(fiber);
  fiber.thrown = null;
  if (iterator.throw === undefined) throw thrown;
  try {
    return iterator.throw(thrown);
  } catch (error) {
    throw thrown instanceof RefusedYield ? thrown.insteadOf(error) : error;
  }
}

/** The generator has returned, or yielded something that isn't the operation it announced. */
function endOrRefuse(fiber: FiberCore<unknown>, result: IteratorResult<unknown, unknown>): void {
  if (result.done) bodyReturned(fiber, result.value);
  else if (result.value !== fiber.pending) refuseYield(fiber, result.value);
}

function bodyReturned(fiber: FiberCore<unknown>, value: unknown): void {
  leaveBody(fiber);
  fiber.result = value;
  close(fiber);
}

function bodyThrew(fiber: FiberCore<unknown>, error: unknown): void {
  leaveBody(fiber);
  if (fiber.extras !== null) fiber.extras.deadlineErrors = undefined; // none was too late
  if (error instanceof Abort) {
    // The abort that was thrown into it, or an `Abort` that it made itself, which aborts it as well.
    fiber.flags |= DELIVERED;
    if (fiber.error === undefined) cancelTree(fiber, error);
  } else failBody(fiber, error);
  close(fiber);
}

/** What a body leaves behind when it ends is taken away. */
function leaveBody(fiber: FiberCore<unknown>): void {
  if (fiber.pending !== null) fiber.dropPending();
  while (fiber.context !== fiber) abandon(fiber.context);
  fiber.iterator = null;
  fiber.body = null; // aborted before it started, it never took it
}

/** The body has ended: the fiber terminates when its spawns have. */
function close(fiber: FiberCore<unknown>): void {
  if (fiber.kids === null) terminate(fiber);
  else fiber.flags |= CLOSING;
}

/** Thrown at a `yield` that gave something that is not an operation. */
class RefusedYield extends TypeError {
  /**
   * A `yield*` over a list delegates to an iterator that can't be thrown into; all that JavaScript
   * says then is that it "does not provide a 'throw' method".
   */
  insteadOf(error: unknown): unknown {
    return error instanceof TypeError && /'throw' method/.test(error.message) ? this : error;
  }
}

function refuseYield(fiber: FiberCore<unknown>, value: unknown): void {
  if (fiber.pending !== null) fiber.dropPending();
  fiber.thrown = new RefusedYield(
    value instanceof Wait || isOperation(value)
      ? `Cannot yield ${show(value)}: the star is missing, write yield*`
      : `Cannot yield ${show(value)}: a fiber waits with yield* on an operation` +
        (isObject(value) && "then" in value
          ? ", and for a promise with yield* fromPromise(promise)"
          : ""),
  );
  fiber.unblock();
}
