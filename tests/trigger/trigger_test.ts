/** What domain-local-await says of `release`, `await` and `prepareForAwait`, and what law 8 adds. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  Deadlock,
  Fiber,
  Inactive,
  main,
  type Operation,
  prepareForAwait,
  protect,
  run as runNow,
  spawn,
  type Trigger,
  yieldNow,
} from "@weft/weft";
import * as room from "@weft/weft/trigger";
import { errorOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { hostTurn, uncaughtDuring } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";
import { settle, virtually } from "../kit/virtually.ts";
import { ToyScheduler } from "../world5/toy_scheduler.ts";

Deno.test("prepareForAwait() and using() are the same in @weft/weft and @weft/weft/trigger", () => {
  assertStrictEquals(room.prepareForAwait, prepareForAwait);
});

// Where triggers come from, and who awaits them --------------------------------------------------

/** A trigger, and a fiber that has begun to wait on it. */
interface Waiting {
  readonly trigger: Trigger;
  readonly fiber: Fiber<string>;
}

function* waitOn(trigger: Trigger, onCancel?: () => void): Operation<string> {
  yield* trigger.await(onCancel);
  return "released";
}

/** Prepared outside of any scheduler, for the fibers that come later. */
const outside: Trigger[] = [];

/** The two kinds that a fiber may meet: its own, and one from outside of any scheduler. */
const origins: [origin: string, prepare: () => Trigger][] = [
  ["a fiber's own trigger", () => prepareForAwait()],
  ["a trigger prepared outside", () => outside.pop()!],
];

for (const [origin, prepare] of origins) {
  /** A child that waits; its failure stays its own. */
  const waiting = function* (onCancel?: () => void): Operation<Waiting> {
    const trigger = prepare();
    const fiber = spawn(() => waitOn(trigger, onCancel), { propagateCancelToParent: false });
    yield* settle();
    return { trigger, fiber };
  };

  const each: typeof forEachScheduler = (define) =>
    forEachScheduler((name, run) =>
      define(`${origin}, ${name}`, (body) => {
        outside.splice(0, Infinity, ...Array.from({ length: 10 }, prepareForAwait));
        return run(body);
      })
    );

  // Release --------------------------------------------------------------------------------------

  each((where, run) => {
    Deno.test(`law 8: Trigger.release() resumes whoever awaits, and no sooner (${where})`, () => {
      const result = run(function* () {
        const { trigger, fiber } = yield* waiting();
        assertEquals(fiber.state, "running");
        trigger.release();
        assertEquals(fiber.poll(), undefined, "it isn't run within release");
        return yield* fiber;
      });
      assertEquals(valueOf(result), "released");
    });

    Deno.test(`law 8: Trigger.release() before await lets it return (${where})`, () => {
      const result = run(function* () {
        const trigger = prepare();
        trigger.release();
        return yield* waitOn(trigger);
      });
      assertEquals(valueOf(result), "released");
    });

    Deno.test(`law 8: Trigger.release() between await() and its yield* lets it return (${where})`, () => {
      const result = run(function* () {
        const trigger = prepare();
        const wait = trigger.await();
        trigger.release();
        yield* wait;
      });
      valueOf(result);
    });

    Deno.test(`law 8: Trigger.release() may come any number of times, detached, at any time (${where})`, () => {
      const result = run(function* () {
        const trigger = prepare();
        const { release } = trigger;
        assertStrictEquals(release, trigger.release, "one function, that a set can hold");
        assertEquals([release(), release()], [undefined, undefined]);
        yield* trigger.await();
        for (let n = 0; n < 3; n++) assertEquals(release(), undefined);

        const later = yield* waiting();
        later.trigger.release();
        later.trigger.release();
        assertEquals(yield* later.fiber, "released");
        later.trigger.release();
      });
      valueOf(result);
    });

    Deno.test(`law 8: Trigger.release() of a fiber that went on wakes it from no other wait (${where})`, () => {
      const log: string[] = [];
      const result = run(function* () {
        const trigger = prepare();
        const next = prepareForAwait();
        const fiber = spawn(function* () {
          yield* trigger.await();
          log.push("first");
          yield* next.await();
          log.push("second");
        });
        yield* settle();
        trigger.release();
        yield* settle();
        trigger.release();
        yield* settle();
        assertEquals(log, ["first"]);
        next.release();
        yield* fiber;
      });
      valueOf(result);
      assertEquals(log, ["first", "second"]);
    });
  });

  // Cancel ---------------------------------------------------------------------------------------

  each((where, run) => {
    Deno.test(`law 8: onCancel runs once, before Abort is thrown, if the wait is cancelled (${where})`, () => {
      const log: string[] = [];
      const result = run(function* () {
        const trigger = prepare();
        const fiber = spawn(function* () {
          try {
            yield* trigger.await(() => void log.push("onCancel"));
          } catch (error) {
            log.push("thrown");
            throw error;
          } finally {
            log.push("finally");
          }
        });
        yield* settle();
        fiber.abort("enough");
        assertEquals(log, ["onCancel"], "at the abort itself");
        fiber.abort("again");
        yield* fiber.join();
        assertEquals([trigger.release(), trigger.release()], [undefined, undefined]);
        yield* settle();
      });
      valueOf(result);
      assertEquals(log, ["onCancel", "thrown", "finally"]);
    });

    Deno.test(`law 8: every onCancel runs before any Abort is thrown, siblings in spawn order (${where})`, () => {
      const log: string[] = [];
      const result = run(function* () {
        const parent = spawn(function* () {
          for (const name of ["a", "b"]) {
            spawn(function* () {
              const trigger = prepareForAwait();
              try {
                yield* trigger.await(() => void log.push(`cancel ${name}`));
              } finally {
                log.push(`finally ${name}`);
              }
            });
          }
          yield* prepare().await(() => void log.push("cancel parent"));
        });
        yield* settle();
        yield* parent.abort();
      });
      valueOf(result);
      assertEquals(log.slice(0, 3), ["cancel a", "cancel b", "cancel parent"]);
      assertEquals(log.slice(3).sort(), ["finally a", "finally b"]);
    });

    Deno.test(`law 8: onCancel runs at once, once, if the fiber is already aborting (${where})`, () => {
      let cancels = 0;
      let thrown: unknown;
      const result = run(function* () {
        const trigger = prepare();
        const fiber: Fiber<unknown> = spawn(function* () {
          fiber.abort("early");
          assertEquals(cancels, 0);
          try {
            yield* trigger.await(() => void cancels++);
          } catch (error) {
            thrown = error;
            assertEquals(cancels, 1);
          }
          yield* yieldNow();
        });
        yield* fiber.join();
        trigger.release();
        yield* settle();
      });
      valueOf(result);
      assertInstanceOf(thrown, Abort);
      assertEquals(cancels, 1);
    });

    Deno.test(`law 3: a trigger that was released doesn't let an aborting fiber go on (${where})`, () => {
      let cancels = 0;
      const result = run(function* () {
        const trigger = prepare();
        trigger.release();
        const fiber: Fiber<unknown> = spawn(function* () {
          fiber.abort();
          return yield* waitOn(trigger, () => void cancels++);
        });
        const outcome = yield* fiber.join();
        assertEquals(outcome.ok, false);
      });
      valueOf(result);
      assertEquals(cancels, 1);
    });

    Deno.test(`law 4: released, then aborted: it returns, and onCancel doesn't run (${where})`, () => {
      let cancels = 0;
      const result = run(function* () {
        const { trigger, fiber } = yield* waiting(() => void cancels++);
        trigger.release();
        fiber.abort("too late");
        return yield* fiber;
      });
      assertEquals(valueOf(result), "released");
      assertEquals(cancels, 0);
    });

    Deno.test(`law 4: aborted, then released: it throws, and onCancel ran once (${where})`, () => {
      let cancels = 0;
      const result = run(function* () {
        const { trigger, fiber } = yield* waiting(() => void cancels++);
        fiber.abort();
        trigger.release();
        return yield* fiber.join();
      });
      assertEquals(valueOf(result).ok, false);
      assertEquals(cancels, 1);
    });

    Deno.test(`law 8: onCancel may release the trigger itself (${where})`, () => {
      let cancels = 0;
      const result = run(function* () {
        const { trigger, fiber } = yield* waiting(() => {
          cancels++;
          trigger.release();
        });
        yield* fiber.abort();
        return fiber.poll();
      });
      assertEquals(valueOf(result)?.ok, false);
      assertEquals(cancels, 1);
    });

    Deno.test(`law 8: onCancel doesn't run if the wait ends, or never begins (${where})`, () => {
      let cancels = 0;
      const cancel = () => void cancels++;
      const result = run(function* () {
        const { trigger, fiber } = yield* waiting(cancel);
        trigger.release();
        yield* fiber;
        const cold = spawn(function* () {
          prepareForAwait().await(cancel);
          yield* prepareForAwait().await();
        });
        yield* settle();
        yield* cold.abort();
      });
      valueOf(result);
      assertEquals(cancels, 0);
    });

    Deno.test(`protect() keeps a wait on a trigger from being cancelled (${where})`, () => {
      let cancels = 0;
      const result = run(function* () {
        const trigger = prepare();
        const fiber = spawn(() => protect(() => waitOn(trigger, () => void cancels++)));
        yield* settle();
        fiber.abort();
        yield* settle();
        assertEquals(fiber.state, "aborting");
        trigger.release();
        return yield* fiber;
      });
      assertEquals(valueOf(result), "released");
      assertEquals(cancels, 0);
    });

    Deno.test(`law 13: what onCancel throws is reported, and Abort is thrown all the same (${where})`, () => {
      const errors = uncaughtDuring(() => {
        const result = run(function* () {
          const { fiber } = yield* waiting(() => {
            throw new Error("it");
          });
          return yield* fiber.abort();
        });
        valueOf(result);
      });
      assertEquals(errors.map(String), ["Error: it"]);
    });

    Deno.test(`onCancel may not switch fibers: an attempt to is reported (${where})`, () => {
      const attempts: (() => unknown)[] = [
        () => prepareForAwait(),
        () => [...yieldNow()],
        () => runNow(() => yieldNow()),
        function* () {
          yield* yieldNow();
        },
      ];
      for (const attempt of attempts) {
        const errors = uncaughtDuring(() => {
          const result = run(function* () {
            const { fiber } = yield* waiting(attempt as () => void);
            return yield* fiber.abort();
          });
          valueOf(result);
        });
        assertEquals(errors.length, 1, `${attempt}`);
        assertStringIncludes(String(errors[0]), "Cannot", `${attempt}`);
      }
    });

    Deno.test(`law 11: a fiber that nobody releases is stuck, and its onCancel runs (${where})`, () => {
      let cancels = 0;
      const result = run(() => waitOn(prepare(), () => void cancels++));
      const error = errorOf(result);
      assertInstanceOf(error, Deadlock);
      assertEquals(error.fibers.length, 1);
      assertStringIncludes(error.message, "waits on a trigger");
      assertEquals(cancels, 1);
    });
  });

  // Once -----------------------------------------------------------------------------------------

  each((where, run) => {
    Deno.test(`Trigger.await() may be called once, then it is a TypeError (${where})`, () => {
      const result = run(function* () {
        const trigger = prepare();
        const first = trigger.await();
        assertThrows(() => trigger.await(), TypeError, "it was awaited already");
        trigger.release();
        yield* first;
        assertThrows(() => trigger.await(), TypeError, "prepare a new one for each wait");
      });
      valueOf(result);
    });

    Deno.test(`Trigger.await() returns an operation that can be used once (${where})`, () => {
      const result = run(function* () {
        const trigger = prepare();
        const wait = trigger.await();
        trigger.release();
        yield* wait;
        let thrown: unknown;
        try {
          yield* wait;
        } catch (error) {
          thrown = error;
        }
        assertInstanceOf(thrown, TypeError);
        assertStringIncludes(thrown.message, "used already");
      });
      valueOf(result);
    });

    Deno.test(`Trigger.await() of an onCancel that is no function is a TypeError, and no await (${where})`, () => {
      const result = run(function* () {
        const trigger = prepare();
        for (const bad of [null, 1, "f", {}]) {
          assertThrows(
            () => trigger.await(bad as never),
            TypeError,
            "Cannot await the trigger: onCancel must be a function",
          );
        }
        trigger.release();
        yield* trigger.await(undefined);
      });
      valueOf(result);
    });
  });
}

// Between fibers and promises --------------------------------------------------------------------

Deno.test("prepareForAwait() outside of any scheduler prepares a trigger of promises", async () => {
  const trigger = prepareForAwait();
  const log: string[] = [];
  const waiting = trigger.await().then(() => log.push("woken"));
  await hostTurn();
  assertEquals(log, []);
  assertEquals([trigger.release(), trigger.release()], [undefined, undefined]);
  assertEquals(log, [], "not within release");
  await waiting;
  assertEquals(log, ["woken"]);
  trigger.release();
});

Deno.test("Trigger.release() before await lets an async function go on at once", async () => {
  const trigger = prepareForAwait();
  const { release } = trigger;
  release();
  release();
  assertEquals(await trigger.await(), undefined);
  release();
});

Deno.test("Trigger.await() in an async function may be called once, and used once", async () => {
  const trigger = prepareForAwait();
  const wait = trigger.await(() => assert(false, "an await can't be cancelled"));
  assertThrows(() => trigger.await(), TypeError, "it was awaited already");
  const first = wait.then(() => "first");
  await assertRejects(async () => void await wait, TypeError, "used already");
  assertThrows(() => wait[Symbol.iterator](), TypeError, "used already");
  trigger.release();
  assertEquals(await first, "first", "and the second use did it no harm");
});

Deno.test("law 8: a primitive on triggers alone serves fibers and async functions, in order", async () => {
  const waiters: { name: string; release: () => void }[] = [];
  const log: string[] = [];
  const enter = (name: string) => {
    const trigger = prepareForAwait();
    waiters.push({ name, release: trigger.release });
    return trigger.await(() => assert(false, "nobody cancels"));
  };
  function* fiber(name: string): Operation<void> {
    yield* enter(name);
    log.push(name);
  }
  async function task(name: string): Promise<void> {
    await enter(name);
    log.push(name);
  }
  const outer = task("task 1");
  await room.using({
    prepareForAwait: () => assert(false, "await never consults a scheduler") as never,
    whileRunning: () => Promise.resolve(),
  });
  const fibers = main(function* () {
    spawn(() => fiber("fiber 1"));
    yield* fiber("fiber 2");
  });
  await hostTurn();
  const last = task("task 2");
  assertEquals(waiters.map(({ name }) => name), ["task 1", "fiber 2", "fiber 1", "task 2"]);
  for (const { release } of waiters) {
    release();
    await hostTurn();
  }
  await Promise.all([outer, fibers, last]);
  assertEquals(log, waiters.map(({ name }) => name));
});

Deno.test("law 8: a trigger that a fiber prepared can be awaited by an async function", async () => {
  const trigger = virtually(function* () {
    return [prepareForAwait()]; // in a list, so that nobody takes it for a wait
  })[0]!;
  const waiting = trigger.await(() => assert(false, "an await can't be cancelled"));
  const woken = (async () => await waiting)();
  trigger.release();
  assertEquals(await woken, undefined);
  trigger.release();
});

Deno.test("law 8: a trigger that one fiber prepared can be awaited by another, of another scheduler", () => {
  virtually(function* () {
    const trigger = prepareForAwait();
    assertEquals(runNow(() => waitOn(trigger)).ok, false, "stuck: its scheduler has nobody else");
    const next = prepareForAwait();
    next.release();
    assertEquals(runNow(() => waitOn(next)), { ok: true, value: "released" });
  });
});

Deno.test("prepareForAwait() in a fiber prepares a new trigger each time", () => {
  virtually(function* () {
    const [a, b] = [prepareForAwait(), prepareForAwait()];
    assertNotStrictEquals(a, b);
    a.release();
    const fiber = spawn(() => waitOn(b));
    yield* settle();
    assertEquals(fiber.poll(), undefined);
    b.release();
    yield* fiber;
  });
});

for (const [origin, prepare] of origins) {
  Deno.test(`law 8: Trigger.release() of ${origin} can be called from the host's turns and microtasks`, async () => {
    outside.splice(0, Infinity, prepareForAwait(), prepareForAwait());
    const log: string[] = [];
    await main(function* () {
      const [soon, later] = [prepare(), prepare()];
      queueMicrotask(() => {
        log.push("microtask");
        soon.release();
      });
      hostTurn().then(() => {
        log.push("turn");
        later.release();
      });
      yield* soon.await();
      log.push("woken");
      yield* later.await();
      log.push("woken");
    });
    assertEquals(log, ["microtask", "woken", "turn", "woken"]);
  });
}

// Without a scheduler ----------------------------------------------------------------------------

Deno.test("yield* on a trigger outside of any scheduler throws Inactive and says what to do", () => {
  const own = virtually(function* () {
    return [prepareForAwait()];
  })[0]!;
  for (const trigger of [prepareForAwait(), own]) {
    const error = assertThrows(() => [...waitOn(trigger)], Inactive);
    assertStringIncludes(error.message, "no scheduler runs here");
    assertStringIncludes(error.message, "or await it");
    assertThrows(() => trigger.await(), TypeError, "it was awaited already");
    trigger.release();
  }
});

Deno.test("law 8: Trigger.release() after its scheduler has ended does nothing", () => {
  const triggers: Trigger[] = [];
  const result = runNow(function* () {
    for (let n = 0; n < 3; n++) {
      spawn(function* () {
        const trigger = prepareForAwait();
        triggers.push(trigger);
        yield* trigger.await();
      });
    }
  }, { loop: virtualLoop() });
  assertInstanceOf(errorOf(result), Deadlock);
  assertEquals(triggers.map((trigger) => trigger.release()), [undefined, undefined, undefined]);
});

// Under somebody else's scheduler ----------------------------------------------------------------

Deno.test("law 8: a trigger prepared outside blocks a task as the task's scheduler does", () => {
  const trigger = prepareForAwait();
  const toy = new ToyScheduler();
  const task = toy.spawn(() => waitOn(trigger));
  toy.run();
  assertEquals([task.state, toy.prepared], ["suspended", 1]);
  trigger.release();
  toy.run();
  assertEquals(task.value, "released");
});

Deno.test("law 8: a task that is resumed within release is no code of the fiber that released it", () => {
  const trigger = prepareForAwait();
  const toy = new ToyScheduler({ resumesAtOnce: true });
  let seen: unknown;
  const task = toy.spawn(function* () {
    yield* waitOn(trigger);
    try {
      seen = Fiber.current();
    } catch (error) {
      seen = error;
    }
  });
  toy.run();
  virtually(function* () {
    const fiber = Fiber.current();
    trigger.release();
    assertStrictEquals(Fiber.current(), fiber);
  });
  assertEquals(task.state, "returned");
  assertInstanceOf(seen, Inactive);
});

for (const released of [false, true]) {
  const when = released ? "in the instant of its release" : "while it waits";
  for (const [origin, prepare] of origins) {
    Deno.test(`law 8: onCancel of ${origin} runs once if the task is cancelled ${when}`, () => {
      outside.push(prepareForAwait());
      const trigger = virtually(function* () {
        return [prepare()];
      })[0]!;
      const toy = new ToyScheduler();
      let cancels = 0;
      const task = toy.spawn(() => waitOn(trigger, () => void cancels++));
      toy.run();
      if (released) trigger.release();
      toy.cancel(task, "drop");
      assertEquals([task.state, cancels], ["cancelled", 1]);
      trigger.release();
      toy.run();
      assertEquals([task.state, cancels], ["cancelled", 1]);
    });
  }
}
