/**
 * A fiber whose first step runs at the spawn, for servers: a request that needs no waiting is
 * answered before the host's call returns, with no turn of the scheduler in between, and no promise
 * that is settled later.
 */
import {
  type Fiber,
  type FiberCore,
  FifoScheduler,
  type Scope,
  step,
} from "../../fiber/core/mod.ts";
import type { SpawnOptions } from "../../fiber/mod.ts";
import { hop } from "../../loop/hop.ts";
import type { Operation } from "../../operation/types.ts";

/** For how long first steps may follow each other before the host gets a turn (law 10). */
const BURST_MS = 2;

/** When those began that run before the host's next turn; 0: none has. */
let burstStart = 0;

/**
 * `scope.spawn`, and the first step of the fiber, if it is the only one that is ready: so nobody is
 * overtaken. To be called by the host, where no fiber runs.
 */
export function spawnAtOnce<T>(
  scope: Scope,
  body: () => Operation<T>,
  options: SpawnOptions,
): Fiber<T> {
  const fiber = scope.spawn(body, options);
  const { scheduler } = fiber as FiberCore<T>;
  if (scheduler instanceof FifoScheduler && scheduler.queue.length === 1 && mayBurst()) {
    scheduler.queue.shift();
    step(fiber as FiberCore<unknown>);
  }
  return fiber;
}

function mayBurst(): boolean {
  const now = Date.now(); // the cheapest clock there is
  if (burstStart === 0) {
    burstStart = now;
    hop(() => burstStart = 0); // a microtask comes between any two requests, a turn does not
  }
  return now - burstStart < BURST_MS;
}
