import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type Awaitable,
  cancelScope,
  Channel,
  Event,
  FiberAborted,
  select,
  sleep,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { abortEvent, withAbortSignal } from "@weft/weft/promise";
import { countedSignal } from "../kit/counted_signal.ts";
import { reasonOf } from "../kit/results.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

Deno.test("abortEvent() happens when the signal is aborted, with its reason, and at once afterwards", () => {
  virtually(function* () {
    const { controller, signal } = countedSignal();
    const fiber = yield* waiting(abortEvent(signal));
    controller.abort("enough");
    assertEquals(yield* fiber, "enough");
    assertEquals(yield* abortEvent(signal), "enough");
  });
});

Deno.test("T26: abortEvent() that lost a select, or whose wait was aborted, leaves no listener", () => {
  virtually(function* () {
    const counted = countedSignal();
    const channel = new Channel<number>({ capacity: 0 });
    const branches = [
      when(abortEvent(counted.signal), () => -1),
      when(channel.receiveEvent(), (n) => n),
    ];
    const fiber = yield* waiting(select(branches));
    assertEquals(counted.listeners, 1);
    yield* channel.send(3);
    assertEquals(yield* fiber, 3);
    const aborted = yield* waiting(abortEvent(counted.signal));
    yield* aborted.abort();
    assertEquals(counted.listeners, 0);
  });
});

Deno.test("law 9: abortEvent() and withAbortSignal(): a thousand waits are one listener, however they end", () => {
  virtually(function* () {
    const counted = countedSignal();
    const { signal, controller } = counted;
    const wait = (n: number) =>
      n % 2 === 0 ? abortEvent(signal) : withAbortSignal(signal, () => Event.never());
    const crowd = () =>
      Array.from({ length: 1000 }, (_, n) => spawn(() => errorOf(wait(n) as Awaitable<unknown>)));
    for (let time = 1; time <= 2; time++) {
      yield* cancelScope(function* (context) {
        crowd();
        yield* settle();
        assertEquals([counted.added, counted.listeners], [time, 1]);
        context.cancel();
      });
      assertEquals(counted.listeners, 0);
    }
    const fibers = crowd();
    yield* settle();
    controller.abort("all of them");
    for (const [n, fiber] of fibers.entries()) {
      const error = yield* fiber;
      assertEquals(error instanceof FiberAborted, n % 2 === 1);
    }
    assertEquals([counted.added, counted.listeners], [3, 0]);
  });
});

Deno.test("law 7: abortEvent() wakes those who wait for one signal in the order in which they came", () => {
  virtually(function* () {
    const { controller, signal } = countedSignal();
    const log: number[] = [];
    const fibers = [1, 2, 3].map((n) =>
      spawn(function* () {
        yield* abortEvent(signal);
        log.push(n);
      })
    );
    yield* settle();
    controller.abort();
    for (const fiber of fibers) yield* fiber;
    assertEquals(log, [1, 2, 3]);
  });
});

Deno.test("withAbortSignal() returns what its body returns, and leaves no listener", () => {
  virtually(function* () {
    const counted = countedSignal();
    const value = yield* withAbortSignal(counted.signal, function* () {
      yield* sleep(1);
      return counted.listeners;
    });
    assertEquals([value, counted.listeners], [1, 0]);
    const boom = new Error("body");
    const failing = withAbortSignal(counted.signal, function* () {
      throw boom;
    });
    assertStrictEquals(yield* errorOf(failing as Awaitable<unknown>), boom);
    assertEquals(counted.listeners, 0);
  });
});

Deno.test("withAbortSignal() throws FiberAborted with the signal's reason once everything inside has ended", () => {
  virtually(function* () {
    const counted = countedSignal();
    const log: string[] = [];
    function* stay(name: string) {
      try {
        yield* Event.never();
      } finally {
        log.push(name);
      }
    }
    const fiber = yield* waiting(withAbortSignal(counted.signal, function* () {
      spawn(() => stay("child"));
      yield* stay("body");
    }));
    yield* yieldNow();
    counted.controller.abort("client left");
    const error = yield* errorOf(fiber);
    assertInstanceOf(error, FiberAborted);
    assertEquals(reasonOf({ ok: false, error }), "client left");
    assertEquals(log.sort(), ["body", "child"]);
    assertEquals(counted.listeners, 0);
    yield* yieldNow(); // the fiber around is not aborted
  });
});

Deno.test("withAbortSignal() with a signal that is aborted already doesn't call its body", () => {
  virtually(function* () {
    let called = false;
    const error = yield* errorOf(withAbortSignal(AbortSignal.abort("before"), function* () {
      called = true;
    }));
    assertEquals(reasonOf({ ok: false, error }), "before");
    assertEquals(called, false);
  });
});

Deno.test("law 3: withAbortSignal(): an abort that reached nobody came too late", () => {
  virtually(function* () {
    const controller = new AbortController();
    const value = yield* withAbortSignal(controller.signal, function* () {
      controller.abort();
      return "in time";
    });
    assertEquals(value, "in time");
  });
});

Deno.test("law 5: withAbortSignal(): an abort of the fiber around goes through as Abort", () => {
  virtually(function* () {
    const counted = countedSignal();
    const fiber = yield* waiting(withAbortSignal(counted.signal, () => Event.never()));
    yield* fiber.abort("all of it");
    assertEquals(reasonOf(yield* fiber.join()), "all of it");
    assertEquals(counted.listeners, 0);
  });
});

Deno.test("a fiber's signal goes in and out: withAbortSignal() under the signal of another fiber", () => {
  virtually(function* () {
    const other = yield* waiting(Event.never());
    const { signal } = other;
    const under = yield* waiting(withAbortSignal(signal, () => Event.never()));
    yield* other.abort("the other one");
    const error = yield* errorOf(under);
    assertInstanceOf(error, FiberAborted);
    assertEquals((error.cause.cause as Error).cause, "the other one");
  });
});

Deno.test("abortEvent() and withAbortSignal() say what is wrong with their arguments", () => {
  assertThrows(
    () => abortEvent({} as AbortSignal),
    TypeError,
    "Cannot make the event: signal must be an AbortSignal, got an Object",
  );
  assertThrows(
    () => withAbortSignal(undefined as never, () => yieldNow()),
    TypeError,
    "Cannot run under the signal: signal must be an AbortSignal, got undefined",
  );
  assertThrows(
    () => withAbortSignal(AbortSignal.abort(), yieldNow() as never),
    TypeError,
    "Cannot run under the signal: body must be a function",
  );
});
