/**
 * Who is executing right now, and whom the code that executes may ask to block.
 *
 * `execution.current` is the fiber whose step runs, or `null` outside of any fiber of ours. The
 * scheduler core alone sets it, around each step, and puts back what was there before (steps nest
 * when a fiber calls `run`). `using` hides it for the synchronous part of its extent: the code in
 * there belongs to the scheduler that is being registered, not to the fiber that called `using`.
 *
 * While code runs that may not suspend (a cancel function, say), a `Refusal` stands in the place of
 * the fiber, so that the hot path needs no check of its own: whatever it asks of the "fiber" throws.
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
 * `left` is how many operations may still start before a fiber is asked whether its share
 * is used up (law 10, `fiber/core/share.ts`). It stands here because an operation that starts looks at this
 * cell anyway.
 */
export const execution: { current: Blocker | null; left: number } = { current: null, left: 0 };

/** Stands in for the current fiber while code runs that may not suspend. */
export class Refusal implements Blocker {
  declare readonly reason: string;

  constructor(reason: string) {
    this.reason = reason;
  }

  /** A fiber's context is the first thing a suspension looks at: here it says no. */
  get context(): never {
    return this.refuse("suspend");
  }

  /** And what an operation looks at that was started before, by hand. */
  get pending(): never {
    return this.refuse("suspend");
  }

  prepareForAwait(): never {
    return this.refuse("suspend");
  }

  refuse(action: string): never {
    throw new Error(`Cannot ${action}: ${this.reason}`);
  }

  /** It has no share to use up: what looks next, at `context`, is told no. */
  usedUp(): boolean {
    return false;
  }
}

/** Runs `f` as code of nobody in particular: with `current` in the place of the fiber. */
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
 * Calls a function of the user's in the middle of a cancellation. It may not switch fibers, or the
 * fibers that are not cancelled yet would run; what it throws is reported, and the rest goes on.
 */
export function asCancelFunction(f: () => unknown): void {
  executeAs(cancelling, () => trap(() => refuseGenerator("the cancel function", f())));
}
