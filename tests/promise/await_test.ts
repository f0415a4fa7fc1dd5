/** World 2: what is waited on with `yield*` in a fiber is awaited in an async function. */
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
  all,
  any,
  type Awaitable,
  cancelScope,
  Channel,
  ChannelClosedError,
  either,
  Event,
  Fiber,
  FiberAborted,
  FiberLocal,
  first,
  fromPromise,
  getScheduler,
  Inactive,
  main,
  map,
  prepareForAwait,
  promiseEvent,
  protect,
  run,
  type Scheduler,
  scope,
  select,
  selfAbort,
  sleep,
  spawn,
  Timeout,
  timeoutEvent,
  when,
  withCancelCallback,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { suspend } from "@weft/weft/lowlevel";
import { Source } from "../kit/source.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";

function* answer(): Generator<never, number, unknown> {
  yield* yieldNow();
  return 42;
}

function full(capacity = 1): Channel<number> {
  const channel = new Channel<number>({ capacity });
  while (channel.trySend(channel.size + 1));
  return channel;
}

const local = new FiberLocal(() => "init");

/** Everything that is one-shot, and what it returns. */
const oneShot: [name: string, make: () => Awaitable<unknown>, value: unknown][] = [
  ["Channel.send()", () => new Channel().send(1), undefined],
  ["Channel.receive()", () => full().receive(), { value: 1 }],
  ["Channel.receiveOrThrow()", () => full().receiveOrThrow(), 1],
  ["select([…])", () => select([when(full().receiveEvent(), (n) => n + 1)]), 2],
  ["select({…})", () => select({ a: full().receiveEvent() }), { kind: "a", value: 1 }],
  ["yieldNow()", () => yieldNow(), undefined],
  ["sleep()", () => sleep(1), undefined],
  ["Fiber.join()", () => Fiber.returned(1).join(), { ok: true, value: 1 }],
  ["Fiber.abort()", () => Fiber.returned(1).abort(), undefined],
  ["first()", () => first(Fiber.returned(1), Fiber.returned(2)), {
    index: 0,
    value: { ok: true, value: 1 },
  }],
  ["either()", () => either(Fiber.aborted(), Fiber.returned(2)), { index: 1, value: 2 }],
  ["fromPromise(promise)", () => fromPromise(Promise.resolve(1)), 1],
  ["fromPromise(function)", () => fromPromise(() => Promise.resolve(1)), 1],
  ["suspend()", () => suspend((_context, resume) => resume({ ok: true, value: 1 })), 1],
  ["scope()", () => scope(answer), 42],
  ["cancelScope()", () => cancelScope(answer), { value: 42 }],
  ["protect()", () => protect(answer), 42],
  ["withTimeout()", () => withTimeout(60_000, answer), 42],
  ["withCancelCallback()", () => withCancelCallback(() => {}, answer), 42],
  ["all()", () => all([answer, answer]), [42, 42]],
  ["any()", () => any([answer, answer]), 42],
  ["map()", () => map([1, 2], answer), [42, 42]],
  ["FiberLocal.with()", () =>
    local.with("set", function* () {
      return local.get();
    }), "set"],
];

for (const [name, make, value] of oneShot) {
  Deno.test(`${name} can be awaited`, async () => {
    assertEquals(await make(), value);
  });

  Deno.test(`${name} gives the same value by yield*`, async () => {
    assertEquals(await main(make), value);
  });

  Deno.test(`${name} awaited twice rejects with a TypeError`, async () => {
    const operation = make();
    assertEquals(await operation, value);
    await assertUsed(operation);
  });

  Deno.test(`${name} awaited twice at once: the first gets it, the second a TypeError`, async () => {
    const operation = make();
    const [one, two] = await Promise.allSettled([operation.then(), operation.then()]);
    assertEquals(one, { status: "fulfilled", value });
    assert(two.status === "rejected");
    assertInstanceOf(two.reason, TypeError);
  });

  Deno.test(`${name} awaited and then used with yield* throws a TypeError there`, async () => {
    const operation = make();
    const awaited = operation.then(); // it is used from here on, not when its turn comes
    await main(function* () {
      assertInstanceOf(yield* errorOf(operation), TypeError);
    });
    assertEquals(await awaited, value);
  });

  Deno.test(`${name} used with yield* and then awaited rejects with a TypeError`, async () => {
    const operation = make();
    assertEquals(await main(() => operation), value);
    await assertUsed(operation);
  });
}

async function assertUsed(operation: Awaitable<unknown>): Promise<void> {
  const error = await assertRejects(async () => void (await operation), TypeError);
  assertStringIncludes(error.message, "the operation was used already");
}

/** What may be waited for any number of times. */
const lasting: [name: string, make: () => Awaitable<unknown>, value: unknown][] = [
  ["Event.always()", () => Event.always(1), 1],
  ["Event.map()", () => Event.always(1).map((n) => n + 1), 2],
  ["Event.choose()", () => Event.choose<number>(Event.never(), Event.always(1)), 1],
  ["Event.guard()", () => Event.guard(() => Event.always(1)), 1],
  ["Event.withNack()", () => Event.withNack(() => Event.always(1)), 1],
  [
    "Event.from()",
    () => Event.from({ poll: () => ({ ok: true, value: 1 }), wait: () => ({ cancel() {} }) }),
    1,
  ],
  ["Channel.receiveEvent()", () => full(9).receiveEvent().map(() => "item"), "item"],
  ["Channel.sendEvent()", () => new Channel<number>().sendEvent(1), undefined],
  ["afterEvent()", () => afterEvent(1), undefined],
  ["promiseEvent()", () => promiseEvent(Promise.resolve(1)), 1],
  ["Fiber.joinEvent()", () => Fiber.returned(1).joinEvent(), { ok: true, value: 1 }],
  ["a fiber", () => Fiber.returned(1), 1],
];

for (const [name, make, value] of lasting) {
  Deno.test(`${name} can be awaited, and waited for with yield*, any number of times`, async () => {
    const event = make();
    assertEquals(await event, value);
    assertEquals(await Promise.all([event, event]), [value, value]);
    await main(function* () {
      assertEquals(yield* event, value);
      assertEquals(yield* event, value);
    });
    assertEquals(await event, value);
  });
}

// Waiting -----------------------------------------------------------------------------------------

Deno.test("await on a receive waits until somebody sends, a fiber say", async () => {
  const channel = new Channel<string>({ capacity: 0 });
  const received = channel.receive().then((item) => item?.value);
  assertEquals(channel.statistics().receiversWaiting, 1); // it has begun at the call
  await main(() => channel.send("from a fiber"));
  assertEquals(await received, "from a fiber");
  assertEquals(channel.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
});

Deno.test("await on a send waits until somebody receives, also in run", async () => {
  const channel = new Channel<string>({ capacity: 0 });
  const sent = channel.send("from an async function").then(() => "sent");
  assertEquals(run(() => channel.receiveOrThrow()), { ok: true, value: "from an async function" });
  assertEquals(await sent, "sent");
});

Deno.test("await on an operation that is used twice while it waits leaves the first wait alone", async () => {
  const channel = new Channel<number>({ capacity: 0 });
  const operation = channel.receiveOrThrow();
  const received = operation.then();
  await assertUsed(operation);
  assertEquals(channel.trySend(1), true);
  assertEquals(await received, 1);
});

Deno.test("await on a select commits one branch, and leaves no waiter behind", async () => {
  const [a, b] = [new Channel<number>({ capacity: 0 }), new Channel<number>({ capacity: 0 })];
  const selected = select({ a: a.receiveEvent(), b: b.receiveEvent() }).then();
  assertEquals([a, b].map((c) => c.statistics().receiversWaiting), [1, 1]);
  assertEquals(b.trySend(1), true);
  assertEquals(a.trySend(2), false);
  assertEquals(await selected, { kind: "b", value: 1 });
  assertEquals([a, b].map((c) => c.statistics().receiversWaiting), [0, 0]);
});

Deno.test("await on a fiber gives its value, or rejects with its failure, from outside", async () => {
  const fibers: Fiber<number>[] = [];
  const failure = new Error("no");
  const gate = new Channel<void>();
  const handle = main(function* () {
    fibers.push(
      spawn(answer),
      spawn(function* (): Generator<never, number, unknown> {
        yield* gate.receive();
        throw failure;
      }, { propagateCancelToParent: false }),
      spawn(() => Event.never(), { propagateCancelToParent: false }),
    );
  });
  await hostTurn();
  assertEquals(await fibers[0], 42);
  const failed = assertRejects(async () => void (await fibers[1]));
  gate.close();
  assertStrictEquals(await failed, failure);
  const aborted = assertRejects(async () => void (await fibers[2]), FiberAborted);
  fibers[2]!.abort();
  await aborted;
  await handle;
});

Deno.test("await on Fiber.abort() resolves when the fiber and its spawns are gone", async () => {
  const log: string[] = [];
  const handle = main(function* () {
    spawn(function* () {
      try {
        yield* sleep(Infinity);
      } finally {
        yield* protect(() => sleep(2));
        log.push("cleaned up");
      }
    });
    yield* sleep(Infinity);
  });
  await hostTurn();
  await handle.abort();
  assertEquals(log, ["cleaned up"]);
});

Deno.test("await on a trigger waits for its release", async () => {
  const trigger = prepareForAwait();
  const log: string[] = [];
  const waiting = trigger.await().then(() => log.push("released"));
  await hostTurn();
  log.push("release");
  trigger.release();
  await waiting;
  assertEquals(log, ["release", "released"]);
});

Deno.test("await on an event that is woken twice commits once, and maps its value once", async () => {
  const source = new Source<number>();
  let calls = 0;
  const value = source.event.map((n) => {
    calls++;
    return n;
  }).then();
  source.happen(1);
  source.wake();
  assertEquals(await value, 1);
  await hostTurn();
  assertEquals([calls, source.waiters], [1, 0]);
});

Deno.test("await on an operation in a fiber's step isn't that fiber's wait", async () => {
  const values = await main(function* () {
    const self = Fiber.current();
    const name = fromPromise(() =>
      Promise.resolve(assertThrows(() => Fiber.current(), Inactive).name)
    )
      .then();
    const own = self.then(() => "not before this fiber has ended"); // yield* would refuse itself
    return [yield* fromPromise(name), [own]] as const;
  });
  assertEquals(values[0], "Inactive");
  assertEquals(await values[1][0], "not before this fiber has ended");
});

// Failures ----------------------------------------------------------------------------------------

const failing: [name: string, make: () => Awaitable<unknown>, error: new () => Error][] = [
  ["Channel.receiveOrThrow() of a closed channel", () => closed().receiveOrThrow(), closedError()],
  ["Channel.send() to a closed channel", () => closed().send(1), closedError()],
  ["Channel.receiveEvent() of a closed channel", () => closed().receiveEvent(), closedError()],
  ["timeoutEvent()", () => timeoutEvent(1), Timeout],
  ["withTimeout()", () => withTimeout(1, () => Event.never()), Timeout],
  ["selfAbort()", () => selfAbort(), FiberAborted as unknown as new () => Error],
  ["scope() that cancels itself", () =>
    scope(function* (s) {
      s.cancel();
      yield* yieldNow();
    }), FiberAborted as unknown as new () => Error],
  ["any() of nothing", () => any([]), AggregateError as unknown as new () => Error],
  [
    "fromPromise() of a function that returns none",
    () => fromPromise((() => 1) as never),
    TypeError,
  ],
];

function closed(): Channel<number> {
  const channel = new Channel<number>();
  channel.close();
  return channel;
}

function closedError(): new () => Error {
  return ChannelClosedError as unknown as new () => Error;
}

for (const [name, make, errorClass] of failing) {
  Deno.test(`await on ${name} rejects with ${errorClass.name}`, async () => {
    await assertRejects(async () => void (await make()), errorClass);
  });
}

Deno.test("await on all() rejects with the failure itself, when the rest is gone", async () => {
  const failure = new Error("one of them");
  const log: string[] = [];
  const error = await assertRejects(async () => {
    await all([
      function* () {
        try {
          yield* Event.never();
        } finally {
          log.push("aborted");
        }
      },
      function* () {
        yield* yieldNow();
        throw failure;
      },
    ]);
  });
  assertStrictEquals(error, failure);
  assertEquals(log, ["aborted"]);
});

// A main of their own -----------------------------------------------------------------------------

const structuring: [string, (body: () => Generator<never, void, unknown>) => Awaitable<unknown>][] =
  [
    ["scope()", (body) => scope(body)],
    ["cancelScope()", (body) => cancelScope(body)],
    ["protect()", (body) => protect(body)],
    ["withTimeout()", (body) => withTimeout(60_000, body)],
    ["withCancelCallback()", (body) => withCancelCallback(() => {}, body)],
    ["all()", (body) => all([body])],
    ["any()", (body) => any([body])],
    ["map()", (body) => map([1], body)],
    ["FiberLocal.with()", (body) => local.with("", body)],
  ];

for (const [name, make] of structuring) {
  Deno.test(`await on ${name} runs it in a main of its own, and waits for what it spawns`, async () => {
    const schedulers: Scheduler[] = [];
    const log: string[] = [];
    const once = () =>
      make(function* () {
        schedulers.push(getScheduler());
        spawn(function* () {
          yield* sleep(1);
          log.push("spawned");
        });
      });
    await Promise.all([once(), once()]);
    assertEquals(new Set(schedulers).size, 2);
    assertEquals(log, ["spawned", "spawned"]);
    assertEquals(schedulers.map((scheduler) => scheduler.active), [false, false]);
  });
}

Deno.test("await on scope() inside a fiber's step isn't part of that fiber", async () => {
  let inner: Scheduler | undefined;
  const outer = main(function* () {
    const awaited = scope(function* () {
      inner = getScheduler();
      yield* yieldNow();
      return "inner";
    }).then((value) => value);
    assertEquals(yield* fromPromise(awaited), "inner");
    return getScheduler();
  });
  assert((await outer) !== inner);
});
