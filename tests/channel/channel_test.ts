/** What `Channel` alone does, and what it does like every kind of channel (`every_kind.ts`). */
import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  Abort,
  type Awaitable,
  Channel,
  ChannelClosedError,
  type ChannelOptions,
  type Fiber,
  FiberAborted,
  main,
  select,
  sleep,
  spawn,
  yieldNow,
} from "@weft/weft";
import * as room from "@weft/weft/channel";
import { idle, testEveryKind } from "./every_kind.ts";
import { REAL_SHARE } from "../kit/share.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

function* receiveAll<T>(channel: Channel<T>) {
  const items: T[] = [];
  for (let item = yield* channel.receive(); item; item = yield* channel.receive()) {
    items.push(item.value);
  }
  return items;
}

testEveryKind({
  name: "Channel",
  titled: (name) => `channel "${name}"`,
  making: "Cannot make the channel",
  least: 0,
  servesAtOnce: true,
  make: <T>(options: ChannelOptions) => new Channel<T>(options),
  makeWith: (options) => new Channel(options as ChannelOptions),
  settle,
  badOptions: [
    [{ overflow: "drop" }, TypeError, '"drop"'],
    [{ capacity: 0, overflow: "dropNewest" }, RangeError, "dropNewest"],
    [{ capacity: 0, overflow: "dropOldest" }, RangeError, "dropOldest"],
  ],
});

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

Deno.test("Channel.send() waits for nobody on an unbounded channel", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    for (let n = 0; n < 10_000; n++) yield* channel.send(n);
    assertEquals(channel.size, 10_000);
    channel.close();
    const items = yield* receiveAll(channel);
    assertEquals(items, Array.from({ length: 10_000 }, (_, n) => n));
  });
});

// Dropping ---------------------------------------------------------------------------------------

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

// Sharing ----------------------------------------------------------------------------------------

/** Ways to do what need never wait, 10,000 times. */
const ready: Record<string, (channel: Channel<number>, n: number) => Awaitable<unknown>> = {
  "send()": (channel, n) => channel.send(n),
  "sendEvent()": (channel, n) => channel.sendEvent(n),
  "receive()": (channel) => channel.receive(),
  "receiveOrThrow()": (channel) => channel.receiveOrThrow(),
  "receiveEvent()": (channel) => channel.receiveEvent(),
  "receiveOptionEvent()": (channel) => channel.receiveOptionEvent(),
};

for (const [name, once] of Object.entries(ready)) {
  Deno.test(`law 10: Channel.${name} that needn't wait gives way after ${REAL_SHARE}, each time`, () => {
    virtually(function* () {
      const channel = new Channel<number>();
      const held = name.startsWith("receive") ? 10_000 : 0;
      for (let n = 0; n < held; n++) channel.trySend(n);
      let done = 0;
      const seen: number[] = [];
      spawn(function* () {
        for (let turn = 0; turn < 3; turn++, yield* yieldNow()) seen.push(done);
      });
      for (; done < 10_000; done++) yield* once(channel, done);
      assertEquals(seen, [REAL_SHARE, 2 * REAL_SHARE, 3 * REAL_SHARE]);
    });
  });
}

// Items ------------------------------------------------------------------------------------------

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

Deno.test("law 4: a select that sends and receives, cancelled, leaves no waiter on either side", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const fiber = yield* waiting(
      select({ in: channel.receiveEvent(), out: channel.sendEvent(1) }),
    );
    assertEquals(channel.statistics(), { size: 0, sendersWaiting: 1, receiversWaiting: 1 });
    fiber.abort();
    assertEquals(channel.statistics(), idle);
    assertInstanceOf(yield* errorOf(fiber), FiberAborted);
    const sender = yield* waiting(channel.send(2));
    assertEquals(yield* channel.receive(), { value: 2 });
    yield* sender;
    assertEquals(channel.statistics(), idle);
  });
});

/** Each way to have been given an item. */
const receives: [string, (channel: Channel<number>) => Awaitable<unknown>][] = [
  ["receive", (channel) => channel.receive()],
  ["receiveOrThrow", (channel) => channel.receiveOrThrow()],
  ["receiveEvent", (channel) => channel.receiveEvent()],
  ["receiveOptionEvent", (channel) => channel.receiveOptionEvent()],
  ["select", (channel) => select({ it: channel.receiveEvent() })],
];

/** How a fiber can drop an operation that has its value. */
type Drop = "returned" | "closed" | "replaced";

/** Waits by hand with `operation`, does `meanwhile`, which gives it its value, and drops it. */
function* dropped(operation: Awaitable<unknown>, drop: Drop, meanwhile: () => void) {
  const byHand = operation[Symbol.iterator]();
  byHand.next();
  meanwhile();
  if (drop === "closed") byHand.return?.();
  if (drop === "replaced") yield* yieldNow();
  return "the end";
}

for (const [name, receive] of receives) {
  for (const drop of ["returned", "closed", "replaced"] as const) {
    Deno.test(`law 4: ${name} that was driven by hand and dropped (${drop}) gives its item back, before the others`, () => {
      virtually(function* () {
        const channel = new Channel<number>({ capacity: 2 });
        const fiber = spawn(() =>
          dropped(receive(channel), drop, () => {
            for (const n of [1, 2, 3]) assertEquals(channel.trySend(n), true);
            assertEquals(channel.trySend(4), false);
          })
        );
        assertEquals(yield* fiber, "the end");
        yield* settle();
        assertEquals(fiber.poll(), { ok: true, value: "the end" });
        assertEquals(channel.size, 3, "for a moment it holds one more than it has room for");
        const sender = yield* waiting(channel.send(4));
        assertEquals(channel.tryReceive(), { value: 1 });
        assertEquals(channel.statistics(), { ...idle, size: 2, sendersWaiting: 1 });
        assertEquals(channel.tryReceive(), { value: 2 });
        yield* sender;
        assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 3 }, { value: 4 }]);
        assertEquals(channel.statistics(), idle);
      });
    });

    Deno.test(`law 4: ${name} that was driven by hand and dropped (${drop}) gives its item to who has waited longest`, async () => {
      const channel = new Channel<number>();
      const others: PromiseLike<number>[] = [];
      virtually(() =>
        dropped(receive(channel), drop, () => {
          for (let n = 0; n < 2; n++) others.push(channel.receiveOrThrow().then((item) => item));
          channel.trySend(1);
        })
      );
      assertEquals(channel.statistics(), { ...idle, receiversWaiting: 1 });
      channel.trySend(2);
      assertEquals(await Promise.all(others), [1, 2]);
      assertEquals(channel.statistics(), idle);
    });

    Deno.test(`law 4: ${name} that was driven by hand and dropped (${drop}) after the close gives nothing back`, () => {
      const channel = new Channel<number>();
      virtually(() => dropped(receive(channel), drop, () => channel.close()));
      assertEquals(channel.statistics(), idle);
    });
  }
}

for (const wait of ["receive", "send"] as const) {
  Deno.test(`law 4: what was driven by hand is given back when its fiber waits in ${wait}() instead`, () => {
    virtually(function* () {
      const channel = new Channel<number>();
      const gate = new Channel<number>({ capacity: 0 });
      const fiber = spawn(function* () {
        channel.receive()[Symbol.iterator]().next();
        channel.trySend(1);
        yield* gate[wait](0);
      });
      yield* settle();
      assertEquals(channel.tryReceive(), { value: 1 });
      if (wait === "receive") gate.trySend(0);
      else gate.tryReceive();
      yield* fiber;
      assertEquals([channel.statistics(), gate.statistics()], [idle, idle]);
    });
  });
}

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
