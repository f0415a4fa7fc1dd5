/**
 * Shared channels as one thread sees them: what they do like every kind of channel
 * (`tests/channel/every_kind.ts`), and what they alone do. Between threads:
 * `shared_channel_threads_test.ts`.
 */
import { Buffer } from "node:buffer";
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
  afterEvent,
  type Awaitable,
  Channel,
  ChannelClosedError,
  Deadlock,
  type Fiber,
  FiberAborted,
  main,
  type Operation,
  run,
  select,
  sleep,
  spawn,
  timeoutEvent,
  when,
} from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import {
  type Codec,
  SharedChannel,
  type SharedChannelHandle,
  type SharedChannelOptions,
} from "@weft/weft/thread";
import { SharedQueue } from "../../lib/thread/memory/shared_queue.ts";
import { idle, testEveryKind } from "../channel/every_kind.ts";
import { runLifo } from "../../examples/schedulers/lifo.ts";
import { errorOf as errorOfResult, valueOf } from "../kit/results.ts";
import { hostTurn, uncaughtSoon } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";
import { errorOf, virtually } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

function full(capacity = 1): SharedChannel<number> {
  const channel = new SharedChannel<number>({ capacity });
  for (let n = 0; n < capacity; n++) channel.trySend(n);
  return channel;
}

/** Lets every fiber run until it waits: a loop of one's own looks at the channels now and then. */
function* settle() {
  yield* sleep(10);
}

/** A fiber that waits on `operation`, and keeps its failure to itself. */
function* waiting<T>(operation: () => Operation<T>) {
  const fiber = spawn(operation, { propagateCancelToParent: false });
  yield* settle();
  return fiber;
}

testEveryKind({
  name: "SharedChannel",
  titled: (name) => `shared channel "${name}"`,
  making: "Cannot make the shared channel",
  least: 1,
  servesAtOnce: false,
  make: <T>(options: SharedChannelOptions<T>) => new SharedChannel<T>(options),
  makeWith: (options) => new SharedChannel(options as SharedChannelOptions<unknown>),
  settle,
  badOptions: [
    [undefined, TypeError, "options must have a capacity, got undefined"],
    [{}, TypeError, "capacity must be a number"],
    [{ capacity: 0 }, RangeError, "at least 1, got 0; sender and receiver can meet only within"],
    [{ capacity: Infinity }, RangeError, "capacity must be an integer of at least 1, got Infinity"],
    [{ capacity: 1, slotBytes: 0 }, RangeError, "slotBytes"],
    [
      { capacity: 1, slotBytes: Infinity },
      RangeError,
      "slotBytes must be an integer of at least 1, got Infinity",
    ],
    [{ capacity: 2 ** 20, slotBytes: 2 ** 11 }, RangeError, "more than a gigabyte"],
    [{ capacity: 2 ** 27, slotBytes: 1 }, RangeError, "more than a gigabyte"],
    [{ capacity: 2 ** 53, slotBytes: 1 }, RangeError, "more than a gigabyte"],
    [{ capacity: 1, slotBytes: 2 ** 40 }, RangeError, "more than a gigabyte"],
    [{ capacity: 1, codec: {} }, TypeError, "codec.encode must be a function"],
    [{ capacity: 1, codec: { encode() {} } }, TypeError, "codec.decode must be a function"],
  ],
});

// Making one -------------------------------------------------------------------------------------

Deno.test("SharedChannel.handle says what it is a handle of, and its name", () => {
  const { handle } = new SharedChannel<string>({ capacity: 3, name: "words" });
  assertEquals([handle.kind, handle.name], ["weft.SharedChannel", "words"]);
});

Deno.test("SharedChannel.from() opens the same channel, once or often", () => {
  const channel = new SharedChannel<number>({ capacity: 2 });
  const handle = structuredClone(channel.handle);
  const ends = [SharedChannel.from<number>(handle), SharedChannel.from<number>(channel.handle)];
  ends[0]!.trySend(1);
  ends[1]!.trySend(2);
  assertEquals([channel.size, channel.tryReceive(), ends[0]!.tryReceive()], [2, { value: 1 }, {
    value: 2,
  }]);
  ends[1]!.close();
  assertEquals([channel.isClosed, ends[0]!.isClosed], [true, true]);
});

Deno.test("SharedChannel.from() refuses what is no handle", () => {
  const { handle } = new SharedChannel({ capacity: 1 });
  const bad: unknown[] = [undefined, null, 3, {}, { ...handle, kind: "weft.SharedTrigger" }, {
    ...handle,
    buffer: new ArrayBuffer(8),
  }, { ...handle, registry: undefined }];
  const { buffer, registry } = handle;
  for (const length of [0, 1, 4, 8, 1536, buffer.byteLength]) {
    bad.push({ ...handle, buffer: new SharedArrayBuffer(length) });
    bad.push({ ...handle, registry: new SharedArrayBuffer(length) });
  }
  const shorter = new SharedArrayBuffer(buffer.byteLength - 64);
  new Uint8Array(shorter).set(new Uint8Array(buffer, 0, shorter.byteLength));
  bad.push({ ...handle, buffer: shorter }, { ...handle, buffer: registry, registry: buffer });
  bad.push({ ...handle, name: 3 }, "handle", new SharedChannel({ capacity: 1 }));
  for (const handle of bad) {
    const error = assertThrows(() => SharedChannel.from(handle as SharedChannelHandle), TypeError);
    assertStringIncludes(error.message, "Cannot open the shared channel: expected the handle");
  }
});

const bytes: Codec<number> = { encode: (n) => new Uint8Array([n]), decode: ([n]) => n! };

Deno.test("SharedChannel.from() wants a codec where there is one, and none where there is none", () => {
  const coded = new SharedChannel<number>({ capacity: 1, codec: bytes });
  const plain = new SharedChannel<number>({ capacity: 1 });
  assertThrows(() => SharedChannel.from(coded.handle), TypeError, "made with a codec");
  assertThrows(() => SharedChannel.from(plain.handle, { codec: bytes }), TypeError, "without a");
  const bad = { codec: { encode: bytes.encode } } as { codec: Codec<number> };
  assertThrows(() => SharedChannel.from(coded.handle, bad), TypeError, "codec.decode");
  assertThrows(() => SharedChannel.from(plain.handle, 3 as never), TypeError, "options must be");
  SharedChannel.from(coded.handle, { codec: bytes }).trySend(7);
  assertEquals(coded.tryReceive(), { value: 7 });
});

// Sending and receiving --------------------------------------------------------------------------

Deno.test("SharedChannel.send() copies the value as it is when the wait begins", () => {
  virtually(function* () {
    const channel = new SharedChannel<unknown>({ capacity: 1 });
    const value = { n: [1], bytes: new Uint8Array([1]) };
    const raw = new Uint8Array([1]);
    channel.trySend(0);
    const first = yield* waiting(() => channel.send(value));
    const second = yield* waiting(() => channel.send(raw));
    value.n.push(2);
    value.bytes[0] = 9;
    raw[0] = 9;
    assertEquals(yield* channel.receive(), { value: 0 });
    assertEquals(yield* channel.receive(), { value: { n: [1], bytes: new Uint8Array([1]) } });
    assertEquals(yield* channel.receive(), { value: new Uint8Array([1]) });
    yield* first;
    yield* second;
  });
});

Deno.test("SharedChannel.send() copies what encode returns when the wait begins, be it a Buffer", () => {
  virtually(function* () {
    const scratch = Buffer.alloc(1);
    const codec: Codec<number> = {
      encode: (n) => scratch.fill(n),
      decode: ([n]) => n!,
    };
    const channel = new SharedChannel<number>({ capacity: 1, codec });
    yield* channel.send(1);
    const second = yield* waiting(() => channel.send(2));
    scratch.fill(9);
    assertEquals([yield* channel.receiveOrThrow(), yield* channel.receiveOrThrow()], [1, 2]);
    yield* second;
  });
});

Deno.test("SharedChannel.send() throws at once what can't be sent, also while it is full", () => {
  virtually(function* () {
    const channel = full() as SharedChannel<unknown>;
    assertInstanceOf(yield* errorOf(channel.send(() => 1)), TypeError);
    assertInstanceOf(yield* errorOf(channel.send("x".repeat(1000))), RangeError);
    assertInstanceOf(yield* errorOf(channel.sendEvent(Symbol())), TypeError);
    assertInstanceOf(yield* errorOf(select({ s: channel.sendEvent(Symbol()) })), TypeError);
    assertEquals(channel.statistics(), { ...idle, size: 1 });
  });
});

const unsendable: Record<string, () => unknown> = {
  "bytes whose memory was transferred": () => {
    const bytes = new Uint8Array(4);
    structuredClone(bytes, { transfer: [bytes.buffer] });
    return bytes;
  },
  "bytes whose memory has shrunk": () => {
    const buffer = new ArrayBuffer(8, { maxByteLength: 8 });
    const bytes = new Uint8Array(buffer, 4, 4);
    buffer.resize(2);
    return bytes;
  },
  "what only looks like bytes": () => Object.create(Uint8Array.prototype, { length: { value: 3 } }),
  "bytes that lie about their length": () =>
    Object.defineProperty(new Uint8Array(10_000), "length", { value: 1 }),
  "a handle": () => new SharedChannel({ capacity: 1 }).handle,
};

for (const [what, make] of Object.entries(unsendable)) {
  Deno.test(`law 4: SharedChannel.send() of ${what} throws a TypeError, and the channel goes on`, () => {
    virtually(function* () {
      for (const isFull of [false, true]) {
        const channel = new SharedChannel<unknown>({ capacity: 1 });
        if (isFull) channel.trySend(0);
        const raw = { encode: (item: unknown) => item as Uint8Array, decode: () => 0 };
        const coded = new SharedChannel<unknown>({ capacity: 1, codec: raw });
        assertThrows(() => channel.trySend(make()), TypeError);
        assertThrows(() => coded.trySend(make()), TypeError);
        assertInstanceOf(yield* errorOf(channel.send(make())), TypeError);
        assertInstanceOf(yield* errorOf(select({ s: channel.sendEvent(make()) })), TypeError);
        assertEquals(channel.tryReceive(), isFull ? { value: 0 } : undefined);
        for (const each of [channel, coded]) {
          assertEquals(each.trySend(new Uint8Array(1)), true);
          assert(each.tryReceive() !== undefined);
          assertEquals(each.statistics(), idle);
        }
      }
    });
  });
}

Deno.test("SharedChannel.send() of a handle says how handles travel", () => {
  const channel = new SharedChannel<unknown>({ capacity: 1 });
  const error = assertThrows(() => channel.trySend(channel.handle), TypeError);
  assertStringIncludes(error.message, "handles too, can only be posted (postMessage)");
});

// Cancelling -------------------------------------------------------------------------------------

const points: Record<string, (channel: SharedChannel<number>) => Operation<unknown>> = {
  "receive()": (channel) => channel.receive(),
  "receiveOrThrow()": (channel) => channel.receiveOrThrow(),
  "receiveEvent()": (channel) => channel.receiveEvent(),
  "receiveOptionEvent()": (channel) => channel.receiveOptionEvent(),
  "a select of two receives": (channel) =>
    select({ a: channel.receiveEvent(), b: channel.receiveEvent() }),
};

for (const [what, wait] of Object.entries(points)) {
  Deno.test(`law 4: SharedChannel.${what} that is aborted, asleep or woken, leaves the item to the next`, () => {
    for (const isWoken of [false, true]) {
      virtually(function* () {
        const channel = new SharedChannel<number>({ capacity: 2 });
        const first = yield* waiting(() => wait(channel));
        const second = yield* waiting(() => channel.receiveOrThrow());
        if (isWoken) channel.trySend(1);
        first.abort();
        if (!isWoken) channel.trySend(1);
        assertInstanceOf(errorOfResult(yield* first.join()), FiberAborted);
        assertEquals(yield* second, 1);
        assertEquals(channel.statistics(), idle);
      });
    }
  });
}

Deno.test("law 4: SharedChannel.send() that is aborted, asleep or woken, has sent nothing", () => {
  for (const isWoken of [false, true]) {
    for (const how of ["send", "sendEvent"] as const) {
      virtually(function* () {
        const channel = full();
        const first = yield* waiting(() => channel[how](1));
        const second = yield* waiting(() => channel.send(2));
        if (isWoken) assertEquals(channel.tryReceive(), { value: 0 });
        first.abort();
        if (!isWoken) assertEquals(channel.tryReceive(), { value: 0 });
        yield* second;
        assertEquals(channel.tryReceive(), { value: 2 });
        assertEquals(channel.statistics(), idle);
      });
    }
  }
});

Deno.test("law 9: ten thousand cancelled waits on a SharedChannel leave nothing behind", () => {
  virtually(function* () {
    const [empty, filled] = [new SharedChannel<number>({ capacity: 1 }), full()];
    const closers = () =>
      new SharedQueue(empty.handle.buffer, empty.handle.registry).sleepers[2].count;
    const fibers: Fiber<unknown>[] = [];
    for (let n = 0; n < 5000; n++) {
      fibers.push(spawn(() => empty.receive(), { propagateCancelToParent: false }));
      fibers.push(spawn(() => filled.send(n), { propagateCancelToParent: false }));
      fibers.push(spawn(() => empty.closeEvent(), { propagateCancelToParent: false }));
    }
    yield* settle();
    assertEquals(empty.statistics().receiversWaiting, 5000);
    assertEquals(filled.statistics().sendersWaiting, 5000);
    assertEquals(closers(), 1);
    for (const fiber of fibers) fiber.abort();
    assertEquals(closers(), 0);
    assertEquals([empty.statistics(), filled.statistics()], [idle, { ...idle, size: 1 }]);
    yield* settle();
  });
});

// Select -----------------------------------------------------------------------------------------

Deno.test("law 6: select() between a SharedChannel, a local one and time takes one of them", () => {
  virtually(function* () {
    const shared = new SharedChannel<string>({ capacity: 1 });
    const local = new Channel<string>({ capacity: 0 });
    const events = () => ({
      shared: shared.receiveEvent(),
      local: local.receiveEvent(),
      time: afterEvent(100),
    });
    const choose = () => waiting(() => select(events()));

    const first = yield* choose();
    yield* shared.send("a");
    assertEquals(yield* first, { kind: "shared", value: "a" });

    const second = yield* choose();
    yield* local.send("b");
    assertEquals(yield* second, { kind: "local", value: "b" });

    assertEquals((yield* select(events())).kind, "time");
    assertEquals([shared.statistics(), local.statistics()], [idle, idle]);
  });
});

/** A select that waits for room is chosen for another arm by its own codec, which then does `more`. */
function bringPartnerInEncode(more: () => void): void {
  virtually(function* () {
    const local = new Channel<string>({ capacity: 0 });
    let armed = false;
    const codec: Codec<number> = {
      encode: (n) => {
        if (armed) {
          local.trySend("partner");
          more();
        }
        return new Uint8Array([n]);
      },
      decode: ([n]) => n!,
    };
    const channel = new SharedChannel<number>({ capacity: 1, codec });
    channel.trySend(1);
    const both = yield* waiting(() =>
      select({ sent: channel.sendEvent(2), got: local.receiveEvent() })
    );
    armed = true;
    assertEquals(channel.tryReceive(), { value: 1 });
    assertEquals(yield* both, { kind: "got", value: "partner" });
    assertEquals([channel.statistics(), local.statistics()], [idle, idle]);
  });
}

Deno.test("law 4: a codec that brings a partner for another arm of the select sends nothing by its own", () => {
  bringPartnerInEncode(() => {});
});

Deno.test("law 4: a codec that brings a partner for another arm while it decodes sends that away", () => {
  virtually(function* () {
    const local = new Channel<string>({ capacity: 1 });
    const codec: Codec<number> = {
      encode: (n) => new Uint8Array([n]),
      decode: ([n]) => {
        local.trySend("partner");
        return n!;
      },
    };
    const channel = new SharedChannel<number>({ capacity: 1, codec });
    const both = yield* waiting(() =>
      select({ item: channel.receiveEvent(), got: local.receiveEvent() })
    );
    channel.trySend(2);
    assertEquals(yield* both, { kind: "item", value: 2 });
    assertEquals([local.tryReceive(), channel.statistics()], [{ value: "partner" }, idle]);
  });
});

for (const throws of [false, true]) {
  const what = throws ? "throws" : "returns";
  Deno.test(`law 6: a codec that ${what} finds no other arm of the select to take from or to give to`, () => {
    virtually(function* () {
      const [a, b] = [0, 1].map(() => new Channel<string>({ capacity: 0 })) as [
        Channel<string>,
        Channel<string>,
      ];
      const found: unknown[] = [];
      const error = new Error("decode");
      const codec: Codec<number> = {
        encode: (n) => new Uint8Array([n]),
        decode: ([n]) => {
          found.push(a.tryReceive(), b.trySend("partner"));
          if (throws) throw error;
          return n!;
        },
      };
      const channel = new SharedChannel<number>({ capacity: 1, codec });
      const all = yield* waiting(() =>
        errorOrValue(
          select({ got: channel.receiveEvent(), sent: a.sendEvent("it"), b: b.receiveEvent() }),
        )
      );
      channel.trySend(2);
      assertEquals(yield* all, throws ? error : { kind: "got", value: 2 });
      assertEquals(found, [undefined, false]);
      for (const each of [a, b, channel]) assertEquals(each.statistics(), idle);
    });
  });
}

function* errorOrValue(operation: Awaitable<unknown>): Operation<unknown> {
  try {
    return yield* operation;
  } catch (error) {
    return error;
  }
}

Deno.test("law 4: a codec that brings a partner for another arm and then throws has lost to it", () => {
  bringPartnerInEncode(() => {
    throw new Error("encode");
  });
});

Deno.test("law 4: a codec whose decode aborts who receives comes too late, and the next one gets the next", () => {
  const ways: ((channel: SharedChannel<number>) => Operation<unknown>)[] = [
    (channel) => channel.receiveOrThrow(),
    (channel) => channel.receiveEvent(),
    (channel) => select([when(channel.receiveEvent(), (n) => n)]),
  ];
  for (const receive of ways) {
    virtually(function* () {
      let victim: Fiber<unknown> | undefined = undefined as Fiber<unknown> | undefined;
      const codec: Codec<number> = {
        encode: (n) => new Uint8Array([n]),
        decode: ([n]) => {
          victim?.abort();
          return n!;
        },
      };
      const channel = new SharedChannel<number>({ capacity: 2, codec });
      victim = yield* waiting(() => receive(channel));
      const next = yield* waiting(() => channel.receiveOrThrow());
      channel.trySend(1);
      assertEquals(yield* victim, 1);
      victim = undefined;
      channel.trySend(2);
      assertEquals(yield* next, 2);
      assertEquals(channel.statistics(), idle);
    });
  }
});

// Codecs that throw ------------------------------------------------------------------------------

Deno.test("law 13: what decode throws is thrown at whoever receives, and the next item comes as ever", async () => {
  const error = new Error("decode");
  const codec: Codec<number> = {
    encode: (n) => new Uint8Array([n]),
    decode: ([n]) => {
      if (n === 13) throw error;
      return n!;
    },
  };
  const ways: [string, (channel: SharedChannel<number>) => Operation<unknown>][] = [
    ["receive", (channel) => channel.receive()],
    ["receiveOrThrow", (channel) => channel.receiveOrThrow()],
    ["receiveEvent", (channel) => channel.receiveEvent()],
    ["select", (channel) => select({ item: channel.receiveEvent() })],
  ];
  for (const [name, receive] of ways) {
    for (const waits of [false, true]) {
      virtually(function* () {
        const channel = new SharedChannel<number>({ capacity: 2, codec });
        if (!waits) channel.trySend(13);
        const fiber = yield* waiting(() => errorOf(receive(channel) as Awaitable<unknown>));
        const next = yield* waiting(() => channel.receiveOrThrow());
        if (waits) channel.trySend(13);
        channel.trySend(7);
        assertStrictEquals(yield* fiber, error, name);
        assertEquals(yield* next, 7);
        assertEquals(channel.statistics(), idle);
      });
    }
  }
  const channel = new SharedChannel<number>({ capacity: 2, codec });
  const received: unknown[] = [];
  const uncaught = await uncaughtSoon(async () => {
    const iterator = channel[Symbol.asyncIterator]();
    const nexts = [iterator.next(), iterator.next()];
    channel.trySend(13);
    channel.trySend(7);
    received.push(await assertRejects(() => nexts[0]!), await nexts[1]);
    channel.trySend(13);
    received.push(await assertRejects(() => iterator.next()));
    assertEquals(assertThrows(() => (channel.trySend(13), channel.tryReceive())), error);
  });
  assertEquals(received, [error, { done: false, value: 7 }, error]);
  assertEquals([uncaught, channel.statistics()], [[], idle]);
});

Deno.test("law 13: what encode throws is thrown at the sender, and nothing was sent", () => {
  virtually(function* () {
    const error = new Error("encode");
    const codec: Codec<number> = {
      encode: (n) => {
        if (n === 13) throw error;
        return new Uint8Array([n]);
      },
      decode: ([n]) => n!,
    };
    const channel = new SharedChannel<number>({ capacity: 1, codec });
    assertStrictEquals(yield* errorOf(channel.send(13)), error);
    assertStrictEquals(yield* errorOf(channel.sendEvent(13)), error);
    assertStrictEquals(yield* errorOf(select({ sent: channel.sendEvent(13) })), error);
    assertEquals(channel.statistics(), idle);
    yield* channel.send(1);
    assertEquals(channel.tryReceive(), { value: 1 });
  });
});

Deno.test("SharedChannel.sendEvent() whose value can no longer be sent when there is room fails then", () => {
  virtually(function* () {
    const channel = full() as SharedChannel<unknown>;
    const value: Record<string, unknown> = {};
    const sender = yield* waiting(() => errorOf(channel.sendEvent(value)));
    value.f = () => 1;
    channel.tryReceive();
    assertInstanceOf(yield* sender, TypeError);
    assertEquals(channel.statistics(), idle);
  });
});

// Worlds -----------------------------------------------------------------------------------------

for (const [name, runNow] of Object.entries({ run, runLifo })) {
  Deno.test(`SharedChannel under ${name} on a blocking loop: fibers wait for each other`, () => {
    const channel = new SharedChannel<number>({ capacity: 2 });
    const result = runNow(function* () {
      spawn(function* () {
        for (let n = 0; n < 100; n++) yield* channel.send(n);
        channel.close();
      });
      let sum = 0;
      for (let n = yield* channel.receive(); n; n = yield* channel.receive()) sum += n.value;
      return sum;
    }, { loop: blockingLoop() });
    assertEquals(valueOf(result), 4950);
    assertEquals(channel.statistics(), idle);
  });
}

Deno.test("SharedChannel.receive() in run() without a loop is stuck, and the Deadlock says what is missing", () => {
  const channel = new SharedChannel<number>({ capacity: 1, name: "jobs" });
  const error = errorOfResult(run(() => channel.receive()));
  assertInstanceOf(error, Deadlock);
  assertStringIncludes(error.message, 'a receive from shared channel "jobs"');
  assertStringIncludes(error.message, "pass loop: blockingLoop()");
  assertEquals(channel.statistics(), idle);
  const other = errorOfResult(run(() => channel.closeEvent()));
  assertInstanceOf(other, Deadlock);
  assertStringIncludes(other.message, 'the close of shared channel "jobs"');
});

Deno.test("law 13: ChannelClosedError names the shared channel that has a name, at both ends", async () => {
  for (const named of [{ name: "jobs" }, {}]) {
    const which = "name" in named ? `shared channel "${named.name}"` : "the channel";
    const channel = new SharedChannel<number>({ capacity: 1, ...named });
    channel.close();
    for (const end of [channel, SharedChannel.from<number>(channel.handle)]) {
      const errors = [
        await assertRejects(async () => void (await end.send(1)), ChannelClosedError),
        await assertRejects(async () => void (await end.sendEvent(1)), ChannelClosedError),
        assertThrows(() => end.trySend(1), ChannelClosedError),
        await assertRejects(async () => void (await end.receiveOrThrow()), ChannelClosedError),
        await assertRejects(async () => void (await end.receiveEvent()), ChannelClosedError),
      ];
      const send = `Cannot send to ${which}: it is closed`;
      const receive = `Cannot receive from ${which}: it is closed and drained`;
      assertEquals(errors.map((e) => e.message), [send, send, send, receive, receive]);
    }
    assertEquals(channel.statistics(), idle);
  }
});

Deno.test("SharedChannel.receive() in run() without a loop gets what is there, though others wait before it", async () => {
  const channel = new SharedChannel<number>({ capacity: 2 });
  const first = channel.receive().then((item) => item);
  channel.trySend(1);
  assertEquals(valueOf(run(() => channel.receive())), { value: 1 });
  channel.trySend(2);
  assertEquals(await first, { value: 2 });
});

Deno.test("law 10: a blocking loop that is rung again and again still fires its timers", () => {
  const channel = new SharedChannel<number>({ capacity: 1 });
  const result = run(function* () {
    const busy = spawn(function* () {
      for (;;) yield* channel.send(1);
    });
    spawn(function* () {
      while ((yield* channel.receive()) !== undefined);
    });
    yield* sleep(1);
    busy.abort();
    channel.close();
    return "slept";
  }, { loop: blockingLoop() });
  assertEquals(result, { ok: true, value: "slept" });
});

for (const resumesAtOnce of [false, true]) {
  const how = resumesAtOnce ? "within release" : "later";
  Deno.test(`SharedChannel under a foreign scheduler that resumes ${how}: items pass, and closes`, async () => {
    const toy = new ToyScheduler({ resumesAtOnce });
    const channel = new SharedChannel<number>({ capacity: 2 });
    const receiver = toy.spawn(function* () {
      const items: number[] = [];
      for (let n = yield* channel.receive(); n; n = yield* channel.receive()) items.push(n.value);
      return items;
    });
    const sender = toy.spawn(function* () {
      for (let n = 0; n < 10; n++) yield* channel.send(n);
      channel.close();
      return yield* errorOf(channel.send(1));
    });
    await toy.during(async () => {
      while (receiver.state !== "returned" || sender.state !== "returned") {
        toy.run();
        await hostTurn();
      }
    });
    assertEquals(receiver.value, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assertInstanceOf(sender.value, ChannelClosedError);
    assertEquals(channel.statistics(), idle);
  });

  for (const style of CANCEL_STYLES) {
    Deno.test(`law 4: a foreign task that is cancelled (${style}) on a SharedChannel leaves the item, ${how}`, async () => {
      const toy = new ToyScheduler({ resumesAtOnce });
      const channel = new SharedChannel<number>({ capacity: 1 });
      const cancelled = toy.spawn(() => channel.receiveOrThrow());
      const selecting = toy.spawn(() =>
        select({ item: channel.receiveEvent(), time: timeoutEvent(60_000) })
      );
      const next = toy.spawn(() => channel.receiveOrThrow());
      toy.run();
      assertEquals(channel.statistics().receiversWaiting, 3);
      toy.cancel(cancelled, style);
      toy.cancel(selecting, style);
      assertEquals(channel.statistics().receiversWaiting, 1);
      channel.trySend(7);
      await toy.during(async () => {
        while (next.state !== "returned") {
          toy.run();
          await hostTurn();
        }
      });
      assertEquals([next.value, channel.statistics()], [7, idle]);
    });
  }
}

Deno.test("law 4: foreign tasks that resume each other at once, and cancel each other, lose nothing", async () => {
  const toy = new ToyScheduler({ resumesAtOnce: true });
  const channel = new SharedChannel<number>({ capacity: 2 });
  const received: number[] = [];
  const first = toy.spawn(function* () {
    received.push(yield* channel.receiveOrThrow());
  });
  toy.spawn(function* () {
    received.push(yield* channel.receiveOrThrow());
    toy.cancel(first, "onCancel, then throw"); // in the middle of the first one's commit
  });
  toy.run();
  channel.trySend(1);
  channel.trySend(2);
  await toy.during(async () => {
    while (received.length < 2) await hostTurn();
  });
  assertEquals([received.toSorted(), channel.statistics()], [[1, 2], idle]);
});

// A loop of one's own, which throws --------------------------------------------------------------

Deno.test("SharedChannel.receive() on a loop that refuses a timer throws that, and doesn't wait", () => {
  const channel = new SharedChannel<number>({ capacity: 1 });
  const loop = virtualLoop();
  const error = new Error("no timers");
  loop.onTimer = () => {
    throw error;
  };
  const waits: (() => Operation<unknown>)[] = [
    () => channel.receive(),
    () => channel.receiveEvent(),
  ];
  for (const wait of waits) {
    assertStrictEquals(errorOfResult(run(wait, { loop })), error);
    assertEquals(channel.statistics(), idle);
  }
});

Deno.test("SharedChannel in main: fibers wait, and leave no timer behind", async () => {
  const channel = new SharedChannel<number>({ capacity: 1 });
  const sum = await main(function* () {
    spawn(function* () {
      for (let n = 0; n < 50; n++) yield* channel.send(n);
      channel.close();
    });
    let sum = 0;
    for (let n = yield* channel.receive(); n; n = yield* channel.receive()) sum += n.value;
    return sum;
  });
  assertEquals([sum, channel.statistics()], [1225, idle]);
});

Deno.test("SharedChannel with pooledBytes gives each small array bytes of its own, in a shared buffer", () => {
  const channel = new SharedChannel<Uint8Array>({
    capacity: 4,
    slotBytes: 2000,
    pooledBytes: true,
  });
  const there = SharedChannel.from<Uint8Array>(channel.handle);
  const seen: Uint8Array[] = [];
  for (let n = 0; n < 3000; n++) { // several slabs, and lengths that are no multiple of a word
    channel.trySend(new Uint8Array(n % 67).fill(n % 251));
    seen.push(there.tryReceive()!.value);
  }
  seen.forEach((bytes, n) => assertEquals(bytes, new Uint8Array(n % 67).fill(n % 251)));
  assert(new Set(seen.map(({ buffer }) => buffer)).size < 10, "they share few buffers");
  channel.trySend(new Uint8Array(1500).fill(7));
  const large = there.tryReceive()!.value;
  assertEquals([large.length, large.buffer.byteLength, large[1499]], [1500, 1500, 7]);
});

Deno.test("SharedChannel gives each array a buffer of its own, unless told to pool", () => {
  const channel = new SharedChannel<Uint8Array>({ capacity: 4 });
  channel.trySend(new Uint8Array([1, 2, 3]));
  const { value } = channel.tryReceive()!;
  assertEquals([value.byteOffset, value.buffer.byteLength], [0, 3]);
  assertThrows(
    () => new SharedChannel({ capacity: 4, pooledBytes: 1 as never }),
    TypeError,
    "Cannot make the shared channel: pooledBytes must be a boolean, got 1",
  );
});
