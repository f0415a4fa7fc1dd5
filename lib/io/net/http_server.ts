/**
 * HTTP servers, on `Deno.serve`: a fiber that stands for the server, and one for each request.
 *
 * Deno calls for each request; `http_exchange.ts` has what becomes of one.
 */
import { afterEvent, select } from "../../event/mod.ts";
import { Channel } from "../../channel/mod.ts";
import { type Scope, scope, spawn, type SpawnOptions } from "../../fiber/mod.ts";
import { currentFiber, type Fiber } from "../../fiber/core/mod.ts";
import { checkBody, checkOptional, isObject, wrongType } from "../../internal/check.ts";
import { hop } from "../../loop/hop.ts";
import type { Awaitable, Operation } from "../../operation/types.ts";
import { abortEvent, fromPromise, promiseEvent } from "../../promise/mod.ts";
import { checkPath, checkPort, checkServerTls } from "./address.ts";
import { refuseOptions } from "../bytes/mod.ts";
import { CLEANUP_GRACE_MS } from "../streams/mod.ts";
import { isBrokenOff } from "./http_body.ts";
import { answer, Exchange, type HttpHandler, unavailable } from "./http_exchange.ts";
import { spawnAtOnce } from "./spawn_at_once.ts";
import { Establish, reportHandler, shutDown, type ShutdownOptions } from "./server.ts";

/** How and where an HTTP server listens. */
export type HttpServerOptions =
  & (
    | Omit<Deno.ServeTcpOptions, ManagedServeOption>
    | Omit<Deno.ServeUnixOptions, ManagedServeOption>
  )
  & {
    /** Serves HTTPS, with this certificate and its private key, both in PEM. */
    tls?: { readonly cert: string; readonly key: string };
  };

/** What of Deno's options the server sees to itself. */
export type ManagedServeOption = "signal" | "onError" | "onListen";

const MANAGED: readonly ManagedServeOption[] = ["signal", "onError", "onListen"];

/** What is going on in an HTTP server. */
export interface HttpServerStatistics {
  /**
   * How many requests are being served: until their response is sent and their fiber has ended, with
   * all that it spawned. A WebSocket counts only as long as that goes on.
   */
  readonly requests: number;
  /** How many there have been, with those. */
  readonly accepted: number;
}

/**
 * An HTTP server, on `Deno.serve`: a fiber for each request, in a fiber of its own, which belongs to
 * the scope that established it and never outlives it. Needs `--allow-net`.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fromPromise, main, sleep } from "@weft/weft";
 * import { HttpServer } from "@weft/weft/io";
 *
 * function* hello(request: Request) {
 *   yield* sleep(1);
 *   return new Response(`you asked for ${new URL(request.url).pathname}`);
 * }
 * const text = await main(function* () {
 *   const server = yield* HttpServer.establish({ hostname: "127.0.0.1", port: 0 }, hello);
 *   const { port } = server.address as Deno.NetAddr;
 *   const response = yield* fromPromise(fetch(`http://127.0.0.1:${port}/weft`));
 *   const text = yield* fromPromise(response.text());
 *   yield* server.shutdown();
 *   return text;
 * });
 * assertEquals(text, "you asked for /weft");
 * ```
 */
export class HttpServer<A extends Deno.Addr = Deno.NetAddr> implements AsyncDisposable {
  /** Where it listens: tells the port if it was asked for port 0. */
  readonly address: A;
  readonly #responder: Responder;

  private constructor(responder: Responder, address: A) {
    if (!(responder instanceof Responder)) {
      throw new TypeError("Cannot construct HttpServer: use HttpServer.establish");
    }
    this.#responder = responder;
    this.address = address;
  }

  /**
   * Listens, and returns when it does. From then on `handler` runs for each request, in a fiber of
   * its own in the server's, and returns the response. Under `await` the server lives in a `main` of
   * its own.
   *
   * The fiber is aborted when the client goes away. What the handler has spawned goes on after the
   * response was returned, and may feed its body: if it fails or is aborted, the body breaks off, and
   * the client can tell; if the client goes away, it is aborted. A handler that fails: the client
   * gets a 500, the failure goes to the uncaught handler (the console, where none is set), and the
   * server goes on. That the client has gone in the middle of its request, and reading that failed, is not
   * reported.
   *
   * A handler may return what `Deno.upgradeWebSocket` gives it. Then the request is served, and its
   * fiber is not aborted when the other side goes away: the socket tells. What the handler has
   * spawned goes on, for the socket; it is waited for and aborted as with any other request.
   * `shutdown` closes the sockets at once, and so does an abort. One that fails after the upgrade, is
   * aborted, or returns something else: the client's handshake fails, and the socket is closed.
   *
   * The scope waits for the server: end it with `shutdown`, or abort the scope.
   *
   * To learn that a client has gone it listens to `request.signal`; Deno warns once in a process
   * that this is also aborted after a success, unless run with `--unstable-no-legacy-abort`.
   *
   * @throws {Deno.errors.AddrInUse} and what else listening may fail with
   * @throws {TypeError} if an argument is of the wrong type
   * @throws {RangeError} if the port is out of range
   */
  static establish(
    options: Omit<Deno.ServeUnixOptions, ManagedServeOption>,
    handler: HttpHandler,
  ): Awaitable<HttpServer<Deno.UnixAddr>>;
  /** The same on a port. */
  static establish(options: HttpServerOptions, handler: HttpHandler): Awaitable<HttpServer>;
  static establish(
    options: HttpServerOptions,
    handler: HttpHandler,
  ): Awaitable<HttpServer<Deno.Addr>> {
    const action = "establish the server";
    if (!isObject(options)) throw wrongType(action, "options must be an object", options);
    checkBody(action, "handler", handler);
    checkListening(action, options);
    return new Establish("the establishment of a server", establish, {
      options,
      handler,
      make: (responder: Responder, address: Deno.Addr) => new HttpServer(responder, address),
    });
  }

  /**
   * Accepts no more connections, and closes the WebSockets, at once; waits for the requests that are
   * being served, up to `graceMs`, and then aborts them: who has no response yet gets a 503. A client
   * that has not taken its response, or not sent its request, a second later is no longer waited for;
   * but Deno keeps its connection, and so the process, until it goes: who can't wait for strangers
   * ends with `Deno.exit()`. Idempotent.
   *
   * Suspends, out of reach of aborts: in a `finally` it needs no `protect`.
   *
   * @throws {Error} in one of its own handlers, which it would wait for
   * @throws {RangeError} if `graceMs` is `NaN`
   * @throws {TypeError} if an option is of the wrong type
   */
  shutdown(options?: ShutdownOptions): Awaitable<void> {
    return shutDown(this.#responder, options);
  }

  /** What is going on in it. */
  statistics(): HttpServerStatistics {
    const { requests, accepted } = this.#responder;
    return { requests, accepted };
  }

  /** `shutdown`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

function checkListening(action: string, options: HttpServerOptions): void {
  const { path, port, hostname, tls } = options as Record<string, unknown>;
  if (path !== undefined) checkPath(action, "path", path);
  if (port !== undefined) checkPort(action, "port", port);
  checkOptional(action, "hostname", hostname, "string");
  checkServerTls(action, tls);
  refuseOptions(action, options, MANAGED, "the server sees to that itself");
}

interface Establishment {
  readonly options: HttpServerOptions;
  readonly handler: HttpHandler;
  readonly make: (responder: Responder, address: Deno.Addr) => HttpServer<Deno.Addr>;
}

// deno-lint-ignore require-yield -- listening is done at once
function* establish(
  { options, handler, make }: Establishment,
): Generator<never, HttpServer<Deno.Addr>, unknown> {
  const fiber = currentFiber("establish the server");
  if (fiber.context.error !== undefined) throw fiber.deliver();
  const responder = new Responder(options, handler);
  return make(responder, responder.address);
}

/** The server's fiber: holds those of the requests. */
class Responder {
  requests = 0;
  accepted = 0;
  readonly fiber: Fiber<void>;
  readonly handler: HttpHandler;
  readonly #controller = new AbortController();
  readonly #server: Deno.HttpServer<Deno.Addr>;
  readonly #stopping = new Channel<never>({ name: "shutdown" });
  #stopped: Promise<void> | undefined;
  /** Where requests are served; `undefined`: its fiber has not begun; `null`: nor ever will. */
  #served: Scope | null | undefined;
  readonly #begun = Promise.withResolvers<void>();
  /** Whose handlers wait since the host's last turn; some may have ended meanwhile. */
  #unwatched: Exchange[] = [];
  #watchesSoon = false;

  constructor({ tls, ...options }: HttpServerOptions, handler: HttpHandler) {
    this.handler = handler;
    this.#server = Deno.serve({
      ...options,
      ...tls,
      signal: this.#controller.signal,
      onListen() {},
      onError: streamFailed,
    } as Deno.ServeTcpOptions, (request, info) => this.#serve(request, info));
    this.fiber = spawn(() => this.#live(), {
      name: "HTTP server",
      finally: () => {
        if (this.#served === undefined) this.#begin(null); // it was aborted before its first step
      },
    });
  }

  get address(): Deno.Addr {
    return this.#server.addr;
  }

  stop(): void {
    this.#stopped ??= this.#server.shutdown();
    this.#stopping.close();
  }

  #live(): Operation<void> {
    return scope((served) => {
      served.onRelease(() => this.#end());
      this.#begin(served);
      return this.#stopping.closeEvent();
    });
  }

  #begin(served: Scope | null): void {
    this.#served = served;
    this.#begun.resolve();
    if (served === null) this.#controller.abort();
  }

  /** No request is left, unless its response is on its way. */
  *#end(): Generator<never, void, unknown> {
    yield* this.#close();
    this.requests = 0; // who hasn't taken the response by now is no longer waited for
  }

  *#close(): Generator<never, void, unknown> {
    if (this.#stopped === undefined) {
      this.#controller.abort();
      yield* fromPromise(this.#server.finished);
      return;
    }
    const sent = promiseEvent(this.#stopped);
    const first = yield* select({ sent, aborted: abortEvent(this.fiber.signal) });
    if (first.kind === "sent") return;
    const then = yield* select({ sent, late: afterEvent(CLEANUP_GRACE_MS) });
    // A client that doesn't read the rest of its response: Deno offers no way to end it now.
    if (then.kind === "late") this.#server.unref();
  }

  #serve(request: Request, info: Deno.ServeHandlerInfo): Response | Promise<Response> {
    const served = this.#served;
    if (served === undefined) return this.#begun.promise.then(() => this.#serve(request, info));
    if (served === null || served.error !== undefined) return unavailable();
    const exchange = new Exchange(request, info, this);
    this.requests++;
    this.accepted++;
    const fiber = spawnAtOnce(served, () => answer(exchange), REQUEST);
    if (exchange.fiber === undefined) { // it may be aborted before it begins, by its client, too
      exchange.fiber = fiber;
      exchange.settleAtEnd(fiber);
    }
    if (!exchange.isAnswered) this.#watchSoon(exchange);
    return exchange.answer();
  }

  /**
   * Has `exchange` watch for its client to go, if the handler still waits when the host has had a
   * turn. Until then nobody can go away; and to have Deno make a signal, and to listen to it, is dear.
   */
  #watchSoon(exchange: Exchange): void {
    this.#unwatched.push(exchange);
    if (this.#watchesSoon) return;
    this.#watchesSoon = true;
    hop(() => {
      this.#watchesSoon = false;
      const unwatched = this.#unwatched;
      this.#unwatched = [];
      for (const exchange of unwatched) exchange.watch();
    });
  }

  /**
   * The handler of `exchange` has ended. Most that wait do so for microtasks only, and end before the
   * next request comes: so theirs is the last in the list. Were it left there until the turn, each
   * collection would find some alive, and the engine would take more and more memory for new objects.
   */
  forget(exchange: Exchange): void {
    if (this.#unwatched.at(-1) === exchange) this.#unwatched.pop();
  }

  /** A request has been served. */
  readonly countOut = (): void => {
    if (this.requests > 0) this.requests--; // else the server has ended, and waits for none
  };
}

const REQUEST: SpawnOptions = { name: "request", propagateCancelToParent: false };

/** Deno asks when a body fails; the response is on its way, and this one goes nowhere. */
function streamFailed(error: unknown): Response {
  if (!isBrokenOff(error)) reportHandler(error);
  return new Response(null, { status: 500 });
}
