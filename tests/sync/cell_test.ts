/** `Cell`: who waits gets the first value that was right, and predicates do no harm to others. */
import {
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  type Awaitable,
  cancelScope,
  Channel,
  Deadlock,
  Event,
  type Fiber,
  type Operation,
  run,
  select,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { Cell } from "@weft/weft/sync";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { withShare } from "../kit/share.ts";
import { errorOf as thrownBy, settle, virtually, waiting } from "../kit/virtually.ts";
import { ToyScheduler } from "../world5/toy_scheduler.ts";

type Predicate = (value: number) => boolean;

/** The ways to wait for one. */
const waits: Record<string, (cell: Cell<number>, predicate: Predicate) => Awaitable<number>> = {
  "waitUntil()": (cell, predicate) => cell.waitUntil(predicate),
  "event()": (cell, predicate) => cell.event(predicate),
  "a mapped event()": (cell, predicate) => cell.event(predicate).map((n) => n),
};

const isAtLeast = (least: number) => (value: number) => value >= least;

forEachScheduler((scheduler, run) => {
  for (const [name, wait] of Object.entries(waits)) {
    Deno.test(`${name} of a Cell gives each waiter the first value that is right (${scheduler})`, () => {
      for (const share of [1, 100]) {
        const cell = new Cell(0);
        const seen: Record<number, number> = {};
        const result = withShare(share, () =>
          run(function* () {
            for (const least of [3, 1, 2, 0]) {
              spawn(function* () {
                seen[least] = yield* wait(cell, isAtLeast(least));
              });
            }
            while (!(0 in seen) || cell.statistics().waiting < 3) yield* yieldNow();
            cell.value = 2;
            assertEquals(cell.statistics().waiting, 1);
            cell.value = 0; // the value was right: that counts
            cell.value = 7;
            cell.value = -1;
            assertEquals([cell.value, cell.statistics().waiting], [-1, 0]);
          }));
        valueOf(result);
        assertEquals(seen, { 0: 0, 1: 2, 2: 2, 3: 7 });
      }
    });

    Deno.test(`law 9: aborting who waits by ${name} of a Cell leaves the others (${scheduler})`, () => {
      const cell = new Cell(0);
      const ended = run(function* () {
        const fibers = [];
        for (let n = 0; n < 5; n++) fibers.push(yield* waiting(wait(cell, isAtLeast(1))));
        while (cell.statistics().waiting < 5) yield* yieldNow();
        for (const n of [0, 2, 4]) fibers[n]!.abort("enough");
        assertEquals(cell.statistics(), { waiting: 2 });
        cell.value = 1;
        const results = [];
        for (const fiber of fibers) results.push((yield* fiber.join()).ok);
        return results;
      });
      assertEquals(valueOf(ended), [false, true, false, true, false]);
      assertEquals(cell.statistics(), { waiting: 0 });
    });
  }

  Deno.test(`law 6: a select that an event of a Cell has lost leaves nothing there (${scheduler})`, () => {
    const cell = new Cell(0);
    const channel = new Channel<string>();
    const event = cell.event(isAtLeast(1));
    const chosen = run(function* () {
      spawn(function* () {
        while (cell.statistics().waiting < 2) yield* yieldNow();
        channel.trySend("first");
        cell.value = 1; // too late
      });
      return yield* select({ cell: event, again: event, item: channel.receiveEvent() });
    });
    assertEquals(valueOf(chosen), { kind: "item", value: "first" });
    assertEquals(cell.statistics(), { waiting: 0 });
  });
});

for (const [name, wait] of Object.entries(waits)) {
  Deno.test(`law 4: ${name} of a Cell that is aborted before, while or after it waits`, () => {
    for (const share of [1, 100]) {
      for (const turns of [0, 1, 2, 3]) {
        for (const setFirst of [false, true]) {
          const cell = new Cell(0);
          const result = withShare(share, () =>
            virtually(function* () {
              const fiber = spawn(function* () {
                yield* new Channel<number>().send(0); // with a share of one it gives way next
                yield* wait(cell, isAtLeast(1));
                yield* yieldNow();
              });
              for (let turn = 0; turn < turns; turn++) yield* yieldNow();
              if (setFirst) cell.value = 1;
              fiber.abort("meanwhile");
              assertEquals(cell.statistics().waiting, 0);
              return yield* fiber.join();
            }));
          assertEquals(reasonOf(result), "meanwhile");
        }
      }
    }
  });

  Deno.test(`law 7: a Cell asks and wakes those who wait by ${name} in the order in which they came`, () => {
    const asked: number[] = [];
    const seen: number[] = [];
    virtually(function* () {
      const cell = new Cell(0);
      for (let n = 0; n < 5; n++) {
        spawn(function* () {
          yield* wait(cell, (value) => {
            if (value > 0) asked.push(n);
            return value > n;
          });
          seen.push(n);
        });
      }
      yield* settle();
      cell.value = 4;
      assertEquals(asked.splice(0), [0, 1, 2, 3, 4]);
      yield* settle();
      assertEquals(seen, [0, 1, 2, 3]);
      cell.value = 9;
      assertEquals(asked, [4]);
    });
    assertEquals(seen, [0, 1, 2, 3, 4]);
  });

  Deno.test(`a predicate that throws fails who waits by ${name} of the Cell, and nobody else`, () => {
    const boom = new Error("boom");
    const fail = (at: number) => (value: number) => {
      if (value === at) throw boom;
      return value === 2;
    };
    virtually(function* () {
      const cell = new Cell(0);
      assertStrictEquals(yield* thrownBy(wait(cell, fail(0))), boom);
      const before = yield* waiting(wait(cell, isAtLeast(1)));
      const failing = yield* waiting(wait(cell, fail(1)));
      const after = yield* waiting(wait(cell, isAtLeast(1)));
      cell.value = 1;
      assertEquals([yield* before, yield* after], [1, 1]);
      assertStrictEquals(errorOf(yield* failing.join()), boom);
      assertEquals(cell.statistics(), { waiting: 0 });
    });
  });

  Deno.test(`a predicate for ${name} that returns a promise or an operation is refused`, () => {
    const predicates: (() => unknown)[] = [
      () => Promise.resolve(true),
      function* () {},
      () => new Channel().receive(),
    ];
    for (const predicate of predicates) {
      virtually(function* () {
        const cell = new Cell(0);
        const at = (value: number) => (n: number) => n === value && predicate() as boolean;
        for (const value of [0, 1]) {
          const waiter = yield* waiting(wait(cell, at(value)));
          cell.value = 1;
          const error = errorOf(yield* waiter.join());
          assertInstanceOf(error, TypeError);
          assertStringIncludes(error.message, "predicate must return a boolean, got");
          cell.value = 0;
        }
        assertEquals(cell.statistics(), { waiting: 0 });
      });
    }
  });

  Deno.test(`within a predicate of ${name} its Cell can be read, and neither set nor waited for`, () => {
    const uses: [use: (cell: Cell<number>) => unknown, message: string][] = [
      [(cell) => cell.value = 5, 'Cannot set the cell "c": one of its predicates is running'],
      [(cell) => {
        const result = run(() => cell.waitUntil(() => true));
        if (!result.ok) throw result.error;
      }, 'Cannot wait for the cell "c": one of its predicates is running'],
    ];
    for (const [use, message] of uses) {
      virtually(function* () {
        const cell = new Cell(0, { name: "c" });
        for (const at of [0, 1]) {
          const waiter = yield* waiting(wait(cell, (value) => {
            assertEquals(cell.value, value);
            if (value === at) use(cell);
            return false;
          }));
          cell.value = 1;
          const error = errorOf(yield* waiter.join());
          assertStringIncludes((error as Error).message, message);
          assertEquals(cell.value, 1);
          cell.value = 0;
        }
        assertEquals(cell.statistics(), { waiting: 0 });
      });
    }
  });

  Deno.test(`a predicate for ${name} that aborts other waiters of its Cell, or itself, loses nobody`, () => {
    for (const victims of [[0], [1], [2], [0, 2], [0, 1, 2]]) {
      virtually(function* () {
        const cell = new Cell(0);
        const fibers: Fiber<number>[] = [];
        for (let n = 0; n < 3; n++) {
          fibers.push(
            yield* waiting(wait(cell, (value) => {
              if (value === 1 && n === 1) { for (const v of victims) fibers[v]!.abort(); }
              return value === 1;
            })),
          );
        }
        cell.value = 1;
        for (let n = 0; n < 3; n++) {
          assertEquals((yield* fibers[n]!.join()).ok, !victims.includes(n), `${n} of ${victims}`);
        }
        assertEquals(cell.statistics(), { waiting: 0 });
      });
    }
  });

  Deno.test(`world 5: fibers, async functions and tasks that are resumed at once or later wait for one Cell by ${name}`, async () => {
    for (const resumesAtOnce of [false, true]) {
      const cell = new Cell(0);
      const toy = new ToyScheduler({ resumesAtOnce, earlyWakeups: 3 });
      const seen: string[] = [];
      const awaited = Promise.resolve(wait(cell, isAtLeast(1)))
        .then((value) => void seen.push(`async function ${value}`));
      await Promise.resolve(); // it waits from now on
      const task = toy.spawn(function* () {
        seen.push(`task ${yield* wait(cell, isAtLeast(1))}`);
        yield* wait(cell, isAtLeast(1)); // it is a state
      });
      toy.run(20);
      const ended = toy.during(() =>
        run(function* () {
          spawn(function* () {
            seen.push(`fiber ${yield* wait(cell, isAtLeast(1))}`);
          });
          yield* yieldNow();
          assertEquals(cell.statistics(), { waiting: 3 });
          cell.value = 1;
        })
      );
      valueOf(ended);
      toy.run();
      await awaited;
      if (task.state === "failed") throw task.error;
      assertEquals(seen.toSorted(), ["async function 1", "fiber 1", "task 1"]);
      assertEquals(cell.statistics(), { waiting: 0 });
    }
  });

  Deno.test(`law 4 in world 5: a task that sets the Cell within the set that woke it from ${name} loses no waiter`, () => {
    const toy = new ToyScheduler({ resumesAtOnce: true });
    const cell = new Cell(0);
    const seen: string[] = [];
    const watch = (name: string, predicate: Predicate, then?: () => void) =>
      toy.spawn(function* (): Operation<void> {
        seen.push(`${name} ${yield* wait(cell, predicate) as Awaitable<number>}`);
        then?.();
      });
    watch("sets", (n) => n === 1, () => {
      watch("came meanwhile", (n) => n === 2);
      toy.run();
      cell.value = 2;
    });
    watch("one", (n) => n === 1);
    watch("two", (n) => n === 2);
    watch("any", (n) => n > 0);
    toy.run();
    toy.during(() => cell.value = 1);
    toy.run();
    assertEquals(seen.toSorted(), ["any 1", "came meanwhile 2", "one 1", "sets 1", "two 2"]);
    assertEquals([cell.value, cell.statistics()], [2, { waiting: 0 }]);
  });

  Deno.test(`law 4 in world 5: a task that cancels others within the set that woke it from ${name}`, () => {
    const toy = new ToyScheduler({ resumesAtOnce: true });
    const cell = new Cell(0);
    const tasks = [0, 1, 2].map((n) =>
      toy.spawn(function* () {
        yield* wait(cell, isAtLeast(1));
        if (n === 0) toy.cancel(tasks[1]!, "drop");
      })
    );
    toy.run();
    toy.during(() => cell.value = 1);
    toy.run();
    assertEquals(tasks.map((task) => task.state), ["returned", "cancelled", "returned"]);
    assertEquals(cell.statistics(), { waiting: 0 });
  });
}

Deno.test("Cell: a predicate that makes another alternative of its select happen wins, and takes nothing of it", () => {
  virtually(function* () {
    const cell = new Cell(0);
    const channel = new Channel<string>();
    const other = new Cell("");
    const chosen = spawn(() =>
      select({
        item: channel.receiveEvent(),
        other: other.event((text) => text === "set"),
        cell: cell.event((n) => {
          if (n !== 1) return false;
          channel.trySend("item");
          other.value = "set";
          return true;
        }),
      })
    );
    yield* settle();
    cell.value = 1;
    const { kind } = yield* chosen;
    assertEquals([kind, channel.size], kind === "item" ? ["item", 0] : [kind, 1]);
    assertEquals([cell.statistics(), other.statistics()], [{ waiting: 0 }, { waiting: 0 }]);
    assertEquals(channel.statistics().receiversWaiting, 0);
  });
});

Deno.test("law 6: an event of the user's whose poll and wait set a Cell in the same select leaves nothing behind", () => {
  for (const where of ["poll", "wait"] as const) {
    virtually(function* () {
      const cell = new Cell(0);
      const channel = new Channel<string>();
      let sets = 0;
      const set = (at: string) => {
        if (at === where && ++sets === (where === "poll" ? 2 : 1)) cell.value = 1;
      };
      const source = Event.from({
        poll: () => void set("poll") as undefined,
        wait: () => {
          set("wait");
          return { cancel() {} };
        },
      });
      const chosen = yield* select({
        cell: cell.event(isAtLeast(1)),
        source,
        item: channel.receiveEvent(),
      });
      assertEquals(chosen, { kind: "cell", value: 1 });
      assertEquals(cell.statistics(), { waiting: 0 });
      assertEquals(channel.statistics().receiversWaiting, 0);
    });
  }
});

Deno.test("law 6: branches over one event of a Cell serve several selects", () => {
  virtually(function* () {
    const cell = new Cell(0);
    const branches = [
      when(cell.event(isAtLeast(2)), () => "two"),
      when(cell.event(isAtLeast(1)), () => "one"),
    ];
    const first = spawn(() => select(branches));
    const second = spawn(() => select(branches));
    yield* settle();
    cell.value = 1;
    assertEquals([yield* first, yield* second], ["one", "one"]);
    cell.value = 0;
    const third = spawn(() => select(branches));
    yield* settle();
    cell.value = 2;
    assertEquals(yield* third, "two");
    assertEquals(cell.statistics(), { waiting: 0 });
  });
});

Deno.test("Cell.waitUntil() returns at once when the value is right, and narrows its type", () => {
  virtually(function* () {
    const cell = new Cell<string | undefined>("there");
    let hadTurn = false;
    spawn(function* () {
      hadTurn = true;
    });
    const text: string = yield* cell.waitUntil((value) => value !== undefined);
    const same: string = yield* cell.event((value): value is string => value !== undefined);
    assertEquals([text, same, hadTurn], ["there", "there", false]);
  });
});

Deno.test("law 9: 100,000 cancelled waits leave none at a Cell", () => {
  const cell = new Cell(0);
  const event = cell.event(isAtLeast(1));
  virtually(() =>
    cancelScope(function* (context) {
      for (let n = 0; n < 50_000; n++) {
        spawn(() => cell.waitUntil(isAtLeast(1)));
        spawn(() => event);
      }
      yield* yieldNow();
      assertEquals(cell.statistics().waiting, 100_000);
      context.cancel();
    })
  );
  assertEquals(cell.statistics(), { waiting: 0 });
  cell.value = 1;
});

Deno.test("law 11: a Deadlock tells for which Cell a fiber waits, and what it holds", () => {
  const cell = new Cell("idle", { name: "state" });
  const deadlock = errorOf(run(() => cell.waitUntil((state) => state === "busy")));
  assertInstanceOf(deadlock, Deadlock);
  assertStringIncludes(deadlock.message, 'a cell "state", whose value is "idle"');
  assertEquals(cell.statistics(), { waiting: 0 });
});

Deno.test("Cell refuses predicates that are none, and options that are none", () => {
  const cell = new Cell(0);
  assertThrows(() => cell.waitUntil(1 as never), TypeError, "predicate must be a function");
  assertThrows(() => cell.event(undefined as never), TypeError, "predicate must be a function");
  assertThrows(() => new Cell(0, { name: 1 as never }), TypeError, "name must be a string");
  assertEquals(cell.statistics(), { waiting: 0 });
});
