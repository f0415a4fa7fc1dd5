import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  type Awaitable,
  Channel,
  ChannelClosedError,
  type ChannelOptions,
  type Event,
  type Fiber,
  FiberAborted,
  main,
  select,
  sleep,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import * as room from "@weft/weft/channel";
import { REAL_SHARE } from "../kit/share.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

function* receiveAll<T>(channel: Channel<T>) {
  const items: T[] = [];
  for (let item = yield* channel.receive(); item; item = yield* channel.receive()) {
    items.push(item.value);
  }
  return items;
}

// Making one -------------------------------------------------------------------------------------

Deno.test("Channel is the same class in @weft/weft and @weft/weft/channel", () => {
  assertStrictEquals(room.Channel, Channel);
  assertStrictEquals(room.ChannelClosedError, ChannelClosedError);
});

Deno.test("Channel() is open, empty and unbounded by default", () => {
  for (const channel of [new Channel(), new Channel({}), new Channel({ capacity: Infinity })]) {
    assertEquals(channel.capacity, Infinity);
    assertEquals(channel.size, 0);
    assertEquals(channel.isEmpty, true);
    assertEquals(channel.isClosed, false);
    assertEquals(channel.statistics(), idle);
  }
});

// deno-lint-ignore no-explicit-any -- arguments of the wrong type are what is tested
const badOptions: [any, typeof TypeError | typeof RangeError, string][] = [
  [{ capacity: NaN }, RangeError, "NaN"],
  [{ capacity: -1 }, RangeError, "-1"],
  [{ capacity: 1.5 }, RangeError, "1.5"],
  [{ capacity: -Infinity }, RangeError, "-Infinity"],
  [{ capacity: "3" }, TypeError, '"3"'],
  [{ capacity: null }, TypeError, "null"],
  [{ overflow: null }, TypeError, "null"],
  [{ overflow: "drop" }, TypeError, '"drop"'],
  [{ overflow: "" }, TypeError, '""'],
  [{ overflow: 1 }, TypeError, "1"],
  [{ overflow: "toString" }, TypeError, '"toString"'],
  [{ capacity: 0, overflow: "dropNewest" }, RangeError, "dropNewest"],
  [{ capacity: 0, overflow: "dropOldest" }, RangeError, "dropOldest"],
  [3, TypeError, "3"],
  [null, TypeError, "null"],
  ["dropOldest", TypeError, '"dropOldest"'],
];

for (const [options, errorClass, shown] of badOptions) {
  Deno.test(`Channel(${Deno.inspect(options)}) throws a ${errorClass.name}`, () => {
    const error = assertThrows(() => new Channel(options), errorClass);
    assertStringIncludes(error.message, "Cannot make the channel: ");
    assertStringIncludes(error.message, shown);
  });
}

Deno.test("Channel({ capacity: 0, overflow: 'block' }) is a rendezvous channel", () => {
  assertEquals(new Channel({ capacity: 0, overflow: "block" }).capacity, 0);
});

// Rendezvous -------------------------------------------------------------------------------------

Deno.test("Channel.send() on a rendezvous channel suspends until somebody receives", () => {
  const log: string[] = [];
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    spawn(function* () {
      yield* channel.send(1);
      log.push("sent");
    });
    yield* settle();
    log.push("nobody received");
    assertEquals(channel.statistics(), { ...idle, sendersWaiting: 1 });
    assertEquals(channel.size, 0);
    assertEquals(channel.isEmpty, true);
    assertEquals(yield* channel.receive(), { value: 1 });
    yield* settle();
    assertEquals(channel.statistics(), idle);
  });
  assertEquals(log, ["nobody received", "sent"]);
});

Deno.test("Channel.receive() suspends until somebody sends, who then needn't wait", () => {
  const log: string[] = [];
  virtually(function* () {
    const channel = new Channel<string>({ capacity: 0 });
    spawn(function* () {
      log.push(`received ${(yield* channel.receive())?.value}`);
    });
    yield* settle();
    assertEquals(channel.statistics(), { ...idle, receiversWaiting: 1 });
    yield* channel.send("it");
    log.push("sent");
    yield* settle();
    assertEquals(channel.statistics(), idle);
  });
  assertEquals(log, ["sent", "received it"]);
});

Deno.test("Channel.trySend() on a rendezvous channel is true only if somebody is receiving", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    assertEquals(channel.trySend(1), false);
    const receiver = yield* waiting(channel.receiveOrThrow());
    assertEquals(channel.trySend(2), true);
    assertEquals(channel.trySend(3), false);
    assertEquals(yield* receiver, 2);
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("Channel.tryReceive() on a rendezvous channel takes from a sender that waits", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    assertEquals(channel.tryReceive(), undefined);
    const sender = yield* waiting(channel.send(7));
    assertEquals(channel.tryReceive(), { value: 7 });
    assertEquals(channel.tryReceive(), undefined);
    yield* sender;
    assertEquals(channel.statistics(), idle);
  });
});

// Bounded ----------------------------------------------------------------------------------------

Deno.test("Channel.send() suspends while the buffer is full", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 2 });
    assertEquals(channel.capacity, 2);
    yield* channel.send(1);
    yield* channel.send(2);
    const third = yield* waiting(channel.send(3));
    assertEquals(third.state, "running");
    assertEquals(channel.statistics(), { size: 2, sendersWaiting: 1, receiversWaiting: 0 });
    assertEquals(channel.size, 2);
    assertEquals(channel.isEmpty, false);

    assertEquals(yield* channel.receive(), { value: 1 });
    assertEquals(channel.statistics(), { size: 2, sendersWaiting: 0, receiversWaiting: 0 });
    yield* third;
    assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 2 }, { value: 3 }]);
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("Channel.trySend() is false, and sends nothing, while the buffer is full", () => {
  const channel = new Channel<number>({ capacity: 1 });
  assertEquals(channel.trySend(1), true);
  assertEquals(channel.trySend(2), false);
  assertEquals(channel.tryReceive(), { value: 1 });
  assertEquals(channel.tryReceive(), undefined);
  assertEquals(channel.trySend(3), true);
  assertEquals(channel.tryReceive(), { value: 3 });
});

Deno.test("Channel.send() waits for nobody on an unbounded channel, but gives way now and then", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const seen: number[] = [];
    spawn(function* () {
      for (let turn = 0; turn < 3; turn++, yield* yieldNow()) seen.push(channel.size);
    });
    for (let n = 0; n < 10_000; n++) yield* channel.send(n);
    assertEquals(seen, [REAL_SHARE, 2 * REAL_SHARE, 3 * REAL_SHARE]);
    assertEquals(channel.size, 10_000);
    channel.close();
    const items = yield* receiveAll(channel);
    assertEquals(items, Array.from({ length: 10_000 }, (_, n) => n));
  });
});

Deno.test("Channel is first in, first out while its buffer wraps around and grows", () => {
  const channel = new Channel<number>({ capacity: 100 });
  const received: number[] = [];
  let sent = 0;
  for (const [sends, receives] of [[10, 4], [60, 40], [74, 100], [100, 1], [1, 100], [30, 30]]) {
    for (let i = 0; i < sends!; i++) assert(channel.trySend(sent++));
    for (let i = 0; i < receives!; i++) received.push(channel.tryReceive()!.value);
  }
  assertEquals(channel.statistics(), idle);
  assertEquals(received, Array.from({ length: sent }, (_, n) => n));
});

// Dropping ---------------------------------------------------------------------------------------

Deno.test("Channel with dropNewest forgets what finds no room: send completes, trySend is false", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 2, overflow: "dropNewest" });
    for (const n of [1, 2, 3]) yield* channel.send(n);
    assertEquals(channel.trySend(4), false);
    assertEquals(yield* select({ sent: channel.sendEvent(5) }), { kind: "sent", value: undefined });
    assertEquals(channel.statistics(), { ...idle, size: 2 });
    assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 1 }, { value: 2 }]);
    assertEquals(channel.trySend(6), true);
    assertEquals(channel.tryReceive(), { value: 6 });
  });
});

Deno.test("Channel with dropOldest forgets the oldest item: send completes, trySend is true", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 2, overflow: "dropOldest" });
    for (const n of [1, 2, 3]) yield* channel.send(n);
    assertEquals(channel.trySend(4), true);
    assertEquals(yield* select({ sent: channel.sendEvent(5) }), { kind: "sent", value: undefined });
    assertEquals(channel.statistics(), { ...idle, size: 2 });
    assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 4 }, { value: 5 }]);
    assertEquals(channel.tryReceive(), undefined);
  });
});

for (const overflow of ["dropNewest", "dropOldest"] as const) {
  Deno.test(`Channel with ${overflow} drops nothing while somebody is receiving`, () => {
    virtually(function* () {
      const channel = new Channel<number>({ capacity: 1, overflow });
      const receivers = [
        yield* waiting(channel.receiveOrThrow()),
        yield* waiting(channel.receiveOrThrow()),
      ];
      for (const n of [1, 2, 3]) yield* channel.send(n);
      assertEquals([yield* receivers[0]!, yield* receivers[1]!], [1, 2]);
      assertEquals(channel.tryReceive(), { value: 3 });
    });
  });
}

// Order ------------------------------------------------------------------------------------------

Deno.test("law 7: receivers that wait are served first in, first out, whichever way they wait", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const served: string[] = [];
    const waiters: [string, () => Awaitable<unknown>][] = [
      ["receive", () => channel.receive()],
      ["receiveOrThrow", () => channel.receiveOrThrow()],
      ["receiveEvent", () => channel.receiveEvent()],
      ["select", () => select([when(channel.receiveEvent(), (n) => n)])],
      ["receive again", () => channel.receive()],
    ];
    const fibers = waiters.map(([name, wait]) =>
      spawn(function* () {
        yield* wait();
        served.push(name);
      })
    );
    yield* settle();
    assertEquals(channel.statistics().receiversWaiting, waiters.length);
    for (let n = 0; n < waiters.length; n++) {
      assertEquals(channel.trySend(n), true);
      yield* fibers[n]!;
      assertEquals(served, waiters.slice(0, n + 1).map(([name]) => name));
    }
    assertEquals(channel.statistics(), idle);
  });
});

for (const capacity of [0, 1, 3]) {
  Deno.test(`law 7: senders that wait are served first in, first out, capacity ${capacity}`, () => {
    virtually(function* () {
      const channel = new Channel<number>({ capacity });
      for (let n = 0; n < capacity; n++) channel.trySend(n);
      const sent: number[] = [];
      for (let n = capacity; n < capacity + 6; n++) {
        spawn(function* () {
          if (n % 3 === 0) yield* channel.send(n);
          else if (n % 3 === 1) yield* channel.sendEvent(n);
          else yield* select({ sent: channel.sendEvent(n) });
          sent.push(n);
        });
      }
      yield* settle();
      assertEquals(channel.statistics(), { ...idle, size: capacity, sendersWaiting: 6 });
      const received: number[] = [];
      for (let n = 0; n < capacity + 6; n++) {
        received.push(yield* channel.receiveOrThrow());
        yield* settle();
        assertEquals(sent, Array.from({ length: Math.min(n + 1, 6) }, (_, i) => capacity + i));
      }
      assertEquals(received, Array.from({ length: capacity + 6 }, (_, n) => n));
      assertEquals(channel.statistics(), idle);
    });
  });
}

Deno.test("law 7: a cancelled waiter leaves the order of the others alone", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const served: number[] = [];
    const fibers: Fiber<void>[] = [];
    for (let n = 0; n < 6; n++) {
      fibers.push(spawn(function* () {
        yield* channel.receive();
        served.push(n);
      }));
    }
    yield* settle();
    for (const n of [0, 3, 5]) fibers[n]!.abort();
    for (let n = 0; n < 3; n++) assertEquals(channel.trySend(n), true);
    yield* settle();
    assertEquals(served, [1, 2, 4]);
    assertEquals(channel.statistics(), idle);
  });
});

// Closing ----------------------------------------------------------------------------------------

Deno.test("Channel.close() lets what is held be received, then tells that it is drained", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    for (const n of [1, 2, 3, 4]) channel.trySend(n);
    channel.close();
    assertEquals(channel.isClosed, true);
    assertEquals(channel.size, 4);
    assertEquals(yield* channel.receive(), { value: 1 });
    assertEquals(yield* channel.receiveOrThrow(), 2);
    assertEquals(channel.tryReceive(), { value: 3 });
    assertEquals(yield* channel.receiveEvent(), 4);
    assertEquals(channel.isEmpty, true);

    assertEquals(yield* channel.receive(), undefined);
    assertEquals(yield* channel.receive(), undefined, "as often as one likes");
    assertEquals(channel.tryReceive(), undefined);
    assertEquals(channel.tryReceive(), undefined, "so that a drain loop ends");
    const errors = [
      yield* errorOf(channel.receiveOrThrow()),
      yield* errorOf(channel.receiveEvent()),
      yield* errorOf(select({ item: channel.receiveEvent() })),
    ];
    for (const error of errors) {
      assertInstanceOf(error, ChannelClosedError);
      assertEquals(error.name, "ChannelClosedError");
      assertEquals("value" in error, false);
    }
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("Channel.send() throws ChannelClosedError with its value when closed, whichever way", () => {
  virtually(function* () {
    for (const options of [{}, { capacity: 0 }, { capacity: 1, overflow: "dropNewest" }] as const) {
      const channel = new Channel<string | undefined>(options);
      channel.close();
      for (const value of ["unsent", undefined]) {
        const errors = [
          yield* errorOf(channel.send(value)),
          yield* errorOf(channel.sendEvent(value)),
          yield* errorOf(select({ sent: channel.sendEvent(value) })),
          assertThrows(() => channel.trySend(value)),
        ];
        for (const error of errors) {
          assertInstanceOf(error, ChannelClosedError);
          assertEquals("value" in error && error.value === value, true);
        }
      }
      assertEquals(channel.statistics(), idle);
    }
  });
});

Deno.test("T17: Channel.close() is idempotent and never throws", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const receiver = yield* waiting(channel.receive());
    channel.close();
    channel.close();
    assertEquals(yield* receiver, undefined);
    channel.close();
    assertEquals(channel.isClosed, true);
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("T17: Channel.close() fails the senders that wait, each with its own value", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 1 });
    channel.trySend(0);
    const senders = [
      yield* waiting(channel.send(1)),
      yield* waiting(channel.sendEvent(2)),
      yield* waiting(select([when(channel.sendEvent(3), () => "sent")])),
    ];
    channel.close();
    for (const [index, sender] of senders.entries()) {
      const error = yield* errorOf(sender);
      assertInstanceOf(error, ChannelClosedError);
      assertEquals(error.value, index + 1);
    }
    assertEquals(yield* receiveAll(channel), [0], "what was not sent is not received");
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("Channel.close() tells the receivers that wait, in the order in which they came", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const told: string[] = [];
    spawn(function* () {
      told.push(`receive: ${yield* channel.receive()}`);
    });
    const throwing: [string, Awaitable<unknown>][] = [
      ["receiveOrThrow", channel.receiveOrThrow()],
      ["receiveEvent", channel.receiveEvent()],
      ["select", select({ item: channel.receiveEvent() })],
    ];
    for (const [name, operation] of throwing) {
      spawn(function* () {
        const error = yield* errorOf(operation);
        assertInstanceOf(error, ChannelClosedError);
        told.push(name);
      });
    }
    yield* settle();
    assertEquals(channel.statistics().receiversWaiting, 4);
    channel.close();
    assertEquals(channel.statistics(), idle);
    yield* settle();
    assertEquals(told, ["receive: undefined", "receiveOrThrow", "receiveEvent", "select"]);
  });
});

// Items ------------------------------------------------------------------------------------------

Deno.test("Channel tells an item that is undefined from no item", async () => {
  const channel = new Channel<undefined>({ capacity: 8 });
  for (let n = 0; n < 6; n++) assertEquals(channel.trySend(undefined), true);
  assertEquals(channel.size, 6);
  virtually(function* () {
    assertEquals(yield* channel.receive(), { value: undefined });
    assertEquals(yield* channel.receiveOrThrow(), undefined);
    assertEquals(channel.tryReceive(), { value: undefined });
    assertEquals(yield* select({ it: channel.receiveEvent() }), { kind: "it", value: undefined });
  });
  assertEquals(await channel.receive(), { value: undefined });
  channel.close();
  let items = 0;
  for await (const item of channel) {
    assertEquals(item, undefined);
    items++;
  }
  assertEquals(items, 1);
});

Deno.test("Channel passes a thenable through yield* untouched; await flattens it", async () => {
  const fiber = virtually(function* () {
    const channel = new Channel<Fiber<number>>();
    const inner = spawn(function* () {
      return 42;
    });
    yield* channel.send(inner);
    assertStrictEquals(yield* channel.receiveOrThrow(), inner);
    return inner;
  });
  const channel = new Channel<Fiber<number>>();
  channel.trySend(fiber);
  const flattened: unknown = await channel.receiveOrThrow();
  assertEquals(flattened, 42);
});

// Cancelling -------------------------------------------------------------------------------------

const suspensionPoints: [
  string,
  ChannelOptions,
  (channel: Channel<string>) => Awaitable<unknown>,
][] = [
  ["receive", {}, (channel) => channel.receive()],
  ["receiveOrThrow", {}, (channel) => channel.receiveOrThrow()],
  ["receiveEvent", {}, (channel) => channel.receiveEvent()],
  ["a select that receives", {}, (channel) => select({ it: channel.receiveEvent() })],
  ["send", { capacity: 0 }, (channel) => channel.send("mine")],
  ["sendEvent", { capacity: 0 }, (channel) => channel.sendEvent("mine")],
  ["a select that sends", { capacity: 0 }, (channel) => select({ it: channel.sendEvent("mine") })],
  ["a send to a full buffer", { capacity: 1 }, (channel) => channel.send("mine")],
  [
    "a select that sends and receives",
    { capacity: 0 },
    (channel) => select({ in: channel.receiveEvent(), out: channel.sendEvent("mine") }),
  ],
];

for (const [name, options, wait] of suspensionPoints) {
  Deno.test(`law 4: ${name} that is cancelled leaves no waiter and the channel unchanged`, () => {
    virtually(function* () {
      const channel = new Channel<string>(options);
      if (options.capacity === 1) channel.trySend("before");
      const before = channel.statistics();
      const fiber = spawn(function* () {
        assertInstanceOf(yield* errorOf(wait(channel)), Abort);
        yield* wait(channel); // and it is sticky
      });
      yield* settle();
      assertEquals(fiber.state, "running");
      fiber.abort();
      assertEquals(channel.statistics(), before, "at the abort itself");
      assertInstanceOf(yield* errorOf(fiber), FiberAborted);
      assertEquals(channel.statistics(), before);

      const sender = spawn(() => channel.send("after"));
      if (options.capacity === 1) assertEquals(yield* channel.receive(), { value: "before" });
      assertEquals(yield* channel.receive(), { value: "after" });
      yield* sender;
      assertEquals(channel.statistics(), idle);
    });
  });
}

Deno.test("law 9: a hundred thousand cancelled receives and sends leave zero waiters", () => {
  virtually(function* () {
    for (const options of [{ capacity: 0 }, {}]) {
      const channel = new Channel<number>(options);
      const wait: () => Awaitable<unknown> = options.capacity === 0
        ? () => channel.send(1)
        : () => channel.receive();
      const fibers: Fiber<unknown>[] = [];
      for (let n = 0; n < 50_000; n++) fibers.push(spawn(wait));
      yield* yieldNow();
      const { sendersWaiting, receiversWaiting } = channel.statistics();
      assertEquals(sendersWaiting + receiversWaiting, 50_000);
      // From both ends and from the middle.
      for (let n = 1; n < 50_000; n += 3) fibers[n]!.abort();
      for (let n = 49_999; n >= 0; n -= 2) fibers[n]!.abort();
      for (const fiber of fibers) fiber.abort();
      assertEquals(channel.statistics(), idle);
      assertEquals(channel.trySend(2), options.capacity !== 0);
    }
  });
});

Deno.test("T15: a receive that was given its item before the abort returns it", () => {
  virtually(function* () {
    for (const way of ["receive", "receiveOrThrow", "receiveEvent"] as const) {
      const channel = new Channel<number>();
      const log: unknown[] = [];
      const fiber = spawn(function* () {
        const item = yield* channel[way]();
        log.push(typeof item === "number" ? item : item?.value);
        log.push(yield* errorOf(sleep(1)));
      });
      yield* settle();
      channel.trySend(7);
      fiber.abort();
      yield* fiber.join();
      assertEquals(log[0], 7);
      assertInstanceOf(log[1], Abort);
      assertEquals(channel.statistics(), idle);
    }
  });
});

Deno.test("T15: a send whose item was taken before the abort returns", () => {
  virtually(function* () {
    for (const way of ["send", "sendEvent"] as const) {
      const channel = new Channel<number>({ capacity: 0 });
      let sent = false;
      const fiber = spawn(function* () {
        yield* channel[way](7);
        sent = true;
        yield* sleep(1);
      });
      yield* settle();
      assertEquals(channel.tryReceive(), { value: 7 });
      fiber.abort();
      yield* fiber.join();
      assertEquals(sent, true);
      assertEquals(channel.statistics(), idle);
    }
  });
});

Deno.test("law 4: an item that comes in the same instant after the abort goes to somebody else", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const aborted = yield* waiting(channel.receiveOrThrow());
    const next = yield* waiting(channel.receiveOrThrow());
    aborted.abort();
    channel.trySend(7);
    assertInstanceOf(yield* errorOf(aborted), FiberAborted);
    assertEquals(yield* next, 7);
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("law 4: an aborting fiber can't even send or receive what is there", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    channel.trySend(1);
    const fiber = spawn(function* () {
      yield* errorOf(sleep(1000));
      assertInstanceOf(yield* errorOf(channel.receive()), Abort);
      assertInstanceOf(yield* errorOf(channel.send(2)), Abort);
      assertInstanceOf(yield* errorOf(channel.receiveEvent()), Abort);
    });
    yield* settle();
    fiber.abort();
    yield* fiber.join();
    assertEquals(channel.tryReceive(), { value: 1 });
    assertEquals(channel.tryReceive(), undefined);
  });
});

Deno.test("law 4: a receive that was driven by hand and dropped after the commit gives its item back", () => {
  for (const end of ["returned", "closed", "replaced"] as const) {
    virtually(function* () {
      const channel = new Channel<number>();
      const fiber = spawn(function* () {
        const byHand = channel.receive()[Symbol.iterator]();
        byHand.next();
        channel.trySend(1);
        if (end === "closed") byHand.return?.();
        if (end === "replaced") yield* yieldNow();
        return "the end";
      });
      assertEquals(yield* fiber, "the end");
      yield* settle();
      assertEquals(fiber.poll(), { ok: true, value: "the end" });
      assertEquals(channel.tryReceive(), { value: 1 });
      assertEquals(channel.statistics(), idle);
    });
  }
});

// One-shot ---------------------------------------------------------------------------------------

const operations: [string, (channel: Channel<number>) => Awaitable<unknown>][] = [
  ["send", (channel) => channel.send(9)],
  ["receive", (channel) => channel.receive()],
  ["receiveOrThrow", (channel) => channel.receiveOrThrow()],
  ["select", (channel) => select({ it: channel.receiveEvent() })],
];

for (const [name, make] of operations) {
  Deno.test(`Channel: ${name} is cold and one-shot, in fibers and with await`, async () => {
    const channel = new Channel<number>();
    for (const n of [1, 2, 3]) channel.trySend(n);
    const { size } = channel;
    const inFiber = make(channel);
    const awaited = make(channel);
    assertEquals(channel.size, size, "making one does nothing");

    virtually(function* () {
      yield* inFiber;
      const sizeAfter = channel.size;
      const error = yield* errorOf(inFiber);
      assertInstanceOf(error, TypeError);
      assertStringIncludes(error.message, "used already");
      assertEquals(channel.size, sizeAfter, "the second use does nothing");
    });
    await assertRejects(async () => void await inFiber, TypeError, "used already");

    await awaited;
    const { size: sizeAfter } = channel;
    await assertRejects(async () => void await awaited, TypeError, "used already");
    virtually(function* () {
      assertInstanceOf(yield* errorOf(awaited), TypeError);
    });
    assertEquals(channel.size, sizeAfter);
    assertEquals(channel.statistics(), { ...idle, size: sizeAfter });
  });

  Deno.test(`Channel: ${name} without the star is a TypeError at the yield, and does nothing`, () => {
    virtually(function* () {
      const channel = new Channel<number>();
      channel.trySend(1);
      try {
        yield make(channel) as never; // the mistake that is tested
      } catch (error) {
        assertInstanceOf(error, TypeError);
        assertStringIncludes(error.message, "yield*");
        assertEquals(channel.statistics(), { ...idle, size: 1 });
        return;
      }
      throw new Error("it was not thrown");
    });
  });
}

Deno.test("Channel events may be waited on any number of times, by anybody", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const receive: Event<number> = channel.receiveEvent();
    assertStrictEquals(channel.receiveEvent(), receive, "it is cached");
    const send = channel.sendEvent(5);
    yield* send;
    yield* send;
    assertEquals([yield* receive, yield* receive], [5, 5]);
    const fibers = [yield* waiting(receive), yield* waiting(receive)];
    yield* send;
    yield* send;
    assertEquals([yield* fibers[0]!, yield* fibers[1]!], [5, 5]);
    assertEquals(channel.statistics(), idle);
  });
});

// The promise world ------------------------------------------------------------------------------

Deno.test("Channel.send() and receive() work with await, outside of any fiber", async () => {
  const channel = new Channel<number>({ capacity: 0 });
  const log: string[] = [];
  async function produce() {
    for (const n of [1, 2, 3]) {
      await channel.send(n);
      log.push(`sent ${n}`);
    }
    channel.close();
  }
  const producing = produce();
  await Promise.resolve(); // `await` calls `then` in a microtask
  assertEquals(channel.statistics(), { ...idle, sendersWaiting: 1 });
  const items: number[] = [];
  for (let item = await channel.receive(); item; item = await channel.receive()) {
    items.push(item.value);
  }
  await producing;
  assertEquals(items, [1, 2, 3]);
  assertEquals(log, ["sent 1", "sent 2", "sent 3"]);
  assertEquals(channel.statistics(), idle);
});

Deno.test("Channel rejects what is awaited with ChannelClosedError when it is closed", async () => {
  const channel = new Channel<number>({ capacity: 0 });
  const sending = channel.send(1).then(() => "sent");
  channel.close();
  const error = await assertRejects(() => sending, ChannelClosedError);
  assertEquals(error.value, 1);
  const drained = new Channel<number>();
  const receiving = drained.receiveOrThrow().then(() => "received");
  const closed = drained.receive();
  const selecting = select({ it: drained.receiveEvent() }).then(() => "selected");
  drained.close();
  await assertRejects(() => receiving, ChannelClosedError);
  await assertRejects(() => selecting, ChannelClosedError);
  assertEquals(await closed, undefined);
  assertEquals([channel.statistics(), drained.statistics()], [idle, idle]);
});

Deno.test("Channel serves fibers and async functions in one queue, first in, first out", async () => {
  const channel = new Channel<number>({ capacity: 0 });
  const served: string[] = [];
  const receive = (name: string) =>
    channel.receiveOrThrow().then((item) => void served.push(`${name} ${item}`));
  await main(function* () {
    function* receiveInFiber(name: string) {
      served.push(`${name} ${yield* channel.receiveOrThrow()}`);
    }
    const promises = [receive("async a")];
    const fibers = [spawn(() => receiveInFiber("fiber b"))];
    yield* yieldNow();
    promises.push(receive("async c"));
    fibers.push(spawn(() => receiveInFiber("fiber d")));
    yield* yieldNow();
    assertEquals(channel.statistics().receiversWaiting, 4);
    for (const n of [1, 2, 3, 4]) yield* channel.send(n);
    for (const fiber of fibers) yield* fiber;
    return promises;
  }).then((promises) => Promise.all(promises));
  assertEquals(served.toSorted(), ["async a 1", "async c 3", "fiber b 2", "fiber d 4"]);
  assertEquals(channel.statistics(), idle);
});

Deno.test("Channel passes a thousand items between fibers and async functions, each once", async () => {
  const channel = new Channel<number>({ capacity: 3 });
  const received: number[] = [];
  async function consume() {
    for await (const item of channel) received.push(item);
  }
  async function produce(from: number) {
    for (let n = from; n < from + 250; n++) await channel.send(n);
  }
  const consumers = [consume(), consume()];
  await main(function* () {
    function* produceInFiber(from: number) {
      for (let n = from; n < from + 250; n++) yield* channel.send(n);
    }
    function* consumeInFiber() {
      received.push(...yield* receiveAll(channel));
    }
    const fibers = [0, 250].map((from) => spawn(() => produceInFiber(from)));
    spawn(consumeInFiber);
    const producing = Promise.all([produce(500), produce(750)]);
    for (const fiber of fibers) yield* fiber;
    const done = new Channel<void>();
    producing.then(() => done.trySend());
    yield* done.receive();
    channel.close();
  });
  await Promise.all(consumers);
  assertEquals(received.length, 1000);
  assertEquals(received.toSorted((a, b) => a - b), Array.from({ length: 1000 }, (_, n) => n));
  assertEquals(channel.statistics(), idle);
});

Deno.test("Channel: for await receives until it is closed and drained", async () => {
  const channel = new Channel<number>();
  for (const n of [1, 2, 3]) channel.trySend(n);
  const items: number[] = [];
  for await (const item of channel) {
    items.push(item);
    if (item === 2) channel.close();
  }
  assertEquals(items, [1, 2, 3]);
  assertEquals(channel.statistics(), idle);
});

Deno.test("Channel: leaving a for await early takes no further item and leaves no waiter", async () => {
  const channel = new Channel<number>();
  for (const n of [1, 2, 3]) channel.trySend(n);
  for await (const item of channel) {
    if (item === 2) break;
  }
  await assertRejects(
    async () => {
      for await (const item of channel) throw new Error(`at ${item}`);
    },
    Error,
    "at 3",
  );
  assertEquals(channel.statistics(), idle);
  assertEquals(channel.trySend(4), true);
  assertEquals(channel.tryReceive(), { value: 4 });
});

Deno.test("T29: the return() of a channel's iterator doesn't wait for a pending next(), which takes nothing", async () => {
  const channel = new Channel<number>();
  const iterator = channel[Symbol.asyncIterator]();
  const pending = iterator.next();
  assertEquals(channel.statistics(), { ...idle, receiversWaiting: 1 });
  assertEquals(await iterator.return?.(), { done: true, value: undefined });
  assertEquals(channel.statistics(), idle);
  channel.trySend(1);
  assertEquals(await pending, { done: true, value: undefined });
  assertEquals(await iterator.next(), { done: true, value: undefined });
  assertEquals(channel.tryReceive(), { value: 1 });
});

Deno.test("T29: a pending next() that has its item already at the return() keeps it", async () => {
  const channel = new Channel<number>();
  const iterator = channel[Symbol.asyncIterator]();
  const pending = iterator.next();
  channel.trySend(1);
  await iterator.return?.();
  assertEquals(await pending, { done: false, value: 1 });
  assertEquals(channel.statistics(), idle);
});

// statistics() -----------------------------------------------------------------------------------

Deno.test("Channel.statistics() counts the items held and the waiters on both sides", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 1 });
    const receivers = [
      yield* waiting(channel.receive()),
      yield* waiting(select({ a: channel.receiveEvent(), b: channel.receiveEvent() })),
    ];
    // A select that has two arms here waits twice.
    assertEquals(channel.statistics(), { ...idle, receiversWaiting: 3 });
    for (const receiver of receivers) receiver.abort();
    assertEquals(channel.statistics(), idle);
    channel.trySend(1);
    const senders = [
      yield* waiting(channel.send(2)),
      yield* waiting(channel.sendEvent(3)),
    ];
    assertEquals(channel.statistics(), { size: 1, sendersWaiting: 2, receiversWaiting: 0 });
    channel.tryReceive();
    assertEquals(channel.statistics(), { size: 1, sendersWaiting: 1, receiversWaiting: 0 });
    for (const sender of senders) sender.abort();
    assertEquals(channel.statistics(), { size: 1, sendersWaiting: 0, receiversWaiting: 0 });
  });
});
