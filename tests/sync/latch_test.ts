/** `Latch`: what it promises, in any order, however a wait for it ends, and to whoever waits. */
import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type Awaitable,
  cancelScope,
  Channel,
  Deadlock,
  run,
  select,
  spawn,
  yieldNow,
} from "@weft/weft";
import { Latch } from "@weft/weft/sync";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { withShare } from "../kit/share.ts";
import { settle, virtually, waiting } from "../kit/virtually.ts";
import { ToyScheduler } from "../world5/toy_scheduler.ts";

const open = { count: 0, waiting: 0 };

/** The two ways to wait for one. */
const waits: Record<string, (latch: Latch) => Awaitable<void>> = {
  "wait()": (latch) => latch.wait(),
  "waitEvent()": (latch) => latch.waitEvent(),
};

forEachScheduler((scheduler, run) => {
  for (const [name, wait] of Object.entries(waits)) {
    Deno.test(`Latch.${name} suspends until the count is zero (${scheduler})`, () => {
      const latch = new Latch(3);
      const seen: number[] = [];
      const result = run(function* () {
        for (let n = 0; n < 5; n++) {
          spawn(function* () {
            yield* wait(latch);
            seen.push(latch.count);
          });
        }
        for (let n = 0; n < 3; n++) {
          spawn(function* () {
            yield* yieldNow();
            latch.countDown();
          });
        }
        yield* wait(latch);
        return latch.count;
      });
      assertEquals(valueOf(result), 0);
      assertEquals(seen, [0, 0, 0, 0, 0]);
      assertEquals(latch.statistics(), open);
    });

    Deno.test(`law 9: aborting who waits by Latch.${name} leaves the others in line (${scheduler})`, () => {
      const latch = new Latch(1);
      const ended = run(function* () {
        const fibers = [];
        for (let n = 0; n < 5; n++) fibers.push(yield* waiting(wait(latch)));
        while (latch.statistics().waiting < 5) yield* yieldNow();
        for (const n of [0, 2, 4]) fibers[n]!.abort("enough");
        assertEquals(latch.statistics(), { count: 1, waiting: 2 });
        latch.countDown();
        const results = [];
        for (const fiber of fibers) results.push((yield* fiber.join()).ok);
        return results;
      });
      assertEquals(valueOf(ended), [false, true, false, true, false]);
      assertEquals(latch.statistics(), open);
    });

    Deno.test(`law 6: a select that Latch.${name} has lost leaves nothing there (${scheduler})`, () => {
      const latch = new Latch(1);
      const channel = new Channel<string>();
      const chosen = run(function* () {
        spawn(function* () {
          yield* yieldNow();
          channel.trySend("first");
        });
        return yield* select({
          open: latch.waitEvent(),
          again: latch.waitEvent(),
          item: channel.receiveEvent(),
        });
      });
      assertEquals(valueOf(chosen), { kind: "item", value: "first" });
      assertEquals(latch.statistics(), { count: 1, waiting: 0 });
    });
  }
});

for (const [name, wait] of Object.entries(waits)) {
  Deno.test(`law 4: Latch.${name} that is aborted before, while or after it waits`, () => {
    for (const share of [1, 100]) {
      for (const turns of [0, 1, 2, 3]) {
        for (const openFirst of [false, true]) {
          const latch = new Latch(1);
          let passed = false;
          const result = withShare(share, () =>
            virtually(function* () {
              const fiber = spawn(function* () {
                yield* new Channel<number>().send(0); // with a share of one it gives way next
                yield* wait(latch);
                passed = true;
                yield* yieldNow();
              });
              for (let turn = 0; turn < turns; turn++) yield* yieldNow();
              const { waiting } = latch.statistics();
              if (openFirst) latch.countDown();
              fiber.abort("meanwhile");
              assertEquals(latch.statistics().waiting, 0);
              const ended = yield* fiber.join();
              assertEquals(passed, openFirst && waiting === 1, "it was let in iff it waited then");
              return ended;
            }));
          assertEquals(reasonOf(result), "meanwhile");
        }
      }
    }
  });

  Deno.test(`law 7: Latch.countDown() lets in those who wait by ${name} in the order in which they came`, () => {
    const seen: number[] = [];
    virtually(function* () {
      const latch = new Latch(2);
      for (let n = 0; n < 10; n++) {
        spawn(function* () {
          yield* wait(latch);
          seen.push(n);
        });
      }
      yield* settle();
      latch.countDown();
      yield* settle();
      assertEquals([seen, latch.statistics()], [[], { count: 1, waiting: 10 }]);
      latch.countDown();
      yield* settle();
    });
    assertEquals(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  Deno.test(`world 5: fibers, async functions and tasks that are resumed at once or later wait for one Latch by ${name}`, async () => {
    for (const resumesAtOnce of [false, true]) {
      const latch = new Latch(1);
      const toy = new ToyScheduler({ resumesAtOnce, earlyWakeups: 3 });
      const seen: string[] = [];
      const awaited = Promise.resolve(wait(latch)).then(() => void seen.push("async function"));
      await Promise.resolve(); // it waits from now on
      const task = toy.spawn(function* () {
        yield* wait(latch);
        seen.push("task");
        yield* wait(latch); // it stays open
      });
      toy.run(20);
      const ended = toy.during(() =>
        run(function* () {
          spawn(function* () {
            yield* wait(latch);
            seen.push("fiber");
          });
          yield* yieldNow();
          assertEquals(latch.statistics(), { count: 1, waiting: 3 });
          latch.countDown();
        })
      );
      valueOf(ended);
      toy.run();
      await awaited;
      if (task.state === "failed") throw task.error;
      assertEquals(task.state, "returned");
      assertEquals(seen.toSorted(), ["async function", "fiber", "task"]);
      assertEquals(latch.statistics(), open);
    }
  });
}

Deno.test("Latch.wait() returns at once when the latch is open", () => {
  const latch = new Latch(0);
  virtually(function* () {
    let hadTurn = false;
    spawn(function* () {
      hadTurn = true;
    });
    yield* latch.wait();
    yield* latch.waitEvent();
    assertEquals(hadTurn, false);
  });
});

Deno.test("law 9: 100,000 cancelled waits leave none", () => {
  const latch = new Latch(1);
  virtually(() =>
    cancelScope(function* (context) {
      for (let n = 0; n < 100_000; n++) spawn(() => latch.wait());
      yield* yieldNow();
      assertEquals(latch.statistics().waiting, 100_000);
      context.cancel();
    })
  );
  assertEquals(latch.statistics(), { count: 1, waiting: 0 });
});

Deno.test("law 11: a Deadlock tells that a fiber waits for a latch, and what its count is", () => {
  const names = { "a latch": undefined, 'a latch "warm"': { name: "warm" } };
  for (const [called, options] of Object.entries(names)) {
    const latch = new Latch(2, options);
    const deadlock = errorOf(run(() => latch.wait()));
    assertInstanceOf(deadlock, Deadlock);
    assertStringIncludes(deadlock.message, `${called} with a count of 2`);
    assertEquals(latch.statistics(), { count: 2, waiting: 0 });
  }
});

Deno.test("Latch refuses counts that are no counts, and to be counted down below zero", () => {
  for (const bad of [-1, 0.5, NaN, Infinity]) {
    assertThrows(() => new Latch(bad), RangeError, "Cannot make the latch: count must be");
  }
  assertThrows(() => new Latch("2" as never), TypeError, "count must be a number");
  assertThrows(() => new Latch(2, { name: 2 as never }), TypeError, "name must be a string");
  const latch = new Latch(2);
  for (const bad of [-1, 0, 0.5, NaN, Infinity]) {
    assertThrows(() => latch.countDown(bad), RangeError, "Cannot count the latch down: n must be");
  }
  const tooMany = "Cannot count the latch down by 3: its count is 2";
  assertThrows(() => latch.countDown(3), RangeError, tooMany);
  assertEquals(latch.count, 2);
  latch.countDown(2);
  assertThrows(() => latch.countDown(), RangeError, "by 1: its count is 0");
  assertEquals(latch.statistics(), open);
});
