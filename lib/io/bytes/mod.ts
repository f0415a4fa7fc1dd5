/**
 * Where bytes come from and where they go: a `Source` stands for each thing that is read from, a
 * `Sink` for each that is written to. Both are found by the identity of that thing. So everybody who
 * uses it waits in one line, and no byte is lost or mixed with another's.
 *
 * Here, too, is what both need: a queue of bytes, and the fibers that run hooks of the user's.
 * `streams` puts buffers on top of it; `net` and `os` open and close what is read and written.
 */
export { buffers, ByteQueue } from "./byte_queue.ts";
export { checkBuffer, checkHooks, refuseOptions } from "./check.ts";
export { EndOfFileError, LimitExceededError, StreamClosedError } from "./errors.ts";
export { fiberNow, fiberOf, startHookFiber } from "./hook_fiber.ts";
export type { HookEnd, HookFiberOptions, HookResult } from "./hook_fiber.ts";
export {
  allBytes,
  allText,
  chunk,
  decode,
  exactlyInto,
  exactlyText,
  line,
  pour,
  pourBack,
  someIntoAhead,
  until,
} from "./parsers.ts";
export type { Parser } from "./parsers.ts";
export { Read, read, readEvent } from "./read.ts";
export { checkReader, isReset, readableSourceOf, sourceOf } from "./reader.ts";
export type { Reader } from "./reader.ts";
export type { Sink, Turn, TurnNode, TurnRule, Writer } from "./sink.ts";
export { checkWriter, sinkOf, writableSinkOf } from "./sinks.ts";
export type { WritableBytes } from "./sinks.ts";
export { Gate, Source } from "./source.ts";
export { BytesSource, HookSource } from "./sources.ts";
export { borrows, failed, prompt } from "./stream_marks.ts";
export { write, writeEvent, writeOnce } from "./write.ts";
