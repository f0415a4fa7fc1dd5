import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { delay } from "@std/async";
import {
  Abort,
  afterEvent,
  type Awaitable,
  Channel,
  Event,
  Fiber,
  FiberAborted,
  fromPromise,
  main,
  map,
  type Operation,
  protect,
  type Result,
  scope,
  select,
  sleep,
  spawn,
  Timeout,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { type Input, type Output, TcpClient, TcpServer } from "@weft/weft/io";
import { errorOf as errorOfResult, reasonOf } from "../kit/results.ts";
import { hostTurn, uncaughtSoon } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";

const address = { hostname: "127.0.0.1", port: 0 };
const folder = new URL("certificates/", import.meta.url);
const pem = (name: string) => Deno.readTextFileSync(new URL(`${name}.pem`, folder));
const tls = { cert: pem("localhost"), key: pem("localhost_key") };
const trust = { caCerts: [pem("ca")] };

function* echo(_peer: Deno.Addr, input: Input, output: Output): Operation<void> {
  for (let line; (line = yield* input.readLine()) !== undefined;) {
    yield* output.outputLine(line.value);
    yield* output.flush();
  }
}

function* say(output: Output, line: string): Operation<void> {
  yield* output.outputLine(line);
  yield* output.flush();
}

/** Says `line` and returns the answer. */
function ask(line: string) {
  return function* (input: Input, output: Output): Operation<string | undefined> {
    yield* say(output, line);
    return (yield* input.readLine())?.value;
  };
}

/** Runs `body` with a server, which is shut down in the end. */
async function withServer<T>(
  handler: (peer: Deno.Addr, input: Input, output: Output) => Operation<void>,
  body: (server: TcpServer) => Operation<T>,
  options: { maxConnections?: number } = {},
): Promise<T> {
  return await main(function* () {
    const server = yield* TcpServer.establish({ ...address, ...options }, handler);
    try {
      return yield* body(server);
    } finally {
      yield* server.shutdown({ graceMs: 0 });
      assertEquals(server.statistics().connections, 0);
    }
  });
}

/** A connection of which every byte is ours to send. */
function* rawClient(
  server: TcpServer,
  body: (conn: Deno.TcpConn) => Promise<unknown>,
): Operation<void> {
  yield* fromPromise(rawConnect(server, body));
}

async function rawConnect(
  server: TcpServer,
  body: (conn: Deno.TcpConn) => Promise<unknown>,
): Promise<void> {
  const conn = await Deno.connect(server.address);
  try {
    await body(conn);
  } finally {
    try {
      conn.close();
    } catch { /* the test has closed it */ }
  }
}

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("TcpServer.establish() listens when it returns, and tells the port; each connection has a fiber", async () => {
  const peers: Deno.Addr[] = [];
  await withServer(function* (peer, input, output) {
    peers.push(peer);
    yield* echo(peer, input, output);
  }, function* (server) {
    assert(server.address.port > 0);
    assertEquals(server.address.hostname, "127.0.0.1");
    const answers = yield* map(
      ["a", "b", "c"],
      (line) => TcpClient.withConnect(server.address, ask(line)),
    );
    assertEquals(answers, ["a", "b", "c"]);
    assertEquals(server.statistics().accepted, 3);
  });
  assertEquals(peers.map((peer) => (peer as Deno.NetAddr).hostname), Array(3).fill("127.0.0.1"));
});

Deno.test("law 1: TcpServer: the scope that established it waits for it, and an abort ends all of it", async () => {
  const log: string[] = [];
  const program = main(function* () {
    const server = yield* TcpServer.establish(address, function* (_peer, input) {
      try {
        log.push("serving");
        yield* input.readLine();
      } finally {
        log.push("gone");
      }
    });
    yield* TcpClient.withConnect(server.address, function* () {
      yield* Event.never();
    });
  });
  while (log.length === 0) await hostTurn();
  await program.abort("enough");
  assertEquals(log, ["serving", "gone"]);
});

Deno.test("TcpServer.establish() under await lives until it is shut down", async () => {
  const server = await TcpServer.establish(address, echo);
  assertEquals(await TcpClient.withConnect(server.address, ask("hello")), "hello");
  await server.shutdown();
  await assertRejects(
    async () => void (await TcpClient.withConnect(server.address, ask("anybody?"))),
    Deno.errors.ConnectionRefused,
  );
});

Deno.test("TcpServer.establish() throws what listening fails with", async () => {
  await withServer(echo, function* (server) {
    const error = yield* errorOf(
      TcpServer.establish(server.address as Deno.TcpListenOptions, echo),
    );
    assertInstanceOf(error, Deno.errors.AddrInUse);
  });
  await assertRejects(
    async () => void (await TcpServer.establish({ ...address, port: 1 << 20 }, echo)),
  );
});

Deno.test("law 3: TcpServer.establish() in an aborting fiber doesn't listen", async () => {
  const result = await main(function* () {
    const fiber = spawn(function* () {
      Fiber.current().abort("too late");
      yield* TcpServer.establish(address, echo);
    });
    return yield* fiber.join();
  });
  assertEquals(reasonOf(result), "too late");
});

Deno.test("TcpServer: what a handler has output is written when it returns, and the connection closed", async () => {
  await withServer(function* (_peer, _input, output) {
    yield* output.outputLine("bye"); // not flushed
  }, function* (server) {
    const all = yield* TcpClient.withConnect(server.address, (input) => input.inputAllText());
    assertEquals(all, "bye\n");
  });
});

Deno.test("law 1: TcpServer: a connection stays open until all that its handler spawned is gone", async () => {
  await withServer(function* (_peer, _input, output) {
    spawn(function* () {
      for (let turn = 0; turn < 10; turn++) yield* yieldNow();
      yield* output.outputString("from a fiber");
    });
  }, function* (server) {
    const all = yield* TcpClient.withConnect(server.address, (input) => input.inputAllText());
    assertEquals(all, "from a fiber");
  });
});

Deno.test("TcpServer: a handler's failure closes its connection, is reported, and the others go on", async () => {
  const boom = new Error("handler");
  const reported = await uncaughtSoon(() =>
    withServer(function* (_peer, input, output) {
      const line = yield* input.readLine();
      yield* output.outputLine(`not flushed: ${line?.value}`);
      if (line?.value === "fail") throw boom;
      yield* output.flush();
      yield* echo(_peer, input, output);
    }, function* (server) {
      yield* TcpClient.withConnect(server.address, function* (input, output) {
        yield* say(output, "before");
        assertEquals((yield* input.readLine())?.value, "not flushed: before");
        assertEquals(yield* TcpClient.withConnect(server.address, ask("fail")), undefined);
        yield* say(output, "after");
        assertEquals((yield* input.readLine())?.value, "after");
      });
    })
  );
  assertEquals(reported, [boom]);
});

Deno.test("TcpServer: the failure of what a handler spawned is the handler's", async () => {
  const boom = new Error("child");
  const reported = await uncaughtSoon(() =>
    withServer(function* () {
      spawn(function* () {
        throw boom;
      });
      yield* Event.never();
    }, function* (server) {
      const all = yield* TcpClient.withConnect(server.address, (input) => input.inputAllText());
      assertEquals(all, "");
    })
  );
  assertEquals(reported, [boom]);
});

Deno.test("TcpServer without an uncaught handler tells the console of a failure, and goes on", async () => {
  const { error } = console;
  const told: unknown[] = [];
  console.error = (...args: unknown[]) => void told.push(...args);
  const boom = new Error("to the console");
  try {
    await withServer(function* (_peer, input) {
      if ((yield* input.readLine())?.value === "fail") throw boom;
    }, function* (server) {
      yield* TcpClient.withConnect(server.address, ask("fail"));
      yield* TcpClient.withConnect(server.address, ask("fine"));
    });
  } finally {
    console.error = error;
  }
  assertEquals(told, [boom]);
});

Deno.test("TcpServer({ maxConnections }) serves no more at a time; the others wait their turn", async () => {
  let now = 0;
  let most = 0;
  const answers = await withServer(function* (peer, input, output) {
    most = Math.max(most, ++now);
    try {
      yield* echo(peer, input, output);
    } finally {
      now--;
    }
  }, function* (server) {
    const names = Array.from({ length: 20 }, (_, n) => `${n}`);
    return yield* map(names, (name) => TcpClient.withConnect(server.address, ask(name)));
  }, { maxConnections: 3 });
  assertEquals(answers.length, 20);
  assertEquals(most, 3);
});

Deno.test({
  name: "TcpServer: a client that resets while it waits in line is no matter to the server",
  ignore: !hasPython(),
  async fn() {
    const reset = "import socket, struct, sys\n" +
      "for _ in range(3):\n" +
      "  s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))\n" +
      "  s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))\n" +
      "  s.close()";
    await withServer(echo, function* (server) {
      yield* TcpClient.withConnect(server.address, function* (input, output) {
        yield* say(output, "first"); // so nobody else is accepted
        yield* input.readLine();
        const args = ["-c", reset, `${server.address.port}`];
        yield* fromPromise(new Deno.Command("python3", { args }).output());
      });
      assertEquals(yield* TcpClient.withConnect(server.address, ask("hello")), "hello");
    }, { maxConnections: 1 });
  },
});

function hasPython(): boolean {
  try {
    return new Deno.Command("python3", { args: ["-c", ""] }).outputSync().success;
  } catch {
    return false;
  }
}

/** What a server does, and how long it waits, when accepting fails so, once for each code. */
async function acceptFailingWith(codes: readonly string[]): Promise<Result<unknown>> {
  const { listen } = Deno;
  const failures = codes.map((code) => Object.assign(new Error(code), { code }));
  try {
    Deno.listen = ((options: Deno.TcpListenOptions) => {
      const listener = listen(options);
      const accept = listener.accept.bind(listener);
      listener.accept = () => {
        const failure = failures.shift();
        return failure === undefined ? accept() : Promise.reject(failure);
      };
      return listener;
    }) as typeof Deno.listen;
    return await main(function* () {
      const fiber = spawn(
        function* () {
          const server = yield* TcpServer.establish(address, echo);
          const started = performance.now();
          yield* TcpClient.withConnect(server.address, ask("hello"));
          yield* server.shutdown();
          return performance.now() - started;
        },
        { propagateCancelToParent: false },
      );
      return yield* fiber.join();
    });
  } finally {
    Deno.listen = listen;
  }
}

Deno.test("law 4: TcpServer closes a connection that is accepted when it has been shut down or aborted", async () => {
  const { listen } = Deno;
  for (const end of ["shutdown", "abort"] as const) {
    const late = Promise.withResolvers<Deno.TcpConn>();
    let accepting = false;
    let closed = 0;
    try {
      Deno.listen = ((options: Deno.TcpListenOptions) => {
        const listener = listen(options);
        listener.accept = () => {
          accepting = true;
          return late.promise;
        };
        return listener;
      }) as typeof Deno.listen;
      await main(function* () {
        const fiber = spawn(function* () {
          const server = yield* TcpServer.establish(address, echo);
          while (!accepting) yield* fromPromise(hostTurn());
          if (end === "shutdown") yield* server.shutdown();
          else yield* Event.never();
        });
        while (!accepting) yield* fromPromise(hostTurn());
        if (end === "abort") fiber.abort();
        for (let turn = 0; turn < 3; turn++) yield* fromPromise(hostTurn());
        late.resolve({ close: () => void closed++ } as Deno.TcpConn);
        yield* fiber.join();
      });
    } finally {
      Deno.listen = listen;
    }
    assertEquals(closed, 1);
  }
});

Deno.test("TcpServer accepts again at once after a failure about one client", async () => {
  const codes = ["ENOTCONN", "ECONNABORTED", "ECONNRESET", "EPROTO", "ENETDOWN", "EHOSTUNREACH"];
  const result = await acceptFailingWith([...codes, "ENETUNREACH", "EHOSTDOWN", "EPERM"]);
  assert(result.ok, Deno.inspect(result));
  assert(result.value as number < 1000, `${result.value} ms`); // doubled pauses would be 2.5 s
});

Deno.test("TcpServer waits, ever longer, while there is no room for another connection", async () => {
  const result = await acceptFailingWith(["EMFILE", "ENFILE", "ENOBUFS", "ENOMEM"]);
  assert(result.ok, Deno.inspect(result));
  assert(result.value as number >= 5 + 10 + 20 + 40 - 4, `${result.value} ms`);
});

Deno.test("TcpServer: any other failure to accept ends it", async () => {
  const result = await acceptFailingWith(["EINVAL"]);
  assertEquals((errorOfResult(result) as Error).message, "EINVAL");
});

Deno.test("TcpServer.shutdown() stops accepting at once, and lets the connections finish", async () => {
  await withServer(echo, function* (server) {
    yield* TcpClient.withConnect(server.address, function* (input, output) {
      yield* say(output, "one");
      yield* input.readLine();
      const shutdown = spawn(() => server.shutdown({ graceMs: 60_000 }));
      yield* yieldNow();
      const refused = yield* errorOf(TcpClient.withConnect(server.address, ask("two")));
      assertInstanceOf(refused, Error);
      assertEquals(server.statistics().accepted, 1);
      yield* say(output, "three");
      assertEquals((yield* input.readLine())?.value, "three");
      assertEquals(shutdown.state, "running");
      yield* output.close();
      yield* shutdown;
    });
  });
});

Deno.test("TcpServer.shutdown({ graceMs }) aborts what takes longer; twice is once", async () => {
  let ended: unknown;
  await withServer(function* (_peer, input) {
    try {
      yield* input.readLine();
    } catch (error) {
      ended = error;
      throw error;
    }
  }, function* (server) {
    yield* TcpClient.withConnect(server.address, function* (input, output) {
      yield* say(output, "");
      yield* server.shutdown({ graceMs: 0 });
      yield* server.shutdown({ graceMs: 0 });
      assertEquals(yield* input.readLine(), undefined);
    });
  });
  assert(ended === undefined || ended instanceof Abort);
});

Deno.test("law 12: TcpServer.shutdown() works in a finally of an aborted fiber, from outside of its scope", async () => {
  const log: string[] = [];
  await main(function* () {
    const established = new Channel<TcpServer>();
    const owner = spawn(function* () {
      established.trySend(yield* TcpServer.establish(address, echo));
    });
    const server = yield* established.receiveOrThrow();
    const user = spawn(function* () {
      try {
        yield* Event.never();
      } finally {
        yield* server.shutdown();
        log.push("shut down");
      }
    });
    yield* yieldNow();
    yield* user.abort();
    yield* owner;
  });
  assertEquals(log, ["shut down"]);
});

Deno.test("TcpServer.shutdown() in one of its own handlers is refused, as it would wait for itself", async () => {
  let refused: unknown;
  let server: TcpServer;
  await withServer(function* () {
    refused = yield* errorOf(server.shutdown());
  }, function* (own) {
    server = own;
    yield* TcpClient.withConnect(server.address, (input) => input.inputAllText());
  });
  assertStringIncludes((refused as Error).message, "Cannot shut down the server: its own handler");
});

Deno.test("T5: TcpServer: a handler closes its streams in a finally while it is aborted", async () => {
  const log: string[] = [];
  let heard: string | undefined;
  await withServer(function* (_peer, input, output) {
    try {
      yield* say(output, "hello");
      yield* input.readLine();
    } finally {
      yield* protect(() => output.outputLine("last words"));
      yield* output.close();
      yield* input.close();
      log.push("closed");
    }
  }, function* (server) {
    yield* TcpClient.withConnect(server.address, function* (input) {
      yield* input.readLine();
      yield* server.shutdown({ graceMs: 0 });
      heard = yield* input.inputAllText();
    });
  });
  assertEquals([log, heard], [["closed"], "last words\n"]);
});

Deno.test("TcpServer: an abort doesn't wait for a client that doesn't read what a handler is flushing", async () => {
  const flood = new Uint8Array(1 << 20);
  let flooding = false;
  await withServer(function* (_peer, _input, output) {
    while (true) {
      flooding = true;
      yield* output.output(flood);
      yield* output.flush();
    }
  }, (server) =>
    rawClient(server, async () => {
      while (!flooding) await hostTurn();
      await server.shutdown({ graceMs: 1 });
    }));
});

Deno.test("TcpServer: an output that is discarded while the client doesn't read hangs up", async () => {
  const flood = new Uint8Array(1 << 20);
  const log: string[] = [];
  const reported = await uncaughtSoon(() =>
    withServer(function* (_peer, _input, output) {
      const flooding = spawn(function* () {
        while (true) {
          yield* output.output(flood);
          yield* output.flush();
        }
      }, { propagateCancelToParent: false });
      flooding.onResult((result) => log.push((errorOfResult(result) as Error).name));
      for (let turn = 0; turn < 10; turn++) yield* fromPromise(hostTurn());
      output.discard();
    }, function* (server) {
      yield* rawClient(server, async () => {
        while (log.length === 0 || server.statistics().connections > 0) await hostTurn();
      });
    })
  );
  assertEquals([log, reported], [["StreamClosedError"], []]);
});

Deno.test("TcpServer: a client gets the whole answer to a request of which the handler reads only the head", async () => {
  const answer = "y".repeat(1 << 20);
  const lengths: number[] = [];
  await withServer(function* (_peer, input, output) {
    yield* input.readLine();
    yield* output.outputString(answer);
  }, function* (server) {
    for (let n = 0; n < 5; n++) {
      yield* rawClient(server, async (conn) => {
        await conn.write(bytes("head\n" + "x".repeat(100_000)));
        for (let turn = 0; turn < 50; turn++) await hostTurn();
        const all = await new Response(conn.readable).bytes();
        lengths.push(all.length);
      });
    }
  });
  assertEquals(lengths, Array(5).fill(answer.length));
});

Deno.test("TcpServer: a connection that is over lingers for a client that isn't done; an abort ends that", async () => {
  await withServer(function* (_peer, input, output) {
    yield* output.outputLine("bye");
    yield* output.close();
    yield* input.close();
  }, (server) =>
    rawClient(server, async (conn) => {
      const buffer = new Uint8Array(10);
      assertEquals([await conn.read(buffer), await conn.read(buffer)], [4, null]);
      for (let turn = 0; turn < 10; turn++) {
        await conn.write(bytes("and another thing"));
        await hostTurn();
      }
      assertEquals(server.statistics().connections, 1);
      const started = performance.now();
      await server.shutdown({ graceMs: 1 });
      assert(performance.now() - started < 500);
    }));
});

Deno.test("TcpServer: a connection that is over is closed though the client never is done", async () => {
  await withServer(
    (_peer, _input, output) => output.outputLine("bye"),
    (server) =>
      rawClient(server, async () => {
        while (server.statistics().accepted === 0) await delay(10);
        for (let n = 0; n < 300 && server.statistics().connections > 0; n++) await delay(10);
        assertEquals(server.statistics().connections, 0);
      }),
  );
});

Deno.test("TcpClient.withConnect(): an abort while it waits for the other side to be done changes nothing", async () => {
  await withServer(() => Event.never(), function* (server) {
    const started = performance.now();
    const fiber = spawn(() =>
      TcpClient.withConnect(server.address, function* (_input, output) {
        yield* output.outputLine("that is all");
        return "value";
      })
    );
    while (server.statistics().accepted === 0) yield* fromPromise(hostTurn());
    for (let turn = 0; turn < 10; turn++) yield* fromPromise(hostTurn());
    yield* fiber.abort();
    assertEquals(yield* fiber.join(), { ok: true, value: "value" });
    assert(performance.now() - started < 500);
  });
});

/** Outputs more than the systems between two programs hold. */
function* tooMuch(_input: Input, output: Output): Operation<void> {
  yield* output.output(new Uint8Array(30 << 20));
}

Deno.test("TcpClient.withConnect(): a timeout while the other side reads nothing is that timeout alone", async () => {
  await withServer(() => Event.never(), function* (server) {
    const error = yield* errorOf(
      withTimeout(20, () => TcpClient.withConnect(server.address, tooMuch)),
    );
    assertInstanceOf(error, Timeout);
    const boom = new Error("beside it");
    const failed = yield* errorOf(
      TcpClient.withConnect(server.address, function* (_input, output) {
        spawn(() => protect(() => tooMuch(_input, output)));
        spawn(function* () {
          yield* protect(() => output.flush());
        });
        yield* yieldNow();
        throw boom;
      }),
    );
    assertEquals(failed, boom);
  });
});

Deno.test("TcpServer: of a connection that it closes on purpose nothing is reported", async () => {
  const reported = await uncaughtSoon(() =>
    withServer(function* (_peer, input, output) {
      if ((yield* input.readLine())?.value === "return") return yield* tooMuch(input, output);
      try {
        yield* Event.never();
      } finally {
        yield* protect(() => tooMuch(input, output));
        yield* protect(() => output.flush());
      }
    }, (server) =>
      rawClient(server, (conn) =>
        rawConnect(server, async (other) => {
          await conn.write(bytes("return\n"));
          await other.write(bytes("wait\n"));
          for (let turn = 0; turn < 20; turn++) await hostTurn();
          await server.shutdown({ graceMs: 1 });
        })))
  );
  assertEquals(reported, []);
});

Deno.test("TcpServer: a client half-closes and still gets its answer", async () => {
  await withServer(function* (_peer, input, output) {
    yield* output.outputString((yield* input.inputAllText()).toUpperCase());
  }, function* (server) {
    const answer = yield* TcpClient.withConnect(server.address, function* (input, output) {
      yield* output.outputString("all of it");
      yield* output.close();
      return yield* input.inputAllText();
    });
    assertEquals(answer, "ALL OF IT");
  });
});

Deno.test("TcpServer: a handler half-closes and still reads", async () => {
  const heard: string[] = [];
  await withServer(function* (_peer, input, output) {
    yield* output.outputString("done");
    yield* output.close();
    heard.push(yield* input.inputAllText());
  }, function* (server) {
    yield* TcpClient.withConnect(server.address, function* (input, output) {
      assertEquals(yield* input.inputAllText(), "done");
      yield* output.outputString("and you?");
    });
    while (heard.length === 0) yield* fromPromise(hostTurn());
  });
  assertEquals(heard, ["and you?"]);
});

Deno.test("TcpServer: a client that sends one byte at a time is heard like any other", async () => {
  await withServer(echo, (server) =>
    rawClient(server, async (conn) => {
      conn.setNoDelay();
      for (const byte of bytes("slowly\n")) {
        await conn.write(new Uint8Array([byte]));
        await hostTurn();
      }
      const buffer = new Uint8Array(100);
      let heard = "";
      while (!heard.endsWith("\n")) {
        heard += new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
      }
      assertEquals(heard, "slowly\n");
    }));
});

Deno.test("TcpServer: a client that goes away in the middle is no failure of the handler's", async () => {
  const flood = new Uint8Array(1 << 20);
  let wrote: unknown;
  const reported = await uncaughtSoon(() =>
    withServer(function* (_peer, _input, output) {
      try {
        while (true) {
          yield* output.output(flood);
          yield* output.flush();
        }
      } catch (error) {
        wrote = error;
        throw error;
      }
    }, function* (server) {
      yield* rawClient(server, async (conn) => void (await conn.read(new Uint8Array(10)))); // a reset
      while (wrote === undefined) yield* fromPromise(hostTurn());
    })
  );
  assertEquals(reported, []);
  assert(
    wrote instanceof Deno.errors.ConnectionReset || wrote instanceof Deno.errors.BrokenPipe,
    Deno.inspect(wrote),
  );
});

Deno.test("TcpServer: the same error on some other connection is a failure of the handler's", async () => {
  const reported = await uncaughtSoon(() =>
    withServer(function* () {
      throw new Deno.errors.ConnectionReset("of the database");
    }, function* (server) {
      yield* TcpClient.withConnect(server.address, (input) => input.inputAllText());
    })
  );
  assertEquals(reported.map((error) => (error as Error).message), ["of the database"]);
});

Deno.test("TcpServer: a server that is aborted in the middle of everything leaves nothing behind", async () => {
  for (let turns = 0; turns < 30; turns++) {
    const program = main(function* () {
      const server = yield* TcpServer.establish({ ...address, maxConnections: 3 }, echo);
      yield* map(
        Array(6).fill("line"),
        (line) =>
          TcpClient.withConnect(server.address, function* (input, output) {
            for (let n = 0; n < 3; n++) {
              yield* say(output, line);
              yield* input.readLine();
            }
            yield* Event.never();
          }),
      );
    });
    for (let turn = 0; turn < turns; turn++) await hostTurn();
    await program.abort();
  }
});

Deno.test("TcpClient.withConnect() throws what its body throws, and closes the connection", async () => {
  const boom = new Error("body");
  let ended = false;
  await withServer(function* (_peer, input) {
    yield* input.inputAll();
    ended = true;
  }, function* (server) {
    const error = yield* errorOf(TcpClient.withConnect(server.address, function* () {
      throw boom;
    }));
    assertEquals(error, boom);
    while (!ended) yield* fromPromise(hostTurn());
  });
});

Deno.test("TcpClient.withConnect() throws what connecting fails with", async () => {
  const gone = await TcpServer.establish(address, echo);
  await gone.shutdown();
  const error = await main(() => errorOf(TcpClient.withConnect(gone.address, ask("hello"))));
  assertInstanceOf(error, Deno.errors.ConnectionRefused);
});

Deno.test("TcpClient.withConnect() is cancelled at every stage, and leaves no connection", async () => {
  await withServer(echo, function* (server) {
    for (let turns = 0; turns < 20; turns++) {
      const fiber = spawn(
        () => TcpClient.withConnect(server.address, ask("hello")) as Awaitable<unknown>,
      );
      for (let turn = 0; turn < turns; turn++) {
        if (turn % 2 === 0) yield* yieldNow();
        else yield* fromPromise(hostTurn());
      }
      yield* fiber.abort("changed my mind");
    }
    while (server.statistics().connections > 0) yield* fromPromise(hostTurn());
  });
});

for (const tls of [false, true]) {
  const name = tls ? "TLS: " : "";
  Deno.test(`${name}TcpClient.withConnect(): an abort while it connects to nowhere ends at once`, async () => {
    const listener = Deno.listen({ ...address, tcpBacklog: 1 });
    try {
      const { port } = listener.addr as Deno.NetAddr;
      await main(function* () {
        const clients = Array.from({ length: 10 }, () =>
          // more than the system takes in
          spawn(
            () => TcpClient.withConnect({ hostname: "127.0.0.1", port, tls }, () => Event.never()),
            { propagateCancelToParent: false },
          ));
        for (let turn = 0; turn < 20; turn++) yield* fromPromise(hostTurn());
        for (const client of clients) yield* client.abort();
      });
    } finally {
      listener.close();
    }
  }); // and the sanitizers see that no connect is under way any more
}

Deno.test("TcpClient.withConnect(): an abort at the very moment when it is connected leaves no connection", async () => {
  await withServer(echo, function* (server) {
    // By name: then there is more to it than one system call, and that moment takes longer.
    const target = { ...server.address, hostname: "localhost" };
    yield* map(Array.from({ length: 200 }, (_, n) => n), function* (n) {
      const client = spawn(() => TcpClient.withConnect(target, () => Event.never()));
      yield* sleep(n % 4);
      yield* client.abort();
    }, { concurrency: 30 });
    yield* withTimeout(5000, function* () {
      while (server.statistics().connections > 0) yield* fromPromise(hostTurn());
    });
  });
});

Deno.test("TcpClient.withConnect({ signal }) is told by it while it connects, and only then", async () => {
  const listener = Deno.listen({ ...address, tcpBacklog: 1 });
  try {
    const { port } = listener.addr as Deno.NetAddr;
    const controller = new AbortController();
    const target = { hostname: "127.0.0.1", port, signal: controller.signal };
    const done = new Channel<void>();
    let connected = 0;
    const stay = () => {
      connected++;
      return done.receive();
    };
    const errors: unknown[] = [];
    await main(function* () {
      for (let n = 0; n < 10; n++) {
        spawn(function* () {
          try {
            yield* TcpClient.withConnect(target, stay);
          } catch (error) {
            errors.push(error);
          }
        });
      }
      while (connected === 0) yield* fromPromise(hostTurn());
      controller.abort("enough");
      while (errors.length + connected < 10) yield* fromPromise(hostTurn());
      done.close();
    });
    assert(errors.length > 0);
    for (const error of errors) assertInstanceOf(error, FiberAborted);
    assertEquals(errors.length + connected, 10); // those that were connected by then stayed so
  } finally {
    listener.close();
  }
});

Deno.test("select() over connections: readLineEvent() of one, a timer, and nothing is lost", async () => {
  await withServer(echo, function* (server) {
    yield* TcpClient.withConnect(server.address, function* (input, output) {
      const idle = yield* select({ line: input.readLineEvent(), idle: afterEvent(1) });
      assertEquals(idle.kind, "idle");
      yield* say(output, "later");
      const heard = yield* select({ line: input.readLineEvent(), never: Event.never() });
      assertEquals(heard, { kind: "line", value: { value: "later" } });
    });
  });
});

Deno.test("TLS: TcpServer({ tls }) and TcpClient({ tls }) speak it, both ways and half-closed", async () => {
  await main(function* () {
    const server = yield* TcpServer.establish(
      { ...address, tls },
      function* (_peer, input, output) {
        yield* output.outputString((yield* input.inputAllText()).toUpperCase());
      },
    );
    const target = { ...server.address, hostname: "localhost", tls: trust };
    const answer = yield* TcpClient.withConnect(target, function* (input, output) {
      yield* output.outputString("secret");
      yield* output.close();
      return yield* input.inputAllText();
    });
    assertEquals(answer, "SECRET");
    yield* server.shutdown();
  });
});

Deno.test("TLS: a client that doesn't trust the server throws while it connects; the server goes on", async () => {
  const reported = await uncaughtSoon(() =>
    main(function* () {
      const server = yield* TcpServer.establish({ ...address, tls }, echo);
      const target = { ...server.address, hostname: "localhost" };
      const error = yield* errorOf(TcpClient.withConnect({ ...target, tls: true }, ask("hello")));
      assertStringIncludes(String(error), "UnknownIssuer");
      const answer = yield* TcpClient.withConnect({ ...target, tls: trust }, ask("hello"));
      assertEquals(answer, "hello");
      yield* server.shutdown({ graceMs: 0 });
    })
  );
  assertEquals(reported, []);
});

Deno.test("TLS: what isn't TLS is no failure of the handler's; a handshake can be cancelled", async () => {
  const reported = await uncaughtSoon(() =>
    main(function* () {
      const server = yield* TcpServer.establish({ ...address, tls }, echo);
      const garbage = ask("GET / HTTP/1.1");
      yield* errorOf(TcpClient.withConnect(server.address, garbage) as Awaitable<unknown>);
      yield* server.shutdown({ graceMs: 0 });

      const silent = yield* TcpServer.establish(address, () => Event.never());
      const target = { ...silent.address, hostname: "localhost", tls: trust };
      const fiber = spawn(() => TcpClient.withConnect(target, ask("hello")) as Awaitable<unknown>);
      while (silent.statistics().connections === 0) yield* fromPromise(hostTurn());
      yield* fiber.abort();
      yield* silent.shutdown({ graceMs: 0 });
    })
  );
  assertEquals(reported, []);
});

Deno.test({
  name: "Unix sockets: TcpServer and TcpClient over a path",
  ignore: Deno.build.os === "windows",
  async fn() {
    const folder = await Deno.makeTempDir();
    try {
      const path = `${folder}/socket`;
      await main(function* () {
        const server = yield* TcpServer.establish({ transport: "unix", path }, echo);
        assertEquals(server.address.path, path);
        assertEquals(yield* TcpClient.withConnect(server.address, ask("hello")), "hello");
        yield* server.shutdown();
      });
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

Deno.test("TcpServer.establish() and TcpClient.withConnect() say what is wrong with their arguments", async () => {
  assertThrows(
    () => TcpServer.establish(7000 as never, echo),
    TypeError,
    "Cannot establish the server: address must be an object, got 7000",
  );
  assertThrows(
    () => TcpServer.establish(address, undefined as never),
    TypeError,
    "Cannot establish the server: handler must be a function, got undefined",
  );
  assertThrows(
    () => TcpServer.establish({ ...address, maxConnections: 0 }, echo),
    RangeError,
    "maxConnections must be an integer of at least 1",
  );
  const wrong: [unknown, typeof TypeError | typeof RangeError, string][] = [
    [{ hostname: "::1" }, TypeError, "address.port must be a number, got undefined"],
    [{ port: "80" }, TypeError, 'address.port must be a number, got "80"'],
    [{ port: 65536 }, RangeError, "address.port must be an integer from 0 to 65535, got 65536"],
    [{ port: -1 }, RangeError, "address.port must be an integer from 0 to 65535, got -1"],
    [{ port: 80, hostname: 5 }, TypeError, "address.hostname must be a string, got 5"],
    [
      { port: 80, transport: "udp" },
      TypeError,
      'address.transport must be "tcp" or "unix", got "u',
    ],
    [{ transport: "unix" }, TypeError, "address.path must be a string that isn't empty, got undef"],
    [{ transport: "unix", path: "" }, TypeError, "address.path must be a string that isn't empty"],
  ];
  for (const [address, type, message] of wrong) {
    assertThrows(() => TcpServer.establish(address as never, echo), type, `server: ${message}`);
    assertThrows(() => TcpClient.withConnect(address as never, ask("")), type, message);
  }
  for (
    const [tls, message] of [
      [true, "tls must be an object with cert and key, got true"],
      [{ cert: 5, key: "" }, "tls.cert must be a string, got 5"],
      [{ cert: "" }, "tls.key must be a string, got undefined"],
    ] as const
  ) {
    assertThrows(
      () => TcpServer.establish({ ...address, tls: tls as never }, echo),
      TypeError,
      message,
    );
  }
  for (
    const [tls, message] of [
      [5, "tls must be a boolean or an object, got 5"],
      [{ caCerts: "pem" }, 'tls.caCerts must be an array, got "pem"'],
    ] as const
  ) {
    assertThrows(
      () => TcpClient.withConnect({ ...address, tls: tls as never }, ask("")),
      TypeError,
      message,
    );
  }
  assertThrows(() => TcpClient.withConnect(1 as never, ask("")), TypeError, "address must be");
  assertThrows(() => TcpClient.withConnect(address, 1 as never), TypeError, "body must be");
  assertThrows(() => Reflect.construct(TcpServer, []), TypeError, "use TcpServer.establish");
  await withServer(echo, function* (server) {
    assertThrows(() => server.shutdown({ graceMs: NaN }), RangeError, "graceMs must not be NaN");
    yield* scope(() => yieldNow());
  });
});
