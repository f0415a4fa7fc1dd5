/**
 * Buffered streams: an `Input` reads ahead and takes lines and the like out of what has come, an
 * `Output` gathers what is written. Both may be made of anything: a source or a sink of `bytes`,
 * hooks of the user's, memory, or other streams.
 */
export { CLEANUP_GRACE_MS, failureWithout, limitCleanup } from "./cleanup_grace.ts";
export type { CopyOptions } from "./copy.ts";
export { SinkDrain } from "./drain.ts";
export { Input } from "./input.ts";
export type {
  FromReadableOptions,
  FromReaderOptions,
  InputHooks,
  InputStatistics,
  LimitOptions,
} from "./input.ts";
export { Output } from "./output.ts";
export type {
  BytesOutput,
  FromWritableOptions,
  FromWriterOptions,
  OutputHooks,
  OutputStatistics,
} from "./output.ts";
