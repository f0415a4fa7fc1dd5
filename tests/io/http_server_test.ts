import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  cancelScope,
  Channel,
  Event,
  fromPromise,
  main,
  map,
  type Operation,
  scope,
  spawn,
  yieldNow,
} from "@weft/weft";
import { channelFrom, readableFrom } from "@weft/weft/promise";
import { type HttpHandler, HttpServer, TcpClient } from "@weft/weft/io";
import { hostTurn, uncaughtSoon } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";

const options = { hostname: "127.0.0.1", port: 0 };

/** Runs `body` with the URL of a server, which is shut down in the end. */
async function withServer<T>(
  handler: HttpHandler,
  body: (url: string, server: HttpServer) => Operation<T>,
): Promise<T> {
  return await main(function* () {
    const server = yield* HttpServer.establish(options, handler);
    try {
      return yield* body(`http://127.0.0.1:${server.address.port}/`, server);
    } finally {
      yield* server.shutdown({ graceMs: 0 });
      assertEquals(server.statistics().requests, 0);
    }
  });
}

function* textOf(url: string, init?: RequestInit): Operation<string> {
  return yield* fromPromise(async (signal) => await (await fetch(url, { ...init, signal })).text());
}

function* until(condition: () => boolean): Operation<void> {
  while (!condition()) yield* fromPromise(hostTurn());
}

function* hello(): Operation<Response> {
  yield* yieldNow();
  return new Response("hello");
}

Deno.test("HttpServer runs a fiber for each request, and sends what it returns", async () => {
  await withServer(function* (request, info) {
    assertEquals((info.remoteAddr as Deno.NetAddr).hostname, "127.0.0.1");
    const body = yield* fromPromise(request.text());
    return new Response(`${request.method} ${body}`, { status: 201 });
  }, function* (url, server) {
    const bodies = ["a", "b", "c"];
    const answers = yield* map(bodies, (body) => textOf(url, { method: "POST", body }));
    assertEquals(answers, ["POST a", "POST b", "POST c"]);
    assertEquals(server.statistics().accepted, 3);
  });
});

Deno.test("HttpServer: a handler that fails is a 500 and reported; the server goes on", async () => {
  const boom = new Error("handler");
  const reported = await uncaughtSoon(() =>
    withServer(function* (request) {
      if (request.url.endsWith("broken")) throw boom;
      return yield* hello();
    }, function* (url) {
      const broken = yield* fromPromise(fetch(`${url}broken`));
      assertEquals(broken.status, 500);
      assertEquals(yield* fromPromise(broken.text()), "Internal Server Error");
      assertEquals(yield* textOf(url), "hello");
    })
  );
  assertEquals(reported, [boom]);
});

Deno.test("HttpServer: a handler that returns no Response, or isn't an operation, is a failure", async () => {
  const handlers = [
    function* () {
      return "text";
    },
    () => new Response("not a generator"),
  ];
  for (const handler of handlers) {
    const reported = await uncaughtSoon(() =>
      withServer(handler as never, function* (url) {
        assertEquals(yield* textOf(url), "Internal Server Error");
      })
    );
    assertEquals(reported.length, 1);
    assertInstanceOf(reported[0], TypeError);
  }
});

Deno.test("HttpServer: the failure of what a handler spawned is a 500, too", async () => {
  const boom = new Error("child");
  const reported = await uncaughtSoon(() =>
    withServer(function* () {
      spawn(function* () {
        throw boom;
      });
      return yield* Event.never();
    }, function* (url) {
      assertEquals(yield* textOf(url), "Internal Server Error");
    })
  );
  assertEquals(reported, [boom]);
});

Deno.test("HttpServer aborts a request's fiber when its client goes away", async () => {
  const log: string[] = [];
  await withServer(function* () {
    try {
      log.push("waiting");
      return yield* Event.never();
    } finally {
      log.push("gone");
    }
  }, function* (url) {
    const client = spawn(() => textOf(url), { propagateCancelToParent: false });
    yield* until(() => log.length === 1);
    yield* client.abort();
    yield* until(() => log.length === 2);
  });
  assertEquals(log, ["waiting", "gone"]);
});

Deno.test("HttpServer: a client that goes away in the middle of an upload is no failure of the handler's", async () => {
  const heads = [
    "content-length: 1000\r\n\r\nabc",
    "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n",
  ];
  const failures: unknown[] = [];
  function* upload(request: Request): Operation<string> {
    try {
      if (!request.url.endsWith("/stream")) return yield* fromPromise(request.text());
      const chunks = channelFrom(request.body!);
      while ((yield* chunks.receive()) !== undefined);
      return "complete";
    } catch (error) {
      failures.push(error);
      throw request.url.endsWith("/cause") ? new Error("upload", { cause: error }) : error;
    }
  }
  const reported = await uncaughtSoon(() =>
    withServer(function* (request) {
      if (request.url.endsWith("/spawned")) {
        return new Response(yield* spawn(() => upload(request)));
      }
      return new Response(yield* upload(request));
    }, function* (_url, server) {
      for (const path of ["plain", "stream", "cause", "spawned"]) {
        for (const head of heads) {
          const before = server.statistics().accepted;
          const conn = yield* fromPromise(Deno.connect({ ...options, port: server.address.port }));
          const request = bytes(`POST /${path} HTTP/1.1\r\nhost: x\r\n${head}`);
          yield* fromPromise(conn.write(request));
          yield* until(() => server.statistics().accepted > before);
          conn.close();
          yield* until(() => server.statistics().requests === 0);
        }
      }
    })
  );
  assertEquals(reported, []);
  assertEquals(failures.length, 8);
});

Deno.test("HttpServer: any other BadResource is a failure of the handler's", async () => {
  const boom = new Deno.errors.BadResource("of a file");
  const reported = await uncaughtSoon(() =>
    withServer(function* (request) {
      yield* fromPromise(request.text());
      throw boom;
    }, function* (url) {
      assertEquals(
        yield* textOf(url, { method: "POST", body: "complete" }),
        "Internal Server Error",
      );
    })
  );
  assertEquals(reported, [boom]);
});

/** A body that a fiber of the request's makes. */
function stream(make: (chunks: Channel<Uint8Array>) => Operation<void>): Response {
  const chunks = new Channel<Uint8Array>({ capacity: 0 });
  spawn(function* () {
    yield* make(chunks);
    chunks.close();
  });
  return new Response(readableFrom(chunks));
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("HttpServer streams a body that a fiber makes after the handler has returned", async () => {
  await withServer(function* () {
    return stream(function* (chunks) {
      for (const word of ["one ", "two ", "three"]) yield* chunks.send(bytes(word));
    });
  }, function* (url) {
    assertEquals(yield* textOf(url), "one two three");
  });
});

Deno.test("HttpServer streams request bodies through channels, both ways", async () => {
  const text = "x".repeat(300_000);
  await withServer(function* (request) {
    return stream(function* (chunks) {
      const received = channelFrom(request.body!);
      for (let chunk; (chunk = yield* received.receive()) !== undefined;) {
        yield* chunks.send(chunk.value);
      }
    });
  }, function* (url) {
    assertEquals(yield* textOf(url, { method: "POST", body: text }), text);
  });
});

Deno.test("HttpServer: a streaming body's fiber is aborted when the client goes away", async () => {
  const log: string[] = [];
  const reported = await uncaughtSoon(() =>
    withServer(function* () {
      return stream(function* (chunks) {
        try {
          while (true) yield* chunks.send(bytes("more and more "));
        } finally {
          log.push("gone");
        }
      });
    }, function* (url) {
      yield* fromPromise((async () => {
        const response = await fetch(url);
        const reader = response.body!.getReader();
        await reader.read();
        await reader.cancel();
      })());
      yield* until(() => log.length > 0);
    })
  );
  assertEquals([log, reported], [["gone"], []]);
});

Deno.test("HttpServer: a streaming body whose fiber fails breaks off, and doesn't look complete", async () => {
  const boom = new Error("in the middle");
  const reported = await uncaughtSoon(() =>
    withServer(function* () {
      return stream(function* (chunks) {
        yield* chunks.send(bytes("half of "));
        throw boom;
      });
    }, function* (url) {
      const error = yield* errorOf(fromPromise(fetch(url).then((response) => response.text())));
      assertInstanceOf(error, Error);
    })
  );
  assertEquals(reported, [boom]);
});

Deno.test("HttpServer: a body of the user's own that fails is reported", async () => {
  const boom = new Error("own stream");
  const reported = await uncaughtSoon(() =>
    withServer(function* () {
      return new Response(
        new ReadableStream({
          pull() {
            throw boom;
          },
        }, { highWaterMark: 0 }),
      );
    }, function* (url) {
      yield* errorOf(fromPromise(fetch(url).then((response) => response.text())));
      yield* fromPromise(hostTurn());
    })
  );
  assertEquals(reported, [boom]);
});

Deno.test("HttpServer: a request counts until its response is sent, also if its fiber has ended", async () => {
  let body!: ReadableStreamDefaultController<Uint8Array>;
  await withServer(
    // deno-lint-ignore require-yield -- it answers at once
    function* () {
      return new Response(new ReadableStream({ start: (controller) => void (body = controller) }));
    },
    function* (url, server) {
      const client = spawn(() => textOf(url));
      yield* until(() => server.statistics().accepted === 1);
      body.enqueue(bytes("one "));
      yield* fromPromise(hostTurn());
      assertEquals(server.statistics().requests, 1);
      body.enqueue(bytes("two"));
      body.close();
      assertEquals(yield* client, "one two");
      yield* until(() => server.statistics().requests === 0);
    },
  );
});

/** The next event of that name. */
function happens<E = unknown>(target: EventTarget, name: string): Operation<E> {
  return fromPromise(
    new Promise<E>((resolve) => {
      target.addEventListener(name, (event) => resolve(event as E), { once: true });
    }),
  );
}

/** What a client of a WebSocket sends first. */
const upgrade = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n" +
  "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

Deno.test("HttpServer: a handler upgrades to a WebSocket, whose fiber goes on and counts", async () => {
  const log: string[] = [];
  function* talk(socket: WebSocket): Operation<void> {
    try {
      const { data } = yield* happens<MessageEvent>(socket, "message");
      socket.send(`echo ${data}`);
      yield* happens(socket, "close");
      log.push("closed");
    } finally {
      socket.close();
    }
  }
  await withServer(function* (request) {
    const { socket, response } = Deno.upgradeWebSocket(request);
    yield* yieldNow(); // for Deno aborts the signal of a request that is upgraded
    spawn(() => talk(socket));
    return response;
  }, function* (url, server) {
    const client = new WebSocket(url.replace("http", "ws"));
    yield* happens(client, "open");
    client.send("hello");
    assertEquals((yield* happens<MessageEvent>(client, "message")).data, "echo hello");
    assertEquals(server.statistics(), { requests: 1, accepted: 1 });
    client.close();
    yield* happens(client, "close");
    yield* until(() => server.statistics().requests === 0);
  });
  assertEquals(log, ["closed"]);
});

Deno.test("HttpServer.shutdown(): WebSockets are closed at once; what their fibers do after that may take its time", async () => {
  const log: string[] = [];
  const mayEnd = Promise.withResolvers<void>();
  await withServer(function* (request) {
    const { socket, response } = Deno.upgradeWebSocket(request);
    spawn(function* () {
      yield* happens(socket, "close");
      log.push("closed");
      yield* fromPromise(mayEnd.promise);
      log.push("done");
    });
    return response;
  }, function* (url, server) {
    const client = new WebSocket(url.replace("http", "ws"));
    yield* happens(client, "open");
    const closing = spawn(() => server.shutdown());
    assertEquals((yield* happens<CloseEvent>(client, "close")).code, 1001);
    yield* until(() => log.length > 0);
    assertEquals([closing.state, server.statistics().requests], ["running", 1]);
    mayEnd.resolve();
    yield* closing;
  });
  assertEquals(log, ["closed", "done"]);
});

Deno.test("HttpServer.shutdown() and an abort don't wait for a client that upgrades and says nothing more", async () => {
  for (const end of ["shutdown", "abort"]) {
    for (const hasFiber of [false, true]) {
      let closed = false;
      let aborted = false;
      const handler: HttpHandler = function* (request) {
        const { socket, response } = Deno.upgradeWebSocket(request);
        socket.onclose = () => void (closed = true);
        const stay = function* () {
          try {
            yield* Event.never();
          } finally {
            aborted = true;
            socket.close();
          }
        };
        if (hasFiber) spawn(stay);
        yield* yieldNow();
        return response;
      };
      await main(function* () {
        yield* cancelScope(function* (context) {
          const server = yield* HttpServer.establish(options, handler);
          const { port } = server.address;
          yield* TcpClient.withConnect({ hostname: "127.0.0.1", port }, function* (input, output) {
            yield* output.outputString(upgrade);
            yield* output.flush();
            assertEquals((yield* input.readLine())?.value, "HTTP/1.1 101 Switching Protocols");
            if (end === "shutdown") yield* server.shutdown({ graceMs: 0 });
            else context.cancel();
          });
        });
        yield* until(() => closed);
      });
      assertEquals(aborted, hasFiber);
    }
  }
});

let cancelledBodies = 0;

/** How a handler doesn't return what `Deno.upgradeWebSocket` gave it, and how many failures that is. */
const lost: Record<string, { handler: () => Operation<Response>; failures: number }> = {
  "throws at once": {
    // deno-lint-ignore require-yield -- it fails before it could wait
    *handler() {
      throw new Error("after the upgrade");
    },
    failures: 1,
  },
  "throws later": {
    *handler() {
      yield* fromPromise(hostTurn());
      throw new Error("after the upgrade");
    },
    failures: 1,
  },
  "fails with what it spawned": {
    *handler() {
      // deno-lint-ignore require-yield -- it fails before it could wait
      spawn(function* () {
        throw new Error("after the upgrade");
      });
      return yield* Event.never();
    },
    failures: 1,
  },
  "returns another response at once": {
    // deno-lint-ignore require-yield -- nor does it have to
    *handler() {
      return new Response(new ReadableStream({ cancel: () => void cancelledBodies++ }));
    },
    failures: 1,
  },
  "returns another response later": { handler: hello, failures: 1 },
  "is aborted by the shutdown": { handler: () => Event.never(), failures: 0 },
};

for (const [how, { handler, failures }] of Object.entries(lost)) {
  Deno.test(`HttpServer: a handler that upgrades and then ${how} ends its socket, and no more`, async () => {
    let closed = false;
    const errors = await uncaughtSoon(() =>
      withServer(function* (request) {
        if (!request.headers.has("upgrade")) return yield* hello();
        Deno.upgradeWebSocket(request).socket.onclose = () => void (closed = true);
        return yield* handler();
      }, function* (url, server) {
        const { port } = server.address;
        yield* TcpClient.withConnect({ hostname: "127.0.0.1", port }, function* (input, output) {
          yield* output.outputString(upgrade);
          yield* output.flush();
          yield* until(() => server.statistics().accepted > 0);
          if (failures === 0) yield* server.shutdown({ graceMs: 0 });
          const head = yield* input.readLine();
          assertEquals(head?.value, "HTTP/1.1 101 Switching Protocols");
          while (((yield* input.readLine())?.value ?? "") !== "");
        }); // a client that was not told that this is a WebSocket leaves
        if (failures > 0) assertEquals(yield* textOf(url), "hello");
        yield* until(() => closed);
      })
    );
    assertEquals(errors.length, failures);
    if (!how.startsWith("returns")) return;
    assertInstanceOf(errors[0], TypeError);
    assert(errors[0].message.includes("Deno.upgradeWebSocket"));
    assertEquals(cancelledBodies, 1); // nobody would ever read it
  });
}

Deno.test("HttpServer.shutdown() lets requests finish, and accepts no more", async () => {
  const gate = new Channel<void>();
  let waiting = false;
  await withServer(function* () {
    waiting = true;
    yield* gate.receive();
    return new Response("finished");
  }, function* (url, server) {
    const client = spawn(() => textOf(url));
    yield* until(() => waiting);
    const shutdown = spawn(() => server.shutdown({ graceMs: 60_000 }));
    yield* yieldNow();
    gate.trySend();
    assertEquals(yield* client, "finished");
    yield* shutdown;
    const error = yield* errorOf(fromPromise(fetch(url)));
    assertInstanceOf(error, TypeError);
  });
});

Deno.test("HttpServer.shutdown({ graceMs }) aborts what takes longer: a 503", async () => {
  let waiting = false;
  await withServer(function* () {
    waiting = true;
    return yield* Event.never();
  }, function* (url, server) {
    const client = spawn(() =>
      fromPromise((async () => {
        const response = await fetch(url);
        return [response.status, await response.text()];
      })())
    );
    yield* until(() => waiting);
    yield* server.shutdown({ graceMs: 1 });
    assertEquals(yield* client, [503, "Service Unavailable"]);
  });
});

Deno.test("law 1: HttpServer: an abort of its scope ends it in the middle of everything", async () => {
  for (let turns = 0; turns < 20; turns++) {
    const clients: Promise<unknown>[] = [];
    const program = main(function* () {
      const server = yield* HttpServer.establish(options, function* (request) {
        yield* yieldNow();
        if (request.url.endsWith("never")) return yield* Event.never();
        return new Response("x".repeat(100_000));
      });
      const url = `http://127.0.0.1:${server.address.port}/`;
      for (const path of ["now", "never", "now", "never"]) {
        clients.push(fetch(url + path).then((r) => r.text()).catch(() => {}));
      }
      yield* Event.never();
    });
    for (let turn = 0; turn < turns; turn++) await hostTurn();
    await program.abort();
    await Promise.all(clients);
  }
});

Deno.test("law 1: HttpServer: a scope that fails before the server's fiber has begun closes it, too", async () => {
  const boom = new Error("right after");
  let port = 0;
  const error = await main(() =>
    errorOf(scope(function* () {
      port = (yield* HttpServer.establish(options, hello)).address.port;
      throw boom;
    }))
  );
  assertEquals(error, boom);
  await hostTurn();
  await assertRejects(() => fetch(`http://127.0.0.1:${port}/`));
});

Deno.test("HttpServer: a request that comes before the server's fiber has begun waits for it", async () => {
  const { serve } = Deno;
  let early: Promise<Response> | undefined;
  try {
    // deno-lint-ignore no-explicit-any -- it has many signatures
    Deno.serve = ((options: any, handler: any) => {
      const { promise: completed, resolve } = Promise.withResolvers<void>();
      early = Promise.resolve(handler(new Request("http://early/"), { completed }));
      early.then(() => resolve());
      return serve(options, handler);
      // deno-lint-ignore no-explicit-any -- as above
    }) as any;
    await withServer(hello, function* () {
      const response = yield* fromPromise(early!);
      assertEquals([response.status, yield* fromPromise(response.text())], [200, "hello"]);
    });
  } finally {
    Deno.serve = serve;
  }
});

Deno.test("HttpServer.establish() under await lives until it is shut down; it throws what listening fails with", async () => {
  const server = await HttpServer.establish(options, hello);
  const url = `http://127.0.0.1:${server.address.port}/`;
  assertEquals(await (await fetch(url)).text(), "hello");
  await assertRejects(
    async () => void (await HttpServer.establish({ ...options, port: server.address.port }, hello)),
    Deno.errors.AddrInUse,
  );
  await server.shutdown();
  await assertRejects(() => fetch(url));
});

Deno.test("HttpServer({ tls }) serves HTTPS", async () => {
  const pem = (name: string) =>
    Deno.readTextFileSync(new URL(`certificates/${name}.pem`, import.meta.url));
  const tls = { cert: pem("localhost"), key: pem("localhost_key") };
  using client = Deno.createHttpClient({ caCerts: [pem("ca")] });
  await main(function* () {
    const server = yield* HttpServer.establish({ ...options, tls }, hello);
    const url = `https://localhost:${server.address.port}/`;
    assertEquals(yield* fromPromise(fetch(url, { client }).then((r) => r.text())), "hello");
    yield* server.shutdown();
  });
});

Deno.test({
  name: "HttpServer over a Unix socket",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    const path = `${folder}/socket`;
    await main(function* () {
      const server = yield* HttpServer.establish({ path }, hello);
      assertEquals(server.address.path, path);
      const answer = yield* TcpClient.withConnect(
        { transport: "unix", path },
        function* (input, output) {
          yield* output.outputString("GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
          yield* output.flush();
          return yield* input.inputAllText();
        },
      );
      assertEquals(answer.split("\r\n\r\n")[1], "hello");
      yield* server.shutdown();
    });
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("HttpServer says what is wrong with its arguments", async () => {
  assertThrows(() => HttpServer.establish(1 as never, hello), TypeError, "options must be an");
  assertThrows(() => HttpServer.establish(options, 1 as never), TypeError, "handler must be a");
  const wrong: [object, typeof TypeError | typeof RangeError, string][] = [
    [{ port: "80" }, TypeError, 'port must be a number, got "80"'],
    [{ port: 65536 }, RangeError, "port must be an integer from 0 to 65535, got 65536"],
    [{ hostname: 5 }, TypeError, "hostname must be a string, got 5"],
    [{ path: "" }, TypeError, "path must be a string that isn't empty"],
    [{ tls: true }, TypeError, "tls must be an object with cert and key, got true"],
    [{ onListen() {} }, TypeError, "onListen must not be given; the server sees to that itself"],
  ];
  for (const [options, type, message] of wrong) {
    assertThrows(
      () => HttpServer.establish(options as never, hello),
      type,
      `Cannot establish the server: ${message}`,
    );
  }
  assertThrows(() => Reflect.construct(HttpServer, []), TypeError, "use HttpServer.establish");
  await withServer(hello, function* (url, server) {
    assertThrows(() => server.shutdown({ graceMs: NaN }), RangeError, "graceMs");
    assert(url.startsWith("http://"));
    yield* yieldNow();
  });
});
