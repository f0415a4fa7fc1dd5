/**
 * Who is executing right now, and whom the code that executes may ask to block.
 *
 * `execution.current` is the fiber whose step runs, or `null` outside of any fiber of ours. The
 * scheduler core alone sets it, around each step, and puts back what was there before (steps nest
 * when a fiber calls `run`). `using` hides it for the synchronous part of its extent: the code in
 * there belongs to the scheduler that is being registered, not to the fiber that called `using`.
 *
 * While code runs that may not suspend (a cancel function, say), a `Refusal` stands in for the
 * fiber. Whatever an operation asks of it throws, so the hot path needs no check of its own.
 */
import { refuseGenerator } from "../internal/check.ts";
import { trap } from "../internal/report.ts";
import type { Trigger } from "./types.ts";

/** What blocks whoever executes: one of our fibers, or the mechanism that `using` registered. */
export interface Blocker {
  prepareForAwait(): Trigger;
}

/**
 * The one cell; see the module comment for who may write `current`.
 *
 * `left` is how many operations may still start before a fiber is asked whether its share is used
 * up (law 10, `fiber/core/share.ts`). It is here because an operation that starts reads this cell
 * anyway.
 */
export const execution: { current: Blocker | null; left: number } = { current: null, left: 0 };

/** Stands in for the current fiber while code runs that may not suspend. */
export class Refusal implements Blocker {
  declare readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }

  /** The first thing that an operation reads of its fiber when it starts. */
  get context(): never {
    return this.refuse("suspend");
  }

  /** What an operation reads that somebody started before, by driving its iterator by hand. */
  get pending(): never {
    return this.refuse("suspend");
  }

  prepareForAwait(): never {
    return this.refuse("suspend");
  }

  refuse(action: string): never {
    throw new Error(`Cannot ${action}: ${this.reason}`);
  }

  /** It has no share to use up. The operation reads `context` next, which throws. */
  usedUp(): boolean {
    return false;
  }
}

/** Calls `f` with `current` in the place of the current fiber. */
export function executeAs<T>(current: Blocker | null, f: () => T): T {
  const previous = execution.current;
  execution.current = current;
  try {
    return f();
  } finally {
    execution.current = previous;
  }
}

const cancelling = new Refusal(
  "a cancel function may not switch fibers; let it complete or withdraw the operation and return",
);

/**
 * Calls a function of the user's in the middle of a cancellation. It may not switch fibers, because
 * fibers that are still to be cancelled would run. What it throws is reported.
 */
export function asCancelFunction(f: () => unknown): void {
  executeAs(cancelling, () => trap(() => refuseGenerator("the cancel function", f())));
}
