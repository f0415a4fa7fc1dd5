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
import { orExit, readPort } from "./command_line.ts";

/** Says back what it hears, as it hears it. */
export function* echo(_peer: Deno.Addr, input: Input, output: Output): Operation<void> {
  yield* input.copyInto(output, { flush: true });
}

function* serve(port: number): Operation<void> {
  const server = yield* orExit(
    `listen on port ${port}`,
    () => TcpServer.establish({ hostname: "127.0.0.1", port }, echo),
  );
  console.log(`listening on port ${server.address.port}`);
  yield* signalEvent("SIGINT", "SIGTERM");
  yield* server.shutdown({ graceMs: 1000 });
}

if (import.meta.main) {
  const port = readPort(Deno.args, 0);
  // Not awaited: a program that is stuck then ends as a Deadlock, which names its fibers.
  main(() => serve(port), { name: "echo server" });
}
