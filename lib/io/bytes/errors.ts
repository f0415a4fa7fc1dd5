/** The errors that reading and writing may end with, for those who catch them. */

/** The input ended before there were as many bytes as were asked for. */
export class EndOfFileError extends Error {
  /** "EndOfFileError". */
  override name = "EndOfFileError";
  /** How many bytes were asked for. */
  readonly wanted: number;
  /** How many there were; they are still in the input. */
  readonly available: number;

  /** `wanted` bytes were asked for, `available` were left. */
  constructor(wanted: number, available: number) {
    super(`Cannot read ${wanted} bytes: the input ended after ${available}`);
    this.wanted = wanted;
    this.available = available;
  }
}

/** More bytes came than the caller allows for. What was read so far is still in the input. */
export class LimitExceededError extends Error {
  /** "LimitExceededError". */
  override name = "LimitExceededError";
  /** The limit, in bytes. */
  readonly limit: number;

  /** `what` is longer than the option `maxBytes` allows. */
  constructor(action: string, what: string, limit: number) {
    super(`Cannot ${action}: ${what} is longer than maxBytes = ${limit}`);
    this.limit = limit;
  }
}

/** The input, the output, or the stream that a write goes to is closed. */
export class StreamClosedError extends Error {
  /** "StreamClosedError". */
  override name = "StreamClosedError";

  /** `action` completes "Cannot …", and `why` says what became of it. */
  constructor(
    action: "read from the input" | "write to the output" | "write to the stream",
    why: "is closed" | "was discarded" = "is closed",
  ) {
    super(`Cannot ${action}: it ${why}`);
  }
}
