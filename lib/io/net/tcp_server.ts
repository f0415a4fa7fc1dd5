/**
 * Servers of TCP, TLS and Unix sockets: a fiber that accepts, and one for each connection.
 *
 * A connection is served in the scope of the acceptor, so the server ends when its last handler has.
 * What a handler is not to do itself, to close above all, happens when its fiber has ended: in
 * `onResult` if it failed, else in another fiber, for writing the rest may take its time.
 */
import {
  type CancelContext,
  cancelScope,
  protect,
  type Scope,
  scope,
  sleep,
  spawn,
} from "../../fiber/mod.ts";
import { Channel } from "../../channel/mod.ts";
import { currentFiber, type Fiber, type FiberCore } from "../../fiber/core/mod.ts";
import { checkBody, checkCount } from "../../internal/check.ts";
import { Abort, FiberAborted } from "../../operation/errors.ts";
import type { Awaitable, Operation } from "../../operation/types.ts";
import { fromPromise } from "../../promise/mod.ts";
import { checkAddress, checkServerTls } from "./address.ts";
import { close, Connection } from "./connection.ts";
import type { Input, Output } from "../streams/mod.ts";
import { isReset } from "../bytes/mod.ts";
import { Establish, reportHandler, shutDown, type ShutdownOptions } from "./server.ts";

/** How a server serves. */
export interface TcpServerOptions {
  /** How many connections there are at most at a time; the others wait. Default `Infinity`. */
  maxConnections?: number;
  /** Serves TLS, with this certificate and its private key, both in PEM. */
  tls?: { readonly cert: string; readonly key: string };
}

/** Where a server listens: on a port. */
export type TcpAddress = Deno.TcpListenOptions & { transport?: "tcp" } & TcpServerOptions;

/** Where a server listens: on a path of the file system. */
export type UnixAddress =
  & Deno.UnixListenOptions
  & { transport: "unix" }
  & Pick<TcpServerOptions, "maxConnections">;

/** Where a server listens, as a client can connect to it. */
export type ListenAddr<T extends "tcp" | "unix"> = T extends "tcp"
  ? Deno.NetAddr & { transport: "tcp" }
  : Deno.UnixAddr & { transport: "unix"; path: string };

/** What serves a connection. It is closed when this has returned and all that it spawned is gone. */
export type TcpHandler<A extends Deno.Addr = Deno.Addr> = (
  peer: A,
  input: Input,
  output: Output,
) => Operation<void>;

/** What is going on in a server. */
export interface TcpServerStatistics {
  /** How many connections are being served. */
  readonly connections: number;
  /** How many there have been, with those. */
  readonly accepted: number;
}

/** How long to wait when the system has no room for another connection: doubled up to a second. */
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 1000;

interface Established {
  readonly listener: Deno.Listener;
  readonly maxConnections: number;
  readonly handler: TcpHandler;
}

/**
 * A server of byte streams, over TCP, TLS or a Unix socket: a fiber for each connection, in a fiber
 * of its own, which belongs to the scope that established it and never outlives it.
 *
 * Needs `--allow-net`; for a Unix socket also `--allow-read` and `--allow-write` of its path.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { type Input, type Output, TcpClient, TcpServer } from "@weft/weft/io";
 *
 * function* shout(_peer: Deno.Addr, input: Input, output: Output) {
 *   for (let line; (line = yield* input.readLine()) !== undefined;) {
 *     yield* output.outputLine(line.value.toUpperCase());
 *     yield* output.flush();
 *   }
 * }
 * function* ask(input: Input, output: Output) {
 *   yield* output.outputLine("hello");
 *   yield* output.flush();
 *   return (yield* input.readLine())?.value;
 * }
 * const answer = await main(function* () {
 *   const server = yield* TcpServer.establish({ hostname: "127.0.0.1", port: 0 }, shout);
 *   const answer = yield* TcpClient.withConnect(server.address, ask);
 *   yield* server.shutdown();
 *   return answer;
 * });
 * assertEquals(answer, "HELLO");
 * ```
 */
export class TcpServer<A extends Deno.Addr = ListenAddr<"tcp">> implements AsyncDisposable {
  /** Where it listens: tells the port if it was asked for port 0. */
  readonly address: A;
  readonly #acceptor: Acceptor;

  private constructor(acceptor: Acceptor, address: A) {
    if (!(acceptor instanceof Acceptor)) {
      throw new TypeError("Cannot construct TcpServer: use TcpServer.establish");
    }
    this.#acceptor = acceptor;
    this.address = address;
  }

  /**
   * Listens at `address`, and returns when it does. From then on `handler` runs for each connection,
   * in a fiber of its own in the server's. Under `await` the server lives in a `main` of its own.
   *
   * A handler that returns: what it output is written, and the connection is closed, once the client
   * is done, too, or after a second. One that fails:
   * its connection is closed, the failure goes to the uncaught handler (the console, where none is
   * set), and the server goes on. That the other side is gone, and reading or writing failed
   * because of that, is not reported. One that is aborted may clean up for a second, then its
   * connection is closed under it.
   *
   * The scope waits for the server: end it with `shutdown`, or abort the scope.
   *
   * @throws {Deno.errors.AddrInUse} and what else listening may fail with
   * @throws {TypeError} if an argument is of the wrong type
   * @throws {RangeError} if `maxConnections` is not a whole number from 1 up, or `Infinity`; or the
   * port is out of range
   */
  static establish(
    address: UnixAddress,
    handler: TcpHandler<Deno.UnixAddr>,
  ): Awaitable<TcpServer<ListenAddr<"unix">>>;
  /** The same on a port. */
  static establish(address: TcpAddress, handler: TcpHandler<Deno.NetAddr>): Awaitable<TcpServer>;
  static establish(
    address: TcpAddress | UnixAddress,
    handler: TcpHandler<never>,
  ): Awaitable<TcpServer<Deno.Addr>> {
    const action = "establish the server";
    checkAddress(action, address);
    checkBody(action, "handler", handler);
    const { maxConnections = Infinity, tls } = address as TcpAddress;
    checkCount(action, "maxConnections", maxConnections, 1);
    checkServerTls(action, tls);
    return new Establish("the establishment of a server", establish, {
      address,
      maxConnections,
      handler: handler as TcpHandler,
      make: (acceptor: Acceptor, address: Deno.Addr) => new TcpServer(acceptor, address),
    });
  }

  /**
   * Accepts no more connections, at once; waits for those there are, up to `graceMs`, and then
   * aborts them: who then still cleans up has a second for it, before its connection is closed under
   * it. Idempotent.
   *
   * Suspends, out of reach of aborts: in a `finally` it needs no `protect`.
   *
   * @throws {Error} in one of its own handlers, which it would wait for
   * @throws {RangeError} if `graceMs` is `NaN`
   * @throws {TypeError} if an option is of the wrong type
   */
  shutdown(options?: ShutdownOptions): Awaitable<void> {
    return shutDown(this.#acceptor, options);
  }

  /** What is going on in it. */
  statistics(): TcpServerStatistics {
    const { connections, accepted } = this.#acceptor;
    return { connections, accepted };
  }

  /** `shutdown`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

interface Establishment {
  readonly address: TcpAddress | UnixAddress;
  readonly maxConnections: number;
  readonly handler: TcpHandler;
  readonly make: (acceptor: Acceptor, address: Deno.Addr) => TcpServer<Deno.Addr>;
}

// deno-lint-ignore require-yield -- listening is done at once
function* establish(
  { address, maxConnections, handler, make }: Establishment,
): Generator<never, TcpServer<Deno.Addr>, unknown> {
  const fiber = currentFiber("establish the server");
  if (fiber.context.error !== undefined) throw fiber.deliver();
  const listener = listen(address);
  const acceptor = new Acceptor({ listener, maxConnections, handler });
  return make(acceptor, listener.addr);
}

function listen(address: TcpAddress | UnixAddress): Deno.Listener {
  if (address.transport === "unix") return Deno.listen(address);
  const { tls, ...tcp } = address;
  return tls === undefined ? Deno.listen(tcp) : Deno.listenTls({ ...tcp, ...tls });
}

/** The server's fiber: accepts connections, and holds those that are being served. */
class Acceptor {
  connections = 0;
  accepted = 0;
  readonly fiber: Fiber<void>;
  readonly #options: Established;
  readonly #freed = new Channel<void>({ capacity: 1, overflow: "dropNewest" });
  #accepting: CancelContext | undefined;
  #stopped = false;
  /** Settles when the last accept has. */
  #accepted: Promise<void> = Promise.resolve();

  constructor(options: Established) {
    this.#options = options;
    const { listener } = options;
    this.fiber = spawn(() => this.#serve(), { name: "server", finally: () => close(listener) });
  }

  stop(): void {
    this.#stopped = true;
    this.#accepting?.cancel("the server was shut down");
    close(this.#options.listener);
  }

  *#serve(): Generator<never, void, unknown> {
    yield* scope((served) => this.#acceptUntilStopped(served));
  }

  *#acceptUntilStopped(served: Scope): Generator<never, void, unknown> {
    try {
      yield* cancelScope((accepting) => {
        this.#accepting = accepting;
        if (this.#stopped) accepting.cancel();
        return this.#accept(served);
      });
    } finally {
      close(this.#options.listener);
      yield* protect(() => fromPromise(this.#accepted)); // until then the system still listens
    }
  }

  *#accept(served: Scope): Generator<never, void, unknown> {
    for (let pause = FIRST_PAUSE_MS;;) {
      while (this.connections >= this.#options.maxConnections) yield* this.#freed.receive();
      try {
        const accepting = this.#options.listener.accept();
        this.#accepted = accepting.then(() => {}, () => {});
        const conn = yield* fromPromise(accepting, { onLate: close });
        pause = FIRST_PAUSE_MS;
        this.#spawn(served, conn);
      } catch (error) {
        if (error instanceof Abort) throw error;
        if (isOneClient(error)) continue;
        if (!isFull(error)) throw error;
        yield* sleep(pause);
        pause = Math.min(2 * pause, LONGEST_PAUSE_MS);
      }
    }
  }

  /**
   * The handler is the body of its fiber, so that a resumption reaches it with nothing in between.
   * What comes before and after it is done from outside.
   */
  #spawn(served: Scope, conn: Deno.Conn): void {
    this.connections++;
    this.accepted++;
    const connection = new Connection(conn);
    const { input, output } = connection;
    const fiber = served.spawn(() => this.#options.handler(conn.remoteAddr, input, output), {
      name: "connection",
      propagateCancelToParent: false,
    });
    const grace = connection.limitCleanup(fiber as FiberCore<unknown>);
    fiber.onResult((result) => {
      grace.cancel();
      if (result.ok) {
        served.spawn(() => finish(connection), { name: "end of a connection", finally: closed });
        return;
      }
      closed();
      const { error } = result;
      if (!(error instanceof FiberAborted) && !connection.brokeWith(error)) reportHandler(error);
    });
    const closed = () => {
      connection.close();
      this.connections--;
      this.#freed.trySend();
    };
  }
}

function* finish(connection: Connection): Generator<never, void, unknown> {
  try {
    yield* connection.finish();
  } catch (error) {
    if (error instanceof Abort) throw error;
    if (!connection.brokeWith(error)) reportHandler(error);
  }
}

/** What accepting fails with when that one client is gone, or can't be reached, or isn't let in. */
const ONE_CLIENT = [
  "ENOTCONN", // a reset while it waited in line
  "EPROTO",
  "ENETDOWN",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "EPERM", // of a firewall
];

/** What it fails with as long as too much is open. */
const FULL = ["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"];

/** Whether it is about the client that was to be accepted, which is out of the line now. */
function isOneClient(error: unknown): boolean {
  return isReset(error) || ONE_CLIENT.includes(codeOf(error));
}

/** Whether the client still waits in line, for a time with more room. */
function isFull(error: unknown): boolean {
  return FULL.includes(codeOf(error));
}

function codeOf(error: unknown): string {
  return String((error as { code?: unknown } | null | undefined)?.code);
}
