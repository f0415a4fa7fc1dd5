/** Shared channels that fail, and their close as an event, as one thread sees it. */
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
  afterEvent,
  Channel,
  ChannelClosedError,
  FiberAborted,
  type Operation,
  run,
  select,
  sleep,
  spawn,
  when,
} from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { SharedChannel } from "@weft/weft/thread";
import { encodeFailure, readFailure } from "../../lib/thread/shared/failure.ts";
import { ownRegistry } from "../../lib/thread/memory/registry.ts";
import { CAN_FAIL, SharedQueue } from "../../lib/thread/memory/shared_queue.ts";
import { valueOf } from "../kit/results.ts";
import { errorOf, virtually } from "../kit/virtually.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };
const boom = new Error("the source broke off");

/** A fiber that waits on `operation`, and keeps its failure to itself. */
function* waiting<T>(operation: () => Operation<T>) {
  const fiber = spawn(operation, { propagateCancelToParent: false });
  yield* sleep(10); // a loop of one's own looks at the channels now and then
  return fiber;
}

// fail -------------------------------------------------------------------------------------------

Deno.test("SharedChannel.fail(): what is held can still be received, then every receive throws the error", () => {
  virtually(function* () {
    const channel = new SharedChannel<number>({ capacity: 4 });
    channel.trySend(1);
    channel.fail(boom);
    assertEquals([channel.isClosed, channel.size], [true, 1]);
    assertEquals(yield* channel.receive(), { value: 1 });
    assertStrictEquals(yield* errorOf(channel.receive()), boom);
    assertStrictEquals(yield* errorOf(channel.receiveOrThrow()), boom);
    assertStrictEquals(yield* errorOf(channel.receiveEvent()), boom);
    assertStrictEquals(yield* errorOf(channel.receiveOptionEvent()), boom);
    assertStrictEquals(yield* errorOf(select({ item: channel.receiveOptionEvent() })), boom);
    assertStrictEquals(assertThrows(() => channel.tryReceive()), boom);
  });
});

Deno.test("SharedChannel.fail() wakes whoever waits: receivers with the error, senders with it as the cause", () => {
  virtually(function* () {
    const empty = new SharedChannel<number>({ capacity: 1 });
    const receivers = [
      yield* waiting(() => empty.receive()),
      yield* waiting(() => empty.receiveOrThrow()),
      yield* waiting(() => empty.receiveEvent()),
      yield* waiting(() => empty.receiveOptionEvent()),
      yield* waiting(() => select({ item: empty.receiveOptionEvent(), time: afterEvent(1e9) })),
    ];
    empty.fail(boom);
    for (const fiber of receivers) assertStrictEquals(yield* errorOf(fiber), boom);

    const full = new SharedChannel<number>({ capacity: 1 });
    full.trySend(0);
    const senders = [
      yield* waiting(() => full.send(1)),
      yield* waiting(() => full.sendEvent(1)),
      yield* waiting(() => select({ sent: full.sendEvent(1) })),
    ];
    full.fail(boom);
    const errors = [yield* errorOf(full.send(1)), assertThrows(() => full.trySend(1))];
    for (const fiber of senders) errors.push(yield* errorOf(fiber));
    for (const error of errors) {
      assertInstanceOf(error, ChannelClosedError);
      assertEquals(error.value, 1);
      assertStrictEquals(error.cause, boom);
    }
    assertEquals([empty.statistics(), full.statistics()], [idle, { ...idle, size: 1 }]);
  });
});

Deno.test("SharedChannel.fail() after a close changes nothing, nor a close or another fail after it", () => {
  virtually(function* () {
    const closed = new SharedChannel<number>({ capacity: 1 });
    closed.close();
    closed.fail(boom);
    assertStrictEquals(yield* closed.receive(), undefined);
    const error = assertThrows(() => closed.trySend(1), ChannelClosedError);
    assertEquals("cause" in error, false);
    const failed = new SharedChannel<number>({ capacity: 1 });
    failed.fail(boom);
    failed.fail(new Error("another"));
    failed.close();
    assertStrictEquals(yield* errorOf(failed.receive()), boom);
  });
});

Deno.test("for await over a SharedChannel that failed gets what it held, then throws the error", async () => {
  const channel = new SharedChannel<number>({ capacity: 2 });
  channel.trySend(1);
  const seen: number[] = [];
  const reading = (async () => {
    for await (const item of channel) seen.push(item);
  })();
  await Promise.resolve();
  channel.fail(boom);
  assertStrictEquals(await assertRejects(() => reading), boom);
  assertEquals(seen, [1]);
});

Deno.test("SharedChannel.fail() in a blocking run ends those who wait there and in async functions", async () => {
  const channel = new SharedChannel<number>({ capacity: 1 });
  const here = assertRejects(async () => await channel.receive());
  const error = run(function* () {
    const fiber = spawn(() => errorOf(channel.receive()));
    yield* sleep(1);
    channel.fail(boom);
    return yield* fiber;
  }, { loop: blockingLoop() });
  assertStrictEquals(valueOf(error), boom);
  assertStrictEquals(await here, boom);
  assertEquals(channel.statistics(), idle);
});

Deno.test("law 5: SharedChannel.fail(an Abort) shows as somebody else's", () => {
  virtually(function* () {
    const abort = new Abort("gone");
    const channel = new SharedChannel<number>({ capacity: 1 });
    channel.fail(abort);
    const error = yield* errorOf(channel.receive());
    assertInstanceOf(error, FiberAborted);
    assertStrictEquals(error.cause, abort);
  });
});

// What another thread gets -----------------------------------------------------------------------

/** `error` as a thread sees it that hasn't failed the channel itself. */
function there(error: unknown): unknown {
  const memory = SharedQueue.allocate(1, 8, CAN_FAIL);
  const registry = ownRegistry().buffer;
  const [here, there] = [new SharedQueue(memory, registry), new SharedQueue(memory, registry)];
  const encoded = encodeFailure(error, "thread 7");
  assertEquals(here.close((slot) => encoded.write(here, slot)), true);
  assertEquals(there.hasFailed, true);
  return readFailure(there);
}

class Refused extends RangeError {
  code = "E_REFUSED";
  at = { line: 3 };
}

Deno.test("SharedChannel.fail() carries class, name, message, stack, cause and fields to other threads", () => {
  const cause = new TypeError("below");
  const seen = there(new Refused("no", { cause })) as Refused;
  assertInstanceOf(seen, RangeError);
  assertEquals([seen.name, seen.message, seen.code, seen.at], ["Refused", "no", "E_REFUSED", {
    line: 3,
  }]);
  assertInstanceOf(seen.cause, TypeError);
  assertEquals(seen.cause.message, "below");
  assertStringIncludes(seen.stack!, "shared_fail_test.ts");
  assertStringIncludes(seen.stack!, "\n    in thread 7");
});

Deno.test("SharedChannel.fail() carries what is no error as it is", () => {
  for (const value of [undefined, null, 0, "text", { a: [1] }, new Map([[1, undefined]])]) {
    assertEquals(there(value), value);
  }
  assertEquals(there(Symbol("s")), "Symbol(s)");
  assertEquals(there(() => 1), "function (anonymous)");
});

Deno.test("SharedChannel.fail() cuts the stack of an error that is too large, and keeps the rest", () => {
  const error = new RangeError("no");
  error.stack = ["RangeError: no", ...Array(500).fill("    at somewhere (file.ts:1:1)")].join("\n");
  const seen = there(Object.assign(error, { code: 7 })) as RangeError & { code: number };
  assertInstanceOf(seen, RangeError);
  assertEquals([seen.message, seen.code], ["no", 7]);
  assertStringIncludes(seen.stack!, "RangeError: no\n    at somewhere (file.ts:1:1)\n");
});

const huge: Record<string, () => unknown> = {
  "a huge message": () => new RangeError("m".repeat(100_000)),
  "a huge message of control characters": () => new RangeError("\u0001\u4e00".repeat(50_000)),
  "a huge name and field": () =>
    Object.assign(new RangeError("m"), {
      ["k".repeat(9999)]: "v".repeat(9999),
      name: "n".repeat(9999),
    }),
  "a huge cause": () => new RangeError("m", { cause: "c".repeat(100_000) }),
  "a thousand errors": () => {
    const error = new RangeError("m", { cause: new AggregateError(Array(1000).fill(boom)) });
    return Object.assign(
      error,
      Object.fromEntries(Array.from({ length: 999 }, (_, n) => [n, boom])),
    );
  },
  "a chain of causes": () => {
    let error = new RangeError("m");
    for (let n = 0; n < 200; n++) error = new RangeError("m", { cause: error });
    return error;
  },
  "itself as its cause": () => {
    const error = new RangeError("m".repeat(9999));
    error.cause = error;
    return error;
  },
  "a huge value that can't be had as bytes": () =>
    Object.assign(new RangeError("m"), { memory: new SharedArrayBuffer(8) }),
};

for (const [what, make] of Object.entries(huge)) {
  Deno.test(`SharedChannel.fail() with ${what} still says what failed`, () => {
    const seen = there(make()) as RangeError;
    assertInstanceOf(seen, RangeError);
    assertStringIncludes("m\u0001\u4e00", seen.message[0]!);
    assert(seen.stack!.length < 20_000);
  });
}

Deno.test("SharedChannel.fail() with a huge value, or what can't even be looked at, never throws", () => {
  assertEquals(typeof there("x".repeat(100_000)), "string");
  assertEquals(there(Array(100_000).fill(1)), "an array of 100000");
  assertEquals(there(10n ** 20_000n), `1${"0".repeat(499)}…`);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assertEquals(there(proxy), "an object");
  const channel = new SharedChannel<number>({ capacity: 1 });
  channel.fail(proxy);
  assertEquals(channel.isClosed, true);
});

// closeEvent -------------------------------------------------------------------------------------

Deno.test("SharedChannel.closeEvent() happens at the close, though items are held, and from then on", () => {
  for (const end of ["close", "fail"] as const) {
    virtually(function* () {
      const channel = new SharedChannel<number>({ capacity: 1 });
      channel.trySend(1);
      assertStrictEquals(channel.closeEvent(), channel.closeEvent());
      const waiters = [
        yield* waiting(() => channel.closeEvent()),
        yield* waiting(() => channel.closeEvent()),
        yield* waiting(() => select({ closed: channel.closeEvent(), time: afterEvent(1e9) })),
      ];
      assertEquals(waiters.map(({ state }) => state), ["running", "running", "running"]);
      channel[end](boom as never);
      assertStrictEquals(yield* waiters[0]!, undefined);
      assertStrictEquals(yield* waiters[1]!, undefined);
      assertEquals(yield* waiters[2]!, { kind: "closed", value: undefined });
      assertStrictEquals(yield* channel.closeEvent(), undefined);
      assertEquals(channel.size, 1);
    });
  }
});

Deno.test("SharedChannel.closeEvent() in an async function, and in a blocking run beside it", async () => {
  const channel = new SharedChannel<number>({ capacity: 1 });
  const closed = channel.closeEvent().then(() => "closed");
  const result = run(function* () {
    spawn(function* () {
      yield* sleep(1);
      channel.close();
    });
    yield* channel.closeEvent();
    return "closed here";
  }, { loop: blockingLoop() });
  assertEquals([valueOf(result), await closed], ["closed here", "closed"]);
});

/** A select of what can't happen before the close, and of the close. */
const pairs: Record<string, (channel: SharedChannel<number>) => [Operation<unknown>, boolean]> = {
  "a send": (channel) => [
    select([
      when(channel.sendEvent(1), () => "sent"),
      when(channel.closeEvent(), () => "closed"),
      when(channel.closeEvent(), () => "closed, too"),
    ]),
    true,
  ],
  "a receive": (channel) => [
    select([when(channel.receiveEvent(), (n) => n), when(channel.closeEvent(), () => "closed")]),
    false,
  ],
  "a receive of an option": (channel) => [
    select([
      when(channel.receiveOptionEvent(), (n) => n),
      when(channel.closeEvent(), () => "closed"),
    ]),
    false,
  ],
};

for (const [what, make] of Object.entries(pairs)) {
  for (const end of ["close", "fail"] as const) {
    Deno.test(`SharedChannel.closeEvent() in a select with ${what} that waits: at a ${end} the close is chosen`, () => {
      virtually(function* () {
        for (let round = 0; round < 3; round++) {
          const channel = new SharedChannel<number>({ capacity: 1 });
          const [operation, isSend] = make(channel);
          if (isSend) channel.trySend(0);
          const fiber = yield* waiting(() => operation);
          channel[end](boom as never);
          assertEquals(yield* fiber, "closed");
          assertEquals(channel.statistics(), { ...idle, size: isSend ? 1 : 0 });
        }
      });
    });
  }
}

Deno.test("SharedChannel.closeEvent() of another channel doesn't keep a send from failing", () => {
  virtually(function* () {
    const [a, b] = [0, 1].map(() => new SharedChannel<number>({ capacity: 1 }));
    a!.trySend(0);
    const fiber = yield* waiting(() =>
      select([a!.sendEvent(1), b!.closeEvent()].map((e) => when(e, () => 0)))
    );
    a!.fail(boom);
    assertInstanceOf(yield* errorOf(fiber), ChannelClosedError);
    assertEquals(b!.statistics(), idle);
  });
});

Deno.test("law 6: a select that lost to something else leaves no waiter for the close of a SharedChannel", () => {
  virtually(function* () {
    const channel = new SharedChannel<number>({ capacity: 1 });
    const local = new Channel<number>({ capacity: 0 });
    const branches = [when(channel.closeEvent(), () => 0), when(local.receiveEvent(), (n) => n)];
    const queue = new SharedQueue(channel.handle.buffer, channel.handle.registry);
    for (let n = 1; n <= 3; n++) {
      const fiber = yield* waiting(() => select(branches));
      assertEquals(queue.sleepers[2].count, 1);
      yield* local.send(n);
      assertEquals(yield* fiber, n);
      assertEquals(queue.sleepers[2].count, 0);
    }
    channel.close();
  });
});
