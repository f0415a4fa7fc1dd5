/**
 * Sends what is typed, and shows what comes back.
 *
 * ```sh
 * deno run --allow-net examples/echo_client.ts 7000
 * ```
 *
 * The end of the input (Ctrl-D) ends it once everything has come back; so does Ctrl-C, at once, and
 * a server that hangs up.
 *
 * @module
 */
import { FiberAborted, main, type Operation, spawn } from "@weft/weft";
import { Input, Output, TcpClient } from "@weft/weft/io";
import { orExit, readPort } from "./command_line.ts";

/** Copies `source` into the connection and what comes back into `sink`, until that has ended. */
export function* converse(source: Input, sink: Output, port: number): Operation<void> {
  yield* TcpClient.withConnect({ hostname: "127.0.0.1", port }, function* (input, output) {
    const sending = spawn(() => send(source, output));
    yield* input.copyInto(sink, { flush: true });
    sending.abort("nobody listens any more");
  });
}

function* send(source: Input, output: Output): Operation<void> {
  yield* source.copyInto(output, { flush: true });
  yield* output.close(); // that direction only: the rest may still come back
}

if (import.meta.main) {
  const port = readPort(Deno.args);
  const talk = () => converse(Input.fromReader(Deno.stdin), Output.fromWriter(Deno.stdout), port);
  const options = { name: "echo client", handleSignals: true };
  // Not awaited: a program that is stuck then ends as a Deadlock, which names its fibers.
  main(() => orExit(`talk to port ${port}`, talk), options)
    // To exit, as a read of stdin can't be called back, and would keep the process alive.
    .then(() => Deno.exit(), (error) => {
      if (error instanceof FiberAborted) Deno.exit(); // by a signal, which has set the exit code
      throw error;
    });
}
