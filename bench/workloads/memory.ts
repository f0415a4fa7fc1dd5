/** 100,000 tasks that wait at a channel: what each of them adds to the memory. */
import { Channel, main, spawn, yieldNow } from "../../mod.ts";
import { type Gauge, heap, resident } from "../gauges.ts";
import { PromiseChannel } from "../peers/promise_channel.ts";
import { expectTotal, type Workload } from "../workload.ts";

export const bytesOfHeap = bytesBy("bytes/heap", heap, 0.25);
export const bytesResident = bytesBy("bytes/resident", resident, 0.26);

function bytesBy(name: string, gauge: Gauge, go: number): Workload {
  return {
    name,
    unit: "blocked task",
    measure: "bytes",
    size: { full: 100_000, smoke: 1000 },
    fresh: true,
    flags: ["--v8-flags=--expose-gc"],
    limit: 650,
    targets: { go, effect: null, effection: null, promises: null, generators: null },
    run: {
      weft: (n) => main(() => weft(n, gauge)),
      promises: (n) => promises(n, gauge),
      generators: (n) => generators(n, gauge),
    },
  };
}

function* weft(n: number, gauge: Gauge) {
  const channel = new Channel<number>({ capacity: 0 });
  const before = gauge();
  for (let i = 0; i < n; i++) spawn(() => receiver(channel));
  while (channel.statistics().receiversWaiting < n) yield* yieldNow();
  const after = gauge();
  channel.close();
  return after - before;
}

function* receiver(channel: Channel<number>) {
  yield* channel.receive();
}

async function promises(n: number, gauge: Gauge): Promise<number> {
  const channel = new PromiseChannel<number>(0);
  const before = gauge();
  const receivers: Promise<void>[] = [];
  for (let i = 0; i < n; i++) receivers.push(asyncReceiver(channel));
  await null;
  const after = gauge();
  for (let i = 0; i < n; i++) void channel.put(1);
  await Promise.all(receivers);
  return after - before;
}

async function asyncReceiver(channel: PromiseChannel<number>) {
  await channel.take();
}

/** The floor: suspended generators in an array. */
function generators(n: number, gauge: Gauge): number {
  const before = gauge();
  const suspended: Generator<number, void>[] = [];
  for (let i = 0; i < n; i++) {
    const one = generator();
    one.next();
    suspended.push(one);
  }
  const after = gauge();
  let total = 0;
  for (const one of suspended) total += one.next().done ? 1 : 0;
  expectTotal(total, n);
  return after - before;
}

function* generator() {
  yield 1;
}
