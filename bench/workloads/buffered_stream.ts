/** One producer, one consumer, and a buffer of 128 between them. */
import { Channel, main, spawn } from "../../mod.ts";
import { mixed } from "../mix.ts";
import { PromiseChannel } from "../peers/promise_channel.ts";
import { expectTotal, libraries, type Workload } from "../workload.ts";

const capacity = 128;

export const bufferedStream: Workload = mixed({
  name: "buffered(128)",
  unit: "message",
  iteration: 1000,
  targets: { go: 1.15, ...libraries, promises: 0.5, generators: null },
  run: { weft: (n) => main(() => weft(n)), promises, generators },
});

function* weft(n: number) {
  const channel = new Channel<number>({ capacity });
  spawn(() => produce(channel, n));
  let total = 0;
  for (;;) {
    const message = yield* channel.receive();
    if (message === undefined) break;
    total += message.value;
  }
  expectTotal(total, n);
}

function* produce(channel: Channel<number>, n: number) {
  for (let i = 0; i < n; i++) yield* channel.send(1);
  channel.close();
}

/** Nobody writes `close` for a queue by hand: its consumer counts. */
async function promises(n: number): Promise<void> {
  const channel = new PromiseChannel<number>(capacity);
  const produced = asyncProduce(channel, n);
  let total = 0;
  for (let i = 0; i < n; i++) total += await channel.take();
  await produced;
  expectTotal(total, n);
}

async function asyncProduce(channel: PromiseChannel<number>, n: number) {
  for (let i = 0; i < n; i++) await channel.put(1);
}

/** The floor: what the language itself offers for a stream, with nothing in between. */
function generators(n: number): void {
  let total = 0;
  for (const one of generate(n)) total += one;
  expectTotal(total, n);
}

function* generate(n: number) {
  for (let i = 0; i < n; i++) yield 1;
}
