/**
 * Streams of bytes, after fuseau-lwt's `IO_lwt` and `Iostream`: over files, connections, Web
 * Streams, memory and sources of your own.
 *
 * A read that is cancelled, or loses a `select`, loses no byte; a write is never torn, nor mixed
 * with another.
 *
 * And what they are good for: servers and clients of TCP, TLS and Unix sockets, HTTP, child
 * processes, and signals of the system, each as fibers of the scope that asked for it. Only what
 * needs a permission asks for one, and says which.
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
export { EndOfFileError, LimitExceededError, StreamClosedError } from "./errors.ts";
export type { CopyOptions } from "./copy.ts";
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
export { read, readEvent, write, writeEvent, writeOnce } from "./read_write.ts";
export type { Reader } from "./reader.ts";
export type { Writer } from "./writer.ts";
export { commandOutput, withCommand } from "./command.ts";
export type { Child, CommandOptions, CommandOutputOptions } from "./command.ts";
export type { ConnectionBody } from "./connection.ts";
export { HttpServer } from "./http_server.ts";
export type {
  HttpHandler,
  HttpServerOptions,
  HttpServerStatistics,
  ManagedServeOption,
} from "./http_server.ts";
export type { WritableBytes } from "./sinks.ts";
export { signalEvent, withSignals } from "./os_signals.ts";
export type { ShutdownOptions } from "./server.ts";
export { TcpClient } from "./tcp_client.ts";
export type { TcpClientFunctions, TcpConnectOptions, TlsClientOptions } from "./tcp_client.ts";
export { TcpServer } from "./tcp_server.ts";
export type {
  ListenAddr,
  TcpAddress,
  TcpHandler,
  TcpServerOptions,
  TcpServerStatistics,
  UnixAddress,
} from "./tcp_server.ts";
