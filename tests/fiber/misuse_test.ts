/** law 13: misuse is a clear error that names what to do. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  all,
  any,
  cancelAfter,
  cancelScope,
  Channel,
  either,
  Event,
  Fiber,
  FiberLocal,
  first,
  getScheduler,
  Inactive,
  main,
  map,
  type Operation,
  protect,
  run,
  scheduleMicroTask,
  scope,
  selfAbort,
  sleep,
  spawn,
  spawnAsChildOf,
  spawnFromAnywhere,
  withCancelCallback,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { errorOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";

/** Anything, where the types would not allow it. */
// deno-lint-ignore no-explicit-any -- a caller without types
type Any = any;

function* nothing() {}

// What a generator yields ------------------------------------------------------------------------

forEachScheduler((name, run) => {
  const yields: [what: string, body: () => Operation<unknown>, message: RegExp][] = [
    ["an operation without the star", () => yielding(sleep(1)), /star is missing, write yield\*/],
    ["a fiber without the star", () => yielding(Fiber.returned(1)), /star is missing/],
    ["an event without the star", () => yielding(Event.always(1)), /star is missing/],
    ["a scope without the star", () => yielding(scope(nothing)), /star is missing/],
    ["a generator without the star", () => yielding(nothing()), /star is missing/],
    ["42", () => yielding(42), /^Cannot yield 42: a fiber waits with yield\* on an operation$/],
    ["nothing", () => yielding(undefined), /^Cannot yield undefined: a fiber waits with yield\*/],
    ["a string", () => yielding("text"), /^Cannot yield "text": a fiber waits with yield\*/],
    ["an array", () => yielding([1]), /^Cannot yield an array of 1: a fiber waits with yield\*/],
    ["a promise", () => yielding(Promise.resolve()), /with yield\* fromPromise\(promise\)$/],
    ["the items of an array", () => [1] as Any, /array|must return an operation/],
  ];
  for (const [what, body, message] of yields) {
    Deno.test(`T2: yield of ${what} is a TypeError that says what to write (${name})`, () => {
      const error = errorOf(run(body));
      assertInstanceOf(error, TypeError);
      assertMatch(error.message, message);
    });
  }

  function* yielding(what: unknown): Generator<never, void, unknown> {
    yield what as never;
  }

  Deno.test(`a refused yield is thrown at the yield, where it can be caught (${name})`, () => {
    const result = run(function* () {
      try {
        yield 42 as never;
      } catch (error) {
        assertInstanceOf(error, TypeError);
      }
      yield* sleep(1);
      return "went on";
    });
    assertEquals(valueOf(result), "went on");
  });

  Deno.test(`yield* of an array says that a fiber waits on an operation (${name})`, () => {
    const result = run(function* () {
      yield* [1] as unknown as Operation<void>;
    });
    const error = errorOf(result);
    assertInstanceOf(error, TypeError);
    assertEquals(error.message, "Cannot yield 1: a fiber waits with yield* on an operation");
  });

  Deno.test(`yield of an operation without the star leaves no waiter behind (${name})`, () => {
    const channel = new Channel<number>();
    const result = run(function* () {
      const receive = channel.receive();
      try {
        yield receive as never;
      } catch {
        assertEquals(channel.statistics().receiversWaiting, 0);
        return "refused";
      }
    });
    assertEquals(valueOf(result), "refused");
  });
});

forEachScheduler((name, run) => {
  Deno.test(`an operation that was started by hand and left there takes no item (${name})`, () => {
    const channel = new Channel<number>();
    const result = run(function* () {
      yield* spawn(function* () {
        assertEquals(channel.receive()[Symbol.iterator]().next().done, false);
        assertEquals(channel.statistics().receiversWaiting, 1);
      });
      assertEquals(channel.statistics().receiversWaiting, 0);
    });
    valueOf(result);
  });
});

forEachScheduler((name, run) => {
  Deno.test(`law 13: of two operations that were started by hand the first is no result (${name})`, () => {
    const channel = new Channel<number>();
    const result = run(function* () {
      yield* ({
        [Symbol.iterator]: () => ({
          next() {
            const first = channel.receive()[Symbol.iterator]().next();
            channel.receive()[Symbol.iterator]().next();
            return first;
          },
        }),
      });
    });
    assertMatch((errorOf(result) as TypeError).message, /^Cannot yield a Receive/);
    assertEquals(channel.statistics().receiversWaiting, 0);
  });

  Deno.test(`law 13: a null that is spawned is refused, whatever was spawned before (${name})`, () => {
    valueOf(run(function* () {
      for (let i = 0; i < 2; i++) {
        assertThrows(() => spawn(null as Any), TypeError, "body must be a function, got null");
        yield* yieldNow();
      }
    }));
  });
});

Deno.test("law 13: main(null) is refused", () => {
  assertThrows(() => main(null as Any), TypeError, "body must be a function, got null");
});

// What a body returns ----------------------------------------------------------------------------

const bodies: [what: string, body: () => Any][] = [
  ["undefined", () => undefined],
  ["a number", () => 42],
  ["a string", () => "text"],
  ["an array", () => [sleep(1)]],
  ["a promise", () => Promise.resolve()],
  ["a function", () => nothing],
];
const runners: [what: string, operation: (body: () => Any) => Operation<unknown>][] = [
  ["run", (body) => body()],
  ["spawn", (body) => spawn(body)],
  ["scope", (body) => scope(body)],
  ["cancelScope", (body) => cancelScope(body)],
  ["protect", (body) => protect(body)],
  ["withTimeout", (body) => withTimeout(10, body)],
  ["withCancelCallback", (body) => withCancelCallback(() => {}, body)],
  ["FiberLocal.with", (body) => new FiberLocal(() => 0).with(1, body)],
  ["all", (body) => all([body])],
  ["map", (body) => map([1], body)],
];
for (const [runner, operation] of runners) {
  for (const [what, body] of bodies) {
    Deno.test(`${runner}() whose body returns ${what} fails with a TypeError that says what it must return`, () => {
      const error = errorOf(run(() => operation(body)));
      assertInstanceOf(error, TypeError);
      assertMatch(error.message, /^Cannot run the body( of .+)?: it must return an operation/);
    });
  }
}

Deno.test("any() whose bodies return no operation fails with that, in an AggregateError", () => {
  const error = errorOf(run(() => any([() => undefined as Any])));
  assertInstanceOf(error, AggregateError);
  assertMatch(error.errors[0].message, /it must return an operation, got undefined/);
});

Deno.test("run() with an async function as its body points to fromPromise", () => {
  const error = errorOf(run((async () => {}) as Any)) as Error;
  assertStringIncludes(error.message, "got a promise; wait for a promise with fromPromise");
});

Deno.test("run() with a plain function as its body asks whether it is a generator function", () => {
  const error = errorOf(run((() => {}) as Any)) as Error;
  assertStringIncludes(error.message, "got undefined; is it a generator function (function*)?");
});

// Arguments --------------------------------------------------------------------------------------

/** A call with wrong arguments: in a fiber, and whether it is refused outside as well. */
const wrong: [call: string, f: () => unknown, message: RegExp][] = [
  [
    "run(generator)",
    () => run(nothing() as Any),
    /^Cannot run: body must be a function.*as in \(\) => worker\(\)/,
  ],
  ["run(operation)", () => run(sleep(1) as Any), /pass a function that makes the operation/],
  [
    "run(undefined)",
    () => run(undefined as Any),
    /^Cannot run: body must be a function, got undefined/,
  ],
  ["run(body, 1)", () => run(nothing, 1 as Any), /^Cannot run: options must be an object, got 1/],
  ["run(body, null)", () => run(nothing, null as Any), /options must be an object, got null/],
  ["run with unblock: 1", () => run(nothing, { unblock: 1 as Any }), /unblock must be a function/],
  ["run with finally: 1", () => run(nothing, { finally: 1 as Any }), /finally must be a function/],
  ["run with loop: 1", () => run(nothing, { loop: 1 as Any }), /loop must be an EventLoop, got 1/],
  [
    "run with loop: {}",
    () => run(nothing, { loop: {} as Any }),
    /loop\.oneStep must be a function/,
  ],
  ["main(generator)", () => main(nothing() as Any), /^Cannot run main: body must be a function/],
  ["main(body, 1)", () => main(nothing, 1 as Any), /^Cannot run main: options must be an object/],
  ["main with name: 1", () => main(nothing, { name: 1 as Any }), /name must be a string, got 1/],
  [
    "main with signal: {}",
    () => main(nothing, { signal: {} as Any }),
    /signal must be an AbortSignal, got an Object/,
  ],
  [
    "main with handleSignals: 1",
    () => main(nothing, { handleSignals: 1 as Any }),
    /handleSignals must be a boolean/,
  ],
  [
    "spawn(generator)",
    () => spawn(nothing() as Any),
    /^Cannot spawn: body must be a function, got a Generator/,
  ],
  [
    "spawn(promise)",
    () => spawn(Promise.resolve() as Any),
    /body must be a function, got a promise/,
  ],
  ["spawn(body, 1)", () => spawn(nothing, 1 as Any), /^Cannot spawn: options must be an object/],
  ["spawn with name: 1", () => spawn(nothing, { name: 1 as Any }), /name must be a string/],
  [
    "spawn with finally: 1",
    () => spawn(nothing, { finally: 1 as Any }),
    /finally must be a function/,
  ],
  [
    "spawn with propagateCancelToParent: 1",
    () => spawn(nothing, { propagateCancelToParent: 1 as Any }),
    /propagateCancelToParent must be a boolean/,
  ],
  [
    "spawnAsChildOf({})",
    () => spawnAsChildOf({} as Any, Fiber.returned(1), nothing),
    /scheduler must be a Scheduler, got an Object/,
  ],
  [
    "spawnAsChildOf(scheduler, {})",
    () => spawnAsChildOf(getScheduler(), {} as Any, nothing),
    /parent must be a Fiber, got an Object/,
  ],
  [
    "spawnAsChildOf(scheduler, fiber, 1)",
    () => spawnAsChildOf(getScheduler(), Fiber.current(), 1 as Any),
    /body must be a function, got 1/,
  ],
  [
    "spawnFromAnywhere(undefined)",
    () => spawnFromAnywhere(undefined as Any, nothing),
    /scheduler must be a Scheduler, got undefined/,
  ],
  [
    "spawnFromAnywhere(scheduler, 1)",
    () => spawnFromAnywhere(getScheduler(), 1 as Any),
    /body must be a function, got 1/,
  ],
  [
    "scope(generator)",
    () => scope(nothing() as Any),
    /^Cannot open a scope: body must be a function/,
  ],
  [
    "cancelScope(1)",
    () => cancelScope(1 as Any),
    /^Cannot open a cancel scope: body must be a function/,
  ],
  [
    "protect(undefined)",
    () => protect(undefined as Any),
    /^Cannot protect: body must be a function/,
  ],
  [
    "withTimeout(body)",
    () => withTimeout(nothing as Any, 1 as Any),
    /ms must be a number, got function nothing/,
  ],
  ["withTimeout('1')", () => withTimeout("1" as Any, nothing), /ms must be a number, got "1"/],
  [
    "withTimeout(NaN)",
    () => withTimeout(NaN, nothing),
    /^Cannot set a timeout: ms must not be NaN/,
  ],
  [
    "withTimeout(1, generator)",
    () => withTimeout(1, nothing() as Any),
    /^Cannot set a timeout: body must be a function/,
  ],
  [
    "cancelAfter('1')",
    () => cancelAfter("1" as Any),
    /^Cannot set a deadline: ms must be a number/,
  ],
  ["cancelAfter(NaN)", () => cancelAfter(NaN), /ms must not be NaN/],
  ["sleep('1')", () => sleep("1" as Any), /^Cannot sleep: ms must be a number, got "1"/],
  ["sleep(NaN)", () => sleep(NaN), /^Cannot sleep: ms must not be NaN/],
  ["sleep(1n)", () => sleep(1n as Any), /ms must be a number, got 1n/],
  [
    "withCancelCallback(1)",
    () => withCancelCallback(1 as Any, nothing),
    /callback must be a function/,
  ],
  [
    "withCancelCallback(f, 1)",
    () => withCancelCallback(() => {}, 1 as Any),
    /body must be a function/,
  ],
  [
    "new FiberLocal(1)",
    () => new FiberLocal(1 as Any),
    /^Cannot make a fiber-local: init must be a function/,
  ],
  ["new FiberLocal(f, 1)", () => new FiberLocal(() => 1, 1 as Any), /options must be an object/],
  [
    "new FiberLocal with inherit: 1",
    () => new FiberLocal(() => 1, { inherit: 1 as Any }),
    /inherit must be a boolean/,
  ],
  [
    "FiberLocal.with(1, 1)",
    () => new FiberLocal(() => 1).with(1, 1 as Any),
    /body must be a function/,
  ],
  ["all(1)", () => all(1 as Any), /^Cannot run all: bodies must be an array, got 1/],
  [
    "all([generator])",
    () => all([nothing() as Any]),
    /^Cannot run all: bodies\[0\] must be a function, got a Generator/,
  ],
  [
    "any(undefined)",
    () => any(undefined as Any),
    /^Cannot run any: bodies must be an array, got undefined/,
  ],
  ["any([body, 1])", () => any([nothing, 1 as Any]), /bodies\[1\] must be a function, got 1/],
  ["map(1)", () => map(1 as Any, nothing), /^Cannot map: items must be iterable, got 1/],
  ["map({})", () => map({} as Any, nothing), /items must be iterable, got an Object/],
  [
    "map([], generator)",
    () => map([], nothing() as Any),
    /body must be a function, got a Generator/,
  ],
  ["map with 1 as options", () => map([], nothing, 1 as Any), /options must be an object/],
  [
    "map with concurrency: 0",
    () => map([], nothing, { concurrency: 0 }),
    /concurrency must be an integer of at least 1 or Infinity, got 0/,
  ],
  [
    "map with concurrency: 1.5",
    () => map([], nothing, { concurrency: 1.5 }),
    /must be an integer of at least 1/,
  ],
  [
    "map with concurrency: NaN",
    () => map([], nothing, { concurrency: NaN }),
    /must be an integer of at least 1/,
  ],
  [
    "map with concurrency: '1'",
    () => map([], nothing, { concurrency: "1" as Any }),
    /concurrency must be a number/,
  ],
  ["first(fiber, 1)", () => first(Fiber.returned(1), 1 as Any), /f1 must be a Fiber, got 1/],
  ["first({}, fiber)", () => first({} as Any, Fiber.returned(1)), /f0 must be a Fiber/],
  [
    "either(fiber, promise)",
    () => either(Fiber.returned(1), Promise.resolve() as Any),
    /f1 must be a Fiber, got a promise/,
  ],
  ["either(1, fiber)", () => either(1 as Any, Fiber.returned(1)), /f0 must be a Fiber, got 1/],
  ["new Fiber()", () => new (Fiber as Any)(), /^Cannot construct Fiber: spawn one/],
  ["new Event()", () => new (Event as Any)(), /^Cannot construct Event: use Event\.from/],
  ["Fiber.onResult(1)", () => Fiber.current().onResult(1 as Any), /callback must be a function/],
  [
    "scheduleMicroTask(1)",
    () => scheduleMicroTask(1 as Any),
    /^Cannot schedule the microtask: f must be a function/,
  ],
];
for (const [call, f, message] of wrong) {
  Deno.test(`${call} is refused at the call`, () => {
    const result = run(function* () {
      const error = assertThrows(f, Error);
      assert(
        /NaN|must be an integer/.test(error.message)
          ? error instanceof RangeError
          : error instanceof TypeError,
        error.stack,
      );
      assertMatch(error.message, message);
    });
    valueOf(result);
  });
}

Deno.test("Scope.spawn(), onRelease() and Scope.cancel() check their arguments", () => {
  const result = run(() =>
    scope(function* (nursery) {
      assertThrows(() => nursery.spawn(nothing() as Any), TypeError, "body must be a function");
      assertThrows(() => nursery.onRelease(1 as Any), TypeError, "hook must be a function");
      assertThrows(() => nursery.onRelease(nothing() as Any), TypeError, "hook must be a function");
    })
  );
  valueOf(result);
});

forEachScheduler((name, run) => {
  Deno.test(`a release hook that is an async function fails its scope: nobody would wait for it (${name})`, () => {
    const log: string[] = [];
    const error = errorOf(run(() =>
      scope(function* (nursery) {
        nursery.onRelease(() => void log.push("the others run"));
        nursery.onRelease((() => Promise.resolve()) as Any);
        yield* yieldNow();
      })
    ));
    assertInstanceOf(error, TypeError);
    assertStringIncludes(
      error.message,
      "Cannot run the release hook: it must return an operation, got a promise",
    );
    assertEquals(log, ["the others run"]);
  });
});

// Used twice -------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  const makers: [what: string, make: () => Operation<unknown>][] = [
    ["sleep()", () => sleep(1)],
    ["yieldNow()", () => yieldNow()],
    ["scope()", () => scope(nothing)],
    ["protect()", () => protect(nothing)],
    ["withTimeout()", () => withTimeout(1, nothing)],
    ["all()", () => all([])],
    ["map()", () => map([], nothing)],
    ["first()", () => first(Fiber.returned(1), Fiber.returned(2))],
    ["either()", () => either(Fiber.returned(1), Fiber.returned(2))],
    ["Fiber.join()", () => Fiber.returned(1).join()],
    ["Fiber.abort()", () => Fiber.returned(1).abort()],
    ["FiberLocal.with()", () => new FiberLocal(() => 1).with(1, nothing)],
    ["Channel.send()", () => new Channel<number>().send(1)],
  ];
  for (const [what, make] of makers) {
    Deno.test(`${what} is one-shot: a second yield* is a TypeError (${name})`, () => {
      const result = run(function* () {
        const operation = make();
        yield* operation;
        try {
          yield* operation;
        } catch (error) {
          return error;
        }
      });
      const error = valueOf(result);
      assertInstanceOf(error, TypeError);
      assertMatch(error.message, /^Cannot wait for .+: the operation was used already/);
    });
  }

  Deno.test(`an operation that another fiber waits for is a TypeError (${name})`, () => {
    const result = run(function* () {
      const operation = sleep(10);
      const body = function* () {
        yield* operation;
      };
      const fibers = [spawn(body, apart), spawn(body, apart)];
      const outcomes = [];
      for (const fiber of fibers) outcomes.push(yield* fiber.join());
      return outcomes;
    });
    const failures = valueOf(result).filter(({ ok }) => !ok);
    assertEquals(failures.length, 1);
    assertInstanceOf(errorOf(failures[0]!), TypeError);
  });

  Deno.test(`events and fibers may be waited on any number of times (${name})`, () => {
    const event = Event.always(1);
    const fiber = Fiber.returned(2);
    const result = run(function* () {
      return [yield* event, yield* event, yield* fiber, yield* fiber];
    });
    assertEquals(valueOf(result), [1, 1, 2, 2]);
  });
});

const apart = { propagateCancelToParent: false };

Deno.test("await on an operation that was used is a rejection with the TypeError", async () => {
  for (const make of [() => sleep(0), () => scope(nothing)]) {
    const operation = make();
    await operation;
    const error = await Promise.resolve(operation).then(() => undefined, (error) => error);
    assertInstanceOf(error, TypeError);
    assertStringIncludes(error.message, "the operation was used already");
  }
});

// Outside ----------------------------------------------------------------------------------------

const outside: [call: string, f: () => unknown][] = [
  ["spawn()", () => spawn(nothing)],
  ["Fiber.current()", () => Fiber.current()],
  ["cancelAfter()", () => cancelAfter(1)],
  ["getScheduler()", () => getScheduler()],
  ["scheduleMicroTask()", () => scheduleMicroTask(() => {})],
  ...Object.entries({
    "sleep()": () => sleep(1),
    "yieldNow()": () => yieldNow(),
    "scope()": () => scope(nothing),
    "cancelScope()": () => cancelScope(nothing),
    "protect()": () => protect(nothing),
    "withTimeout()": () => withTimeout(1, nothing),
    "withCancelCallback()": () => withCancelCallback(() => {}, nothing),
    "all()": () => all([nothing]),
    "any()": () => any([nothing]),
    "map()": () => map([1], nothing),
    "either()": () => either(Fiber.aborted(), Fiber.aborted()),
    "selfAbort()": () => selfAbort(),
    "Event.never()": () => Event.never(),
  }).map(([call, make]): [string, () => unknown] => [
    `yield* ${call}`,
    () => (make() as Operation<unknown>)[Symbol.iterator]().next(),
  ]),
];
for (const [call, f] of outside) {
  Deno.test(`${call} outside of any fiber throws Inactive, which says where it works`, () => {
    const error = assertThrows(f, Inactive);
    assertMatch(error.message, /^Cannot .+: no (fiber|scheduler) runs here/);
    assertMatch(error.message, /the body of main, run or spawn/);
    assertEquals(error.name, "Inactive");
  });
}

// What isn't there -------------------------------------------------------------------------------

Deno.test("T30: neither fibers nor scopes can be disposed of synchronously", () => {
  const result = run(() =>
    scope(function* (nursery) {
      assertEquals(Symbol.dispose in nursery, false);
      assertEquals(Symbol.dispose in Fiber.current(), false);
    })
  );
  valueOf(result);
});
