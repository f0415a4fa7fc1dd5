/**
 * Servers and clients: TCP, TLS, Unix sockets, HTTP. Each server is a fiber of the scope that
 * established it, and holds a fiber for each connection or request, so that none outlives the scope.
 */
export type { ConnectionBody } from "./connection.ts";
export type { HttpHandler } from "./http_exchange.ts";
export { HttpServer } from "./http_server.ts";
export type { HttpServerOptions, HttpServerStatistics, ManagedServeOption } from "./http_server.ts";
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
