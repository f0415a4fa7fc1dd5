/** Clients of TCP, TLS and Unix sockets: a connection for as long as a body runs. */
import { GeneratorOperation } from "../../fiber/core/mod.ts";
import { checkBody } from "../../internal/check.ts";
import type { Awaitable } from "../../operation/types.ts";
import { fromPromise, withAbortSignal } from "../../promise/mod.ts";
import { checkAddress, checkClientTls } from "./address.ts";
import { close, Connection, type ConnectionBody } from "./connection.ts";

/** How a client does TLS: what it trusts, and who it is. */
export type TlsClientOptions =
  & Omit<Deno.ConnectTlsOptions, "port" | "hostname">
  & (Deno.TlsCertifiedKeyPem | Record<never, never>);

/** Whom to connect to, over TCP or TLS. */
export type TcpConnectOptions = Deno.ConnectOptions & {
  /** Whether to speak TLS, and how. Default false. */
  tls?: boolean | TlsClientOptions;
};

/** The ways to connect. */
export interface TcpClientFunctions {
  /**
   * Connects, runs `body` with the connection, closes it, and returns what `body` returned.
   *
   * Suspends. When `body` has returned and all that it spawned is gone, what it output is written,
   * for as long as the other side takes to read it, and then that has a second to end the connection,
   * or it could lose it; an abort gives the writing a second. If `body` failed or
   * was aborted, what was not written is forgotten. An abort while it connects ends
   * that at once; a connection that comes too late is closed. So does `address.signal`: then
   * this throws `FiberAborted`.
   *
   * Needs `--allow-net`; for a Unix socket also `--allow-read` and `--allow-write` of its path.
   *
   * @throws {Deno.errors.ConnectionRefused} and what else connecting, reading or writing may fail with
   * @throws {TypeError} if an argument is of the wrong type
   * @throws {RangeError} if the port is out of range
   */
  withConnect<T>(
    address: TcpConnectOptions | Deno.UnixConnectOptions,
    body: ConnectionBody<T>,
  ): Awaitable<T>;
}

/**
 * Clients of byte streams, over TCP, TLS or a Unix socket; {@linkcode TcpServer} has an example.
 */
export const TcpClient: TcpClientFunctions = {
  withConnect<T>(
    address: TcpConnectOptions | Deno.UnixConnectOptions,
    body: ConnectionBody<T>,
  ): Awaitable<T> {
    checkAddress("connect", address);
    checkClientTls("connect", (address as TcpConnectOptions).tls);
    checkBody("connect", "body", body);
    return new GeneratorOperation("a connection", connectAndUse<T>, { address, body });
  },
};

interface Connecting<T> {
  readonly address: TcpConnectOptions | Deno.UnixConnectOptions;
  readonly body: ConnectionBody<T>;
}

function* connectAndUse<T>({ address, body }: Connecting<T>): Generator<never, T, unknown> {
  const { signal } = address as Deno.ConnectOptions;
  const open = () =>
    fromPromise<Deno.Conn>((signal) => connect(address, signal), { onLate: close });
  const conn = yield* signal === undefined ? open() : withAbortSignal(signal, open);
  return yield* new Connection(conn).use(body);
}

function connect(
  address: TcpConnectOptions | Deno.UnixConnectOptions,
  signal: AbortSignal,
): Promise<Deno.Conn> {
  if (address.transport === "unix") return Deno.connect(address);
  const { tls = false, ...tcp } = address;
  if (tls === false) return connectTcp(tcp, signal);
  return connectTls(tcp, tls === true ? {} : tls, signal);
}

/**
 * `Deno.connect` looks at its signal once more when it has connected. If that was aborted at the last
 * moment, it throws, and forgets the connection, which nobody can close any more. So that look is
 * taken away from it: it then returns a connection that comes too late, and that is closed.
 */
function connectTcp(options: Deno.ConnectOptions, signal: AbortSignal): Promise<Deno.TcpConn> {
  Object.defineProperty(signal, "throwIfAborted", { value() {} }); // it is nobody else's
  return Deno.connect({ ...options, signal });
}

/** With the handshake, so that whatever is wrong with the certificates is found here. */
async function connectTls(
  tcp: Deno.ConnectOptions,
  tls: TlsClientOptions,
  signal: AbortSignal,
): Promise<Deno.Conn> {
  const conn = await openTls(tcp, tls, signal);
  const onAbort = () => close(conn);
  try {
    signal.addEventListener("abort", onAbort);
    if (!signal.aborted) await conn.handshake();
    return conn;
  } catch (error) {
    close(conn);
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/**
 * In two steps, as Deno can take back a connect over TCP, but not one over TLS: that would go on for
 * minutes, and keep the process alive. But only the latter knows certificates of clients.
 */
async function openTls(
  { hostname = "127.0.0.1", ...tcp }: Deno.ConnectOptions,
  tls: TlsClientOptions,
  signal: AbortSignal,
): Promise<Deno.TlsConn> {
  if ("cert" in tls || "key" in tls) {
    return await Deno.connectTls({ hostname, port: tcp.port, ...tls });
  }
  const conn = await connectTcp({ ...tls, ...tcp, hostname }, signal);
  try {
    return await Deno.startTls(conn, { ...tls, hostname });
  } catch (error) {
    close(conn);
    throw error;
  }
}
