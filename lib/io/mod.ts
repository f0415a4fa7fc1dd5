/**
 * Streams of bytes, after fuseau-lwt's `IO_lwt` and `Iostream`: over files, connections, Web
 * Streams, memory and sources of your own.
 *
 * A read that is cancelled, or loses a `select`, loses no byte; a write is never torn, nor mixed
 * with another.
 *
 * And what they are good for: servers and clients of TCP, TLS and Unix sockets, HTTP, child
 * processes, signals of the system, and changes of files, each as fibers of the scope that asked
 * for it. Only what needs a permission asks for one, and says which.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main, spawn, withTimeout } from "@weft/weft";
 * import { Input, Output } from "@weft/weft/io";
 *
 * const { readable, writable } = new TransformStream<Uint8Array>();
 * const lines = await main(function* () {
 *   const output = Output.fromWritable(writable);
 *   const input = Input.fromReadable(readable);
 *   yield* output.outputLines(["one", "two"]);
 *   spawn(() => output.close());
 *   const lines: string[] = [];
 *   for (;;) {
 *     const line = yield* withTimeout(1000, () => input.readLine({ maxBytes: 80 }));
 *     if (line === undefined) break;
 *     lines.push(line.value);
 *   }
 *   yield* input.close();
 *   return lines;
 * });
 * assertEquals(lines, ["one", "two"]);
 * ```
 *
 * @module
 */
export {
  EndOfFileError,
  LimitExceededError,
  read,
  readEvent,
  StreamClosedError,
  write,
  writeEvent,
  writeOnce,
} from "./bytes/mod.ts";
export type { Reader, WritableBytes, Writer } from "./bytes/mod.ts";
export { Input, Output } from "./streams/mod.ts";
export type {
  BytesOutput,
  CopyOptions,
  FromReadableOptions,
  FromReaderOptions,
  FromWritableOptions,
  FromWriterOptions,
  InputHooks,
  InputStatistics,
  LimitOptions,
  OutputHooks,
  OutputStatistics,
} from "./streams/mod.ts";
export { HttpServer, TcpClient, TcpServer } from "./net/mod.ts";
export type {
  ConnectionBody,
  HttpHandler,
  HttpServerOptions,
  HttpServerStatistics,
  ListenAddr,
  ManagedServeOption,
  ShutdownOptions,
  TcpAddress,
  TcpClientFunctions,
  TcpConnectOptions,
  TcpHandler,
  TcpServerOptions,
  TcpServerStatistics,
  TlsClientOptions,
  UnixAddress,
} from "./net/mod.ts";
export {
  commandOutput,
  signalEvent,
  watchEvent,
  withCommand,
  withSignals,
  withWatch,
} from "./os/mod.ts";
export type { Child, CommandOptions, CommandOutputOptions, WatchOptions } from "./os/mod.ts";
