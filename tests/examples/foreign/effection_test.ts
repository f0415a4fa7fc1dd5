/** `examples/foreign/effection.ts`: Weft's locks and channels in the tasks of Effection. */
import { assert, assertEquals, assertInstanceOf, assertRejects, assertThrows } from "@std/assert";
import {
  call,
  createSignal,
  each,
  type Operation,
  race,
  scoped,
  sleep,
  spawn,
  suspend,
  type Task,
  withResolvers,
} from "npm:effection@4.1.1";
import {
  Abort,
  afterEvent,
  Channel,
  ChannelClosedError,
  fromPromise,
  Inactive,
  main,
  select,
} from "@weft/weft";
import { Condition, Lazy, Mutex, Semaphore } from "@weft/weft/sync";
import { prepareForAwait, run, unwinding } from "../../../examples/foreign/effection.ts";
import { hostTurn } from "../../kit/uncaught.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };
const unlocked = { isLocked: false, waiting: 0 };

/** A task that runs with Weft registered, and is waited for to its end, however it ends. */
async function withTask<T>(
  body: () => Operation<T>,
  f: (task: Task<T>) => unknown,
): Promise<void> {
  const task = run(body);
  try {
    await f(task);
  } finally {
    await task.halt();
  }
}

// What a program looks like ----------------------------------------------------------------------

Deno.test("in Effection, tasks wait for Weft's locks and channels, and for Effection's sleep and signals", async () => {
  const mutex = new Mutex();
  const results = new Channel<string>();
  let inside = 0;
  function* work(name: string): Operation<string> {
    const guard = yield* mutex.lock();
    assertEquals(++inside, 1);
    yield* sleep(0);
    inside--;
    guard.release();
    yield* results.send(name);
    return name;
  }
  const names = await run(function* () {
    const go = createSignal<string, void>();
    yield* spawn(function* () {
      for (const name of yield* each(go)) {
        yield* spawn(() => work(name));
        yield* each.next();
      }
      yield* suspend();
    });
    yield* sleep(0);
    for (const name of ["a", "b", "c"]) go.send(name);
    const names: string[] = [];
    while (names.length < 3) {
      const next = yield* select({ name: results.receiveEvent(), late: afterEvent(60_000) });
      if (next.kind === "name") names.push(next.value);
    }
    return names;
  });
  assertEquals(names, ["a", "b", "c"]);
  assertEquals([mutex.statistics(), results.statistics()], [unlocked, idle]);
});

Deno.test("in Effection, run() registers Weft until the task has ended, its clean-up included", async () => {
  const channel = new Channel<number>();
  const isRegistered = () => {
    try {
      channel.trySend(1);
      channel.receive()[Symbol.iterator]().next();
      return true;
    } catch (error) {
      assertInstanceOf(error, Inactive);
      channel.tryReceive();
      return false;
    }
  };
  const log: unknown[] = [];
  const task = run(function* () {
    yield* spawn(function* () {
      try {
        yield* channel.receive();
      } finally {
        yield* sleep(0);
        log.push(isRegistered());
      }
    });
    try {
      yield* suspend();
    } finally {
      yield* sleep(0);
      log.push(isRegistered());
    }
  });
  await run(() => sleep(0)); // one that ends meanwhile takes off its own registration alone
  await task.halt();
  await hostTurn();
  assertEquals([log, isRegistered()], [[true, true], false]);
  const failed = run(function* () {
    yield* sleep(0);
    throw new RangeError("no");
  });
  await assertRejects(() => failed, RangeError, "no");
  await hostTurn();
  assertEquals([isRegistered(), channel.statistics()], [false, idle]);
});

Deno.test("in Effection, run() is for operations; what throws at once is a task that has failed", async () => {
  await assertRejects(() =>
    run(() => {
      throw new RangeError("no");
    }), RangeError);
  assertThrows(() => new Channel().receive()[Symbol.iterator]().next(), Inactive);
});

Deno.test("in Effection, two thousand tasks wake each other without a stack of two thousand", async () => {
  const channels = Array.from({ length: 2000 }, () => new Channel<number>({ capacity: 0 }));
  const hops = await run(function* () {
    for (const [n, channel] of channels.entries()) {
      yield* spawn(function* () {
        const hops = yield* channel.receiveOrThrow();
        yield* (channels[n + 1] ?? channels[0]!).send(hops + 1);
      });
    }
    yield* channels[0]!.send(0);
    return yield* channels[0]!.receiveOrThrow();
  });
  assertEquals(hops, 2000);
});

Deno.test("in Effection, a task that a fiber of Weft's resumes in a microtask waits for the lock that the fiber holds", async () => {
  const mutex = new Mutex();
  const { operation, resolve } = withResolvers<void>();
  const task = run(function* () {
    yield* operation;
    const guard = yield* mutex.lock();
    guard.release();
    return "done";
  });
  await main(function* () {
    using _guard = yield* mutex.lock();
    queueMicrotask(resolve);
    yield* fromPromise(hostTurn());
    assertEquals(mutex.statistics(), { isLocked: true, waiting: 1 });
  });
  assertEquals([await task, mutex.statistics()], ["done", unlocked]);
});

Deno.test("in Effection, a select that is lost, and a race that is lost, hold nothing", async () => {
  const [mutex, semaphore] = [new Mutex(), new Semaphore(2)];
  const [held, permits] = [mutex.tryLock()!, semaphore.tryAcquire(2)!];
  const [kind, raced] = await run(function* () {
    const lost = yield* select({
      lock: mutex.lockEvent(),
      permit: semaphore.acquireEvent(),
      late: afterEvent(0),
    });
    const raced = yield* race([mutex.lock(), semaphore.acquire(2), sleep(0)]);
    return [lost.kind, raced];
  });
  held.release();
  permits.release();
  assertEquals([kind, raced], ["late", undefined]);
  assertEquals(mutex.statistics(), unlocked);
  assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
});

// Halting ----------------------------------------------------------------------------------------

Deno.test("law 9: in Effection, thousands of halted waits leave the queue as it was", async () => {
  const mutex = new Mutex();
  const order: string[] = [];
  const first = mutex.tryLock()!;
  function* work(name: string): Operation<void> {
    using _guard = yield* mutex.lock();
    order.push(name);
  }
  await run(function* () {
    const halted: Task<void>[] = [];
    yield* spawn(() => work("a"));
    for (let n = 0; n < 3000; n++) halted.push(yield* spawn(() => work("halted")));
    const last = yield* spawn(() => work("b"));
    yield* sleep(0);
    for (const task of halted) yield* task.halt();
    assertEquals(mutex.statistics().waiting, 2);
    first.release();
    yield* last;
  });
  assertEquals([order, mutex.statistics()], [["a", "b"], unlocked]);
});

Deno.test("law 4: in Effection, a lock that is granted in the instant of the halt goes to the next", async () => {
  for (const haltsFirst of [true, false]) {
    for (const within of ["a step", "no step"]) {
      const mutex = new Mutex();
      const held = mutex.tryLock()!;
      const order: string[] = [];
      const work = function* (name: string): Operation<void> {
        using _guard = yield* mutex.lock();
        order.push(name);
        yield* sleep(0);
      };
      const halt = (task: Task<void>) => {
        if (haltsFirst) task.halt().then(() => {});
        held.release();
        if (!haltsFirst) task.halt().then(() => {});
      };
      let halted: Task<void>;
      await run(function* () {
        halted = yield* spawn(() => work("halted"));
        const next = yield* spawn(() => work("next"));
        yield* sleep(0);
        if (within === "a step") halt(halted);
        else queueMicrotask(() => halt(halted));
        yield* next;
      });
      // Out of a step it has the lock at once, and then is halted.
      const got = within === "no step" && !haltsFirst;
      assertEquals(order, got ? ["halted", "next"] : ["next"]);
      assertEquals(mutex.statistics(), unlocked);
    }
  }
});

Deno.test("law 4: in Effection, an item that is sent in the instant of the halt was received, or is there", async () => {
  const channel = new Channel<number>({ capacity: 0 });
  const received: number[] = [];
  await run(function* () {
    for (let n = 0; n < 1000; n++) {
      const task = yield* spawn(function* () {
        received.push(yield* channel.receiveOrThrow());
      });
      yield* call(() => Promise.resolve()); // now it waits
      if (n % 2 === 0) task.halt().then(() => {});
      const wasTaken = channel.trySend(n);
      if (n % 2 === 1) task.halt().then(() => {});
      yield* task.halt();
      const left = channel.tryReceive()?.value;
      if (wasTaken) assertEquals(left ?? received.at(-1), n);
      else assertEquals(left, undefined);
    }
  });
  assertEquals(channel.statistics(), idle);
});

Deno.test("in Effection, a task that is halted while it runs leaves no waiter", async () => {
  const mutex = new Mutex();
  const held = mutex.tryLock()!;
  for (const make of [(body: () => Operation<unknown>) => body(), unwinding]) {
    await withTask(function* () {
      const task: Task<unknown> = yield* spawn(() =>
        make(function* () {
          task.halt().then(() => {});
          yield* mutex.lock();
        })
      );
      yield* sleep(0);
      yield* task.halt();
    }, (task) => task);
    assertEquals(mutex.statistics().waiting, 0);
  }
  held.release();
});

Deno.test("in Effection, a halt releases what using and finally hold, in nested operations, too", async () => {
  const [mutex, permits] = [new Mutex(), new Semaphore(3)];
  const log: string[] = [];
  function* inner(): Operation<void> {
    const permit = yield* permits.acquire(2);
    try {
      yield* suspend();
    } finally {
      permit.release();
      log.push("inner");
    }
  }
  await withTask(function* () {
    using _guard = yield* mutex.lock();
    yield* scoped(inner);
  }, async (task) => {
    await hostTurn();
    assertEquals([mutex.isLocked, permits.available], [true, 1]);
    await task.halt();
  });
  assertEquals([log, mutex.statistics(), permits.available], [["inner"], unlocked, 3]);
  await withTask(() =>
    mutex.withLock(function* () {
      yield* new Channel().receive();
    }), async (task) => {
    await hostTurn();
    await task.halt();
  });
  assertEquals(mutex.statistics(), unlocked);
});

Deno.test("T1: in Effection, what finally waits for is waited for, then the task ends", async () => {
  for (const make of [(body: () => Operation<unknown>) => body(), unwinding]) {
    const [channel, cleanUp] = [new Channel<number>(), new Channel<string>()];
    const log: string[] = [];
    await withTask(() =>
      make(function* () {
        try {
          yield* channel.receive();
        } finally {
          yield* sleep(0);
          log.push(yield* cleanUp.receiveOrThrow());
        }
      }), async (task) => {
      await hostTurn();
      const halting = task.halt();
      let isOver = false;
      halting.then(() => isOver = true);
      await hostTurn();
      assertEquals([channel.statistics(), log, isOver], [idle, [], false]);
      cleanUp.trySend("clean");
      await halting;
      assertEquals([cleanUp.statistics(), log], [idle, ["clean"]]);
    });
  }
});

Deno.test("in Effection, a body that throws releases the lock, and the error is the task's", async () => {
  const mutex = new Mutex();
  const boom = new Error("boom");
  for (const make of [(body: () => Operation<unknown>) => body(), unwinding]) {
    const task = run(() =>
      make(() =>
        mutex.withLock(function* () {
          yield* afterEvent(0);
          throw boom;
        })
      )
    );
    assertEquals(await task.catch((error) => error), boom);
    assertEquals(mutex.statistics(), unlocked);
  }
  const closed = new Channel<number>();
  closed.close();
  await assertRejects(() => run(() => closed.receiveOrThrow()), ChannelClosedError);
});

// Unwinding --------------------------------------------------------------------------------------

/** Waits for something to change that never does. */
function* waitForChange(mutex: Mutex, changed: Condition, log: string[]): Operation<void> {
  using guard = yield* mutex.lock();
  try {
    while (log.length < 1000) yield* changed.wait(guard);
  } catch (error) {
    assertInstanceOf(error, Abort);
    throw error;
  } finally {
    assert(mutex.isLocked);
    log.push("ends");
  }
}

Deno.test("in Effection, a condition that is waited on in unwinding() locks again, and the halt goes on", async () => {
  const mutex = new Mutex();
  const changed = new Condition(mutex);
  const log: string[] = [];
  await withTask(function* () {
    try {
      yield* unwinding(() => waitForChange(mutex, changed, log));
      log.push("goes on");
    } finally {
      log.push("outer");
    }
  }, async (task) => {
    await hostTurn();
    assertEquals(changed.statistics().waiting, 1);
    const held = mutex.tryLock()!;
    const halting = task.halt();
    await hostTurn();
    assertEquals(log, []); // it waits for the lock
    held.release();
    await halting;
  });
  assertEquals(log, ["ends", "outer"]);
  assertEquals([mutex.statistics(), changed.statistics()], [unlocked, { waiting: 0 }]);
});

Deno.test("in Effection, a notification in the instant of a halt goes to the next who waits", async () => {
  const mutex = new Mutex();
  const changed = new Condition(mutex);
  const log: string[] = [];
  function* waitOnce(name: string): Operation<void> {
    using guard = yield* mutex.lock();
    yield* changed.wait(guard);
    log.push(name);
  }
  await run(function* () {
    const halted = yield* spawn(() => unwinding(() => waitOnce("halted")));
    const next = yield* spawn(() => unwinding(() => waitOnce("next")));
    yield* sleep(0);
    changed.notifyOne();
    halted.halt().then(() => {});
    yield* next;
  });
  assertEquals(log, ["next"]);
  assertEquals([mutex.statistics(), changed.statistics()], [unlocked, { waiting: 0 }]);
});

Deno.test("in Effection, a Lazy whose forcing task is halted is made for the next who waits", async () => {
  const values = new Channel<string>();
  const lazy = new Lazy(() => values.receiveOrThrow());
  const value = await run(function* () {
    const first = yield* spawn(() => lazy.force());
    const second = yield* spawn(() => lazy.force());
    yield* sleep(0);
    assertEquals(lazy.statistics().waiting, 1); // behind the one for whom it is made
    yield* first.halt();
    values.trySend("made");
    return yield* second;
  });
  assertEquals(value, "made");
  assertEquals([lazy.statistics().waiting, values.statistics()], [0, idle]);
});

Deno.test("in Effection, unwinding() returns and throws what its body does, and what its finally throws", async () => {
  const boom = new Error("boom");
  const values = await run(function* () {
    const nested = unwinding(() => unwinding(() => call(() => 1)));
    const value = yield* unwinding(function* () {
      yield* sleep(0);
      return 2;
    });
    let caught: unknown;
    try {
      yield* unwinding(function* () {
        yield* sleep(0);
        throw boom;
      });
    } catch (error) {
      caught = error;
    }
    return [yield* nested, value, caught];
  });
  assertEquals(values, [1, 2, boom]);
  for (const waits of [true, false]) {
    const task = run(() =>
      unwinding(function* () {
        try {
          yield* suspend();
        } finally {
          if (waits) yield* sleep(0);
          // deno-lint-ignore no-unsafe-finally -- a mistake that must not be hidden
          throw boom;
        }
      })
    );
    assertEquals(await Promise.resolve(task.halt()).catch((error) => error), boom);
  }
});

Deno.test("in Effection, a trigger may be released before it is awaited, and is cancelled once", async () => {
  const log: string[] = [];
  await run(function* () {
    const trigger = prepareForAwait();
    trigger.release();
    trigger.release();
    yield* trigger.await(() => log.push("cancelled though it was released"));
    const task = yield* spawn(function* () {
      const trigger = prepareForAwait();
      yield* trigger.await(() => {
        trigger.release();
        log.push("cancelled");
      });
    });
    yield* sleep(0);
    yield* task.halt();
  });
  assertEquals(log, ["cancelled"]);
});
