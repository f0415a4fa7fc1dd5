/** `withLock` and its like: a body that runs while something is held. */
import { GeneratorOperation, runBody } from "../fiber/core/mod.ts";
import { checkBody } from "../internal/check.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import type { Guard } from "./guard.ts";

interface Use<G extends Guard, T> {
  readonly acquire: Awaitable<G>;
  readonly body: (guard: G) => Operation<T>;
  /** Told of what the body has thrown, before what it holds is released. */
  readonly onFailure: ((guard: G, error: unknown) => void) | undefined;
}

/** Runs `body` while it holds what `acquire` gets. */
export function withGuard<G extends Guard, T>(
  action: string,
  acquire: Awaitable<G>,
  body: (guard: G) => Operation<T>,
  onFailure?: (guard: G, error: unknown) => void,
): Awaitable<T> {
  checkBody(action, "body", body);
  return new GeneratorOperation(`a body that has to ${action}`, use<G, T>, {
    acquire,
    body,
    onFailure,
  });
}

function* use<G extends Guard, T>(
  { acquire, body, onFailure }: Use<G, T>,
): Generator<never, T, unknown> {
  const guard = yield* acquire;
  let isGivenUp = true;
  try {
    const value = yield* runBody(body(guard));
    isGivenUp = false;
    return value;
  } catch (error) {
    isGivenUp = false;
    onFailure?.(guard, error);
    throw error;
  } finally { // also when somebody, another scheduler say, gives the generator up by `return`
    if (isGivenUp) onFailure?.(guard, new Error("The body was ended by return()"));
    guard[Symbol.dispose]();
  }
}
