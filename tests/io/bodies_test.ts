import { assertStringIncludes, assertThrows } from "@std/assert";
import {
  HttpServer,
  TcpClient,
  TcpServer,
  withCommand,
  withSignals,
  withWatch,
} from "@weft/weft/io";
import { ResourcePool } from "@weft/weft/resource";

/** The calls that run a body or a handler: each would wait for an operation, and gets a promise. */
const calls: Record<string, (body: never) => unknown> = {
  "HttpServer.establish": (handler) => HttpServer.establish({ port: 0 }, handler),
  "TcpServer.establish": (handler) => TcpServer.establish({ port: 0 }, handler),
  "TcpClient.withConnect": (body) => TcpClient.withConnect({ port: 1 }, body),
  withCommand: (body) => withCommand("true", {}, body),
  withSignals: (body) => withSignals(["SIGUSR1"], body),
  withWatch: (body) => withWatch(".", body),
  "ResourcePool.withResource": (body) => new ResourcePool({ make: () => 1 }).withResource(body),
};

for (const [call, f] of Object.entries(calls)) {
  Deno.test(`law 13: ${call}() refuses an async function, at the call`, () => {
    const error = assertThrows(() => f((async () => {}) as never), TypeError);
    assertStringIncludes(error.message, "must be a generator function (function*), got async ");
  });
}
