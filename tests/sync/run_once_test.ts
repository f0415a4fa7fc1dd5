/**
 * `Lazy` and `Once`: one at a time runs the body, and the turn is never lost, however a run or a wait
 * for it ends, and to whoever it belongs.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  all,
  type Awaitable,
  cancelScope,
  Channel,
  Deadlock,
  Fiber,
  FiberAborted,
  main,
  type Operation,
  protect,
  run,
  selfAbort,
  sleep,
  spawn,
  Timeout,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { Latch, Lazy, Once } from "@weft/weft/sync";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { withShare } from "../kit/share.ts";
import { hostTurn, uncaughtSoon } from "../kit/uncaught.ts";
import { errorOf as thrownBy, settle, virtually, waiting } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

/** What a test sees of either. */
interface Subject {
  readonly operation: () => Awaitable<unknown>;
  /** How many runs have begun. */
  readonly runs: () => number;
  readonly isSettled: () => boolean;
  readonly isRunning: () => boolean;
  readonly waiting: () => number;
}

type Body = (run: number) => Operation<unknown>;

/** Both, with a body that is told how many times it has been run. */
const kinds: Record<string, (body: Body) => Subject> = {
  "Lazy.force()"(body) {
    let runs = 0;
    const lazy = new Lazy(() => body(++runs), { name: "it" });
    return {
      operation: () => lazy.force(),
      runs: () => runs,
      isSettled: () => lazy.statistics().isSettled,
      isRunning: () => lazy.statistics().isRunning,
      waiting: () => lazy.statistics().waiting,
    };
  },
  "Once.do()"(body) {
    let runs = 0;
    const once = new Once({ name: "it" });
    return {
      operation: () => once.do(() => body(++runs) as Operation<void>),
      runs: () => runs,
      isSettled: () => once.isDone,
      isRunning: () => once.statistics().isRunning,
      waiting: () => once.statistics().waiting,
    };
  },
};

function assertIdle(subject: Subject, isSettled: boolean): void {
  assertEquals([subject.waiting(), subject.isRunning()], [0, false]);
  assertEquals(subject.isSettled(), isSettled);
}

function* turns(n: number): Operation<void> {
  for (let turn = 0; turn < n; turn++) yield* yieldNow();
}

forEachScheduler((scheduler, run) => {
  for (const [name, make] of Object.entries(kinds)) {
    Deno.test(`${name} runs its body once for all, who wait until it is done (${scheduler})`, () => {
      for (const share of [1, 100]) {
        let isDone = false;
        const subject = make(function* () {
          yield* turns(3);
          isDone = true;
        });
        let seen = 0;
        const result = withShare(share, () =>
          run(function* () {
            for (let n = 0; n < 5; n++) {
              spawn(function* () {
                yield* subject.operation();
                assert(isDone);
                seen++;
              });
            }
            yield* subject.operation();
            assert(isDone);
          }));
        valueOf(result);
        assertEquals([subject.runs(), seen], [1, 5]);
        assertIdle(subject, true);
      }
    });

    Deno.test(`law 4: ${name} aborted in the middle is left to the next in line (${scheduler})`, () => {
      for (const share of [1, 100]) {
        const subject = make(function* (run) {
          if (run < 3) yield* new Channel().receive();
          yield* yieldNow();
        });
        const outcomes = withShare(share, () =>
          run(function* () {
            const fibers: Fiber<unknown>[] = [];
            for (let n = 0; n < 4; n++) {
              fibers.push(yield* waiting(subject.operation()));
              while (n === 0 ? !subject.isRunning() : subject.waiting() < n) yield* yieldNow();
            }
            fibers[0]!.abort("enough");
            while (subject.runs() < 2) yield* yieldNow();
            fibers[1]!.abort("enough");
            const outcomes = [];
            for (const fiber of fibers) outcomes.push((yield* fiber.join()).ok);
            return outcomes;
          }));
        assertEquals(valueOf(outcomes), [false, false, true, true]);
        assertEquals(subject.runs(), 3);
        assertIdle(subject, true);
      }
    });

    Deno.test(`law 4: ${name} keeps its turn going when who has it, or waits for it, is aborted at any point (${scheduler})`, () => {
      for (const share of [1, 2, 100]) {
        for (let first = 0; first < 8; first++) {
          for (let second = first; second < first + 3; second++) {
            const subject = make(() => turns(3));
            const result = withShare(share, () =>
              run(function* () {
                const a = yield* waiting(subject.operation());
                const b = yield* waiting(subject.operation());
                const c = yield* waiting(subject.operation());
                yield* turns(first);
                a.abort();
                yield* turns(second - first);
                b.abort();
                yield* c;
                yield* a.join();
                yield* b.join();
              }));
            valueOf(result);
            assertIdle(subject, true);
          }
        }
      }
    });
  }
});

for (const [name, make] of Object.entries(kinds)) {
  Deno.test(`law 4: ${name} aborted in the instant in which it has the turn passes it on`, () => {
    const subject = make((run) => run === 1 ? new Channel().receive() : turns(1));
    virtually(function* () {
      const [a, b, c] = [
        yield* waiting(subject.operation()),
        yield* waiting(subject.operation()),
        yield* waiting(subject.operation()),
      ];
      a.abort();
      while (subject.waiting() > 1) yield* yieldNow(); // b has been told, and hasn't run
      b.abort("meanwhile");
      assertEquals(reasonOf(yield* b.join()), "meanwhile");
      yield* c;
    });
    assertEquals(subject.runs(), 2);
    assertIdle(subject, true);
  });

  Deno.test(`${name}: if nobody waits when it is aborted, the next one runs it`, () => {
    const subject = make((run) => run === 1 ? new Channel().receive() : turns(1));
    virtually(function* () {
      const fiber = yield* waiting(subject.operation());
      yield* settle();
      assert(subject.isRunning());
      fiber.abort();
      assertEquals((yield* fiber.join()).ok, false);
      assertIdle(subject, false);
      yield* subject.operation();
    });
    assertEquals(subject.runs(), 2);
    assertIdle(subject, true);
  });

  Deno.test(`law 2: a Timeout around ${name} is no failure of its body`, () => {
    const subject = make((run) => run === 1 ? sleep(60_000) : turns(1));
    virtually(function* () {
      const hasty = spawn(() => withTimeout(10, () => subject.operation()), {
        propagateCancelToParent: false,
      });
      yield* settle();
      const patient = yield* waiting(subject.operation());
      assertInstanceOf(errorOf(yield* hasty.join()), Timeout);
      yield* patient;
    });
    assertEquals(subject.runs(), 2);
    assertIdle(subject, true);
  });

  Deno.test(`law 3: a body of ${name} that swallows its abort, or makes another error of it, has not come to its end`, () => {
    for (const makes of ["a value", "an error"]) {
      const subject = make(function* (run) {
        try {
          if (run === 1) yield* new Channel().receive();
        } catch (cause) {
          if (makes === "an error") throw new Error("cannot load", { cause });
        }
      });
      virtually(function* () {
        const fiber = yield* waiting(subject.operation());
        const next = yield* waiting(subject.operation());
        fiber.abort();
        yield* next;
        assertEquals((yield* fiber.join()).ok, false);
      });
      assertEquals(subject.runs(), 2);
      assertIdle(subject, true);
    }
  });

  Deno.test(`law 3: an abort that comes after the body of ${name} has returned came too late`, () => {
    let fiber: Fiber<unknown>;
    const subject = make(function* () {
      fiber.abort();
    });
    virtually(function* () {
      fiber = spawn(() => subject.operation());
      yield* settle();
    });
    assertEquals(subject.runs(), 1);
    assertIdle(subject, true);
  });

  Deno.test(`law 1: what the body of ${name} spawned is over before it is done`, () => {
    let isOver = false;
    const subject = make(function* () {
      spawn(function* () {
        yield* turns(5);
        isOver = true;
      });
    });
    virtually(function* () {
      yield* subject.operation();
      assert(isOver);
    });
  });

  Deno.test(`${name} that is dropped by return() in the middle is left to the next in line`, () => {
    const subject = make((run) => run === 1 ? new Channel().receive() : turns(1));
    virtually(function* () {
      const next = spawn(() => subject.operation());
      const byHand = subject.operation()[Symbol.iterator]();
      byHand.next();
      assertEquals(subject.runs(), 1);
      yield* yieldNow();
      assertEquals(subject.waiting(), 1);
      byHand.return?.();
      yield* next;
    });
    assertEquals(subject.runs(), 2);
    assertIdle(subject, true);
  });

  Deno.test(`law 13: ${name} within its own body is an error that says so, and not a wait for ever`, () => {
    let message = "";
    const subject: Subject = make(function* () {
      message = ((yield* thrownBy(subject.operation())) as Error).message;
    });
    virtually(() => subject.operation());
    assertStringIncludes(message, "it is running in this very fiber");
    assertStringIncludes(message, '"it"');
    assertIdle(subject, true);
  });

  Deno.test(`law 5: a body of ${name} that aborts itself aborts who runs it, and the next one runs it`, () => {
    const subject = make((run) => run === 1 ? selfAbort("itself") : turns(1));
    virtually(function* () {
      const fiber = yield* waiting(subject.operation());
      assertEquals(reasonOf(yield* fiber.join()), "itself");
      yield* subject.operation();
    });
    assertIdle(subject, true);
  });

  Deno.test(`${name} goes on inside protect(), in a fiber that is aborted`, () => {
    const subject = make(() => turns(2));
    virtually(function* () {
      const fiber = spawn(() => protect(() => subject.operation()));
      yield* turns(2);
      fiber.abort();
      yield* fiber.join();
    });
    assertEquals(subject.runs(), 1);
    assertIdle(subject, true);
  });

  Deno.test(`law 3: ${name} in a fiber that is aborted throws Abort and runs nothing, also when it is done`, () => {
    for (const isDone of [false, true]) {
      const subject = make(() => turns(0));
      virtually(function* () {
        if (isDone) yield* subject.operation();
        let thrown: unknown;
        const fiber = spawn(function* () {
          Fiber.current().abort();
          thrown = yield* thrownBy(subject.operation());
        });
        yield* fiber.join();
        assertInstanceOf(thrown, Abort);
      });
      assertEquals(subject.runs(), isDone ? 1 : 0);
      assertIdle(subject, isDone);
    }
  });

  Deno.test(`law 9: 20,000 cancelled waits for ${name}, and as many cancelled runs, leave none`, () => {
    const subject = make((run) => run <= 20_000 ? new Channel().receive() : turns(0));
    virtually(function* () {
      yield* cancelScope(function* (context) {
        for (let n = 0; n < 20_001; n++) spawn(() => subject.operation());
        yield* yieldNow();
        assertEquals([subject.runs(), subject.waiting()], [1, 20_000]);
        context.cancel();
      });
      assertIdle(subject, false);
      for (let n = subject.runs(); n < 20_000; n++) {
        const fiber = yield* waiting(subject.operation());
        fiber.abort();
      }
      yield* subject.operation();
    });
    assertIdle(subject, true);
  });

  Deno.test(`law 11: a Deadlock tells that a fiber waits for ${name}, and who runs it`, () => {
    const subject = make(() => new Channel({ name: "never" }).receive());
    const deadlock = errorOf(run(function* () {
      spawn(() => subject.operation(), { name: "first" });
      spawn(() => subject.operation(), { name: "second" });
      yield* yieldNow();
      yield* subject.operation();
    }));
    assertInstanceOf(deadlock, Deadlock);
    assertEquals(/second .*"it", run by first \(#/.test(deadlock.message), true, deadlock.message);
    assertIdle(subject, false);
  });

  Deno.test(`world 3: ${name} works in a thread that blocks`, () => {
    const subject = make(() => sleep(1));
    valueOf(run(() => all([subject.operation, subject.operation]), { loop: blockingLoop() }));
    assertEquals(subject.runs(), 1);
    assertIdle(subject, true);
  });

  Deno.test(`world 2: ${name} that is awaited runs its body in a main of its own, once for all`, async () => {
    const subject = make(() => turns(3));
    await Promise.all([subject.operation(), subject.operation(), main(() => subject.operation())]);
    await subject.operation();
    assertEquals(subject.runs(), 1);
    assertIdle(subject, true);
  });

  for (
    const options of [{}, { resumesAtOnce: true }, { earlyWakeups: 3 }, {
      sharesTrigger: "by task",
    }] as const
  ) {
    const how = JSON.stringify(options);

    Deno.test(`world 5: a task of a scheduler that is ${how}, an async function and a fiber share ${name}`, async () => {
      for (const first of ["task", "async function", "fiber"]) {
        const subject = make(() => turns(3));
        const toy = new ToyScheduler(options);
        const task = toy.spawn(function* () {
          yield* subject.operation();
          yield* subject.operation();
        });
        const waits: Record<string, () => unknown> = {
          "task": () => toy.run(20),
          "async function": () => subject.operation().then(() => {}),
          "fiber": () => main(() => subject.operation()),
        };
        await toy.during(async () => {
          await Promise.all([waits[first]!(), ...Object.values(waits).map((wait) => wait())]);
          await until(() => (toy.run(20), task.state === "returned"));
        });
        if (task.state === "failed") throw task.error;
        assertEquals([task.state, subject.runs()], ["returned", 1]);
        assertIdle(subject, true);
      }
    });
  }

  for (const style of CANCEL_STYLES) {
    Deno.test(`law 4 in world 5, cancelled by ${style}: ${name} is left to the next in line, and cleans up`, async () => {
      for (const resumesAtOnce of [false, true]) {
        for (const begins of [false, true]) {
          const log: string[] = [];
          let ends = false;
          const subject = make(function* () {
            if (ends) return;
            try {
              yield* new Channel().receive();
            } finally {
              log.push("clean");
            }
          });
          const toy = new ToyScheduler({ resumesAtOnce });
          const task = toy.spawn(() => subject.operation());
          toy.run();
          if (begins) await until(() => subject.runs() === 1);
          const next = toy.spawn(() => subject.operation());
          toy.run();
          assertEquals([task.state, subject.waiting()], ["suspended", 1]);
          ends = true;
          toy.cancel(task, style);
          assertEquals(task.state, "cancelled");
          await toy.during(() => until(() => (toy.run(), next.state === "returned")));
          assertEquals(log, begins ? ["clean"] : []);
          assertIdle(subject, true);
        }
      }
    });

    Deno.test(`law 4 in world 5, cancelled by ${style}: a task that waits for ${name}, or was given the turn, is gone`, async () => {
      for (const granted of [false, true]) {
        const gate = new Latch(1);
        const subject = make((run) => run === 1 ? new Channel().receive() : gate.wait());
        const toy = new ToyScheduler();
        await main(function* () {
          const runs = yield* waiting(subject.operation());
          const task = toy.spawn(() => subject.operation());
          toy.run();
          const next = yield* waiting(subject.operation());
          assertEquals(subject.waiting(), 2);
          if (granted) {
            runs.abort();
            yield* runs.join();
            assertEquals(task.state, "ready");
          }
          toy.cancel(task, style);
          if (!granted) runs.abort();
          gate.countDown();
          yield* next;
          assert(["cancelled", "suspended"].includes(task.state));
        });
        toy.run();
        assertIdle(subject, true);
      }
    });
  }

  for (const count of [1, 2, 3]) {
    Deno.test(`law 8: ${name} keeps no turn if the scheduler of its task throws at trigger ${count}`, async () => {
      const subject = make(() => turns(1));
      const toy = new ToyScheduler({
        earlyWakeups: 1,
        onPrepare(n) {
          if (n === count) throw new Error("not now");
        },
      });
      const task = toy.spawn(() => subject.operation());
      toy.run();
      assertEquals(task.state, "failed");
      await subject.operation();
      assertIdle(subject, true);
    });
  }

  Deno.test(`law 13: what a body of ${name} throws after its task was cancelled is reported`, async () => {
    const boom = new Error("boom");
    const subject = make(function* () {
      try {
        yield* new Channel().receive();
      } catch {
        throw boom;
      }
    });
    const errors = await uncaughtSoon(async () => {
      const toy = new ToyScheduler();
      const task = toy.spawn(() => subject.operation());
      toy.run();
      await until(() => subject.runs() === 1);
      toy.cancel(task, "drop");
    });
    assertEquals(errors, [boom]);
    assertIdle(subject, false);
  });
}

/** Gives the host its turns until it holds. */
async function until(holds: () => boolean): Promise<void> {
  for (let turn = 0; turn < 100; turn++) {
    if (holds()) return;
    await hostTurn();
  }
  throw new Error("it never came about");
}

// Lazy -------------------------------------------------------------------------------------------

Deno.test("Lazy gives everybody the same value, and the same failure", async () => {
  const boom = new Error("boom");
  let runs = 0;
  const good = new Lazy(function* () {
    yield* yieldNow();
    return { runs: ++runs };
  });
  const bad = new Lazy(function* (): Operation<never> {
    runs++;
    yield* yieldNow();
    throw boom;
  });
  virtually(function* () {
    assertEquals([good.poll(), bad.poll()], [undefined, undefined]);
    const cold = good.force();
    const [a, b] = yield* all([() => good.force(), () => good.force()]);
    assertStrictEquals(a, b);
    assertStrictEquals(yield* good.force(), a);
    assertStrictEquals(yield* cold, a);
    assertEquals(good.poll(), { ok: true, value: a });
    const fibers = [yield* waiting(bad.force()), yield* waiting(bad.force())];
    for (const fiber of fibers) assertStrictEquals(errorOf(yield* fiber.join()), boom);
    assertStrictEquals(yield* thrownBy(bad.force()), boom);
    assertEquals(bad.poll(), { ok: false, error: boom });
  });
  assertEquals(await good.force(), { runs: 1 });
  assertStrictEquals(await assertRejects(async () => void await bad.force()), boom);
  const toy = new ToyScheduler();
  assertEquals(toy.runTask(() => good.force()), { runs: 1 });
  assertStrictEquals(assertThrows(() => toy.runTask(() => bad.force())), boom);
  assertEquals(runs, 2);
  assertEquals(good.statistics(), { isSettled: true, isRunning: false, waiting: 0 });
  assertEquals(bad.statistics(), { isSettled: true, isRunning: false, waiting: 0 });
});

Deno.test("law 5: a FiberAborted, or a Timeout, of its thunk is a failure of a Lazy like any other", () => {
  const thunks: (() => Operation<unknown>)[] = [
    () => Fiber.aborted(),
    () => withTimeout(5, () => sleep(60_000)),
  ];
  for (const [n, thunk] of thunks.entries()) {
    const lazy = new Lazy(thunk);
    virtually(function* () {
      const error = yield* thrownBy(lazy.force());
      assertInstanceOf(error, [FiberAborted, Timeout][n]!);
      assertStrictEquals(yield* thrownBy(lazy.force()), error);
    });
  }
});

Deno.test("a Lazy whose thunk throws at the call, or returns no operation, has failed", () => {
  const boom = new Error("boom");
  const thrown = new Lazy(() => {
    throw boom;
  });
  const plain = new Lazy((() => 5) as never);
  virtually(function* () {
    assertStrictEquals(yield* thrownBy(thrown.force()), boom);
    assertStrictEquals(yield* thrownBy(thrown.force()), boom);
    assertInstanceOf(yield* thrownBy(plain.force()), TypeError);
  });
});

Deno.test("Lazy values may need each other, as long as none needs itself", () => {
  const a: Lazy<number> = new Lazy(function* () {
    return 1 + (yield* b.force());
  });
  const b: Lazy<number> = new Lazy(function* () {
    yield* yieldNow();
    return 1;
  });
  assertEquals(virtually(() => a.force()), 2);
  const chicken: Lazy<number> = new Lazy(() => egg.force(), { name: "chicken" });
  const egg: Lazy<number> = new Lazy(() => chicken.force());
  const error = errorOf(run(() => chicken.force())) as Error;
  assertEquals(
    error.message,
    'Cannot force the lazy value "chicken": it is running in this very fiber',
  );
});

Deno.test("Lazy is settled at once: its force needs no turn", () => {
  const lazy = new Lazy(() => turns(0));
  virtually(function* () {
    yield* lazy.force();
    let hadTurn = false;
    spawn(function* () {
      hadTurn = true;
    });
    yield* lazy.force();
    assertEquals(hadTurn, false);
  });
});

Deno.test("Lazy refuses thunks that are none, and options that are none", () => {
  assertThrows(() => new Lazy(5 as never), TypeError, "thunk must be a function");
  assertThrows(() => new Lazy((async () => {}) as never), TypeError, "fromPromise");
  assertThrows(() => new Lazy(yieldNow, { name: 1 as never }), TypeError, "name must be a string");
});

// Once -------------------------------------------------------------------------------------------

Deno.test("law 2: a body of Once.do() that fails is thrown at its caller, and the next one runs its own", async () => {
  const once = new Once();
  const boom = new Error("boom");
  const log: string[] = [];
  const gate = new Latch(1);
  const doing = (name: string, fails: boolean) =>
    once.do(function* () {
      log.push(name);
      yield* gate.wait();
      if (fails) throw boom;
    });
  virtually(function* () {
    const a = yield* waiting(doing("a", true));
    const b = yield* waiting(doing("b", true));
    const c = yield* waiting(doing("c", false));
    const d = yield* waiting(doing("d", true));
    assertEquals(once.statistics(), { isDone: false, isRunning: true, waiting: 3 });
    gate.countDown();
    assertStrictEquals(errorOf(yield* a.join()), boom);
    assertStrictEquals(errorOf(yield* b.join()), boom);
    assertEquals([yield* c, yield* d], [undefined, undefined]);
    assertEquals(yield* doing("e", true), undefined);
  });
  await doing("f", true);
  new ToyScheduler().runTask(() => doing("g", true));
  assertEquals([once.isDone, log], [true, ["a", "b", "c"]]);
  assertEquals(once.statistics(), { isDone: true, isRunning: false, waiting: 0 });
});

Deno.test("world 5: a task is told what its body of Once.do() throws, and the next one runs its own", async () => {
  const once = new Once();
  const boom = new Error("boom");
  const toy = new ToyScheduler();
  const failing = toy.spawn(() =>
    once.do(function* () {
      throw boom;
    })
  );
  const next = toy.spawn(() => once.do(() => turns(1)));
  await until(() => (toy.run(), next.state === "returned"));
  assertStrictEquals(failing.error, boom);
  assertEquals(once.isDone, true);
});

Deno.test("Once refuses bodies that are none, and options that are none", () => {
  const once = new Once();
  assertThrows(() => once.do(5 as never), TypeError, "body must be a function");
  assertThrows(() => once.do((async () => {}) as never), TypeError, "fromPromise");
  assertThrows(() => new Once({ name: 1 as never }), TypeError, "name must be a string");
  assertEquals(once.statistics(), { isDone: false, isRunning: false, waiting: 0 });
});
