/** `Mutex`: its owner, and what poisons it. What all locks have in common is in `line_test.ts`. */
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
  Channel,
  Deadlock,
  Event,
  FiberAborted,
  main,
  type Operation,
  run,
  select,
  spawn,
  yieldNow,
} from "@weft/weft";
import { Condition, type Guard, Mutex, PoisonedError } from "@weft/weft/sync";
import { errorOf, valueOf } from "../kit/results.ts";
import { settle, virtually, waiting } from "../kit/virtually.ts";
import { ToyScheduler } from "../world5/toy_scheduler.ts";

const free = { isLocked: false, waiting: 0 };

/** What it threw. */
function* caught(operation: Operation<unknown>): Operation<Error> {
  try {
    yield* operation;
  } catch (error) {
    assertInstanceOf(error, Error);
    return error;
  }
  throw new Error("it threw nothing");
}

// Whose it is ------------------------------------------------------------------------------------

Deno.test("Mutex: the fiber that holds it can't lock it again, in whatever way, and still holds it", () => {
  const mutex = new Mutex({ name: "it" });
  const text = 'Cannot lock mutex "it": fiber "holder", which wants it, holds it already';
  virtually(function* () {
    yield* spawn(function* () {
      const guard = yield* mutex.lock();
      const ways: (() => Operation<unknown>)[] = [
        () => mutex.lock(),
        () => mutex.lockEvent(),
        () => select({ lock: mutex.lockEvent() }),
        () => select({ lock: mutex.lockEvent(), item: new Channel<number>().receiveEvent() }),
        () => mutex.lockEvent().map(String),
        () => Event.guard(() => mutex.lockEvent()),
        () => mutex.withLock(() => yieldNow()),
      ];
      for (const way of ways) assertStringIncludes((yield* caught(way())).message, text);
      assertThrows(() => mutex.tryLock(), Error, text);
      assertEquals(mutex.statistics(), { isLocked: true, waiting: 0 });
      guard.release();
      (yield* mutex.lock()).release();
    }, { name: "holder" });
  });
  assertEquals(mutex.statistics(), free);
});

Deno.test("Mutex: another fiber can't release what a fiber was granted, at once or late", () => {
  for (const way of ["lock", "lockEvent", "tryLock"] as const) {
    for (const late of way === "tryLock" ? [false] : [false, true]) {
      const mutex = new Mutex();
      virtually(function* () {
        const before = late ? mutex.tryLock() : undefined;
        let guard: Guard | undefined;
        const holder = spawn(function* () {
          guard = way === "tryLock" ? mutex.tryLock()! : yield* mutex[way]();
          yield* yieldNow();
          yield* settle();
          guard.release();
        }, { name: "holder" });
        yield* settle();
        before?.release();
        yield* yieldNow();
        const text = 'fiber "holder" holds it, and fiber "run" may not release it in its place';
        assertThrows(() => guard!.release(), Error, text);
        assertThrows(() => guard![Symbol.dispose](), Error, text);
        assert(mutex.isLocked);
        yield* holder;
        assertThrows(() => guard!.release(), Error, "was released already");
      });
      assertEquals(mutex.statistics(), free);
    }
  }
});

Deno.test("Mutex: who has no identity, an async function or a task, holds it for anybody", async () => {
  const mutex = new Mutex();
  const toy = new ToyScheduler();
  const guards = {
    promise: () => Promise.resolve(mutex.lock()),
    event: () => Promise.resolve(mutex.lockEvent()),
    task: () => Promise.resolve(toy.runTask(() => mutex.lock())),
    nobody: () => Promise.resolve(mutex.tryLock()!),
  };
  for (const guard of Object.values(guards)) {
    const held = await guard();
    virtually(function* () {
      assertEquals(mutex.tryLock(), undefined);
      held.release();
    });
    assertEquals(mutex.statistics(), free);
  }
  let guard: Guard | undefined;
  const handle = main(function* () {
    guard = yield* mutex.lock();
    yield* new Channel<void>().receive();
  });
  while (guard === undefined) await new Promise((done) => setTimeout(done));
  guard.release(); // nobody's code, so it isn't another fiber
  assertEquals(mutex.statistics(), free);
  handle.abort();
  await assertRejects(() => Promise.resolve(handle), FiberAborted);
});

Deno.test("Mutex: a fiber that ends without a release is named by the Deadlock of those who wait", () => {
  const mutex = new Mutex({ name: "it" });
  const deadlock = errorOf(run(function* () {
    yield* spawn(() => mutex.lock(), { name: "forgetful" });
    yield* mutex.lock();
  }));
  assertInstanceOf(deadlock, Deadlock);
  const text = 'the lock of mutex "it", held by fiber "forgetful", which has ended';
  assertStringIncludes(deadlock.message, text);
  assertEquals(mutex.statistics(), { isLocked: true, waiting: 0 });
});

Deno.test("Mutex: a run within the fiber that holds it is another fiber, and would wait for ever", () => {
  const mutex = new Mutex();
  virtually(function* () {
    using guard = yield* mutex.lock();
    const deadlock = errorOf(run(() => mutex.lock()));
    assertInstanceOf(deadlock, Deadlock);
    assertStringIncludes(deadlock.message, 'held by fiber "run"');
    assertEquals(
      errorOf(run(function* () {
        guard.release();
      })) instanceof Error,
      true,
    );
    assertEquals(mutex.statistics(), { isLocked: true, waiting: 0 });
  });
  assertEquals(mutex.statistics(), free);
});

// Poison -----------------------------------------------------------------------------------------

const failure = new RangeError("half done");

function* fails(): Operation<void> {
  yield* yieldNow();
  throw failure;
}

Deno.test("Mutex: only with poison does a body that throws poison it", () => {
  for (const poison of [undefined, false, true]) {
    const mutex = new Mutex(poison === undefined ? {} : { poison });
    virtually(function* () {
      assertStrictEquals(yield* caught(mutex.withLock(fails)), failure);
      assertEquals(mutex.isPoisoned, poison === true);
      if (!mutex.isPoisoned) return (yield* mutex.lock()).release();
      const told = [
        yield* caught(mutex.lock()),
        yield* caught(mutex.lockEvent()),
        yield* caught(select({ lock: mutex.lockEvent(), other: Event.never() })),
        yield* caught(mutex.withLock(() => yieldNow())),
        assertThrows(() => mutex.tryLock(), PoisonedError),
      ];
      for (const error of told) {
        assertInstanceOf(error, PoisonedError);
        assertStrictEquals(error.cause, failure);
        assertEquals(error.name, "PoisonedError");
        assertStringIncludes(error.message, "Cannot lock the mutex: its holder failed");
      }
    });
    mutex.clearPoison();
    mutex.tryLock()!.release();
    assertEquals([mutex.isPoisoned, mutex.statistics()], [false, free]);
  }
});

Deno.test("Mutex: all who wait are told that it is poisoned, while its holder still holds it", async () => {
  for (const relocks of [false, true]) {
    const mutex = new Mutex({ name: "it" });
    const condition = new Condition(mutex);
    const toy = new ToyScheduler();
    const told: unknown[] = [];
    if (relocks) {
      toy.spawn(function* () { // the first in line then, and to be let in all the same
        using guard = yield* mutex.lock();
        yield* condition.wait(guard);
      });
      toy.run();
    }
    const guard = mutex.tryLock()!;
    condition.notifyOne();
    toy.run();
    const awaited = mutex.lock().then(undefined, (error) => void told.push(error));
    await Promise.resolve();
    const task = toy.spawn(() => caught(mutex.lockEvent()));
    toy.run();
    virtually(function* () {
      const fiber = spawn(() => caught(mutex.lock()));
      const choosing = spawn(() => caught(select({ lock: mutex.lockEvent(), no: Event.never() })));
      yield* settle();
      mutex.poison(failure);
      assertEquals(mutex.statistics(), { isLocked: true, waiting: relocks ? 1 : 0 });
      told.push(yield* fiber, yield* choosing);
    });
    toy.run();
    await awaited;
    told.push(task.value);
    guard.release();
    toy.run();
    assertEquals(told.length, 4);
    for (const error of told) {
      assertInstanceOf(error, PoisonedError);
      assertStrictEquals(error.cause, failure);
      assertStringIncludes(error.message, 'mutex "it"');
    }
    assertEquals([mutex.statistics(), condition.statistics()], [free, { waiting: 0 }]);
  }
});

Deno.test("Mutex: a task that is told of the poison at once lets nobody in who is still to be told", () => {
  const mutex = new Mutex();
  const toy = new ToyScheduler({ resumesAtOnce: true });
  const guard = mutex.tryLock()!;
  const seen: string[] = [];
  toy.spawn(function* () {
    seen.push((yield* caught(mutex.lock())).name);
    guard.release();
    assertThrows(() => mutex.tryLock(), PoisonedError);
  });
  const second = toy.spawn(() => caught(mutex.lock()));
  toy.run();
  toy.during(() => mutex.poison(failure));
  assertEquals(seen, ["PoisonedError"]);
  assertInstanceOf(second.value, PoisonedError);
  assertEquals(mutex.statistics(), free);
});

Deno.test("Mutex: what is poisoned by a task to which the lock is handed on fails those behind it", () => {
  const mutex = new Mutex();
  const toy = new ToyScheduler({ resumesAtOnce: true });
  const guard = mutex.tryLock()!;
  const task = toy.spawn(function* () {
    using _guard = yield* mutex.lock();
    mutex.poison(failure);
  });
  const second = toy.spawn(() => caught(mutex.lock()));
  toy.run();
  toy.during(() => guard.release());
  assertEquals([task.state, task.error, second.state], ["returned", undefined, "returned"]);
  assertInstanceOf(second.value, PoisonedError);
  assertEquals(mutex.statistics(), free);
});

Deno.test("law 5: the cause of a PoisonedError is never an Abort", () => {
  for (const way of ["withLock", "poison"] as const) {
    const mutex = new Mutex({ poison: true });
    virtually(function* () {
      const fiber = spawn(function* () {
        if (way === "withLock") return yield* mutex.withLock(() => Event.never());
        using _guard = yield* mutex.lock();
        try {
          yield* Event.never();
        } catch (error) {
          assertInstanceOf(error, Abort);
          mutex.poison(error);
          throw error;
        }
      });
      yield* settle();
      fiber.abort("enough");
      yield* fiber.join();
      const { cause } = yield* caught(mutex.lock());
      assertInstanceOf(cause, FiberAborted);
      assertInstanceOf(cause.cause, Abort);
      assertEquals(cause.cause.cause, "enough");
    });
    assertEquals(mutex.statistics(), free);
  }
});

Deno.test("Mutex: who is aborted while waiting for it, or refused, poisons nothing", () => {
  const mutex = new Mutex({ poison: true });
  virtually(function* () {
    const guard = mutex.tryLock()!;
    const fiber = yield* waiting(mutex.withLock(() => yieldNow()));
    fiber.abort();
    yield* fiber.join();
    guard.release();
    assertEquals(mutex.isPoisoned, false);
  });
  assertThrows(() => mutex.withLock(1 as never), TypeError);
  assertEquals([mutex.isPoisoned, mutex.statistics()], [false, free]);
});

Deno.test("Mutex: a body that has released it before it fails has not left it half done", () => {
  const mutex = new Mutex({ poison: true });
  const body = function* (guard: Guard): Operation<void> {
    guard.release();
    yield* fails();
  };
  assertStrictEquals(errorOf(run(() => mutex.withLock(body))), failure);
  assertEquals([mutex.isPoisoned, mutex.statistics()], [false, free]);
});

Deno.test("Mutex: a body that another scheduler ends, by whatever means it unwinds, poisons it", () => {
  for (const style of ["throw", "return", "onCancel, then return"] as const) {
    const mutex = new Mutex({ poison: true });
    const toy = new ToyScheduler();
    const task = toy.spawn(() => mutex.withLock(() => Event.never()));
    toy.run();
    toy.cancel(task, style);
    assertEquals([mutex.isPoisoned, mutex.statistics()], [true, free]);
    const told = assertThrows(() => mutex.tryLock(), PoisonedError);
    assertInstanceOf(told.cause, Error);
  }
});

Deno.test("Mutex: who is told by a condition that it is poisoned doesn't poison it once more", () => {
  const mutex = new Mutex({ poison: true });
  const condition = new Condition(mutex);
  virtually(function* () {
    const fibers = [1, 2, 3].map(() =>
      spawn(() => caught(mutex.withLock((guard) => condition.wait(guard))))
    );
    yield* settle();
    yield* caught(mutex.withLock(fails));
    condition.notifyAll();
    const told = [];
    for (const fiber of fibers) told.push(yield* fiber);
    for (const error of told) {
      assertInstanceOf(error, PoisonedError);
      assertStrictEquals(error.cause, failure);
    }
    assertStrictEquals((yield* caught(mutex.lock())).cause, failure);
  });
  assertEquals(mutex.statistics(), free);
});

Deno.test("Mutex: the poison that came last is told, and none after clearPoison()", () => {
  const mutex = new Mutex();
  mutex.clearPoison();
  mutex.poison("first");
  mutex.poison(undefined);
  assertEquals(assertThrows(() => mutex.tryLock(), PoisonedError).cause, undefined);
  mutex.clearPoison();
  valueOf(run(() => mutex.withLock(() => yieldNow())));
  assertEquals(mutex.statistics(), free);
});

Deno.test("Mutex refuses options that are none", () => {
  for (const bad of [null, 1, "it", true]) {
    assertThrows(() => new Mutex(bad as never), TypeError, "options must be an object");
  }
  for (const name of [1, null, {}]) {
    assertThrows(() => new Mutex({ name } as never), TypeError, "name must be a string");
  }
  for (const poison of [1, null, "yes"]) {
    assertThrows(() => new Mutex({ poison } as never), TypeError, "poison must be a boolean");
  }
  assertEquals(new Mutex({ name: undefined, poison: undefined } as never).isLocked, false);
});

Deno.test("Mutex.isLocked follows who holds it", () => {
  const mutex = new Mutex();
  assertEquals(mutex.isLocked, false);
  const guard = mutex.tryLock()!;
  assertEquals([mutex.isLocked, mutex.tryLock()], [true, undefined]);
  guard.release();
  assertEquals(mutex.isLocked, false);
});
