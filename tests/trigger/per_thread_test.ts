/** `perThread`, in a realm of its own, since it is for good; and the threads of one realm. */
import { assertEquals, assertNotEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { Channel, perThread, prepareForAwait, run, type Trigger, using } from "@weft/weft";
import { asyncContextThreads as threads } from "@weft/weft/thread";
import { hostTurn } from "../kit/uncaught.ts";
import { ToyScheduler } from "../world5/toy_scheduler.ts";

/** A scheduler of generators that yield promises: as simple as they come. */
class PromiseScheduler {
  /** How often somebody blocked through it. */
  prepared = 0;

  constructor(readonly name: string) {}

  readonly prepareForAwait = (): Trigger => {
    this.prepared++;
    const { promise, resolve } = Promise.withResolvers<void>();
    return {
      release: resolve,
      await: () => ({
        then: () => {
          throw new Error("awaits are for fibers");
        },
        *[Symbol.iterator](): Generator<never, void> {
          yield promise as never;
        },
      }),
    };
  };

  /** Runs `body` on this thread, registered for as long as that takes. */
  run<T>(body: () => Generator<unknown, T>): Promise<T> {
    return using({
      prepareForAwait: this.prepareForAwait,
      whileRunning: async () => {
        const generator = body();
        for (let step = generator.next();; step = generator.next()) {
          if (step.done) return step.value;
          await step.value;
        }
      },
    });
  }
}

/** Whose mechanism blocks here. */
function registered(...schedulers: PromiseScheduler[]): string {
  const before = schedulers.map((scheduler) => scheduler.prepared);
  prepareForAwait();
  const names = schedulers.filter((scheduler, i) => scheduler.prepared > before[i]!);
  return names.map(({ name }) => name).join() || "none";
}

const threadId = () => threads.id(threads.self());

// Before `perThread` -----------------------------------------------------------------------------

for (const bad of [undefined, null, 1, {}, { self() {} }, { id() {} }]) {
  const message = "Cannot configure threads: thread must have the methods self and id";
  assertThrows(() => perThread(bad as never), TypeError, message);
}
assertThrows(
  () => perThread({ self() {}, id: () => 0, runIn: 1 } as never),
  TypeError,
  "Cannot configure threads: thread.runIn must be a function, got 1",
);
const early = new PromiseScheduler("early");
const endOfEarly = Promise.withResolvers<void>();
const earlyExtent = using({
  prepareForAwait: early.prepareForAwait,
  whileRunning: () => endOfEarly.promise,
});
const seenBefore = threads.run(() => registered(early));
perThread(threads);
const seenAfter = threads.run(() => {
  const own = new PromiseScheduler("own");
  const seen = [registered(early, own)];
  using({
    prepareForAwait: own.prepareForAwait,
    whileRunning() {
      seen.push(registered(early, own));
      seen.push(threads.run(() => registered(early, own)));
    },
  });
  seen.push(registered(early, own));
  return seen;
});
const seenAfterHere = registered(early);

/** Ends the extent that began before. */
async function endEarly(): Promise<void> {
  endOfEarly.resolve();
  await earlyExtent;
}

Deno.test("using() before perThread() is for every thread, before and after", async () => {
  assertEquals([seenBefore, seenAfterHere], ["early", "early"]);
  assertEquals(seenAfter, ["early", "own", "early", "early"]);
  await endEarly();
  assertEquals(registered(early), "none");
  assertEquals(threads.run(() => registered(early)), "none");
});

Deno.test("perThread() a second time in a realm is an Error", async () => {
  await endEarly();
  for (let time = 0; time < 2; time++) {
    assertThrows(() => perThread(threads), Error, "perThread was called in this realm already");
  }
  assertThrows(() => perThread(null as never), TypeError);
});

// After ------------------------------------------------------------------------------------------

Deno.test("perThread(): using() in one thread doesn't show in another", async () => {
  await endEarly();
  const [a, b] = [new PromiseScheduler("a"), new PromiseScheduler("b")];
  const look = () => registered(a, b);
  const end = Promise.withResolvers<void>();
  const extents = [a, b].map(({ prepareForAwait }) =>
    threads.run(() =>
      using({
        prepareForAwait,
        whileRunning: async () => {
          const seen = [look()];
          await end.promise;
          seen.push(look(), threads.run(look));
          return seen;
        },
      })
    )
  );
  assertEquals(look(), "none");
  assertEquals(threads.run(look), "none");
  end.resolve();
  assertEquals(await Promise.all(extents), [["a", "a", "none"], ["b", "b", "none"]]);
});

Deno.test("perThread(): each thread has a stack, whose extents need not nest", async () => {
  await endEarly();
  const [a, b] = [new PromiseScheduler("a"), new PromiseScheduler("b")];
  await threads.run(async () => {
    const ends = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const extents = [a, b].map(({ prepareForAwait }, i) =>
      using({ prepareForAwait, whileRunning: () => ends[i]!.promise })
    );
    assertEquals(registered(a, b), "b");
    ends[0]!.resolve();
    await extents[0];
    assertEquals(registered(a, b), "b");
    ends[1]!.resolve();
    await extents[1];
    assertEquals(registered(a, b), "none");
  });
});

Deno.test("perThread(): using() ends on the thread on which it began", async () => {
  await endEarly();
  const a = new PromiseScheduler("a");
  const end = Promise.withResolvers<void>();
  const extent = threads.run(() =>
    using({ prepareForAwait: a.prepareForAwait, whileRunning: () => end.promise })
  );
  await threads.run(async () => { // another thread ends it
    end.resolve();
    await extent;
  });
  assertEquals(registered(a), "none");
});

Deno.test("perThread(): two schedulers interleave in one realm, and each blocks its own tasks", async () => {
  await endEarly();
  const [a, b] = [new PromiseScheduler("a"), new PromiseScheduler("b")];
  const [there, back] = [
    new Channel<number>({ capacity: 0 }),
    new Channel<number>({ capacity: 0 }),
  ];
  const log: string[] = [];
  function* player(self: PromiseScheduler, serves: boolean) {
    const [out, into] = serves ? [there, back] : [back, there];
    for (let n = 0; n < 5; n++) {
      if (serves) yield* out.send(n);
      assertEquals(yield* into.receive(), { value: n });
      log.push(`${self.name}${n}`);
      if (!serves) yield* out.send(n);
      assertEquals(registered(a, b), self.name);
    }
    return self.name;
  }
  const results = [
    threads.run(() => a.run(() => player(a, true))),
    threads.run(() => b.run(() => player(b, false))),
  ];
  assertEquals(await Promise.all(results), ["a", "b"]);
  assertEquals(log, ["b0", "a0", "b1", "a1", "b2", "a2", "b3", "a3", "b4", "a4"]);
  for (const { prepared } of [a, b]) assertEquals(prepared > 5, true);
  for (const channel of [there, back]) {
    assertEquals(channel.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
  }
  assertEquals(registered(a, b), "none");
});

Deno.test("perThread(): a fiber of ours comes before whatever its thread has registered", async () => {
  await endEarly();
  const a = new PromiseScheduler("a");
  threads.run(() =>
    using({
      prepareForAwait: a.prepareForAwait,
      whileRunning() {
        const result = run(function* () {
          const trigger = prepareForAwait();
          trigger.release();
          yield* trigger.await();
          return registered(a);
        });
        assertEquals(result, { ok: true, value: "none" });
        assertEquals(registered(a), "a");
      },
    })
  );
});

Deno.test("perThread(): a task that is resumed within release goes on in its own thread", async () => {
  await endEarly();
  const [a, b] = [new ToyScheduler({ resumesAtOnce: true }), new ToyScheduler()];
  const channel = new Channel<number>({ capacity: 0 });
  const trigger = prepareForAwait();
  const log: unknown[] = [];
  const end = Promise.withResolvers<void>();
  const extents: Promise<void>[] = [];
  const idOfA = threads.run(() => {
    extents.push(a.during(() => end.promise)); // its tasks may be resumed at any time
    const task = a.spawn(function* () {
      log.push(yield* channel.receive(), threadId());
      yield* trigger.await();
      log.push("released", threadId());
    });
    a.run();
    assertEquals(task.state, "suspended");
    return threadId();
  });
  threads.run(() => {
    b.runTask(() => channel.send(1));
    assertEquals(log, [{ value: 1 }, idOfA]);
    trigger.release();
    assertEquals(log.slice(2), ["released", idOfA]);
    assertNotEquals(threadId(), idOfA);
  });
  end.resolve();
  await Promise.all(extents);
});

// The threads themselves -------------------------------------------------------------------------

Deno.test("asyncContextThreads.run() calls f in a new thread and returns what it returns", async () => {
  const outer = threadId();
  const value = { it: true };
  const ids = new Set([outer]);
  for (let n = 0; n < 3; n++) {
    assertStrictEquals(
      threads.run(() => {
        ids.add(threadId());
        return value;
      }),
      value,
    );
    assertEquals(threadId(), outer);
  }
  assertEquals(ids.size, 4);
  await Promise.resolve();
  assertEquals(threadId(), outer);
});

Deno.test("asyncContextThreads.run() throws what f throws, and is back where it was", () => {
  const outer = threadId();
  const error = { thrown: true };
  try {
    threads.run(() => {
      throw error;
    });
  } catch (thrown) {
    assertStrictEquals(thrown, error);
  }
  assertEquals(threadId(), outer);
});

Deno.test("asyncContextThreads.runIn() calls f in the thread of the handle, then is back", async () => {
  const [outer, handle] = [threadId(), threads.run(() => threads.self())];
  const ids: number[] = [];
  const look = () => void ids.push(threadId());
  threads.runIn!(handle, look);
  threads.run(() => threads.runIn!(handle, () => queueMicrotask(look)));
  threads.runIn!(threads.self(), look);
  await Promise.resolve();
  assertEquals(ids, [threads.id(handle), outer, threads.id(handle)]);
  assertEquals(threadId(), outer);
});

Deno.test("asyncContextThreads: what a thread starts stays in it", async () => {
  const outer = threadId();
  await threads.run(async () => {
    const id = threadId();
    assertNotEquals(id, outer);
    await Promise.resolve();
    assertEquals(threadId(), id);
    await hostTurn();
    assertEquals(threadId(), id);
    const { promise, resolve } = Promise.withResolvers<number>();
    setTimeout(() => resolve(threadId()), 0);
    assertEquals(await promise, id);
    queueMicrotask(() => assertEquals(threadId(), id));
    await threads.run(async () => {
      const inner = threadId();
      assertNotEquals(inner, id);
      await Promise.resolve();
      assertEquals(threadId(), inner);
    });
    assertEquals(threadId(), id);
  });
  assertEquals(threadId(), outer);
});

Deno.test("asyncContextThreads.run() of what is no function is a TypeError", () => {
  for (const bad of [undefined, null, 1, {}]) {
    assertThrows(
      () => threads.run(bad as never),
      TypeError,
      "Cannot run a thread: f must be a function",
    );
  }
});
