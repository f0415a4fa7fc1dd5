/** `Semaphore`: permits by number. What all locks have in common is in `line_test.ts`. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  cancelScope,
  Channel,
  Event,
  type Fiber,
  type Operation,
  select,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { type Guard, Semaphore } from "@weft/weft/sync";
import { valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { withShare } from "../kit/share.ts";
import { Source } from "../kit/source.ts";
import { errorOf, settle, virtually } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";

forEachScheduler((scheduler, run) => {
  Deno.test(`Semaphore: no more are held than there are, and all come back (${scheduler})`, () => {
    for (const share of [1, 100]) {
      const semaphore = new Semaphore(5);
      let held = 0;
      let done = 0;
      const result = withShare(share, () =>
        run(function* () {
          for (let n = 0; n < 30; n++) {
            const wanted = n % 5 + 1;
            const acquire = n % 2 === 0
              ? () => semaphore.acquire(wanted)
              : () => semaphore.acquireEvent(wanted);
            const fiber = spawn(function* () {
              using _permits = yield* acquire();
              held += wanted;
              try {
                assert(held <= 5 && semaphore.available <= 5 - held);
                yield* yieldNow();
              } finally {
                held -= wanted;
                done++;
              }
            });
            if (n % 7 === 3) {
              yield* yieldNow();
              fiber.abort();
            }
          }
        }));
      valueOf(result);
      assert(done >= 25);
      assertEquals(semaphore.statistics(), { available: 5, waiting: 0 });
    }
  });
});

Deno.test("law 7: a large request isn't overtaken by small ones, not even by who asks at once", () => {
  const semaphore = new Semaphore(3);
  const seen: string[] = [];
  virtually(function* () {
    const [one, two] = [semaphore.tryAcquire()!, semaphore.tryAcquire()!];
    const take = (name: string, n: number) =>
      spawn(function* () {
        using _permits = yield* semaphore.acquire(n);
        seen.push(name);
        yield* yieldNow();
      });
    take("large", 3);
    take("small", 1);
    take("other small", 1);
    yield* settle();
    assertEquals(semaphore.statistics(), { available: 1, waiting: 3 });
    assertEquals(semaphore.tryAcquire(), undefined, "there is one, but others are in line");
    one.release();
    yield* settle();
    assertEquals([seen, semaphore.available], [[], 2]);
    two.release();
    yield* settle();
    assertEquals(seen, ["large", "small", "other small"]);
  });
  assertEquals(semaphore.statistics(), { available: 3, waiting: 0 });
});

/** Ways in which a request for two leaves the line. */
const leaving: Record<string, (semaphore: Semaphore) => Operation<() => void>> = {
  *"by an abort"(semaphore) {
    const fiber = spawn(() => semaphore.acquire(2));
    yield* settle();
    return () => fiber.abort();
  },
  *"by an abort of its event"(semaphore) {
    const fiber = spawn(() => semaphore.acquireEvent(2));
    yield* settle();
    return () => fiber.abort();
  },
  *"by an abort of its select"(semaphore) {
    const fiber = spawn(() =>
      select({
        never: Event.never(),
        two: semaphore.acquireEvent(2),
        source: new Source<void>().event,
      })
    );
    yield* settle();
    return () => fiber.abort();
  },
  *"by a lost select"(semaphore) {
    const channel = new Channel<string>();
    spawn(() => select({ two: semaphore.acquireEvent(2), item: channel.receiveEvent() }));
    yield* settle();
    return () => void channel.trySend("it");
  },
  *"by a select lost to a source"(semaphore) {
    const source = new Source<string>();
    spawn(() => select({ two: semaphore.acquireEvent(2), source: source.event }));
    yield* settle();
    return () => source.happen("it");
  },
  *"by a select lost in a composite event"(semaphore) {
    const channel = new Channel<string>();
    spawn(() =>
      Event.choose(
        Event.guard(() => Event.withNack(() => semaphore.acquireEvent(2).map(() => "two"))),
        channel.receiveEvent(),
      )
    );
    yield* settle();
    return () => void channel.trySend("it");
  },
  *"by a select that fails"(semaphore) {
    const channel = new Channel<string>();
    spawn(() => errorOf(select({ two: semaphore.acquireEvent(2), item: channel.receiveEvent() })));
    yield* settle();
    return () => channel.fail(new Error("no more"));
  },
};
for (const style of CANCEL_STYLES) {
  for (const way of ["acquire", "acquireEvent"] as const) {
    leaving[`of ${way}, with a task that is cancelled by ${style}`] = function* (semaphore) {
      const toy = new ToyScheduler();
      const task = toy.spawn(function* () {
        yield* semaphore[way](2);
      });
      toy.run();
      yield* yieldNow();
      return () => toy.cancel(task, style);
    };
  }
}

for (const [how, begin] of Object.entries(leaving)) {
  Deno.test(`Semaphore: a large request that leaves ${how} lets in those behind it`, () => {
    for (const resumesAtOnce of [undefined, false, true]) {
      const semaphore = new Semaphore(2);
      virtually(function* () {
        const guard = semaphore.tryAcquire()!;
        const leave = yield* begin(semaphore);
        let got = false;
        const small = function* () {
          using _permit = yield* semaphore.acquire();
          got = true;
          yield* yieldNow();
        };
        const toy = new ToyScheduler({ resumesAtOnce: resumesAtOnce === true });
        if (resumesAtOnce === undefined) spawn(small);
        else toy.spawn(small);
        toy.run();
        yield* settle();
        assertEquals([got, semaphore.statistics()], [false, { available: 1, waiting: 2 }]);
        toy.during(leave);
        toy.run();
        yield* settle();
        toy.run();
        assertEquals([got, semaphore.statistics()], [true, { available: 1, waiting: 0 }]);
        guard.release();
      });
      assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
    }
  });
}

Deno.test("law 6: tasks that are let in while a select leaves find none of its other arms", () => {
  for (const ending of ["abort", "item", "source", "other lock", "two at once"] as const) {
    const [a, b] = [new Semaphore(2), new Semaphore(2)];
    const [there, item] = [new Channel<string>({ capacity: 0 }), new Channel<string>()];
    const source = new Source<string>();
    const toy = new ToyScheduler({ resumesAtOnce: true });
    let nacked = 0;
    const seen: unknown[] = [];
    const ended = toy.during(() =>
      virtually(function* () {
        const guards = [a.tryAcquire()!, b.tryAcquire()!];
        const twoOf = (semaphore: Semaphore) =>
          Event.guard(() =>
            Event.withNack((nack) => {
              toy.spawn(function* () {
                yield* nack;
                nacked++;
              });
              return semaphore.acquireEvent(2).map((guard) => guard);
            })
          );
        const release = (arm: Event<Guard>) => when(arm, (guard) => guard.release());
        const fiber = spawn(() =>
          select([
            when(there.receiveEvent(), () => seen.push("there")),
            release(twoOf(a)),
            release(twoOf(b)),
            release(a.acquireEvent(2)),
            when(source.event, () => seen.push("source")),
            when(item.receiveEvent(), () => seen.push("item")),
          ]), { propagateCancelToParent: false });
        yield* settle();
        for (const semaphore of [a, b]) {
          toy.spawn(function* () { // it runs at once when the select has left
            using _permit = yield* semaphore.acquire();
            seen.push(there.trySend("it")); // nobody receives
            seen.push(source.waiters);
            const again = semaphore.tryAcquire();
            again?.release();
          });
        }
        toy.run();
        assertEquals([a.statistics().waiting, b.statistics().waiting], [3, 2]);
        if (ending === "abort") fiber.abort();
        if (ending === "item") item.trySend("it");
        if (ending === "source") source.happen("it");
        if (ending === "other lock") guards[1]!.release();
        if (ending === "two at once") { for (const guard of guards) guard.release(); }
        yield* settle();
        toy.run();
        for (const guard of guards) guard[Symbol.dispose]();
        yield* settle();
        return (yield* fiber.join()).ok;
      })
    );
    toy.run();
    assertEquals(ended, ending !== "abort");
    const own = ending === "item" || ending === "source" ? [ending] : [];
    assertEquals(seen.filter((each) => typeof each === "string"), own);
    assertEquals(seen.filter((each) => typeof each !== "string"), [false, 0, false, 0]);
    assertEquals(nacked, ending === "other lock" || ending === "two at once" ? 1 : 2);
    for (const semaphore of [a, b]) {
      assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
    }
    assertEquals([there.size, source.waiters], [0, 0]);
  }
});

Deno.test("Semaphore: two arms of a select for the same permits: whichever can be had in the order of the list", () => {
  for (const first of [1, 2]) {
    const semaphore = new Semaphore(2);
    virtually(function* () {
      const guards = [semaphore.tryAcquire()!, semaphore.tryAcquire()!];
      const fiber = spawn(function* () {
        const arms = [first, 3 - first].map((n) =>
          when(semaphore.acquireEvent(n), (guard) => [n, guard] as const)
        );
        const [n, guard] = yield* select(arms);
        guard.release();
        return n;
      });
      yield* settle();
      guards[0]!.release();
      yield* settle();
      // Who wants two and is first in line keeps the rest waiting, be it the same select.
      assertEquals(fiber.state, first === 1 ? "terminated" : "running");
      guards[1]!.release();
      assertEquals(yield* fiber, first);
    });
    assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
  }
});

Deno.test("Semaphore: permits have no owner: who has the guard releases it", async () => {
  const semaphore = new Semaphore(2);
  virtually(function* () {
    const guards = new Channel<Guard>();
    const giver = spawn(function* () {
      yield* guards.send(yield* semaphore.acquire());
      yield* guards.send(semaphore.tryAcquire()!);
    });
    yield* giver;
    (yield* guards.receiveOrThrow()).release();
    yield* spawn(function* () {
      (yield* guards.receiveOrThrow())[Symbol.dispose]();
    });
    using _both = yield* semaphore.acquire(2);
    assertEquals(semaphore.tryAcquire(), undefined, "no error, though it is the same fiber");
  });
  (await semaphore.acquire(2)).release();
  assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
});

Deno.test("Semaphore: who releases several lets in as many as there is room for", () => {
  const semaphore = new Semaphore(4);
  const seen: number[] = [];
  virtually(function* () {
    const guard = semaphore.tryAcquire(4)!;
    for (const n of [1, 2, 2, 1]) {
      spawn(function* () {
        const permits = yield* semaphore.acquire(n);
        seen.push(n);
        yield* settle();
        permits.release();
      });
    }
    yield* settle();
    guard.release();
    assertEquals(semaphore.statistics(), { available: 1, waiting: 2 });
    yield* yieldNow();
    assertEquals(seen, [1, 2]);
  });
  assertEquals(seen, [1, 2, 2, 1]);
  assertEquals(semaphore.statistics(), { available: 4, waiting: 0 });
});

Deno.test("Semaphore refuses numbers that are none, at the call, and nothing is taken", () => {
  for (const bad of [-1, 0, 0.5, NaN, Infinity, -Infinity]) {
    assertThrows(() => new Semaphore(bad), RangeError, "permits must be an integer of at least 1");
  }
  for (const bad of ["1", null, undefined, 1n, true, {}, [1]]) {
    assertThrows(() => new Semaphore(bad as never), TypeError, "permits must be a number");
  }
  for (const bad of [2 ** 53, 1e300]) {
    assertThrows(() => new Semaphore(bad), RangeError, "permits must be at most 9007199254740991");
  }
  assertEquals(new Semaphore(Number.MAX_SAFE_INTEGER).available, Number.MAX_SAFE_INTEGER);
  for (const bad of [null, "slots", 1]) {
    assertThrows(() => new Semaphore(1, bad as never), TypeError, "options must be an object");
  }
  assertThrows(() => new Semaphore(1, { name: 1 } as never), TypeError, "name must be a string");
  const semaphore = new Semaphore(2, { name: "slots" });
  const calls: ((n: number) => unknown)[] = [
    (n) => semaphore.acquire(n),
    (n) => semaphore.tryAcquire(n),
    (n) => semaphore.acquireEvent(n),
    (n) => semaphore.withPermit(() => yieldNow(), n),
  ];
  const action = 'Cannot acquire permits of semaphore "slots": n must be';
  for (const call of calls) {
    for (const bad of [-1, 0, 0.5, NaN, Infinity]) {
      assertThrows(() => call(bad), RangeError, `${action} an integer of at least 1, got ${bad}`);
    }
    for (const bad of ["1", null, 1n, true, {}]) {
      assertThrows(() => call(bad as never), TypeError, `${action} a number`);
    }
    assertThrows(
      () => call(3),
      RangeError,
      `${action} at most 2, which are all that there are, got 3`,
    );
  }
  assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
  semaphore.tryAcquire(2)!.release();
});

Deno.test("law 9: large requests that leave the front of a long line, one after the other, leave nothing", () => {
  const semaphore = new Semaphore(2);
  virtually(() =>
    cancelScope(function* (context) {
      const guard = semaphore.tryAcquire()!;
      const fibers: Fiber<Guard>[] = [];
      for (let n = 0; n < 50_000; n++) fibers.push(spawn(() => semaphore.acquire(2)));
      yield* yieldNow();
      for (const fiber of fibers) fiber.abort();
      assertEquals(semaphore.statistics(), { available: 1, waiting: 0 });
      guard.release();
      context.cancel();
    })
  );
  assertEquals(semaphore.statistics(), { available: 2, waiting: 0 });
});
