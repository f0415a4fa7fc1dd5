import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  all,
  any,
  Event,
  FiberAborted,
  map,
  type Operation,
  run,
  selfAbort,
  sleep,
  spawn,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";

function* value<T>(of: T, afterMs = 0) {
  yield* sleep(afterMs);
  return of;
}

function* failure(error: unknown, afterMs = 0): Operation<never> {
  yield* sleep(afterMs);
  throw error;
}

/** Never ends by itself, and says when it is gone. */
function* endless(log: string[], name: string) {
  log.push(`${name} started`);
  try {
    yield* Event.never();
  } finally {
    log.push(`${name} gone`);
  }
}

/** Whether everybody who started is gone, and then `last` was said. */
function assertGoneBefore(log: string[], last: string): void {
  assertEquals(log.at(-1), last);
  const names = (end: string) => log.filter((entry) => entry.endsWith(end)).length;
  assertEquals(names(" gone"), names(" started"));
}

/** The numbers from 0 on, and whether the iterator was closed. */
class Naturals implements Iterable<number> {
  taken = 0;
  closed = 0;

  constructor(readonly end = Infinity) {}

  [Symbol.iterator](): Iterator<number> {
    return {
      next: () =>
        this.taken < this.end
          ? { done: false, value: this.taken++ }
          : { done: true, value: undefined },
      return: () => {
        this.closed++;
        return { done: true, value: undefined };
      },
    };
  }
}

// all --------------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`all() returns the values in the order of the bodies (${name})`, () => {
    const result = run(function* () {
      const values: [string, number, undefined] = yield* all([
        () => value("slow", 20),
        () => value(2, 10),
        () => value(undefined),
      ]);
      return values;
    });
    assertEquals(valueOf(result), ["slow", 2, undefined]);
  });

  Deno.test(`all() of none returns at once (${name})`, () => {
    assertEquals(valueOf(run(() => all([]))), []);
  });

  Deno.test(`all(): a failure aborts the rest, and is thrown when all are gone (${name})`, () => {
    const log: string[] = [];
    const error = new Error("one");
    const result = run(function* () {
      try {
        yield* all([
          () => endless(log, "a"),
          () => failure(error, 5),
          () => endless(log, "b"),
        ]);
      } catch (caught) {
        log.push("caught");
        yield* yieldNow(); // the fiber around is spared
        return caught;
      }
    });
    assertStrictEquals(valueOf(result), error);
    assertGoneBefore(log, "caught");
    assertEquals(log.length, 5);
  });

  Deno.test(`all(): a body that aborts itself counts as failed with FiberAborted (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      try {
        return yield* all([() => endless(log, "rest"), () => selfAbort("no value")]);
      } catch (error) {
        yield* yieldNow();
        log.push("caught");
        return error;
      }
    });
    const error = valueOf(result);
    assertInstanceOf(error, FiberAborted);
    assertEquals(error.cause.cause, "no value");
    assertGoneBefore(log, "caught");
  });

  Deno.test(`all(): an abort goes through, and returns when all are gone (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(() => all([() => endless(log, "a"), () => endless(log, "b")]));
      yield* sleep(5);
      yield* fiber.abort("outer");
      log.push("fiber ended");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "outer");
    assertEquals(log.slice(2).toSorted(), ["a gone", "b gone", "fiber ended"]);
    assertEquals(log.at(-1), "fiber ended");
  });

  Deno.test(`all(): what its bodies spawn is waited for (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* all([function* () {
        spawn(function* () {
          yield* sleep(20);
          log.push("grandchild");
        });
      }]);
      log.push("all");
    });
    valueOf(result);
    assertEquals(log, ["grandchild", "all"]);
  });
});

// any --------------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`any() returns the first value, when the aborted rest is gone (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const winner = yield* any([
        () => endless(log, "a"),
        () => failure(new Error("kept"), 5),
        () => value("winner", 10),
        () => endless(log, "b"),
      ]);
      log.push("any");
      return winner;
    });
    assertEquals(valueOf(result), "winner");
    assertGoneBefore(log, "any");
    assertEquals(log.length, 5);
  });

  Deno.test(`any(): if all fail, an AggregateError in the order in which they happened (${name})`, () => {
    const [slow, quick] = [new Error("slow"), new Error("quick")];
    const result = run(() => any([() => failure(slow, 20), () => failure(quick, 10)]));
    const error = errorOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, [quick, slow]);
  });

  Deno.test(`any() of none throws an empty AggregateError (${name})`, () => {
    const error = errorOf(run(() => any([])));
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, []);
  });

  Deno.test(`any(): undefined is a value like any other (${name})`, () => {
    assertEquals(valueOf(run(() => any([() => value(undefined)]))), undefined);
  });

  Deno.test(`any(): a body that aborts itself has failed (${name})`, () => {
    const result = run(() => any([() => selfAbort(), () => value("other", 5)]));
    assertEquals(valueOf(result), "other");
  });

  Deno.test(`any(): law 13: what a loser throws while it is cleaned up is reported (${name})`, () => {
    const error = new Error("in the clean-up");
    function* loser() {
      try {
        yield* Event.never();
      } finally {
        // deno-lint-ignore no-unsafe-finally -- this is what the test is about
        throw error;
      }
    }
    const uncaught = uncaughtDuring(() => {
      assertEquals(valueOf(run(() => any([loser, () => value("winner", 5)]))), "winner");
    });
    assertEquals(uncaught, [error]);
  });

  Deno.test(`any(): law 13: what a body throws while an abort from outside cleans it up fails the fiber (${name})`, () => {
    const error = new Error("in the clean-up");
    const uncaught = uncaughtDuring(() => {
      const result = run(function* () {
        const fiber = spawn(() =>
          any([function* () {
            try {
              yield* Event.never();
            } finally {
              // deno-lint-ignore no-unsafe-finally -- this is what the test is about
              throw error;
            }
          }]), { propagateCancelToParent: false });
        yield* sleep(1);
        yield* fiber.abort();
        return yield* fiber.join();
      });
      assertStrictEquals(errorOf(valueOf(result)), error);
    });
    assertEquals(uncaught, []);
  });

  Deno.test(`any(): failures of losers before the win are kept quiet (${name})`, () => {
    const uncaught = uncaughtDuring(() => {
      const result = run(function* () {
        const winner = yield* any([
          () => failure(new Error("kept")),
          () => value("winner", 5),
        ]);
        for (let n = 0; n < 5; n++) yield* yieldNow();
        return winner;
      });
      assertEquals(valueOf(result), "winner");
    });
    assertEquals(uncaught, []);
  });
});

Deno.test("any(): a loser that fails in the instant in which another one wins is kept quiet", () => {
  function* win() {
    yield* yieldNow();
    return "won";
  }
  function* lose(): Generator<never, string, unknown> {
    yield* yieldNow();
    throw new Error("lost");
  }
  const uncaught = uncaughtDuring(() => {
    assertEquals(valueOf(run(() => any([win, lose]))), "won");
    assertEquals(valueOf(run(() => any([lose, win]))), "won");
  });
  assertEquals(uncaught, []);
});

// map --------------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`map() returns the results in the order of the items (${name})`, () => {
    const result = run(() =>
      map(new Set(["a", "b", "c"]), (item, index) => value(`${item}${index}`, 30 - 10 * index))
    );
    assertEquals(valueOf(result), ["a0", "b1", "c2"]);
  });

  Deno.test(`map() of none returns at once (${name})`, () => {
    assertEquals(valueOf(run(() => map([], () => value(1)))), []);
  });

  Deno.test(`map() runs all at once by default (${name})`, () => {
    let running = 0;
    let most = 0;
    const result = run(() =>
      map(Array.from({ length: 10 }, (_, i) => i), function* () {
        most = Math.max(most, ++running);
        yield* sleep(5);
        running--;
      })
    );
    valueOf(result);
    assertEquals(most, 10);
  });

  for (const concurrency of [1, 2, 3, 10, 11]) {
    Deno.test(`map() runs at most ${concurrency} at a time, and that many (${name})`, () => {
      let running = 0;
      let most = 0;
      const items = Array.from({ length: 10 }, (_, i) => i);
      const result = run(() =>
        map(items, function* (item) {
          most = Math.max(most, ++running);
          yield* sleep(1 + item % 3);
          running--;
          return item;
        }, { concurrency })
      );
      assertEquals(valueOf(result), items);
      assertEquals(most, Math.min(concurrency, 10));
    });
  }

  Deno.test(`map() takes no item before there is a place for it (${name})`, () => {
    const items = new Naturals(6);
    let ended = 0;
    const result = run(() =>
      map(items, function* () {
        yield* sleep(1);
        assert(items.taken <= ended + 2);
        ended++;
      }, { concurrency: 2 })
    );
    valueOf(result);
    assertEquals(ended, 6);
    assertEquals(items.closed, 0); // it was exhausted
  });

  Deno.test(`map(): a failure aborts the rest and closes an endless iterable (${name})`, () => {
    const error = new Error("the fifth");
    const log: string[] = [];
    const items = new Naturals();
    const result = run(function* () {
      try {
        yield* map(
          items,
          (item) => item === 4 ? failure(error, 5) : endless(log, `${item}`),
          { concurrency: 5 },
        );
      } catch (caught) {
        log.push("caught");
        yield* yieldNow();
        return caught;
      }
    });
    assertStrictEquals(valueOf(result), error);
    assertGoneBefore(log, "caught");
    assertEquals(items.taken, 5); // and not one more
    assertEquals(items.closed, 1);
  });

  Deno.test(`map(): an abort from outside closes the iterable (${name})`, () => {
    const log: string[] = [];
    const items = new Naturals();
    const result = run(function* () {
      const fiber = spawn(() => map(items, (n) => endless(log, `${n}`), { concurrency: 2 }));
      yield* sleep(5);
      yield* fiber.abort("outer");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "outer");
    assertEquals(log.toSorted(), ["0 gone", "0 started", "1 gone", "1 started"]);
    assertEquals(items.closed, 1);
  });

  Deno.test(`map(): what the iterable throws fails it, and aborts what runs (${name})`, () => {
    const error = new Error("iterable");
    const log: string[] = [];
    function* items() {
      yield 1;
      throw error;
    }
    const result = run(function* () {
      try {
        yield* map(items(), (n) => endless(log, `${n}`), { concurrency: 2 });
      } finally {
        log.push("map ended");
      }
    });
    assertStrictEquals(errorOf(result), error);
    assertGoneBefore(log, "map ended");
  });

  Deno.test(`map(): a body that aborts itself fails it with FiberAborted (${name})`, () => {
    const result = run(() => map([1, 2, 3], (n) => n === 2 ? selfAbort("two") : value(n, 10)));
    const error = errorOf(result);
    assertInstanceOf(error, FiberAborted);
    assertEquals(error.cause.cause, "two");
  });

  Deno.test(`map(): a body that throws synchronously fails like any other (${name})`, () => {
    const error = new Error("synchronous");
    const result = run(() =>
      map([1], () => {
        throw error;
      })
    );
    assertStrictEquals(errorOf(result), error);
  });

  Deno.test(`law 2: map() with two failures throws an AggregateError in the order in which they happened (${name})`, () => {
    const [first, second] = [new Error("first"), new Error("in the clean-up")];
    function* body(n: number) {
      if (n === 1) {
        yield* sleep(5);
        throw first;
      }
      try {
        yield* Event.never();
      } finally {
        // deno-lint-ignore no-unsafe-finally -- this is what the test is about
        throw second;
      }
    }
    const error = errorOf(run(() => map([2, 1], body)));
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, [first, second]);
    assertStrictEquals(error.cause, first);
  });
});

Deno.test("law 7: map() starts the items in their order", () => {
  const started: number[] = [];
  const items = [0, 1, 2, 3, 4, 5];
  const result = run(() =>
    map(items, function* (item) {
      started.push(item);
      yield* yieldNow();
    }, { concurrency: 2 })
  );
  valueOf(result);
  assertEquals(started, items);
});

Deno.test("all() as a promise runs in a main of its own", async () => {
  assertEquals(await all([() => value(1), () => value(2)]), [1, 2]);
});
