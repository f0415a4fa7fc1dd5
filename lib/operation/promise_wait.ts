/** `await` on an operation: the waiter is a promise. */
import { begin, WAITING } from "./begin.ts";
import type { Wait } from "./wait.ts";

/** Starts `operation`, and settles the promise with its outcome. Nothing can cancel it. */
export function startForPromise<T>(
  operation: Wait<T>,
  resolve: (value: T) => void,
  reject: (error: unknown) => void,
): void {
  const settle = () => {
    try {
      resolve(operation.conclude());
    } catch (error) {
      reject(error);
    }
  };
  let scheduled = false;
  /** In a microtask: concluding may run the user's code, which must not happen within a commit. */
  const unblock = () => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      if (operation.state !== WAITING || operation.recheck()) settle();
    });
  };
  if (begin(operation, { unblock })) settle();
}
