/** How locks refuse, those of one realm and those between threads in the same words. */
import type { FiberCore } from "../fiber/core/mod.ts";
import { checkFiniteCount } from "../internal/check.ts";

type Owner = FiberCore<unknown>;

/** What a message calls a fiber. */
export function called(fiber: Owner): string {
  return `fiber "${fiber.name}"`;
}

/** Its owner wants the lock that is called `title` once more. */
export function heldAlready(title: string, owner: Owner): Error {
  return new Error(
    `Cannot lock ${title}: ${
      called(owner)
    }, which wants it, holds it already, and would wait for ` +
      `itself`,
  );
}

/** A fiber that isn't its owner would release it. `alternative` is what knows no owner. */
export function heldByAnother(
  action: string,
  title: string,
  owner: Owner,
  stranger: Owner,
  alternative: string,
): Error {
  return new Error(
    `Cannot ${action} ${title}: ${called(owner)} holds it, and ${
      called(stranger)
    } may not release ` +
      `it in its place; what passes from fiber to fiber is a ${alternative}`,
  );
}

/** A guard that holds nothing, for the reason that `why` says. */
export function holdsNothing(
  action: string,
  title: string,
  why = "was released already",
): Error {
  return new Error(`Cannot ${action} ${title}: this guard ${why}, and holds nothing`);
}

/** @throws {TypeError | RangeError} unless `n` is a number of permits that there can ever be */
export function checkPermits(title: string, n: number, total: number): void {
  const action = `acquire permits of ${title}`;
  checkFiniteCount(action, "n", n, 1);
  if (n <= total) return;
  throw new RangeError(
    `Cannot ${action}: n must be at most ${total}, which are all that there are, got ${n}`,
  );
}
