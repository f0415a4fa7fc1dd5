import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Channel,
  Event,
  FiberAborted,
  fromPromise,
  Inactive,
  main,
  scope,
  spawn,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { channelFrom, readableFrom } from "@weft/weft/promise";
import { hostTurn, uncaughtSoon } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";

/** An async iterable that tells what is asked of it. */
class Tape implements AsyncIterableIterator<number> {
  readonly log: string[] = [];
  asked = 0;
  /** Items from here on never come. */
  endless = Infinity;
  constructor(readonly length: number, readonly failure?: Error) {}
  [Symbol.asyncIterator]() {
    return this;
  }
  async next(): Promise<IteratorResult<number, undefined>> {
    const n = this.asked++;
    await hostTurn();
    if (n >= this.endless) return await new Promise(() => {});
    if (n < this.length) return { done: false, value: n };
    if (this.failure !== undefined) throw this.failure;
    return { done: true, value: undefined };
  }
  async return(): Promise<IteratorResult<number, undefined>> {
    this.log.push("return");
    await hostTurn();
    this.log.push("returned");
    return { done: true, value: undefined };
  }
}

function* drain<T>(channel: Channel<T>) {
  const items: T[] = [];
  for (;;) {
    const item = yield* channel.receive();
    if (item === undefined) return items;
    items.push(item.value);
  }
}

Deno.test("channelFrom() hands on every item in order, and closes the channel at the end", async () => {
  const tape = new Tape(5);
  assertEquals(await main(() => drain(channelFrom(tape))), [0, 1, 2, 3, 4]);
  assertEquals(tape.log, []);
  assertEquals(await main(() => drain(channelFrom(ReadableStream.from(["a", "b"])))), ["a", "b"]);
});

Deno.test("channelFrom() fetches one item ahead, and capacity more", async () => {
  for (const capacity of [0, 3]) {
    const tape = new Tape(100);
    await main(function* () {
      const channel = channelFrom(tape, { capacity });
      for (let turn = 0; turn < 20; turn++) yield* turnOfTheHost();
      assertEquals(tape.asked, capacity + 1);
      yield* channel.receive();
      for (let turn = 0; turn < 20; turn++) yield* turnOfTheHost();
      assertEquals(tape.asked, capacity + 2);
      channel.close();
    });
    assertEquals(tape.log, ["return", "returned"]);
  }
});

function* turnOfTheHost() {
  const channel = new Channel<void>();
  hostTurn().then(() => channel.trySend());
  yield* channel.receive();
}

Deno.test("channelFrom(): a close by the reader ends a feeder that waits for the source, at once", async () => {
  const tape = new Tape(10);
  tape.endless = 1;
  await main(function* () {
    const channel = channelFrom(tape);
    assertEquals(yield* channel.receive(), { value: 0 });
    for (let turn = 0; turn < 5; turn++) yield* turnOfTheHost();
    channel.close();
  }); // would never end otherwise
  assertEquals(tape.log[0], "return");
});

Deno.test("channelFrom(): cancelled receives lose no item", async () => {
  const seen = await main(function* () {
    const channel = channelFrom(new Tape(200));
    const seen: number[] = [];
    for (let open = true, attempt = 0; open; attempt++) {
      const receiver = spawn(function* () {
        const item = yield* channel.receive();
        if (item === undefined) open = false;
        else seen.push(item.value);
      });
      for (let turn = attempt % 3; turn > 0; turn--) yield* turnOfTheHost();
      yield* receiver.abort();
    }
    return seen;
  });
  assertEquals(seen, Array.from({ length: 200 }, (_, n) => n));
});

Deno.test("law 4: channelFrom() hands to onLate what it had fetched and can't send any more", async () => {
  const boom = new Error("onLate threw");
  for (const how of ["closed", "aborted", "throws"]) {
    const tape = new Tape(10);
    const seen: number[] = [];
    const late: number[] = [];
    const onLate = (item: number) => {
      late.push(item);
      if (how === "throws") throw boom;
    };
    const errors = await uncaughtSoon(() =>
      main(function* () {
        const fiber = spawn(function* () {
          const channel = channelFrom(tape, { onLate });
          seen.push(yield* channel.receiveOrThrow());
          for (let turn = 0; turn < 5; turn++) yield* turnOfTheHost(); // the next one is there
          if (how !== "aborted") return channel.close();
          yield* Event.never();
        }, { propagateCancelToParent: false });
        for (let turn = 0; turn < 10; turn++) yield* turnOfTheHost();
        yield* fiber.abort();
      })
    );
    assertEquals([seen, late, tape.asked], [[0], [1], 2]);
    assertEquals(errors, how === "throws" ? [boom] : []);
  }
});

Deno.test("law 4: channelFrom() hands to onLate what was still under way", async () => {
  for (const how of ["closed", "aborted"]) {
    const late: number[] = [];
    let answer = (_: IteratorResult<number>) => {};
    const source: AsyncIterator<number> = {
      next: () => new Promise((resolve) => answer = resolve),
    };
    await main(function* () {
      const fiber = spawn(function* () {
        const channel = channelFrom({ [Symbol.asyncIterator]: () => source }, {
          onLate: (item) => void late.push(item),
        });
        yield* turnOfTheHost();
        if (how === "closed") channel.close();
      });
      yield* turnOfTheHost();
      yield* turnOfTheHost();
      yield* fiber.abort();
    });
    assertEquals(late, []);
    answer({ done: false, value: 7 });
    await hostTurn();
    assertEquals(late, [7]);
  }
});

Deno.test("channelFrom() calls no onLate for the end of the source, nor for its failure", async () => {
  const boom = new Error("the source broke off");
  const late: number[] = [];
  const options = { onLate: (item: number) => void late.push(item) };
  assertEquals(await main(() => drain(channelFrom(new Tape(3), options))), [0, 1, 2]);
  await assertRejects(
    async () => void (await main(() => drain(channelFrom(new Tape(0, boom), options)))),
    Error,
    "the source broke off",
  );
  await hostTurn();
  assertEquals(late, []);
});

Deno.test("law 2: channelFrom(): the source's failure comes after its items, and fails the scope", async () => {
  const boom = new Error("the source broke off");
  const seen: unknown[] = [];
  const errors: unknown[] = [];
  await main(function* () {
    errors.push(
      yield* errorOf(scope(function* () {
        const channel = channelFrom(new Tape(2, boom), { capacity: 10 });
        for (;;) {
          try {
            seen.push(yield* channel.receive());
          } catch (error) {
            errors.push(error);
            throw error;
          }
        }
      })),
    );
  });
  assertEquals(seen, [{ value: 0 }, { value: 1 }]);
  assertEquals(errors.length, 2);
  for (const error of errors) assertStrictEquals(error, boom);
});

Deno.test("channelFrom(): an iterator that throws at once fails the scope", async () => {
  const boom = new Error("no iterator");
  const source = {
    [Symbol.asyncIterator](): AsyncIterator<number> {
      throw boom;
    },
  };
  const error = await main(() => errorOf(scope(() => drain(channelFrom(source)))));
  assertStrictEquals(error, boom);
});

Deno.test("channelFrom(): an abort of its scope returns the source; readers elsewhere learn of it", async () => {
  const tape = new Tape(10);
  let channel: Channel<number> | undefined;
  const program = main(function* () {
    channel = channelFrom(tape);
    yield* new Channel<never>().receive();
  });
  await hostTurn();
  await hostTurn();
  await program.abort("no time");
  assertEquals(tape.log, ["return", "returned"]);
  const error = await assertRejects(async () => void (await channel!.receive()));
  assertInstanceOf(error, FiberAborted);
});

Deno.test("law 13: channelFrom() whose fiber is aborted before its first step tells the source and readers elsewhere", async () => {
  const tape = new Tape(10);
  let fromTape: Channel<number> | undefined;
  await main(() =>
    errorOf(scope(function* () {
      fromTape = channelFrom(tape);
      throw new Error("the scope fails at once");
    }))
  );
  await hostTurn();
  assertEquals([tape.asked, tape.log], [0, ["return", "returned"]]);
  await assertRejects(async () => void (await fromTape!.receive()), FiberAborted);

  const log: unknown[] = [];
  const stream = new ReadableStream<number>({ cancel: (reason) => void log.push(typeof reason) });
  await main(function* () {
    const fiber = spawn(function* () {
      try {
        yield* new Channel<never>().receive();
      } finally {
        channelFrom(stream); // into a fiber that is aborting
      }
    });
    yield* yieldNow();
    yield* fiber.abort();
  });
  assertEquals(log, ["string"]);
});

Deno.test("channelFrom() cancels a stream while a read is under way", async () => {
  const log: unknown[] = [];
  const stream = new ReadableStream<number>({ cancel: (reason) => void log.push(typeof reason) });
  await main(function* () {
    const channel = channelFrom(stream);
    yield* turnOfTheHost();
    channel.close();
  });
  assertEquals(log, ["string"]);
});

Deno.test("law 13: channelFrom(): a source that fails to return fails the scope", async () => {
  const boom = new Error("cannot return");
  const source = new Tape(10);
  source.return = () => Promise.reject(boom);
  const error = await main(() =>
    errorOf(scope(function* () {
      const channel = channelFrom(source);
      yield* channel.receive();
      for (let turn = 0; turn < 5; turn++) yield* turnOfTheHost(); // it waits to hand over the next
      channel.close();
    }))
  );
  assertStrictEquals(error, boom);
});

Deno.test("law 13: channelFrom(): a return that fails behind a next under way is reported", async () => {
  const boom = new Error("cannot return");
  const source = new Tape(10);
  source.endless = 0;
  source.return = () => Promise.reject(boom);
  const reported = await uncaughtSoon(() =>
    main(function* () {
      const channel = channelFrom(source);
      yield* turnOfTheHost();
      channel.close();
    })
  );
  assertEquals(reported, [boom]);
});

Deno.test("channelFrom() of a generator whose next hangs doesn't hold up an abort", async () => {
  async function* hanging() {
    yield 1;
    await new Promise(() => {});
  }
  const error = await main(() =>
    errorOf(withTimeout(2, function* () {
      const channel = channelFrom(hanging());
      yield* channel.receive();
      yield* channel.receive();
    }))
  );
  assertEquals((error as Error).name, "TimeoutError");
});

Deno.test("channelFrom() of a file system watch: closing the channel closes the watcher", async () => {
  const folder = await Deno.makeTempDir();
  try {
    await main(function* () {
      const changes = channelFrom(Deno.watchFs(folder));
      Deno.writeTextFileSync(`${folder}/note`, "written");
      const event = yield* changes.receiveOrThrow();
      assert(event.paths.some((path) => path.endsWith("note")), Deno.inspect(event));
      changes.close();
    }); // and the resource sanitizer sees that nothing is left
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("channelFrom() says what is wrong with its arguments", async () => {
  assertThrows(
    () => channelFrom([1] as never),
    TypeError,
    "Cannot make the channel: source must be an async iterable or a ReadableStream, got an array",
  );
  assertThrows(() => channelFrom(new Tape(0), 3 as never), TypeError, "options must be an object");
  const stream = new ReadableStream<number>();
  assertThrows(() => channelFrom(stream), Inactive, "Cannot make the channel: no fiber runs here");
  assertEquals(stream.locked, false);
  const reader = stream.getReader();
  assertThrows(() => channelFrom(stream), TypeError, "Cannot make the channel: source is locked");
  reader.releaseLock();
  await main(function* () {
    assertThrows(() => channelFrom(new Tape(0), { capacity: -1 }), RangeError, "capacity");
    yield* yieldNow();
  });
});

Deno.test("readableFrom() streams the items, takes none before it is read from, and ends with the channel", async () => {
  const channel = new Channel<number>();
  for (const n of [1, 2, 3]) channel.trySend(n);
  const reader = readableFrom(channel).getReader();
  await hostTurn();
  assertEquals(channel.size, 3);
  assertEquals(await reader.read(), { done: false, value: 1 });
  await hostTurn();
  assertEquals(channel.size, 2);
  channel.close();
  assertEquals((await reader.read()).value, 2);
  assertEquals((await reader.read()).value, 3);
  assertEquals((await reader.read()).done, true);
});

Deno.test("readableFrom(): senders wait for the stream's reader", async () => {
  const channel = new Channel<number>({ capacity: 0 });
  let sent = 0;
  const reader = readableFrom(channel).getReader();
  const program = main(function* () {
    for (; sent < 3; sent++) yield* channel.send(sent);
    channel.close();
  });
  await hostTurn();
  assertEquals(sent, 0);
  for (let n = 0; n < 3; n++) assertEquals((await reader.read()).value, n);
  assertEquals((await reader.read()).done, true);
  await program;
});

Deno.test("readableFrom(): a cancel withdraws the read under way and closes the channel", async () => {
  const channel = new Channel<number>();
  const reader = readableFrom(channel).getReader();
  const read = reader.read();
  await hostTurn();
  assertEquals(channel.statistics().receiversWaiting, 1);
  await reader.cancel();
  assertEquals((await read).done, true);
  assertEquals(channel.isClosed, true);
  assertEquals(channel.statistics().receiversWaiting, 0);
});

Deno.test("law 4: readableFrom(): a cancel puts back the item that was on its way into the stream", async () => {
  const channel = new Channel<number>();
  const reader = readableFrom(channel).getReader();
  const read = reader.read();
  await hostTurn();
  channel.trySend(1); // goes to the read, which is told in a microtask
  channel.trySend(2);
  const cancelled = reader.cancel();
  assertEquals((await read).done, true);
  await cancelled;
  assertEquals(await main(() => drain(channel)), [1, 2]);
});

Deno.test("law 4: readableFrom(): whenever a cancel comes, an item is with the reader or in the channel", async () => {
  const outcomes = new Set<boolean>();
  for (let turns = 0; turns < 16; turns++) {
    const channel = new Channel<number>();
    const reader = readableFrom(channel).getReader();
    const read = reader.read();
    await hostTurn();
    channel.trySend(1);
    channel.trySend(2);
    for (let turn = 0; turn < turns; turn++) await null;
    const cancelled = reader.cancel();
    const { value } = await read;
    await cancelled;
    outcomes.add(value === undefined);
    const left = await main(() => drain(channel));
    assertEquals(value === undefined ? left : [value, ...left], [1, 2]);
  }
  assertEquals(outcomes.size, 2, "both were seen");
});

Deno.test("readableFrom(): a released read keeps its item for the next reader", async () => {
  const channel = new Channel<number>();
  const stream = readableFrom(channel);
  const first = stream.getReader();
  const read = first.read();
  first.releaseLock();
  await assertRejects(() => read, TypeError);
  channel.trySend(1);
  const second = stream.getReader();
  assertEquals((await second.read()).value, 1);
  await second.cancel();
});

Deno.test("readableFrom() errors when the channel failed", async () => {
  const channel = new Channel<number>();
  channel.trySend(1);
  channel.fail(new Error("cut short"));
  const reader = readableFrom(channel).getReader();
  assertEquals((await reader.read()).value, 1);
  await assertRejects(() => reader.read(), Error, "cut short");
});

Deno.test("a stream into a channel and out again is the same stream", async () => {
  const text = await main(function* () {
    const bytes = channelFrom(new Response("x".repeat(100_000)).body!);
    return yield* fromPromise(new Response(readableFrom(bytes)).text());
  });
  assertEquals(text.length, 100_000);
});

Deno.test("readableFrom() says what is wrong with its argument", () => {
  assertThrows(() => readableFrom([] as never), TypeError, "channel must be a Channel");
});
