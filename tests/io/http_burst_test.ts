/** HttpServer under requests that come all at once (law 10), and that leave before their turn. */
import { assert, assertEquals } from "@std/assert";
import { fromPromise, main, sleep, spawn, withTimeout, yieldNow } from "../../mod.ts";
import { HttpServer } from "../../lib/io/mod.ts";

const request = new TextEncoder().encode("GET / HTTP/1.1\r\nhost: x\r\n\r\n");

function connect(address: Deno.Addr): Promise<Deno.Conn> {
  const { hostname, port } = address as Deno.NetAddr;
  return Deno.connect({ hostname, port });
}

function spin(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

Deno.test("law 10: HttpServer: slow handlers of a burst of requests don't keep the host from its turn", async () => {
  await main(function* () {
    let sinceTurn = 0;
    let most = 0;
    const server = yield* HttpServer.establish({ hostname: "127.0.0.1", port: 0 }, function* () {
      most = Math.max(most, ++sinceTurn);
      spin(3);
      return new Response("x");
    });
    const turns = setInterval(() => sinceTurn = 0, 0);
    yield* fromPromise(Promise.all(Array.from({ length: 100 }, async () => {
      using client = await connect(server.address);
      await client.write(request);
      await client.read(new Uint8Array(1000));
    })));
    clearInterval(turns);
    // A slice of steps may be as long as 128 before the scheduler knows that they are slow.
    assert(most < 60, `${most} handlers ran with no turn of the host in between`);
    yield* server.shutdown({ graceMs: 100 });
  });
});

Deno.test("law 3: HttpServer: a client that leaves before its handler has begun is noticed", async () => {
  await main(function* () {
    let begun = 0;
    let ended = 0;
    const server = yield* HttpServer.establish({ hostname: "127.0.0.1", port: 0 }, function* () {
      begun++;
      try {
        yield* sleep(Infinity);
      } finally {
        ended++;
      }
      return new Response("x");
    });
    const busy = Array.from({ length: 100 }, () =>
      spawn(function* () {
        for (;;) {
          spin(1);
          yield* yieldNow();
        }
      }));
    const client = yield* fromPromise(connect(server.address));
    yield* fromPromise(client.write(request));
    while (server.statistics().requests === 0) yield* yieldNow();
    client.close();
    yield* withTimeout(10_000, function* () {
      while (server.statistics().requests > 0) yield* yieldNow();
    });
    for (const fiber of busy) fiber.abort();
    assertEquals(ended, begun);
    yield* server.shutdown({ graceMs: 0 });
  });
});
