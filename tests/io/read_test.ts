import { assertEquals, assertRejects, assertStrictEquals, assertThrows } from "@std/assert";
import { cancelScope, Channel, Event, main, select, spawn, when, yieldNow } from "@weft/weft";
import { Input, read, type Reader, readEvent } from "@weft/weft/io";
import {
  buffer,
  bytes,
  namedError,
  readerOf,
  SlowReader,
  text,
  turn,
} from "../kit/byte_streams.ts";
import { errorOf, waiting } from "../kit/virtually.ts";

Deno.test("read() returns how many bytes it put into the buffer, and 0 at the end", async () => {
  const source = readerOf("hello", "!");
  const seen = await main(function* () {
    const seen: string[] = [];
    const into = buffer(3);
    for (;;) {
      const count = yield* read(source, into);
      if (count === 0) return seen;
      seen.push(text(into.subarray(0, count)));
    }
  });
  assertEquals(seen, ["hel", "lo", "!"]);
});

Deno.test("read() works with await, too", async () => {
  const into = buffer(5);
  assertEquals(await read(readerOf("hello"), into), 5);
  assertEquals(text(into), "hello");
});

Deno.test("read() asks the system for no more than fits into the buffer, up to 16 KiB", async () => {
  const source = new SlowReader();
  await main(function* () {
    for (const length of [1, 4096, 16384, 100_000]) {
      const reading = yield* waiting(read(source, buffer(length)));
      yield* turn();
      source.give("x");
      yield* reading;
    }
  });
  assertEquals(source.asked, [1, 4096, 16384, 16384]);
});

Deno.test("T28, law 4: a cancelled read() loses no byte", async () => {
  const source = new SlowReader();
  const into = buffer(3);
  const untouched = buffer(8);
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => read(source, untouched));
      yield* turn();
      context.cancel();
    });
    source.give("abcdefgh");
    yield* turn();
    const seen: string[] = [];
    for (let n = 0; n < 3; n++) seen.push(text(into.subarray(0, yield* read(source, into))));
    assertEquals(seen, ["abc", "def", "gh"]);
  });
  assertEquals(untouched, buffer(8), "the cancelled read wrote to its buffer");
  assertEquals(source.asked, [8]);
});

Deno.test("T28: a read() that comes while a cancelled one is under way waits for that", async () => {
  const source = new SlowReader();
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => read(source, buffer(4)));
      yield* turn();
      context.cancel();
    });
    const into = buffer(10);
    const reading = yield* waiting(read(source, into));
    yield* turn();
    source.give("ab");
    assertEquals(yield* reading, 2);
    assertEquals(text(into.subarray(0, 2)), "ab");
  });
  assertEquals(source.asked, [4]);
});

Deno.test("law 6: a readEvent() that loses its select takes nothing, at any time", async () => {
  const source = new SlowReader();
  const channel = new Channel<string>();
  await main(function* () {
    const lost = buffer(4);
    const branches = [
      when(readEvent(source, lost), (count) => `${count} bytes`),
      when(channel.receiveEvent(), (item) => item),
    ];
    const choosing = yield* waiting(select(branches));
    yield* turn();
    channel.trySend("item");
    assertEquals(yield* choosing, "item");
    source.give("abcd");
    yield* turn();
    assertEquals(lost, buffer(4));
    channel.trySend("second");
    // What has arrived is there for the next: the first branch that is ready wins.
    assertEquals(yield* select(branches), "4 bytes");
    assertEquals(text(lost), "abcd");
    assertEquals(yield* select(branches), "second");
  });
});

Deno.test("a read that has left before the system was asked asks for nothing", async () => {
  const source = new SlowReader();
  await main(function* () {
    const ready = { ready: Event.always(1), read: readEvent(source, buffer(1)) };
    assertEquals((yield* select(ready)).kind, "ready");
    yield* cancelScope(function* (context) {
      spawn(() => read(source, buffer(1)));
      yield* yieldNow();
      context.cancel();
    });
    yield* turn();
  });
  assertEquals(source.asked, []);
});

Deno.test("law 7: readers of one source are served in the order in which they came", async () => {
  const source = new SlowReader();
  const seen: string[] = [];
  function* reader(name: string) {
    const into = buffer(2);
    const count = yield* read(source, into);
    seen.push(`${name} ${text(into.subarray(0, count))}`);
  }
  await main(function* () {
    for (const name of ["first", "second", "third"]) spawn(() => reader(name));
    yield* turn();
    source.give("ab");
    yield* turn();
    source.give("c");
    yield* turn();
    source.give("d");
  });
  assertEquals(seen, ["first ab", "second c", "third d"]);
});

Deno.test("law 7: one parked chunk serves several readers, in order, and nobody jumps the queue", async () => {
  const source = new SlowReader();
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => read(source, buffer(8)));
      yield* turn();
      context.cancel();
    });
    const buffers = [buffer(3), buffer(2), buffer(9)];
    const readings = [];
    for (const into of buffers) readings.push(yield* waiting(read(source, into)));
    yield* turn();
    source.give("abcdefg");
    for (const reading of readings) yield* reading;
    assertEquals(buffers.map(text), ["abc", "de", "fg\0\0\0\0\0\0\0"]);
  });
});

Deno.test("read() with an empty buffer returns 0 at once and asks nobody", async () => {
  const source = new SlowReader();
  await main(function* () {
    const first = yield* waiting(read(source, buffer(1)));
    assertEquals(yield* read(source, buffer(0)), 0);
    assertEquals(yield* readEvent(source, buffer(0)), 0);
    yield* turn();
    source.give("a");
    assertEquals(yield* first, 1);
  });
  assertEquals(source.asked, [1]);
});

for (const name of ["ConnectionReset", "ConnectionAborted", "BrokenPipe"]) {
  Deno.test(`read() takes ${name} for the end`, async () => {
    const source: Reader = { read: () => Promise.reject(namedError(name)) };
    assertEquals(await read(source, buffer(1)), 0);
  });
}

Deno.test("read() takes the ECONNRESET of Node for the end", async () => {
  const error = Object.assign(new Error("reset"), { code: "ECONNRESET" });
  assertEquals(await read({ read: () => Promise.reject(error) }, buffer(1)), 0);
});

Deno.test("read() throws what the source rejects with, or throws, as it is", async () => {
  const error = new Error("broken");
  const rejecting: Reader = { read: () => Promise.reject(error) };
  assertStrictEquals(await assertRejects(() => main(() => read(rejecting, buffer(1)))), error);
  const throwing: Reader = {
    read() {
      throw error;
    },
  };
  assertStrictEquals(await assertRejects(() => main(() => read(throwing, buffer(1)))), error);
});

Deno.test("read() throws undefined, too, if that is what the source rejects with, or throws", async () => {
  const sources: Reader[] = [{ read: () => Promise.reject(undefined) }, {
    read() {
      // deno-lint-ignore no-throw-literal -- somebody's code may
      throw undefined;
    },
  }];
  for (const source of sources) {
    const seen: unknown[] = [];
    await main(function* () {
      try {
        seen.push(yield* read(source, buffer(1)));
      } catch (error) {
        seen.push("thrown", error);
      }
    });
    assertEquals(seen, ["thrown", undefined]);
  }
});

Deno.test("law 13: an end or a failure that came when nobody waited is told to the next, once", async () => {
  const source = new SlowReader();
  const error = new Error("broken");
  function* cancelledRead() {
    yield* cancelScope(function* (context) {
      spawn(() => read(source, buffer(1)));
      yield* turn();
      context.cancel();
    });
  }
  await main(function* () {
    yield* cancelledRead();
    source.fail(error);
    yield* turn();
    assertStrictEquals(yield* errorOf(read(source, buffer(1))), error);
    yield* cancelledRead();
    source.end();
    yield* turn();
    assertEquals(yield* read(source, buffer(1)), 0);
    assertEquals(source.isReading, false);
    // A terminal goes on after its end: the next read asks anew.
    const reading = yield* waiting(read(source, buffer(1)));
    yield* turn();
    source.give("x");
    assertEquals(yield* reading, 1);
  });
});

Deno.test("read() tells each of those who wait of the end", async () => {
  const source = new SlowReader();
  await main(function* () {
    const first = yield* waiting(read(source, buffer(1)));
    const second = yield* waiting(read(source, buffer(1)));
    yield* turn();
    source.end();
    yield* turn();
    source.end();
    assertEquals([yield* first, yield* second], [0, 0]);
  });
});

Deno.test("read() refuses a count that cannot be", async () => {
  for (const lie of [-1, 2, 0.5, NaN]) {
    const source = new SlowReader();
    await main(function* () {
      const reading = yield* waiting(read(source, buffer(1)));
      yield* turn();
      source.lie(lie);
      const error = yield* errorOf(reading);
      assertEquals(
        (error as Error).message,
        `Cannot read from the source: its read must return an integer from 0 to 1, or null at ` +
          `the end, got ${lie}`,
      );
    });
  }
});

Deno.test("read() and readEvent() check their arguments", () => {
  const call = (source: unknown, into: unknown) => () => read(source as Reader, into as Uint8Array);
  assertThrows(
    call({}, buffer(1)),
    TypeError,
    "Cannot read: source.read must be a function, got undefined",
  );
  assertThrows(call(null, buffer(1)), TypeError, "source must be an object with a method read");
  assertThrows(
    call(readerOf(), "text"),
    TypeError,
    'Cannot read: buffer must be a Uint8Array, got "text"',
  );
  assertThrows(() => readEvent(readerOf(), [] as never), TypeError, "got an array of 0");
});

Deno.test("read() over the reader of a Web Stream says what to do, and eats nothing", async () => {
  const stream = ReadableStream.from([bytes("chunk")]);
  const into = buffer(5);
  const byob = new ReadableStream({ type: "bytes" }).getReader({ mode: "byob" });
  for (const source of [stream.getReader(), byob]) {
    const message = "unlock the stream, and pass that";
    assertThrows(() => read(source as never, into), TypeError, message);
    assertThrows(() => readEvent(source as never, into), TypeError, message);
    assertThrows(() => Input.fromReader(source as never), TypeError, message);
    source.releaseLock();
  }
  assertEquals(into.length, 5);
  assertEquals(await Input.fromReadable(stream).inputAllText(), "chunk");
});

Deno.test("Input.fromReader() over a Web Stream says what to use, also after a read() of it", async () => {
  const stream = ReadableStream.from([bytes("chunk")]);
  const refused = () => {
    const message =
      "reader is a ReadableStream, whose chunks come as they are; use Input.fromReadable";
    assertThrows(() => Input.fromReader(stream as never), TypeError, message);
  };
  refused();
  await read(stream, buffer(1));
  refused();
});

Deno.test("read() reads from what Deno opens", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "content");
    using file = await Deno.open(path);
    const into = buffer(20);
    assertEquals(await main(() => read(file, into)), 7);
    assertEquals(into.subarray(0, 7), bytes("content"));
    assertEquals(await main(() => read(file, into)), 0);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("law 9: a thousand cancelled reads leave no waiter, and one read under way", async () => {
  const source = new SlowReader();
  const into = buffer(1);
  await main(function* () {
    for (let n = 0; n < 1000; n++) {
      yield* cancelScope(function* (context) {
        spawn(() => read(source, buffer(1)));
        if (n === 500) yield* turn();
        context.cancel();
      });
    }
    const reading = yield* waiting(read(source, into));
    yield* turn();
    source.give("x");
    assertEquals(yield* reading, 1);
  });
  assertEquals(source.asked, [1]);
  assertEquals(text(into), "x");
});
