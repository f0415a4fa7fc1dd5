import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Event,
  Fiber,
  fiberIdNil,
  FinallyRaised,
  getScheduler,
  Inactive,
  run,
  type Scheduler,
  scope,
  sleep,
  spawn,
  spawnAsChildOf,
  spawnFromAnywhere,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler, forEachSchedulerAndMain } from "../kit/schedulers.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

function* steps(log: string[], name: string, count: number) {
  for (let n = 1; n <= count; n++) {
    log.push(`${name}${n}`);
    yield* yieldNow();
  }
}

forEachSchedulerAndMain((name, run) => {
  Deno.test(`spawn() returns at once, before the body runs (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      spawn(() => steps(log, "child", 1));
      log.push("spawned");
    });
    valueOf(result);
    assertEquals(log, ["spawned", "child1"]);
  });

  Deno.test(`law 1: a fiber ends after its spawns, and theirs, have ended (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const parent = spawn(function* () {
        spawn(function* () {
          spawn(() => steps(log, "grandchild", 5));
          log.push("child's body");
        });
        log.push("parent's body");
        return "value";
      });
      const value = yield* parent;
      log.push("parent ended");
      return value;
    });
    assertEquals(valueOf(result), "value");
    assertEquals(log.at(-1), "parent ended");
    assertEquals(log.at(-2), "grandchild5");
  });

  Deno.test(`law 1: the result is visible only after the spawns ended and finally ran (${name})`, async () => {
    const seen: unknown[] = [];
    const result = await run(function* () {
      const parent: Fiber<string> = spawn(function* () {
        spawn(function* () {
          for (let n = 0; n < 3; n++) {
            yield* yieldNow();
            seen.push(parent.poll());
          }
        });
        return "value";
      }, { finally: () => void seen.push("finally", parent.poll()) });
      yield* parent.join();
      seen.push(parent.poll());
    });
    valueOf(result);
    const early = [undefined, undefined, undefined];
    assertEquals(seen, [...early, "finally", undefined, { ok: true, value: "value" }]);
  });

  Deno.test(`spawn() finally runs once, after that of its spawns, before a joiner goes on (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const parent = spawn(function* () {
        spawn(yieldNow, { finally: () => void log.push("child's finally") });
      }, { finally: () => void log.push("parent's finally") });
      yield* parent;
      log.push("joined");
    });
    valueOf(result);
    assertEquals(log, ["child's finally", "parent's finally", "joined"]);
  });

  Deno.test(`spawn() finally runs though the body never started (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const child = spawn(function* () {
        log.push("body");
      }, { finally: () => void log.push("finally") });
      yield* child.abort("early");
      return yield* child.join();
    });
    assertEquals(reasonOf(valueOf(result)), "early");
    assertEquals(log, ["finally"]);
  });

  Deno.test(`spawn() finally runs when the body fails (${name})`, async () => {
    const log: string[] = [];
    const error = new Error("body");
    const result = await run(function* () {
      spawn(function* () {
        throw error;
      }, { finally: () => void log.push("finally") });
      yield* Event.never();
    });
    assertStrictEquals(errorOf(result), error);
    assertEquals(log, ["finally"]);
  });

  Deno.test(`law 1: what is spawned while aborting runs its finally, not its body (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const parent = spawn(function* () {
        log.push("started");
        try {
          yield* Event.never();
        } finally {
          const child = spawn(function* () {
            log.push("body");
          }, { finally: () => void log.push("finally") });
          log.push(child.state);
        }
      });
      while (log.length === 0) yield* yieldNow();
      yield* parent.abort();
    });
    valueOf(result);
    assertEquals(log, ["started", "aborting", "finally"]);
  });

  Deno.test(`spawn() with propagateCancelToParent: false keeps a failure in the fiber (${name})`, async () => {
    const error = new Error("mine");
    const result = await run(function* () {
      const child = spawn(function* () {
        throw error;
      }, { propagateCancelToParent: false });
      const outcome = yield* child.join();
      yield* yieldNow(); // nobody aborted us
      return outcome;
    });
    assertStrictEquals(errorOf(valueOf(result)), error);
  });

  Deno.test(`spawn() with propagateCancelToParent: false still aborts from parent to child (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const parent = spawn(function* () {
        spawn(function* () {
          log.push("child started");
          try {
            yield* Event.never();
          } finally {
            log.push("child gone");
          }
        }, { propagateCancelToParent: false });
        yield* Event.never();
      });
      while (log.length === 0) yield* yieldNow();
      yield* parent.abort();
      log.push("parent gone");
    });
    valueOf(result);
    assertEquals(log, ["child started", "child gone", "parent gone"]);
  });

  Deno.test(`T33: a finished spawn leaves its parent at once (${name})`, async () => {
    const result = await run(() =>
      scope(function* (nursery) {
        const child = spawn(steps.bind(null, [], "child", 1), { name: "the child" });
        assertStringIncludes(nursery.dump(), "the child");
        yield* child;
        return nursery.dump();
      })
    );
    assertEquals(valueOf(result), "scope");
  });
});

Deno.test("law 7: spawn() queues fibers first in, first out", () => {
  const log: string[] = [];
  run(function* () {
    for (const name of ["a", "b", "c"]) spawn(() => steps(log, name, 2));
    log.push("body");
  });
  assertEquals(log, ["body", "a1", "b1", "c1", "a2", "b2", "c2"]);
});

Deno.test("Fiber.id is unique, grows in spawn order, and is never fiberIdNil", () => {
  const result = run(function* () {
    const fibers = Array.from({ length: 10 }, () => spawn(yieldNow));
    return [Fiber.current(), ...fibers].map(({ id }) => id);
  });
  const ids = valueOf(result);
  assertEquals(ids, ids.toSorted((a, b) => a - b));
  assertEquals(new Set([fiberIdNil, ...ids]).size, 12);
});

Deno.test("Fiber.name is the one it was spawned with, else made from its id", () => {
  const result = run(function* () {
    const named = spawn(yieldNow, { name: "worker" });
    const unnamed = spawn(yieldNow);
    assertEquals(named.name, "worker");
    assertStringIncludes(unnamed.name, String(unnamed.id));
  });
  valueOf(result);
});

Deno.test("Fiber.state goes from running over aborting to terminated", () => {
  const states: string[] = [];
  const result = run(function* () {
    const child = spawn(function* () {
      states.push(child.state);
      try {
        yield* Event.never();
      } finally {
        states.push(child.state);
      }
    });
    yield* yieldNow();
    yield* child.abort();
    states.push(child.state);
  });
  valueOf(result);
  assertEquals(states, ["running", "aborting", "terminated"]);
});

forEachScheduler((name, run) => {
  Deno.test(`FinallyRaised: what a finally throws is trapped, and the result stands (${name})`, () => {
    const raised = new Error("in finally");
    let result: unknown;
    const uncaught = uncaughtDuring(() => {
      result = run(function* () {
        const child = spawn(function* () {
          return 42;
        }, {
          finally: () => {
            throw raised;
          },
        });
        return yield* child;
      });
    });
    assertEquals(result, { ok: true, value: 42 });
    assertEquals(uncaught.length, 1);
    assertInstanceOf(uncaught[0], FinallyRaised);
    assertStrictEquals(uncaught[0].cause, raised);
  });

  Deno.test(`spawn() in a finally throws Inactive: the fiber can't grow any more (${name})`, () => {
    let error: unknown;
    const result = run(function* () {
      spawn(yieldNow, { finally: () => void (error = assertThrows(() => spawn(yieldNow))) });
    });
    valueOf(result);
    assertInstanceOf(error, Inactive);
  });
});

Deno.test("spawn() outside of any fiber throws Inactive, which says where to call it", () => {
  const error = assertThrows(() => spawn(yieldNow), Inactive);
  assertStringIncludes(error.message, "Cannot spawn: no fiber runs here");
  assertStringIncludes(error.message, "main, run or spawn");
});

// spawnAsChildOf ---------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`spawnAsChildOf() spawns in another fiber, which then waits for it (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const host = spawn(function* () {
        yield* sleep(10);
      }, { finally: () => void log.push("host ended") });
      yield* spawn(function* () {
        spawnAsChildOf(getScheduler(), host, function* () {
          yield* sleep(50);
          log.push("guest ended");
        });
      });
      log.push("spawner ended");
    });
    valueOf(result);
    assertEquals(log, ["spawner ended", "guest ended", "host ended"]);
  });

  Deno.test(`spawnAsChildOf() works outside of any fiber and after the body of the parent ended (${name})`, () => {
    const loop = virtualLoop();
    const log: string[] = [];
    let scheduler!: Scheduler;
    let parent!: Fiber<void>;
    const result = run(function* () {
      scheduler = getScheduler();
      parent = spawn(function* () {
        spawn(() => sleep(20));
        log.push("parent's body");
      });
      loop.onTimer(10, { repeat: false }, () => {
        spawnAsChildOf(scheduler, parent, () => steps(log, "late", 1));
      });
    }, { loop });
    valueOf(result);
    assertEquals(log, ["parent's body", "late1"]);
    const error = assertThrows(() => spawnAsChildOf(scheduler, parent, yieldNow), Inactive);
    assertStringIncludes(error.message, "Cannot spawn: the scheduler is not active");
  });

  Deno.test(`spawnAsChildOf() throws Inactive once the parent has terminated (${name})`, () => {
    const result = run(function* () {
      const child = spawn(yieldNow);
      yield* child;
      const error = assertThrows(
        () => spawnAsChildOf(getScheduler(), child, yieldNow),
        Inactive,
      );
      assertStringIncludes(error.message, "the fiber has terminated");
    });
    valueOf(result);
  });

  Deno.test(`spawnAsChildOf() fails the parent when the guest fails, not the spawner (${name})`, () => {
    const error = new Error("guest");
    const result = run(function* () {
      const host = spawn(() => Event.never(), { propagateCancelToParent: false });
      yield* spawn(function* () {
        spawnAsChildOf(getScheduler(), host, function* () {
          throw error;
        });
      });
      return yield* host.join();
    });
    assertStrictEquals(errorOf(valueOf(result)), error);
  });
});

Deno.test("spawnAsChildOf() refuses a parent of another scheduler", () => {
  const result = run(function* () {
    const outer = Fiber.current();
    const inner = run(function* () {
      assertThrows(
        () => spawnAsChildOf(getScheduler(), outer, yieldNow),
        TypeError,
        "parent is a fiber of another scheduler",
      );
    });
    valueOf(inner);
  });
  valueOf(result);
});

// spawnFromAnywhere ------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`spawnFromAnywhere() spawns at the top, not in the scope of the caller (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const child = spawn(function* () {
        yield* scope(function* () {
          spawnFromAnywhere(getScheduler(), function* () {
            yield* sleep(50);
            log.push("top");
          });
        });
      });
      yield* child;
      log.push("caller ended");
    });
    valueOf(result);
    assertEquals(log, ["caller ended", "top"]);
  });

  Deno.test(`spawnFromAnywhere() is called from outside of any fiber (${name})`, () => {
    const loop = virtualLoop();
    let fiber: Fiber<string> | undefined;
    const result = run(function* () {
      const scheduler = getScheduler();
      loop.onTimer(5, { repeat: false }, () => {
        fiber = spawnFromAnywhere(scheduler, function* () {
          return Fiber.current().name;
        }, { name: "visitor" });
      });
      yield* sleep(10);
      return fiber?.poll();
    }, { loop });
    assertEquals(valueOf(result), { ok: true, value: "visitor" });
  });

  Deno.test(`spawnFromAnywhere() throws Inactive once the root has ended (${name})`, () => {
    let scheduler!: Scheduler;
    const result = run(function* () {
      scheduler = getScheduler();
      assert(scheduler.active);
    });
    valueOf(result);
    assertEquals(scheduler.active, false);
    assertThrows(() => spawnFromAnywhere(scheduler, yieldNow), Inactive, "not active");
  });

  Deno.test(`spawnFromAnywhere() fails the root when it fails (${name})`, () => {
    const error = new Error("top");
    const result = run(function* () {
      spawnFromAnywhere(getScheduler(), function* () {
        throw error;
      });
      yield* Event.never();
    });
    assertStrictEquals(errorOf(result), error);
  });
});
