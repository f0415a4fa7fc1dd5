/**
 * Marks that readers and writers of our own may have, besides what Deno's shapes ask for: they say
 * what a source or a sink may do with them that it can't do with those of others.
 */

/** On a writer: it keeps nothing of what it is given once its promise has settled. */
export const borrows: unique symbol = Symbol("borrows");

/** A method that is told what reading or writing has failed with. */
export const failed: unique symbol = Symbol("failed");

/**
 * It runs no code of the user's and never throws: so it may be called at once, also in the middle of
 * a `select` that is enlisting.
 */
export const prompt: unique symbol = Symbol("prompt");

/** A reader or writer that may have such marks. */
export interface StreamMarks {
  readonly [prompt]?: true;
  readonly [borrows]?: true;
  [failed]?(error: unknown): void;
}
