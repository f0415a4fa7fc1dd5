/** Operations that clean up begin in a fiber that is aborting, too (law 12). */
import { execution } from "../trigger/execution.ts";
import { begin, type FiberSlot, type Wait } from "./wait.ts";

/**
 * In the place of `Wait.enter`, which would refuse in a fiber that is aborting. Once it waits, such
 * an operation can't be cancelled either: its `interrupt` returns false.
 */
export function enterProtected<T>(operation: Wait<T>): IteratorResult<never, T> {
  const fiber = execution.current as FiberSlot;
  return begin(operation, fiber) ? operation.finished() : operation.suspended(fiber);
}
