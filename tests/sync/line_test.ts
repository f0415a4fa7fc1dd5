/** What every lock has in common, however it is taken: a mutex, permits, the whole of a lock. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Awaitable,
  cancelScope,
  Channel,
  Deadlock,
  Event,
  Fiber,
  type Operation,
  protect,
  run,
  scope,
  select,
  spawn,
  when,
  withCancelCallback,
  yieldNow,
} from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { type Guard, Mutex, RwLock, Semaphore } from "@weft/weft/sync";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { withShare } from "../kit/share.ts";
import { Source } from "../kit/source.ts";
import { settle, virtually, waiting } from "../kit/virtually.ts";
import { executeAs } from "../../lib/trigger/execution.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

/** Something that one holds at a time. */
interface Lock {
  readonly take: () => Awaitable<Guard>;
  readonly tryTake: () => Guard | undefined;
  readonly event: () => Event<Guard>;
  readonly with: <T>(body: (guard: Guard) => Operation<T>) => Awaitable<T>;
  readonly waiting: () => number;
  readonly isFree: () => boolean;
}

function mutex(): Lock {
  const mutex = new Mutex({ name: "it" });
  return {
    take: () => mutex.lock(),
    tryTake: () => mutex.tryLock(),
    event: () => mutex.lockEvent(),
    with: (body) => mutex.withLock(body),
    waiting: () => mutex.statistics().waiting,
    isFree: () => !mutex.statistics().isLocked,
  };
}

function permits(n: number): Lock {
  const semaphore = new Semaphore(n, { name: "it" });
  return {
    take: () => semaphore.acquire(n),
    tryTake: () => semaphore.tryAcquire(n),
    event: () => semaphore.acquireEvent(n),
    with: (body) => semaphore.withPermit(body, n),
    waiting: () => semaphore.statistics().waiting,
    isFree: () => semaphore.statistics().available === n,
  };
}

function writer(): Lock {
  const lock = new RwLock({ name: "it" });
  return {
    take: () => lock.write(),
    tryTake: () => lock.tryWrite(),
    event: () => lock.writeEvent(),
    with: (body) => lock.withWrite(body),
    waiting: () => lock.statistics().waiting,
    isFree: () => !lock.statistics().isWriting,
  };
}

const kinds: Record<string, () => Lock> = {
  "a mutex": mutex,
  "a semaphore of one": () => permits(1),
  "all permits of a semaphore": () => permits(3),
  "a writer": writer,
};

/** The ways to take it. */
const ways: Record<string, (lock: Lock) => Awaitable<Guard>> = {
  "the operation": (lock) => lock.take(),
  "the event": (lock) => lock.event(),
  "a select": (lock) => select([when(lock.event(), (guard) => guard)]),
  "a composite event": (lock) =>
    Event.guard(() =>
      Event.withNack(() => Event.choose(Event.never(), lock.event()).map((guard) => guard))
    ),
};

function* holding(lock: Lock, way: (lock: Lock) => Awaitable<Guard>, body: () => Operation<void>) {
  using _guard = yield* way(lock);
  yield* body();
}

for (const [kind, make] of Object.entries(kinds)) {
  for (const [name, way] of Object.entries(ways)) {
    const title = `${kind}, taken by ${name}`;

    forEachScheduler((scheduler, run) => {
      Deno.test(`${title}: one holds it at a time, and all get it (${scheduler})`, () => {
        for (const share of [1, 100]) {
          const lock = make();
          let inside = 0;
          let done = 0;
          const result = withShare(share, () =>
            run(function* () {
              for (let n = 0; n < 6; n++) {
                spawn(() =>
                  holding(lock, way, function* () {
                    assertEquals(++inside, 1);
                    yield* yieldNow();
                    inside--;
                    done++;
                  })
                );
              }
            }));
          valueOf(result);
          assertEquals([done, lock.waiting(), lock.isFree()], [6, 0, true]);
        }
      });
    });

    Deno.test(`law 7: ${title}: first come, first served`, () => {
      for (const share of [1, 100]) {
        const lock = make();
        const seen: number[] = [];
        withShare(share, () =>
          virtually(function* () {
            const guard = yield* way(lock);
            for (let n = 0; n < 10; n++) {
              yield* waiting((function* () {
                using _guard = yield* way(lock);
                seen.push(n);
                yield* yieldNow();
              })() as Operation<void> as Awaitable<void>);
            }
            yield* settle();
            assertEquals([seen, lock.waiting()], [[], 10]);
            guard.release();
          }));
        assertEquals(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assertEquals([lock.waiting(), lock.isFree()], [0, true]);
      }
    });

    Deno.test(`law 7: ${title}: who releases it hands it on, and can't take it back at once`, () => {
      const lock = make();
      virtually(function* () {
        const guard = yield* way(lock);
        const next = yield* waiting(way(lock));
        guard.release();
        assertEquals([lock.isFree(), lock.tryTake()], [false, undefined]);
        const again = yield* waiting(way(lock));
        assertEquals(again.poll(), undefined);
        again.abort();
        yield* again.join();
        // Whoever it was granted to is its owner, and has ended: nobody of ours may release it.
        assertEquals(valueOf(yield* next.join()) instanceof Object, true);
      });
    });

    Deno.test(`law 4: ${title}: an abort before, while and in the instant of the grant`, () => {
      for (const share of [1, 100]) {
        for (const turns of [0, 1, 2, 3, 4]) {
          for (const grantFirst of [false, true]) {
            const lock = make();
            let got = false;
            const result = withShare(share, () =>
              virtually(function* () {
                const guard = lock.tryTake()!;
                const fiber = spawn(function* () {
                  yield* new Channel<number>().send(0); // with a share of one it gives way next
                  using _guard = yield* way(lock);
                  got = true;
                  yield* yieldNow();
                });
                for (let turn = 0; turn < turns; turn++) yield* yieldNow();
                const waited = lock.waiting();
                if (grantFirst) guard.release();
                fiber.abort("meanwhile");
                assertEquals(lock.waiting(), 0);
                if (!grantFirst) guard.release();
                const ended = yield* fiber.join();
                assertEquals(got, grantFirst && waited === 1, "it got it iff it waited then");
                return ended;
              }));
            assertEquals(reasonOf(result), "meanwhile");
            assertEquals([lock.waiting(), lock.isFree()], [0, true]);
          }
        }
      }
    });

    Deno.test(`law 9: ${title}: those who are left move up when others leave`, () => {
      const lock = make();
      const seen: number[] = [];
      virtually(function* () {
        const guard = yield* way(lock);
        const fibers: Fiber<void>[] = [];
        for (let n = 0; n < 6; n++) {
          fibers.push(spawn(() =>
            holding(lock, way, function* () {
              seen.push(n);
            })
          ));
        }
        yield* settle();
        for (const n of [0, 3, 5]) fibers[n]!.abort();
        assertEquals(lock.waiting(), 3);
        guard.release();
      });
      assertEquals(seen, [1, 2, 4]);
      assertEquals([lock.waiting(), lock.isFree()], [0, true]);
    });

    Deno.test(`law 11: ${title}: a Deadlock says what it waits for, and leaves nobody in line`, () => {
      const lock = make();
      const guard = lock.tryTake()!;
      const deadlock = errorOf(run(() => way(lock)));
      assertInstanceOf(deadlock, Deadlock);
      const isComposite = name === "a composite event";
      assertMatch(deadlock.message, isComposite ? /waits on/ : /(mutex|semaphore|lock) "it"/);
      assertEquals(lock.waiting(), 0);
      guard.release();
      const inProtect = lock.tryTake()!;
      assertInstanceOf(errorOf(run(() => protect(() => way(lock)))), Deadlock);
      assertEquals(lock.waiting(), 0);
      inProtect.release();
      assert(lock.isFree());
    });

    Deno.test(`world 5: ${title}: fibers, async functions and tasks stand in one line`, async () => {
      for (const resumesAtOnce of [false, true]) {
        const lock = make();
        const toy = new ToyScheduler({ resumesAtOnce, earlyWakeups: 3 });
        const seen: string[] = [];
        const guard = lock.tryTake()!;
        const awaited = (async () => {
          using _guard = await way(lock);
          seen.push("async function");
          await Promise.resolve();
        })();
        await Promise.resolve();
        const tasks = ["task", "other task"].map((who) =>
          toy.spawn(function* () {
            using _guard = yield* way(lock);
            seen.push(who);
            yield* yieldNow();
          })
        );
        toy.run(30);
        assertEquals(lock.waiting(), 3);
        guard.release();
        assertEquals([lock.waiting(), lock.isFree()], [2, false]);
        await toy.during(() => awaited); // which releases it
        toy.run(30);
        const ended = toy.during(() =>
          run(function* () {
            for (let n = 0; n < 3; n++) {
              spawn(() =>
                holding(lock, way, function* () {
                  seen.push("fiber");
                  yield* yieldNow();
                })
              );
            }
          })
        );
        valueOf(ended);
        toy.run();
        for (const task of tasks) assertEquals([task.state, task.error], ["returned", undefined]);
        const expected = ["async function", "task", "other task", "fiber", "fiber", "fiber"];
        assertEquals(seen, expected);
        assertEquals([lock.waiting(), lock.isFree()], [0, true]);
      }
    });

    for (const style of CANCEL_STYLES) {
      const keeps = style === "throw"; // nobody said that it was cancelled before it was resumed

      Deno.test(`law 4 in world 5, cancelled by ${style}: ${title}: what was granted in the same instant ${keeps ? "is returned" : "goes to the next in line"}`, () => {
        for (const nextWaits of [true, false]) {
          const lock = make();
          const toy = new ToyScheduler();
          const guard = lock.tryTake()!;
          let got: Guard | undefined;
          const task = toy.spawn(function* () {
            got = yield* way(lock);
          });
          toy.run();
          const next = toy.spawn(() => way(lock));
          if (nextWaits) toy.run();
          guard.release();
          assertEquals(task.state, "ready");
          toy.cancel(task, style);
          assertEquals(got !== undefined, keeps);
          toy.run();
          assertEquals(next.state, keeps ? "suspended" : "returned");
          (got ?? next.value!).release();
          toy.run();
          if (keeps) next.value!.release();
          assertEquals([lock.waiting(), lock.isFree()], [0, true]);
        }
      });
    }
  }

  Deno.test(`${kind}: a select that it has lost holds nothing of it`, () => {
    const lock = make();
    const channel = new Channel<string>();
    virtually(function* () {
      const guard = lock.tryTake()!;
      const fiber = spawn(() =>
        select({ lock: lock.event(), again: lock.event(), item: channel.receiveEvent() })
      );
      yield* settle();
      assertEquals(lock.waiting(), 2);
      channel.trySend("first");
      assertEquals(lock.waiting(), 0);
      guard.release();
      assertEquals((yield* fiber).kind, "item");
    });
    assertEquals([lock.waiting(), lock.isFree()], [0, true]);
  });

  Deno.test(`${kind}: a select between several locks holds the one that it gets`, () => {
    for (const first of [0, 1, 2]) {
      const locks = [make(), make(), make()];
      virtually(function* () {
        const guards = locks.map((lock) => lock.tryTake()!);
        const fiber = spawn(function* () {
          const [index, guard] = yield* select(
            locks.map((lock, index) => when(lock.event(), (guard) => [index, guard] as const)),
          );
          assertEquals(index, first);
          assertEquals(locks.map((lock) => lock.isFree()), locks.map((_, n) => n !== first));
          guard.release();
        });
        yield* settle();
        guards[first]!.release();
        for (const guard of guards) guard[Symbol.dispose]();
        yield* fiber;
      });
      assertEquals(
        locks.map((lock) => [lock.waiting(), lock.isFree()]),
        locks.map(() => [0, true]),
      );
    }
  });

  Deno.test(`${kind}: in a select with a source that gives its permit back while it is waited on`, () => {
    const lock = make();
    const guard = lock.tryTake()!;
    let cancels = 0;
    const event = Event.from<never>({
      poll: () => undefined,
      wait() {
        guard.release(); // code of the user's, between the first poll and the second
        return { cancel: () => void cancels++ };
      },
    });
    virtually(function* () {
      (yield* select([when(lock.event(), (guard) => guard), when(event, (never) => never)]))
        .release();
    });
    assertEquals([lock.waiting(), lock.isFree(), cancels], [0, true, 1]);
  });

  Deno.test(`${kind}: what was granted to a select whose source has won in the same instant goes on`, () => {
    const lock = make();
    const source = new Source<string>();
    virtually(function* () {
      const guard = lock.tryTake()!;
      const release = () => executeAs(null, () => guard.release());
      let lockIt = true;
      const stealing = Event.from<string>({
        poll() {
          if (source.size === 0) return undefined;
          if (lockIt) release(); // the select is committed to the lock while it polls
          lockIt = false;
          return source.poll();
        },
        wait: (wakeup) => source.wait(wakeup),
      });
      const fiber = spawn(() => select({ lock: lock.event(), stealing }));
      yield* settle();
      const next = spawn(() => holding(lock, ways["the event"]!, yieldNow));
      yield* settle();
      source.happen("it");
      assertEquals((yield* fiber).kind, "stealing");
      yield* next;
    });
    assertEquals([lock.waiting(), lock.isFree()], [0, true]);
  });

  Deno.test(`${kind}: a guard is released once, and disposed of any number of times`, () => {
    const lock = make();
    for (const dispose of [false, true]) {
      const guard = lock.tryTake()!;
      if (dispose) guard[Symbol.dispose]();
      else guard.release();
      assert(lock.isFree());
      const other = lock.tryTake()!;
      assertThrows(() => guard.release(), Error, "this guard was released already");
      guard[Symbol.dispose]();
      assertEquals(lock.tryTake(), undefined, "the other one still holds it");
      other.release();
    }
    assert(lock.isFree());
  });

  Deno.test(`${kind}: its guard may be released wherever its fiber ends`, () => {
    const places: Record<string, (guard: Guard) => Operation<void>> = {
      *"in protect()"(guard) {
        yield* protect(function* () {
          guard.release();
        });
      },
      *"in a hook"(guard) {
        yield* scope(function* (context) {
          context.onRelease(() => guard.release());
        });
      },
      *"in a cancel callback"(guard) {
        yield* cancelScope((context) =>
          withCancelCallback(() => guard.release(), function* () {
            context.cancel();
            yield* yieldNow();
          })
        );
      },
      *"in a fiber that is aborting"(guard) {
        try {
          Fiber.current().abort();
          yield* yieldNow();
        } finally {
          guard.release();
        }
      },
    };
    for (const [place, release] of Object.entries(places)) {
      const lock = make();
      virtually(function* () {
        const fiber = spawn(function* () {
          yield* release(yield* lock.take());
        });
        yield* fiber.join();
      });
      assert(lock.isFree(), place);
    }
    for (const getsItBy of ["take", "event"] as const) {
      const lock = make();
      let guard: Guard | undefined;
      virtually(function* () {
        yield* spawn(function* () {
          guard = yield* lock[getsItBy]();
        }, { finally: () => guard!.release() });
      });
      assert(lock.isFree(), "in finally");
    }
  });

  Deno.test(`${kind}: with its body it is released once, however the body ends`, async () => {
    const bodies: Record<string, (guard: Guard) => Operation<unknown>> = {
      *returns() {
        return 1;
      },
      *suspends() {
        yield* yieldNow();
      },
      *throws() {
        throw new RangeError("no");
      },
      *"throws later"() {
        yield* yieldNow();
        throw new RangeError("no");
      },
      *"releases it itself"(guard) {
        guard.release();
        yield* yieldNow();
      },
      *"is aborted"() {
        Fiber.current().abort();
        yield* yieldNow();
      },
      "is no generator function": () => 7 as never,
      "returns a promise": () => Promise.resolve() as never,
      "throws at the call": () => {
        throw new RangeError("no");
      },
    };
    for (const [name, body] of Object.entries(bodies)) {
      const lock = make();
      virtually(function* () {
        const fiber = spawn(() => lock.with(body), { propagateCancelToParent: false });
        const next = spawn(() => lock.with(() => yieldNow()));
        const { ok } = yield* fiber.join();
        assertEquals(ok, ["returns", "suspends", "releases it itself"].includes(name), name);
        yield* next;
      });
      assertEquals([lock.waiting(), lock.isFree()], [0, true], name);
      await Promise.resolve(lock.with(body)).then(() => {}, () => {});
      assert(lock.isFree(), `${name}, awaited`);
    }
    const lock = make();
    for (const bad of [undefined, null, 1, {}, yieldNow(), async () => {}, async function* () {}]) {
      assertThrows(() => lock.with(bad as never), TypeError, "body must be a");
    }
    assert(lock.isFree(), "nothing was begun");
  });

  Deno.test(`${kind}: with a body that is aborted, while it waits and while it runs`, () => {
    for (const turns of [0, 1, 2, 3]) {
      for (const held of [false, true]) {
        const lock = make();
        virtually(function* () {
          const guard = held ? lock.tryTake() : undefined;
          const fiber = spawn(() => lock.with(() => Event.never()));
          for (let turn = 0; turn < turns; turn++) yield* yieldNow();
          fiber.abort();
          guard?.release();
          yield* fiber.join();
        });
        assertEquals([lock.waiting(), lock.isFree()], [0, true]);
      }
    }
  });

  Deno.test(`${kind}: with a body whose generator somebody gives up`, () => {
    const lock = make();
    const toy = new ToyScheduler();
    for (const style of ["return", "onCancel, then return", "throw"] as const) {
      const task = toy.spawn(() => lock.with(() => Event.never()));
      toy.run();
      assertEquals([task.state, lock.isFree()], ["suspended", false]);
      toy.cancel(task, style);
      assert(lock.isFree(), style);
    }
  });

  Deno.test(`${kind}: an operation is used once, and waits only where somebody waits`, () => {
    const lock = make();
    virtually(function* () {
      const once = lock.take();
      (yield* once).release();
      assertThrows(() => once[Symbol.iterator](), TypeError, "one-shot");
    });
    const idle = lock.take(); // never waited for: holds nothing
    assert(lock.isFree());
    assertThrows(() => idle[Symbol.iterator]().next(), Error, "no scheduler runs here");
    assert(lock.isFree());
  });

  Deno.test(`${kind}: in a thread that blocks`, () => {
    const lock = make();
    const order: number[] = [];
    const body = function* () {
      for (let n = 0; n < 3; n++) {
        spawn(() =>
          lock.with(function* () {
            order.push(n);
            yield* yieldNow();
          })
        );
      }
    };
    valueOf(run(body, { loop: blockingLoop() }));
    assertEquals([order, lock.waiting(), lock.isFree()], [[0, 1, 2], 0, true]);
  });

  for (
    const [name, cancelled] of Object.entries({
      "in line at once": function* (lock: Lock) {
        yield* cancelScope(function* (context) {
          for (let n = 0; n < 30_000; n++) spawn(() => lock.take());
          yield* yieldNow();
          assertEquals(lock.waiting(), 30_000);
          context.cancel();
        });
      },
      "of selects": function* (lock: Lock) {
        yield* cancelScope(function* (context) {
          for (let n = 0; n < 30_000; n++) {
            spawn(() => select({ a: lock.event(), b: lock.event() }));
          }
          yield* yieldNow();
          assertEquals(lock.waiting(), 60_000);
          context.cancel();
        });
      },
      "one after the other": function* (lock: Lock) {
        for (let n = 0; n < 30_000; n++) {
          const fiber = spawn(() => lock.take());
          yield* yieldNow();
          fiber.abort();
        }
      },
    })
  ) {
    Deno.test(`law 9: ${kind}: 30,000 cancelled waits ${name} leave none`, () => {
      const lock = make();
      const guard = lock.tryTake()!;
      virtually(() => cancelled(lock));
      assertEquals(lock.waiting(), 0);
      guard.release();
      assert(lock.isFree());
    });
  }
}

Deno.test("law 11: what a Deadlock says of locks with a name and without", () => {
  const says = (body: () => Operation<unknown>) => (errorOf(run(body)) as Error).message;
  const mutex = new Mutex();
  const rows: [() => Operation<unknown>, string][] = [
    [function* () {
      const semaphore = new Semaphore(3);
      yield* semaphore.acquire(2);
      yield* semaphore.acquire(3);
    }, "3 permits of a semaphore, which has 1"],
    [function* () {
      const semaphore = new Semaphore(1, { name: "slots" });
      yield* semaphore.acquire();
      yield* semaphore.acquireEvent();
    }, 'a permit of semaphore "slots", which has 0'],
    [function* () {
      spawn(() => mutex.lock(), { name: "keeper" });
      yield* yieldNow();
      yield* mutex.lock();
    }, 'the lock of a mutex, held by fiber "keeper"'],
    [function* () {
      const lock = new RwLock({ name: "table" });
      yield* lock.read();
      yield* lock.write();
    }, 'to write under read-write lock "table"'],
    [function* () {
      const lock = new RwLock();
      spawn(() => lock.write(), { name: "writer" });
      yield* yieldNow();
      yield* lock.read();
    }, 'to read under a read-write lock, held by fiber "writer"'],
  ];
  for (const [body, text] of rows) assertStringIncludes(says(body), text);
});
