/** `Barrier`: nobody passes before all are there, in any order, and whoever leaves has not arrived. */
import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import {
  type Awaitable,
  cancelScope,
  Channel,
  Deadlock,
  run,
  select,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { Barrier } from "@weft/weft/sync";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { withShare } from "../kit/share.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { settle, virtually, waiting } from "../kit/virtually.ts";
import { CANCEL_STYLES, ToyScheduler, type ToyTask } from "../world5/toy_scheduler.ts";

/** The two ways to wait at one. */
const waits: Record<string, (barrier: Barrier) => Awaitable<number>> = {
  "wait()": (barrier) => barrier.wait(),
  "waitEvent()": (barrier) => barrier.waitEvent(),
};

forEachScheduler((scheduler, run) => {
  for (const [name, wait] of Object.entries(waits)) {
    Deno.test(`Barrier.${name} lets nobody pass before all have arrived, round after round (${scheduler})`, () => {
      const [parties, rounds] = [5, 6];
      for (const share of [1, 100]) {
        const barrier = new Barrier(parties);
        const arrived: number[] = new Array(rounds).fill(0);
        const places: number[][] = arrived.map(() => []);
        const result = withShare(share, () =>
          run(function* () {
            for (let n = 0; n < parties; n++) {
              spawn(function* () {
                for (let round = 0; round < rounds; round++) {
                  for (let turn = 0; turn < (n * round) % 3; turn++) yield* yieldNow();
                  arrived[round]!++;
                  places[round]!.push(yield* wait(barrier));
                  assertEquals(arrived[round], parties);
                }
              });
            }
          }));
        valueOf(result);
        for (const round of places) assertEquals(round.toSorted(), [0, 1, 2, 3, 4]);
        assertEquals(barrier.statistics(), { parties, waiting: 0 });
      }
    });

    Deno.test(`law 9: who is aborted at Barrier.${name} has not arrived (${scheduler})`, () => {
      const barrier = new Barrier(3);
      const places = run(function* () {
        const [a, b] = [yield* waiting(wait(barrier)), yield* waiting(wait(barrier))];
        while (barrier.statistics().waiting < 2) yield* yieldNow();
        a.abort("enough");
        assertEquals(barrier.statistics(), { parties: 3, waiting: 1 });
        const c = yield* waiting(wait(barrier));
        while (barrier.statistics().waiting < 2) yield* yieldNow();
        assertEquals([b.state, c.state], ["running", "running"]);
        return [yield* wait(barrier), yield* b, yield* c];
      });
      assertEquals(valueOf(places), [2, 0, 1]);
      assertEquals(barrier.statistics().waiting, 0);
    });

    Deno.test(`law 6: a select that Barrier.${name} has lost has not arrived (${scheduler})`, () => {
      const barrier = new Barrier(2);
      const channel = new Channel<string>();
      const chosen = run(function* () {
        spawn(function* () {
          while (barrier.statistics().waiting < 1) yield* yieldNow();
          channel.trySend("first");
        });
        return yield* select({ all: barrier.waitEvent(), item: channel.receiveEvent() });
      });
      assertEquals(valueOf(chosen), { kind: "item", value: "first" });
      assertEquals(barrier.statistics(), { parties: 2, waiting: 0 });
    });
  }
});

for (const [name, wait] of Object.entries(waits)) {
  Deno.test(`law 4: Barrier.${name} that is aborted before, while or after it waits`, () => {
    for (const share of [1, 100]) {
      for (const turns of [0, 1, 2, 3]) {
        for (const tripFirst of [false, true]) {
          const barrier = new Barrier(2);
          let place: number | undefined;
          const result = withShare(share, () =>
            virtually(function* () {
              const fiber = spawn(function* () {
                yield* new Channel<number>().send(0); // with a share of one it gives way next
                place = yield* wait(barrier);
                yield* yieldNow();
              });
              for (let turn = 0; turn < turns; turn++) yield* yieldNow();
              const trips = tripFirst && barrier.statistics().waiting === 1;
              if (trips) void barrier.wait()[Symbol.iterator]().next();
              fiber.abort("meanwhile");
              assertEquals(barrier.statistics().waiting, 0);
              const ended = yield* fiber.join();
              assertEquals(place, trips ? 0 : undefined, "it passed iff the other one came then");
              return ended;
            }));
          assertEquals(reasonOf(result), "meanwhile");
        }
      }
    }
  });

  Deno.test(`law 7: the places that Barrier.${name} gives are in the order in which they came`, () => {
    const places = virtually(function* () {
      const barrier = new Barrier(5);
      const fibers = [];
      for (let n = 0; n < 4; n++) fibers.push(yield* waiting(wait(barrier)));
      const places = [yield* wait(barrier)];
      for (const fiber of fibers) places.push(yield* fiber);
      return places;
    });
    assertEquals(places, [4, 0, 1, 2, 3]);
  });

  Deno.test(`world 5: fibers, async functions and tasks that are resumed at once or later meet at one Barrier by ${name}`, async () => {
    for (const resumesAtOnce of [false, true]) {
      const barrier = new Barrier(3);
      const toy = new ToyScheduler({ resumesAtOnce, earlyWakeups: 3 });
      const places: number[] = [];
      const rounds = 3;
      const awaiting = async () => {
        for (let round = 0; round < rounds; round++) places.push(await wait(barrier));
      };
      const task = toy.spawn(function* () {
        for (let round = 0; round < rounds; round++) places.push(yield* wait(barrier));
      });
      const awaited = awaiting();
      for (let round = 1; round <= rounds; round++) {
        await hostTurn();
        toy.run(20);
        assertEquals(barrier.statistics().waiting, 2);
        places.push(valueOf(toy.during(() => run(() => wait(barrier)))));
      }
      toy.run();
      await awaited;
      if (task.state === "failed") throw task.error;
      assertEquals(places.toSorted(), [0, 0, 0, 1, 1, 1, 2, 2, 2]);
      assertEquals(barrier.statistics().waiting, 0);
    }
  });

  Deno.test(`law 4 in world 5: a task that is resumed within a trip by ${name} is in the next round`, () => {
    const toy = new ToyScheduler({ resumesAtOnce: true });
    const barrier = new Barrier(3);
    const log: string[] = [];
    for (const task of ["a", "b"]) {
      toy.spawn(function* () {
        for (const round of [1, 2]) log.push(`${task}${round}: ${yield* wait(barrier)}`);
      });
    }
    toy.run();
    for (const round of [1, 2]) {
      log.push(`c${round}: ${valueOf(toy.during(() => run(() => wait(barrier))))}`);
      assertEquals(barrier.statistics().waiting, round === 1 ? 2 : 0, "those of the next round");
    }
    assertEquals(log, ["a1: 0", "b1: 1", "c1: 2", "a2: 0", "b2: 1", "c2: 2"]);
  });

  for (const style of CANCEL_STYLES) {
    Deno.test(`law 4 in world 5, cancelled by ${style}: a task that leaves within a trip by ${name} mixes no rounds`, () => {
      const toy = new ToyScheduler({ resumesAtOnce: true });
      const barrier = new Barrier(3);
      const places: number[] = [];
      const tasks: ToyTask<void>[] = [0, 1].map((n) =>
        toy.spawn(function* () {
          places.push(yield* wait(barrier));
          const next = toy.spawn(() => wait(barrier)); // arrives for the next round first
          toy.run();
          toy.cancel(tasks[1 - n]!, style);
          assertEquals([next.state, barrier.statistics().waiting], ["suspended", 1]);
        })
      );
      toy.run();
      assertEquals(valueOf(toy.during(() => run(() => wait(barrier)))), 2);
      assertEquals([places, tasks[1]!.state], [[0], "cancelled"]);
      assertEquals(barrier.statistics(), { parties: 3, waiting: 1 });
    });
  }
}

Deno.test("law 6: a select with two branches at one Barrier arrives once", () => {
  const barrier = new Barrier(3);
  const places = virtually(function* () {
    const twice = spawn(() =>
      select([when(barrier.waitEvent(), (n) => n), when(barrier.waitEvent(), (n) => n + 100)])
    );
    yield* settle();
    assertEquals(barrier.statistics().waiting, 1);
    const other = spawn(() => barrier.wait());
    yield* settle();
    assertEquals(barrier.statistics().waiting, 2);
    return [yield* barrier.wait(), yield* twice, yield* other];
  });
  assertEquals(places, [2, 0, 1]);
  assertEquals(barrier.statistics().waiting, 0);
});

Deno.test("a Barrier of one lets everybody pass at once", () => {
  const barrier = new Barrier(1);
  assertEquals(valueOf(run(() => barrier.wait())), 0);
  assertEquals(valueOf(run(() => barrier.waitEvent())), 0);
});

Deno.test("law 9: 100,000 cancelled waits leave none at a Barrier", () => {
  const barrier = new Barrier(1_000_000);
  virtually(() =>
    cancelScope(function* (context) {
      for (let n = 0; n < 100_000; n++) spawn(() => barrier.wait());
      yield* yieldNow();
      assertEquals(barrier.statistics().waiting, 100_000);
      context.cancel();
    })
  );
  assertEquals(barrier.statistics().waiting, 0);
});

Deno.test("law 11: a Deadlock tells at which Barrier a fiber waits, and how many do", () => {
  const barrier = new Barrier(3, { name: "start" });
  const deadlock = errorOf(run(() => barrier.wait()));
  assertInstanceOf(deadlock, Deadlock);
  assertStringIncludes(deadlock.message, 'a barrier "start" where 1 of 3 wait');
  assertEquals(barrier.statistics(), { parties: 3, waiting: 0 });
});

Deno.test("Barrier refuses a number of parties that is none, and options that are none", () => {
  for (const bad of [0, -1, 0.5, NaN, Infinity]) {
    assertThrows(() => new Barrier(bad), RangeError, "Cannot make the barrier: parties must be");
  }
  assertThrows(() => new Barrier("2" as never), TypeError, "parties must be a number");
  assertThrows(() => new Barrier(2, { name: 1 as never }), TypeError, "name must be a string");
  assertThrows(() => new Barrier(2, 1 as never), TypeError, "options must be an object");
});
