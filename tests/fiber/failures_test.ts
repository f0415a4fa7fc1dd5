import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  Abort,
  all,
  type Awaitable,
  cancelScope,
  Event,
  Fiber,
  FiberAborted,
  map,
  protect,
  run,
  scope,
  selfAbort,
  sleep,
  spawn,
  Timeout,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { setUncaughtHandler } from "@weft/weft/lowlevel";
import { errorOf, valueOf } from "../kit/results.ts";
import { forEachScheduler, forEachSchedulerAndMain } from "../kit/schedulers.ts";
import { uncaughtDuring, uncaughtSoon } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

const apart = { propagateCancelToParent: false };

function* fail(error: unknown): Generator<never, never, unknown> {
  throw error;
}

/** Waits for ever, and throws `error` when it is told to stop. */
function* failWhenAborted(error: unknown) {
  try {
    yield* Event.never();
  } finally {
    // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
    throw error;
  }
}

function* turns(count: number) {
  for (let n = 0; n < count; n++) yield* yieldNow();
}

// Going up ---------------------------------------------------------------------------------------

forEachSchedulerAndMain((name, run) => {
  Deno.test(`law 2: a failure fails the context that spawned the fiber, with that same exception (${name})`, async () => {
    const error = new Error("deep down");
    const result = await run(function* () {
      spawn(function* () {
        spawn(function* () {
          spawn(() => fail(error));
          yield* Event.never();
        });
        yield* Event.never();
      });
      yield* Event.never();
    });
    assertStrictEquals(errorOf(result), error);
  });

  Deno.test(`law 2: a failure aborts the rest of its context, and waits for it (${name})`, async () => {
    const log: string[] = [];
    const error = new Error("one of them");
    const result = await run(function* () {
      const parent = spawn(function* () {
        spawn(function* () {
          log.push("started");
          try {
            yield* Event.never();
          } catch (caught) {
            log.push(caught instanceof Abort && caught.cause === error ? "aborted" : "?");
            throw caught;
          } finally {
            yield* protect(() => turns(3));
            log.push("gone");
          }
        });
        while (log.length === 0) yield* yieldNow();
        spawn(() => fail(error));
        yield* Event.never();
      }, apart);
      const outcome = yield* parent.join();
      log.push("parent ended");
      return outcome;
    });
    assertStrictEquals(errorOf(valueOf(result)), error);
    assertEquals(log, ["started", "aborted", "gone", "parent ended"]);
  });

  Deno.test(`law 2: a failure after the body returned still fails the fiber (${name})`, async () => {
    const error = new Error("afterwards");
    const result = await run(function* () {
      spawn(function* () {
        yield* turns(5);
        throw error;
      });
      return "returned";
    });
    assertStrictEquals(errorOf(result), error);
  });

  Deno.test(`law 2: the body's own failure aborts its spawns, and is thrown when they are gone (${name})`, async () => {
    const log: string[] = [];
    const error = new Error("body");
    const result = await run(function* () {
      const parent = spawn(function* () {
        spawn(function* () {
          log.push("started");
          try {
            yield* Event.never();
          } finally {
            log.push("gone");
          }
        });
        while (log.length === 0) yield* yieldNow();
        throw error;
      }, { ...apart, finally: () => void log.push("finally") });
      return yield* parent.join();
    });
    assertStrictEquals(errorOf(valueOf(result)), error);
    assertEquals(log, ["started", "gone", "finally"]);
  });

  for (const thrown of [undefined, null, "a string", 42, { plain: "object" }]) {
    Deno.test(`law 2: what is no Error keeps its identity, too: ${Deno.inspect(thrown)} (${name})`, async () => {
      const result = await run(function* () {
        spawn(() => fail(thrown));
        yield* Event.never();
      });
      assertEquals(result.ok, false);
      assertStrictEquals(errorOf(result), thrown);
    });
  }

  Deno.test(`law 2: a clean-up that fails makes an aborted fiber a failed one (${name})`, async () => {
    const error = new Error("in the clean-up");
    const result = await run(function* () {
      let started = false;
      const child = spawn(function* () {
        started = true;
        yield* failWhenAborted(error);
      }, apart);
      while (!started) yield* yieldNow();
      yield* child.abort();
      return yield* child.join();
    });
    assertStrictEquals(errorOf(valueOf(result)), error);
  });
});

// Where a failure is caught ----------------------------------------------------------------------

forEachScheduler((name, run) => {
  const error = new Error("inside");
  const groups: Record<string, () => Awaitable<unknown>> = {
    "scope() whose body fails": () => scope(() => fail(error)),
    "scope() whose fiber fails": () =>
      scope(function* (nursery) {
        nursery.spawn(() => fail(error));
        yield* Event.never();
      }),
    "scope() with a plain spawn that fails": () =>
      scope(function* () {
        spawn(() => fail(error));
      }),
    "all()": () => all([() => Event.never(), () => fail(error)]),
    "map()": () => map([1], () => fail(error)),
    "protect()": () => protect(() => fail(error)),
    "cancelScope()": () => cancelScope(() => fail(error)),
    "withTimeout()": () => withTimeout(10, () => fail(error)),
  };
  for (const [group, operation] of Object.entries(groups)) {
    Deno.test(`law 2: a try around ${group} spares the fiber (${name})`, () => {
      const result = run(function* () {
        let caught: unknown;
        try {
          yield* operation();
        } catch (error) {
          caught = error;
        }
        yield* yieldNow(); // we are not aborted
        spawn(yieldNow); // and can spawn
        assertEquals(Fiber.current().state, "running");
        return caught;
      });
      assertStrictEquals(valueOf(result), error);
    });
  }

  Deno.test(`law 2: a try around yield* child catches the failure itself, and doesn't spare the parent (${name})`, () => {
    const log: unknown[] = [];
    const result = run(function* () {
      const parent = spawn(function* () {
        const child = spawn(() => fail(error));
        try {
          yield* child;
        } catch (caught) {
          log.push(caught); // the joiner comes before the context fails: no Abort here
        }
        try {
          yield* yieldNow();
        } catch (caught) {
          log.push(caught instanceof Abort, (caught as Abort).cause);
        }
        return "returned";
      }, apart);
      return yield* parent.join();
    });
    assertStrictEquals(errorOf(valueOf(result)), error);
    assertEquals(log, [error, true, error]);
  });

  Deno.test(`law 2: whoever joined gets the result, not an Abort, though the failure aborts it as well (${name})`, () => {
    const log: unknown[] = [];
    const result = run(function* () {
      const parent = spawn(function* () {
        let joining = 0;
        const child: Fiber<unknown> = spawn(function* () {
          while (joining < 2) yield* yieldNow();
          throw error;
        });
        spawn(function* () {
          joining++;
          log.push(errorOf(yield* child.join()));
        });
        joining++;
        log.push(errorOf(yield* child.joinEvent()));
      }, apart);
      return yield* parent.join();
    });
    assertStrictEquals(errorOf(valueOf(result)), error);
    assertEquals(log, [error, error]);
  });

  Deno.test(`law 2: T23: an error that goes up both ways is one failure (${name})`, () => {
    const result = run(function* () {
      yield* spawn(() => fail(error));
    });
    assertStrictEquals(errorOf(result), error);
  });

  Deno.test(`law 2: T24: the shape of the error doesn't depend on what the parent was doing (${name})`, () => {
    const doings: (() => Awaitable<unknown>)[] = [
      () => Event.never(),
      () => sleep(1),
      () => yieldNow(),
      () => scope(() => Event.never()),
      () => all([() => Event.never(), () => sleep(5)]),
    ];
    for (const doing of doings) {
      const result = run(function* () {
        spawn(() => fail(error));
        yield* doing();
      });
      assertStrictEquals(errorOf(result), error);
    }
  });
});

// Several ----------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  const [first, second, third] = [new Error("first"), new Error("second"), new Error("third")];

  Deno.test(`law 2: T24: several failures are an AggregateError, in the order in which they happened (${name})`, () => {
    const result = run(function* () {
      let waiting = 0;
      for (const [error, ms] of [[third, 2], [second, 1]] as const) {
        spawn(function* () {
          waiting++;
          try {
            yield* Event.never();
          } finally {
            yield* protect(() => sleep(ms));
            // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
            throw error;
          }
        });
      }
      while (waiting < 2) yield* yieldNow();
      throw first;
    });
    const error = errorOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, [first, second, third]);
    assertStrictEquals(error.cause, first);
    assertEquals(error.message, "3 failures: first; second; third");
  });

  Deno.test(`law 2: failures are compared by identity: the same one twice is one (${name})`, () => {
    const result = run(function* () {
      let waiting = false;
      spawn(function* () {
        waiting = true;
        yield* failWhenAborted(first);
      });
      while (!waiting) yield* yieldNow();
      throw first;
    });
    assertStrictEquals(errorOf(result), first);
  });

  Deno.test(`law 2: failures that are equal but not the same are two (${name})`, () => {
    const result = run(function* () {
      let waiting = false;
      spawn(function* () {
        waiting = true;
        yield* failWhenAborted(new Error("first"));
      });
      while (!waiting) yield* yieldNow();
      throw first;
    });
    const error = errorOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors.length, 2);
  });

  Deno.test(`law 2: an error whose cause chain holds a recorded failure takes its place (${name})`, () => {
    const wrapped = new Error("outer", { cause: new Error("inner", { cause: first }) });
    const result = run(function* () {
      try {
        yield* spawn(() => fail(first));
      } catch {
        throw wrapped;
      }
    });
    assertStrictEquals(errorOf(result), wrapped);
  });

  Deno.test(`law 2: an error that wraps the Abort it was thrown takes the place of the failure behind it (${name})`, () => {
    const result = run(function* () {
      let waiting = false;
      spawn(function* () {
        while (!waiting) yield* yieldNow();
        throw first;
      });
      try {
        waiting = true;
        yield* Event.never();
      } catch (abort) {
        throw new Error("while I was waiting", { cause: abort });
      }
    });
    const error = errorOf(result);
    assertInstanceOf(error, Error);
    assertEquals(error.message, "while I was waiting");
  });

  Deno.test(`law 2: a wrapper takes the place of the failure that it wraps, among several (${name})`, () => {
    const wrapped = new Error("wrapper", { cause: first });
    const result = run(function* () {
      let waiting = 0;
      spawn(function* () {
        waiting++;
        yield* failWhenAborted(second);
      });
      spawn(function* () {
        waiting++;
        try {
          yield* Event.never();
        } finally {
          yield* protect(() => sleep(5));
          // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
          throw wrapped;
        }
      });
      while (waiting < 2) yield* yieldNow();
      throw first;
    });
    const error = errorOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, [wrapped, second]);
  });

  Deno.test(`law 2: a failure that a recorded one wraps adds nothing (${name})`, () => {
    const wrapped = new Error("wrapper", { cause: first });
    const result = run(function* () {
      let waiting = false;
      spawn(function* () {
        waiting = true;
        yield* failWhenAborted(first);
      });
      while (!waiting) yield* yieldNow();
      throw wrapped;
    });
    assertStrictEquals(errorOf(result), wrapped);
  });

  Deno.test(`law 2: an AggregateError that holds a recorded failure takes its place (${name})`, () => {
    const both = new AggregateError([first, second]);
    const result = run(function* () {
      try {
        yield* spawn(() => fail(first));
      } catch {
        throw both;
      }
    });
    assertStrictEquals(errorOf(result), both);
  });

  Deno.test(`law 2: a circle of causes is no trap (${name})`, () => {
    const circular = new Error("circular");
    circular.cause = new Error("and back", { cause: circular });
    const result = run(function* () {
      let waiting = false;
      spawn(function* () {
        waiting = true;
        yield* failWhenAborted(circular);
      });
      while (!waiting) yield* yieldNow();
      throw first;
    });
    const error = errorOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors.length, 2);
  });

  Deno.test(`law 2: Abort is never among the failures (${name})`, () => {
    const result = run(function* () {
      let waiting = 0;
      for (let n = 0; n < 3; n++) {
        spawn(function* () {
          waiting++;
          yield* Event.never();
        });
      }
      spawn(() => selfAbort("by itself"));
      while (waiting < 3) yield* yieldNow();
      throw first;
    });
    assertStrictEquals(errorOf(result), first);
  });

  Deno.test(`law 2: that a sibling was aborted because of the failure adds nothing to it (${name})`, () => {
    const result = run(function* () {
      const sibling = spawn(() => Event.never());
      let waiting = false;
      spawn(function* () {
        yield* protect(function* () {
          waiting = true;
          yield* sibling; // throws FiberAborted
        });
      });
      while (!waiting) yield* yieldNow();
      throw first;
    });
    assertStrictEquals(errorOf(result), first);
  });

  for (const news of ["before", "after"] as const) {
    Deno.test(`law 2: T24: nor does it ${news} the failure itself comes this way (${name})`, () => {
      const result = run(function* () {
        let aborted!: Fiber<unknown>;
        spawn(function* () {
          yield* sleep(1);
          yield* protect(function* () {
            if (news === "after") yield* sleep(10);
            yield* aborted; // throws FiberAborted
          });
        });
        yield* scope(function* () {
          aborted = spawn(() => Event.never());
          spawn(() => protect(() => sleep(7))); // keeps the failure in the scope for a while
          yield* sleep(2);
          throw first;
        });
      });
      assertStrictEquals(errorOf(result), first);
    });

    Deno.test(`law 2: T24: nor if what comes this way ${news} it wraps the failure (${name})`, () => {
      const wrapped = new Error("wrapper", { cause: first });
      const result = run(function* () {
        let aborted!: Fiber<unknown>;
        spawn(function* () {
          yield* sleep(1);
          yield* protect(function* () {
            if (news === "after") yield* sleep(10);
            yield* aborted;
          });
        });
        try {
          yield* scope(function* () {
            aborted = spawn(() => Event.never());
            spawn(() => protect(() => sleep(7)));
            yield* sleep(2);
            throw first;
          });
        } catch {
          throw wrapped;
        }
      });
      assertStrictEquals(errorOf(result), wrapped);
    });
  }

  Deno.test(`law 2: T24: nor do the news of several fibers (${name})`, () => {
    const result = run(function* () {
      const aborted: Fiber<unknown>[] = [];
      for (const n of [0, 1]) {
        spawn(function* () {
          yield* protect(function* () {
            while (aborted.length < 2) yield* yieldNow();
            yield* aborted[n]!;
          });
        });
      }
      yield* scope(function* () {
        for (let n = 0; n < 2; n++) aborted.push(spawn(() => Event.never()));
        spawn(() => protect(() => sleep(7)));
        yield* sleep(2);
        throw first;
      });
    });
    assertStrictEquals(errorOf(result), first);
  });

  Deno.test(`law 2: waiting plainly for two that were aborted for one reason is two failures (${name})`, () => {
    const result = run(function* () {
      const a = spawn(() => Event.never());
      const b = spawn(() => Event.never());
      yield* scope(function* () {
        for (const fiber of [a, b]) {
          spawn(function* () {
            yield* protect(() => fiber);
          });
        }
        yield* sleep(1);
        a.abort("one reason");
        b.abort("one reason");
        yield* Event.never();
      });
    });
    const error = errorOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors.map((part) => part instanceof FiberAborted), [true, true]);
  });

  Deno.test(`law 2: being aborted is not a failure; waiting for it plainly is one (${name})`, () => {
    const result = run(function* () {
      const sibling = spawn(() => Event.never());
      spawn(function* () {
        yield* sibling;
      });
      yield* turns(3);
      sibling.abort("not a failure of its own");
      yield* Event.never();
    });
    const error = errorOf(result);
    assertInstanceOf(error, FiberAborted);
    assertEquals(error.cause.cause, "not a failure of its own");
  });

  Deno.test(`law 2: a group's AggregateError goes up as one failure (${name})`, () => {
    let group: unknown;
    const result = run(function* () {
      try {
        yield* scope(function* () {
          let waiting = false;
          spawn(function* () {
            waiting = true;
            yield* failWhenAborted(second);
          });
          while (!waiting) yield* yieldNow();
          throw first;
        });
      } catch (error) {
        group = error;
        throw error;
      }
    });
    assertInstanceOf(group, AggregateError);
    assertStrictEquals(errorOf(result), group);
  });

  Deno.test(`law 2: T10: a Timeout is a failure like any other, and goes up (${name})`, () => {
    const result = run(function* () {
      spawn(() => withTimeout(5, () => Event.never()));
      yield* Event.never();
    });
    assertInstanceOf(errorOf(result), Timeout);
  });
});

// What nobody looks at ---------------------------------------------------------------------------

forEachSchedulerAndMain((name, run) => {
  Deno.test(`law 2: T22: law 13: a failure that nobody looked at is reported, once (${name})`, async () => {
    const error = new Error("nobody looked");
    const uncaught = await uncaughtSoon(async () => {
      const result = await run(function* () {
        spawn(() => fail(error), apart);
        yield* turns(5);
        return "unharmed";
      });
      assertEquals(valueOf(result), "unharmed");
    });
    assertEquals(uncaught, [error]);
  });

  const looks: Record<string, (child: Fiber<never>) => unknown> = {
    "join()": (child) => child.join(),
    "yield*": (child) => child,
    "joinEvent()": (child) => child.joinEvent(),
  };
  for (const [look, wait] of Object.entries(looks)) {
    Deno.test(`law 2: a failure is not reported if ${look} waited for it (${name})`, async () => {
      const uncaught = await uncaughtSoon(async () => {
        const result = await run(function* () {
          const child = spawn(() => fail(new Error("looked at")), apart);
          try {
            yield* wait(child) as Awaitable<unknown>;
          } catch {
            // looked at
          }
        });
        valueOf(result);
      });
      assertEquals(uncaught, []);
    });
  }

  Deno.test(`law 2: a failure is not reported if onResult was told of it (${name})`, async () => {
    const uncaught = await uncaughtSoon(async () => {
      const result = await run(function* () {
        spawn(() => fail(new Error("told")), apart).onResult(() => {});
      });
      valueOf(result);
    });
    assertEquals(uncaught, []);
  });

  Deno.test(`law 2: the failure of the whole is its result, and not reported as well (${name})`, async () => {
    const error = new Error("whole");
    const uncaught = await uncaughtSoon(async () => {
      assertStrictEquals(errorOf(await run(() => fail(error))), error);
    });
    assertEquals(uncaught, []);
  });
});

/** How many turns a fiber takes until two rounds of `run` are certainly over. */
const TWO_ROUNDS = 200;

Deno.test("law 2: run() reports a failure at the end of the next round, while the rest goes on", () => {
  const error = new Error("nobody looked");
  const uncaught: unknown[] = [];
  const counts: number[] = [];
  const previous = setUncaughtHandler((error) => void uncaught.push(error));
  try {
    const result = run(function* () {
      spawn(() => fail(error), apart);
      for (let n = 0; n < TWO_ROUNDS; n++) {
        yield* yieldNow();
        counts.push(uncaught.length);
      }
    });
    valueOf(result);
  } finally {
    setUncaughtHandler(previous);
  }
  assertEquals(uncaught, [error]);
  assertEquals(counts[0], 0);
  assertEquals(counts.at(-1), 1);
});

Deno.test("law 2: run() doesn't report a failure that was joined, or polled, in the round after", () => {
  const uncaught = uncaughtDuring(() => {
    const result = run(function* () {
      const joined = spawn(() => fail(new Error("joined")), apart);
      const polled = spawn(() => fail(new Error("polled")), apart);
      yield* yieldNow();
      yield* yieldNow();
      polled.poll();
      yield* joined.join();
      yield* turns(TWO_ROUNDS);
    });
    valueOf(result);
  });
  assertEquals(uncaught, []);
});

Deno.test("law 2: T25: what a release hook throws doesn't hide the body's failure", () => {
  const [body, hook] = [new Error("body"), new Error("hook")];
  const result = run(() =>
    scope(function* (nursery) {
      nursery.onRelease(() => fail(hook));
      throw body;
    }), { loop: virtualLoop() });
  const error = errorOf(result);
  assertInstanceOf(error, AggregateError);
  assertEquals(error.errors, [body, hook]);
  assertStrictEquals(error.cause, body);
});
