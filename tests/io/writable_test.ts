/** `write`, `writeOnce` and `writeEvent` over Web Streams, and who has the lock meanwhile. */
import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import {
  all,
  type Awaitable,
  cancelScope,
  Event,
  fromPromise,
  main,
  type Operation,
  select,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import {
  Input,
  Output,
  read,
  readEvent,
  StreamClosedError,
  write,
  writeEvent,
  writeOnce,
} from "@weft/weft/io";
import { buffer, bytes, slowStream, text, turn } from "../kit/byte_streams.ts";
import { hostTurn, uncaughtSoon } from "../kit/uncaught.ts";
import { errorOf, waiting } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

/** A stream that takes everything; its chunks. */
function keeper(strategy?: QueuingStrategy<Uint8Array>) {
  const chunks: Uint8Array[] = [];
  const stream = new WritableStream<Uint8Array>({
    write: (chunk) => void chunks.push(chunk),
  }, strategy);
  return { stream, chunks };
}

Deno.test("write() to a stream is one chunk, a copy, however long it is", async () => {
  const { stream, chunks } = keeper();
  const content = bytes("0123456789".repeat(20_000));
  await main(() => write(stream, content));
  content.fill(0);
  assertEquals(chunks.map(text), ["0123456789".repeat(20_000)]);
  assertEquals(stream.locked, false);
});

Deno.test("writeOnce() to a stream is one chunk of at most 64 KiB, and returns how much that was", async () => {
  const { stream, chunks } = keeper();
  assertEquals(await writeOnce(stream, buffer(100_000)), 65536);
  assertEquals(await writeOnce(stream, buffer(3)), 3);
  assertEquals(chunks.map((chunk) => chunk.length), [65536, 3]);
});

Deno.test("write() to a stream works with await, with an empty buffer asks nobody, and checks its type", async () => {
  const { stream, chunks } = keeper();
  await write(stream, bytes("a"));
  const locked = new WritableStream<Uint8Array>();
  locked.getWriter();
  assertEquals(await write(locked, buffer(0)), undefined);
  assertEquals(await writeOnce(locked, buffer(0)), 0);
  assertEquals(await writeEvent(locked, buffer(0)), 0);
  assertEquals(chunks.map(text), ["a"]);
  // @ts-expect-error -- its chunks are strings
  const wrong = () => write(new WritableStream<string>(), buffer(1));
  assertEquals(typeof wrong, "function");
  assertThrows(
    () => write(stream, "text" as never),
    TypeError,
    'Cannot write: buffer must be a Uint8Array, got "text"',
  );
});

Deno.test("write() to a stream returns when the stream has written it, and finds it unlocked", async () => {
  const { stream, slow, seen } = slowStream(10);
  await main(function* () {
    const operation = write(stream, bytes("a"));
    yield* turn();
    assertEquals(stream.locked, false, "it has not begun");
    const writing = yield* waiting(operation);
    yield* turn();
    assertEquals([slow.isWriting, stream.locked, writing.state], [true, true, "running"]);
    slow.take();
    yield* writing;
    assertEquals(stream.locked, false);
    yield* fromPromise(stream.close());
  });
  assertEquals([slow.writes, seen.closed], [["a"], 1]);
});

Deno.test("law 7: writers to one stream have their turns in the order in which they came, an Output among them", async () => {
  const { stream, slow } = slowStream();
  await main(function* () {
    const output = Output.fromWritable(stream);
    yield* output.outputString("output");
    spawn(() => write(stream, bytes("first")));
    yield* turn();
    const flush = yield* waiting(output.flush());
    spawn(() => select([when(writeEvent(stream, bytes("third")), (count) => count)]));
    spawn(() => writeOnce(stream, bytes("last")));
    for (let n = 0; n < 10; n++) {
      yield* turn();
      if (slow.isWriting) slow.take();
    }
    yield* flush;
    assertEquals(stream.locked, true, "the output holds it");
    yield* output.close();
  });
  assertEquals([slow.writes, stream.locked], [["first", "output", "third", "last"], false]);
});

Deno.test("law 4: a write that is cancelled while the stream has enough has written nothing, and unlocks it", async () => {
  const { stream, slow, seen } = slowStream();
  await main(function* () {
    yield* writeEvent(stream, bytes("first")); // fills it
    yield* turn();
    assertEquals([slow.isWriting, stream.locked], [true, false]);
    for (const late of [write, writeOnce, writeEvent]) {
      yield* cancelScope(function* (context) {
        spawn(() => late(stream, bytes("lost")) as Awaitable<unknown>);
        yield* turn();
        context.cancel();
      });
      assertEquals(stream.locked, false);
    }
    slow.take();
    yield* turn();
    assertEquals(slow.isWriting, false);
  });
  await stream.abort("enough");
  assertEquals([slow.writes, seen.aborted], [["first"], "enough"]);
});

/** A stream that has enough, with a chunk of somebody else's. */
function filledStream() {
  const slow = slowStream();
  const writer = slow.stream.getWriter();
  const theirs = writer.write(bytes("theirs")).catch((error) => error);
  writer.releaseLock();
  return { ...slow, theirs };
}

Deno.test("write() waits until a stream that somebody has filled wants more", async () => {
  const { stream, slow } = filledStream();
  await main(function* () {
    yield* turn();
    const writing = yield* waiting(write(stream, bytes("ours")));
    yield* turn();
    slow.take();
    yield* turn();
    slow.take();
    yield* writing;
  });
  assertEquals(slow.writes, ["theirs", "ours"]);
});

Deno.test("a write that comes when one that waited for the stream has just left waits for itself", async () => {
  const { stream, slow } = filledStream();
  await main(function* () {
    const lost = yield* waiting(write(stream, bytes("lost")));
    yield* turn();
    void lost.abort();
    const second = yield* waiting(write(stream, bytes("second")));
    yield* turn();
    assertEquals([stream.locked, second.state], [true, "running"]);
    slow.take();
    yield* turn();
    slow.take();
    yield* second;
  });
  assertEquals([slow.writes, stream.locked], [["theirs", "second"], false]);
});

Deno.test("a writeEvent() to a stream that has enough is not ready, and leaves it unlocked", async () => {
  const { stream, slow } = filledStream();
  await main(function* () {
    const events = { write: writeEvent(stream, bytes("lost")), now: Event.always(1) };
    assertEquals((yield* select(events)).kind, "now");
    assertEquals(stream.locked, false);
    yield* turn();
    slow.take();
    yield* turn();
    assertEquals(slow.isWriting, false);
  });
});

Deno.test("writeEvent() keeps the stream locked until that has the copy, whoever comes and leaves", async () => {
  const { stream, chunks } = keeper();
  await main(function* () {
    yield* writeEvent(stream, bytes("whole"));
    yield* cancelScope(function* (context) {
      spawn(() => write(stream, bytes("lost")));
      yield* yieldNow();
      context.cancel();
    });
    assertEquals(stream.locked, true);
    yield* turn();
    assertEquals(stream.locked, false);
  });
  assertEquals(chunks.map(text), ["whole"]);
});

Deno.test("write() to a stream that is cancelled in its turn ends at once, is whole, and unlocks the stream", async () => {
  const { stream, slow, seen } = slowStream();
  const content = bytes("whole message".repeat(10_000));
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => write(stream, content));
      yield* turn();
      assertEquals(slow.isWriting, true);
      context.cancel();
    });
    content.fill(0); // it is the caller's again
    assertEquals(stream.locked, false);
    const closing = stream.close();
    slow.take();
    yield* fromPromise(closing);
  });
  assertEquals([slow.all, seen.closed], ["whole message".repeat(10_000), 1]);
});

Deno.test("a write that comes while one is waiting to be let in leaves has its own turn", async () => {
  const { stream, slow } = slowStream();
  await main(function* () {
    yield* writeEvent(stream, bytes("first"));
    yield* turn();
    const lost = yield* waiting(write(stream, bytes("lost")));
    yield* turn();
    void lost.abort();
    const second = yield* waiting(write(stream, bytes("second")));
    assertEquals([stream.locked, slow.isWriting], [true, true]);
    slow.take();
    yield* turn();
    slow.take();
    yield* second;
  });
  assertEquals([slow.writes, stream.locked], [["first", "second"], false]);
});

Deno.test("law 6: a writeEvent() to a stream is chosen at once if that wants more, else when it does", async () => {
  const { stream, slow } = slowStream();
  const write = writeEvent(stream, bytes("chunk"));
  await main(function* () {
    const events = { write, now: Event.always(1) };
    assertEquals((yield* select(events)).kind, "write");
    assertEquals((yield* select(events)).kind, "now", "the first one is on its way");
    yield* turn();
    assertEquals((yield* select(events)).kind, "now", "it has enough");
    assertEquals(stream.locked, false);
    const late = yield* waiting(select({ write, never: Event.never() }));
    yield* turn();
    assertEquals([late.state, stream.locked], ["running", true]);
    slow.take();
    assertEquals((yield* late).kind, "write");
    yield* turn();
    assertEquals(stream.locked, false, "it has its copy");
    slow.take();
    assertEquals((yield* select({ now: Event.always(1), write })).kind, "now");
    yield* turn();
  });
  assertEquals(slow.writes, ["chunk", "chunk"]);
});

Deno.test("writeEvent() to a stream hands a copy over, of at most 64 KiB", async () => {
  const { stream, chunks } = keeper();
  const content = buffer(100_000).fill(1);
  await main(function* () {
    assertEquals(yield* writeEvent(stream, content), 65536);
    content.fill(0);
    yield* write(stream, bytes("end"));
  });
  assertEquals(chunks, [buffer(65536).fill(1), bytes("end")]);
});

Deno.test("write() throws what the stream fails with, as it is, to all who wait and who come", async () => {
  const error = new Error("broken");
  const { stream, slow } = slowStream();
  await main(function* () {
    const waits = [
      yield* waiting(errorOf(write(stream, bytes("a"))) as never),
      yield* waiting(errorOf(writeOnce(stream, bytes("b"))) as never),
      yield* waiting(errorOf(select({ write: writeEvent(stream, bytes("c")) })) as never),
    ];
    yield* turn();
    slow.fail(error);
    for (const wait of waits) assertStrictEquals(yield* wait, error as never);
    assertStrictEquals(yield* errorOf(write(stream, bytes("d"))), error);
    assertStrictEquals(yield* errorOf(writeEvent(stream, bytes("e"))), error);
  });
  assertEquals([slow.writes, stream.locked], [[], false]);
});

Deno.test("law 13: a failure of a write to a stream that was cancelled, or an event, is told to the next", async () => {
  const error = new Error("broken");
  const { stream, slow } = slowStream();
  await main(function* () {
    yield* writeEvent(stream, bytes("lost"));
    yield* turn(); // by now it has let go of the stream
    yield* turn();
    const next = yield* waiting(errorOf(write(stream, bytes("next"))) as never);
    slow.fail(error);
    assertStrictEquals(yield* next, error as never);
  });
});

Deno.test("write() to a stream that is closed, or is being closed, throws", async () => {
  const { stream, slow } = slowStream();
  await main(function* () {
    yield* writeEvent(stream, bytes("last"));
    yield* turn();
    const closing = stream.close();
    const late = yield* waiting(errorOf(write(stream, bytes("late"))) as never);
    slow.take();
    assertInstanceOf(yield* late, StreamClosedError);
    yield* fromPromise(closing);
    for (const late of [write, writeOnce, writeEvent]) {
      const error = yield* errorOf(late(stream, bytes("late")));
      assertInstanceOf(error, StreamClosedError);
      assertEquals(error.message, "Cannot write to the stream: it is closed");
    }
  });
  assertEquals([slow.writes, stream.locked], [["last"], false]);
});

Deno.test("law 13: that a stream was being closed is told to whoever comes after a writeEvent()", async () => {
  const taken = Promise.withResolvers<void>();
  const stream = new WritableStream<Uint8Array>({ write: () => taken.promise }, {
    highWaterMark: 4,
  });
  const writer = stream.getWriter();
  void writer.write(bytes("last"));
  const closing = writer.close(); // and it still wants more
  writer.releaseLock();
  await main(function* () {
    yield* writeEvent(stream, bytes("lost"));
    yield* turn(); // by now it has let go of the stream
    assertInstanceOf(yield* errorOf(write(stream, bytes("next"))), StreamClosedError);
    taken.resolve();
    yield* fromPromise(closing);
  });
});

Deno.test("write() to a stream that somebody else has locked: a TypeError, once it waits, for each", async () => {
  const { stream, chunks } = keeper();
  const writer = stream.getWriter();
  await main(function* () {
    for (const late of [write, writeOnce, writeEvent]) {
      const error = (yield* errorOf(late(stream, bytes("late")))) as Error;
      assertEquals([error.name, error.message], [
        "TypeError",
        "Cannot write to the stream: the stream is locked by somebody else",
      ]);
    }
    assertThrows(
      () => Output.fromWritable(stream),
      TypeError,
      "Cannot make the output: the stream is locked by somebody else",
    );
    writer.releaseLock();
    yield* write(stream, bytes("now"));
  });
  assertEquals(chunks.map(text), ["now"]);
});

Deno.test("Output.fromWritable() refuses a stream that has an output, and doesn't harm that", async () => {
  const { stream, chunks } = keeper();
  const output = Output.fromWritable(stream);
  assertThrows(
    () => Output.fromWritable(stream),
    TypeError,
    "Cannot make the output: an output holds the stream already",
  );
  await output.outputString("kept");
  await output.close();
  assertEquals(chunks.map(text), ["kept"]);
});

Deno.test("Output.close() closes the stream behind the writes of others, and fails those that come after", async () => {
  for (const preventClose of [false, true]) {
    const { stream, slow, seen } = slowStream();
    await main(function* () {
      const output = Output.fromWritable(stream, { preventClose });
      const before = yield* waiting(write(stream, bytes("before")));
      yield* turn();
      const closing = yield* waiting(output.close());
      yield* turn();
      assertEquals([closing.state, seen.closed], ["running", 0]);
      const behind = yield* waiting(errorOf(write(stream, bytes("behind"))) as never);
      slow.take();
      yield* before;
      yield* closing;
      yield* turn();
      if (slow.isWriting) slow.take();
      const error = yield* behind;
      if (preventClose) assertEquals(error, undefined);
      else assertInstanceOf(error, StreamClosedError);
    });
    assertEquals(slow.writes, preventClose ? ["before", "behind"] : ["before"]);
    assertEquals([seen.closed, stream.locked], [preventClose ? 0 : 1, false]);
  }
});

Deno.test("law 13: Output.close() throws what its stream failed with, unless a write was told", async () => {
  for (const told of [false, true]) {
    const error = new Error("broken");
    let controller!: WritableStreamDefaultController;
    const stream = new WritableStream<Uint8Array>({ start: (c) => void (controller = c) });
    await main(function* () {
      const output = Output.fromWritable(stream);
      yield* turn();
      controller.error(error);
      if (told) assertStrictEquals(yield* errorOf(write(stream, bytes("x"))), error);
      assertStrictEquals(yield* errorOf(output.close()), told ? undefined : error);
    });
    assertEquals(stream.locked, false);
  }
});

Deno.test("law 13: Output.close() throws what its stream failed with when whoever waited for it has left", async () => {
  const error = new Error("broken");
  const { stream, slow, theirs } = filledStream();
  await main(function* () {
    const output = Output.fromWritable(stream);
    const lost = yield* waiting(write(stream, bytes("lost"))); // the stream has enough
    yield* turn();
    yield* lost.abort();
    slow.fail(error);
    assertStrictEquals(yield* fromPromise(theirs), error);
    assertStrictEquals(yield* errorOf(output.close()), error);
  });
  assertEquals(stream.locked, false);
});

Deno.test("Output.discard() aborts the stream under the writes of others, who fail", async () => {
  const { stream, slow, seen } = slowStream();
  await main(function* () {
    const output = Output.fromWritable(stream);
    const first = yield* waiting(errorOf(write(stream, bytes("first"))) as never);
    const second = yield* waiting(errorOf(write(stream, bytes("second"))) as never);
    yield* turn();
    output.discard();
    const closing = yield* waiting(output.close());
    yield* turn();
    slow.take(); // a stream waits for the write under way
    yield* closing;
    assertEquals(yield* first, undefined as never);
    assertEquals(yield* second, "the output was discarded" as never);
  });
  assertEquals([seen.aborted, stream.locked], ["the output was discarded", false]);
});

/** Closes an output over `stream`, whose write is stuck, and discards it. */
function* discardStuck(stream: WritableStream<Uint8Array>): Operation<void> {
  const output = Output.fromWritable(stream);
  yield* output.outputString("stuck");
  const closing = yield* waiting(errorOf(output.close()) as never);
  yield* turn();
  assertEquals(closing.poll(), undefined);
  output.discard();
  assertInstanceOf(yield* closing, StreamClosedError);
}

Deno.test("Output.discard() ends a close() over a stream whose write never ends", async () => {
  const { stream, slow, seen } = slowStream();
  await main(() => discardStuck(stream));
  slow.take(); // now it does
  await hostTurn();
  assertEquals([seen.aborted, stream.locked], ["the output was discarded", false]);
});

Deno.test("law 13: what a stream's abort throws when nobody waits for it any more is reported", async () => {
  const written = Promise.withResolvers<void>();
  const boom = new Error("in abort");
  const stream = new WritableStream<Uint8Array>({
    write: () => written.promise,
    abort() {
      throw boom;
    },
  });
  const errors = await uncaughtSoon(async () => {
    await main(() => discardStuck(stream));
    written.resolve();
  });
  assertEquals(errors, [boom]);
});

Deno.test("write() and read() work at both ends of a TransformStream, of the kind bytes, too", async () => {
  const content = "0123456789".repeat(5000);
  const { readable, writable } = new CompressionStream("gzip");
  const end = readable.pipeThrough(new DecompressionStream("gzip"));
  function* produce() {
    for (let at = 0; at < content.length; at += 999) {
      yield* write(writable, bytes(content.slice(at, at + 999)));
    }
    yield* fromPromise(writable.close());
  }
  function* consume() {
    const into = buffer(1000);
    let all = "";
    for (;;) {
      const count = yield* read(end, into);
      if (count === 0) return all;
      all += text(into.subarray(0, count));
    }
  }
  const [, all_] = await main(() => all([produce, consume]));
  assertEquals(all_, content);
});

Deno.test("write() to a TransformStream waits until somebody reads, and a cancelled one loses nothing it has written", async () => {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  await main(function* () {
    const first = yield* waiting(write(writable, bytes("first")));
    yield* turn();
    assertEquals(first.state, "running");
    yield* first.abort(); // it had its turn
    yield* cancelScope(function* (context) {
      spawn(() => write(writable, bytes("lost")));
      yield* turn();
      context.cancel();
    });
    const input = Input.fromReadable(readable);
    assertEquals(yield* input.reallyInputString(5), "first");
    spawn(() => write(writable, bytes("last\n")));
    assertEquals(yield* input.readLine(), { value: "last" });
    yield* input.close();
  });
});

Deno.test("a sink's write() that aborts the fiber that writes does no harm", async () => {
  const chunks: string[] = [];
  let writing!: { abort(): unknown };
  const stream = new WritableStream<Uint8Array>({
    write(chunk) {
      chunks.push(text(chunk));
      void writing.abort();
    },
  });
  await main(function* () {
    const fiber = writing = spawn(() => write(stream, bytes("whole")));
    while (fiber.state !== "terminated") yield* turn();
    assertEquals(stream.locked, false);
  });
  assertEquals(chunks, ["whole"]);
});

Deno.test("a strategy of the user's that throws is the failure of the write", async () => {
  const error = new Error("size");
  const { stream } = keeper({
    size() {
      throw error;
    },
  });
  assertStrictEquals(await main(() => errorOf(write(stream, bytes("x")))), error);
  assertEquals(stream.locked, false);
});

for (const style of CANCEL_STYLES) {
  Deno.test(`world 5: writes to a stream cancelled by "${style}" are never torn`, async () => {
    const toy = new ToyScheduler();
    const { stream, slow } = slowStream();
    const first = toy.spawn(() => write(stream, bytes("first")));
    const second = toy.spawn(() => write(stream, bytes("second")));
    toy.run();
    await hostTurn();
    toy.cancel(first, style);
    toy.cancel(second, style);
    assertEquals(stream.locked, false);
    const third = Promise.resolve(write(stream, bytes("third")));
    for (let n = 0; n < 10; n++) {
      await hostTurn();
      if (slow.isWriting) slow.take();
    }
    await third;
    assertEquals([slow.writes, stream.locked], [["first", "third"], false]);
  });
}

for (
  const [behaviour, options] of Object.entries({
    "resumes later": {},
    "resumes within release": { resumesAtOnce: true },
    "wakes early, three times": { earlyWakeups: 3 },
  })
) {
  Deno.test(`world 5: a task of a scheduler that ${behaviour} reads and writes Web Streams`, async () => {
    const toy = new ToyScheduler(options);
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const log: unknown[] = [];
    const writer = toy.spawn(function* () {
      yield* write(writable, bytes("write"));
      log.push(writable.locked);
      log.push(yield* writeOnce(writable, bytes("once")));
      log.push(yield* writeEvent(writable, bytes("event")));
    });
    const reader = toy.spawn(function* () {
      const into = buffer(3);
      let all = "";
      while (all.length < 14) {
        const next = all.length % 2 === 0 ? read(readable, into) : readEvent(readable, into);
        all += text(into.subarray(0, yield* next));
        log.push(readable.locked);
      }
      return all;
    });
    await toy.during(async () => {
      for (let n = 0; n < 30; n++) {
        toy.run();
        await hostTurn();
      }
    });
    assertEquals([writer.state, reader.value], ["returned", "writeonceevent"]);
    assertEquals(log.filter((entry) => typeof entry === "number"), [4, 5]);
    assertEquals(log.filter((entry) => entry === true), [], "it was still locked");
  });
}
