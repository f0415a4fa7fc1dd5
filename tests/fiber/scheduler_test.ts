import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Event,
  Fiber,
  FinallyRaised,
  getScheduler,
  Inactive,
  run,
  scheduleMicroTask,
  type Scheduler,
  scope,
  sleep,
  spawn,
  spawnFromAnywhere,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

// Scheduler --------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`getScheduler() is the same for all fibers of a scheduler (${name})`, () => {
    const result = run(function* () {
      const mine = getScheduler();
      const its = yield* spawn(function* () {
        yield* yieldNow();
        return getScheduler();
      });
      assertStrictEquals(its, mine);
    });
    valueOf(result);
  });

  Deno.test(`Scheduler.active is true until its root has terminated (${name})`, () => {
    const seen: boolean[] = [];
    let scheduler!: Scheduler;
    const result = run(function* () {
      scheduler = getScheduler();
      seen.push(scheduler.active);
      spawn(function* () {
        yield* sleep(5);
        seen.push(scheduler.active);
      });
    });
    valueOf(result);
    assertEquals([...seen, scheduler.active], [true, true, false]);
  });

  Deno.test(`Scheduler.taskCount counts the steps of its fibers (${name})`, () => {
    let scheduler!: Scheduler;
    const result = run(function* () {
      scheduler = getScheduler();
      const before = scheduler.taskCount;
      for (let n = 0; n < 10; n++) yield* yieldNow();
      return scheduler.taskCount - before;
    });
    assertEquals(valueOf(result), 10);
    assertEquals(scheduler.taskCount, 11);
  });

  Deno.test(`Scheduler.dispose() aborts everything, and nothing can be spawned from outside (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const scheduler = getScheduler();
      spawn(function* () {
        log.push("started");
        try {
          yield* Event.never();
        } finally {
          log.push("child gone");
        }
      });
      while (log.length === 0) yield* yieldNow();
      scheduler.dispose();
      scheduler.dispose();
      assertEquals(scheduler.active, false);
      assertThrows(() => spawnFromAnywhere(scheduler, yieldNow), Inactive, "not active");
      try {
        yield* Event.never();
      } finally {
        log.push("body");
      }
    });
    const reason = reasonOf(result);
    assertInstanceOf(reason, Inactive);
    assertEquals(log.toSorted(), ["body", "child gone", "started"]);
  });

  Deno.test(`Scheduler.dispose() after the end does nothing (${name})`, () => {
    let scheduler!: Scheduler;
    const result = run(function* () {
      scheduler = getScheduler();
      return "value";
    });
    scheduler.dispose();
    assertEquals(valueOf(result), "value");
  });
});

// scheduleMicroTask ------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`scheduleMicroTask() runs right after the current step, before any other fiber (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      for (const name of ["a", "b", "c"]) {
        spawn(function* () {
          scheduleMicroTask(() => log.push(`task of ${name}`));
          log.push(name);
          yield* yieldNow();
        });
      }
      log.push("body");
    });
    valueOf(result);
    assertEquals(log.length, 7);
    for (const name of ["a", "b", "c"]) {
      assertEquals(log.indexOf(`task of ${name}`), log.indexOf(name) + 1);
    }
  });

  Deno.test(`scheduleMicroTask() runs tasks in order, and those that they schedule after them (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      scheduleMicroTask(() => {
        log.push("first");
        scheduleMicroTask(() => log.push("scheduled by the first"));
      });
      scheduleMicroTask(() => log.push("second"));
      assertEquals(log, []);
      yield* yieldNow();
      log.push("next step");
    });
    valueOf(result);
    assertEquals(log, ["first", "second", "scheduled by the first", "next step"]);
  });

  Deno.test(`scheduleMicroTask() of the last step still runs (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      scheduleMicroTask(() => log.push("task"));
    });
    valueOf(result);
    assertEquals(log, ["task"]);
  });

  Deno.test(`scheduleMicroTask(): a task runs in no fiber, but knows its scheduler (${name})`, () => {
    let inTask: unknown;
    let scheduler: unknown;
    const result = run(function* () {
      scheduleMicroTask(() => {
        inTask = assertThrows(() => spawn(yieldNow), Inactive) && getScheduler();
      });
      scheduler = getScheduler();
      yield* yieldNow();
    });
    valueOf(result);
    assertStrictEquals(inTask, scheduler);
  });

  Deno.test(`scheduleMicroTask(): what a task throws is reported, and the others run (${name})`, () => {
    const error = new Error("task");
    let ran = false;
    const uncaught = uncaughtDuring(() => {
      const result = run(function* () {
        scheduleMicroTask(() => {
          throw error;
        });
        scheduleMicroTask(() => void (ran = true));
      });
      valueOf(result);
    });
    assertEquals(uncaught, [error]);
    assert(ran);
  });

  Deno.test(`getScheduler() after a microtask is outside of any scheduler again (${name})`, () => {
    const result = run(function* () {
      scheduleMicroTask(() => {});
      yield* yieldNow();
    });
    valueOf(result);
    assertThrows(() => getScheduler(), Inactive);
  });

  Deno.test(`getScheduler() in a run within a microtask is that run's own (${name})`, () => {
    let inner: Scheduler | undefined;
    const result = run(function* () {
      scheduleMicroTask(() => void (inner = valueOf(nested())));
      yield* yieldNow();
      assertNotStrictEquals(inner, getScheduler());
    });
    valueOf(result);
    assert(inner !== undefined);
  });
});

function nested() {
  return run(function* () {
    return getScheduler();
  });
}

// run --------------------------------------------------------------------------------------------

Deno.test("run() returns how the body ended, and never throws what it throws", () => {
  const error = new Error("body");
  assertEquals(run(() => Event.always(1)), { ok: true, value: 1 });
  assertStrictEquals(
    errorOf(run(function* () {
      throw error;
    })),
    error,
  );
  assertStrictEquals(
    errorOf(run(() => {
      throw error; // before there is a generator
    })),
    error,
  );
  assertEquals(
    reasonOf(run(function* () {
      yield* Fiber.current().abort("self");
    })),
    "self",
  );
});

Deno.test("run() names its first fiber", () => {
  const result = run(function* () {
    return Fiber.current().name;
  });
  assertEquals(valueOf(result), "run");
});

Deno.test("run() within a fiber blocks it, and both have their own current fiber", () => {
  const result = run(function* () {
    const outer = Fiber.current();
    let ticks = 0;
    spawn(function* () {
      for (;;) {
        yield* yieldNow();
        ticks++;
      }
    });
    yield* yieldNow();
    const before = ticks;
    const inner = valueOf(run(function* () {
      yield* spawn(yieldNow);
      for (let n = 0; n < 10; n++) yield* yieldNow();
      return Fiber.current();
    }));
    assertNotStrictEquals(inner, outer);
    assertStrictEquals(Fiber.current(), outer);
    assertEquals(ticks, before); // blocked, and its siblings with it
    yield* outer.abort();
  });
  assert(!result.ok);
});

Deno.test("run() within a fiber that is aborted meanwhile: the abort shows at its next suspension", () => {
  const result = run(function* () {
    const fiber: Fiber<string> = spawn(function* () {
      valueOf(run(function* () {
        fiber.abort("from within");
        yield* yieldNow(); // this run has nothing to do with it
      }));
      assertEquals(fiber.state, "aborting");
      yield* yieldNow();
      return "not reached";
    });
    return yield* fiber.join();
  });
  assertEquals(reasonOf(valueOf(result)), "from within");
});

Deno.test("run() finally is called exactly once, before run returns, however the body ends", () => {
  const bodies = [
    () => Event.always(1),
    () => Event.never(),
    function* () {
      throw new Error("body");
    },
  ];
  for (const body of bodies) {
    let called = 0;
    run(body, { finally: () => called++ });
    assertEquals(called, 1);
  }
});

Deno.test("FinallyRaised: what the finally of run() throws is trapped, and the result stands", () => {
  const raised = new Error("finally");
  const uncaught = uncaughtDuring(() => {
    const result = run(() => Event.always("value"), {
      finally: () => {
        throw raised;
      },
    });
    assertEquals(valueOf(result), "value");
  });
  assertEquals(uncaught.length, 1);
  assertInstanceOf(uncaught[0], FinallyRaised);
  assertStrictEquals(uncaught[0].cause, raised);
});

Deno.test("run() with a loop fires its timers also while fibers keep yielding", () => {
  const loop = virtualLoop();
  let fired = false;
  loop.onTimer(0, { repeat: false }, () => void (fired = true));
  const result = run(function* () {
    let turns = 0;
    while (!fired) {
      yield* yieldNow();
      turns++;
    }
    return turns;
  }, { loop });
  assert(valueOf(result) < 1000);
});

Deno.test("run() ends with its body and its spawns, though the loop has timers left", () => {
  const loop = virtualLoop();
  loop.onTimer(1e9, { repeat: false }, () => {});
  assertEquals(valueOf(run(() => sleep(5), { loop })), undefined);
  assertEquals(loop.now(), 5);
});

Deno.test("yieldNow() goes to the end of the ready queue", () => {
  const log: string[] = [];
  const result = run(function* () {
    spawn(function* () {
      log.push("spawned first");
    });
    yield* yieldNow();
    log.push("then the yielder");
    yield* scope(function* () {
      spawn(function* () {
        log.push("spawned in a scope");
      });
      log.push("its body");
    });
  });
  valueOf(result);
  assertEquals(log, ["spawned first", "then the yielder", "its body", "spawned in a scope"]);
});
