/** `read` and `readEvent` over Web Streams, and who has the lock meanwhile. */
import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { cancelScope, Channel, Event, main, run, select, spawn, when, yieldNow } from "@weft/weft";
import { Input, Output, read, readEvent, StreamClosedError } from "@weft/weft/io";
import { blockingLoop } from "@weft/weft/loop";
import { buffer, bytes, feedStream, text, turn } from "../kit/byte_streams.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { errorOf, waiting } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

/** What one read of at most so many bytes gives. */
function* take(stream: ReadableStream<Uint8Array>, most: number) {
  const into = buffer(most);
  return text(into.subarray(0, yield* read(stream, into)));
}

Deno.test("read() over a stream gives its bytes, however long the chunks are, and 0 at the end", async () => {
  const stream = ReadableStream.from(["hello", "", "!"].map(bytes));
  const seen = await main(function* () {
    const seen: string[] = [];
    for (;;) {
      const part = yield* take(stream, 3);
      assertEquals(stream.locked, false);
      if (part === "") return seen;
      seen.push(part);
    }
  });
  assertEquals(seen, ["hel", "lo", "!"]);
  assertEquals(await read(stream, buffer(1)), 0, "the end is told again");
});

Deno.test("read() over a stream of the kind bytes takes what it enqueues, and what it puts into a view", async () => {
  for (const autoAllocateChunkSize of [undefined, 4]) {
    let left = 2;
    const source: UnderlyingByteSource = {
      type: "bytes",
      pull(controller) {
        const { byobRequest } = controller;
        if (left-- === 0) {
          controller.close();
          byobRequest?.respond(0);
        } else if (byobRequest === null) controller.enqueue(bytes("ab") as never);
        else {
          byobRequest.view!.set(bytes("ab"));
          byobRequest.respond(2);
        }
      },
    };
    if (autoAllocateChunkSize !== undefined) source.autoAllocateChunkSize = autoAllocateChunkSize;
    const stream = new ReadableStream(source);
    await main(function* () {
      assertEquals(yield* take(stream, 1), "a");
      assertEquals(yield* take(stream, 5), "b");
      assertEquals(yield* take(stream, 5), "ab");
      assertEquals(yield* take(stream, 5), "");
    });
  }
});

Deno.test("read() over a stream works with await, and its type with that of a body", async () => {
  const into = buffer(5);
  const count: number = await read(new Response("hello").body!, into);
  assertEquals([count, text(into)], [5, "hello"]);
  // @ts-expect-error -- its chunks are strings
  const wrong = () => read(ReadableStream.from(["text"]), into);
  await assertRejects(
    async () => await wrong(),
    TypeError,
    'Cannot read from the stream: its chunks must be Uint8Arrays, got "text"',
  );
});

Deno.test("read() over a stream locks it while somebody waits, and is done with it before whoever waited", async () => {
  const { stream, controller, seen } = feedStream();
  await main(function* () {
    const operation = read(stream, buffer(1));
    yield* turn();
    assertEquals([stream.locked, seen.pulls], [false, 0], "it has not begun");
    const first = yield* waiting(operation);
    assertEquals([stream.locked, seen.pulls], [true, 0]);
    const second = yield* waiting(take(stream, 1) as never);
    yield* turn();
    assertEquals([stream.locked, seen.pulls], [true, 1]);
    controller.enqueue(bytes("a"));
    yield* first;
    assertEquals(stream.locked, true, "the second one waits");
    controller.enqueue(bytes("bc"));
    yield* second;
    assertEquals(stream.locked, false);
    yield* errorOf(read(stream, buffer(1)));
    assertEquals(stream.locked, false, "it needed no lock for what was left");
  });
  await stream.cancel("seen enough");
  assertEquals(seen.cancelled, "seen enough");
});

Deno.test("T28, law 4: a cancelled read() leaves the stream unlocked, and the chunk in it", async () => {
  const { stream, controller } = feedStream();
  const untouched = buffer(4);
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => read(stream, untouched));
      yield* turn();
      assertEquals(stream.locked, true);
      context.cancel();
    });
    assertEquals(stream.locked, false);
    controller.enqueue(bytes("abcd"));
    yield* turn();
  });
  assertEquals(untouched, buffer(4));
  const reader = stream.getReader();
  assertEquals(await reader.read(), { done: false, value: bytes("abcd") });
});

Deno.test("T28, law 4: a read() that is cancelled when its chunk has come parks that", async () => {
  const { stream, controller } = feedStream();
  await main(function* () {
    const reading = yield* waiting(read(stream, buffer(4)));
    yield* turn();
    controller.enqueue(bytes("abcdef")); // the promise of the stream is settled, not more
    yield* reading.abort();
    assertEquals(stream.locked, false);
    yield* turn();
    assertEquals(yield* take(stream, 4), "abcd");
    assertEquals(yield* take(stream, 4), "ef");
  });
});

Deno.test("T28: a read() that comes while one is being taken back gets the next chunk", async () => {
  const { stream, controller } = feedStream();
  await main(function* () {
    const first = yield* waiting(read(stream, buffer(1)));
    yield* turn();
    void first.abort();
    const second = yield* waiting(take(stream, 9) as never);
    assertEquals(stream.locked, true);
    controller.enqueue(bytes("ab"));
    assertEquals(yield* second, "ab");
  });
});

Deno.test("law 6: a readEvent() over a stream that loses its select takes nothing, at any time", async () => {
  const { stream, controller } = feedStream();
  const channel = new Channel<string>();
  await main(function* () {
    const lost = buffer(4);
    const branches = [
      when(readEvent(stream, lost), (count) => `${count} bytes`),
      when(channel.receiveEvent(), (item) => item),
    ];
    const choosing = yield* waiting(select(branches));
    yield* turn();
    channel.trySend("item");
    assertEquals(yield* choosing, "item");
    assertEquals(stream.locked, false);
    controller.enqueue(bytes("abcdef"));
    yield* turn();
    assertEquals(lost, buffer(4));
    assertEquals(yield* select(branches), "4 bytes");
    channel.trySend("second");
    assertEquals(yield* select(branches), "2 bytes", "what is left is ready");
    assertEquals(yield* select(branches), "second");
    const ready = { ready: Event.always(1), read: readEvent(stream, lost) };
    assertEquals((yield* select(ready)).kind, "ready");
    assertEquals(stream.locked, false);
  });
});

Deno.test("a read() of a stream that has left before it was asked asks for nothing", async () => {
  const { stream, seen } = feedStream();
  await main(function* () {
    yield* cancelScope(function* (context) {
      spawn(() => read(stream, buffer(1)));
      yield* yieldNow();
      context.cancel();
    });
    yield* turn();
  });
  assertEquals([seen.pulls, stream.locked], [0, false]);
});

Deno.test("law 7: readers of one stream are served in the order in which they came, an Input among them", async () => {
  const { stream, controller } = feedStream();
  const seen: string[] = [];
  function* reader(name: string) {
    seen.push(`${name} ${yield* take(stream, 2)}`);
  }
  await main(function* () {
    spawn(() => reader("first"));
    yield* turn();
    const input = Input.fromReadable(stream);
    const line = yield* waiting(input.readLine());
    spawn(() => reader("third"));
    yield* turn();
    controller.enqueue(bytes("abcd"));
    yield* turn();
    assertEquals(seen, ["first ab"]);
    controller.enqueue(bytes("e\nfg"));
    assertEquals(yield* line, { value: "cde" });
    yield* turn();
    assertEquals(seen, ["first ab", "third fg"]);
    assertEquals([input.statistics(), stream.locked], [{ buffered: 0, waiting: 0 }, true]);
    yield* input.close();
  });
  assertEquals(stream.locked, false);
});

Deno.test("read() waits on while an Input over its stream is closed: for 0, or with preventCancel for the next chunk", async () => {
  for (const preventCancel of [false, true]) {
    const { stream, controller, seen } = feedStream();
    await main(function* () {
      const input = Input.fromReadable(stream, { preventCancel });
      const line = yield* waiting(errorOf(input.readLine()) as never);
      const reading = yield* waiting(take(stream, 9) as never);
      yield* turn();
      yield* input.close();
      assertInstanceOf(yield* line, StreamClosedError);
      if (preventCancel) {
        assertEquals(stream.locked, true);
        controller.enqueue(bytes("next"));
      }
      assertEquals(yield* reading, preventCancel ? "next" : "");
      assertEquals(stream.locked, false);
    });
    assertEquals(seen.cancelled, preventCancel ? undefined : "the input was closed");
  }
});

Deno.test("T28: what Input.fromReadable(_, { preventCancel }) has read ahead is there for the next", async () => {
  const stream = ReadableStream.from(["one\ntwo\nthr", "ee"].map(bytes));
  await main(function* () {
    const first = Input.fromReadable(stream, { preventCancel: true });
    assertEquals(yield* first.readLine(), { value: "one" });
    yield* first.close();
    assertEquals([stream.locked, first.statistics().buffered], [false, 7]);
    assertEquals(yield* take(stream, 1), "t");
    const second = Input.fromReadable(stream);
    assertEquals(yield* second.readLine(), { value: "wo" });
    assertEquals(yield* second.inputAllText(), "three");
    yield* second.close();
    assertEquals(yield* take(stream, 1), "", "a stream that was cancelled has ended");
  });
});

Deno.test("Input.close() forgets what was read ahead of a stream that it cancels", async () => {
  const stream = new Response("one\ntwo").body!;
  await main(function* () {
    const input = Input.fromReadable(stream);
    assertEquals(yield* input.readLine(), { value: "one" });
    yield* input.close();
    assertEquals(yield* take(stream, 9), "");
  });
});

Deno.test("Input.close() forgets what a copy holds that is cancelled after it", async () => {
  const stream = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(new Uint8Array(40_000)),
  }, { highWaterMark: 0 });
  const input = Input.fromReadable(stream);
  const output = Output.fromWritable(new WritableStream({ write: () => new Promise(() => {}) }));
  await main(function* () {
    const copy = spawn(() => input.copyInto(output), { propagateCancelToParent: false });
    yield* turn();
    yield* input.close();
    copy.abort();
    yield* turn();
    output.discard();
  });
  assertEquals(input.statistics(), { buffered: 0, waiting: 0 });
});

Deno.test("read() over a stream that somebody else has locked: a TypeError, once it waits, for each", async () => {
  const { stream, controller } = feedStream();
  await main(function* () {
    controller.enqueue(bytes("abc"));
    assertEquals(yield* take(stream, 1), "a");
    const reader = stream.getReader();
    assertEquals(yield* take(stream, 9), "bc", "what is left needs no lock");
    const message = "Cannot read from the stream: the stream is locked by somebody else";
    const waits = [
      yield* waiting(errorOf(read(stream, buffer(1))) as never),
      yield* waiting(errorOf(select({ read: readEvent(stream, buffer(1)) })) as never),
    ];
    for (const wait of waits) {
      const error = (yield* wait) as unknown as Error;
      assertEquals([error.name, error.message], ["TypeError", message]);
    }
    assertThrows(
      () => Input.fromReadable(stream),
      TypeError,
      "Cannot make the input: the stream is locked by somebody else",
    );
    reader.releaseLock();
    controller.enqueue(bytes("d"));
    assertEquals(yield* take(stream, 1), "d");
  });
});

Deno.test("Input.fromReadable() refuses a stream that has an input, and doesn't harm that", async () => {
  const stream = new Response("text").body!;
  await main(function* () {
    const input = Input.fromReadable(stream);
    assertThrows(
      () => Input.fromReadable(stream),
      TypeError,
      "Cannot make the input: an input holds the stream already",
    );
    assertEquals(yield* input.inputAllText(), "text");
    yield* input.close();
  });
});

Deno.test("read() throws what the stream fails with, as it is, to all who wait and who come", async () => {
  const { stream, controller } = feedStream();
  const error = new Error("broken");
  await main(function* () {
    const first = yield* waiting(errorOf(read(stream, buffer(1))) as never);
    const second = yield* waiting(errorOf(readEvent(stream, buffer(1))) as never);
    yield* turn();
    controller.error(error);
    for (const wait of [first, second]) assertStrictEquals(yield* wait, error as never);
    assertStrictEquals(yield* errorOf(read(stream, buffer(1))), error);
    assertEquals(stream.locked, false);
  });
});

Deno.test("law 13: a failure that comes while a cancelled read() is taken back is told to the next", async () => {
  const { stream, controller } = feedStream();
  const error = new Error("broken");
  await main(function* () {
    const reading = yield* waiting(read(stream, buffer(1)));
    yield* turn();
    controller.error(error);
    yield* reading.abort();
    yield* turn();
    assertStrictEquals(yield* errorOf(read(stream, buffer(1))), error);
  });
});

Deno.test("read() over a stream refuses a chunk that is no Uint8Array, and goes on behind it", async () => {
  const { stream, controller } = feedStream();
  for (const chunk of [new ArrayBuffer(1), bytes("good")]) controller.enqueue(chunk as never);
  await main(function* () {
    const error = yield* errorOf(read(stream, buffer(1)));
    assertEquals(
      (error as TypeError).message,
      "Cannot read from the stream: its chunks must be Uint8Arrays, got an ArrayBuffer",
    );
    assertEquals(yield* take(stream, 9), "good");
  });
});

Deno.test("read() over a stream that closes under it returns 0", async () => {
  const { stream, controller } = feedStream();
  await main(function* () {
    const readings = [
      yield* waiting(read(stream, buffer(1))),
      yield* waiting(read(stream, buffer(1))),
    ];
    yield* turn();
    controller.close();
    for (const reading of readings) assertEquals(yield* reading, 0);
  });
});

Deno.test("read() over both branches of a tee gives each all bytes, and changes neither's chunks", async () => {
  const whole = new Response("abcdef").body!;
  const branches = whole.tee();
  await main(function* () {
    for (const branch of branches) {
      const parts: string[] = [];
      for (let n = 0; n < 4; n++) parts.push(yield* take(branch, 2));
      assertEquals(parts, ["ab", "cd", "ef", ""]);
    }
    const error = yield* errorOf(read(whole, buffer(1)));
    assertEquals((error as Error).message.endsWith("is locked by somebody else"), true);
  });
});

Deno.test("read() with an empty buffer over a stream returns 0 at once, and locks nothing", async () => {
  const { stream, seen } = feedStream();
  stream.getReader();
  assertEquals(await read(stream, buffer(0)), 0);
  assertEquals(await readEvent(stream, buffer(0)), 0);
  assertEquals(seen.pulls, 0);
});

Deno.test("a pull() of a stream that aborts the fiber that reads does no harm", async () => {
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      void reading.abort();
      controller.enqueue(bytes("late"));
    },
  }, { highWaterMark: 0 });
  let reading!: { abort(): unknown };
  await main(function* () {
    const fiber = reading = spawn(() => read(stream, buffer(9)));
    while (fiber.state !== "terminated") yield* turn();
    assertEquals(stream.locked, false);
    reading = { abort() {} };
    assertEquals(yield* take(stream, 9), "late");
  });
});

Deno.test("run(): read() gives what is left of a chunk, and is a Deadlock where a stream must be asked", async () => {
  const stream = ReadableStream.from([bytes("abc")]);
  await read(stream, buffer(1));
  const options = { loop: blockingLoop() };
  assertEquals(run(() => take(stream, 9), options), { ok: true, value: "bc" });
  const stuck = run(() => take(stream, 9), options);
  assertEquals(!stuck.ok && (stuck.error as Error).name, "Deadlock");
  await hostTurn();
  assertEquals(stream.locked, false);
});

Deno.test("read() over a connection's own stream: a cancelled one leaves the chunk to others", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [client, server] = await Promise.all([
    Deno.connect({ port: (listener.addr as Deno.NetAddr).port }),
    listener.accept(),
  ]);
  await main(function* () {
    const reading = yield* waiting(read(server.readable, buffer(9)));
    yield* turn();
    yield* reading.abort();
  });
  await client.write(bytes("hello"));
  client.close();
  assertEquals(await Array.fromAsync(server.readable), [bytes("hello")]);
});

Deno.test("law 9: a thousand cancelled reads of a stream leave no waiter, no lock and no chunk behind", async () => {
  const { stream, controller } = feedStream();
  await main(function* () {
    for (let n = 0; n < 1000; n++) {
      yield* cancelScope(function* (context) {
        spawn(() => read(stream, buffer(1)));
        if (n % 100 === 50) yield* turn();
        context.cancel();
      });
    }
    assertEquals(stream.locked, false);
    controller.enqueue(bytes("a"));
    assertEquals(yield* take(stream, 9), "a");
    const input = Input.fromReadable(stream);
    assertEquals(input.statistics(), { buffered: 0, waiting: 0 });
    yield* input.close();
  });
});

for (const style of CANCEL_STYLES) {
  Deno.test(`world 5, T28: a read() of a stream cancelled by "${style}" loses no byte`, async () => {
    for (const when of ["waiting", "committed"]) {
      const toy = new ToyScheduler();
      const { stream, controller } = feedStream();
      const task = toy.spawn(() => read(stream, buffer(3)));
      toy.run();
      await hostTurn();
      if (when === "waiting") toy.cancel(task, style);
      controller.enqueue(bytes("abcdef"));
      await hostTurn();
      if (when === "committed") toy.cancel(task, style);
      assertEquals(stream.locked, false);
      controller.close();
      const rest = await Input.fromReadable(stream).inputAllText();
      // A scheduler that only throws can't take back what has happened: it is returned.
      assertEquals(rest, task.state === "returned" ? "def" : "abcdef", when);
    }
  });
}
