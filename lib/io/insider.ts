/** What readers and writers of our own may add to Deno's shapes. */

/** A writer with this keeps nothing of what it is given once its promise has settled. */
export const borrows: unique symbol = Symbol("borrows");

/** A method that is told what reading or writing failed with. */
export const failed: unique symbol = Symbol("failed");

/** A reader or writer of our own. */
export interface Insider {
  readonly [borrows]?: true;
  [failed]?(error: unknown): void;
}
