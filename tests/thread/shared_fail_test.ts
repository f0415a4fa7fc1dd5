/** Shared channels that fail, and their close as an event, as one thread sees it. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  Abort,
  Channel,
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
