/** Receive from whichever of several unbuffered channels has something first. */
import { Channel, main, select, spawn, when } from "../../mod.ts";
import { mixed } from "../mix.ts";
import { PromiseChannel } from "../peers/promise_channel.ts";
import { expectTotal, libraries, sumBelow, type Workload } from "../workload.ts";

export const select2 = selectOver(2, 0.85);
export const select8 = selectOver(8, 0.75);

/** Without Effection: whatever loses a `race` over its queues has taken an item and drops it. */
function selectOver(ways: number, go: number): Workload {
  return mixed({
    name: `select/${ways}`,
    unit: "select",
    iteration: 1000,
    targets: { go, effect: libraries.effect, promises: null },
    run: { weft: (n) => main(() => weft(ways, n)), promises: (n) => promises(ways, n) },
  });
}

function* weft(ways: number, n: number) {
  const channels = Array.from({ length: ways }, () => new Channel<number>({ capacity: 0 }));
  const branches = channels.map((channel) => when(channel.receiveEvent(), same));
  spawn(() => sendInTurn(channels, n));
  let total = 0;
  for (let i = 0; i < n; i++) total += yield* select(branches);
  expectTotal(total, sumBelow(n));
}

function same(value: number): number {
  return value;
}

function* sendInTurn(channels: readonly Channel<number>[], n: number) {
  for (let i = 0; i < n; i++) yield* channels[i % channels.length]!.send(i);
}

/** The losing `take` stays pending and is raced again: a promise cannot leave the queue. */
async function promises(ways: number, n: number): Promise<void> {
  const channels = Array.from({ length: ways }, () => new PromiseChannel<number>(0));
  const takes = channels.map(takeFrom);
  const sent = asyncSendInTurn(channels, n);
  let total = 0;
  for (let i = 0; i < n; i++) {
    const { value, way } = await Promise.race(takes);
    takes[way] = takeFrom(channels[way]!, way);
    total += value;
  }
  await sent;
  expectTotal(total, sumBelow(n));
}

async function takeFrom(channel: PromiseChannel<number>, way: number) {
  return { value: await channel.take(), way };
}

async function asyncSendInTurn(channels: readonly PromiseChannel<number>[], n: number) {
  for (let i = 0; i < n; i++) await channels[i % channels.length]!.put(i);
}
