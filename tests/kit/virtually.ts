/** Short words for tests of what waits. */
import { assertEquals } from "@std/assert";
import { type Awaitable, type Fiber, type Operation, run, spawn, yieldNow } from "@weft/weft";
import { virtualLoop } from "./virtual_loop.ts";

/** Runs `body` in virtual time; its value, or throws its failure. It may leave no timer behind. */
export function virtually<T>(body: () => Operation<T>, loop = virtualLoop()): T {
  const result = run(body, { loop });
  if (!result.ok) throw result.error;
  assertEquals(loop.timers, 0, "a timer is left");
  return result.value;
}

/** Waits on `operation`: what it threw, or `undefined`. */
export function* errorOf(operation: Operation<unknown>): Operation<unknown> {
  try {
    yield* operation;
  } catch (error) {
    return error;
  }
  return undefined;
}

/** A fiber that waits on `operation`, has begun to, and keeps its failure to itself. */
export function* waiting<T>(operation: Awaitable<T>): Generator<never, Fiber<T>, unknown> {
  const fiber = spawn(() => operation, { propagateCancelToParent: false });
  yield* yieldNow();
  return fiber;
}

/** Lets every fiber that is ready run until it waits for something else than its turn. */
export function* settle(): Generator<never, void, unknown> {
  for (let turn = 0; turn < 5; turn++) yield* yieldNow();
}
