/** The errors of pools. They stand in this room as `packed_error.ts` must know them. */
/** The pool was closed. */
export class PoolClosedError extends Error {
  /** "PoolClosedError". */
  override name = "PoolClosedError";

  /** `pool` is its name. */
  constructor(pool: string) {
    super(`Cannot run in thread pool "${pool}": it is closed`);
  }
}

/**
 * A thread ended, or could not start, and took a call with it: `cause` is the error that it died
 * of, if there was one.
 */
export class ThreadCrashedError extends Error {
  /** "ThreadCrashedError". */
  override name = "ThreadCrashedError";

  /** `message` says what happened to which thread. */
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
  }
}
