/** Streams over connections of the system, as far as nothing depends on when it answers. */
import { assertEquals } from "@std/assert";
import { cancelScope, main, spawn, yieldNow } from "@weft/weft";
import { Input, Output, read, write } from "@weft/weft/io";
import { buffer, bytes } from "../kit/byte_streams.ts";

/** Both ends of a connection. */
async function connected(): Promise<[Deno.TcpConn, Deno.TcpConn]> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  return await Promise.all([Deno.connect({ hostname: "127.0.0.1", port }), listener.accept()]);
}

Deno.test("T28: a cancelled read of a connection loses no byte", async () => {
  const [near, far] = await connected();
  await main(function* () {
    for (let n = 0; n < 20; n++) {
      yield* cancelScope(function* (context) {
        spawn(() => read(near, buffer(7)));
        for (let turns = n % 3; turns > 0; turns--) yield* yieldNow();
        context.cancel();
      });
      yield* write(far, bytes(`message ${n}\n`));
    }
    far.closeWrite();
    const input = Input.fromReader(near);
    for (let n = 0; n < 20; n++) assertEquals(yield* input.readLine(), { value: `message ${n}` });
    assertEquals(yield* input.readLine(), undefined);
    yield* input.close();
  });
  far.close();
});

Deno.test("a connection that is half closed can still be written to", async () => {
  const [near, far] = await connected();
  await main(function* () {
    const output = Output.fromWriter(near);
    yield* output.outputLine("question");
    yield* output.flush();
    yield* Output.fromWriter(near, { close: () => void near.closeWrite() }).close();
    assertEquals(yield* Input.fromReader(far, { close() {} }).inputAllText(), "question\n");
    const answer = Output.fromWriter(far);
    yield* answer.outputString("answer".repeat(10_000));
    spawn(() => answer.close());
    assertEquals(yield* Input.fromReader(near).inputAllText(), "answer".repeat(10_000));
    yield* Input.fromReader(near).close();
  });
});
