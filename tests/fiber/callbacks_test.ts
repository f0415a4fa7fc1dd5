/** Callbacks that run to their end at once: what they may be, and how they are taken back. */
import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import {
  type Awaitable,
  Event,
  type Fiber,
  FinallyRaised,
  run,
  scheduleMicroTask,
  spawn,
  withCancelCallback,
  yieldNow,
} from "@weft/weft";
import { reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";

const apart = { propagateCancelToParent: false };

/** Of a generator function nothing runs when it is called. */
function* neverRun(): Generator<never, void, unknown> {
  throw new Error("unreachable");
}

forEachScheduler((name, run) => {
  Deno.test(`withCancelCallback() may call what returns something to wait on (${name})`, () => {
    const uncaught = uncaughtDuring(() => {
      const result = run(function* () {
        let waiting = false;
        const linked = spawn(() => Event.never());
        const callback = (reason: unknown): Awaitable<void> => linked.abort(reason);
        const fiber = spawn(() =>
          withCancelCallback(callback, function* () {
            waiting = true;
            yield* Event.never();
          })
        );
        while (!waiting) yield* yieldNow();
        fiber.abort("both");
        return [yield* fiber.join(), yield* linked.join()];
      });
      assertEquals(valueOf(result).map(reasonOf), ["both", "both"]);
    });
    assertEquals(uncaught, [], "and nothing is reported");
  });

  Deno.test(`law 13: withCancelCallback(): a generator function is refused, and the abort goes on (${name})`, () => {
    const uncaught = uncaughtDuring(() => {
      const result = run(function* () {
        let waiting = false;
        const fiber = spawn(() =>
          withCancelCallback(neverRun, function* () {
            waiting = true;
            yield* Event.never();
          })
        );
        while (!waiting) yield* yieldNow();
        fiber.abort("stop");
        return yield* fiber.join();
      });
      assertEquals(reasonOf(valueOf(result)), "stop");
    });
    assertEquals(uncaught.length, 1);
    assertRefusal(uncaught[0]);
  });
});

function assertRefusal(error: unknown): void {
  assertInstanceOf(error, TypeError);
  assertStringIncludes(error.message, "it is a generator function, and may not switch fibers");
}

const places: [what: string, raised: boolean, f: () => void][] = [
  ["the finally of spawn()", true, () => {
    run(function* () {
      spawn(function* () {}, { finally: neverRun });
    });
  }],
  ["the finally of run()", true, () => void run(function* () {}, { finally: neverRun })],
  ["the callback of Fiber.onResult()", false, () => {
    run(function* () {
      spawn(function* () {}).onResult(neverRun);
    });
  }],
  ["the callback of Fiber.onResult() of a fiber that has ended", false, () => {
    run(function* () {
      const fiber = spawn(function* () {});
      yield* fiber;
      fiber.onResult(neverRun);
    });
  }],
  ["what scheduleMicroTask() was given", false, () => {
    run(function* () {
      scheduleMicroTask(neverRun);
    });
  }],
];
for (const [what, raised, f] of places) {
  Deno.test(`law 13: ${what} being a generator function, of which nothing would run, is reported`, () => {
    const uncaught = uncaughtDuring(f);
    assertEquals(uncaught.length, 1);
    const [error] = uncaught;
    if (!raised) return assertRefusal(error);
    assertInstanceOf(error, FinallyRaised);
    assertRefusal(error.cause);
  });
}

// Fiber.onResult ---------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`Fiber.onResult() returns a handle that prevents the call (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber: Fiber<string> = spawn(function* () {
        yield* yieldNow();
        return "value";
      });
      fiber.onResult(() => void log.push("first"));
      const handle = fiber.onResult(() => void log.push("cancelled"));
      fiber.onResult(() => void log.push("last"));
      handle.cancel();
      handle.cancel();
      yield* fiber;
      handle.cancel();
      fiber.onResult(() => void log.push("at once")).cancel();
    });
    valueOf(result);
    assertEquals(log, ["first", "last", "at once"]);
  });

  Deno.test(`Fiber.onResult(): a callback may take another one back (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(yieldNow, apart);
      fiber.onResult(() => {
        log.push("first");
        second.cancel();
      });
      const second = fiber.onResult(() => void log.push("second"));
      fiber.onResult(() => void log.push("third"));
    });
    valueOf(result);
    assertEquals(log, ["first", "third"]);
  });
});
