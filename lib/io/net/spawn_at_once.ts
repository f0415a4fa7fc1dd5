/**
 * A fiber whose first step runs at the spawn, for servers: a request that needs no waiting is
 * answered before the host's call returns, with no turn of the scheduler in between, and no promise
 * that is settled later.
 */
import {
  checkOpen,
  type Fiber,
  type FiberCore,
  FifoScheduler,
  makeFiber,
  type Scope,
  type ScopeContext,
  step,
} from "../../fiber/core/mod.ts";
import type { SpawnOptions } from "../../fiber/mod.ts";
import { hostTurns } from "../../loop/host_loop.ts";
import type { Operation } from "../../operation/types.ts";

/**
 * For how long first steps may follow each other before the host gets a turn (law 10): as long as the
 * loop lets microtasks. With less, a slice of the scheduler would still run before that turn.
 */
const BURST_MS = 4;

/** When those began that run before the host's next turn; 0: none has. */
let burstStart = 0;

/**
 * `scope.spawn`, and the first step of the fiber, if no other is ready: so nobody is overtaken. Then
 * no slice of the scheduler is needed, unless the step makes a fiber ready. To be called by the host,
 * where no fiber runs.
 */
export function spawnAtOnce<T>(
  scope: Scope,
  body: () => Operation<T>,
  options: SpawnOptions,
): Fiber<T> {
  const context = scope as ScopeContext;
  const owner = context.owner!;
  const { scheduler } = owner;
  if (!(scheduler instanceof FifoScheduler) || scheduler.queue.length > 0 || !mayBurst()) {
    return scope.spawn(body, options);
  }
  checkOpen("spawn", context);
  const fiber = makeFiber(scheduler, context, owner, body, options);
  step(fiber as FiberCore<unknown>);
  return fiber;
}

function mayBurst(): boolean {
  const now = Date.now(); // the cheapest clock there is
  if (burstStart === 0) {
    burstStart = now;
    // A microtask comes between any two requests, a turn does not. That it was one is told to the
    // loop, so that fibers which are ready in a burst need no turn of their own.
    hostTurns().scheduleTurn(endBurst, false);
  }
  return now - burstStart < BURST_MS;
}

function endBurst(): void {
  burstStart = 0;
}
