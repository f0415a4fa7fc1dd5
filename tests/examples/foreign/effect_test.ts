/** `examples/foreign/effect.ts`: Weft's locks and channels in the fibers of Effect. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import { Cause, Context, Deferred, Effect, Exit, Fiber, Scheduler } from "npm:effect@4.1.0";
import {
  Abort,
  afterEvent,
  Channel,
  ChannelClosedError,
  fromPromise,
  Inactive,
  main,
  select,
  using,
} from "@weft/weft";
import { Condition, Lazy, Mutex, Semaphore } from "@weft/weft/sync";
import {
  prepareForAwait,
  runPromise,
  unwinding,
  withGuard,
} from "../../../examples/foreign/effect.ts";
import { hostTurn } from "../../kit/uncaught.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };
const unlocked = { isLocked: false, waiting: 0 };

/** Effect's scheduler, whose turns are taken by hand. */
class Turns {
  readonly #ready: (() => void)[] = [];
  readonly #scheduler: Scheduler.MixedScheduler;

  constructor() {
    this.#scheduler = new Scheduler.MixedScheduler("async", (task) => {
      this.#ready.push(task);
      return () => void this.#ready.splice(this.#ready.indexOf(task) >>> 0, 1);
    });
  }

  /** Gives way after so many of Effect's operations. */
  fork<A, E>(effect: Effect.Effect<A, E>, opsPerTurn = 2048): Fiber.Fiber<A, E> {
    return Effect.runFork(
      Effect.provideService(effect, Scheduler.MaxOpsBeforeYield, opsPerTurn),
      { scheduler: this.#scheduler },
    );
  }

  take(count = 1000): void {
    for (; count > 0 && this.#ready.length > 0; count--) this.#ready.shift()!();
  }
}

function registered(f: () => void): void {
  using({ prepareForAwait, whileRunning: f });
}

function exitOf<A, E>(fiber: Fiber.Fiber<A, E>): Exit.Exit<A, E> {
  const exit = fiber.pollUnsafe();
  assert(exit !== undefined, "the fiber has not ended");
  return exit;
}

function assertInterrupted(fiber: Fiber.Fiber<unknown, unknown>): void {
  assert(Exit.hasInterrupts(exitOf(fiber)), `it ended with ${exitOf(fiber)}`);
}

// What a program looks like ----------------------------------------------------------------------

Deno.test("in Effect, fibers wait for Weft's locks and channels, and for Effect's sleep and deferreds", async () => {
  const mutex = new Mutex();
  const results = new Channel<string>();
  let inside = 0;
  const work = (name: string) =>
    Effect.gen(function* () {
      const guard = yield* mutex.lock();
      assertEquals(++inside, 1);
      yield* Effect.sleep(0);
      inside--;
      guard.release();
      yield* results.send(name);
      return name;
    });
  const names = await runPromise(Effect.gen(function* () {
    const go = yield* Deferred.make<void>();
    const fibers = [];
    for (const name of ["a", "b", "c"]) {
      fibers.push(yield* Effect.forkChild(Effect.andThen(Deferred.await(go), work(name))));
    }
    yield* Deferred.succeed(go, undefined);
    const names: string[] = [];
    while (names.length < 3) {
      const next = yield* select({ name: results.receiveEvent(), late: afterEvent(60_000) });
      if (next.kind === "name") names.push(next.value);
    }
    return [...names, ...yield* Fiber.joinAll(fibers)];
  }));
  assertEquals(names, ["a", "b", "c", "a", "b", "c"]);
  assertEquals([mutex.statistics(), results.statistics()], [unlocked, idle]);
});

Deno.test("in Effect, runPromise() registers Weft until the program has ended", async () => {
  const channel = new Channel<number>();
  await runPromise(
    Effect.gen(function* () {
      yield* Effect.sleep(0);
      channel.trySend(yield* unwinding(() => select({ item: afterEvent(0) })).pipe(Effect.as(1)));
      yield* Effect.addFinalizer(() => Effect.sync(() => assertEquals(channel.size, 1)));
    }).pipe(Effect.scoped),
  );
  assertThrows(() => channel.send(1)[Symbol.iterator]().next(), Inactive);
  await assertRejects(() => runPromise(Effect.fail(new RangeError("no"))), RangeError);
  const controller = new AbortController();
  const waiting = runPromise(unwinding(() => new Channel().receive()), controller);
  controller.abort();
  await assertRejects(() => waiting);
  assertThrows(() => channel.send(1)[Symbol.iterator]().next(), Inactive);
});

Deno.test("in Effect, a registration that somebody else's generators meet says so", () => {
  registered(() => {
    const error = assertThrows(() => new Channel().receive()[Symbol.iterator]().next(), Error);
    assertEquals(
      error.message,
      "Cannot wait as Effect does: no fiber of Effect's runs; perThread tells several libraries apart",
    );
  });
});

Deno.test("in Effect, five thousand fibers wake each other without a stack of five thousand", () => {
  registered(() => {
    const turns = new Turns();
    const channels = Array.from({ length: 5000 }, () => new Channel<number>({ capacity: 0 }));
    const fibers = channels.map((channel, n) =>
      turns.fork(Effect.gen(function* () {
        const hops = yield* channel.receiveOrThrow();
        yield* (channels[n + 1] ?? channels[0]!).send(hops + 1);
      }))
    );
    channels[0]!.trySend(0);
    turns.take(20_000);
    assertEquals(channels[0]!.tryReceive(), { value: 5000 });
    turns.take();
    for (const fiber of fibers) assertEquals(exitOf(fiber), Exit.void);
  });
});

Deno.test("in Effect, a trigger may be released before it is awaited, and is cancelled once", async () => {
  const log: string[] = [];
  await runPromise(Effect.gen(function* () {
    const trigger = prepareForAwait();
    trigger.release();
    trigger.release();
    yield* trigger.await(() => log.push("cancelled though it was released"));
    const fiber = yield* Effect.forkChild(Effect.gen(function* () {
      const trigger = prepareForAwait();
      yield* trigger.await(() => {
        trigger.release();
        log.push("cancelled");
      });
    }));
    yield* Effect.yieldNow;
    yield* Fiber.interrupt(fiber);
  }));
  assertEquals(log, ["cancelled"]);
});

Deno.test("in Effect, a fiber that one of Weft's resumes in a microtask waits for the lock that this one holds", async () => {
  const mutex = new Mutex();
  const go = Deferred.makeUnsafe<void>();
  const done = runPromise(Effect.gen(function* () {
    yield* Deferred.await(go);
    const guard = yield* mutex.lock();
    guard.release();
    return "done";
  }));
  await main(function* () {
    using _guard = yield* mutex.lock();
    queueMicrotask(() => Deferred.doneUnsafe(go, Effect.void));
    yield* fromPromise(hostTurn());
    assertEquals(mutex.statistics(), { isLocked: true, waiting: 1 });
  });
  assertEquals([await done, mutex.statistics()], ["done", unlocked]);
});

Deno.test("in Effect, a select that is lost holds nothing", async () => {
  const [mutex, semaphore] = [new Mutex(), new Semaphore(2)];
  const [held, permits] = [mutex.tryLock()!, semaphore.tryAcquire(2)!];
  const kind = await runPromise(Effect.gen(function* () {
    const next = yield* select({
      lock: mutex.lockEvent(),
      permit: semaphore.acquireEvent(),
      late: afterEvent(0),
    });
    return next.kind;
  }));
  held.release();
  permits.release();
  assertEquals(kind, "late");
  assertEquals(mutex.statistics(), unlocked);
  assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
});

// Interruption -----------------------------------------------------------------------------------

Deno.test("law 9: in Effect, thousands of interrupted waits leave the queue as it was", () => {
  registered(() => {
    const turns = new Turns();
    const mutex = new Mutex();
    const order: string[] = [];
    const first = mutex.tryLock()!;
    const fork = (name: string) =>
      turns.fork(Effect.gen(function* () {
        const guard = yield* mutex.lock();
        order.push(name);
        guard.release();
      }));
    fork("a");
    const waiting = Array.from({ length: 3000 }, () => fork("interrupted"));
    fork("b");
    for (const fiber of waiting) fiber.interruptUnsafe();
    assertEquals(mutex.statistics().waiting, 2);
    for (const fiber of waiting) assertInterrupted(fiber);
    first.release();
    turns.take();
    assertEquals([order, mutex.statistics()], [["a", "b"], unlocked]);
  });
});

/** How a test goes through all instants: when the lock is granted, and when the fiber interrupted. */
interface Instant {
  readonly opsPerTurn: number;
  readonly grantedAt: number;
  readonly interruptedAt: number;
}

function forEachInstant(test: (instant: Instant) => void): void {
  for (const opsPerTurn of [3, 4, 5, 6, 7, 8, 9, 10, 11, 2048]) {
    for (let grantedAt = 0; grantedAt < 12; grantedAt++) {
      for (let interruptedAt = 0; interruptedAt < 20; interruptedAt++) {
        const instant = { opsPerTurn, grantedAt, interruptedAt };
        try {
          registered(() => test(instant));
        } catch (error) {
          throw new Error(`it fails for ${Deno.inspect(instant)}`, { cause: error });
        }
      }
    }
  }
}

/** Runs `effect`, and says whether it was interrupted. */
function runThrough(
  effect: Effect.Effect<unknown>,
  { opsPerTurn, grantedAt, interruptedAt }: Instant,
  grant: () => void,
  tick = () => {},
): boolean {
  const turns = new Turns();
  const fiber = turns.fork(effect, opsPerTurn);
  for (let turn = 0; turn < 60; turn++) {
    if (turn === grantedAt) grant();
    if (turn === interruptedAt) fiber.interruptUnsafe();
    turns.take(1);
    tick();
  }
  return Exit.hasInterrupts(exitOf(fiber));
}

function assertSomeOfBoth(outcomes: Set<unknown>): void {
  assertEquals(outcomes.size, 2, `the instants give only ${[...outcomes]}`);
}

/** A generator that cannot fail, as an effect. */
type Make = (body: () => Generator<Effect.Effect<void>, void, never>) => Effect.Effect<void>;
const makers: Record<string, Make> = { "Effect.gen": (body) => Effect.gen(body), unwinding };
for (const [name, make] of Object.entries(makers)) {
  Deno.test(`law 4: in ${name}, an item was received, or is still there, whenever its fiber is interrupted`, () => {
    const outcomes = new Set();
    forEachInstant((instant) => {
      const channel = new Channel<number>({ capacity: 0 });
      const received: number[] = [];
      const effect = make(function* () {
        yield* Effect.void;
        received.push(yield* channel.receiveOrThrow());
        yield* Effect.void;
        received.push(yield* channel.receiveEvent());
      });
      runThrough(effect, instant, () => {
        for (const n of [1, 2]) channel.send(n).then(() => {});
      });
      outcomes.add(received.length === 2);
      const left = [channel.tryReceive()?.value, channel.tryReceive()?.value];
      const items = [...received, ...left.filter((item) => item !== undefined)];
      assertEquals(items, [1, 2]);
      assertEquals(channel.statistics(), idle);
    });
    assertSomeOfBoth(outcomes);
  });

  Deno.test(`in ${name}, a fiber that is interrupted while it runs leaves no waiter`, () => {
    registered(() => {
      for (const opsPerTurn of [3, 4, 5, 2048]) {
        const turns = new Turns();
        const channel = new Channel<number>();
        const fiber = turns.fork(
          make(function* () {
            Fiber.getCurrent()!.interruptUnsafe(); // as a task might that a grant of ours has resumed
            yield* channel.receive();
          }),
          opsPerTurn,
        );
        turns.take();
        assertInterrupted(fiber);
        assertEquals(channel.statistics(), idle);
      }
    });
  });
}

/** `ticks` has an item in each turn. */
type Hold = (mutex: Mutex, inside: () => void, ticks: Channel<void>) => Effect.Effect<unknown>;

/** Ways to hold a lock while another effect runs, and let go of it whatever happens. */
const holders: Record<string, Hold> = {
  "withGuard": (mutex, inside) =>
    withGuard(
      () => mutex.lock(),
      () => Effect.andThen(Effect.sync(inside), Effect.andThen(Effect.yieldNow, Effect.yieldNow)),
    ),
  "unwinding, by using": (mutex, inside) =>
    unwinding(function* () {
      using _guard = yield* mutex.lock();
      inside();
      yield* Effect.yieldNow;
      yield* Effect.yieldNow;
    }),
  "unwinding, by finally": (mutex, inside) =>
    unwinding(function* () {
      const guard = yield* mutex.lock();
      try {
        inside();
        yield* Effect.yieldNow;
      } finally {
        try {
          yield* Effect.yieldNow;
        } finally {
          guard.release();
        }
      }
    }),
  "unwinding of withLock": (mutex, inside, ticks) =>
    unwinding(() =>
      mutex.withLock(function* () {
        inside();
        yield* ticks.receive();
        yield* ticks.receive();
      })
    ),
  "unwinding of a select": (mutex, inside) =>
    unwinding(function* () {
      const chosen = yield* select({
        guard: mutex.lockEvent(),
        never: new Channel().receiveEvent(),
      });
      if (chosen.kind === "never") throw new Error("impossible");
      using _guard = chosen.value;
      inside();
      yield* Effect.yieldNow;
    }),
};

for (const [name, hold] of Object.entries(holders)) {
  Deno.test(`law 4: ${name} releases the lock whenever its fiber is interrupted`, () => {
    const outcomes = new Set();
    forEachInstant((instant) => {
      const mutex = new Mutex();
      const held = mutex.tryLock()!;
      const ticks = new Channel<void>({ capacity: 0 });
      let entered = 0;
      const interrupted = runThrough(
        hold(mutex, () => entered++, ticks),
        instant,
        () => held.release(),
        () => void ticks.trySend(),
      );
      outcomes.add(entered > 0);
      if (entered === 0) assert(interrupted);
      assertEquals([mutex.statistics(), ticks.statistics().receiversWaiting], [unlocked, 0]);
    });
    assertSomeOfBoth(outcomes);
  });
}

Deno.test("in Effect, withGuard() can be interrupted while it waits, and inside, but not where nothing can", () => {
  registered(() => {
    const turns = new Turns();
    const mutex = new Mutex();
    const held = mutex.tryLock()!;
    const waiting = turns.fork(withGuard(() => mutex.lock(), () => Effect.void));
    const shielded = turns.fork(
      Effect.uninterruptible(withGuard(() => mutex.lock(), () => Effect.succeed("held"))),
    );
    turns.take();
    waiting.interruptUnsafe();
    shielded.interruptUnsafe();
    assertInterrupted(waiting);
    assertEquals(mutex.statistics().waiting, 1);
    held.release();
    turns.take();
    assertEquals(mutex.statistics(), unlocked);
    const inside = turns.fork(withGuard(() => mutex.lock(), () => Effect.never));
    assert(mutex.isLocked);
    inside.interruptUnsafe();
    assertInterrupted(inside);
    assertEquals(mutex.statistics(), unlocked);
  });
});

Deno.test("in Effect, withGuard() releases when what it runs fails or throws, or has released", async () => {
  const mutex = new Mutex();
  const failing = withGuard(() => mutex.lock(), () => Effect.fail("failed"));
  assertEquals(await runPromise(Effect.flip(failing)), "failed");
  const boom = new Error("boom");
  const throwing = withGuard(() => mutex.lock(), (): Effect.Effect<void> => {
    throw boom;
  });
  assertEquals(await runPromise(Effect.exit(throwing)), Exit.die(boom));
  const early = withGuard(() => mutex.lock(), (guard) => Effect.sync(() => guard.release()));
  await runPromise(early);
  const permits = new Semaphore(3);
  const nested = withGuard(
    () => permits.acquire(2),
    () =>
      withGuard(() => mutex.lock(), () => Effect.sync(() => [permits.available, mutex.isLocked])),
  );
  assertEquals(await runPromise(Effect.repeat(nested, { times: 2 })), [1, true]);
  assertEquals([mutex.statistics(), permits.available], [unlocked, 3]);
});

// Unwinding --------------------------------------------------------------------------------------

Deno.test("T1: in Effect, what finally waits for is waited for, uninterrupted, and then the fiber ends", () => {
  registered(() => {
    const turns = new Turns();
    const [channel, cleanUp] = [new Channel<number>(), new Channel<string>()];
    const log: string[] = [];
    const fiber = turns.fork(unwinding(function* () {
      try {
        yield* channel.receive();
      } catch (error) {
        assertInstanceOf(error, Abort);
        throw error;
      } finally {
        yield* Effect.yieldNow;
        log.push(yield* cleanUp.receiveOrThrow());
      }
    }));
    fiber.interruptUnsafe();
    turns.take();
    fiber.interruptUnsafe();
    turns.take();
    assertEquals([channel.statistics(), log, fiber.pollUnsafe()], [idle, [], undefined]);
    cleanUp.trySend("clean");
    turns.take();
    assertEquals([cleanUp.statistics(), log], [idle, ["clean"]]);
    assertInterrupted(fiber);
  });
});

Deno.test("in Effect, a condition that is waited on in unwinding() locks again before the fiber ends", () => {
  registered(() => {
    const turns = new Turns();
    const mutex = new Mutex();
    const changed = new Condition(mutex);
    const log: string[] = [];
    const fork = (name: string) =>
      turns.fork(unwinding(function* () {
        using guard = yield* mutex.lock();
        try {
          yield* changed.wait(guard);
          log.push(`${name} notified`);
        } finally {
          assert(mutex.isLocked);
          log.push(`${name} ends`);
        }
      }));
    const [a, b, c] = ["a", "b", "c"].map(fork);
    turns.take();
    assertEquals(changed.statistics().waiting, 3);
    const held = mutex.tryLock()!;
    a!.interruptUnsafe();
    turns.take();
    assertEquals([log, a!.pollUnsafe()], [[], undefined]); // it waits for the lock
    changed.notifyOne();
    b!.interruptUnsafe(); // in the instant of the notification, which goes to the next one
    held.release();
    turns.take();
    for (const fiber of [a!, b!]) assertInterrupted(fiber);
    assertEquals(exitOf(c!), Exit.void);
    assertEquals(log, ["a ends", "b ends", "c notified", "c ends"]);
    assertEquals([mutex.statistics(), changed.statistics()], [unlocked, { waiting: 0 }]);
  });
});

Deno.test("in Effect, a Lazy whose forcing fiber is interrupted is made for the next who waits", async () => {
  const values = new Channel<string>();
  const lazy = new Lazy(() => values.receiveOrThrow());
  const value = await runPromise(Effect.gen(function* () {
    const force = Effect.gen(function* () {
      return yield* lazy.force(); // a wait of one step: nothing is left to unwind
    });
    const first = yield* Effect.forkChild(force);
    const second = yield* Effect.forkChild(force);
    yield* Effect.sleep(0);
    assertEquals(lazy.statistics().waiting, 1); // behind the one for whom it is made
    yield* Fiber.interrupt(first);
    values.trySend("made");
    return yield* Fiber.join(second);
  }));
  assertEquals(value, "made");
  assertEquals([lazy.statistics().waiting, values.statistics()], [0, idle]);
});

class Numbers extends Context.Service<Numbers, { readonly first: number }>()("Numbers") {}

Deno.test("in Effect, unwinding() fails, throws and requires what its generator does", async () => {
  class Missing {
    readonly _tag = "Missing";
  }
  class Wrong {
    readonly _tag = "Wrong";
  }
  const log: string[] = [];
  const program: Effect.Effect<number, Missing | Wrong, Numbers> = unwinding(function* () {
    try {
      const { first } = yield* Numbers;
      if (first === 0) yield* Effect.fail(new Missing());
      if (first < 0) yield* Effect.fail(new Wrong());
      return first;
    } finally {
      log.push("unwound");
    }
  });
  const outcome = (first: number) =>
    runPromise(Effect.exit(Effect.provideService(program, Numbers, { first })));
  assertEquals(await outcome(7), Exit.succeed(7));
  assertEquals(await outcome(0), Exit.fail(new Missing()));
  assertEquals(await outcome(-1), Exit.fail(new Wrong()));
  assertEquals(log, ["unwound", "unwound", "unwound"]);

  const closed = new Channel<number>();
  closed.close();
  const exit = await runPromise(Effect.exit(unwinding(() => closed.receiveOrThrow())));
  assert(Exit.isFailure(exit));
  assertInstanceOf(Cause.squash(exit.cause), ChannelClosedError);
  const caught = unwinding(function* () {
    try {
      return yield* closed.receiveOrThrow();
    } catch (error) {
      return error;
    }
  });
  assertInstanceOf(await runPromise(caught), ChannelClosedError);
});

Deno.test("in Effect, unwinding() tells both what failed and what its finally threw", async () => {
  const boom = new Error("boom");
  const exit = await runPromise(Effect.exit(unwinding(function* () {
    try {
      yield* Effect.fail("failed");
    } finally {
      // deno-lint-ignore no-unsafe-finally -- a mistake that must not hide the other one
      throw boom;
    }
  })));
  assert(Exit.isFailure(exit));
  assertEquals(exit.cause, Cause.combine(Cause.die("failed"), Cause.die(boom)));
});

Deno.test("in Effect, an unwinding() can run again, and within another one", async () => {
  const mutex = new Mutex();
  let runs = 0;
  const once = unwinding(() =>
    mutex.withLock(function* () {
      return ++runs;
    })
  );
  const nested = unwinding(function* () {
    return [yield* once, yield* unwinding(() => once)];
  });
  assertEquals(await runPromise(Effect.repeat(nested, { times: 2 })), [5, 6]);
  assertEquals(mutex.statistics(), unlocked);
});
