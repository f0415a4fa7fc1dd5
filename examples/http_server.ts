/**
 * An HTTP server with the usual kinds of answers.
 *
 * ```sh
 * deno run --allow-net --unstable-no-legacy-abort examples/http_server.ts 8000
 * curl http://127.0.0.1:8000/
 * curl -N http://127.0.0.1:8000/ticks?count=5
 * curl --data-binary @README.md http://127.0.0.1:8000/upper
 * ```
 *
 * Whatever a request has started ends when its client goes away: there is no code for that in here.
 * Ctrl-C lets the requests finish for some seconds.
 *
 * @module
 */
import { Channel, main, type Operation, sleep, spawn, Timeout, withTimeout } from "@weft/weft";
import { channelFrom, readableFrom } from "@weft/weft/promise";
import { HttpServer, signalEvent } from "@weft/weft/io";
import { orExit, readPort } from "./command_line.ts";

/** Answers one request, in a fiber of its own. */
export function* answer(request: Request): Operation<Response> {
  try {
    return yield* route(request);
  } catch (error) {
    if (!(error instanceof BadRequest)) throw error;
    return new Response(`${error.message}\n`, { status: 400 });
  }
}

/** What the client has asked for cannot be: the message tells it why. */
class BadRequest extends Error {}

function* route(request: Request): Operation<Response> {
  const { pathname, searchParams } = new URL(request.url);
  // Asked for before the response begins: later it would be too late for another status.
  const number = (name: string, otherwise: number) => {
    const text = searchParams.get(name) ?? String(otherwise);
    if (/^\d{1,9}$/.test(text)) return Number(text);
    throw new BadRequest(`${name} must be a whole number`);
  };
  switch (pathname) {
    case "/":
      return new Response("try /ticks?count=3&ms=100, /upper, /slow?ms=200 and /broken\n");
    case "/ticks": {
      const count = number("count", 3);
      const ms = number("ms", 100);
      return stream((chunks) => tick(chunks, count, ms));
    }
    case "/upper": {
      const { body } = request;
      if (body === null) throw new BadRequest("POST something");
      return stream((chunks) => upper(body, chunks));
    }
    case "/slow": {
      const ms = number("ms", 200);
      return yield* inTime(1000, () => slow(ms));
    }
    case "/broken":
      throw new Error("/broken is broken");
    default:
      return new Response("not found\n", { status: 404 });
  }
}

/** A response whose body a fiber of the request's makes; it waits while the client is behind. */
function stream(make: (chunks: Channel<string>) => Operation<void>): Response {
  const chunks = new Channel<string>({ capacity: 0 });
  spawn(function* () {
    yield* make(chunks);
    chunks.close(); // not if it fails: then the body must not look complete
  });
  return new Response(readableFrom(chunks).pipeThrough(new TextEncoderStream()));
}

function* tick(chunks: Channel<string>, count: number, ms: number): Operation<void> {
  for (let n = 1; n <= count; n++) {
    yield* sleep(ms);
    yield* chunks.send(`tick ${n}\n`);
  }
}

function* upper(body: ReadableStream<Uint8Array>, chunks: Channel<string>): Operation<void> {
  const decoder = new TextDecoder();
  const received = channelFrom(body);
  for (let chunk; (chunk = yield* received.receive()) !== undefined;) {
    yield* chunks.send(decoder.decode(chunk.value, { stream: true }).toUpperCase());
  }
}

function* slow(ms: number): Operation<Response> {
  yield* sleep(ms);
  return new Response(`that took ${ms} ms\n`);
}

/** Some answers are not worth waiting for. */
function* inTime(ms: number, body: () => Operation<Response>): Operation<Response> {
  try {
    return yield* withTimeout(ms, body);
  } catch (error) {
    if (!(error instanceof Timeout)) throw error;
    return new Response(`not within ${ms} ms\n`, { status: 504 });
  }
}

function* serve(port: number): Operation<void> {
  const server = yield* orExit(
    `listen on port ${port}`,
    () => HttpServer.establish({ hostname: "127.0.0.1", port }, answer),
  );
  console.log(`listening on http://127.0.0.1:${server.address.port}/`);
  yield* signalEvent("SIGINT", "SIGTERM");
  yield* server.shutdown({ graceMs: 5000 });
}

if (import.meta.main) {
  const port = readPort(Deno.args, 0);
  // Not awaited: a program that is stuck then ends as a Deadlock, which names its fibers.
  main(() => serve(port), { name: "HTTP server" });
}
