/**
 * What an operation costs while a million other fibers are alive, against the same with a thousand
 * of them. The fibers are spawned in the first run and stay; the fresh ones that do the work are
 * their siblings.
 */
import {
  Channel,
  getScheduler,
  main,
  type Scheduler,
  spawn,
  spawnAsPromiseFromAnywhere,
  yieldNow,
} from "../../mod.ts";
import { expectTotal, type Workload } from "../workload.ts";
import { pingPong } from "./rendezvous.ts";

export const crowdRoundTrip = among("crowd/rendezvous", "round trip", pingPong);
export const crowdSpawnAbort = among("crowd/spawn+abort", "task", spawnAndAbort);

function among(
  name: string,
  unit: string,
  work: (n: number) => Generator<never, void>,
): Workload {
  return {
    name,
    unit,
    size: { full: 1_000_000, smoke: 1000 },
    units: operations,
    targets: { few: 2.0 },
    run: {
      weft: async (n) =>
        await spawnAsPromiseFromAnywhere(await crowdOf(n), () => work(operations(n))),
      few: async (n) =>
        await spawnAsPromiseFromAnywhere(await crowdOf(n / 1000), () => work(operations(n))),
    },
  };
}

/** In a run among `n` fibers. */
function operations(n: number): number {
  return n / 10;
}

let crowd: Promise<Scheduler> | undefined;

/** Where the crowd lives. */
function crowdOf(size: number): Promise<Scheduler> {
  return crowd ??= new Promise((resolve, reject) => {
    main(() => stay(size, resolve)).then(undefined, reject);
  });
}

function* stay(size: number, ready: (scheduler: Scheduler) => void) {
  const channel = new Channel<never>({ capacity: 0 });
  for (let i = 0; i < size; i++) spawn(() => bystander(channel));
  yield* yieldNow();
  expectTotal(channel.statistics().receiversWaiting, size);
  ready(getScheduler());
  yield* channel.receive();
}

function* bystander(channel: Channel<never>) {
  yield* channel.receive();
}

function* spawnAndAbort(n: number) {
  const channel = new Channel<never>({ capacity: 0 });
  for (let i = 0; i < n; i++) {
    const fiber = spawn(() => bystander(channel));
    yield* yieldNow();
    yield* fiber.abort();
  }
  expectTotal(channel.statistics().receiversWaiting, 0);
}
