import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { type Awaitable, cancelScope, Event, main, run, select, spawn, when } from "@weft/weft";
import {
  EndOfFileError,
  Input,
  LimitExceededError,
  Output,
  read,
  StreamClosedError,
} from "@weft/weft/io";
import {
  buffer,
  bytes,
  readerOf,
  SlowReader,
  SlowWriter,
  text,
  turn,
  writerTo,
} from "../kit/byte_streams.ts";
import { valueOf } from "../kit/results.ts";
import { errorOf, waiting } from "../kit/virtually.ts";

/** Every line up to the end. */
function* linesOf(input: Input, maxBytes = Infinity): Generator<never, string[], unknown> {
  const lines: string[] = [];
  for (;;) {
    const line = yield* input.readLine({ maxBytes });
    if (line === undefined) return lines;
    lines.push(line.value);
  }
}

/** The same content in every kind of chunks. */
const cuts: [name: string, cut: (content: Uint8Array) => Uint8Array[]][] = [
  ["in one piece", (content) => [content]],
  ["one byte at a time", (content) => Array.from(content, (byte) => new Uint8Array([byte]))],
  ["in threes", (content) =>
    Array.from(
      { length: Math.ceil(content.length / 3) },
      (_, i) => content.subarray(3 * i, 3 * i + 3),
    )],
];

for (const [name, cut] of cuts) {
  const inputOf = (content: string) => Input.fromReader(readerOf(...cut(bytes(content))));

  Deno.test(`Input.readLine() knows LF, CRLF and a last line without end, ${name}`, async () => {
    assertEquals(await main(() => linesOf(inputOf("a\r\nb\n\n\r\nc\rd\r\r\ne"))), [
      "a",
      "b",
      "",
      "",
      "c\rd\r",
      "e",
    ]);
    assertEquals(await main(() => linesOf(inputOf("a\n"))), ["a"]);
    assertEquals(await main(() => linesOf(inputOf("a\r"))), ["a\r"]);
    assertEquals(await main(() => linesOf(inputOf(""))), []);
  });

  Deno.test(`Input.readLine() survives a chunk's end within a character, ${name}`, async () => {
    const content = ["naïve", "日本語", "🧵 weft", "\uFEFFmark"];
    assertEquals(await main(() => linesOf(inputOf(content.join("\n")))), content);
  });

  Deno.test(`Input.readUntil() finds a delimiter of several bytes, ${name}`, async () => {
    const parts = await main(function* () {
      const input = inputOf("one--two---three-");
      const parts: (string | undefined)[] = [];
      for (let n = 0; n < 4; n++) {
        const part = yield* input.readUntil("--");
        parts.push(part && text(part.value));
      }
      return parts;
    });
    assertEquals(parts, ["one", "two", "-three-", undefined]);
  });

  Deno.test(`Input.inputAllText() is everything, ${name}`, async () => {
    const content = "naïve 日本語 🧵\r\n";
    assertEquals(await main(() => inputOf(content).inputAllText()), content);
    assertEquals(await main(() => inputOf(content).inputAll()), bytes(content));
  });

  Deno.test(`Input.reallyInput() and reallyInputString() fill what they are given, ${name}`, async () => {
    await main(function* () {
      const input = inputOf("naïve!rest");
      assertEquals(yield* input.reallyInputString(6), "naïve");
      const into = buffer(3);
      yield* input.reallyInput(into);
      assertEquals(text(into), "!re");
      assertEquals(yield* input.reallyInputString(0), "");
      const error = yield* errorOf(input.reallyInput(into));
      assertInstanceOf(error, EndOfFileError);
      assertEquals([error.wanted, error.available], [3, 2]);
      assertEquals(error.message, "Cannot read 3 bytes: the input ended after 2");
      assertEquals(yield* input.inputAllText(), "st");
      assertInstanceOf(yield* errorOf(input.reallyInputString(1)), EndOfFileError);
    });
  });

  Deno.test(`Input.readLine({ maxBytes }) allows a line of just that length, ${name}`, async () => {
    assertEquals(
      await main(() => linesOf(inputOf("1234\r\n1234\n1234"), 4)),
      Array(3).fill("1234"),
    );
    for (const content of ["12345\n", "12345", "1234\r", "12345\r\n", "1234567"]) {
      await main(function* () {
        const input = inputOf(content);
        const error = yield* errorOf(input.readLine({ maxBytes: 4 }));
        assertInstanceOf(error, LimitExceededError);
        assertEquals(error.message, "Cannot read a line: it is longer than maxBytes = 4");
        assertEquals(error.limit, 4);
        assertEquals(yield* input.inputAllText(), content, "something was taken");
      });
    }
  });

  Deno.test(`Input.readUntil(_, { maxBytes }) allows just as many bytes, ${name}`, async () => {
    await main(function* () {
      for (const content of ["1234--", "1234"]) {
        const part = yield* inputOf(content).readUntil("--", { maxBytes: 4 });
        assertEquals(part && text(part.value), "1234");
      }
      for (const content of ["12345--", "12345", "1234-"]) {
        const input = inputOf(content);
        const error = yield* errorOf(input.readUntil("--", { maxBytes: 4 }));
        assertEquals(
          (error as Error).message,
          "Cannot read up to the delimiter: it is longer than maxBytes = 4",
        );
        assertEquals(yield* input.inputAllText(), content, "something was taken");
      }
    });
  });

  Deno.test(`Input.inputAll({ maxBytes }) allows just as many bytes, ${name}`, async () => {
    await main(function* () {
      assertEquals(yield* inputOf("1234").inputAllText({ maxBytes: 4 }), "1234");
      const input = inputOf("12345");
      const error = yield* errorOf(input.inputAll({ maxBytes: 4 }));
      assertInstanceOf(error, LimitExceededError);
      assertEquals(
        error.message,
        "Cannot read everything: the input is longer than maxBytes = 4",
      );
      assertEquals(yield* input.inputAllText(), "12345", "something was taken");
    });
  });
}

/** Each way to read that waits for more than a byte, with what it is to return in the end. */
const reads: [name: string, read: (input: Input) => Awaitable<unknown>, value: unknown][] = [
  ["readLine", (input) => input.readLine(), { value: "first" }],
  ["readLineEvent", (input) => input.readLineEvent(), { value: "first" }],
  ["readUntil", (input) => input.readUntil("\n"), { value: bytes("first") }],
  ["reallyInput", (input) => input.reallyInput(buffer(8)), undefined],
  ["reallyInputString", (input) => input.reallyInputString(8), "first\nse"],
  ["inputAll", (input) => input.inputAll(), bytes("first\nsecond")],
  ["inputAllText", (input) => input.inputAllText(), "first\nsecond"],
];

for (const [name, readIt, value] of reads) {
  Deno.test(`law 4: Input.${name}() that is cancelled half-way has taken nothing`, async () => {
    const source = new SlowReader();
    await main(function* () {
      const input = Input.fromReader(source);
      yield* cancelScope(function* (context) {
        spawn(() => readIt(input));
        yield* turn();
        source.give("fir");
        yield* turn();
        context.cancel();
      });
      assertEquals(input.statistics(), { buffered: 3, waiting: 0 });
      source.give("st\nsecond");
      yield* turn();
      const reading = yield* waiting(readIt(input));
      yield* turn();
      if (source.isReading) source.end();
      assertEquals(yield* reading, value);
    });
  });

  Deno.test(`Input.${name}() under which the input is closed throws StreamClosedError`, async () => {
    const source = new SlowReader();
    await main(function* () {
      const input = Input.fromReader(source);
      const first = yield* waiting(readIt(input));
      const second = yield* waiting(readIt(input));
      yield* turn();
      source.give("fir");
      yield* turn();
      yield* input.close();
      for (const reading of [first, second, readIt(input)]) {
        const error = yield* errorOf(reading);
        assertInstanceOf(error, StreamClosedError);
        assertEquals(error.message, "Cannot read from the input: it is closed");
      }
      assertEquals(input.statistics(), { buffered: 0, waiting: 0 });
    });
    assertEquals(source.closes, 1);
  });

  Deno.test(`Input.${name}() throws a failure of the source, and has taken nothing`, async () => {
    const source = new SlowReader();
    const error = new Error("broken");
    await main(function* () {
      const input = Input.fromReader(source);
      const reading = yield* waiting(readIt(input));
      yield* turn();
      source.give("fir");
      yield* turn();
      source.fail(error);
      assertStrictEquals(yield* errorOf(reading), error);
      const into = buffer(10);
      assertEquals(yield* input.input(into), 3);
      assertEquals(text(into.subarray(0, 3)), "fir");
    });
  });
}

Deno.test("law 6: Input.readEvent() and readLineEvent() that lose their select take nothing", async () => {
  const source = new SlowReader();
  await main(function* () {
    const input = Input.fromReader(source);
    const into = buffer(4);
    const branches = [
      when(Event.never(), () => "never"),
      when(input.readLineEvent(), (line) => line?.value),
    ];
    const lost = { read: input.readEvent(into), line: input.readLineEvent(), now: Event.always(1) };
    assertEquals((yield* select(lost)).kind, "now");
    const choosing = yield* waiting(select(branches));
    yield* turn();
    source.give("one\ntwo\n");
    assertEquals(yield* choosing, "one");
    assertEquals((yield* select(lost)).kind, "read");
    assertEquals(text(into), "two\n");
    assertEquals((yield* select(lost)).kind, "now");
  });
});

Deno.test("an Input reads ahead, and shares that with read() and other inputs", async () => {
  const source = new SlowReader();
  await main(function* () {
    const input = Input.fromReader(source);
    const line = yield* waiting(input.readLine());
    yield* turn();
    source.give("line\nrest of it");
    assertEquals(yield* line, { value: "line" });
    const into = buffer(4);
    assertEquals(yield* read(source, into), 4);
    assertEquals(text(into), "rest");
    assertEquals(yield* Input.fromReader(source).reallyInputString(6), " of it");
  });
  assertEquals(source.asked, [16384]);
});

Deno.test("an Input that is buffered neither suspends nor needs a loop", () => {
  const result = run(function* () {
    const input = Input.fromString("one\ntwo\nthree");
    const into = buffer(2);
    assertEquals(yield* input.input(into), 2);
    assertEquals(yield* input.readLine(), { value: "e" });
    assertEquals(yield* input.reallyInputString(2), "tw");
    assertEquals(yield* input.inputAllText(), "o\nthree");
    assertEquals(yield* input.input(into), 0);
    assertEquals(yield* input.readLine(), undefined);
    assertEquals(yield* input.inputAll(), buffer(0));
    return "done";
  });
  assertEquals(valueOf(result), "done");
});

Deno.test("Input.empty() has ended", () => {
  const input = Input.empty();
  const ends = run(function* () {
    return [yield* input.input(buffer(1)), yield* input.readLine(), yield* input.inputAllText()];
  });
  assertEquals(valueOf(ends), [0, undefined, ""]);
});

Deno.test("Input.inputAll() and readLine() cope with a megabyte in small chunks", async () => {
  const content = "x".repeat(1_000_000);
  const chunks = Array.from({ length: 1000 }, (_, i) => content.slice(1000 * i, 1000 * (i + 1)));
  const all = await main(() => Input.fromReader(readerOf(...chunks)).inputAllText());
  assertEquals(all.length, 1_000_000);
  const line = await main(() => Input.fromReader(readerOf(...chunks, "\n")).readLine());
  assertEquals(line?.value.length, 1_000_000);
});

Deno.test("for await over an Input gives its chunks, and over lines() its lines", async () => {
  const seen: string[] = [];
  for await (const chunk of Input.fromReader(readerOf("ab", "c"))) seen.push(text(chunk));
  for await (const line of Input.fromReader(readerOf("on", "e\ntwo")).lines()) seen.push(line);
  assertEquals(seen, ["ab", "c", "one", "two"]);
});

Deno.test("leaving a for await over an Input early loses nothing and doesn't close it", async () => {
  const source = new SlowReader();
  const input = Input.fromReader(source);
  const iterator = input[Symbol.asyncIterator]();
  const next = iterator.next();
  assertEquals(input.statistics().waiting, 1);
  assertEquals(await iterator.return!(), { done: true, value: undefined });
  assertEquals(await next, { done: true, value: undefined });
  assertEquals(await iterator.next(), { done: true, value: undefined });
  assertEquals(input.statistics().waiting, 0);
  const line = Promise.resolve(input.readLine());
  await turn();
  source.give("line\n");
  assertEquals(await line, { value: "line" });
  for await (const _ of Input.fromString("a\nb").lines()) break;
});

Deno.test("a for await over an Input throws what the source fails with", async () => {
  const error = new Error("broken");
  const lines = Input.fromReader({ read: () => Promise.reject(error) }).lines();
  assertStrictEquals(await lines.next().catch((error) => error), error);
});

Deno.test("Input.copyInto() outputs everything, and closes neither of the two", async () => {
  const source = readerOf("one", "two");
  const sink = writerTo();
  await main(function* () {
    const output = Output.fromWriter(sink);
    assertEquals(yield* Input.fromReader(source).copyInto(output), 6);
    assertEquals(sink.all, "");
    yield* output.outputString("!");
    yield* output.close();
  });
  assertEquals([sink.all, source.closes, sink.closes], ["onetwo!", 0, 1]);
});

Deno.test("Input.copyInto({ flush }) writes what has come before it waits for more", async () => {
  const source = new SlowReader();
  const sink = writerTo();
  await main(function* () {
    const output = Output.fromWriter(sink);
    const copying = spawn(() => Input.fromReader(source).copyInto(output, { flush: true }));
    for (const [chunk, all] of [["one", "one"], ["two", "onetwo"]] as const) {
      yield* turn();
      source.give(chunk);
      yield* turn();
      assertEquals(sink.all, all);
    }
    source.end();
    assertEquals(yield* copying, 6);
    yield* output.outputString("!");
    yield* output.close();
  });
  assertEquals([sink.all, source.closes, sink.closes], ["onetwo!", 0, 1]);
});

Deno.test("Input.copyInto() of bytes of the user's leaves them alone", async () => {
  const given = bytes("given");
  await main(function* () {
    const output = Output.toBytes();
    yield* output.outputString("<");
    yield* output.flush();
    yield* Input.fromBytes(given).copyInto(output);
    yield* output.outputString(">");
    assertEquals([output.text(), text(given)], ["<given>", "given"]);
  });
});

Deno.test("law 4: Input.copyInto({ flush }) cancelled while it flushes has output what it took", async () => {
  const source = new SlowReader();
  const sink = new SlowWriter();
  await main(function* () {
    const input = Input.fromReader(source);
    const output = Output.fromWriter(sink);
    const copying = spawn(() => input.copyInto(output, { flush: true }));
    yield* turn();
    source.give("one");
    yield* turn();
    assertEquals(sink.isWriting, true);
    yield* copying.abort();
    assertEquals([input.statistics().buffered, output.statistics().buffered], [0, 3]);
    sink.take();
    yield* output.close();
  });
  assertEquals(sink.all, "one");
});

Deno.test("law 4: Input.copyInto() that is cancelled leaves each byte in one of the two", async () => {
  const content = "0123456789".repeat(60_000); // many buffers
  const rests = new Set<number>();
  for (let pieces = 0; pieces < 5; pieces++) {
    const written: string[] = [];
    let open = false;
    await main(function* () {
      const input = Input.fromReader(readerOf(content));
      const output = Output.create({
        *output(piece) {
          if (written.length >= pieces && !open) yield* Event.never();
          written.push(text(piece));
        },
      });
      yield* cancelScope(function* (context) {
        spawn(() => input.copyInto(output));
        for (let n = 0; n < 20; n++) yield* turn();
        context.cancel();
      });
      open = true;
      yield* output.close();
      const rest = yield* input.inputAllText();
      assertEquals(written.join("") + rest, content);
      rests.add(rest.length);
    });
  }
  assertEquals(rests.size > 2, true, "it was always cancelled at the same place");
});

Deno.test("Input.concat() is one after the other, and closes all of them", async () => {
  const readers = [readerOf("one\ntw"), readerOf(), readerOf("o\nthree")];
  const inputs = readers.map((reader) => Input.fromReader(reader));
  await main(function* () {
    const input = Input.concat(inputs);
    assertEquals(yield* linesOf(input), ["one", "two", "three"]);
    assertEquals(yield* input.readLine(), undefined);
    yield* input.close();
    yield* input.close();
  });
  assertEquals(readers.map((reader) => reader.closes), [1, 1, 1]);
});

Deno.test("Input.concat() works without a loop, and with nothing", () => {
  const result = run(function* () {
    const input = Input.concat(Input.fromString("a"), Input.empty(), Input.fromString("b"));
    return [yield* input.inputAllText(), yield* Input.concat().inputAllText()];
  });
  assertEquals(valueOf(result), ["ab", ""]);
});

Deno.test("law 4: a cancelled read of a concatenation loses no byte", async () => {
  const source = new SlowReader();
  await main(function* () {
    const input = Input.concat(Input.fromString("a"), Input.fromReader(source));
    const into = buffer(2);
    assertEquals(yield* input.input(into), 1);
    yield* cancelScope(function* (context) {
      spawn(() => input.input(into));
      yield* turn();
      context.cancel();
    });
    source.give("bc");
    yield* turn();
    assertEquals(yield* input.input(into), 2);
    assertEquals(text(into), "bc");
  });
});

Deno.test("Input.close() closes the source once, and calls the option in its place", async () => {
  const reader = readerOf("a");
  let calls = 0;
  await main(function* () {
    const input = Input.fromReader(reader);
    yield* input.close();
    yield* input.close();
    yield* Input.fromReader(readerOf(), { close: () => void calls++ }).close();
  });
  await using other = Input.fromReader(readerOf(), {
    *close() {
      calls++;
      yield* turn();
      calls++;
    },
  });
  void other;
  assertEquals([reader.closes, calls], [1, 1]);
});

Deno.test("Input.close() with an option of its own leaves the reader, and what was read ahead", async () => {
  const source = new SlowReader();
  await main(function* () {
    const input = Input.fromReader(source, { close() {} });
    const line = yield* waiting(input.readLine());
    yield* turn();
    source.give("line\nahead");
    yield* line;
    const mine = yield* waiting(errorOf(input.reallyInputString(10)) as never);
    const others = yield* waiting(Input.fromReader(source).reallyInputString(5));
    yield* input.close();
    assertEquals(((yield* mine) as Error).name, "StreamClosedError");
    assertInstanceOf(yield* errorOf(input.readLine()), StreamClosedError);
    assertInstanceOf(yield* errorOf(input.readEvent(buffer(0))), StreamClosedError);
    assertEquals(yield* others, "ahead");
  });
  assertEquals(source.closes, 0);
});

Deno.test("Input.close() of what is closed already is quiet, and else throws what closing throws", async () => {
  const path = await Deno.makeTempFile();
  const file = await Deno.open(path);
  const input = Input.fromReader(file);
  file.close();
  await input.close();
  await Deno.remove(path);
  const error = new Error("stuck");
  const failing = Input.create({
    input: () => 0,
    close() {
      throw error;
    },
  });
  await main(function* () {
    assertStrictEquals(yield* errorOf(failing.close()), error);
    yield* failing.close();
  });
});

Deno.test("the statics of Input check their arguments", () => {
  const cases: [() => unknown, string][] = [
    [() => Input.create({} as never), "hooks.input must be a function, got undefined"],
    [() => Input.create(7 as never), "hooks must be an object, got 7"],
    [() => Input.fromString(7 as never), "text must be a string, got 7"],
    [() => Input.fromBytes("a" as never), 'bytes must be a Uint8Array, got "a"'],
    [() => Input.fromReader({} as never), "reader.read must be a function, got undefined"],
    [() => Input.fromReadable({} as never), "stream must be a ReadableStream, got an Object"],
    [() => Input.concat(7 as never), "expected an Input, got 7"],
    [() => new (Input as unknown as new () => Input)(), "use Input.create"],
  ];
  for (const [call, message] of cases) assertThrows(call, TypeError, message);
});

Deno.test("the methods of Input check their arguments", () => {
  const input = Input.empty();
  const cases: [() => unknown, typeof TypeError | typeof RangeError, string][] = [
    [() => input.input("a" as never), TypeError, "Cannot read: buffer must be a Uint8Array"],
    [() => input.readEvent([] as never), TypeError, "buffer must be a Uint8Array"],
    [() => input.reallyInput({} as never), TypeError, "buffer must be a Uint8Array"],
    [() => input.reallyInputString(-1), RangeError, "an integer of at least 0, got -1"],
    [() => input.reallyInputString(Infinity), RangeError, "byteCount must be finite"],
    [() => input.readLine({ maxBytes: -1 }), RangeError, "Cannot read a line: maxBytes must be"],
    [() => input.inputAll({ maxBytes: "1" as never }), TypeError, "maxBytes must be a number"],
    [() => input.readUntil(""), TypeError, "delimiter must not be empty"],
    [() => input.readUntil(7 as never), TypeError, "it must be a string or a Uint8Array, got 7"],
    [() => input.copyInto({} as never), TypeError, "Cannot copy: output must be an Output"],
  ];
  for (const [call, type, message] of cases) assertThrows(call, type, message);
});
