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
export { EndOfFileError, LimitExceededError, StreamClosedError } from "./base/errors.ts";
export type { CopyOptions } from "./streams/copy.ts";
export { Input } from "./streams/input.ts";
export type {
  FromReadableOptions,
  FromReaderOptions,
  InputHooks,
  InputStatistics,
  LimitOptions,
} from "./streams/input.ts";
export { Output } from "./streams/output.ts";
export type {
  BytesOutput,
  FromWritableOptions,
  FromWriterOptions,
  OutputHooks,
  OutputStatistics,
} from "./streams/output.ts";
export { read, readEvent, write, writeEvent, writeOnce } from "./streams/read_write.ts";
export type { Reader } from "./streams/reader.ts";
export type { Writer } from "./streams/sink.ts";
export { commandOutput, withCommand } from "./os/command.ts";
export type { Child, CommandOptions, CommandOutputOptions } from "./os/command.ts";
export type { ConnectionBody } from "./net/connection.ts";
export { watchEvent, withWatch } from "./os/file_watch.ts";
export type { WatchOptions } from "./os/file_watch.ts";
export { HttpServer } from "./net/http_server.ts";
export type {
  HttpHandler,
  HttpServerOptions,
  HttpServerStatistics,
  ManagedServeOption,
} from "./net/http_server.ts";
export type { WritableBytes } from "./streams/sinks.ts";
export { signalEvent, withSignals } from "./os/os_signals.ts";
export type { ShutdownOptions } from "./net/server.ts";
export { TcpClient } from "./net/tcp_client.ts";
export type { TcpClientFunctions, TcpConnectOptions, TlsClientOptions } from "./net/tcp_client.ts";
export { TcpServer } from "./net/tcp_server.ts";
export type {
  ListenAddr,
  TcpAddress,
  TcpHandler,
  TcpServerOptions,
  TcpServerStatistics,
  UnixAddress,
} from "./net/tcp_server.ts";
