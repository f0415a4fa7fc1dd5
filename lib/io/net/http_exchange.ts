/**
 * One request of an HTTP server, from Deno's call to the end of its fiber.
 *
 * If the handler answers in its first step, Deno's call returns the response, which is the fastest way
 * for Deno; else it returns a promise, which the fiber settles. The fiber then goes on until the
 * response is sent, and what the handler has spawned is gone:
 *
 *     handler ──▶ responded ──▶ sent ──▶ ended
 *        ├── failed or aborted before it had responded: a 500, or a 503
 *        └── the client is gone: the fiber is aborted
 *
 * An upgrade to a WebSocket is special, since for Deno it is a response that was sent already: see
 * `Exchange.#acceptable`.
 */
import { currentFiber, type Fiber, runBody } from "../../fiber/core/mod.ts";
import { wrongType } from "../../internal/check.ts";
import { FiberAborted } from "../../operation/errors.ts";
import { FiberTrigger } from "../../operation/fiber_trigger.ts";
import type { Operation, Result } from "../../operation/types.ts";
import { guardBody } from "./http_body.ts";
import { reportHandler } from "./server.ts";

/** What answers a request. */
export type HttpHandler = (
  request: Request,
  info: Deno.ServeHandlerInfo,
) => Operation<Response>;

/** What a request needs of its server. */
interface Serving {
  readonly handler: HttpHandler;
  /** A request has been served. */
  readonly countOut: () => void;
  /** The handler has ended: its exchange need not be watched any more. */
  forget(exchange: Exchange): void;
}

/** One request, and what becomes of it. */
export class Exchange {
  /** What runs the handler, once it has begun or stands in the queue. */
  fiber: Fiber<unknown> | undefined;
  /** Whether the handler has ended. */
  isAnswered = false;
  /** Whether the response was sent. */
  isSent = false;
  /** Whether the handler gave no response, which was dealt with. */
  hasFailed = false;
  /** Breaks off a body that is still being made. */
  breakOff?: (error: unknown) => void;
  readonly #completed: Promise<void>;
  #isCompleted = false;
  /** Whether the fiber has ended before the response was sent, and it is still to be counted out. */
  #countsOut = false;
  /** What waits for the response to be sent. */
  #sent: FiberTrigger | undefined;
  #settles = false;
  #response: Response | undefined;
  /** Tells Deno the response, once it waits for it. */
  #resolve: ((response: Response) => void) | undefined;
  #signal: AbortSignal | undefined;

  constructor(
    readonly request: Request,
    readonly info: Deno.ServeHandlerInfo,
    readonly server: Serving,
  ) {
    // Asked for after an upgrade it would never settle.
    this.#completed = info.completed;
  }

  /** Gives the response. Only the first counts. */
  respond(response: Response): void {
    this.#response ??= response;
    this.#resolve?.(response);
  }

  /** The response, for Deno; to be asked for once, after the fiber's first step. */
  answer(): Response | Promise<Response> {
    const response = this.#response;
    if (response !== undefined && this.#countsOut && this.#isOpen()) {
      this.#completed.then(this.server.countOut, this.server.countOut);
      return response;
    }
    const complete = (error: unknown) => this.#complete(error === undefined);
    this.#completed.then(complete, complete); // rejected: the client is gone
    if (response !== undefined) return soon.then(() => this.#acceptable(response));
    const { promise, resolve } = Promise.withResolvers<Response>();
    this.#resolve = resolve;
    return promise.then((response) => this.#acceptable(response));
  }

  /**
   * Whether it is known already that the request wasn't upgraded: of one that was, Deno refuses to
   * tell whether there is a body. With other methods than GET there may be one, and it would be looked
   * for.
   */
  #isOpen(): boolean {
    try {
      return this.request.method === "GET" && !this.request.bodyUsed;
    } catch {
      return false;
    }
  }

  #complete(isSent: boolean): void {
    this.isSent = isSent;
    this.#isCompleted = true;
    this.#sent?.release();
    if (this.#countsOut) this.server.countOut();
  }

  /** The fiber ends, and nothing of it is left: so it need not wait for the response to be sent. */
  end(): void {
    if (this.#isCompleted) this.server.countOut();
    else this.#countsOut = true;
  }

  /** Returns when the response was sent, or can't be. */
  *sending(): Generator<never, void, unknown> {
    const sent = this.#sent = new FiberTrigger("its response to be sent");
    if (this.#isCompleted) sent.release();
    yield* sent.await();
  }

  /**
   * Sees to what the fiber ends with, and counts it out then. Idempotent. Where the fiber can only end
   * well nobody asks for it, as it costs more than all the rest of the fiber's end.
   */
  settleAtEnd(fiber: Fiber<unknown>): void {
    if (this.#settles) return;
    this.#settles = true;
    fiber.onResult((result) => {
      settle(this, result);
      this.server.countOut();
    });
  }

  /** Aborts the fiber if the client goes away before the handler has ended. */
  watch(): void {
    if (this.isAnswered) return;
    this.#signal = this.request.signal;
    if (this.#signal.aborted) this.handleEvent();
    else this.#signal.addEventListener("abort", this);
  }

  /** To be called when the handler has ended: the signal would also be aborted after a success. */
  unwatch(): void {
    this.isAnswered = true;
    this.server.forget(this);
    this.#signal?.removeEventListener("abort", this);
  }

  /**
   * The signal was aborted. An upgrade aborts it, too, in the middle of the handler; but for Deno that
   * is a success.
   *
   * The listener is the exchange itself. As an arrow function in a field of each it had most requests
   * live until the next full collection, though few are ever listened for.
   */
  handleEvent(): void {
    queueMicrotask(() => this.isSent || this.onGone());
  }

  onGone(): void {
    this.fiber?.abort("the client went away");
  }

  /**
   * For Deno an upgrade is a response that was sent; and it closes the whole server if the handler
   * then comes with another one, or none. So the client gets one with which it can do nothing, and
   * ends the connection, which ends the socket that the handler had been given.
   *
   * To be asked in a microtask after the handler, when `isSent` is known.
   */
  #acceptable(response: Response): Response {
    if (!this.isSent || response.status === UPGRADED) return response;
    if (!this.hasFailed) {
      reportHandler(
        new TypeError(
          "Cannot answer the request: it was upgraded to a WebSocket, so the handler must return " +
            "the response that Deno.upgradeWebSocket gave it",
        ),
      );
      response.body?.cancel("the request was upgraded").catch(reportHandler);
    }
    return new Response(null, { status: UPGRADED });
  }
}

const soon = Promise.resolve();

const UPGRADED = 101;

/** What the fiber of a request does. */
export function* answer(exchange: Exchange): Generator<never, void, unknown> {
  const fiber = exchange.fiber = currentFiber("serve the request");
  let response: Response;
  try {
    response = yield* runBody(exchange.server.handler(exchange.request, exchange.info));
    if (!(response instanceof Response)) {
      throw wrongType("answer the request", "the handler must return a Response", response);
    }
  } catch (error) {
    exchange.settleAtEnd(fiber);
    throw error;
  } finally {
    exchange.unwatch();
  }
  // Nothing is left that could fail or be aborted.
  if (fiber.kids === null && fiber.extras === null && fiber.error === undefined) {
    exchange.end();
    return exchange.respond(response);
  }
  exchange.settleAtEnd(fiber);
  if (fiber.kids !== null && response.body !== null) {
    const guarded = guardBody(response, () => exchange.onGone());
    exchange.breakOff = guarded.breakOff;
    exchange.respond(guarded.response);
  } else exchange.respond(response);
  yield* exchange.sending();
}

/** The fiber has ended, and all that it spawned. */
function settle(exchange: Exchange, result: Result<unknown>): void {
  if (result.ok) return;
  const { request, breakOff } = exchange;
  const { error } = result;
  exchange.hasFailed = true;
  const aborted = error instanceof FiberAborted;
  if (!aborted && !(request.bodyUsed && isCutOff(error))) reportHandler(error);
  breakOff?.(error);
  exchange.respond(
    aborted ? unavailable() : new Response("Internal Server Error", { status: 500 }),
  );
}

/**
 * Whether it says that a request ended in the middle of its body. The signal doesn't tell: Deno
 * leaves it alone, as the client may have gone, or merely have closed that direction. The text
 * differs with how the body is read.
 */
function isCutOff(error: unknown): boolean {
  const seen = new Set<unknown>();
  for (let e = error; e instanceof Error && !seen.has(e); e = e.cause) {
    if (e instanceof Deno.errors.BadResource && CUT_OFF.test(e.message)) return true;
    seen.add(e);
  }
  return false;
}

const CUT_OFF = /^Cannot read (request )?body as underlying resource unavailable/;

/** The answer of a server that serves no more. */
export function unavailable(): Response {
  const headers = { connection: "close" };
  return new Response("Service Unavailable", { status: 503, headers });
}
