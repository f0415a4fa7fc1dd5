/**
 * An echo over loopback: our server against the same one on bare `Deno.Conn`s, with the same clients
 * in a process of their own. Once for the time that a round trip takes, with all connections at
 * work, and once for what 99 of 100 take at most.
 *
 * Ours is the example, which hands what it has read over. `/loop` reads into a buffer of its own and
 * writes from there, as the other one does: where much is echoed, the two copies show.
 */
import { echo } from "../../examples/echo_server.ts";
import { fromPromise, main } from "../../mod.ts";
import { type Input, type Output, type TcpHandler, TcpServer } from "../../lib/io/mod.ts";
import { Clients } from "../clients.ts";
import { expectTotal, type Workload } from "../workload.ts";

interface Load {
  readonly connections: number;
  readonly bytes: number;
  readonly name: string;
  readonly handler: TcpHandler<Deno.NetAddr>;
  readonly hasTarget: boolean;
}

const loads: readonly Load[] = [1, 64, 1000].flatMap((connections) =>
  [64, 64 * 1024].flatMap((bytes) => {
    const name = `echo/${connections}x${bytes < 1024 ? `${bytes}B` : `${bytes / 1024}KiB`}`;
    return [
      { connections, bytes, name, handler: echo, hasTarget: true },
      { connections, bytes, name: `${name}/loop`, handler: loop, hasTarget: false },
    ];
  })
);

export const echoTimes: readonly Workload[] = loads.map((load) => ({
  name: load.name,
  unit: "round trip",
  size: sizeOf(load),
  targets: { conn: load.hasTarget ? 1.25 : null },
  run: {
    weft: async (n) => (await weft(load, n)).total,
    conn: async (n) => (await conn(load, n)).total,
  },
}));

export const echoLatencies: readonly Workload[] = loads.map((load) => ({
  name: `${load.name}/p99`,
  unit: "slow round trip",
  size: sizeOf(load),
  units: () => 1,
  targets: { conn: load.hasTarget ? 1.5 : null },
  run: {
    weft: async (n) => (await weft(load, n)).p99,
    conn: async (n) => (await conn(load, n)).p99,
  },
}));

/**
 * Round trips of a run: as many for every connection, enough of them that one in 100 says something,
 * and that a server is not measured while it is being compiled.
 */
function sizeOf({ connections, bytes }: Load) {
  const full = connections * Math.round((bytes > 1000 ? 8000 : 32_000) / connections);
  return { full, smoke: 2 * connections };
}

const address = { hostname: "127.0.0.1", port: 0 };
/** What both servers read at a time. */
const BUFFER = 64 * 1024;

function* serve(load: Load, n: number) {
  const server = yield* TcpServer.establish(address, load.handler);
  const measured = yield* fromPromise(measure(server.address.port, load, n));
  yield* server.shutdown();
  expectTotal(server.statistics().accepted, load.connections);
  return measured;
}

function* loop(_peer: Deno.Addr, input: Input, output: Output) {
  const buffer = new Uint8Array(BUFFER);
  for (let count; (count = yield* input.input(buffer)) > 0;) {
    yield* output.output(buffer.subarray(0, count));
    yield* output.flush();
  }
}

async function weft(load: Load, n: number): Promise<Measured> {
  return await main(() => serve(load, n));
}

async function conn(load: Load, n: number): Promise<Measured> {
  const listener = Deno.listen(address);
  const served: Promise<void>[] = [];
  const accepted = (async () => {
    for await (const conn of listener) served.push(asyncEcho(conn));
  })();
  const measured = await measure(listener.addr.port, load, n);
  listener.close();
  await accepted;
  await Promise.all(served);
  expectTotal(served.length, load.connections);
  return measured;
}

async function asyncEcho(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(BUFFER);
  for (let count; (count = await conn.read(buffer)) !== null;) {
    for (let sent = 0; sent < count;) sent += await conn.write(buffer.subarray(sent, count));
  }
  conn.close();
}

interface Measured {
  readonly total: number;
  readonly p99: number;
}

let clients: Clients | undefined;

async function measure(port: number, { connections, bytes }: Load, n: number): Promise<Measured> {
  clients ??= new Clients(import.meta.resolve("../echo_load.ts"));
  const rounds = n / connections;
  const [total, p99] = await clients.ask(`${port} ${connections} ${bytes} ${rounds}`);
  return { total: total!, p99: p99! };
}
