/** Receive from whichever of two unbuffered channels has something first. */
import { Channel, main, select, spawn, when } from "../../mod.ts";
import { PromiseChannel } from "../promise_channel.ts";
import { expectTotal, type Workload } from "../workload.ts";

export const select2: Workload = {
  name: "select/2",
  unit: "select",
  run: { weft: (n) => main(() => weft(n)), promises },
};

const increment = (by: number) => by;
const decrement = (by: number) => -by;

function* weft(n: number) {
  const up = new Channel<number>({ capacity: 0 });
  const down = new Channel<number>({ capacity: 0 });
  spawn(() => alternate(up, down, n));
  let total = 0;
  for (let i = 0; i < n; i++) {
    total += yield* select([
      when(up.receiveEvent(), increment),
      when(down.receiveEvent(), decrement),
    ]);
  }
  expectTotal(total, n % 2);
}

function* alternate(up: Channel<number>, down: Channel<number>, n: number) {
  for (let i = 0; i < n; i++) yield* (i % 2 === 0 ? up : down).send(1);
}

/** The losing `take` stays pending and is raced again: a promise cannot leave the queue. */
async function promises(n: number): Promise<void> {
  const up = new PromiseChannel<number>(0);
  const down = new PromiseChannel<number>(0);
  const alternated = asyncAlternate(up, down, n);
  let total = 0;
  let ups: Promise<number> | undefined;
  let downs: Promise<number> | undefined;
  for (let i = 0; i < n; i++) {
    ups ??= up.take().then(increment);
    downs ??= down.take().then(decrement);
    const change = await Promise.race([ups, downs]);
    if (change > 0) ups = undefined;
    else downs = undefined;
    total += change;
  }
  await alternated;
  expectTotal(total, n % 2);
}

async function asyncAlternate(up: PromiseChannel<number>, down: PromiseChannel<number>, n: number) {
  for (let i = 0; i < n; i++) await (i % 2 === 0 ? up : down).put(1);
}
