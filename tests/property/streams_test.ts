/**
 * Random reads and writes, cancelled at random, against the whole stream of bytes.
 *
 * Each seed makes content, cuts it at random and hands it out late, through a source of any kind.
 * One fiber reads it in all ways; many of its reads are cancelled, or compete in a select. What a
 * read returns has to be what stands in the content at that place, and a cancelled one has to leave
 * the place as it is. Writers write messages to one sink, and are cancelled; the sink has to get
 * each message that was accepted once, as a whole, and nothing else.
 *
 * A failure tells its seed: `SEED=… deno task test tests/property/streams_test.ts` runs it alone.
 */
import { assert, assertEquals } from "@std/assert";
import {
  type Awaitable,
  cancelScope,
  Channel,
  main,
  type Option,
  protect,
  select,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { Input, Output, read, type Reader, readEvent, write, type Writer } from "@weft/weft/io";
import { Random } from "../../lib/internal/random.ts";
import { buffer, bytes, text, turn } from "../kit/byte_streams.ts";
import { hostTurn } from "../kit/uncaught.ts";

const RUNS = 300;
const onlySeed = Deno.env.get("SEED");
const seeds = onlySeed === undefined
  ? Array.from({ length: RUNS }, (_, seed) => seed)
  : [Number(onlySeed)];

/** How often each thing happened, over all seeds: what never came was not tested. */
const tally = new Map<string, number>();
const note = (what: string) => void tally.set(what, (tally.get(what) ?? 0) + 1);

function expectSeen(...whats: string[]): void {
  if (onlySeed !== undefined) return;
  for (const what of whats) assert((tally.get(what) ?? 0) > 10, `hardly ever seen: ${what}`);
}

async function told<T>(seed: number, run: () => PromiseLike<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw new Error(`SEED=${seed}`, { cause: error });
  }
}

const WORDS = [
  "",
  "a",
  "naïve",
  "日本語",
  "🧵",
  "--",
  "-",
  "\r",
  "a long word that goes on and on",
];

function contentOf(random: Random): Uint8Array {
  let content = "";
  for (let n = random.below(60); n > 0; n--) {
    content += WORDS[random.below(WORDS.length)]! + ["", " ", "\n", "\r\n"][random.below(4)]!;
  }
  return bytes(content);
}

/** Hands out the content in random pieces, some of them late. */
function readerOf(content: Uint8Array, random: Random): Reader {
  let at = 0;
  return {
    async read(into) {
      for (let n = random.below(3); n > 0; n--) await hostTurn();
      const count = Math.min(1 + random.below(12), into.length, content.length - at);
      into.set(content.subarray(at, at + count));
      at += count;
      return count === 0 ? null : count;
    },
  };
}

function streamOf(content: Uint8Array, random: Random): ReadableStream<Uint8Array> {
  const reader = readerOf(content, random);
  return new ReadableStream({
    async pull(controller) {
      const chunk = buffer(20);
      const count = await reader.read(chunk);
      if (count === null) controller.close();
      else controller.enqueue(chunk.subarray(0, count));
    },
  });
}

function inputOf(
  content: Uint8Array,
  random: Random,
): { input: Input; reader: Reader | ReadableStream<Uint8Array> | undefined } {
  const reader = readerOf(content, random);
  switch (random.below(4)) {
    case 0: {
      const stream = streamOf(content, random);
      return { input: Input.fromReadable(stream, { preventCancel: true }), reader: stream };
    }
    case 1: {
      const inner = Input.fromReader(reader);
      const input = Input.create({
        *input(into) {
          yield* yieldNow();
          return yield* inner.input(into.subarray(0, 1 + random.below(into.length)));
        },
      });
      return { input, reader: undefined };
    }
    case 2: {
      const middle = random.below(content.length + 1);
      const parts = [content.subarray(0, middle), content.subarray(middle)];
      const input = Input.concat(parts.map((part) => Input.fromReader(readerOf(part, random))));
      return { input, reader: undefined };
    }
    default:
      return { input: Input.fromReader(reader), reader };
  }
}

/** A way to read: how, and what it returns at a place of the content; and the place after that. */
interface Way {
  readonly name: string;
  read(): Awaitable<unknown>;
  /** Throws unless `result` is right; the new place. */
  check(result: unknown, rest: Uint8Array): number;
}

function find(rest: Uint8Array, delimiter: string): number {
  const wanted = Array.from(bytes(delimiter));
  for (let at = 0; at + wanted.length <= rest.length; at++) {
    if (wanted.every((byte, i) => rest[at + i] === byte)) return at;
  }
  return -1;
}

function wayOf(
  input: Input,
  reader: Reader | ReadableStream<Uint8Array> | undefined,
  random: Random,
): Way {
  const into = buffer(random.below(16));
  const some = (name: string, read: () => Awaitable<unknown>): Way => ({
    name,
    read,
    check(result, rest) {
      const count = result as number;
      assertEquals(into.subarray(0, count), rest.subarray(0, count));
      assert(count > 0 || rest.length === 0 || into.length === 0, "an early end");
      return count;
    },
  });
  const line = (name: string, read: () => Awaitable<unknown>): Way => ({
    name,
    read,
    check(result, rest) {
      const at = find(rest, "\n");
      const whole = at < 0 ? text(rest) : text(rest.subarray(0, at)).replace(/\r$/, "");
      assertEquals(result, rest.length === 0 ? undefined : { value: whole });
      return at < 0 ? rest.length : at + 1;
    },
  });
  switch (random.below(7)) {
    case 0:
      return some("input", () => input.input(into));
    case 1:
      return some("readEvent", () => input.readEvent(into));
    case 2:
      if (reader === undefined) return some("input", () => input.input(into));
      return random.below(2) === 0
        ? some(`read of ${kindOf(reader)}`, () => read(reader, into))
        : some(`readEvent of ${kindOf(reader)}`, () => readEvent(reader, into));
    case 3:
      return line("readLine", () => input.readLine());
    case 4:
      return line("readLineEvent", () => input.readLineEvent());
    case 5:
      return {
        name: "readUntil",
        read: () => input.readUntil("--"),
        check(result, rest) {
          const at = find(rest, "--");
          const part = at < 0 ? rest : rest.subarray(0, at);
          assertEquals((result as Option<Uint8Array>)?.value, rest.length === 0 ? undefined : part);
          return at < 0 ? rest.length : at + 2;
        },
      };
    default:
      return {
        name: "reallyInput",
        read: () => input.reallyInput(into),
        check(_result, rest) {
          assertEquals(into, rest.slice(0, into.length));
          return into.length;
        },
      };
  }
}

function kindOf(reader: Reader | ReadableStream<Uint8Array>): string {
  return reader instanceof ReadableStream ? "a stream" : "a reader";
}

Deno.test("T28, laws 4 and 6: random reads, cancelled at random, give the whole stream", async () => {
  for (const seed of seeds) await told(seed, () => main(() => readAll(new Random(seed))));
  expectSeen("read of a reader", "readEvent of a reader");
  expectSeen("read of a stream", "readEvent of a stream", "an input gave way to another");
  expectSeen("readLine", "readLineEvent", "readUntil", "reallyInput", "readEvent");
  expectSeen("a read was cancelled", "a read lost its select", "a read met the end");
});

function* readAll(random: Random): Generator<never, void, unknown> {
  const content = contentOf(random);
  const { input: first, reader } = inputOf(content, random);
  let input = first;
  let at = 0;
  while (at < content.length) {
    if (reader instanceof ReadableStream && random.below(4) === 0) {
      note("an input gave way to another");
      yield* input.close();
      assertEquals(reader.locked, false);
      input = Input.fromReadable(reader, { preventCancel: true });
    }
    const way = wayOf(input, reader, random);
    const rest = content.subarray(at);
    let outcome: { result: unknown } | undefined;
    let error: unknown;
    const patience = random.below(4);
    yield* cancelScope(function* (context) {
      spawn(function* () {
        try {
          outcome = { result: yield* mayLose(way, random) };
        } catch (thrown) {
          error = thrown;
        }
      });
      for (let n = 0; n < patience; n++) yield* turn();
      if (outcome === undefined && error === undefined) context.cancel();
    });
    if ((error as Error | undefined)?.name === "EndOfFileError") {
      note("a read met the end");
      assertEquals((error as { available: number }).available, rest.length);
      break;
    }
    if (outcome === undefined) note("a read was cancelled");
    else if (outcome.result === LOST) note("a read lost its select");
    else {
      note(way.name);
      at += way.check(outcome.result, rest);
    }
  }
  assertEquals(yield* input.inputAll(), content.slice(at));
  assertEquals(input.statistics(), { buffered: 0, waiting: 0 });
  yield* input.close();
  if (reader instanceof ReadableStream) assertEquals(reader.locked, false);
}

const LOST = Symbol("lost");

/** Reads; if that may be an event, perhaps in competition with something else. */
function* mayLose(way: Way, random: Random): Generator<never, unknown, unknown> {
  const reading = way.read();
  if (!("map" in reading) || random.below(2) === 0) return yield* reading;
  const rival = new Channel<void>();
  const turns = random.below(3);
  const helper = spawn(function* () {
    for (let n = 0; n < turns; n++) yield* turn();
    rival.trySend();
  });
  const result = yield* select([
    when(reading as ReturnType<Input["readEvent"]>, (result: unknown) => result),
    when(rival.receiveEvent(), () => LOST as unknown),
  ]);
  helper.abort(); // without waiting, for that could be cancelled, and the result lost
  return result;
}

/** A sink that takes random amounts, some of them late. */
function sinkOf(random: Random): Writer & { all: string } {
  let writing = false;
  return {
    all: "",
    async write(piece) {
      assert(!writing, "two writes at once");
      writing = true;
      const taken = text(piece.subarray(0, 1 + random.below(piece.length)));
      for (let n = random.below(3); n > 0; n--) await hostTurn();
      writing = false;
      this.all += taken;
      return taken.length;
    },
  };
}

/** A stream that writes to it; somebody else has written a chunk of nothing before, perhaps. */
function streamTo(sink: Writer & { all: string }, random: Random): WritableStream<Uint8Array> {
  const stream = new WritableStream<Uint8Array>({
    async write(chunk) {
      for (let at = 0; at < chunk.length;) at += await sink.write(chunk.subarray(at));
    },
  }, { highWaterMark: 1 + random.below(2) });
  if (random.below(2) === 0) {
    const writer = stream.getWriter();
    void writer.write(buffer(0));
    writer.releaseLock();
  }
  return stream;
}

Deno.test("laws 4 and 7: random writes, cancelled at random, are whole or not there", async () => {
  for (const seed of seeds) await told(seed, () => main(() => writeAll(new Random(seed))));
  expectSeen("a write was accepted", "a write was cancelled", "an output was accepted");
  expectSeen("an output was cancelled", "a cancelled write was written");
  expectSeen("a stream was written to", "a writer was written to");
});

function* writeAll(random: Random): Generator<never, void, unknown> {
  const written = sinkOf(random);
  const stream = random.below(2) === 0 ? streamTo(written, random) : undefined;
  const sink = stream ?? written;
  note(stream === undefined ? "a writer was written to" : "a stream was written to");
  const hooks = random.below(2) === 0;
  const output = hooks
    ? Output.create({
      *output(piece) {
        // A write that is cancelled in its turn is still written: this one may not be given again.
        yield* protect(() => write(sink, piece));
      },
    })
    : stream === undefined
    ? Output.fromWriter(written)
    : Output.fromWritable(stream, { preventClose: true });
  const raw = !hooks || random.below(2) === 0; // whether somebody writes past the output
  const accepted = new Set<string>();
  const cancelled = new Set<string>();

  function* writer(name: string): Generator<never, void, unknown> {
    for (let n = 0; n < 6; n++) {
      const length = [1, 100, 9000, 20_000][random.below(4)]!;
      const message = `<${name}${n}:${"x".repeat(length)}>`;
      const isRaw = name === "r";
      const patience = random.below(5);
      let done = false;
      yield* cancelScope(function* (context) {
        spawn(function* () {
          if (isRaw) yield* write(sink, bytes(message));
          else yield* output.outputString(message);
          done = true;
          if (!isRaw && random.below(3) === 0) yield* output.flush();
        });
        for (let n = 0; n < patience; n++) yield* turn();
        context.cancel();
      });
      note(`${isRaw ? "a write" : "an output"} was ${done ? "accepted" : "cancelled"}`);
      (done ? accepted : cancelled).add(message);
    }
  }
  const names = raw ? ["a", "b", "r"] : ["a", "b"];
  const writers = names.map((name) => spawn(() => writer(name)));
  for (const fiber of writers) yield* fiber;
  yield* output.close();
  yield* write(sink, bytes("<end:>")); // after whatever a cancelled write has left under way
  assertEquals(stream?.locked ?? false, false);

  const messages = written.all.match(/<[abr]\d:x+>/g) ?? [];
  const order = new Map<string, number>();
  // What an output hands over is one piece of whole messages; nothing is torn, nothing left over.
  if (!raw) assertEquals(messages.join("") + "<end:>", written.all);
  assert(written.all.endsWith("<end:>"));
  const whole = untangle(written.all.slice(0, -"<end:>".length));
  for (const message of whole) {
    assert(!order.has(message), `twice: ${message.slice(0, 20)}`);
    order.set(message, order.size);
    if (accepted.delete(message)) continue;
    assert(cancelled.has(message) && message.startsWith("<r"), `unasked: ${message.slice(0, 20)}`);
    note("a cancelled write was written");
  }
  assertEquals(Array.from(accepted, (message) => message.slice(0, 20)), [], "lost");
  for (const name of names) {
    const numbers = whole.filter((m) => m.startsWith(`<${name}`)).map((m) => Number(m[2]));
    assertEquals(numbers, numbers.toSorted(), "out of order");
  }
}

/**
 * The messages, whole. A raw message may stand between two pieces of the output's stream, and so in
 * the middle of a message of that stream, but never within a turn.
 */
function untangle(all: string): string[] {
  const raw: string[] = [];
  const stream = all.replaceAll(/<r\d:x+>/g, (message) => {
    raw.push(message);
    return "";
  });
  const streamed = stream.match(/<[ab]\d:x+>/g) ?? [];
  assertEquals(streamed.join(""), stream, "torn");
  return [...raw, ...streamed];
}
