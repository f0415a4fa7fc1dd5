/** What readers and writers of our own may add to Deno's shapes. */

/** A writer with this keeps nothing of what it is given once its promise has settled. */
export const borrows: unique symbol = Symbol("borrows");

/** A method that is told what reading or writing failed with. */
export const failed: unique symbol = Symbol("failed");

/**
 * A reader or writer with this runs no code of the user's and never throws: it may be called at once,
 * in the middle of a `select` that is enlisting, too.
 */
export const prompt: unique symbol = Symbol("prompt");

/** A reader or writer of our own. */
export interface StreamMarks {
  readonly [prompt]?: true;
  readonly [borrows]?: true;
  [failed]?(error: unknown): void;
}
