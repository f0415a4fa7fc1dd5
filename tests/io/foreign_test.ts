/** World 5: streams in the generators of a scheduler that knows nothing of Weft. */
import { assertEquals, assertInstanceOf } from "@std/assert";
import type { Awaitable } from "@weft/weft";
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
import { buffer, bytes, SlowReader, SlowWriter, text } from "../kit/byte_streams.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

const behaviours: Record<string, ConstructorParameters<typeof ToyScheduler>[0]> = {
  "resumes later": {},
  "resumes within release": { resumesAtOnce: true },
  "wakes early, three times": { earlyWakeups: 3 },
};

/** Runs what is ready, lets the host answer, and so on. A task may be resumed by the host, too. */
function runUntilIdle(toy: ToyScheduler, between: () => void = () => {}): Promise<void> {
  return toy.during(async () => {
    for (let n = 0; n < 30; n++) {
      toy.run();
      await hostTurn();
      between();
    }
  });
}

for (const [behaviour, options] of Object.entries(behaviours)) {
  Deno.test(`world 5: a task of a scheduler that ${behaviour} reads in all ways`, async () => {
    const toy = new ToyScheduler(options);
    const source = new SlowReader();
    const chunks = ["r", "ev", "in", "lin", "e\nun", "til;", "exact", "rest"];
    const task = toy.spawn(function* () {
      const log: unknown[] = [];
      const into = buffer(2);
      const input = Input.fromReader(source);
      log.push(yield* read(source, into));
      log.push(yield* readEvent(source, into));
      log.push(yield* input.input(into));
      log.push(yield* input.readLine());
      const until = yield* input.readUntil(";");
      log.push(until && text(until.value));
      log.push(yield* input.reallyInputString(5));
      log.push(yield* input.inputAllText());
      const copied = yield* Input.fromString("copied").copyInto(Output.dummy());
      log.push(copied);
      yield* input.close();
      log.push(yield* errorOf(input.readLine()));
      return log;
    });
    await runUntilIdle(toy, () => {
      if (!source.isReading) return;
      const chunk = chunks.shift();
      if (chunk === undefined) source.end();
      else source.give(chunk);
    });
    const log = task.value!;
    assertInstanceOf(log.pop(), StreamClosedError);
    assertEquals(log, [1, 2, 2, { value: "line" }, "until", "exact", "rest", 6]);
  });

  Deno.test(`world 5: a task of a scheduler that ${behaviour} writes in all ways`, async () => {
    const toy = new ToyScheduler(options);
    const sink = new SlowWriter();
    const task = toy.spawn(function* () {
      yield* write(sink, bytes("write "));
      yield* writeOnce(sink, bytes("once "));
      yield* writeEvent(sink, bytes("event "));
      const output = Output.fromWriter(sink);
      yield* output.outputString("flush ");
      yield* output.flush();
      yield* output.outputLines(["close", "d"]);
      yield* output.close();
      return "done";
    });
    await runUntilIdle(toy, () => {
      if (sink.isWriting) sink.take();
    });
    assertEquals([task.value, sink.all, sink.closes], [
      "done",
      "write once event flush close\nd\n",
      1,
    ]);
  });

  Deno.test(`world 5: a task of a scheduler that ${behaviour} uses streams with hooks`, async () => {
    const toy = new ToyScheduler(options);
    const chunks = ["on", "e\ntwo"];
    const written: string[] = [];
    const task = toy.spawn(function* () {
      const input = Input.create({
        input: (into) => new TextEncoder().encodeInto(chunks.shift() ?? "", into).written,
        *close() {},
      });
      const output = Output.create({
        *output(piece) {
          written.push(text(piece));
        },
        *close() {},
      });
      const line = yield* input.readLine();
      yield* input.copyInto(output);
      yield* input.close();
      yield* output.close();
      return line;
    });
    await runUntilIdle(toy);
    assertEquals([task.value, written], [{ value: "one" }, ["two"]]);
  });
}

const reads: [name: string, read: (source: SlowReader) => Awaitable<unknown>][] = [
  ["read", (source) => read(source, buffer(100))],
  ["readEvent", (source) => readEvent(source, buffer(100))],
  ["input", (source) => Input.fromReader(source).input(buffer(100))],
  ["readLine", (source) => Input.fromReader(source).readLine()],
  ["readLineEvent", (source) => Input.fromReader(source).readLineEvent()],
  ["readUntil", (source) => Input.fromReader(source).readUntil("\r\n")],
  ["reallyInput", (source) => Input.fromReader(source).reallyInput(buffer(5))],
  ["reallyInputString", (source) => Input.fromReader(source).reallyInputString(5)],
];

for (const style of CANCEL_STYLES) {
  for (const [name, readIt] of reads) {
    Deno.test(`world 5, T28: ${name} cancelled by "${style}" loses no byte`, async () => {
      for (const when of ["waiting", "committed"]) {
        const toy = new ToyScheduler();
        const source = new SlowReader();
        const task = toy.spawn(() => readIt(source));
        toy.run();
        await hostTurn();
        if (when === "waiting") toy.cancel(task, style);
        source.give("line\r\nrest");
        await hostTurn();
        // A scheduler that only throws can't take back what has happened: it is returned.
        const keeps = when === "committed" && style === "throw";
        if (when === "committed") toy.cancel(task, style);
        const input = Input.fromReader(source);
        const rest = Promise.resolve(input.inputAllText());
        await hostTurn();
        source.end();
        if (keeps) assertEquals(task.state, "returned");
        else assertEquals(await rest, "line\r\nrest", when);
        await rest;
      }
    });
  }

  Deno.test(`world 5: an end that "${style}" took from a read is told to the next`, async () => {
    const toy = new ToyScheduler();
    const source = new SlowReader();
    const task = toy.spawn(() => read(source, buffer(1)));
    toy.run();
    await hostTurn();
    source.end();
    await hostTurn();
    toy.cancel(task, style);
    if (task.state === "returned") return;
    assertEquals(await read(source, buffer(1)), 0);
    assertEquals(source.asked, [1]);
  });

  Deno.test(`world 5: writes cancelled by "${style}" are never torn`, async () => {
    const toy = new ToyScheduler();
    const sink = new SlowWriter();
    const first = toy.spawn(() => write(sink, bytes("first")));
    const second = toy.spawn(() => write(sink, bytes("second")));
    toy.run();
    await hostTurn();
    toy.cancel(first, style);
    toy.cancel(second, style);
    const third = Promise.resolve(write(sink, bytes("third")));
    for (let n = 0; n < 10; n++) {
      await hostTurn();
      if (sink.isWriting) sink.take(3);
    }
    await third;
    assertEquals(sink.all, "firstthird");
  });
}
