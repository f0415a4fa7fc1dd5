/** Inputs and outputs of one's own: hooks that suspend run in helpers of who waits. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import {
  cancelScope,
  Channel,
  Event,
  FiberAborted,
  main,
  type Operation,
  protect,
  run,
  scope,
  select,
  selfAbort,
  sleep,
  spawn,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { Input, Output } from "@weft/weft/io";
import { buffer, bytes, text, turn } from "../kit/byte_streams.ts";
import { forEachSchedulerAndMain } from "../kit/schedulers.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";
import { valueOf } from "../kit/results.ts";

/** An input that passes on what comes through the channel. */
function inputFrom(channel: Channel<string>): Input {
  return Input.create({
    *input(into) {
      const item = yield* channel.receive();
      return item === undefined ? 0 : new TextEncoder().encodeInto(item.value, into).written;
    },
  });
}

/** An output that passes on what it is given, one piece at a time. */
function outputTo(channel: Channel<string>): Output {
  return Output.create({
    *output(piece) {
      yield* channel.send(text(piece));
    },
  });
}

forEachSchedulerAndMain((name, runIt) => {
  Deno.test(`Input.create() reads through a hook that suspends, with ${name}`, async () => {
    const result = await runIt(function* () {
      const channel = new Channel<string>({ capacity: 0 });
      spawn(function* () {
        for (const item of ["on", "e\nt", "wo"]) yield* channel.send(item);
        channel.close();
      });
      const input = inputFrom(channel);
      return [yield* input.readLine(), yield* input.readLine(), yield* input.readLine()];
    });
    assertEquals(valueOf(result), [{ value: "one" }, { value: "two" }, undefined]);
  });

  Deno.test(`Output.create() writes through a hook that suspends, with ${name}`, async () => {
    const log: string[] = [];
    const result = await runIt(function* () {
      const output = Output.create({
        *output(piece) {
          yield* yieldNow();
          log.push(`${piece.length}`);
        },
        *flush() {
          yield* yieldNow();
          log.push("flush");
        },
        *close() {
          yield* yieldNow();
          log.push("close");
        },
      });
      yield* output.output(buffer(20_000));
      yield* output.outputString("rest");
      yield* output.flush();
      yield* output.flush();
      yield* output.close();
      yield* output.close();
    });
    valueOf(result);
    assertEquals(log, ["20000", "4", "flush", "close"]);
  });
});

Deno.test("hooks may be plain functions", () => {
  const seen: string[] = [];
  const chunks = ["a", "b"];
  const result = run(function* () {
    const input = Input.create({
      input: (into) => new TextEncoder().encodeInto(chunks.shift() ?? "", into).written,
      close: () => void seen.push("input closed"),
    });
    const output = Output.create({
      output: (piece) => void seen.push(text(piece)),
      close: () => void seen.push("output closed"),
    });
    yield* input.copyInto(output);
    yield* output.close();
    yield* input.close();
  });
  valueOf(result);
  assertEquals(seen, ["ab", "output closed", "input closed"]);
});

Deno.test("streams with hooks work with await, each helper in a main of its own", async () => {
  const channel = new Channel<string>({ capacity: 0 });
  const output = outputTo(channel);
  const input = inputFrom(channel);
  const line = input.readLine();
  await output.outputLine("line");
  const flush = Promise.resolve(output.flush());
  assertEquals(await line, { value: "line" });
  await flush;
  await output.close();
  await input.close();
});

Deno.test("law 4: a cancelled read takes its helper with it, and loses nothing", () => {
  virtually(function* () {
    const channel = new Channel<string>({ capacity: 0 });
    const input = inputFrom(channel);
    yield* cancelScope(function* (context) {
      spawn(() => input.readLine());
      yield* settle();
      assertEquals(channel.statistics().receiversWaiting, 1);
      context.cancel();
    });
    assertEquals(channel.statistics().receiversWaiting, 0);
    assertEquals(channel.trySend("lost?"), false);
    const line = yield* waiting(input.readLine());
    yield* channel.send("line\n");
    assertEquals(yield* line, { value: "line" });
  });
});

Deno.test("a helper that has read when its reader is cancelled leaves the bytes to the next", () => {
  virtually(function* () {
    const channel = new Channel<string>({ capacity: 0 });
    const input = inputFrom(channel);
    yield* cancelScope(function* (context) {
      spawn(() => input.readLine());
      yield* settle();
      yield* channel.send("line\n"); // has committed to the helper, which has not run yet
      context.cancel();
    });
    assertEquals(yield* input.readLine(), { value: "line" });
  });
});

Deno.test("law 6: a select that chose something else isn't kept waiting by its helper", () => {
  virtually(function* () {
    const input = inputFrom(new Channel<string>());
    const other = new Channel<number>();
    yield* scope(function* () {
      const choosing = yield* waiting(
        select({ line: input.readLineEvent(), other: other.receiveEvent() }),
      );
      yield* settle();
      other.trySend(1);
      assertEquals(yield* choosing, { kind: "other", value: 1 });
    });
    assertEquals(input.statistics(), { buffered: 0, waiting: 0 });
  });
});

Deno.test("law 7: the next reader gets a helper of its own when the first one leaves", () => {
  virtually(function* () {
    const channel = new Channel<string>({ capacity: 0 });
    const input = inputFrom(channel);
    const first = yield* waiting(input.readLine());
    const second = yield* waiting(input.readLine());
    yield* settle();
    yield* first.abort();
    yield* channel.send("line\n");
    assertEquals(yield* second, { value: "line" });
  });
});

Deno.test("withTimeout() ends a read of a hook that never returns", () => {
  virtually(function* () {
    const input = Input.create({
      *input() {
        yield* Event.never();
        return 0;
      },
    });
    const error = yield* errorOf(withTimeout(5, () => input.readLine()));
    assertEquals((error as Error).name, "TimeoutError");
  });
});

Deno.test("law 13: what a hook throws is thrown to who waits, and nowhere else", () => {
  virtually(function* () {
    const error = new Error("broken");
    const input = Input.create({
      *input() {
        yield* yieldNow();
        throw error;
      },
    });
    assertStrictEquals(yield* errorOf(input.readLine()), error);
    const output = Output.create({
      *output() {
        yield* yieldNow();
        throw error;
      },
    });
    yield* output.outputString("a");
    assertStrictEquals(yield* errorOf(output.flush()), error);
    yield* output.close();
  });
});

Deno.test("law 5: a hook that aborts itself has failed with FiberAborted", () => {
  virtually(function* () {
    const input = Input.create({
      *input() {
        yield* selfAbort("by itself");
        return 0;
      },
    });
    assertInstanceOf(yield* errorOf(input.readLine()), FiberAborted);
    const output = Output.create({ output: () => selfAbort("by itself") });
    yield* output.outputString("a");
    assertInstanceOf(yield* errorOf(output.flush()), FiberAborted);
  });
});

Deno.test("a hook may not claim to have read what cannot be", () => {
  virtually(function* () {
    for (const count of [-1, 0.5, 1e9, "many" as never]) {
      const error = yield* errorOf(Input.create({ input: () => count }).readLine());
      assertInstanceOf(error, TypeError);
      assert(error.message.startsWith("Cannot read from the input: its hook must return an int"));
    }
  });
});

Deno.test("law 4: a piece whose hook was aborted is given to it again, when somebody waits", () => {
  virtually(function* () {
    const channel = new Channel<string>({ capacity: 0 });
    const output = outputTo(channel);
    yield* output.outputString("first ");
    yield* cancelScope(function* (context) {
      spawn(() => output.flush());
      yield* settle();
      assertEquals(channel.statistics().sendersWaiting, 1);
      context.cancel();
    });
    assertEquals(channel.statistics().sendersWaiting, 0);
    yield* output.outputString("second");
    const close = yield* waiting(output.close());
    assertEquals(yield* channel.receive(), { value: "first " });
    assertEquals(yield* channel.receive(), { value: "second" });
    yield* close;
  });
});

Deno.test("law 12, T5: close() in a fiber that is aborting runs the hooks to their ends", () => {
  const log: string[] = [];
  virtually(function* () {
    function* owner() {
      const output = Output.create({
        *output(piece) {
          yield* sleep(1);
          log.push(text(piece));
        },
        *flush() {
          yield* sleep(1);
          log.push("flushed");
        },
        *close() {
          yield* sleep(1);
          log.push("output closed");
        },
      });
      const input = Input.create({
        input: () => 0,
        *close() {
          log.push("input released");
          yield* sleep(1);
          log.push("input closed");
        },
      });
      try {
        yield* output.outputString("last words");
        yield* Event.never();
      } finally {
        yield* output.close();
        yield* input.close();
      }
    }
    const fiber = spawn(owner);
    yield* settle();
    yield* fiber.abort();
  });
  assertEquals(log, [
    "last words",
    "flushed",
    "output closed",
    "input released",
    "input closed",
  ]);
});

Deno.test("T5: Input.close() releases what is behind it before anything suspends", async () => {
  const log: string[] = [];
  const inputs = [1, 2].map((n) =>
    Input.create({
      input: () => 0,
      close() {
        log.push(`released ${n}`);
        return protect(function* () {
          yield* turn();
          log.push(`closed ${n}`);
        });
      },
    })
  );
  await main(function* () {
    const closing = yield* waiting(Input.concat(inputs).close());
    assertEquals(log, ["released 1", "released 2"]);
    yield* closing;
  });
  assertEquals(log.length, 4);
});

Deno.test("Input.close() aborts a helper that is reading", () => {
  virtually(function* () {
    const channel = new Channel<string>();
    const input = inputFrom(channel);
    const line = yield* waiting(errorOf(input.readLine()) as never);
    yield* settle();
    yield* input.close();
    assertEquals(((yield* line) as Error).name, "StreamClosedError");
    yield* settle();
    assertEquals(channel.statistics().receiversWaiting, 0);
  });
});

Deno.test("law 1: a helper of a write goes with the fiber that caused it, which waits for it", () => {
  const log: string[] = [];
  virtually(function* () {
    const output = Output.create({
      *output(piece) {
        yield* sleep(10);
        log.push(`${piece.length} written`);
      },
    });
    yield* scope(function* () {
      yield* output.output(buffer(16384)); // full: it is written while the program goes on
      log.push("accepted");
    });
    log.push("scope ended");
    yield* output.close();
  });
  assertEquals(log, ["accepted", "16384 written", "scope ended"]);
});

Deno.test("discard() aborts a helper that is writing", () => {
  virtually(function* () {
    const channel = new Channel<string>({ capacity: 0 });
    const output = outputTo(channel);
    yield* output.outputString("a");
    const flush = yield* waiting(errorOf(output.flush()) as never);
    yield* settle();
    output.discard();
    assertEquals(((yield* flush) as Error).name, "StreamClosedError");
    yield* settle();
    assertEquals(channel.statistics().sendersWaiting, 0);
  });
});

Deno.test("Input.create() hands its hook a buffer with room for at least a byte", async () => {
  const lengths: number[] = [];
  await main(function* () {
    const input = Input.create({
      input(into) {
        lengths.push(into.length);
        if (lengths.length > 40) return 0;
        into.set(bytes("x".repeat(Math.min(1000, into.length))));
        return Math.min(1000, into.length);
      },
    });
    assertEquals((yield* input.inputAllText()).length > 30_000, true);
  });
  assertEquals(Math.min(...lengths) >= 4096, true);
});

Deno.test("law 13: a hook that is an async function is refused, in each world: nobody would wait for it", async () => {
  const asyncFn = () => Promise.resolve(1);
  const input = () => Input.create({ input: asyncFn as never });
  const output = () => Output.create({ output: asyncFn as never });
  const flushed = () => Output.create({ output() {}, flush: asyncFn as never });
  function* flush(output: Output) {
    yield* output.outputString("x");
    yield* output.flush();
  }
  const uses: [() => Operation<unknown>, string][] = [
    [() => input().readLine(), "input"],
    [() => flush(output()), "output"],
    [() => flush(flushed()), "flush of an output"],
  ];
  for (const [use, what] of uses) {
    const message =
      `Cannot run the hook of the ${what}: it must return an operation, got a promise`;
    await assertRejects(async () => void (await main(use)), TypeError, message);
  }
  const message = "it must return an operation, got a promise";
  await assertRejects(async () => void (await input().readLine()), TypeError, message);
  const out = output();
  await out.outputString("x");
  await assertRejects(async () => void (await out.flush()), TypeError, message);
});
