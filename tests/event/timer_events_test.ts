import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  afterEvent,
  type Awaitable,
  Channel,
  deadlineEvent,
  Deadlock,
  Event,
  FiberAborted,
  type Instant,
  monotonicNow,
  run,
  select,
  sleep,
  spawn,
  Timeout,
  timeoutEvent,
  when,
} from "@weft/weft";
import { lineHere, linesHere } from "../kit/stacks.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

const at = (instant: number) => instant as Instant;

Deno.test("afterEvent() happens ms after each wait on it", () => {
  const loop = virtualLoop();
  virtually(function* () {
    const event = afterEvent(10);
    loop.advance(1000); // making it starts nothing
    assertEquals(yield* event, undefined);
    assertEquals(loop.now(), 1010);
    yield* event;
    assertEquals(loop.now(), 1020);
    const fibers = [yield* waiting(event)];
    yield* sleep(5);
    fibers.push(yield* waiting(event));
    assertEquals(loop.timers, 2);
    yield* fibers[0]!;
    assertEquals(loop.now(), 1030);
    yield* fibers[1]!;
    assertEquals(loop.now(), 1035);
  }, loop);
});

Deno.test("timeoutEvent() happens by throwing Timeout, ms after each wait on it", () => {
  const loop = virtualLoop();
  virtually(function* () {
    const event = timeoutEvent(10);
    for (const end of [10, 20]) {
      const error = yield* errorOf(event);
      assertInstanceOf(error, Timeout);
      assertEquals(error.name, "TimeoutError");
      assertStringIncludes(error.message, "10 ms");
      assertEquals(loop.now(), end);
    }
    const channel = new Channel<number>();
    const error = yield* errorOf(select({ item: channel.receiveEvent(), late: event }));
    assertInstanceOf(error, Timeout);
    assertEquals(channel.statistics().receiversWaiting, 0);
  }, loop);
});

Deno.test("law 13: Timeout of an event names the fiber, and leads to who waited on it", () => {
  const loop = virtualLoop();
  virtually(function* () {
    const channel = new Channel<number>();
    const late = timeoutEvent(10);
    const ways: [message: string, wait: () => Awaitable<unknown>][] = [
      ["The timeout of 10 ms passed", () => late],
      ["The timeout of 10 ms passed", () => select({ item: channel.receiveEvent(), late })],
      ["The timeout of 10 ms passed", () => select([when(late.map(String), String)])],
      ["The timeout of 0 ms passed", () => timeoutEvent(0)],
      ["The deadline passed", () => deadlineEvent(at(loop.now() + 10))],
      ["The deadline passed", () => deadlineEvent(at(loop.now()))],
    ];
    for (const [message, wait] of ways) {
      let line = 0;
      const error = yield* spawn(function* waiter() {
        try {
          line = lineHere(import.meta.url) + 1;
          yield* wait();
        } catch (error) {
          return error;
        }
      });
      assertInstanceOf(error, Timeout);
      assertEquals(error.message, `${message} in fiber "waiter"`);
      assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
    }
    assertEquals(channel.statistics().receiversWaiting, 0);
  }, loop);
});

Deno.test("Timeout of an event that an async function waits on names no fiber", async () => {
  const error = await assertRejects(async () => void (await timeoutEvent(0)), Timeout);
  assertEquals(error.message, "The timeout of 0 ms passed");
});

Deno.test("deadlineEvent() throws Timeout once its instant has come on the clock of the loop", () => {
  const loop = virtualLoop();
  virtually(function* () {
    // A clock far behind the platform's, and one far ahead of it.
    for (const start of [0, 1e12]) {
      loop.advance(start - loop.now());
      assertEquals(monotonicNow(), start);
      const event = deadlineEvent(at(start + 10));
      assertInstanceOf(yield* errorOf(event), Timeout);
      assertEquals(loop.now(), start + 10);
      assertInstanceOf(yield* errorOf(event), Timeout, "a fixed instant: it has happened");
      assertEquals(loop.now(), start + 10);
    }
  }, loop);
});

Deno.test("deadlineEvent() is one instant for all who wait on it, whenever they begin", () => {
  const loop = virtualLoop();
  virtually(function* () {
    const event = deadlineEvent(at(30));
    const fibers = [yield* waiting<unknown>(event)];
    yield* sleep(20);
    fibers.push(yield* waiting(select({ late: event, never: Event.never() })));
    for (const fiber of fibers) {
      assertInstanceOf(yield* errorOf(fiber), Timeout);
      assertEquals(loop.now(), 30);
    }
    const order = yield* select({ now: Event.always(1), late: event });
    assertEquals(order.kind, "now", "list order decides between two that have happened");
  }, loop);
});

Deno.test("deadlineEvent() with await goes by the clock that monotonicNow tells there", async () => {
  const now = monotonicNow();
  const [past, future] = [deadlineEvent(at(now - 1)), deadlineEvent(at(now + 60_000))];
  assertInstanceOf(await past.then(null, (error) => error), Timeout);
  const channel = new Channel<number>();
  channel.trySend(7);
  assertEquals(await select({ future, item: channel.receiveEvent() }), { kind: "item", value: 7 });
});

for (const ms of [0, -0, -1, -Infinity]) {
  Deno.test(`afterEvent(${Object.is(ms, -0) ? "-0" : ms}) has happened, without suspending`, () => {
    const loop = virtualLoop();
    virtually(function* () {
      let others = 0;
      const child = spawn(function* () {
        others++;
      });
      yield* afterEvent(ms);
      assertInstanceOf(yield* errorOf(timeoutEvent(ms)), Timeout);
      assertInstanceOf(yield* errorOf(deadlineEvent(at(ms))), Timeout);
      assertEquals([others, loop.now()], [0, 0]);
      assertEquals((yield* select({ a: afterEvent(ms), b: Event.always(1) })).kind, "a");
      assertEquals((yield* select({ b: Event.always(1), a: afterEvent(ms) })).kind, "b");
      yield* child;
    }, loop);
  });
}

Deno.test("afterEvent(Infinity) never happens and needs no timer", () => {
  const loop = virtualLoop();
  virtually(function* () {
    const events = [afterEvent(Infinity), timeoutEvent(Infinity), deadlineEvent(at(Infinity))];
    for (const event of events) {
      const fiber = yield* waiting(event);
      assertEquals(loop.timers, 0);
      yield* sleep(1e9);
      assertEquals(fiber.state, "running");
      fiber.abort();
      assertInstanceOf(yield* errorOf(fiber), FiberAborted);
    }
  }, loop);
});

Deno.test("afterEvent(), timeoutEvent() and deadlineEvent() refuse NaN and what is no number", () => {
  // deno-lint-ignore no-explicit-any -- the wrong type is what is tested
  for (const make of [afterEvent, timeoutEvent, deadlineEvent] as any[]) {
    assertThrows(() => make(NaN), RangeError, "must not be NaN");
    for (const bad of ["10", undefined, null, {}, 10n, new Date(0)]) {
      assertThrows(() => make(bad), TypeError, "must be a number");
    }
  }
});

Deno.test("law 7: timers with equal deadlines are first in, first out, whatever their kind", () => {
  virtually(function* () {
    const order: number[] = [];
    const waits = [
      () => afterEvent(10),
      () => sleep(10),
      () => timeoutEvent(10),
      () => deadlineEvent(at(10)),
      () => select({ it: afterEvent(10) }),
      () => sleep(10),
    ];
    const fibers = waits.map((wait, n) =>
      spawn(function* () {
        yield* errorOf(wait());
        order.push(n);
      })
    );
    for (const fiber of fibers) yield* fiber;
    assertEquals(order, [0, 1, 2, 3, 4, 5]);
  });
});

Deno.test("afterEvent() that loses or is cancelled leaves no timer, at once", () => {
  const loop = virtualLoop();
  virtually(function* () {
    const channel = new Channel<number>();
    const events = [afterEvent(100), timeoutEvent(100), deadlineEvent(at(100))];
    for (const event of events) {
      const loser = yield* waiting(select({ event, item: channel.receiveEvent() }));
      assertEquals(loop.timers, 1);
      channel.trySend(1);
      assertEquals(loop.timers, 0, "at the commit");
      assertEquals((yield* loser).kind, "item");
      const cancelled = yield* waiting(event);
      assertEquals(loop.timers, 1);
      cancelled.abort();
      assertEquals(loop.timers, 0, "at the abort");
      yield* cancelled.join();
    }
    const all = yield* waiting(Event.choose<void>(...events, ...events));
    assertEquals(loop.timers, 6);
    all.abort();
    assertEquals(loop.timers, 0);
    assertEquals(loop.now(), 0);
  }, loop);
});

Deno.test("afterEvent() works with await, on the host's loop", async () => {
  assertEquals(await afterEvent(0), undefined);
  assertInstanceOf(await timeoutEvent(0).then(null, (error) => error), Timeout);
  const channel = new Channel<number>();
  const waiting = select({ late: afterEvent(60_000), item: channel.receiveEvent() });
  const winner = waiting.then(({ kind }) => kind);
  channel.trySend(1);
  assertEquals(await winner, "item"); // and the sanitizer sees no timer left
});

Deno.test("afterEvent() in a run without a loop is stuck, and the Deadlock says what to pass", () => {
  const result = run(() => select({ late: afterEvent(10), never: Event.never() }));
  assertEquals(result.ok, false);
  if (!result.ok) {
    assertInstanceOf(result.error, Deadlock);
    assertStringIncludes(result.error.message, "blockingLoop()");
  }
});

Deno.test("afterEvent() and an item at the same instant: exactly one is chosen", () => {
  virtually(function* () {
    const channel = new Channel<string>();
    const fiber = yield* waiting(select({ late: afterEvent(10), item: channel.receiveEvent() }));
    const sender = spawn(function* () {
      yield* sleep(10);
      channel.trySend("item");
    });
    const { kind } = yield* fiber;
    yield* sender;
    yield* settle();
    assertEquals(kind, "late", "its timer was the first");
    assertEquals(channel.tryReceive(), { value: "item" });
  });
});

Deno.test("law 11: a Deadlock says of a timer that never fires what it is", () => {
  const never: [Awaitable<unknown>, string][] = [
    [afterEvent(Infinity), "a timer of Infinity ms"],
    [timeoutEvent(Infinity), "a timer of Infinity ms"],
    [deadlineEvent(at(Infinity)), "a deadline"],
  ];
  for (const [event, what] of never) {
    const result = run(() => event, { loop: virtualLoop() });
    assert(!result.ok);
    assertInstanceOf(result.error, Deadlock);
    assertEquals(result.error.fibers[0]?.waitsOn, what);
  }
});
