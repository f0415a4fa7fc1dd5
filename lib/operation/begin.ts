/**
 * The states of a wait, and how it leaves the first of them; `wait.ts` has the protocol. Apart from
 * that, so that the files to which it hands a wait under somebody else's scheduler, or for a
 * promise, need not import it in turn.
 */
import { execution } from "../trigger/execution.ts";
import type { FiberSlot, Wait, Waiter } from "./wait.ts";

export const COLD = 0;
export const WAITING = 1;
export const COMMITTED = 2;
export const FAILED = 3;
export const SPENT = 4;
export const YIELDED = 5;

/**
 * The states that hot paths meet, in order, for hot files to name anew: the engine compiles a module's own constant in,
 * but loads an imported one, and checks it, at each use. They do so with `execution`, too.
 */
export const STATES = [COLD, WAITING, COMMITTED, FAILED, SPENT] as const;

/** Attempts the operation: true if it is done, else `waiter` waits for it from now on. */
export function begin(operation: Wait<unknown>, waiter: Waiter): boolean {
  operation.state = SPENT; // unless it turns out that it must wait
  if (operation.attempt()) return true;
  operation.state = WAITING;
  operation.waiter = waiter;
  try {
    operation.enlist();
  } catch (error) {
    operation.state = SPENT;
    throw error;
  }
  return false;
}

/**
 * In the place of `Wait.enter`, which asks first whether the fiber is aborting. Once it waits,
 * such an operation can't be cancelled, either: its `interrupt` says no.
 */
export function enterProtected<T>(operation: Wait<T>): IteratorResult<never, T> {
  const fiber = execution.current as FiberSlot;
  return begin(operation, fiber) ? operation.finished() : operation.suspended(fiber);
}
