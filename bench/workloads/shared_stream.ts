/** Values from one thread to another: through a shared channel, and by `postMessage`. */
import { main } from "../../mod.ts";
import { SharedChannel } from "../../lib/thread/mod.ts";
import type { StreamOrder } from "../workers/stream.ts";
import { type ValueKind, valueOf, weightOf } from "../workers/values.ts";
import { expectTotal, type Workload } from "../workload.ts";

/** As large as the values need: what is close together is in the caches. */
const channels: Record<ValueKind, SharedChannel<unknown>> = {
  objects: new SharedChannel({ capacity: 1024 }),
  numbers: new SharedChannel({ capacity: 1024, slotBytes: 8 }),
  bytes: new SharedChannel({ capacity: 1024, slotBytes: 64 }),
  "pooled bytes": new SharedChannel({ capacity: 1024, slotBytes: 64, pooledBytes: true }),
};
let worker: Promise<Worker> | undefined;

function stream(kind: ValueKind, target: number | null): Workload {
  return {
    name: `shared-stream-${kind.replace(" ", "-")}`,
    unit: "message",
    iteration: 10_000,
    size: { full: 600_000, smoke: 1000 }, // many, as it takes a while until both ends are warm
    targets: { postMessage: target },
    run: {
      weft: (n) => throughChannel(kind, n),
      postMessage: (n) => byMessages(kind, n),
    },
  };
}

export const sharedObjects = stream("objects", 0.25);
export const sharedNumbers = stream("numbers", 0.07);
export const sharedBytes = stream("bytes", null);
export const sharedPooledBytes = stream("pooled bytes", 0.07);

async function throughChannel(kind: ValueKind, n: number): Promise<void> {
  const channel = channels[kind];
  await order({ kind, count: n, channel: channel.handle });
  await main(function* () {
    let total = 0;
    for (let i = 0; i < n; i++) total += weightOf(yield* channel.receiveOrThrow());
    expectTotal(total, expected(kind, n));
  });
}

async function byMessages(kind: ValueKind, n: number): Promise<void> {
  const sender = await order({ kind, count: n });
  let total = 0;
  let left = n;
  await new Promise<void>((resolve) => {
    sender.onmessage = ({ data }) => {
      total += weightOf(data);
      if (--left === 0) resolve();
    };
  });
  expectTotal(total, expected(kind, n));
}

function expected(kind: ValueKind, n: number): number {
  let total = 0;
  for (let i = 0; i < n; i++) total += weightOf(valueOf(kind, i));
  return total;
}

async function order(what: StreamOrder): Promise<Worker> {
  worker ??= start();
  const sender = await worker;
  sender.postMessage(what);
  return sender;
}

function start(): Promise<Worker> {
  const module = import.meta.resolve("../workers/stream.ts");
  const worker = new Worker(module, { type: "module" });
  return new Promise((resolve) => worker.onmessage = () => resolve(worker));
}
