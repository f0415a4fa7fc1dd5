/** Ten thousand connections that come and go, in every way there is. */
import { assert, assertEquals } from "@std/assert";
import { Abort, fromPromise, main, map, type Operation, spawn, yieldNow } from "@weft/weft";
import { type Input, type Output, TcpClient, TcpServer } from "@weft/weft/io";
import { hostTurn, uncaughtSoon } from "../kit/uncaught.ts";

const CONNECTIONS = 10_000;
const AT_A_TIME = 100;

/** What the server has acknowledged, and what the clients have seen of that. */
const accepted = new Set<string>();
const acknowledged = new Set<string>();

function* serve(_peer: Deno.Addr, input: Input, output: Output): Operation<void> {
  for (let line; (line = yield* input.readLine()) !== undefined;) {
    accepted.add(line.value);
    yield* output.outputLine(`got ${line.value}`);
    yield* output.flush();
  }
}

function* say(output: Output, line: string): Operation<void> {
  yield* output.outputLine(line);
  yield* output.flush();
}

/** Waits for the acknowledgement of `line`. */
function* hear(input: Input, line: string): Operation<void> {
  const answer = yield* input.readLine();
  if (answer === undefined) return;
  assertEquals(answer.value, `got ${line}`);
  acknowledged.add(line);
}

/** The ways to be a client, which take turns. */
const clients: ((address: Deno.ConnectOptions, n: number) => Operation<unknown>)[] = [
  (address, n) =>
    // well-behaved
    TcpClient.withConnect(address, function* (input, output) {
      yield* say(output, `${n}`);
      yield* hear(input, `${n}`);
    }),
  (address, n) =>
    // half-closes, and reads the rest
    TcpClient.withConnect(address, function* (input, output) {
      yield* say(output, `${n}`);
      yield* output.close();
      yield* hear(input, `${n}`);
      assertEquals(yield* input.readLine(), undefined);
    }),
  (address) => TcpClient.withConnect(address, () => yieldNow()), // says nothing
  function* (address, n) { // goes away without reading the answer: a reset
    const conn = yield* fromPromise(Deno.connect(address));
    yield* fromPromise(conn.write(new TextEncoder().encode(`${n}\n`)));
    yield* fromPromise(hostTurn());
    conn.close();
  },
  function* (address, n) { // is aborted somewhere in the middle
    const client = spawn(() =>
      TcpClient.withConnect(address, function* (input, output) {
        yield* say(output, `${n}`);
        yield* hear(input, `${n}`);
      }), { propagateCancelToParent: false });
    for (let turn = n % 7; turn > 0; turn--) yield* fromPromise(hostTurn());
    yield* client.abort("changed its mind");
    const result = yield* client.join();
    if (!result.ok) assert((result.error as Error).cause instanceof Abort, String(result.error));
  },
];

Deno.test("ten thousand connections that come and go leave nothing behind, and nothing acknowledged is lost", async () => {
  const reported = await uncaughtSoon(() =>
    main(function* () {
      const address = { hostname: "127.0.0.1", port: 0, maxConnections: 64 };
      const server = yield* TcpServer.establish(address, serve);
      const numbers = Array.from({ length: CONNECTIONS }, (_, n) => n);
      yield* map(numbers, (n) => clients[n % clients.length]!(server.address, n), {
        concurrency: AT_A_TIME,
      });
      while (server.statistics().connections > 0) yield* fromPromise(hostTurn());
      yield* server.shutdown();
    })
  );
  assertEquals(reported, []);
  assert(acknowledged.size >= CONNECTIONS * 2 / 5, `${acknowledged.size}`);
  for (const line of acknowledged) assert(accepted.has(line), line);
});

Deno.test({
  name: "TcpServer waits when the system has no room for another connection, and goes on",
  ignore: Deno.build.os === "windows",
  async fn() {
    const program = new URL("../../examples/echo_server.ts", import.meta.url).pathname;
    const server = new Deno.Command("sh", {
      args: [
        "-c",
        'ulimit -n 48; exec "$0" run --quiet --allow-net "$1"',
        Deno.execPath(),
        program,
      ],
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    const stderr = new Response(server.stderr).text();
    const stdout = server.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const port = Number(/\d+/.exec((await stdout.read()).value ?? "")?.[0]);
    const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
    const crowd = await Promise.all(Array.from({ length: 60 }, connect)); // more than it can open
    const buffer = new Uint8Array(5);
    const served = crowd.map(async (conn) => {
      await conn.write(new TextEncoder().encode("hello"));
      const count = await conn.read(buffer.slice());
      conn.close();
      return count;
    });
    assertEquals(await Promise.all(served), Array(60).fill(5)); // those that had to wait, too
    server.kill("SIGINT");
    assertEquals([(await server.status).code, await stderr], [0, ""]);
    await stdout.cancel();
  },
});
