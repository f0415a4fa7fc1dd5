/** Waking a fiber from outside, for `run` and `lowlevel`. */
import type { Fiber } from "./fiber.ts";
import { checkFiber } from "./check.ts";

/**
 * Lets a fiber that is blocked in `block` go on: its scheduler is told that it is ready. Returns
 * false, and does nothing, if the fiber isn't blocked there (any more). Never suspends.
 *
 * @throws {TypeError} if `fiber` is not a fiber
 */
export function unblock(fiber: Fiber<unknown>): boolean {
  return checkFiber("unblock", "fiber", fiber).pending?.unblocked() ?? false;
}
