import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import {
  all,
  any,
  Deadlock,
  Event,
  Fiber,
  FiberAborted,
  fromPromise,
  getScheduler,
  main,
  map,
  type Operation,
  run,
  scope,
  selfAbort,
  spawn,
  spawnAsChildOf,
  spawnAsPromise,
  spawnFromAnywhere,
  yieldNow,
} from "@weft/weft";
import { errorOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";

function* sweeper(): Operation<void> {
  yield* Event.never();
}

/** The name of the fiber that runs it. */
function* ownName(): Operation<string> {
  yield* yieldNow();
  return Fiber.current().name;
}

const anonymous = (() => function* () {})();
const arrow = (() => () => sweeper())();

forEachScheduler((name, run) => {
  Deno.test(`spawn() without a name gives that of the generator function, from the spawn to the end (${name})`, () => {
    valueOf(run(function* () {
      const endings: Record<string, () => Operation<unknown>> = {
        *returns() {
          yield* yieldNow();
        },
        *fails() {
          yield* yieldNow();
          throw new Error("on purpose");
        },
        *abortsItself() {
          yield* selfAbort("on purpose");
        },
        *isAborted() {
          yield* Event.never();
        },
        *neverRuns() {},
      };
      for (const [name, body] of Object.entries(endings)) {
        const fiber = spawn(body, { propagateCancelToParent: false });
        assertEquals(fiber.name, name, "not started");
        if (name === "neverRuns") fiber.abort();
        yield* yieldNow();
        assertEquals(fiber.name, name, "begun");
        fiber.abort();
        const result = yield* fiber.join();
        assertEquals(fiber.name, name, "ended");
        if (!result.ok && result.error instanceof FiberAborted) {
          assertStringIncludes(result.error.message, `The fiber "${name}" was aborted`);
        }
      }
    }));
  });

  Deno.test(`spawn() without a name, of several functions by turns, gives each its own (${name})`, () => {
    const bodies = [function* one() {}, function* two() {}, function* three() {}];
    valueOf(run(function* () {
      for (let turn = 0; turn < 5; turn++) {
        const order = [...bodies, ...bodies, bodies[turn % 3]!];
        const fibers = order.map((body) => spawn(body));
        for (const fiber of fibers) yield* fiber;
        assertEquals(fibers.map(({ name }) => name), order.map(({ name }) => name));
      }
    }));
  });

  Deno.test(`law 11: Deadlock and dump() tell fibers without a name by their functions (${name})`, () => {
    let dump = "";
    const error = errorOf(run(function* keeper() {
      const fiber = spawn(sweeper);
      spawn(function* duster() {
        yield* fiber;
      });
      yield* yieldNow();
      yield* yieldNow();
      dump = fiber.dump();
    }));
    assertInstanceOf(error, Deadlock);
    assertEquals(error.fibers.slice(1).map((fiber) => fiber.name), ["sweeper", "duster"]);
    const [, { id }] = error.fibers as [unknown, { id: number }];
    assertStringIncludes(error.message, `duster (#${id + 1}) waits on the end of sweeper (#${id})`);
    assertEquals(dump, `sweeper (#${id}): an event that never happens`);
  });
});

Deno.test("spawn() with a name keeps it, whatever its function is called", () => {
  valueOf(run(function* () {
    const fiber = spawn(ownName, { name: "mine" });
    assertEquals(fiber.name, "mine");
    assertEquals(yield* fiber, "mine");
  }));
});

Deno.test("spawn() of a function that has no name of use falls back to the number of the fiber", () => {
  const odd: Record<string, () => Operation<void>> = {
    "no name": anonymous,
    "an arrow around a generator function": arrow,
    "an empty name": Object.defineProperty(function* () {}, "name", { value: "" }),
    "a name that is no text": Object.defineProperty(function* () {}, "name", { value: 42 }),
    "a name that throws": Object.defineProperty(function* () {}, "name", {
      get() {
        throw new Error("no name today");
      },
    }),
  };
  valueOf(run(function* () {
    for (const [what, body] of Object.entries(odd)) {
      const fiber = spawn(body);
      assertEquals(fiber.name, `fiber ${fiber.id}`, what);
      yield* yieldNow();
      assertEquals(fiber.name, `fiber ${fiber.id}`, what);
      yield* fiber.abort();
      assertEquals(fiber.name, `fiber ${fiber.id}`, what);
    }
    const fiber = spawn(ownName, { name: "" });
    assertEquals(yield* fiber, `fiber ${fiber.id}`);
  }));
});

Deno.test("every way to spawn gives a fiber the name of its generator function", async () => {
  const names = await main(function* () {
    const scheduler = getScheduler();
    const fibers: Fiber<string>[] = [
      spawn(ownName),
      spawnAsChildOf(scheduler, Fiber.current(), ownName),
      spawnFromAnywhere(scheduler, ownName),
      yield* scope(function* (inner) {
        return inner.spawn(ownName);
      }),
    ];
    const seen = [yield* fromPromise(spawnAsPromise(ownName))];
    for (const fiber of fibers) seen.push(yield* fiber);
    return seen;
  });
  assertEquals(names, Array(5).fill("ownName"));
});

Deno.test("run() gives its first fiber the name of its body, or its own", () => {
  assertEquals(valueOf(run(ownName)), "ownName");
  assertEquals(valueOf(run(() => ownName())), "run");
});

Deno.test("all() and any() name their fibers after the bodies", () => {
  const second = () => ownName();
  const bodies = [ownName, second, () => ownName()];
  const [a, b, c] = valueOf(run(() => all(bodies)));
  assertEquals([a, b], ["ownName", "second"]);
  assertMatch(c!, /^fiber \d+$/);
  assertEquals(valueOf(run(() => any([second]))), "second");
});

Deno.test("map() names its fibers after the body and the index", () => {
  function* visit(_: string): Operation<string> {
    return yield* ownName();
  }
  assertEquals(valueOf(run(() => map(["a", "b"], visit))), ["visit 0", "visit 1"]);
  const [name] = valueOf(run(() => map(["a"], () => ownName())));
  assertMatch(name!, /^fiber \d+$/);
});

Deno.test("FiberAborted from all() says which of its fibers it was", () => {
  function* quitter() {
    yield* selfAbort("enough");
  }
  const error = errorOf(run(() => all([sweeper, quitter])));
  assert(error instanceof FiberAborted);
  assertEquals(error.message, 'The fiber "quitter" was aborted: enough');
});
