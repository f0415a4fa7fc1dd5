import { assert, assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { cancelScope, main, spawn } from "@weft/weft";
import { Input, Output } from "@weft/weft/io";
import {
  buffer,
  bytes,
  feedStream,
  readerOf,
  SlowReader,
  slowStream,
  SlowWriter,
  text,
  turn,
  writerTo,
} from "../kit/byte_streams.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { errorOf, waiting } from "../kit/virtually.ts";

Deno.test("Input.fromReadable() reads the chunks, and cancels the stream when it is closed", async () => {
  const { stream, controller, seen } = feedStream();
  await main(function* () {
    const input = Input.fromReadable(stream);
    assertEquals(stream.locked, true);
    const line = yield* waiting(input.readLine());
    yield* turn();
    for (const chunk of ["o", "", "ne\ntwo"]) controller.enqueue(bytes(chunk));
    assertEquals(yield* line, { value: "one" });
    assertEquals(yield* input.reallyInputString(2), "tw");
    yield* input.close();
    yield* input.close();
  });
  assertEquals(seen.cancelled, "the input was closed");
  assertEquals(stream.locked, false);
});

Deno.test("T28: a cancelled read of a stream loses no chunk", async () => {
  const { stream, controller } = feedStream();
  await main(function* () {
    const input = Input.fromReadable(stream);
    const into = buffer(2);
    yield* cancelScope(function* (context) {
      spawn(() => input.input(into));
      yield* turn();
      context.cancel();
    });
    controller.enqueue(bytes("abcd"));
    yield* turn();
    controller.close();
    assertEquals(input.statistics().buffered, 4);
    assertEquals(into, buffer(2));
    assertEquals(yield* input.inputAllText(), "abcd");
  });
});

Deno.test("T28: Input.fromReadable(_, { preventCancel }) leaves the stream, and its chunks, as they are", async () => {
  const { stream, controller, seen } = feedStream();
  await main(function* () {
    const input = Input.fromReadable(stream, { preventCancel: true });
    const reading = yield* waiting(errorOf(input.readLine()) as never);
    yield* turn();
    yield* input.close();
    assertEquals(((yield* reading) as Error).name, "StreamClosedError");
  });
  controller.enqueue(bytes("kept"));
  controller.close();
  assertEquals(await stream.getReader().read(), { done: false, value: bytes("kept") });
  assertEquals(seen.cancelled, undefined);
});

Deno.test("Input.fromReadable() asks for a chunk only when somebody waits for it", async () => {
  const { stream, controller, seen } = feedStream();
  await main(function* () {
    const input = Input.fromReadable(stream);
    yield* turn();
    assertEquals(seen.pulls, 0);
    const reading = yield* waiting(input.readLine());
    yield* turn();
    assertEquals(seen.pulls, 1);
    controller.enqueue(bytes("line\n"));
    yield* reading;
    yield* turn();
    assertEquals(seen.pulls, 1);
    yield* input.close();
  });
});

Deno.test("Input.fromReadable() throws the stream's error once, and close() is quiet about it", async () => {
  const { stream, controller } = feedStream();
  const error = new Error("broken");
  await main(function* () {
    const input = Input.fromReadable(stream);
    controller.error(error);
    assertStrictEquals(yield* errorOf(input.readLine()), error);
    yield* input.close();
  });
});

Deno.test("Input.fromReadable() refuses chunks that are no bytes, and streams that are locked", async () => {
  const { stream, controller } = feedStream();
  controller.enqueue("text" as never);
  await assertRejects(
    () => main(() => Input.fromReadable(stream).readLine()),
    TypeError,
    'Cannot read from the stream: its chunks must be Uint8Arrays, got "text"',
  );
  assertThrows(() => Input.fromReadable(stream), TypeError);
});

Deno.test("Input.fromReadable() doesn't change a chunk, which may be somebody else's, too", async () => {
  const [one, two] = new Response("abc").body!.tee();
  await main(function* () {
    const input = Input.fromReadable(one);
    const into = buffer(1);
    yield* input.input(into);
    yield* input.reallyInput(buffer(1));
    assertEquals(yield* input.inputAllText(), "c");
  });
  assertEquals(await new Response(two).text(), "abc");
});

Deno.test("Input.toReadable() reads when it is asked, and closes the input at the end", async () => {
  const source = new SlowReader();
  const stream = Input.fromReader(source).toReadable();
  await hostTurn();
  assertEquals(source.asked, []);
  const reader = stream.getReader();
  const first = reader.read();
  await hostTurn();
  source.give("one");
  assertEquals((await first).value, bytes("one"));
  await hostTurn();
  assertEquals(source.asked.length, 1, "it read ahead");
  const second = reader.read();
  await hostTurn();
  source.end();
  assertEquals((await second).done, true);
  assertEquals(source.closes, 1);
});

Deno.test("Input.toReadable() works with a reader that brings its own buffer", async () => {
  const stream = Input.fromReader(readerOf("abcd")).toReadable();
  const reader = stream.getReader({ mode: "byob" });
  const first = await reader.read(new Uint8Array(3));
  assertEquals(text(first.value!), "abc");
  const second = await reader.read(new Uint8Array(3));
  assertEquals(text(second.value!), "d");
  assertEquals((await reader.read(new Uint8Array(3))).done, true);
});

Deno.test("Input.toReadable() cancelled closes the input, also under a read", async () => {
  const source = new SlowReader();
  const stream = Input.fromReader(source).toReadable();
  const reader = stream.getReader();
  const reading = reader.read();
  await hostTurn();
  await reader.cancel();
  assertEquals([(await reading).done, source.closes], [true, 1]);
});

Deno.test("Input.toReadable() fails with what the input fails with", async () => {
  const error = new Error("broken");
  const stream = Input.fromReader({ read: () => Promise.reject(error) }).toReadable();
  assertStrictEquals(await assertRejects(() => new Response(stream).text()), error);
});

Deno.test("Input.toReadable() is a body, for a Response say", async () => {
  assertEquals(await new Response(Input.fromString("naïve").toReadable()).text(), "naïve");
});

Deno.test("Output.fromWritable() waits for the stream, and closes it", async () => {
  const { stream, slow, seen } = slowStream();
  await main(function* () {
    const output = Output.fromWritable(stream);
    const size = 16384;
    yield* output.output(buffer(size));
    yield* output.output(buffer(size));
    const third = yield* waiting(output.outputString("x"));
    yield* turn();
    assertEquals(output.statistics(), { buffered: 2 * size, waiting: 1 });
    slow.take();
    yield* third;
    yield* turn();
    slow.take();
    const close = yield* waiting(output.close());
    yield* turn();
    assertEquals(seen.closed, 0);
    slow.take();
    yield* close;
  });
  assertEquals(slow.writes.map((piece) => piece.length), [16384, 16384, 1]);
  assertEquals([seen.closed, stream.locked], [1, false]);
});

Deno.test("Output.fromWritable() gives the stream chunks that don't change any more", async () => {
  const { readable, writable } = new TransformStream<Uint8Array>(undefined, undefined, {
    highWaterMark: 10,
  });
  await main(function* () {
    const output = Output.fromWritable(writable);
    for (const line of ["one", "two", "three"]) {
      yield* output.outputLine(line);
      yield* output.flush();
    }
    const close = yield* waiting(output.close());
    assertEquals(yield* Input.fromReadable(readable).inputAllText(), "one\ntwo\nthree\n");
    yield* close;
  });
});

Deno.test("Output.fromWritable() tells the stream's error once, and close() is quiet about it", async () => {
  const { stream, slow } = slowStream();
  const error = new Error("broken");
  await main(function* () {
    const output = Output.fromWritable(stream);
    yield* output.outputString("a");
    const flush = yield* waiting(errorOf(output.flush()) as never);
    yield* turn();
    slow.fail(error);
    assertStrictEquals(yield* flush, error);
    yield* output.close();
  });
  assertEquals(stream.locked, false);
});

Deno.test("Output.fromWritable(): discard() aborts the stream, { preventClose } unlocks it", async () => {
  const { stream, seen } = slowStream();
  await main(function* () {
    const kept = Output.fromWritable(stream, { preventClose: true });
    yield* kept.close();
    assertEquals([seen.closed, stream.locked], [0, false]);
    const output = Output.fromWritable(stream);
    yield* output.outputString("lost");
    output.discard();
    yield* output.close();
  });
  assertEquals(seen.aborted, "the output was discarded");
});

Deno.test("Output.toWritable() flushes each chunk before it takes the next, and closes", async () => {
  const slow = new SlowWriter();
  const writer = Output.fromWriter(slow).toWritable().getWriter();
  const first = writer.write(bytes("one"));
  const second = writer.write(bytes("two"));
  await hostTurn();
  assertEquals(writer.desiredSize! < 0, true);
  slow.take();
  await first;
  await hostTurn();
  slow.take();
  await second;
  await writer.close();
  assertEquals([slow.writes, slow.closes], [["one", "two"], 1]);
});

Deno.test("Output.toWritable() aborted discards the output", async () => {
  const slow = new SlowWriter();
  const writer = Output.fromWriter(slow).toWritable().getWriter();
  const first = writer.write(bytes("one")).catch((error) => error);
  await hostTurn();
  const abort = writer.abort("enough");
  await hostTurn();
  await abort;
  assert((await first) instanceof Error);
  assertEquals([slow.writes, slow.closes], [[], 1]);
});

Deno.test("streams pipe through, from an Input into an Output", async () => {
  const sink = writerTo(7);
  const content = "0123456789".repeat(5000);
  const from = Input.fromReader(readerOf(content)).toReadable();
  await from.pipeThrough(new CompressionStream("gzip"))
    .pipeThrough(new DecompressionStream("gzip"))
    .pipeTo(Output.fromWriter(sink).toWritable());
  assertEquals(sink.all, content);
  assertEquals(sink.closes, 1);
});
