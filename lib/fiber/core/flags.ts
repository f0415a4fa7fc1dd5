/**
 * The flags of contexts and fibers. Bits, because a boolean field costs eight bytes and there are
 * many.
 *
 * Hot files make those that they ask at each step constants of their own (`wait.ts` says why).
 */

/** The context is a fiber. */
export const FIBER = 1 << 0;
/** An abort from outside stops here. */
export const SHIELD = 1 << 1;
/** The abort was thrown into the body. */
export const DELIVERED = 1 << 2;
/** The abort ended a fiber that was spawned in it. */
export const REACHED = 1 << 3;
/** The body has ended; what is left is waiting for the kids. */
export const CLOSING = 1 << 4;
/** Nothing can be spawned in it any more. */
export const CLOSED = 1 << 5;
/** Its generator was dropped in the middle: it ends by itself when the last kid is gone. */
export const ABANDONED = 1 << 6;

// Of fibers alone.
/** In a ready queue. */
export const QUEUED = 1 << 8;
/** In the middle of a step. */
export const RUNNING = 1 << 9;
export const TERMINATED = 1 << 11;
/** A failure fails the parent context. */
export const PROPAGATE = 1 << 12;
/** Somebody has looked at the result. */
export const OBSERVED = 1 << 13;
/** How it ended; neither of the two: with a value. */
export const ENDED_FAILED = 1 << 14;
export const ENDED_ABORTED = 1 << 15;

// The share of a fiber (`share.ts`).
/** It is a count of operations alone. */
export const COUNTED = 1 << 7;
/** One of the marks of a suspect, and the bits that hold their number. */
export const MARK = 1 << 16;
export const SUSPECT = 7 * MARK;
/** All bits from here on: what each step begins with, plus one; 0: it isn't watched. */
export const WATCH_SHIFT = 19;
