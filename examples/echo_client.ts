/**
 * Sends what is typed, and shows what comes back.
 *
 * ```sh
 * deno run --allow-net examples/echo_client.ts 7000
 * ```
 *
 * The end of the input (Ctrl-D) ends it once everything has come back.
 *
 * @module
 */
import { main, type Operation, spawn } from "@weft/weft";
import { Input, Output, TcpClient } from "@weft/weft/io";

/** Copies `source` into the connection and what comes back into `sink`, until both have ended. */
export function* converse(source: Input, sink: Output, port: number): Operation<void> {
  yield* TcpClient.withConnect({ hostname: "127.0.0.1", port }, function* (input, output) {
    spawn(() => send(source, output));
    yield* input.copyInto(sink, { flush: true });
  });
}

function* send(source: Input, output: Output): Operation<void> {
  yield* source.copyInto(output, { flush: true });
  yield* output.close(); // that direction only: the rest may still come back
}

if (import.meta.main) {
  const port = Number(Deno.args[0]);
  // Not awaited: a program that is stuck then ends as a Deadlock, which names its fibers.
  main(() => converse(Input.fromReader(Deno.stdin), Output.fromWriter(Deno.stdout), port), {
    name: "echo client",
    handleSignals: true,
  });
}
