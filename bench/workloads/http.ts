/**
 * Requests to an HTTP server, on 64 connections that are kept: `HttpServer` against bare
 * `Deno.serve`, with the same clients in a process of their own. Once for the least that a handler
 * can do, and once for one that reads a JSON body and answers with JSON.
 */
import { fromPromise, main, type Operation } from "../../mod.ts";
import { HttpServer } from "../../lib/io/mod.ts";
import { Clients } from "../clients.ts";
import { greeting, type Kind, type Order, receiptOf } from "../http_kinds.ts";
import { expectTotal, type Workload } from "../workload.ts";

const connections = 64;
const address = { hostname: "127.0.0.1", port: 0 };

export const httpRequests: readonly Workload[] = (["hello", "order"] as const).map((kind) => ({
  name: `http/${kind}`,
  unit: "request",
  size: { full: connections * 500, smoke: connections },
  // Without it Deno warns that it aborts the signal of a request also after a success.
  flags: ["--unstable-no-legacy-abort"],
  targets: { serve: 1.11 },
  run: {
    weft: async (n) => await main(() => weft(kind, n)),
    serve: (n) => serve(kind, n),
  },
}));

function* weft(kind: Kind, n: number) {
  const server = yield* HttpServer.establish(address, handlers[kind]);
  const measured = yield* fromPromise(measure(server.address.port, kind, n));
  yield* server.shutdown();
  expectTotal(server.statistics().accepted, n + connections);
  return measured;
}

const handlers: Record<Kind, (request: Request) => Operation<Response>> = { hello, order };

function* hello() {
  return new Response(greeting);
}

function* order(request: Request) {
  const order: Order = yield* fromPromise(request.json());
  return Response.json(receiptOf(order));
}

async function serve(kind: Kind, n: number): Promise<number> {
  const server = Deno.serve({ ...address, onListen() {} }, asyncHandlers[kind]);
  const measured = await measure(server.addr.port, kind, n);
  await server.shutdown();
  return measured;
}

const asyncHandlers: Record<Kind, (request: Request) => Response | Promise<Response>> = {
  hello: () => new Response(greeting),
  order: async (request) => Response.json(receiptOf(await request.json())),
};

let clients: Clients | undefined;

async function measure(port: number, kind: Kind, n: number): Promise<number> {
  clients ??= new Clients(import.meta.resolve("../http_load.ts"));
  const [total] = await clients.ask(`${port} ${connections} ${n / connections} ${kind}`);
  return total!;
}
