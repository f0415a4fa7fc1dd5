/**
 * The states of a wait, and how it leaves the first of them; `wait.ts` has the protocol. It is a file
 * of its own because `foreign_wait.ts` and `promise_wait.ts` need it, and `wait.ts` needs those.
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
 * The states that hot paths meet, in order. Hot files make constants of their own of them, and of
 * `execution`: the engine compiles a module's own constant into the code, but loads and checks an
 * imported one at each use.
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
 * For operations that clean up, which begin in a fiber that is aborting, too (law 12): in the place
 * of `Wait.enter`, which would refuse. Once it waits, such an operation can't be cancelled either:
 * its `interrupt` returns false.
 */
export function enterProtected<T>(operation: Wait<T>): IteratorResult<never, T> {
  const fiber = execution.current as FiberSlot;
  return begin(operation, fiber) ? operation.finished() : operation.suspended(fiber);
}
