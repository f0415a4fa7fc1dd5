/** 1000 tasks in a line, and 1000 messages that each of them hands on to the next. */
import { Channel, main, spawn } from "../../mod.ts";
import { mixed } from "../mix.ts";
import { PromiseChannel } from "../peers/promise_channel.ts";
import { expectTotal, libraries, sumBelow, type Workload } from "../workload.ts";

const links = 1000;

export const chain: Workload = mixed({
  name: "chain",
  unit: "hop",
  iteration: 10,
  size: { full: 1000, smoke: 2 },
  units: (messages) => messages * links,
  targets: { go: 0.88, ...libraries, promises: null },
  run: { weft: (messages) => main(() => weft(messages)), promises },
});

function* weft(messages: number) {
  const first = new Channel<number>({ capacity: 0 });
  let last = first;
  for (let i = 1; i < links; i++) {
    const next = new Channel<number>({ capacity: 0 });
    const previous = last;
    spawn(() => handOn(previous, next, messages));
    last = next;
  }
  spawn(() => produce(first, messages));
  let total = 0;
  for (let i = 0; i < messages; i++) total += yield* last.receiveOrThrow();
  expectTotal(total, sumBelow(messages));
}

function* handOn(from: Channel<number>, to: Channel<number>, messages: number) {
  for (let i = 0; i < messages; i++) yield* to.send(yield* from.receiveOrThrow());
}

function* produce(first: Channel<number>, messages: number) {
  for (let i = 0; i < messages; i++) yield* first.send(i);
}

async function promises(messages: number): Promise<void> {
  const first = new PromiseChannel<number>(0);
  let last = first;
  for (let i = 1; i < links; i++) {
    const next = new PromiseChannel<number>(0);
    void asyncHandOn(last, next, messages);
    last = next;
  }
  void asyncProduce(first, messages);
  let total = 0;
  for (let i = 0; i < messages; i++) total += await last.take();
  expectTotal(total, sumBelow(messages));
}

async function asyncHandOn(
  from: PromiseChannel<number>,
  to: PromiseChannel<number>,
  messages: number,
) {
  for (let i = 0; i < messages; i++) await to.put(await from.take());
}

async function asyncProduce(first: PromiseChannel<number>, messages: number) {
  for (let i = 0; i < messages; i++) await first.put(i);
}
