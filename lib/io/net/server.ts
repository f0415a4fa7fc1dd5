/**
 * What the servers have in common: a fiber in the scope that established it, in which everything
 * that serves lives, and a way to end it gracefully.
 */
import { afterEvent, select, when } from "../../event/mod.ts";
import {
  type Context,
  currentFiberOrNull,
  type Fiber,
  type FiberCore,
  GeneratorOperation,
} from "../../fiber/core/mod.ts";
import { main, protect } from "../../fiber/mod.ts";
import { checkDuration, checkOptions } from "../../internal/check.ts";
import { reportUncaught } from "../../internal/report.ts";
import type { Awaitable } from "../../operation/types.ts";

/** How a server is shut down. */
export interface ShutdownOptions {
  /**
   * For how long what is being served may go on; then it is aborted. Default 5000; `Infinity`: as
   * long as it takes.
   *
   * It is not the whole time: what is aborted has a second more, for its last words to the other
   * side. So who has to be gone in 30 s says 29,000. What a handler waits for in `protect`, and has
   * nothing to do with its connection, takes as long as it takes.
   */
  graceMs?: number;
}

const GRACE_MS = 5000;

/** A server, as its shutdown sees it. */
export interface Stoppable {
  readonly fiber: Fiber<void>;
  /** Accepts nothing more; what is being served goes on. */
  stop(): void;
}

/**
 * Stops it, waits for what is being served, and aborts that when it takes too long. Protected: it
 * does its work in a fiber that is aborting, too.
 */
export function shutDown(server: Stoppable, options: ShutdownOptions | undefined): Awaitable<void> {
  checkOptions("shut down the server", options);
  const graceMs = options?.graceMs ?? GRACE_MS;
  checkDuration("shut down the server", "graceMs", graceMs);
  return new GeneratorOperation("the shutdown of a server", shutDownNow, { server, graceMs }, true);
}

function* shutDownNow(
  { server, graceMs }: { server: Stoppable; graceMs: number },
): Generator<never, void, unknown> {
  const { fiber } = server;
  if (isInside(fiber as FiberCore<unknown>)) {
    throw new Error(
      "Cannot shut down the server: its own handler asks for it, and would wait for itself; " +
        "tell the fiber that established it",
    );
  }
  server.stop();
  yield* protect(function* () {
    const ended = yield* select([
      when(fiber.joinEvent(), () => true),
      when(afterEvent(graceMs), () => false),
    ]);
    if (!ended) yield* fiber.abort("the server was shut down");
  });
}

/** Whether the code that runs now runs in `fiber`, or in one below it. */
function isInside(fiber: FiberCore<unknown>): boolean {
  for (let c: Context | null = currentFiberOrNull(); c !== null; c = c.parent) {
    if (c === (fiber as Context)) return true;
  }
  return false;
}

/**
 * The operation that establishes a server in the current scope. Under `await` there is none, so it
 * lives in a `main` of its own until it is shut down.
 */
export class Establish<A, S> extends GeneratorOperation<A, S> {
  override then<B = S, C = never>(
    fulfilled?: ((value: S) => B | PromiseLike<B>) | null,
    rejected?: ((reason: unknown) => C | PromiseLike<C>) | null,
  ): Promise<B | C> {
    const promise = new Promise<S>((resolve, reject) => {
      let established = false;
      const establish = function* (operation: Awaitable<S>): Generator<never, void, unknown> {
        const server = yield* operation;
        established = true;
        resolve(server);
      };
      main(() => establish(this), { name: this.name })
        .then(undefined, (error) => established ? reportUncaught(error) : reject(error));
    });
    return promise.then(fulfilled, rejected);
  }
}

/**
 * The failure of one handler among many: for the uncaught handler, or where nobody has set one, for
 * the console. The server goes on.
 */
export function reportHandler(error: unknown): void {
  reportUncaught(error, (error) => console.error(error));
}
