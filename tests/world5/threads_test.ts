/**
 * Two schedulers in one realm, each in an async context of its own, which `perThread` makes a
 * thread. It can be called once in a realm, hence this file: each has a realm of its own.
 */
import { assertEquals, assertInstanceOf, assertStrictEquals, assertThrows } from "@std/assert";
import { run as runEffection } from "npm:effection@4.1.1";
import { Effect } from "npm:effect@4.1.0";
import {
  Channel,
  Inactive,
  main,
  perThread,
  prepareForAwait,
  run,
  select,
  sleep,
  type Trigger,
  using,
  yieldNow,
} from "@weft/weft";
import { asyncContextThreads as threads } from "@weft/weft/thread";
import { prepareForAwait as effectTrigger } from "../../examples/foreign/effect.ts";
import { prepareForAwait as effectionTrigger } from "../../examples/foreign/effection.ts";
import { ToyScheduler } from "./toy_scheduler.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

// Registered before there were threads: it is seen in all of them until it ends.
const early = new ToyScheduler();
const { promise: earlyExtent, resolve: endEarlyExtent } = Promise.withResolvers<void>();
const earlyUsing = early.during(() => earlyExtent);

perThread(threads);

/** The scheduler of the code that calls it, of those that are given. */
function schedulerHere(...toys: ToyScheduler[]): ToyScheduler | undefined {
  const before = toys.map((toy) => toy.prepared);
  prepareForAwait();
  return toys.find((toy, index) => toy.prepared > before[index]!);
}

Deno.test("perThread(): what was registered before it is seen in every thread, below its own", async () => {
  const own = new ToyScheduler();
  assertStrictEquals(schedulerHere(early, own), early);
  threads.run(() => {
    assertStrictEquals(schedulerHere(early, own), early);
    own.during(() => assertStrictEquals(schedulerHere(early, own), own));
    assertStrictEquals(schedulerHere(early, own), early);
  });
  endEarlyExtent();
  await earlyUsing;
  assertEquals(schedulerHere(early), undefined);
  assertThrows(() => sleep(1)[Symbol.iterator]().next(), Inactive);
});

Deno.test("perThread() can be called once in a realm", () => {
  assertThrows(() => perThread(threads), Error, "was called in this realm already");
  assertThrows(() => perThread({} as typeof threads), TypeError, "self and id");
});

Deno.test("perThread(): registrations of one thread are not seen in another, however they interleave", async () => {
  const [a, b] = [new ToyScheduler(), new ToyScheduler()];
  const turns: string[] = [];
  async function stay(toy: ToyScheduler, name: string, count: number) {
    for (let n = 0; n < count; n++) {
      assertStrictEquals(schedulerHere(a, b), toy);
      turns.push(name);
      await Promise.resolve();
    }
  }
  const first = threads.run(() => a.during(() => stay(a, "a", 3)));
  const second = threads.run(() => b.during(() => stay(b, "b", 6)));
  assertEquals(schedulerHere(a, b), undefined, "not seen outside");
  threads.run(() => assertEquals(schedulerHere(a, b), undefined, "nor in a third one"));
  await first;
  await second;
  assertEquals(turns.slice(0, 6), ["a", "b", "a", "b", "a", "b"]);
});

Deno.test("perThread(): within a thread registrations nest, and a throw takes them off", () => {
  threads.run(() => {
    const [outer, inner] = [new ToyScheduler(), new ToyScheduler()];
    outer.during(() => {
      assertThrows(() =>
        inner.during(() => {
          assertStrictEquals(schedulerHere(outer, inner), inner);
          throw new Error("thrown");
        })
      );
      assertStrictEquals(schedulerHere(outer, inner), outer);
    });
    assertEquals(schedulerHere(outer, inner), undefined);
  });
});

Deno.test("perThread(): a fiber comes before any registration, in any thread", () => {
  const toy = new ToyScheduler();
  threads.run(() =>
    toy.during(() => {
      const result = run(function* () {
        assertEquals(schedulerHere(toy), undefined);
        return toy.during(() => schedulerHere(toy)) === toy;
      });
      assertEquals(result, { ok: true, value: true });
    })
  );
});

for (const resumesAtOnce of [false, true]) {
  const how = resumesAtOnce ? "within release" : "later";
  Deno.test(`perThread(): two schedulers that resume ${how} pass items to each other`, async () => {
    const [there, back] = [0, 0].map(() => new Channel<number>({ capacity: 0 }));
    const toys = [new ToyScheduler({ resumesAtOnce }), new ToyScheduler({ resumesAtOnce })];
    /** Runs a task to its end; its turns are microtasks of its own thread. */
    const thread = (toy: ToyScheduler, body: () => Generator<never, number[], unknown>) =>
      threads.run(() =>
        toy.during(async () => {
          const task = toy.spawn(body);
          for (let turn = 0; task.state !== "returned" && turn < 1000; turn++) {
            toy.run();
            if (task.state === "failed") throw task.error;
            await Promise.resolve();
          }
          return task.value;
        })
      );
    const one = thread(toys[0]!, function* () {
      const received: number[] = [];
      for (let n = 0; n < 20; n++) {
        yield* there!.send(n);
        received.push((yield* select({ item: back!.receiveEvent() })).value);
      }
      there!.close();
      return received;
    });
    const two = thread(toys[1]!, function* () {
      const received: number[] = [];
      for (let item = yield* there!.receive(); item; item = yield* there!.receive()) {
        received.push(item.value);
        yield* back!.send(item.value * 2);
      }
      return received;
    });
    const numbers = Array.from({ length: 20 }, (_, n) => n);
    assertEquals(await one, numbers.map((n) => n * 2));
    assertEquals(await two, numbers);
    assertEquals([there!.statistics(), back!.statistics()], [idle, idle]);
    assertEquals(toys.map((toy) => toy.prepared > 0), [true, true]);
  });
}

/** A trigger that asserts that its scheduler runs in the thread that it belongs to. */
function checked(prepare: () => Trigger, id: number): () => Trigger {
  return () => {
    assertEquals(threads.id(threads.self()), id);
    return prepare();
  };
}

Deno.test("perThread(): Effection in one thread, Effect in another, and our fibers beside them", async () => {
  const [toEffect, toFibers, toEffection] = [0, 1, 0].map((capacity) =>
    new Channel<number>({ capacity })
  );
  function* relay(from: Channel<number>, to: Channel<number>): Generator<never, string, unknown> {
    for (let item = yield* from.receive(); item; item = yield* from.receive()) {
      yield* yieldNow();
      yield* to.send(item.value + 1);
    }
    to.close();
    return "relayed";
  }
  const effection = threads.run(() => {
    const id = threads.id(threads.self());
    return using({
      prepareForAwait: checked(effectionTrigger, id),
      whileRunning: () =>
        Promise.resolve(runEffection(function* () {
          const received: number[] = [];
          for (let n = 0; n < 20; n++) {
            yield* toEffect!.send(n);
            received.push(yield* toEffection!.receiveOrThrow());
          }
          toEffect!.close();
          return received;
        })),
    });
  });
  const effect = threads.run(() => {
    const id = threads.id(threads.self());
    return using({
      prepareForAwait: checked(effectTrigger, id),
      whileRunning: () => Effect.runPromise(Effect.gen(() => relay(toEffect!, toFibers!))),
    });
  });
  const fibers = main(() => relay(toFibers!, toEffection!));
  assertEquals(await effection, Array.from({ length: 20 }, (_, n) => n + 2));
  assertEquals([await effect, await fibers], ["relayed", "relayed"]);
  for (const channel of [toEffect!, toFibers!, toEffection!]) {
    assertEquals(channel.statistics(), idle);
  }
});

Deno.test("perThread(): a task that is cancelled in one thread leaves the item to another's", () => {
  const channel = new Channel<number>({ capacity: 0 });
  const [a, b] = [new ToyScheduler(), new ToyScheduler()];
  const first = threads.run(() => {
    const task = a.spawn(() => channel.receiveOrThrow());
    a.run();
    return task;
  });
  const second = threads.run(() => {
    const task = b.spawn(() => channel.receiveOrThrow());
    b.run();
    return task;
  });
  channel.trySend(7);
  threads.run(() => a.cancel(first, "drop"));
  threads.run(() => b.run());
  assertEquals([first.state, second.value], ["cancelled", 7]);
  assertEquals(channel.statistics(), idle);
});

Deno.test("asyncContextThreads.runIn() calls f in the thread of the handle", () => {
  const handle = threads.run(() => threads.self());
  const seen: unknown[] = [];
  threads.runIn?.(handle, () => seen.push(threads.self()));
  threads.run(() => threads.runIn?.(handle, () => seen.push(threads.self())));
  assertEquals(seen, [handle, handle]);
  assertInstanceOf(assertThrows(() => threads.run(3 as never)), TypeError);
});
