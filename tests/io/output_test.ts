import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { cancelScope, Event, main, run, spawn } from "@weft/weft";
import { Output, StreamClosedError, write, type Writer } from "@weft/weft/io";
import {
  buffer,
  bytes,
  namedError,
  SlowWriter,
  text,
  turn,
  writerTo,
} from "../kit/byte_streams.ts";
import { valueOf } from "../kit/results.ts";
import { errorOf, waiting } from "../kit/virtually.ts";

const SIZE = 16 * 1024;
const full = (char: string, length = SIZE) => char.repeat(length);

Deno.test("Output writes bytes, text, characters, lines and integers", () => {
  const output = Output.toBytes();
  run(function* () {
    yield* output.output(bytes("bytes "));
    yield* output.outputString("naïve ");
    yield* output.outputChar("🧵");
    yield* output.outputLine("");
    yield* output.outputLines(new Set(["one", "two"]));
    for (const value of [42, -7, 0, -0, 2n ** 70n, 1e21]) {
      yield* output.outputInt(value);
      yield* output.outputChar(" ");
    }
  });
  assertEquals(
    output.text(),
    "bytes naïve 🧵\none\ntwo\n42 -7 0 0 1180591620717411303424 1000000000000000000000 ",
  );
});

Deno.test("Output.toBytes() has everything, flushed or not, closed or not", () => {
  const output = Output.toBytes();
  const result = run(function* () {
    yield* output.outputString("a");
    assertEquals(output.text(), "a");
    yield* output.flush();
    yield* output.outputString("b");
    yield* output.outputString(full("c", 100_000));
    yield* output.close();
    return output.bytes();
  });
  assertEquals(text(valueOf(result)), "ab" + full("c", 100_000));
});

Deno.test("Output.dummy() forgets everything", () => {
  const output = Output.dummy();
  const result = run(function* () {
    yield* output.output(buffer(100_000));
    yield* output.flush();
    yield* output.close();
    return output.statistics();
  });
  assertEquals(valueOf(result), { buffered: 0, waiting: 0 });
});

Deno.test("Output writes nothing until it is full, flushed or closed", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString("flushed");
    yield* turn();
    assertEquals(sink.isWriting, false);
    const flush = yield* waiting(output.flush());
    yield* turn();
    sink.take();
    yield* flush;
    yield* output.flush(); // nothing to do
    yield* output.output(buffer(SIZE - 1));
    yield* turn();
    assertEquals(sink.isWriting, false);
    yield* output.outputString("x");
    yield* turn();
    assertEquals(sink.isWriting, true);
    sink.take();
    yield* output.outputString("closed");
    const close = yield* waiting(output.close());
    yield* turn();
    sink.take();
    yield* close;
  });
  assertEquals(sink.writes.map((piece) => piece.length), [7, SIZE, 6]);
  assertEquals(sink.closes, 1);
});

Deno.test("Output suspends only while one buffer is written and the other is full", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString(full("a"));
    yield* output.outputString(full("b"));
    assertEquals(output.statistics(), { buffered: 2 * SIZE, waiting: 0 });
    const third = yield* waiting(output.outputString("c"));
    const fourth = yield* waiting(output.outputString("d"));
    yield* turn();
    assertEquals(output.statistics(), { buffered: 2 * SIZE, waiting: 2 });
    sink.take();
    yield* third;
    yield* fourth;
    yield* turn();
    sink.take();
    const close = yield* waiting(output.close());
    yield* turn();
    sink.take();
    yield* close;
  });
  assertEquals(sink.all, full("a") + full("b") + "cd");
});

Deno.test("Output takes what is larger than its buffer as a whole, in its place", async () => {
  const sink = writerTo(5000);
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString("before ");
    yield* output.output(bytes(full("x", 50_000)));
    yield* output.outputString(full("ü", 30_000));
    yield* output.outputString(" after");
    yield* output.close();
  });
  assertEquals(sink.all, "before " + full("x", 50_000) + full("ü", 30_000) + " after");
});

Deno.test("law 4: an output that is cancelled while it waits for room has output nothing", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString(full("a"));
    yield* output.outputString(full("b"));
    yield* cancelScope(function* (context) {
      spawn(() => output.outputString("lost"));
      spawn(() => output.output(buffer(100_000)));
      yield* turn();
      context.cancel();
    });
    assertEquals(output.statistics(), { buffered: 2 * SIZE, waiting: 0 });
    const kept = yield* waiting(output.outputString("kept"));
    const close = output.flush();
    sink.take();
    yield* kept;
    const flushing = yield* waiting(close);
    for (let n = 0; n < 4; n++) {
      yield* turn();
      if (sink.isWriting) sink.take();
    }
    yield* flushing;
  });
  assertEquals(sink.all, full("a") + full("b") + "kept");
});

Deno.test("law 4: a flush that is cancelled loses nothing of what was output", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString("first");
    yield* cancelScope(function* (context) {
      spawn(() => output.flush());
      yield* turn();
      context.cancel();
    });
    yield* output.outputString(" second");
    sink.take(2);
    const flush = yield* waiting(output.flush());
    for (let n = 0; n < 3; n++) {
      yield* turn();
      if (sink.isWriting) sink.take();
    }
    yield* flush;
    assertEquals(output.statistics(), { buffered: 0, waiting: 0 });
  });
  assertEquals(sink.all, "first second");
});

Deno.test("flush() waits for what was output before it, not for what comes later", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString("before");
    const flush = yield* waiting(output.flush());
    yield* turn();
    yield* output.outputString("after");
    sink.take();
    yield* flush;
    assertEquals(output.statistics().buffered, 5);
  });
});

Deno.test("law 7: outputs come in the order in which they were made, and never mix", async () => {
  const sink = writerTo(7);
  const expected: string[] = [];
  await main(function* () {
    const output = Output.fromWriter(sink);
    for (let n = 0; n < 20; n++) {
      const content = String.fromCharCode(97 + n).repeat(n % 3 === 0 ? 20_000 : 5000);
      expected.push(content);
      spawn(() => output.outputString(content));
    }
    yield* turn();
    for (let n = 0; output.statistics().waiting > 0 && n < 1000; n++) yield* turn();
    yield* output.close();
  });
  assertEquals(sink.all, expected.join(""));
});

Deno.test("law 13: a failure breaks the output for all who wait and all who come", async () => {
  const sink = new SlowWriter();
  const error = new Error("broken");
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString(full("a"));
    yield* output.outputString(full("b"));
    const waiters = [
      yield* waiting(output.outputString("c")),
      yield* waiting(output.flush()),
      yield* waiting(output.output(bytes("d"))),
    ];
    yield* turn();
    sink.fail(error);
    for (const waiter of waiters) assertStrictEquals(yield* errorOf(waiter), error);
    assertStrictEquals(yield* errorOf(output.outputInt(1)), error);
    assertStrictEquals(yield* errorOf(output.flush()), error);
    assertEquals(output.statistics(), { buffered: 0, waiting: 0 });
    yield* output.close(); // everybody knows
  });
  assertEquals([sink.writes, sink.closes], [[], 1]);
});

Deno.test("law 13: a failure that nobody was told is thrown by close(), which closes all the same", async () => {
  const sink = new SlowWriter();
  const error = new Error("broken");
  await main(function* () {
    const behind = Output.fromWriter(sink);
    yield* behind.outputString(full("a"));
    yield* turn();
    sink.fail(error);
    yield* turn();
    assertStrictEquals(yield* errorOf(behind.close()), error);
    yield* behind.close();
    const atLast = Output.fromWriter(sink);
    yield* atLast.outputString("a");
    const close = yield* waiting(atLast.close());
    yield* turn();
    sink.fail(error);
    assertStrictEquals(yield* errorOf(close), error);
  });
  assertEquals(sink.closes, 2);
});

Deno.test("law 13: when both writing and closing fail, close() tells both", async () => {
  const errors = [new Error("write"), new Error("close")];
  const output = Output.fromWriter({ write: () => Promise.reject(errors[0]) }, {
    close() {
      throw errors[1];
    },
  });
  await main(function* () {
    yield* output.outputString("a");
    const error = yield* errorOf(output.close());
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, errors);
  });
});

Deno.test("close() under those who wait for room refuses them, and writes what was output", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString(full("a"));
    yield* output.outputString(full("b"));
    const refused = yield* waiting(output.outputString("c"));
    const close = yield* waiting(output.close());
    const error = yield* errorOf(refused);
    assertInstanceOf(error, StreamClosedError);
    assertEquals(error.message, "Cannot write to the output: it is closed");
    assertInstanceOf(yield* errorOf(output.outputString("d")), StreamClosedError);
    assertInstanceOf(yield* errorOf(output.flush()), StreamClosedError);
    const second = yield* waiting(output.close());
    for (let n = 0; n < 2; n++) {
      yield* turn();
      assertEquals(sink.closes, 0);
      sink.take();
    }
    yield* close;
    yield* second;
  });
  assertEquals([sink.all, sink.closes], [full("a") + full("b"), 1]);
});

Deno.test("law 12, T5: Output.close() in a fiber that is aborting writes everything and closes", async () => {
  const sink = writerTo();
  const log: string[] = [];
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(function* () {
        const output = Output.fromWriter(sink);
        try {
          yield* output.outputString("last words");
          yield* Event.never();
        } finally {
          yield* output.close();
          log.push("closed");
        }
      }, { propagateCancelToParent: false });
      yield* turn();
      context.cancel();
    });
  });
  assertEquals([sink.all, sink.closes, log], ["last words", 1, ["closed"]]);
});

Deno.test("law 12: an abort doesn't end a close() that has begun", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString("a");
    const closing = yield* waiting(output.close());
    yield* turn();
    const gone = yield* waiting(closing.abort());
    yield* turn();
    assertEquals(gone.state, "running");
    sink.take();
    yield* gone;
  });
  assertEquals([sink.all, sink.closes], ["a", 1]);
});

Deno.test("discard() forgets what isn't written, and ends a close() that is stuck", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* output.outputString(full("a"));
    yield* output.outputString("b");
    const flush = yield* waiting(output.flush());
    const close = yield* waiting(output.close());
    yield* turn();
    output.discard();
    assertEquals(sink.closes, 1);
    for (const waiter of [flush, close]) {
      const error = yield* errorOf(waiter);
      assertEquals((error as Error).message, "Cannot write to the output: it was discarded");
    }
    yield* turn();
    assertEquals(sink.isWriting, false);
    output.discard();
    yield* output.close();
  });
  assertEquals([sink.writes, sink.closes], [[], 1]);
});

Deno.test("discard() takes out of the line what waits for its turn", async () => {
  const sink = new SlowWriter();
  await main(function* () {
    const first = Output.fromWriter(sink, { close() {} });
    const second = Output.fromWriter(sink, { close() {} });
    for (const output of [first, second]) yield* output.outputString(full("a"));
    yield* turn();
    second.discard();
    sink.take();
    yield* turn();
    assertEquals(sink.isWriting, false);
    yield* first.close();
  });
  assertEquals(sink.writes, [full("a")]);
});

Deno.test("Output.tee() writes everything to each, and flushes and closes each", async () => {
  const sinks = [writerTo(), writerTo(3), writerTo()];
  await main(function* () {
    const outputs = sinks.map((sink) => Output.fromWriter(sink));
    const tee = Output.tee(outputs);
    yield* tee.outputString("one ");
    yield* tee.flush();
    assertEquals(sinks.map((sink) => sink.all), ["one ", "one ", "one "]);
    yield* tee.outputString(full("x", 40_000));
    yield* tee.close();
    assertInstanceOf(yield* errorOf(outputs[0]!.flush()), StreamClosedError);
  });
  assertEquals(sinks.map((sink) => sink.all), Array(3).fill("one " + full("x", 40_000)));
  assertEquals(sinks.map((sink) => sink.closes), [1, 1, 1]);
});

Deno.test("Output.tee() waits for the slowest; cancelled, nothing is lost or doubled", async () => {
  const fast = writerTo();
  const slow = new SlowWriter();
  await main(function* () {
    const tee = Output.tee(Output.fromWriter(fast), Output.fromWriter(slow));
    const expected = ["a", "b", "c", "d", "e"].map((char) => full(char));
    for (const content of expected) {
      for (let done = false; !done;) {
        yield* cancelScope(function* (context) {
          spawn(function* () {
            yield* tee.outputString(content);
            done = true;
          });
          for (let n = 0; n < 3; n++) yield* turn();
          context.cancel();
        });
        if (!done && slow.isWriting) slow.take();
      }
    }
    const close = yield* waiting(tee.close());
    for (let n = 0; n < 20; n++) {
      yield* turn();
      if (slow.isWriting) slow.take();
    }
    yield* close;
    assertEquals(fast.all, expected.join(""));
    assertEquals(slow.all, expected.join(""));
  });
});

Deno.test("outputLines() that is cancelled has output whole lines; the iterable is closed", async () => {
  const sink = new SlowWriter();
  let closed = false;
  function* endless() {
    try {
      for (;;) yield full("x", 5000);
    } finally {
      closed = true;
    }
  }
  await main(function* () {
    const output = Output.fromWriter(sink);
    yield* cancelScope(function* (context) {
      spawn(() => output.outputLines(endless()));
      yield* turn();
      context.cancel();
    });
    const close = yield* waiting(output.close());
    for (let n = 0; n < 3; n++) {
      yield* turn();
      if (sink.isWriting) sink.take();
    }
    yield* close;
  });
  assertEquals(closed, true);
  assertEquals(sink.all.length % 5001, 0);
});

Deno.test("Output writes to a peer that is gone: the failure is told as it is", async () => {
  const error = namedError("BrokenPipe");
  const gone: Writer = { write: () => Promise.reject(error) };
  await main(function* () {
    const output = Output.fromWriter(gone);
    yield* output.outputString("a");
    assertStrictEquals(yield* errorOf(output.flush()), error);
    yield* output.close();
  });
});

Deno.test("a writer, or a hook, may keep the bytes that it is given", async () => {
  const kept: Uint8Array[] = [];
  const writer: Writer = {
    write(piece) {
      kept.push(piece);
      return Promise.resolve(piece.length);
    },
  };
  await main(function* () {
    const outputs = [
      Output.fromWriter(writer),
      Output.create({ output: (piece) => void kept.push(piece) }),
    ];
    for (const output of outputs) {
      for (const content of ["one", "two", "six"]) {
        yield* output.outputString(content);
        yield* output.flush();
      }
    }
    yield* write(writer, bytes("ten"));
  });
  const seen = ["one", "two", "six"];
  assertEquals(kept.map(text), [...seen, ...seen, "ten"]);
});

Deno.test("await using closes an Output", async () => {
  const sink = writerTo();
  {
    await using output = Output.fromWriter(sink);
    await output.outputString("a");
  }
  assertEquals([sink.all, sink.closes], ["a", 1]);
});

Deno.test("Output checks its arguments", () => {
  const output = Output.toBytes();
  const cases: [() => unknown, typeof TypeError | typeof RangeError, string][] = [
    [() => output.output("a" as never), TypeError, "bytes must be a Uint8Array"],
    [() => output.outputChar("ab"), TypeError, "char must be a string of one code point"],
    [() => output.outputChar(""), TypeError, "char must be a string of one code point"],
    [() => output.outputChar(7 as never), TypeError, "got 7"],
    [() => output.outputString(7 as never), TypeError, "text must be a string, got 7"],
    [() => output.outputLine(7 as never), TypeError, "line must be a string, got 7"],
    [() => output.outputLines("text" as never), TypeError, "lines must be iterable"],
    [() => output.outputInt(0.5), RangeError, "value must be an integer, got 0.5"],
    [() => output.outputInt("1" as never), TypeError, 'must be a number or a bigint, got "1"'],
    [() => Output.create({} as never), TypeError, "hooks.output must be a function"],
    [() => Output.fromWriter({} as never), TypeError, "writer.write must be a function"],
    [() => Output.fromWritable({} as never), TypeError, "stream must be a WritableStream"],
    [() => Output.tee(7 as never), TypeError, "expected an Output, got 7"],
    [() => new (Output as unknown as new () => Output)(), TypeError, "use Output.create"],
  ];
  for (const [call, type, message] of cases) assertThrows(call, type, message);
});
