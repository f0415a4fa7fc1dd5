/** Ping and pong over two unbuffered channels: two hand-overs, and both sides meet at each. */
import { Channel, main, spawn } from "../../mod.ts";
import { mixed } from "../mix.ts";
import { PromiseChannel } from "../peers/promise_channel.ts";
import { expectTotal, libraries, sumBelow, type Workload } from "../workload.ts";

export const rendezvous: Workload = mixed({
  name: "rendezvous",
  unit: "round trip",
  iteration: 1000,
  targets: { go: 0.62, effect: libraries.effect, effection: null, promises: 0.5, generators: null },
  run: { weft: (n) => main(() => pingPong(n)), promises, generators },
});

/** Also what a fiber does while very many others are alive, in `crowd.ts`. */
export function* pingPong(n: number) {
  const ping = new Channel<number>({ capacity: 0 });
  const pong = new Channel<number>({ capacity: 0 });
  spawn(() => echo(ping, pong, n));
  let total = 0;
  for (let i = 0; i < n; i++) {
    yield* ping.send(i);
    total += yield* pong.receiveOrThrow();
  }
  expectTotal(total, sumBelow(n));
}

function* echo(ping: Channel<number>, pong: Channel<number>, n: number) {
  for (let i = 0; i < n; i++) yield* pong.send(yield* ping.receiveOrThrow());
}

async function promises(n: number): Promise<void> {
  const ping = new PromiseChannel<number>(0);
  const pong = new PromiseChannel<number>(0);
  const echoed = asyncEcho(ping, pong, n);
  let total = 0;
  for (let i = 0; i < n; i++) {
    await ping.put(i);
    total += await pong.take();
  }
  await echoed;
  expectTotal(total, sumBelow(n));
}

async function asyncEcho(ping: PromiseChannel<number>, pong: PromiseChannel<number>, n: number) {
  for (let i = 0; i < n; i++) await pong.put(await ping.take());
}

/** The floor: a value into a generator and out of it again. */
function generators(n: number): void {
  const echo = generatorEcho();
  echo.next(0);
  let total = 0;
  for (let i = 0; i < n; i++) total += echo.next(i).value;
  expectTotal(total, sumBelow(n));
}

function* generatorEcho(): Generator<number, never, number> {
  let value = 0;
  for (;;) value = yield value;
}
