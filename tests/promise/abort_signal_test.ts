import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import {
  type Awaitable,
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
import { reasonOf } from "../kit/results.ts";
import { errorOf, virtually, waiting } from "../kit/virtually.ts";

/** A signal that counts its listeners. */
function countedSignal() {
  const controller = new AbortController();
  const { signal } = controller;
  const counted = { controller, signal, listeners: 0 };
  const { addEventListener, removeEventListener } = signal;
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    counted.listeners++;
    return addEventListener.apply(signal, args);
  };
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    counted.listeners--;
    return removeEventListener.apply(signal, args);
  };
  return counted;
}

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
