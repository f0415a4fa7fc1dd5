/**
 * The flags of contexts and fibers. They are bits of one field, because a boolean field costs eight
 * bytes, and there are many of them and many fibers.
 *
 * Hot files copy those that they test at each step into constants of their own (`wait.ts` says why).
 */

/** The context is a fiber. */
export const FIBER = 1 << 0;
/** An abort from outside stops here. */
export const SHIELD = 1 << 1;
/** The abort was thrown into the body. */
export const DELIVERED = 1 << 2;
/** The abort ended a fiber that was spawned in it. */
export const REACHED = 1 << 3;
/** The body has ended; only the wait for the kids is left. */
export const CLOSING = 1 << 4;
/** Nothing can be spawned in it any more. */
export const CLOSED = 1 << 5;
/** Its generator was dropped half-way: it ends by itself when the last kid is gone. */
export const ABANDONED = 1 << 6;

// Of fibers alone.
/** In a ready queue. */
export const QUEUED = 1 << 8;
/** In the middle of a step. */
export const RUNNING = 1 << 9;
/** Its iterator is a generator of the language. */
export const GENERATOR = 1 << 10;
export const TERMINATED = 1 << 11;
/** A failure fails the parent context. */
export const PROPAGATE = 1 << 12;
/** Somebody has looked at the result. */
export const OBSERVED = 1 << 13;
/** How it ended: with a value, if neither is set. */
export const ENDED_FAILED = 1 << 14;
export const ENDED_ABORTED = 1 << 15;

// The share of a fiber (`share.ts`).
/** The share is a count of operations; the clock has no say. */
export const COUNTED = 1 << 7;
/** A fiber that may be slow has marks: this is one, and SUSPECT holds their number. */
export const MARK = 1 << 16;
export const SUSPECT = 7 * MARK;
/** From here on: the `left` with which each of its steps begins, plus one. 0: it isn't watched. */
export const WATCH_SHIFT = 19;
