/**
 * Shared mutexes and semaphores as one thread sees them. Between threads:
 * `shared_lock_threads_test.ts`; in random schedules: `tests/property/shared_locks_test.ts`.
 */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  afterEvent,
  type Awaitable,
  Channel,
  Event,
  type Fiber,
  FiberAborted,
  main,
  type Operation,
  run,
  select,
  sleep,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import {
  type SharedGuard,
  SharedMutex,
  type SharedMutexHandle,
  SharedSemaphore,
  type SharedSemaphoreHandle,
} from "@weft/weft/thread";
import { hostTurn } from "../kit/uncaught.ts";
import { doorbell } from "../../lib/loop/doorbell.ts";
import { executeAs } from "../../lib/trigger/execution.ts";
import { errorOf as errorOfResult, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { errorOf, virtually } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

/** Lets every fiber run until it waits: a loop of one's own looks at shared things now and then. */
function* settle() {
  yield* sleep(10);
}

/** A fiber that waits on `operation`, has begun to, and keeps its failure to itself. */
function* waiting<T>(operation: () => Operation<T>): Generator<never, Fiber<T>, unknown> {
  const fiber = spawn(operation, { propagateCancelToParent: false });
  yield* settle();
  return fiber;
}

const unlocked = { isLocked: false, waiting: 0 };

/** Both kinds, as locks: all that there is of them is taken at a time. */
interface Lock {
  readonly lock: () => Awaitable<SharedGuard>;
  readonly tryLock: () => SharedGuard | undefined;
  readonly event: () => Event<SharedGuard>;
  readonly withLock: <T>(body: (guard: SharedGuard) => Operation<T>) => Awaitable<T>;
  readonly isFree: () => boolean;
  readonly waiting: () => number;
}

const kinds: Record<string, () => Lock> = {
  SharedMutex() {
    const mutex = new SharedMutex({ name: "m" });
    return {
      lock: () => mutex.lock(),
      tryLock: () => mutex.tryLock(),
      event: () => mutex.lockEvent(),
      withLock: (body) => mutex.withLock(body),
      isFree: () => !mutex.isLocked,
      waiting: () => mutex.statistics().waiting,
    };
  },
  SharedSemaphore() {
    const semaphore = new SharedSemaphore(3, { name: "s" });
    return {
      lock: () => semaphore.acquire(3),
      tryLock: () => semaphore.tryAcquire(3),
      event: () => semaphore.acquireEvent(3),
      withLock: (body) => semaphore.withPermit(body, 3),
      isFree: () => semaphore.available === 3,
      waiting: () => semaphore.statistics().waiting,
    };
  },
};

for (const [kind, make] of Object.entries(kinds)) {
  forEachScheduler((where, run) => {
    Deno.test(`law 7: ${kind} goes to those who wait in the order in which they came (${where})`, () => {
      const result = run(function* () {
        const lock = make();
        const order: number[] = [];
        let inside = 0;
        const guard = yield* lock.lock();
        for (let n = 0; n < 4; n++) {
          yield* waiting(function* () {
            const own = yield* lock.lock();
            assertEquals(++inside, 1);
            order.push(n);
            yield* settle();
            inside--;
            own.release();
          });
        }
        assertEquals([lock.isFree(), lock.waiting(), order], [false, 4, []]);
        guard.release();
        assertEquals(lock.tryLock(), undefined, "those in line come first");
        while (order.length < 4 || !lock.isFree()) yield* settle();
        assertEquals(order, [0, 1, 2, 3]);
        assertEquals(lock.waiting(), 0);
      });
      valueOf(result);
    });

    Deno.test(`law 4, law 9: a wait for ${kind} that is aborted leaves nothing, wherever it stood (${where})`, () => {
      const result = run(function* () {
        const lock = make();
        const guard = yield* lock.lock();
        const got: number[] = [];
        const fibers: Fiber<void>[] = [];
        for (let n = 0; n < 5; n++) {
          fibers.push(
            yield* waiting(function* () {
              (yield* lock.lock()).release();
              got.push(n);
            }),
          );
        }
        for (const n of [2, 0, 4]) yield* fibers[n]!.abort();
        assertEquals(lock.waiting(), 2);
        guard.release();
        yield* settle();
        assertEquals(got, [1, 3]);
        assert(lock.isFree());
        assertEquals(lock.waiting(), 0);
      });
      valueOf(result);
    });

    Deno.test(`law 4: ${kind} freed in the instant of an abort goes to the aborted one or to the next (${where})`, () => {
      for (const abortFirst of [true, false]) {
        const result = run(function* () {
          const lock = make();
          const guard = yield* lock.lock();
          const first = yield* waiting(() => lock.lock());
          const next = yield* waiting(() => lock.lock());
          if (abortFirst) first.abort();
          guard.release();
          if (!abortFirst) first.abort();
          assertInstanceOf(errorOfResult(yield* first.join()), FiberAborted);
          freeOutside(yield* next);
          assert(lock.isFree());
          assertEquals(lock.waiting(), 0);
        });
        valueOf(result);
      }
    });

    Deno.test(`law 6: a select that ${kind} loses holds nothing (${where})`, () => {
      const result = run(function* () {
        const lock = make();
        const channel = new Channel<string>();
        channel.trySend("first");
        const events = () => ({
          item: channel.receiveEvent(),
          lock: lock.event(),
          late: afterEvent(50),
        });
        assertEquals(yield* select(events()), { kind: "item", value: "first" });
        assert(lock.isFree());
        const guard = (yield* spawn(() => lock.lock())) as SharedGuard;
        assertEquals((yield* select(events())).kind, "late");
        const losing = yield* waiting(() => select(events()));
        assertEquals(lock.waiting(), 1);
        channel.trySend("second");
        freeOutside(guard); // too late: a channel hands over at once
        assertEquals(yield* losing, { kind: "item", value: "second" });
        assert(lock.isFree());
        const winning = yield* select({ lock: lock.event(), other: Event.never() });
        assertEquals([winning.kind, lock.isFree()], ["lock", false]);
        (winning.value as SharedGuard).release();
        assertEquals([lock.isFree(), lock.waiting()], [true, 0]);
      });
      valueOf(result);
    });

    Deno.test(`${kind}'s body runs while it is held, and it is released however that ends (${where})`, () => {
      const result = run(function* () {
        const lock = make();
        const value = yield* lock.withLock(function* (guard) {
          assertEquals([lock.isFree(), guard.abandoned], [false, false]);
          yield* settle();
          return "done";
        });
        assertEquals([value, lock.isFree()], ["done", true]);
        const failure = new Error("in the body");
        const failing = lock.withLock(function* () {
          throw failure;
        });
        assertStrictEquals(yield* errorOf(failing), failure);
        assert(lock.isFree());
        const aborted = yield* waiting(() => lock.withLock(() => Event.never()));
        assertEquals(lock.isFree(), false);
        yield* aborted.abort();
        assert(lock.isFree());
        yield* lock.withLock(function* (guard) {
          guard.release(); // early
        });
        assert(lock.isFree());
      });
      valueOf(result);
    });
  });

  Deno.test(`${kind}'s guard is one-shot: a second release() throws, and disposing doesn't`, () => {
    const lock = make();
    const guard = lock.tryLock()!;
    guard.release();
    const other = lock.tryLock()!;
    assertThrows(() => guard.release(), Error, "this guard was released already");
    guard[Symbol.dispose]();
    assertEquals(lock.isFree(), false, "the other one still holds it");
    other[Symbol.dispose]();
    assert(lock.isFree());
    {
      using _guard = lock.tryLock()!;
      assertEquals(lock.isFree(), false);
    }
    assert(lock.isFree());
  });

  Deno.test(`${kind} is waited for by async functions, and in a thread that blocks`, async () => {
    const lock = make();
    const guard = await lock.lock();
    const order: string[] = [];
    const waits = ["a", "b"].map(async (name) => {
      using _guard = await lock.lock();
      order.push(name);
    });
    await hostTurn();
    assertEquals(lock.waiting(), 2);
    guard.release();
    await Promise.all(waits);
    assertEquals([order, lock.isFree()], [["a", "b"], true]);
    const blocked = run(function* () {
      using _guard = yield* lock.lock();
      spawn(function* () {
        order.push("c");
      });
      const other = spawn(() => lock.lock());
      yield* sleep(1);
      _guard.release();
      freeOutside(yield* other);
    }, { loop: blockingLoop() });
    valueOf(blocked);
    assertEquals([order, lock.isFree(), lock.waiting()], [["a", "b", "c"], true, 0]);
  });

  Deno.test(`${kind}: a blocking run doesn't wait behind those of another loop, who can't go on meanwhile`, async () => {
    const lock = make();
    const guard = lock.tryLock()!;
    const outer = (async () => (await lock.lock()).release())();
    const result = run(function* () {
      spawn(function* () {
        yield* sleep(1);
        guard.release();
      });
      (yield* lock.lock()).release();
    }, { loop: blockingLoop() });
    valueOf(result);
    await outer;
    assertEquals([lock.isFree(), lock.waiting()], [true, 0]);
  });

  for (const style of CANCEL_STYLES) {
    Deno.test(`law 4 in world 5, cancelled by ${style}: ${kind} that was granted is passed on`, () => {
      for (const way of ["lock", "event"] as const) {
        const toy = new ToyScheduler();
        const lock = make();
        const guard = lock.tryLock()!;
        const got: unknown[] = [];
        const task = toy.spawn(function* () {
          got.push(yield* lock[way]());
        });
        toy.run();
        const next = toy.spawn(() => lock[way]());
        toy.run();
        assertEquals(lock.waiting(), 2);
        guard.release();
        look();
        toy.cancel(task, style);
        look();
        toy.run();
        for (const guard of got) (guard as SharedGuard).release();
        look();
        toy.run();
        if (next.state === "failed") throw next.error;
        (next.value as SharedGuard).release();
        assertEquals([lock.isFree(), lock.waiting()], [true, 0]);
      }
    });
  }

  Deno.test(`law 4: ${kind} that was committed is kept, or given back by who gives up`, () => {
    virtually(function* () {
      const lock = make();
      /** Another thread frees it between the first look and the second, so to speak. */
      function* committing() {
        const guard = yield* spawn(() => lock.lock());
        const freeing = Event.from<never>({
          poll: () => undefined,
          wait() {
            freeOutside(guard);
            return { cancel() {} };
          },
        });
        return select([when(freeing, (never) => never), when(lock.event(), (own) => own)]);
      }
      const operation = yield* committing();
      const fiber = spawn(() => operation);
      yield* yieldNow();
      assertEquals(lock.isFree(), false);
      yield* fiber.abort(); // too late
      freeOutside(yield* fiber);
      const byHand = (yield* committing())[Symbol.iterator]();
      byHand.next();
      assertEquals(lock.isFree(), false);
      byHand.return!();
      assertEquals([lock.isFree(), lock.waiting()], [true, 0]);
    });
  });

  Deno.test(`law 9: many cancelled waits for ${kind} leave nothing behind`, async () => {
    await main(function* () {
      const lock = make();
      const guard = yield* lock.lock();
      for (let round = 0; round < 3; round++) {
        const fibers: Fiber<unknown>[] = [];
        for (let n = 0; n < 3000; n++) {
          const body = n % 2 === 0 ? lock.lock : lock.event;
          fibers.push(spawn(body, { propagateCancelToParent: false }));
        }
        yield* sleep(0);
        assertEquals(lock.waiting(), 3000);
        for (const fiber of fibers) fiber.abort();
        yield* sleep(0);
        assertEquals(lock.waiting(), 0);
      }
      guard.release();
      assert(lock.isFree());
    });
  });
}

/** What the doorbell would tell: somebody may have been rung. */
function look(): void {
  doorbell.answer();
}

// Owners -----------------------------------------------------------------------------------------

forEachScheduler((where, run) => {
  Deno.test(`SharedMutex is not locked again by the fiber that holds it (${where})`, () => {
    const result = run(function* () {
      const mutex = new SharedMutex({ name: "m" });
      for (const lock of [() => mutex.lock(), () => mutex.lockEvent()]) {
        const guard = yield* lock();
        const refused = () => [
          mutex.lock(),
          mutex.lockEvent(),
          select([when(mutex.lockEvent(), () => 0), when(afterEvent(1), () => 1)]),
        ];
        for (const again of refused()) assertRefused(yield* errorOf(again));
        assertRefused(assertThrows(() => mutex.tryLock()));
        const other = yield* waiting(() => mutex.lock());
        for (const again of refused()) assertRefused(yield* errorOf(again)); // others wait
        guard.release();
        freeOutside(yield* other);
        assertEquals(mutex.statistics(), unlocked);
      }
    });
    valueOf(result);
  });

  Deno.test(`SharedMutex is not released by another fiber than the one that locked it (${where})`, () => {
    const result = run(function* () {
      const mutex = new SharedMutex({ name: "m" });
      const guards: SharedGuard[] = [];
      const owner = yield* waiting(function* holder() {
        const guard = yield* mutex.lock();
        guards.push(guard);
        yield* sleep(20);
        guard.release();
      });
      const told = 'Cannot release shared mutex "m": fiber "holder" holds it, and fiber "';
      assertThrows(() => guards[0]!.release(), Error, told);
      const error = assertThrows(() => guards[0]![Symbol.dispose](), Error, told);
      assert(error.message.endsWith("what passes from fiber to fiber is a SharedSemaphore"));
      yield* owner;
      assertEquals(mutex.statistics(), unlocked);
    });
    valueOf(result);
  });
});

function assertRefused(error: unknown): void {
  assertInstanceOf(error, Error);
  assert(/^Cannot lock shared mutex "m": .* holds it already/.test(error.message), error.message);
}

/** Code outside of fibers isn't told apart. */
function freeOutside(guard: SharedGuard): void {
  executeAs(null, () => guard.release());
}

Deno.test("SharedMutex in async functions has no owner to tell apart", async () => {
  const mutex = new SharedMutex();
  const guard = await mutex.lock();
  assertEquals(mutex.tryLock(), undefined);
  await main(function* () {
    assertEquals(mutex.tryLock(), undefined);
    guard.release(); // a fiber may release what nobody owns
  });
  assertEquals(mutex.statistics(), unlocked);
});

// Semaphores -------------------------------------------------------------------------------------

forEachScheduler((where, run) => {
  Deno.test(`law 7: SharedSemaphore lets nobody who wants few overtake one who wants many (${where})`, () => {
    const result = run(function* () {
      const semaphore = new SharedSemaphore(4);
      const guards = [1, 1, 1].map(() => semaphore.tryAcquire()!);
      const order: string[] = [];
      const many = yield* waiting(function* () {
        const guard = yield* semaphore.acquire(4);
        order.push("many");
        return guard;
      });
      const few = yield* waiting(function* () {
        const guard = yield* semaphore.acquire();
        order.push("few");
        return guard;
      });
      assertEquals([semaphore.available, semaphore.tryAcquire()], [1, undefined]);
      for (const guard of guards) {
        assertEquals(order, []);
        guard.release();
        yield* settle();
      }
      assertEquals(order, ["many"]);
      (yield* many).release();
      (yield* few).release();
      assertEquals(semaphore.statistics(), { available: 4, waiting: 0 });
    });
    valueOf(result);
  });

  Deno.test(`law 4: SharedSemaphore: those behind one who wanted many get theirs when that is aborted (${where})`, () => {
    const result = run(function* () {
      const semaphore = new SharedSemaphore(2);
      const guard = yield* semaphore.acquire();
      const many = yield* waiting(() => semaphore.acquire(2));
      const few = yield* waiting(() => semaphore.acquire());
      yield* many.abort();
      yield* settle();
      (yield* few).release();
      guard.release();
      assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
    });
    valueOf(result);
  });
});

Deno.test("SharedSemaphore.acquire() refuses a number of permits that can't be", () => {
  const semaphore = new SharedSemaphore(3, { name: "s" });
  const calls = [
    (n: number) => semaphore.acquire(n),
    (n: number) => semaphore.tryAcquire(n),
    (n: number) => semaphore.acquireEvent(n),
    (n: number) => semaphore.withPermit(() => Event.always(1), n),
  ];
  for (const call of calls) {
    for (const n of [0, -1, 1.5, NaN, Infinity]) {
      assertThrows(() => call(n), RangeError, "n must be an integer of at least 1");
    }
    assertThrows(() => call("1" as never), TypeError, 'n must be a number, got "1"');
    assertThrows(
      () => call(4),
      RangeError,
      'Cannot acquire permits of shared semaphore "s": n must be at most 3, which are all that there are, got 4',
    );
  }
  assertEquals(semaphore.statistics(), { available: 3, waiting: 0 });
});

Deno.test("SharedSemaphore is not made with a number of permits that can't be", () => {
  for (const permits of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(() => new SharedSemaphore(permits), RangeError, "permits must be an integer of");
  }
  assertThrows(() => new SharedSemaphore(2 ** 30 + 1), RangeError, "at most 2 ** 30");
  assertThrows(() => new SharedSemaphore("3" as never), TypeError, "permits must be a number");
  assertEquals(new SharedSemaphore(2 ** 30).available, 2 ** 30);
  assertThrows(
    () => new SharedSemaphore(1, { name: 3 as never }),
    TypeError,
    "name must be a string",
  );
  assertThrows(() => new SharedMutex({ name: 3 as never }), TypeError, "name must be a string");
  assertThrows(() => new SharedMutex("m" as never), TypeError, "options must be an object");
});

Deno.test("SharedMutex.withLock() and SharedSemaphore.withPermit() refuse what is no body", () => {
  const bad: unknown[] = [3, undefined, async () => {}];
  for (const body of bad) {
    assertThrows(() => new SharedMutex().withLock(body as never), TypeError, "body must be");
    assertThrows(() => new SharedSemaphore(1).withPermit(body as never), TypeError, "body must be");
  }
});

// Handles ----------------------------------------------------------------------------------------

Deno.test("SharedMutex.from() opens the same mutex, and all ends here stand in one line", () => {
  virtually(function* () {
    const mutex = new SharedMutex({ name: "m" });
    const there = SharedMutex.from(structuredClone(mutex.handle));
    assertEquals([there.handle.kind, there.handle.name], ["weft.SharedMutex", "m"]);
    const guard = yield* there.lock();
    assertThrows(() => mutex.tryLock(), Error, "holds it already");
    const order: string[] = [];
    for (const [name, end] of [["a", mutex], ["b", there], ["c", mutex]] as const) {
      yield* waiting(() =>
        end.withLock(function* () {
          order.push(name);
        })
      );
    }
    guard.release();
    yield* settle();
    assertEquals(order, ["a", "b", "c"]);
    assertStrictEquals(mutex.lockEvent(), mutex.lockEvent());
    assertEquals(there.statistics(), unlocked);
  });
});

Deno.test("SharedMutex.from() and SharedSemaphore.from() refuse what is no handle", () => {
  const mutex = new SharedMutex().handle;
  const semaphore = new SharedSemaphore(2).handle;
  const bad: unknown[] = [undefined, null, 3, {}, "handle", new SharedMutex()];
  for (const handle of [mutex, semaphore]) {
    const { buffer } = handle;
    bad.push({ ...handle, kind: "weft.SharedChannel" }, { ...handle, name: 3 });
    bad.push({ ...handle, registry: undefined }, { ...handle, registry: buffer });
    for (const length of [0, 4, 7, 636, buffer.byteLength]) {
      bad.push({ ...handle, buffer: new SharedArrayBuffer(length) });
    }
    const shorter = new SharedArrayBuffer(buffer.byteLength - 4);
    new Uint8Array(shorter).set(new Uint8Array(buffer, 0, shorter.byteLength));
    bad.push({ ...handle, buffer: shorter });
  }
  bad.push({ ...mutex, buffer: semaphore.buffer }, { ...semaphore, buffer: mutex.buffer });
  for (const handle of bad) {
    assertThrows(
      () => SharedMutex.from(handle as SharedMutexHandle),
      TypeError,
      "Cannot open the shared mutex: expected the handle of one",
    );
    assertThrows(
      () => SharedSemaphore.from(handle as SharedSemaphoreHandle),
      TypeError,
      "Cannot open the shared semaphore: expected the handle of one",
    );
  }
});

Deno.test("a wait for a shared lock says what it waits for", () => {
  virtually(function* () {
    const mutex = new SharedMutex({ name: "m" });
    const semaphore = new SharedSemaphore(5);
    const guards = [yield* mutex.lock(), yield* semaphore.acquire(5)];
    const waits: [() => Operation<SharedGuard>, string][] = [
      [() => mutex.lock(), 'the lock of shared mutex "m"'],
      [() => semaphore.acquire(), "a permit of a shared semaphore"],
      [() => semaphore.acquireEvent(2), "2 permits of a shared semaphore"],
    ];
    for (const [wait, words] of waits) {
      const fiber = yield* waiting(wait);
      assert(fiber.dump().includes(words), fiber.dump());
      yield* fiber.abort();
    }
    for (const guard of guards) guard.release();
  });
});
