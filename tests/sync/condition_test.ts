/** `Condition`: that a wait holds the lock again however it ends, and that no notification is lost. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  Abort,
  cancelScope,
  Channel,
  Deadlock,
  Event,
  type Fiber,
  type Operation,
  protect,
  run,
  spawn,
  yieldNow,
} from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { Condition, type Guard, Mutex, PoisonedError, RwLock, Semaphore } from "@weft/weft/sync";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { withShare } from "../kit/share.ts";
import { settle, virtually } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

const free = { isLocked: false, waiting: 0 };

function make() {
  const mutex = new Mutex({ name: "it" });
  const condition = new Condition(mutex);
  /** Nobody holds anything, or waits. */
  const check = () => {
    assertEquals([mutex.statistics(), condition.statistics()], [free, { waiting: 0 }]);
  };
  return { mutex, condition, check };
}

/** A fiber that waits on it, and keeps its failure to itself. */
function waiter(
  { mutex, condition }: ReturnType<typeof make>,
  then: () => void = () => {},
): Fiber<void> {
  return spawn(function* () {
    using guard = yield* mutex.lock();
    try {
      yield* condition.wait(guard);
    } finally {
      assert(mutex.isLocked);
      then();
    }
  }, { propagateCancelToParent: false });
}

forEachScheduler((scheduler, run) => {
  Deno.test(`Condition: a bounded buffer loses and doubles nothing (${scheduler})`, () => {
    for (const share of [1, 100]) {
      const { mutex, condition: notFull, check } = make();
      const notEmpty = new Condition(mutex);
      const buffer: number[] = [];
      const received: number[] = [];
      const result = withShare(share, () =>
        run(function* () {
          for (const from of [0, 10, 20]) {
            spawn(function* () {
              for (let n = from; n < from + 10; n++) {
                using guard = yield* mutex.lock();
                while (buffer.length === 2) yield* notFull.wait(guard);
                buffer.push(n);
                notEmpty.notifyOne();
              }
            });
            spawn(function* () {
              for (let n = 0; n < 10; n++) {
                using guard = yield* mutex.lock();
                while (buffer.length === 0) yield* notEmpty.wait(guard);
                received.push(buffer.shift()!);
                notFull.notifyOne();
              }
            });
          }
        }));
      valueOf(result);
      assertEquals(received.toSorted((a, b) => a - b), Array.from({ length: 30 }, (_, n) => n));
      check();
    }
  });
});

Deno.test("law 7: Condition.notifyOne() notifies whoever has waited longest, notifyAll() all in order", () => {
  const made = make();
  const { condition, check } = made;
  const seen: number[] = [];
  virtually(function* () {
    for (let n = 0; n < 6; n++) waiter(made, () => seen.push(n));
    yield* settle();
    assertEquals(condition.statistics().waiting, 6);
    condition.notifyOne();
    condition.notifyOne();
    yield* settle();
    assertEquals(seen, [0, 1]);
    condition.notifyAll();
    condition.notifyAll();
  });
  assertEquals(seen, [0, 1, 2, 3, 4, 5]);
  check();
});

Deno.test("Condition: a notification that nobody waits for is gone", () => {
  const made = make();
  const { condition, check } = made;
  virtually(function* () {
    condition.notifyOne();
    condition.notifyAll();
    const fiber = waiter(made);
    yield* settle();
    assertEquals([fiber.state, condition.statistics()], ["running", { waiting: 1 }]);
    condition.notifyOne();
    yield* fiber;
  });
  check();
});

Deno.test("Condition.notifyAll() holds for those who wait now, not for those who come meanwhile", () => {
  const { mutex, condition, check } = make();
  const toy = new ToyScheduler({ resumesAtOnce: true });
  const rounds = [0, 0, 0];
  const tasks = rounds.map((_, n) =>
    toy.spawn(function* () {
      using guard = yield* mutex.lock();
      for (;;) {
        yield* condition.wait(guard);
        rounds[n]!++;
      }
    })
  );
  toy.run();
  for (const times of [1, 2, 3]) {
    toy.during(() => condition.notifyAll());
    assertEquals([rounds, condition.statistics().waiting], [[times, times, times], 3]);
  }
  for (const task of tasks) toy.cancel(task, "drop");
  check();
});

Deno.test("Condition.notifyAll(): a task that runs at once may cancel those who are to be notified", () => {
  const { mutex, condition, check } = make();
  const toy = new ToyScheduler({ resumesAtOnce: true });
  const seen: string[] = [];
  const wait = (name: string, then: () => void) =>
    toy.spawn(function* () {
      using guard = yield* mutex.lock();
      yield* condition.wait(guard);
      seen.push(name);
      then();
    });
  wait("first", () => toy.cancel(second, "drop"));
  const second = wait("second", () => {});
  wait("third", () => {});
  toy.run();
  toy.during(() => condition.notifyAll());
  assertEquals(seen, ["first", "third"]);
  check();
});

Deno.test("law 4: Condition.wait() that is aborted before, while and after it waits holds the lock again", () => {
  for (const share of [1, 100]) {
    for (let turns = 0; turns < 6; turns++) {
      for (const way of ["alone", "notified first", "notified later", "while others hold it"]) {
        const made = make();
        const { mutex, condition, check } = made;
        let heldAtTheEnd: boolean | undefined;
        const result = withShare(share, () =>
          virtually(function* () {
            const fiber = spawn(function* () {
              using guard = yield* mutex.lock();
              try {
                yield* condition.wait(guard);
                yield* yieldNow();
              } finally {
                heldAtTheEnd = mutex.isLocked;
                guard.release(); // throws unless this guard holds it
              }
            }, { propagateCancelToParent: false });
            for (let turn = 0; turn < turns; turn++) yield* yieldNow();
            const waited = condition.statistics().waiting === 1;
            const other = way === "while others hold it" ? mutex.tryLock() : undefined;
            if (way === "notified first") condition.notifyOne();
            fiber.abort("meanwhile");
            if (way === "notified later") condition.notifyOne();
            yield* settle();
            if (other !== undefined && waited) assertEquals(heldAtTheEnd, undefined);
            other?.release();
            return yield* fiber.join();
          }));
        assertEquals(reasonOf(result), "meanwhile");
        if (heldAtTheEnd !== undefined) assertEquals(heldAtTheEnd, true);
        check();
      }
    }
  }
});

Deno.test("law 4: an abort while it locks again comes too late for Condition.wait()", () => {
  const { mutex, condition, check } = make();
  let returned = false;
  virtually(function* () {
    const fiber = spawn(function* () {
      using guard = yield* mutex.lock();
      yield* condition.wait(guard);
      returned = true;
      yield* yieldNow();
    });
    yield* settle();
    const guard = yield* mutex.lock();
    condition.notifyOne();
    yield* settle();
    fiber.abort();
    yield* settle();
    assertEquals([returned, mutex.statistics()], [false, { isLocked: true, waiting: 1 }]);
    guard.release();
    yield* fiber.join();
  });
  assert(returned);
  check();
});

Deno.test("Condition.wait() refuses what is no guard of its mutex, and one that holds nothing", () => {
  const { mutex, condition, check } = make();
  for (const bad of [undefined, null, 1, "guard", {}, mutex, { release() {} }]) {
    assertThrows(() => condition.wait(bad as never), TypeError, 'guard must be one of mutex "it"');
  }
  const others = [new Mutex().tryLock()!, new Semaphore(1).tryAcquire()!, new RwLock().tryRead()!];
  for (const other of others) {
    assertThrows(() => condition.wait(other), Error, "the guard is of another lock");
    other.release();
  }
  const guard = mutex.tryLock()!;
  const cold = condition.wait(guard); // begins later, when it holds nothing any more
  guard.release();
  assertThrows(() => condition.wait(guard), Error, "was released already");
  const late = errorOf(run(() => cold));
  assertInstanceOf(late, Error);
  assertEquals(late.message.includes("was released already"), true);
  virtually(function* () {
    const owned = yield* mutex.lock();
    yield* spawn(function* () {
      assertThrows(() => condition.wait(owned), Error, 'fiber "run" holds it');
    });
    owned.release();
  });
  for (const bad of [undefined, null, {}, new Semaphore(1), guard]) {
    assertThrows(() => new Condition(bad as never), TypeError, "mutex must be a Mutex");
  }
  check();
});

Deno.test("Condition: of two waits with one guard the second fails, and takes nothing from the first", async () => {
  const { mutex, condition, check } = make();
  virtually(function* () {
    let first: Operation<void>;
    let second: Operation<void>;
    let returned = false;
    const holder = spawn(function* () {
      using guard = yield* mutex.lock();
      [first, second] = [condition.wait(guard), condition.wait(guard)];
      yield* first;
      guard.release(); // throws unless it holds it
      returned = true;
    });
    yield* settle();
    const other = spawn(() => second, { propagateCancelToParent: false });
    const error = errorOf(yield* other.join());
    assertInstanceOf(error, Error);
    assertEquals(error.message.includes("waits on a condition"), true);
    assertEquals([mutex.statistics(), condition.statistics()], [free, { waiting: 1 }]);
    condition.notifyOne();
    yield* holder;
    assert(returned);
  });
  check();
  const guard = await mutex.lock();
  const [first, second] = [condition.wait(guard), condition.wait(guard)];
  const waiting = first.then(() => guard.release());
  await assertRejects(() => Promise.resolve(second), Error, "waits on a condition");
  condition.notifyOne();
  await waiting;
  check();
});

Deno.test("Condition: who holds a guard that waits may not release it", () => {
  const { mutex, condition, check } = make();
  virtually(function* () {
    let guard: Guard | undefined;
    const fiber = spawn(function* () {
      guard = yield* mutex.lock();
      yield* condition.wait(guard);
      guard.release();
    });
    yield* settle();
    assertThrows(() => guard!.release(), Error, "this guard waits on a condition");
    assertThrows(() => guard![Symbol.dispose](), Error, "this guard waits on a condition");
    condition.notifyOne();
    yield* fiber;
  });
  check();
});

Deno.test("Condition: async functions, tasks, fibers and a blocking thread wait on one", async () => {
  for (const resumesAtOnce of [false, true]) {
    const made = make();
    const { mutex, condition, check } = made;
    const toy = new ToyScheduler({ resumesAtOnce, earlyWakeups: 3 });
    const seen: string[] = [];
    const awaited = (async () => {
      using guard = await mutex.lock();
      await condition.wait(guard);
      seen.push("async function");
    })();
    await new Promise((done) => setTimeout(done));
    const task = toy.spawn(function* () {
      using guard = yield* mutex.lock();
      yield* condition.wait(guard);
      seen.push("task");
    });
    toy.run(30);
    assertEquals([mutex.statistics(), condition.statistics()], [free, { waiting: 2 }]);
    const ended = toy.during(() =>
      run(function* () {
        waiter(made, () => seen.push("fiber"));
        yield* settle();
        condition.notifyOne();
        condition.notifyOne();
        condition.notifyOne();
        toy.run(30);
      }, { loop: blockingLoop() })
    );
    valueOf(ended);
    toy.run();
    await awaited;
    if (task.state === "failed") throw task.error;
    assertEquals(seen.toSorted(), ["async function", "fiber", "task"]);
    check();
  }
});

Deno.test("Condition.wait(), awaited, is used once, and fails with a guard that holds nothing", async () => {
  const { mutex, condition, check } = make();
  const guard = await mutex.lock();
  const once = condition.wait(guard);
  const waiting = once.then(() => "through");
  await assertRejects(() => Promise.resolve(once), TypeError, "one-shot");
  condition.notifyOne();
  assertEquals(await waiting, "through");
  const late = condition.wait(guard);
  guard.release();
  await assertRejects(() => Promise.resolve(late), Error, "was released already");
  check();
});

for (const style of CANCEL_STYLES) {
  for (const notified of [false, true]) {
    for (const held of [false, true]) {
      const when = `${notified ? "once it was notified" : "while it waits"}${
        held ? ", and another holds the lock" : ""
      }`;
      Deno.test(`world 5, cancelled by ${style} ${when}: Condition.wait() leaves nothing, and a notification goes on`, () => {
        for (const usesWithLock of [false, true]) {
          const { mutex, condition, check } = make();
          const toy = new ToyScheduler();
          const body = function* (guard: Guard) {
            try {
              yield* condition.wait(guard);
            } finally {
              guard.release(); // without effect, if it can't be had again
            }
          };
          const task = toy.spawn(function* () {
            if (usesWithLock) yield* mutex.withLock(body);
            else yield* body(yield* mutex.lock());
          });
          toy.run();
          let passedOn = false;
          const next = toy.spawn(function* () {
            using guard = yield* mutex.lock();
            yield* condition.wait(guard);
            passedOn = true;
          });
          toy.run();
          assertEquals(condition.statistics().waiting, 2);
          const guard = held ? mutex.tryLock()! : undefined;
          if (notified) condition.notifyOne();
          toy.cancel(task, style);
          toy.run();
          guard?.release();
          toy.run();
          // One that only throws says nothing of a cancellation: so the notification was its own.
          assertEquals(passedOn, notified && style !== "throw");
          if (!passedOn) condition.notifyOne();
          toy.run();
          assertEquals([next.state, passedOn], ["returned", true]);
          check();
        }
      });
    }
  }

  Deno.test(`world 5, cancelled by ${style} while another holds the lock: a loop around Condition.wait() ends`, () => {
    const { mutex, condition, check } = make();
    const toy = new ToyScheduler();
    let waits = 0;
    const task = toy.spawn(function* () {
      using guard = yield* mutex.lock();
      for (;;) {
        waits++;
        yield* condition.wait(guard);
      }
    });
    toy.run();
    const guard = mutex.tryLock()!;
    toy.cancel(task, style);
    guard.release();
    toy.run();
    assertEquals(waits, 1, "it was cancelled, and not notified");
    check();
  });

  Deno.test(`world 5, cancelled by ${style} while it locks again: Condition.wait() leaves nothing, and the notification goes on`, () => {
    for (const granted of [false, true]) {
      const { mutex, condition, check } = make();
      const toy = new ToyScheduler();
      const task = toy.spawn(function* () {
        const guard = yield* mutex.lock();
        try {
          yield* condition.wait(guard);
        } finally {
          guard.release();
        }
      });
      toy.run();
      let passedOn = false;
      const next = toy.spawn(function* () {
        using guard = yield* mutex.lock();
        yield* condition.wait(guard);
        passedOn = true;
      });
      toy.run();
      const guard = mutex.tryLock()!;
      condition.notifyOne();
      toy.run();
      assertEquals(mutex.statistics(), { isLocked: true, waiting: 1 });
      if (granted) guard.release();
      toy.cancel(task, style);
      if (!granted) guard.release();
      toy.run();
      assertEquals(passedOn, !(granted && style === "throw"));
      condition.notifyOne();
      toy.run();
      assertEquals(next.state, "returned");
      check();
    }
  });
}

Deno.test("world 5: Condition.wait() that a scheduler refuses to let lock again forfeits the lock, and the notification goes on", () => {
  const { mutex, condition, check } = make();
  const refusal = new Error("no trigger");
  let refuses = false;
  const toy = new ToyScheduler({
    onPrepare() {
      if (refuses) throw refusal;
    },
  });
  const task = toy.spawn(function* () {
    using guard = yield* mutex.lock();
    yield* condition.wait(guard);
  });
  const next = toy.spawn(function* () {
    using guard = yield* mutex.lock();
    yield* condition.wait(guard);
  });
  toy.run();
  refuses = true;
  condition.notifyOne();
  toy.run(1); // the next one is ready now, and not yet refused
  refuses = false;
  toy.run();
  assertEquals([task.state, task.error, next.state], ["failed", refusal, "returned"]);
  check();
});

Deno.test("law 11: a Deadlock ends Condition.wait() in protect(), while it waits and while it locks again", () => {
  const { mutex, condition, check } = make();
  const deadlock = errorOf(run(function* () {
    yield* protect(function* () {
      using guard = yield* mutex.lock();
      yield* condition.wait(guard);
    });
  }));
  assertInstanceOf(deadlock, Deadlock);
  assert(deadlock.message.includes('a condition of mutex "it"'));
  check();

  const guard = mutex.tryLock()!;
  guard.release();
  const stuck = errorOf(run(function* () {
    const fibers = [1, 2, 3].map(() =>
      spawn(() =>
        protect(function* () {
          using guard = yield* mutex.lock();
          yield* condition.wait(guard);
        })
      )
    );
    yield* settle();
    yield* protect(function* () {
      yield* mutex.lock(); // never released
      condition.notifyAll();
      yield* Event.never();
    });
    for (const fiber of fibers) yield* fiber.join();
  }));
  assertInstanceOf(stuck, Deadlock);
  assertEquals([mutex.statistics(), condition.statistics()], [
    { isLocked: true, waiting: 0 },
    { waiting: 0 },
  ]);
});

Deno.test("law 11: a lock that comes free while a Deadlock ends those who want it again is not lost", () => {
  const { mutex, condition, check } = make();
  const ended = run(function* () {
    for (let n = 0; n < 3; n++) {
      spawn(() =>
        protect(function* () {
          using guard = yield* mutex.lock();
          yield* condition.wait(guard);
        })
      );
    }
    yield* settle();
    const guard = yield* mutex.lock();
    condition.notifyAll();
    try {
      yield* Event.never();
    } finally {
      guard.release();
    }
  });
  assertInstanceOf(errorOf(ended), Error);
  check();
});

Deno.test("Condition.wait() throws a PoisonedError if the mutex was poisoned meanwhile, and holds it then", () => {
  const { mutex, condition, check } = make();
  const failure = new Error("half done");
  virtually(function* () {
    const told: unknown[] = [];
    for (let n = 0; n < 2; n++) {
      spawn(function* () {
        using guard = yield* mutex.lock();
        try {
          yield* condition.wait(guard);
        } catch (error) {
          told.push(error);
          assert(mutex.isLocked);
        }
      });
    }
    yield* settle();
    const guard = yield* mutex.lock();
    mutex.poison(failure);
    condition.notifyAll();
    yield* settle();
    assertEquals(told, []);
    guard.release();
    yield* settle();
    assertEquals(told.length, 2);
    for (const error of told) {
      assertInstanceOf(error, PoisonedError);
      assertEquals(error.cause, failure);
    }
  });
  mutex.clearPoison();
  check();
});

Deno.test("Condition.wait() with a mutex that its holder has poisoned waits, and then throws", async () => {
  const { mutex, condition, check } = make();
  const guard = await mutex.lock();
  mutex.poison("why");
  const waiting = assertRejects(() => Promise.resolve(condition.wait(guard)), PoisonedError);
  await Promise.resolve(); // it waits from now on
  assertEquals(condition.statistics().waiting, 1);
  condition.notifyOne();
  await waiting;
  guard.release();
  mutex.clearPoison();
  check();
});

Deno.test("Condition.wait(): an abort is what it throws, though the mutex was poisoned meanwhile", () => {
  const { mutex, condition, check } = make();
  let thrown: unknown;
  virtually(function* () {
    const fiber = spawn(function* () {
      using guard = yield* mutex.lock();
      try {
        yield* condition.wait(guard);
      } catch (error) {
        thrown = error;
      }
    });
    yield* settle();
    mutex.poison("why");
    fiber.abort();
    yield* fiber.join();
  });
  assertInstanceOf(thrown, Abort);
  mutex.clearPoison();
  check();
});

Deno.test("law 9: 30,000 cancelled waits on a condition leave none, at once and one after the other", () => {
  const made = make();
  const { mutex, condition, check } = made;
  virtually(() =>
    cancelScope(function* (context) {
      for (let n = 0; n < 30_000; n++) waiter(made);
      yield* yieldNow();
      while (mutex.isLocked) yield* yieldNow();
      assertEquals(condition.statistics().waiting, 30_000);
      context.cancel();
    })
  );
  check();
  virtually(function* () {
    const told = new Channel<void>();
    for (let n = 0; n < 10_000; n++) {
      const fiber = waiter(made, () => told.trySend(undefined));
      yield* yieldNow();
      fiber.abort();
      yield* told.receive();
    }
  });
  check();
});
