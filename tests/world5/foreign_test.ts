/** World 5: Weft's waits in the generators of a scheduler that knows nothing of Weft. */
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
  afterEvent,
  all,
  any,
  type Awaitable,
  cancelAfter,
  cancelScope,
  Channel,
  ChannelClosedError,
  deadlineEvent,
  either,
  Event,
  Fiber,
  first,
  fromPromise,
  getScheduler,
  Inactive,
  type Instant,
  main,
  map,
  monotonicNow,
  prepareForAwait,
  promiseEvent,
  protect,
  run,
  scheduleMicroTask,
  scope,
  select,
  selfAbort,
  sleep,
  spawn,
  Timeout,
  timeoutEvent,
  using,
  when,
  withCancelCallback,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import {
  Barrier,
  Cell,
  Condition,
  Latch,
  Lazy,
  Mutex,
  Once,
  RwLock,
  Semaphore,
} from "@weft/weft/sync";
import { SharedMutex, SharedSemaphore } from "@weft/weft/thread";
import { Source, Thenable } from "../kit/source.ts";
import { withFakeTime } from "../kit/fake_time.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { CANCEL_STYLES, ToyCancelled, ToyScheduler } from "./toy_scheduler.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

function* caught(operation: Awaitable<unknown>): Generator<never, unknown, unknown> {
  try {
    yield* operation;
  } catch (error) {
    return error;
  }
  return undefined;
}

// Everything that waits --------------------------------------------------------------------------

const behaviours: Record<string, ConstructorParameters<typeof ToyScheduler>[0]> = {
  "resumes later": {},
  "resumes within release": { resumesAtOnce: true },
  "wakes early, three times": { earlyWakeups: 3 },
  "has one trigger for each task": { sharesTrigger: "by task" },
  "has one trigger for each task, and resumes within release": {
    sharesTrigger: "by task",
    resumesAtOnce: true,
  },
  "has one trigger for everybody": { sharesTrigger: "by all" },
};

for (const [behaviour, options] of Object.entries(behaviours)) {
  Deno.test(`world 5: tasks of a scheduler that ${behaviour} pass items through channels`, () => {
    for (const capacity of [0, 1, 2, Infinity]) {
      const toy = new ToyScheduler(options);
      const channel = new Channel<number>({ capacity });
      const received: number[] = [];
      const sender = toy.spawn(function* () {
        for (let n = 0; n < 20; n++) yield* channel.send(n);
        channel.close();
        return yield* caught(channel.send(20));
      });
      const receiver = toy.spawn(function* () {
        for (let item = yield* channel.receive(); item; item = yield* channel.receive()) {
          received.push(item.value);
        }
        return yield* caught(channel.receiveOrThrow());
      });
      toy.run();
      assertEquals(received, Array.from({ length: 20 }, (_, n) => n));
      assertInstanceOf(sender.value, ChannelClosedError);
      assertInstanceOf(receiver.value, ChannelClosedError);
      assertEquals(channel.statistics(), idle);
    }
  });

  Deno.test(`world 5: a task of a scheduler that ${behaviour} waits for whatever there is`, () => {
    const toy = new ToyScheduler(options);
    const a = new Channel<string>();
    const b = new Channel<string>({ capacity: 0 });
    const source = new Source<string>();
    const promise = new Thenable<string>();
    const fiber = new Channel<Fiber<string>>();
    const task = toy.spawn(function* () {
      const log: unknown[] = [];
      log.push(yield* a.receiveOrThrow());
      log.push(yield* b.receiveEvent());
      log.push(yield* select({ a: a.receiveEvent(), source: source.event }));
      log.push(yield* select([when(a.receiveEvent(), (text) => `${text}!`)]));
      log.push(yield* Event.guard(() => Event.choose(Event.never(), a.receiveEvent())));
      log.push(yield* fromPromise(promise));
      log.push(yield* promiseEvent(promise));
      const joined = yield* fiber.receiveOrThrow();
      log.push(yield* joined);
      log.push(yield* joined.join());
      log.push((yield* first(joined, Fiber.aborted())).index);
      log.push(yield* either(Fiber.failed(new Error("no")), joined));
      log.push(yield* joined.abort());
      yield* yieldNow();
      yield* sleep(0);
      yield* afterEvent(0);
      log.push((yield* caught(timeoutEvent(0))) instanceof Timeout);
      log.push((yield* caught(select({ out: timeoutEvent(0) }))) instanceof Timeout);
      return log;
    });
    const happenings = [
      () => a.trySend("a1"),
      () => assert(b.trySend("b1")),
      () => source.wake(),
      () => source.happen("s1"),
      () => a.trySend("a2"),
      () => a.trySend("a3"),
      () => promise.resolve("p1"),
      () =>
        void run(function* () {
          fiber.trySend(spawn(function* () {
            yield* yieldNow();
            return "joined";
          }));
        }),
    ];
    for (const happen of happenings) {
      toy.run(20);
      toy.during(happen);
    }
    toy.run();
    if (task.state === "failed") throw task.error;
    assertEquals(task.value, [
      "a1",
      "b1",
      { kind: "source", value: "s1" },
      "a2!",
      "a3",
      "p1",
      "p1",
      "joined",
      { ok: true, value: "joined" },
      0,
      { index: 1, value: "joined" },
      undefined,
      true,
      true,
    ]);
    assertEquals([a.statistics(), b.statistics(), source.waiters], [idle, idle, 0]);
  });

  Deno.test(`world 5: a primitive on triggers alone works where the scheduler ${behaviour}`, () => {
    const toy = new ToyScheduler(options);
    const waiting = new Set<() => void>();
    let open = false;
    function* passGate() {
      while (!open) {
        const trigger = prepareForAwait();
        const leave = () => void waiting.delete(trigger.release);
        waiting.add(trigger.release);
        yield* trigger.await(leave);
        leave();
      }
      return "through";
    }
    const tasks = [toy.spawn(passGate), toy.spawn(passGate)];
    toy.run(50);
    assertEquals(tasks.map((task) => task.value), [undefined, undefined]);
    toy.during(() => {
      open = true;
      for (const release of waiting) release();
    });
    toy.run();
    assertEquals(tasks.map((task) => task.value), ["through", "through"]);
    assertEquals(waiting.size, 0);
  });
}

for (const resumesAtOnce of [false, true]) {
  const how = resumesAtOnce ? "within release" : "later";

  Deno.test(`world 5: tasks that are resumed ${how} and our fibers pass items both ways`, () => {
    for (const capacity of [0, 1]) {
      const toy = new ToyScheduler({ resumesAtOnce });
      const [there, back] = [new Channel<number>({ capacity }), new Channel<number>({ capacity })];
      const task = toy.spawn(function* () {
        for (let item = yield* there.receive(); item; item = yield* there.receive()) {
          yield* back.send(item.value * 2);
        }
        back.close();
      });
      const fibers = () =>
        run(function* () {
          const received: number[] = [];
          const sender = spawn(function* () {
            for (let n = 0; n < 10; n++) {
              yield* there.send(n);
              assertStrictEquals(Fiber.current(), sender, "we are still ourselves");
            }
            there.close();
          });
          const helper = spawn(function* () {
            // Lets the toy have its turns while the fibers are waiting.
            while (task.state !== "returned" && task.state !== "failed") {
              toy.run();
              yield* yieldNow();
            }
          });
          for (let item = yield* back.receive(); item; item = yield* back.receive()) {
            received.push(item.value);
          }
          yield* helper;
          return received;
        });
      toy.run();
      const result = toy.during(fibers);
      if (task.state === "failed") throw task.error;
      assertEquals(result, { ok: true, value: [0, 2, 4, 6, 8, 10, 12, 14, 16, 18] });
      assertEquals([there.statistics(), back.statistics()], [idle, idle]);
    }
  });

  Deno.test(`world 5: a sender that is resumed ${how} keeps the order of its items`, () => {
    for (const way of ["receive", "tryReceive", "select"] as const) {
      const toy = new ToyScheduler({ resumesAtOnce });
      const channel = new Channel<number>({ capacity: 2 });
      toy.spawn(function* () {
        for (let n = 0; n < 10; n++) {
          if (n % 2 === 0) yield* channel.send(n);
          else yield* select({ sent: channel.sendEvent(n) });
        }
      });
      toy.run();
      const received = toy.during(() =>
        run(function* () {
          const items: number[] = [];
          while (items.length < 10) {
            if (way === "receive") items.push(yield* channel.receiveOrThrow());
            else if (way === "tryReceive") items.push(channel.tryReceive()!.value);
            else items.push(yield* channel.receiveEvent());
            toy.run();
          }
          return items;
        })
      );
      assertEquals(received, { ok: true, value: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] });
      assertEquals(channel.statistics(), idle);
    }
  });

  Deno.test(`world 5: a task that is resumed ${how} sees no fiber, though a fiber woke it`, () => {
    const toy = new ToyScheduler({ resumesAtOnce });
    const channel = new Channel<number>({ capacity: 0 });
    const task = toy.spawn(function* () {
      yield* channel.receive();
      assertThrows(() => Fiber.current(), Inactive);
      assertThrows(() => spawn(() => yieldNow()), Inactive);
    });
    toy.run();
    toy.during(() => run(() => channel.send(1)));
    toy.run();
    if (task.state === "failed") throw task.error;
    assertEquals(task.state, "returned");
  });
}

Deno.test("world 5: tasks and async functions wait in one queue, first in, first out", async () => {
  const toy = new ToyScheduler();
  const channel = new Channel<number>({ capacity: 0 });
  const promise = channel.receiveOrThrow().then((item) => item);
  const task = toy.spawn(function* () {
    return yield* channel.receiveOrThrow();
  });
  toy.run();
  assertEquals(channel.statistics().receiversWaiting, 2);
  channel.trySend(1);
  channel.trySend(2);
  toy.run();
  assertEquals([await promise, task.value], [1, 2]);
  const sum = await toy.during(async () => {
    const [item] = await Promise.all([channel.receiveOrThrow(), channel.send(40)]);
    return item + 2; // await doesn't consult the scheduler
  });
  assertEquals(sum, 42);
  assertEquals(channel.statistics(), idle);
});

Deno.test("world 5: tasks sleep on the host's clock, and wake in the order of their deadlines", async () => {
  await withFakeTime(async (time) => {
    const toy = new ToyScheduler();
    const woken: string[] = [];
    const waits: Record<string, () => Iterable<never>> = {
      "sleep 20": () => sleep(20),
      "sleep 10": () => sleep(10),
      "after 10": () => afterEvent(10),
      "timeout 10": () => caught(timeoutEvent(10)),
      "deadline 15": () => caught(deadlineEvent(monotonicNow() + 15 as Instant)),
      "lost": () => select({ early: afterEvent(5), late: afterEvent(60_000) }),
    };
    for (const [name, wait] of Object.entries(waits)) {
      toy.spawn(function* () {
        yield* wait();
        woken.push(name);
      });
    }
    for (let ms = 0; ms <= 20; ms += 5) {
      toy.run();
      await time.pass(ms === 20 ? 0 : 5);
    }
    toy.run();
    const expected = ["lost", "sleep 10", "after 10", "timeout 10", "deadline 15", "sleep 20"];
    assertEquals([woken, time.timeouts], [expected, 0]);
  });
});

Deno.test("world 5: tasks of schedulers within schedulers wait each with its own", () => {
  const [outer, inner] = [new ToyScheduler(), new ToyScheduler()];
  const channel = new Channel<string>();
  const log: string[] = [];
  outer.runTask(function* () {
    const task = inner.spawn(function* () {
      log.push(`inner ${yield* channel.receiveOrThrow()}`);
    });
    inner.run();
    assertEquals([inner.awaits, outer.awaits], [1, 0]);
    const ours = run(function* () {
      const nested = inner.spawn(function* () {
        log.push(`nested ${yield* channel.receiveOrThrow()}`);
      });
      inner.run();
      assertEquals([inner.awaits, outer.awaits], [2, 0]);
      yield* channel.send("a");
      yield* channel.send("b");
      inner.run();
      return nested.state;
    });
    assertEquals(ours, { ok: true, value: "returned" });
    assertEquals(task.state, "returned");
    const other = outer.spawn(function* () {
      yield* yieldNow();
      channel.trySend("c");
    });
    log.push(`outer ${yield* channel.receiveOrThrow()}`);
    assertEquals(other.state, "returned");
    assert(outer.awaits > 0);
  });
  assertEquals(log, ["inner a", "nested b", "outer c"]);
});

Deno.test("world 5: an operation is one-shot, and without a scheduler it says what to do", () => {
  const toy = new ToyScheduler();
  const channel = new Channel<number>();
  channel.trySend(1);
  toy.runTask(function* () {
    const once = channel.receive();
    yield* once;
    assertInstanceOf(yield* caught(once), TypeError);
  });
  for (
    const make of [() => channel.receive(), () => select({}), () => sleep(1), () => yieldNow()]
  ) {
    const error = assertThrows(() => make()[Symbol.iterator]().next(), Inactive);
    assertStringIncludes(error.message, "no scheduler runs here");
  }
  assertEquals(channel.statistics(), idle);
});

// Cancelling -------------------------------------------------------------------------------------

/** What a task can wait on, and how to see that nobody does. */
interface Wait {
  readonly operation: () => Awaitable<unknown>;
  readonly waiters: () => number;
}

const waits: Record<string, () => Wait> = {
  receive() {
    const channel = new Channel<number>();
    return {
      operation: () => channel.receive(),
      waiters: () => channel.statistics().receiversWaiting,
    };
  },
  receiveOrThrow() {
    const channel = new Channel<number>();
    return {
      operation: () => channel.receiveOrThrow(),
      waiters: () => channel.statistics().receiversWaiting,
    };
  },
  receiveEvent() {
    const channel = new Channel<number>();
    return {
      operation: () => channel.receiveEvent(),
      waiters: () => channel.statistics().receiversWaiting,
    };
  },
  send() {
    const channel = new Channel<number>({ capacity: 0 });
    return {
      operation: () => channel.send(1),
      waiters: () => channel.statistics().sendersWaiting,
    };
  },
  "select with arms of every kind"() {
    const [a, b] = [new Channel<number>(), new Channel<number>({ capacity: 0 })];
    const source = new Source<number>();
    return {
      // The sanitizer sees the timers.
      operation: () =>
        select({
          a: a.receiveEvent(),
          b: b.sendEvent(1),
          source: source.event,
          late: afterEvent(60_000),
          out: timeoutEvent(60_000),
          promise: promiseEvent(new Thenable()),
        }),
      waiters: () =>
        a.statistics().receiversWaiting + b.statistics().sendersWaiting + source.waiters,
    };
  },
  sleep: () => ({ operation: () => sleep(60_000), waiters: () => 0 }),
  fromPromise() {
    let waiting = 0;
    return {
      operation: () =>
        fromPromise((signal) => {
          waiting++;
          signal.addEventListener("abort", () => waiting--);
          return new Thenable();
        }),
      waiters: () => waiting,
    };
  },
  "the wait for a latch"() {
    const latch = new Latch(1);
    return { operation: () => latch.wait(), waiters: () => latch.statistics().waiting };
  },
  "the event of a latch"() {
    const latch = new Latch(1);
    return { operation: () => latch.waitEvent(), waiters: () => latch.statistics().waiting };
  },
  "the lock of a mutex"() {
    const mutex = new Mutex();
    mutex.tryLock();
    return { operation: () => mutex.lock(), waiters: () => mutex.statistics().waiting };
  },
  "the event of a mutex"() {
    const mutex = new Mutex();
    mutex.tryLock();
    return { operation: () => mutex.lockEvent(), waiters: () => mutex.statistics().waiting };
  },
  "the wait for permits"() {
    const semaphore = new Semaphore(3);
    semaphore.tryAcquire(2);
    return {
      operation: () => semaphore.acquire(2),
      waiters: () => semaphore.statistics().waiting,
    };
  },
  "the events of permits"() {
    const semaphore = new Semaphore(3);
    semaphore.tryAcquire(3);
    return {
      operation: () => select([1, 2, 3].map((n) => when(semaphore.acquireEvent(n), String))),
      waiters: () => semaphore.statistics().waiting,
    };
  },
  "the wait to write"() {
    const lock = new RwLock();
    lock.tryRead();
    return { operation: () => lock.write(), waiters: () => lock.statistics().waiting };
  },
  "the wait for a condition"() {
    const mutex = new Mutex();
    const condition = new Condition(mutex);
    return {
      operation: () => condition.wait(mutex.tryLock()!),
      waiters: () => condition.statistics().waiting + mutex.statistics().waiting,
    };
  },
  "the wait at a barrier"() {
    const barrier = new Barrier(2);
    return { operation: () => barrier.wait(), waiters: () => barrier.statistics().waiting };
  },
  "the event of a barrier"() {
    const barrier = new Barrier(2);
    return { operation: () => barrier.waitEvent(), waiters: () => barrier.statistics().waiting };
  },
  "the wait for a cell"() {
    const cell = new Cell(0);
    return { operation: () => cell.waitUntil(Boolean), waiters: () => cell.statistics().waiting };
  },
  "the event of a cell"() {
    const cell = new Cell(0);
    return { operation: () => cell.event(Boolean), waiters: () => cell.statistics().waiting };
  },
  "the force of a lazy value"() {
    const lazy = new Lazy(() => Event.never());
    return { operation: () => lazy.force(), waiters: () => Number(lazy.statistics().isRunning) };
  },
  "what is done once"() {
    const once = new Once();
    return {
      operation: () => once.do(() => Event.never()),
      waiters: () => Number(once.statistics().isRunning),
    };
  },
  "the lock of a shared mutex"() {
    const mutex = new SharedMutex();
    mutex.tryLock();
    return { operation: () => mutex.lock(), waiters: () => mutex.statistics().waiting };
  },
  "the lock event of a shared mutex"() {
    const mutex = new SharedMutex();
    mutex.tryLock();
    return { operation: () => mutex.lockEvent(), waiters: () => mutex.statistics().waiting };
  },
  "permits of a shared semaphore"() {
    const semaphore = new SharedSemaphore(2);
    semaphore.tryAcquire();
    return {
      operation: () => semaphore.acquire(2),
      waiters: () => semaphore.statistics().waiting,
    };
  },
  "an event from a source"() {
    const source = new Source<number>();
    return { operation: () => source.event, waiters: () => source.waiters };
  },
};

for (const style of CANCEL_STYLES) {
  for (const [name, make] of Object.entries(waits)) {
    Deno.test(`world 5, cancelled by ${style}: ${name} leaves no waiter and no timer`, () => {
      for (const options of [{}, { sharesTrigger: "by task" }, { bareIterators: true }] as const) {
        const toy = new ToyScheduler(options);
        const { operation, waiters } = make();
        const seen: string[] = [];
        const task = toy.spawn(function* () {
          try {
            yield* operation();
            seen.push("returned");
          } catch (error) {
            seen.push((error as Error).name);
            throw error;
          } finally {
            seen.push("finally");
          }
        });
        toy.run();
        assertEquals(task.state, "suspended");
        toy.cancel(task, style);
        assertEquals(task.state, "cancelled");
        assertEquals(waiters(), 0);
        const unwinds = style.endsWith("throw") ? ["ToyCancelled", "finally"] : ["finally"];
        assertEquals(seen, style === "drop" ? [] : unwinds);
        toy.run();
        assertEquals(waiters(), 0);
      }
    });
  }

  const keeps = style === "throw"; // nobody said that it was cancelled before it was resumed

  for (
    const [name, receive] of Object.entries({
      receive: (channel: Channel<number>) => channel.receive(),
      receiveOrThrow: (channel: Channel<number>) => channel.receiveOrThrow(),
      receiveEvent: (channel: Channel<number>) => channel.receiveEvent(),
      "a mapped choice": (channel: Channel<number>) =>
        Event.choose(Event.never(), channel.receiveEvent()).map((n) => n + 1),
      select: (channel: Channel<number>) => select({ item: channel.receiveEvent() }),
    })
  ) {
    Deno.test(
      `law 4 in world 5, cancelled by ${style}: an item granted to ${name} in the same instant ${
        keeps ? "is returned" : "goes to the next receiver"
      }`,
      () => {
        for (const somebodyWaits of [true, false]) {
          for (const capacity of [0, 1]) {
            const toy = new ToyScheduler({ bareIterators: capacity === 1 });
            const channel = new Channel<number>({ capacity });
            const values: unknown[] = [];
            const task = toy.spawn(function* () {
              values.push(yield* receive(channel));
            });
            toy.run();
            const next = toy.spawn(() => channel.receiveOrThrow());
            if (somebodyWaits) toy.run();
            assertEquals(channel.trySend(7), true, "the grant");
            assertEquals(task.state, "ready");
            toy.cancel(task, style);
            if (keeps) {
              assertEquals(values.length, 1);
              toy.run();
              assertEquals(next.state, "suspended");
              toy.cancel(next, "drop");
            } else {
              assertEquals(values, []);
              toy.run();
              assertEquals(next.value, 7);
            }
            assertEquals(channel.statistics(), idle);
          }
        }
      },
    );
  }

  Deno.test(`law 4 in world 5, cancelled by ${style}: a send whose item was taken stays sent`, () => {
    for (const way of ["send", "sendEvent"] as const) {
      const toy = new ToyScheduler();
      const channel = new Channel<number>({ capacity: 0 });
      const task = toy.spawn(() => channel[way](7));
      toy.run();
      assertEquals(channel.tryReceive(), { value: 7 });
      toy.cancel(task, style);
      assertEquals(channel.tryReceive(), undefined);
      assertEquals(channel.statistics(), idle);
    }
  });

  Deno.test(`law 4 in world 5, cancelled by ${style}: the value of a promise that came is handed to onLate`, () => {
    const toy = new ToyScheduler();
    const promise = new Thenable<string>();
    const late: string[] = [];
    const waiting = () => fromPromise(promise, { onLate: (value) => late.push(value) });
    const before = toy.spawn(waiting);
    const after = toy.spawn(waiting);
    toy.run();
    toy.cancel(before, style);
    promise.resolve("it");
    toy.cancel(after, style);
    assertEquals(late, keeps ? ["it"] : ["it", "it"]);
    assertEquals(after.value, keeps ? "it" : undefined);
  });

  Deno.test(`world 5, cancelled by ${style}: a nack happens, also when the choice was made in that instant`, () => {
    for (const granted of [false, true]) {
      const toy = new ToyScheduler();
      const channel = new Channel<number>({ capacity: 0 });
      let nack: Event<void> = Event.never();
      const task = toy.spawn(() =>
        Event.withNack((own) => {
          nack = own;
          return channel.receiveEvent();
        })
      );
      toy.run();
      if (granted) channel.trySend(1);
      toy.cancel(task, style);
      const happened = toy.runTask(function* () {
        return yield* select([when(nack, () => true), when(Event.always(0), () => false)]);
      });
      assertEquals(happened, !(granted && keeps));
    }
  });

  Deno.test(`world 5, cancelled by ${style}: a raw trigger runs its onCancel once if it is told`, () => {
    const toy = new ToyScheduler();
    let cancels = 0;
    const task = toy.spawn(function* () {
      yield* prepareForAwait().await(() => void cancels++);
    });
    toy.run();
    toy.cancel(task, style);
    assertEquals(cancels, style === "throw" || style === "return" ? 0 : 1);
    assertEquals(task.state, "cancelled");
  });
}

Deno.test("law 4 in world 5: an item that was given back doesn't let a waiting sender go early", () => {
  const toy = new ToyScheduler();
  const channel = new Channel<number>({ capacity: 0 });
  const task = toy.spawn(() => channel.receive());
  toy.run();
  channel.trySend(1);
  toy.cancel(task, "drop");
  assertEquals(channel.size, 1, "it is kept for the next receiver");
  const sender = toy.spawn(() => channel.send(2));
  toy.run();
  assertEquals(sender.state, "suspended");
  assertEquals(channel.tryReceive(), { value: 1 });
  toy.run();
  assertEquals(sender.state, "suspended", "nobody has received its item");
  assertEquals(channel.tryReceive(), { value: 2 });
  toy.run();
  assertEquals(sender.state, "returned");
  assertEquals(channel.statistics(), idle);
});

Deno.test("law 4 in world 5: an item that was given back is the next to be received", () => {
  const toy = new ToyScheduler();
  const channel = new Channel<number>();
  const task = toy.spawn(() => channel.receive());
  toy.run();
  for (const n of [1, 2, 3]) channel.trySend(n);
  toy.cancel(task, "drop");
  const items = [channel.tryReceive(), channel.tryReceive(), channel.tryReceive()];
  assertEquals(items, [{ value: 1 }, { value: 2 }, { value: 3 }]);
});

Deno.test("law 6 in world 5: a task that a nack wakes within the commit finds no loser left", () => {
  for (const arm of ["source", "item"] as const) {
    const toy = new ToyScheduler({ resumesAtOnce: true });
    const [channel, winner] = [new Channel<string>({ capacity: 0 }), new Channel<string>()];
    const source = new Source<string>();
    let nack: Event<void> = Event.never();
    const loser = Event.withNack((own) => {
      nack = own;
      return channel.receiveEvent();
    });
    const selecting = toy.spawn(() =>
      select({ loser, source: source.event, item: winner.receiveEvent() })
    );
    const listening = toy.spawn(function* () {
      yield* nack;
      return channel.trySend("too late");
    });
    toy.run();
    toy.during(() => arm === "source" ? source.happen("won") : winner.trySend("won"));
    toy.run();
    assertEquals(selecting.value, { kind: arm, value: "won" });
    assertEquals([listening.value, channel.statistics()], [false, idle]);
  }
});

Deno.test("law 4 in world 5: an item given back to a full dropOldest channel: the next send makes room", () => {
  const toy = new ToyScheduler();
  const channel = new Channel<number>({ capacity: 2, overflow: "dropOldest" });
  const tasks = [1, 2].map(() => toy.spawn(() => channel.receive()));
  toy.run();
  for (const n of [1, 2, 3, 4]) channel.trySend(n); // two are received, two fill the buffer
  for (const task of tasks) toy.cancel(task, "drop");
  assertEquals(channel.size, 4, "nothing is lost by giving back");
  channel.trySend(5);
  assertEquals(channel.size, 2, "and then no more is kept than before");
  assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 4 }, { value: 5 }]);
});

Deno.test("law 4 in world 5: an item given back to a closed channel can still be received", () => {
  const toy = new ToyScheduler();
  const channel = new Channel<number>();
  const task = toy.spawn(() => channel.receive());
  toy.run();
  channel.trySend(1);
  channel.close();
  toy.cancel(task, "onCancel, then return");
  assertEquals(toy.runTask(() => channel.receiveOrThrow()), 1);
  assertEquals(toy.runTask(() => channel.receive()), undefined);
});

Deno.test("law 4 in world 5: a receive that was told that the channel is drained gives nothing back", () => {
  const toy = new ToyScheduler();
  for (const way of ["receive", "receiveOrThrow", "receiveEvent"] as const) {
    const channel = new Channel<number>();
    const task = toy.spawn((): Awaitable<unknown> => channel[way]());
    toy.run();
    channel.close();
    toy.cancel(task, "drop");
    assertEquals(channel.statistics(), idle);
  }
});

Deno.test("law 8: a release that comes after the cancellation does nothing", () => {
  for (const style of CANCEL_STYLES) {
    const toy = new ToyScheduler();
    const releases: (() => void)[] = [];
    const task = toy.spawn(function* () {
      const trigger = prepareForAwait();
      releases.push(trigger.release);
      yield* trigger.await();
    });
    toy.run();
    toy.cancel(task, style);
    for (const release of releases) release();
    toy.run();
    assertEquals(task.state, "cancelled");
  }
});

Deno.test("T1: clean-up that waits after generator.return() is run to its end, then the task is over", () => {
  const toy = new ToyScheduler();
  const [channel, cleanUp] = [new Channel<number>(), new Channel<string>()];
  const log: string[] = [];
  const task = toy.spawn(function* () {
    try {
      yield* channel.receive();
    } finally {
      log.push(yield* cleanUp.receiveOrThrow());
    }
  });
  toy.run();
  toy.cancel(task, "onCancel, then return");
  assertEquals(task.state, "suspended");
  assertEquals(channel.statistics(), idle);
  cleanUp.trySend("clean");
  toy.run();
  assertEquals(log, ["clean"]);
  assertEquals([task.state, cleanUp.statistics()], ["returned", idle]);
});

// Schedulers that throw --------------------------------------------------------------------------

/** Each wait of the task leaves nothing behind when its scheduler throws at the `count`-th time. */
function throwsAt(where: "onPrepare" | "onAwait", count: number): ToyScheduler {
  return new ToyScheduler({
    earlyWakeups: 2,
    [where](n: number) {
      if (n >= count) throw new ToyCancelled(`thrown at ${where} ${n}`);
    },
  });
}

for (const where of ["onPrepare", "onAwait"] as const) {
  for (const [when, count] of [["at first", 1], ["when it loops", 2]] as const) {
    for (const [name, make] of Object.entries(waits)) {
      Deno.test(`law 8: ${name} leaves nothing behind if ${where} throws ${when}`, () => {
        const toy = throwsAt(where, count);
        const { operation, waiters } = make();
        const task = toy.spawn(operation);
        toy.run();
        assertEquals(task.state, "cancelled");
        assertInstanceOf(task.error, ToyCancelled);
        assertEquals(waiters(), 0);
      });
    }

    Deno.test(`law 8: a nack happens if ${where} throws ${when}`, () => {
      const toy = throwsAt(where, count);
      const nacks: Event<void>[] = [];
      toy.spawn(() =>
        Event.withNack((nack) => {
          nacks.push(nack);
          return Event.never();
        })
      );
      toy.run();
      const { length } = nacks;
      assertEquals(length, where === "onPrepare" && count === 1 ? 0 : 1);
      for (const nack of nacks) {
        assertEquals(run(() => nack), { ok: true, value: undefined });
      }
    });
  }
}

Deno.test("law 8: if the foreign await throws after the commit, the value is returned", () => {
  const toy = new ToyScheduler();
  const channel = new Channel<number>();
  const failing = new Channel<number>({ capacity: 0 });
  const [receiver, sender, closed] = [
    toy.spawn(function* () {
      const item = yield* channel.receiveOrThrow();
      return [item, yield* caught(channel.receiveOrThrow())];
    }),
    toy.spawn(() => failing.send(1)),
    toy.spawn(() => caught(failing.send(2))),
  ];
  toy.run();
  channel.trySend(7);
  failing.tryReceive();
  failing.close();
  toy.cancel(receiver!, "throw");
  assertEquals(receiver!.state, "suspended", "it went on to its next wait");
  toy.cancel(receiver!, "throw");
  const [item, error] = receiver!.value as unknown[];
  assertEquals(item, 7);
  assertInstanceOf(error, ToyCancelled);
  toy.cancel(sender!, "throw");
  assertEquals(sender!.state, "returned");
  toy.cancel(closed!, "throw");
  assertInstanceOf(closed!.value, ChannelClosedError, "what it failed with is thrown");
  assertEquals([channel.statistics(), failing.statistics()], [idle, idle]);
});

Deno.test("law 8: a prepareForAwait that changes the channel loses no wake-up", () => {
  const channel = new Channel<number>();
  const toy = new ToyScheduler({
    onPrepare: (count) => void (count === 1 && channel.trySend(7)),
  });
  assertEquals(toy.runTask(() => channel.receiveOrThrow()), 7);

  const source = new Source<number>();
  const early = new ToyScheduler({
    earlyWakeups: 1,
    onPrepare: (count) => void (count === 2 && source.happen(8)),
  });
  assertEquals(early.runTask(() => source.event), 8);
  assertEquals([channel.statistics(), source.waiters], [idle, 0]);
});

Deno.test("law 13: a scheduler that calls onCancel of a wait that it then resumes is told so", () => {
  const channel = new Channel<number>();
  const toy = new ToyScheduler();
  const task = toy.spawn(() => channel.receiveOrThrow());
  toy.run();
  channel.trySend(7);
  task.onCancel?.();
  toy.run();
  assertEquals(task.state, "failed");
  assertStringIncludes((task.error as Error).message, "onCancel");
  assertEquals(channel.tryReceive(), { value: 7 });
});

Deno.test("world 5: a scheduler that wakes ten thousand times for no reason is put up with", () => {
  const toy = new ToyScheduler({ earlyWakeups: 10_000 });
  const channel = new Channel<number>();
  const task = toy.spawn(() => channel.receiveOrThrow());
  toy.run(20_000);
  assertEquals([task.state, toy.awaits], ["suspended", 10_001]);
  channel.trySend(7);
  toy.run();
  assertEquals(task.value, 7);
});

Deno.test("world 5: awaits that return at once, without a turn, neither lose anything nor overflow the stack", () => {
  const channel = new Channel<number>();
  let awaits = 0;
  const trigger = {
    release() {},
    await: () => ({
      then: () => Promise.reject(new Error("not here")),
      [Symbol.iterator]: (): Iterator<never, void> => ({
        next() {
          if (++awaits === 20_000) channel.trySend(7);
          return { done: true, value: undefined };
        },
      }),
    }),
  };
  const result = using({
    prepareForAwait: () => trigger as unknown as ReturnType<typeof prepareForAwait>, // it never waits
    whileRunning: () => channel.receiveOrThrow()[Symbol.iterator]().next(),
  });
  assertEquals([result, awaits], [{ done: true, value: 7 }, 20_000]);
});

// Errors of our own ------------------------------------------------------------------------------

Deno.test("world 5: a cancel of an event's that throws is reported, and the task is told nothing of it", () => {
  const boom = new Error("cancel threw");
  for (const style of CANCEL_STYLES) {
    const toy = new ToyScheduler();
    const event = Event.from<number>({
      poll: () => undefined,
      wait: () => ({
        cancel() {
          throw boom;
        },
      }),
    });
    const task = toy.spawn(() => event);
    toy.run();
    assertEquals(uncaughtDuring(() => toy.cancel(task, style)), [boom]);
    assertEquals(task.state, "cancelled");
  }
});

const structuring: Record<string, () => unknown> = {
  scope: () => scope(() => yieldNow()),
  cancelScope: () => cancelScope(() => yieldNow()),
  protect: () => protect(() => yieldNow()),
  withTimeout: () => withTimeout(10, () => yieldNow()),
  withCancelCallback: () => withCancelCallback(() => {}, () => yieldNow()),
  all: () => all([() => yieldNow()]),
  any: () => any([() => yieldNow()]),
  map: () => map([1], () => yieldNow()),
  selfAbort: () => selfAbort(),
  spawn: () => spawn(() => yieldNow()),
  cancelAfter: () => cancelAfter(10),
  "Fiber.current": () => Fiber.current(),
  getScheduler: () => getScheduler(),
  scheduleMicroTask: () => scheduleMicroTask(() => {}),
};

for (const [name, make] of Object.entries(structuring)) {
  Deno.test(`world 5: ${name} belongs to the host library, and says so`, () => {
    const toy = new ToyScheduler();
    const error = toy.runTask(function* () {
      try {
        const made = make();
        yield* made as Awaitable<unknown>;
      } catch (error) {
        return error;
      }
    });
    assertInstanceOf(error, Inactive);
    assertStringIncludes(error.message, "under another library's scheduler, use what that offers");
  });
}

Deno.test("world 5: await on a structuring operation runs it in a main of its own", async () => {
  const toy = new ToyScheduler();
  const values = await toy.during(async () => {
    const values = await all([() => Event.always(1), () => Event.always("two")]);
    await assertRejects(async () => void await withTimeout(0, () => Event.never()), Timeout);
    return values;
  });
  assertEquals(values, [1, "two"]);
  assertEquals(toy.prepared, 0);
});

Deno.test("world 5: a main that runs beside the tasks of a scheduler feeds them", async () => {
  const toy = new ToyScheduler({ resumesAtOnce: true });
  const channel = new Channel<number>({ capacity: 0 });
  const task = toy.spawn(function* () {
    let sum = 0;
    for (let item = yield* channel.receive(); item; item = yield* channel.receive()) {
      sum += item.value;
    }
    return sum;
  });
  await toy.during(async () => {
    toy.run();
    await main(function* () {
      for (let n = 1; n <= 10; n++) yield* channel.send(n);
      channel.close();
    });
  });
  if (task.state === "failed") throw task.error;
  assertEquals(task.value, 55);
});
