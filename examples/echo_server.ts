/**
 * A server that says everything back.
 *
 * ```sh
 * deno run --allow-net examples/echo_server.ts 7000
 * nc 127.0.0.1 7000
 * ```
 *
 * Ctrl-C lets the clients finish for a second, then hangs up.
 *
 * @module
 */
import { main, type Operation } from "@weft/weft";
import { type Input, type Output, signalEvent, TcpServer } from "@weft/weft/io";

/** Says back what it hears, as it hears it. */
export function* echo(_peer: Deno.Addr, input: Input, output: Output): Operation<void> {
  yield* input.copyInto(output, { flush: true });
}

function* serve(port: number): Operation<void> {
  const server = yield* TcpServer.establish({ hostname: "127.0.0.1", port }, echo);
  console.log(`listening on port ${server.address.port}`);
  yield* signalEvent("SIGINT", "SIGTERM");
  yield* server.shutdown({ graceMs: 1000 });
}

if (import.meta.main) {
  // Not awaited: a program that is stuck then ends as a Deadlock, which names its fibers.
  main(() => serve(Number(Deno.args[0] ?? 0)), { name: "echo server" });
}
