import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { cancelScope, Event, main, select, spawn, when, yieldNow } from "@weft/weft";
import { Output, write, writeEvent, writeOnce, type Writer } from "@weft/weft/io";
import { buffer, bytes, SlowWriter, text, turn, writerTo } from "../kit/byte_streams.ts";
import { errorOf, waiting } from "../kit/virtually.ts";

Deno.test("write() writes all of the buffer, however little the sink takes at a time", async () => {
  const sink = writerTo(2);
  await main(() => write(sink, bytes("hello")));
  assertEquals(sink.all, "hello");
});

Deno.test("write() returns once everything is written, and nothing", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const writing = yield* waiting(write(sink, bytes("hello")));
    yield* turn();
    sink.take(3);
    yield* turn();
    assertEquals(writing.state, "running");
    sink.take();
    assertEquals(yield* writing, undefined);
  });
  assertEquals(sink.writes, ["hel", "lo"]);
});

Deno.test("write() writes more than fits into one piece", async () => {
  const sink = writerTo();
  const much = "0123456789".repeat(20_000);
  await main(() => write(sink, bytes(much)));
  assertEquals(sink.all, much);
});

Deno.test("writeOnce() is one system write, and returns how much that took", async () => {
  const sink = writerTo(2);
  assertEquals(await main(() => writeOnce(sink, bytes("hello"))), 2);
  assertEquals(sink.all, "he");
});

Deno.test("write() and writeOnce() work with await, and with an empty buffer ask nobody", async () => {
  const sink = writerTo();
  await write(sink, bytes("a"));
  assertEquals(await writeOnce(sink, bytes("b")), 1);
  const refusing: Writer = { write: () => Promise.reject(new Error("asked")) };
  assertEquals(await write(refusing, buffer(0)), undefined);
  assertEquals(await writeOnce(refusing, buffer(0)), 0);
  assertEquals(await writeEvent(refusing, buffer(0)), 0);
  assertEquals(sink.all, "ab");
});

Deno.test("law 7: the bytes of two writes never mix, and come first in, first out", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    for (const content of ["first", "second", "third"]) spawn(() => write(sink, bytes(content)));
    for (let n = 0; n < 20; n++) {
      yield* turn();
      if (sink.isWriting) sink.take(2);
    }
  });
  assertEquals(sink.all, "firstsecondthird");
});

Deno.test("law 4: a write that is cancelled before its turn has written nothing", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const first = yield* waiting(write(sink, bytes("first")));
    yield* cancelScope(function* (context) {
      spawn(() => write(sink, bytes("lost")));
      yield* turn();
      context.cancel();
    });
    const last = yield* waiting(write(sink, bytes("last")));
    sink.take();
    yield* first;
    yield* turn();
    sink.take();
    yield* last;
  });
  assertEquals(sink.writes, ["first", "last"]);
});

Deno.test("law 4: a write that left before the system was asked has written nothing", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => write(sink, bytes("lost")));
      yield* yieldNow();
      context.cancel();
    });
    yield* turn();
  });
  assertEquals(sink.isWriting, false);
});

Deno.test("write() that is cancelled in its turn ends at once, and is never torn", async () => {
  const sink = new SlowWriter();
  const content = bytes("whole message");
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => write(sink, content));
      yield* turn();
      sink.take(3);
      yield* turn();
      context.cancel();
    });
    content.fill(0); // it is the caller's again
    const next = yield* waiting(write(sink, bytes("!")));
    sink.take(2);
    yield* turn();
    sink.take();
    yield* turn();
    sink.take();
    yield* next;
  });
  assertEquals(sink.writes, ["who", "le", " message", "!"]);
});

Deno.test("writeOnce() that is cancelled in its turn leaves that one system write under way", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => writeOnce(sink, bytes("first")));
      yield* turn();
      context.cancel();
    });
    const next = yield* waiting(writeOnce(sink, bytes("next")));
    yield* turn();
    sink.take(2); // and that was it
    yield* turn();
    sink.take();
    assertEquals(yield* next, 4);
  });
  assertEquals(sink.writes, ["fi", "next"]);
});

Deno.test("law 13: a failure of a write that was cancelled is told to the next in line, once", async () => {
  const sink = new SlowWriter();
  const error = new Error("broken");
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => write(sink, bytes("first")));
      yield* turn();
      context.cancel();
    });
    const second = yield* waiting(errorOf(write(sink, bytes("second"))) as never);
    const third = yield* waiting(write(sink, bytes("third")));
    sink.fail(error);
    assertStrictEquals(yield* second, error);
    yield* turn();
    sink.take();
    yield* third;
  });
  assertEquals(sink.writes, ["third"]);
});

Deno.test("write() throws what the sink rejects with, or throws, as it is", async () => {
  const error = new Error("broken");
  const rejecting: Writer = { write: () => Promise.reject(error) };
  assertStrictEquals(await assertRejects(() => main(() => write(rejecting, bytes("a")))), error);
  const throwing: Writer = {
    write() {
      throw error;
    },
  };
  assertStrictEquals(await assertRejects(() => main(() => writeOnce(throwing, bytes("a")))), error);
});

Deno.test("write() refuses a count that cannot be", async () => {
  for (const lie of [0, -1, 2, 0.5]) {
    const sink: Writer = { write: () => Promise.resolve(lie) };
    await assertRejects(
      () => main(() => write(sink, bytes("a"))),
      TypeError,
      `Cannot write to the sink: its write must return an integer from 1 to 1, got ${lie}`,
    );
  }
});

Deno.test("writeEvent() hands a copy over, and happens with how many bytes that were", async () => {
  const sink = new SlowWriter();
  const content = bytes("hello");
  await main(function* () {
    assertEquals(yield* writeEvent(sink, content), 5);
    content.fill(0);
    yield* turn();
    sink.take(2);
    yield* turn();
    sink.take();
  });
  assertEquals(sink.all, "hello");
});

Deno.test("writeEvent() hands over 64 KiB at most", async () => {
  const sink = writerTo();
  await main(function* () {
    assertEquals(yield* writeEvent(sink, buffer(100_000)), 65536);
    yield* turn();
  });
  assertEquals(sink.all.length, 65536);
});

Deno.test("law 6: a writeEvent() that loses its select writes nothing, at any time", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const lost = { now: Event.always(1), write: writeEvent(sink, bytes("lost")) };
    assertEquals((yield* select(lost)).kind, "now");
    const first = yield* waiting(write(sink, bytes("first")));
    const branches = [
      when(writeEvent(sink, bytes("lost")), () => "written"),
      when(Event.never(), () => "never"),
    ];
    yield* turn();
    yield* cancelScope(function* (context) {
      spawn(() => select(branches));
      yield* turn();
      context.cancel();
    });
    sink.take();
    yield* first;
    yield* turn();
  });
  assertEquals(sink.all, "first");
});

Deno.test("law 7: writeEvent() lines up, and is chosen when its turn comes", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const first = yield* waiting(write(sink, bytes("first")));
    yield* turn();
    const second = yield* waiting(select([when(writeEvent(sink, bytes("second")), (n) => n)]));
    const third = yield* waiting(write(sink, bytes("third")));
    assertEquals(second.state, "running");
    sink.take();
    yield* first;
    assertEquals(yield* second, 6);
    yield* turn();
    sink.take();
    yield* turn();
    sink.take();
    yield* third;
  });
  assertEquals(sink.writes, ["first", "second", "third"]);
});

Deno.test("writeEvent() of a buffer that has shrunk to nothing by its turn happens once, with 0", async () => {
  const sink = new SlowWriter();
  const storage = new ArrayBuffer(4, { maxByteLength: 4 });
  await main(function* () {
    const before = yield* waiting(write(sink, bytes("a")));
    yield* turn();
    const event = yield* waiting(
      select([when(writeEvent(sink, new Uint8Array(storage)), (count) => count)]),
    );
    storage.resize(0);
    sink.take();
    yield* before;
    assertEquals(yield* event, 0);
    yield* turn();
  });
  assertEquals(sink.writes, ["a"]);
});

Deno.test("law 13: a failure after a writeEvent() is told to the next write, or event", async () => {
  const sink = new SlowWriter();
  const error = new Error("broken");
  await main(function* () {
    const branch = when(writeEvent(sink, bytes("lost")), (n) => n);
    for (const next of [() => write(sink, bytes("next")), () => writeEvent(sink, bytes("next"))]) {
      yield* select([branch]);
      yield* turn();
      sink.fail(error);
      yield* turn();
      assertStrictEquals(yield* errorOf(next()), error);
    }
    // One that stands in line is told as well.
    yield* select([branch]);
    const waitingEvent = yield* waiting(select([branch]));
    yield* turn();
    sink.fail(error);
    assertStrictEquals(yield* errorOf(waitingEvent), error);
  });
});

Deno.test("an Output and write() over the same writer take turns", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString("output");
    const first = yield* waiting(write(sink, bytes("first")));
    const flush = yield* waiting(output.flush());
    const last = yield* waiting(write(sink, bytes("last")));
    for (let n = 0; n < 20; n++) {
      yield* turn();
      if (sink.isWriting) sink.take(2);
    }
    yield* first;
    yield* flush;
    yield* last;
  });
  assertEquals(sink.all, "firstoutputlast");
});

Deno.test("an Output that has nothing to write closes the writer behind the writes of others", async () => {
  for (const cancelled of [false, true]) {
    const sink = new SlowWriter();
    let closedAfter: string | undefined;
    const close = () => void (closedAfter = sink.all);
    const output = Output.fromWriter(sink, { close });
    await main(function* () {
      const writing = yield* waiting(write(sink, bytes("hello")));
      yield* turn();
      if (cancelled) yield* writing.abort();
      const closing = yield* waiting(output.close());
      for (let n = 0; n < 5; n++) {
        yield* turn();
        assertEquals(closedAfter, undefined);
        sink.take(1);
      }
      yield* closing;
      assertEquals(closedAfter, "hello");
    });
  }
});

Deno.test("law 13: Output.close() with nothing to write tells the failure of a write that was cancelled", async () => {
  for (const over of [false, true]) {
    const sink = new SlowWriter();
    const output = Output.fromWriter(sink);
    const boom = new Error("sink");
    await main(function* () {
      const writing = yield* waiting(write(sink, bytes("hello")));
      yield* turn();
      yield* writing.abort();
      if (over) {
        sink.fail(boom);
        yield* turn();
      }
      const closing = spawn(() => errorOf(output.close()));
      yield* turn();
      if (!over) sink.fail(boom);
      assertEquals(yield* closing, boom);
    });
  }
});

Deno.test("Output.discard() doesn't wait for the writes of others", async () => {
  const sink = new SlowWriter();
  let closed = false;
  const output = Output.fromWriter(sink, { close: () => void (closed = true) });
  await main(function* () {
    const writing = yield* waiting(write(sink, bytes("hello")));
    yield* turn();
    const closing = yield* waiting(output.close());
    yield* turn();
    assertEquals(closed, false);
    output.discard();
    yield* closing;
    assertEquals([closed, writing.state], [true, "running"]);
    sink.take();
    yield* writing;
  });
});

Deno.test("write(), writeOnce() and writeEvent() check their arguments", () => {
  for (const f of [write, writeOnce, writeEvent]) {
    assertThrows(
      () => f({} as Writer, buffer(1)),
      TypeError,
      "Cannot write: sink.write must be a function, got undefined",
    );
    assertThrows(
      () => f(writerTo(), "text" as never),
      TypeError,
      'Cannot write: buffer must be a Uint8Array, got "text"',
    );
    assertThrows(() => f(7 as never, buffer(1)), TypeError, "sink must be an object with a method");
  }
});

Deno.test("write() over the writer of a Web Stream says what to do, and writes nothing", () => {
  const chunks: unknown[] = [];
  const stream = new WritableStream({ write: (chunk) => void chunks.push(chunk) });
  const sink = stream.getWriter() as never;
  const message = "unlock the stream, and pass that";
  assertThrows(() => write(sink, bytes("x")), TypeError, message);
  assertThrows(() => writeOnce(sink, bytes("x")), TypeError, message);
  assertThrows(() => writeEvent(sink, bytes("x")), TypeError, message);
  assertThrows(() => Output.fromWriter(sink), TypeError, message);
  assertEquals(chunks, []);
});

Deno.test("Output.fromWriter() over a Web Stream says what to use, also after a write() to it", async () => {
  const stream = new WritableStream<Uint8Array>();
  const refused = () => {
    const message =
      "writer is a WritableStream, which doesn't say how many bytes it took; use Output.fromWritable";
    assertThrows(() => Output.fromWriter(stream as never), TypeError, message);
  };
  refused();
  await write(stream, bytes("x"));
  refused();
});

Deno.test("write() writes to what Deno opens", async () => {
  const path = await Deno.makeTempFile();
  try {
    using file = await Deno.open(path, { write: true });
    await main(() => write(file, bytes("content")));
    assertEquals(text(await Deno.readFile(path)), "content");
  } finally {
    await Deno.remove(path);
  }
});
