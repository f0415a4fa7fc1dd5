import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  Abort,
  either,
  Event,
  Fiber,
  FiberAborted,
  first,
  run,
  select,
  sleep,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler, forEachSchedulerAndMain } from "../kit/schedulers.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";

const apart = { propagateCancelToParent: false };

function* value<T>(of: T, afterMs = 0) {
  yield* sleep(afterMs);
  return of;
}

function* failure(error: unknown, afterMs = 0) {
  yield* sleep(afterMs);
  throw error;
}

// Waiting ----------------------------------------------------------------------------------------

forEachSchedulerAndMain((name, run) => {
  Deno.test(`yield* fiber returns its value, any number of times (${name})`, async () => {
    const result = await run(function* () {
      const object = {};
      const child = spawn(() => value(object));
      assertStrictEquals(yield* child, object);
      assertStrictEquals(yield* child, object);
      return "done";
    });
    assertEquals(valueOf(result), "done");
  });

  Deno.test(`yield* fiber throws the very failure (${name})`, async () => {
    const error = new Error("child");
    const result = await run(function* () {
      const child = spawn(() => failure(error), apart);
      try {
        yield* child;
      } catch (caught) {
        return caught;
      }
    });
    assertStrictEquals(valueOf(result), error);
  });

  Deno.test(`Fiber.join() returns the value, the failure or FiberAborted, and never throws (${name})`, async () => {
    const error = new Error("child");
    const result = await run(function* () {
      const returned = yield* spawn(() => value(1)).join();
      const failed = yield* spawn(() => failure(error), apart).join();
      const child = spawn(() => Event.never());
      child.abort("enough");
      return { returned, failed, aborted: yield* child.join() };
    });
    const { returned, failed, aborted } = valueOf(result);
    assertEquals(returned, { ok: true, value: 1 });
    assertStrictEquals(errorOf(failed), error);
    assertEquals(reasonOf(aborted), "enough");
  });

  Deno.test(`law 5: T9: waiting for a fiber that was aborted throws FiberAborted, never Abort (${name})`, async () => {
    const result = await run(function* () {
      const child = spawn(() => Event.never());
      child.abort("not you");
      try {
        yield* child;
      } catch (error) {
        yield* yieldNow(); // we are not aborted ourselves
        return error;
      }
    });
    const error = valueOf(result);
    assertInstanceOf(error, FiberAborted);
    assert(!((error as unknown) instanceof Abort));
    assertInstanceOf(error.cause, Abort);
    assertEquals(error.cause.cause, "not you");
  });

  Deno.test(`Fiber.join(): cancelling the wait leaves the fiber alone (${name})`, async () => {
    const result = await run(function* () {
      const child = spawn(function* () {
        for (let n = 0; n < 20; n++) yield* yieldNow();
        return "untouched";
      });
      const joiner = spawn(() => child.join());
      yield* joiner.abort();
      assertEquals(child.state, "running");
      return yield* child;
    });
    assertEquals(valueOf(result), "untouched");
  });

  Deno.test(`Fiber.joinEvent() happens with the result, and is chosen by select (${name})`, async () => {
    const result = await run(function* () {
      const slow = spawn(() => Event.never());
      const quick = spawn(() => value("quick"));
      const chosen = yield* select([
        when(slow.joinEvent(), () => "slow"),
        when(quick.joinEvent(), valueOf),
      ]);
      const again = yield* quick.joinEvent();
      slow.abort();
      return [chosen, again];
    });
    assertEquals(valueOf(result), ["quick", { ok: true, value: "quick" }]);
  });

  Deno.test(`Fiber.poll() is undefined until the fiber has terminated (${name})`, async () => {
    const result = await run(function* () {
      const child = spawn(() => value(1));
      const before = child.poll();
      yield* child;
      return [before, child.poll(), child.poll()];
    });
    const done = { ok: true as const, value: 1 };
    assertEquals(valueOf(result), [undefined, done, done]);
  });

  Deno.test(`Fiber.onResult() calls back once, at the end or at once after it (${name})`, async () => {
    const seen: unknown[] = [];
    const error = new Error("child");
    const result = await run(function* () {
      const child = spawn(() => failure(error), apart);
      child.onResult((result) => seen.push("first", errorOf(result)));
      child.onResult(() => seen.push("second"));
      assertEquals(seen, []);
      yield* child.join();
      child.onResult((result) => seen.push("late", errorOf(result)));
    });
    valueOf(result);
    assertEquals(seen, ["first", error, "second", "late", error]);
  });
});

Deno.test("law 7: joiners go on first in, first out", () => {
  const log: string[] = [];
  run(function* () {
    const child = spawn(yieldNow);
    for (const name of ["a", "b", "c"]) {
      spawn(function* () {
        yield* child;
        log.push(name);
      });
    }
  });
  assertEquals(log, ["a", "b", "c"]);
});

forEachScheduler((name, run) => {
  Deno.test(`yield* fiber on the fiber itself is refused (${name})`, () => {
    const result = run(function* () {
      yield* Fiber.current();
    });
    assertEquals(
      (errorOf(result) as Error).message,
      "Cannot wait for the fiber: it would wait for itself",
    );
  });

  Deno.test(`Fiber.onResult(): what a callback throws is reported, and the others are called (${name})`, () => {
    const error = new Error("callback");
    let called = false;
    const uncaught = uncaughtDuring(() => {
      const result = run(function* () {
        const child = spawn(yieldNow);
        child.onResult(() => {
          throw error;
        });
        child.onResult(() => void (called = true));
        yield* child;
      });
      valueOf(result);
    });
    assertEquals(uncaught, [error]);
    assert(called);
  });
});

// Fibers that were never spawned ------------------------------------------------------------------

Deno.test("Fiber.returned(), failed() and aborted() are terminated fibers, also outside of any fiber", async () => {
  const error = new Error("failed");
  const returned = Fiber.returned(1);
  const failed = Fiber.failed(error);
  const aborted = Fiber.aborted();
  for (const fiber of [returned, failed, aborted]) {
    assertEquals(fiber.state, "terminated");
    assert(fiber instanceof Fiber);
  }
  assertEquals(returned.poll(), { ok: true, value: 1 });
  assertStrictEquals(errorOf(failed.poll()!), error);
  assertEquals(reasonOf(aborted.poll()!), undefined);
  assertEquals(await returned, 1);
  await returned.abort("nothing to abort");
  assertEquals(returned.poll(), { ok: true, value: 1 });
  assertEquals(new Set([returned.id, failed.id, aborted.id]).size, 3);
});

Deno.test("Fiber.failed() counts as observed", () => {
  const uncaught = uncaughtDuring(() => {
    const result = run(function* () {
      Fiber.failed(new Error("observed"));
      yield* yieldNow();
      yield* yieldNow();
    });
    valueOf(result);
  });
  assertEquals(uncaught, []);
});

Deno.test("await fiber gives its value to an async function", async () => {
  let fiber!: Fiber<number>;
  valueOf(run(function* () {
    fiber = spawn(() => value(7));
  }));
  assertEquals(await fiber, 7);
  assertEquals(await fiber.join(), { ok: true, value: 7 });
});

// first ------------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`first() returns which terminated first, and how (${name})`, () => {
    const error = new Error("quick");
    const result = run(function* () {
      const slow = spawn(() => value("slow", 20));
      const quick = spawn(() => failure(error, 10), apart);
      const outcomes = [yield* first(slow, quick), yield* first(quick, slow)];
      assertEquals(slow.state, "running"); // neither is aborted
      yield* slow;
      return outcomes;
    });
    const failed = { ok: false as const, error };
    assertEquals(valueOf(result), [{ index: 1, value: failed }, { index: 0, value: failed }]);
  });

  Deno.test(`first() prefers the first when both have terminated (${name})`, () => {
    const result = run(function* () {
      const [a, b] = [Fiber.aborted(), Fiber.returned("b")];
      return [(yield* first(a, b)).index, (yield* first(b, a)).index, (yield* first(b, b)).index];
    });
    assertEquals(valueOf(result), [0, 0, 0]);
  });

  Deno.test(`first(): cancelling the wait leaves both alone (${name})`, () => {
    const result = run(function* () {
      const a = spawn(() => value("a", 10));
      const b = spawn(() => value("b", 20));
      yield* spawn(() => first(a, b)).abort();
      return [yield* a, yield* b];
    });
    assertEquals(valueOf(result), ["a", "b"]);
  });
});

// either -----------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`either() returns the first value and aborts the other (${name})`, () => {
    const result = run(function* () {
      const slow = spawn(() => value("slow", 20));
      const quick = spawn(() => value("quick", 10));
      const slower = spawn(() => value("slower", 30));
      const winners = [yield* either(slow, quick), yield* either(quick, slower)];
      assertEquals([slow.state, slower.state], ["aborting", "aborting"]);
      return { winners, losers: [yield* slow.join(), yield* slower.join()] };
    });
    const { winners, losers } = valueOf(result);
    assertEquals(winners, [{ index: 1, value: "quick" }, { index: 0, value: "quick" }]);
    for (const loser of losers) assertInstanceOf(errorOf(loser), FiberAborted);
  });

  Deno.test(`either() passes over one that ends without a value (${name})`, () => {
    const result = run(function* () {
      const failed = spawn(() => failure(new Error("quick"), 10), apart);
      const slow = spawn(() => value("slow", 20));
      const aborted = spawn(() => Event.never());
      aborted.abort();
      return [
        yield* either(failed, slow),
        yield* either(slow, failed),
        yield* either(aborted, slow),
      ];
    });
    assertEquals(valueOf(result), [
      { index: 1, value: "slow" },
      { index: 0, value: "slow" },
      { index: 1, value: "slow" },
    ]);
  });

  Deno.test(`either() of two that return values prefers the first when both have terminated (${name})`, () => {
    const result = run(() => either(Fiber.returned("a"), Fiber.returned("b")));
    assertEquals(valueOf(result), { index: 0, value: "a" });
  });

  Deno.test(`either() is undefined iff neither returned a value (${name})`, () => {
    const result = run(function* () {
      const failed = spawn(() => failure(new Error("kept"), 5), apart);
      return [yield* either(failed, Fiber.aborted()), yield* either(Fiber.aborted(), failed)];
    });
    assertEquals(valueOf(result), [undefined, undefined]);
  });

  Deno.test(`either() tells a value that is undefined from none (${name})`, () => {
    const result = run(() => either(Fiber.aborted(), Fiber.returned(undefined)));
    assertEquals(valueOf(result), { index: 1, value: undefined });
  });
});
