/**
 * Every schedule of two and three fibers at each primitive, with an abort at every point, beside a
 * model that foresees it (`model.ts`): after each step the same fibers can go on, the statistics are
 * the same, and each wait has ended in the same way. So nobody is let in who shouldn't be, or before
 * those who came first; no wake-up is lost; and what is left at the end is nothing.
 *
 * `MORE_ABORTS=1 deno task test tests/sync/explored_test.ts` allows one more abort in each schedule,
 * which takes minutes, and tells how many schedules there are.
 */
import { assertEquals } from "@std/assert";
import { Event, type Operation, select, when, yieldNow } from "@weft/weft";
import { Barrier, Cell, type Guard, Latch, Lazy, Once } from "@weft/weft/sync";
import {
  type Body,
  explore,
  hold,
  holdDuring,
  holding,
  Items,
  type Lock,
  MutexLock,
  oneOf,
  type Player,
  ReadWriteLock,
  SemaphoreLock,
  type Thing,
  WaitingRoom,
} from "./explored.ts";
import {
  Arrival,
  BarrierModel,
  CellModel,
  Entry,
  Line,
  OnceModel,
  READ,
  same,
  Sight,
  type State,
  Turn,
  WRITE,
} from "./model.ts";

/** All lists of `length` of `values`; of those with the same ones in them, the sorted one alone. */
function lists(values: readonly number[], length: number): number[][] {
  if (length === 0) return [[]];
  return values.flatMap((first, n) =>
    lists(values.slice(n), length - 1).map((rest) => [first, ...rest])
  );
}

// One lock ---------------------------------------------------------------------------------------

type Way = (me: Player, lock: Lock, size: number) => Operation<unknown>;

const ways: readonly Way[] = [
  (me, lock, size) => holding(lock, size)(me),
  (me, lock, size) => hold(me, lock.entry(size), lock.event(size), yieldNow),
  (me, lock, size) => holdDuring(me, lock, size, yieldNow),
];

const locks: Record<string, { make: () => Lock; sizes: readonly number[] }> = {
  Mutex: { make: () => new MutexLock(), sizes: [1] },
  "Semaphore of 2": { make: () => new SemaphoreLock(2), sizes: [1, 2] },
  "Semaphore of 3": { make: () => new SemaphoreLock(3), sizes: [1, 2] },
  RwLock: { make: () => new ReadWriteLock(), sizes: [READ, WRITE] },
};

for (const [name, { make, sizes }] of Object.entries(locks)) {
  Deno.test(`law 4, law 7: ${name}: every schedule of three fibers, with an abort anywhere`, () => {
    const seen = new Set<string>();
    for (const wanted of lists(sizes, 3)) {
      for (const [way] of ways.entries()) {
        if (way > 0 && wanted[0] === wanted[2]) continue; // the order of the fibers is nothing new
        const explored = explore(() => {
          const lock = make();
          const bodies = wanted.map((size, n): Body => (me) =>
            ways[(way + n) % ways.length]!(me, lock, size)
          );
          return { things: [lock], bodies };
        });
        for (const when of explored.seen) seen.add(when);
      }
    }
    assertEquals([...seen].sort(), [
      "before it starts",
      "between the grant and the next step",
      "while it gives way",
      "while it runs",
      "while it waits",
    ]);
  });

  Deno.test(`law 4, law 7: ${name}: every schedule of two fibers that lock twice, with two aborts anywhere`, () => {
    for (const [first, second] of lists(sizes, 2)) {
      explore(() => {
        const lock = make();
        return {
          things: [lock],
          bodies: [(me) => twice(me, lock, first!), (me) => twice(me, lock, second!)],
        };
      }, { aborts: 2 });
    }
  });

  Deno.test(`law 4, law 7: ${name}: every schedule of two fibers that try, and one that waits, with an abort anywhere`, () => {
    for (const [first, second] of sizes.flatMap((a) => sizes.map((b) => [a, b]))) {
      explore(() => {
        const lock = make();
        const trying = (me: Player) => tries(me, lock, first!);
        return { things: [lock], bodies: [trying, holding(lock, second!), trying] };
      });
    }
  });
}

/** The points are between two operations of one step. */
function* twice(me: Player, lock: Lock, size: number): Operation<void> {
  yield* hold(me, lock.entry(size), lock.acquire(size), function* () {
    me.point();
  });
  me.point();
  yield* holding(lock, size)(me);
}

function* tries(me: Player, lock: Lock, size: number): Operation<void> {
  const entry = lock.entry(size);
  const isOpen = lock.line.isOpenFor(entry.places[0]!);
  if (isOpen) entry.begin();
  const guard = lock.tryAcquire(size);
  same(guard !== undefined, isOpen, "whether there is room");
  me.point();
  try {
    yield* yieldNow();
  } finally {
    if (guard !== undefined) {
      me.leaves(entry);
      guard.release();
    }
  }
}

for (const [name, large] of [["Semaphore of 2", 2], ["RwLock", WRITE]] as const) {
  Deno.test(`law 7: ${name}: a large request isn't overtaken in any schedule while one gives back bit by bit, with two aborts anywhere`, () => {
    explore(() => {
      const lock = locks[name]!.make();
      const nested: Body = (me) =>
        hold(me, lock.entry(1), lock.acquire(1), () => holding(lock, 1)(me));
      return { things: [lock], bodies: [nested, holding(lock, large), holding(lock, 1)] };
    }, { aborts: 2 });
  });
}

function poison({ line, real }: MutexLock): void {
  line.break();
  real.poison(new Error("half done"));
}

Deno.test("Mutex.poison(): every schedule in which a holder fails and another repairs it, with two aborts anywhere", () => {
  explore(() => {
    const lock = new MutexLock();
    const { line, real } = lock;
    const bodies: Body[] = [
      (me) =>
        hold(me, lock.entry(1), lock.acquire(), function* () {
          poison(lock);
          yield* yieldNow();
        }),
      holding(lock, 1),
      function* (me) {
        yield* ways[1]!(me, lock, 1);
        line.isBroken = false;
        real.clearPoison();
        yield* holding(lock, 1)(me);
      },
    ];
    return { things: [lock], bodies };
  }, { aborts: 2 });
});

// A select ---------------------------------------------------------------------------------------

Deno.test("law 6: select of two locks: every schedule beside a holder of each, with two aborts anywhere", () => {
  explore(() => {
    const [a, b] = [new MutexLock(), new MutexLock()];
    return { things: [a, b], bodies: [oneOf([a, 1], [b, 1]), holding(a, 1), holding(b, 1)] };
  }, { aborts: 2 });
  explore(() => {
    const [a, b] = [new MutexLock(), new MutexLock()];
    return {
      things: [a, b],
      bodies: [oneOf([a, 1], [b, 1]), oneOf([b, 1], [a, 1]), holding(a, 1)],
    };
  }, { aborts: 2 });
});

Deno.test("law 6: select of large requests lets in those behind it when it leaves, in every schedule", () => {
  for (const [wanted, other, third] of [[1, 1, 1], [2, 1, 1], [2, 2, 1], [2, 1, 2], [1, 2, 2]]) {
    explore(() => {
      const [a, b] = [new SemaphoreLock(2), new ReadWriteLock()];
      const selects = oneOf([a, wanted!], [b, WRITE]);
      const others = [holding(a, other!), third === 1 ? holding(a, 1) : holding(b, READ)];
      return { things: [a, b], bodies: [selects, ...others] };
    });
  }
});

Deno.test("law 6: select of a lock and a channel: every schedule, with two aborts anywhere", () => {
  explore(() => {
    const [lock, items] = [new MutexLock(), new Items()];
    const either: Body = function* (me) {
      const entry = me.wants(
        new Entry([{ line: lock.line, size: 1 }, { line: items.line, size: 1 }]),
      );
      let guard: Guard | number | undefined;
      try {
        guard = yield* select([
          when(lock.event(), (guard): Guard | number => guard),
          when(items.real.receiveEvent(), (item) => item),
        ]);
        me.sees(entry, "granted");
        same(entry.at!.line === items.line, typeof guard === "number", "the chosen arm");
        yield* yieldNow();
      } finally {
        if (guard === undefined) me.sees(entry, "cancelled");
        else if (typeof guard === "object") {
          me.leaves(entry);
          guard.release();
        }
      }
    };
    const sending: Body = function* () {
      yield* yieldNow();
      items.send();
    };
    return { things: [lock, items], bodies: [either, holding(lock, 1), sending] };
  }, { aborts: 2 });
});

// Condition --------------------------------------------------------------------------------------

const conditions: Record<string, (room: WaitingRoom) => Body[]> = {
  "one that notifies one": (
    { waits, locksAndNotifies },
  ) => [waits, waits, locksAndNotifies("notifyOne")],
  "one that notifies all": (
    { waits, locksAndNotifies },
  ) => [waits, waits, locksAndNotifies("notifyAll")],
  "one that notifies one, without the lock": (
    { waits, notifies },
  ) => [waits, waits, notifies("notifyOne")],
  "one that wants the lock, too": ({ waits, locksAndNotifies, lock }) => [
    waits,
    locksAndNotifies("notifyOne", 2),
    holding(lock, 1),
  ],
  "one that poisons the lock, and notifies all": ({ waits, notifies, lock }) => [
    waits,
    waits,
    (me) =>
      hold(me, lock.entry(1), lock.acquire(), function* () {
        poison(lock);
        yield* notifies("notifyAll")(me);
      }),
  ],
  "one that notifies one, and keeps the lock for ever": ({ waits, notifies, lock }) => [
    waits,
    (me) =>
      hold(me, lock.entry(1), lock.acquire(), function* () {
        yield* notifies("notifyOne")(me);
        me.wants(new Entry([{ line: new Line(() => false), size: 1 }]));
        yield* Event.never();
      }),
  ],
};

for (const [name, make] of Object.entries(conditions)) {
  Deno.test(
    `law 4: Condition: every schedule of waits beside ${name}, with two aborts anywhere`,
    () => {
      explore(() => {
        const room = new WaitingRoom();
        return { things: [room, room.lock], bodies: make(room) };
      }, { aborts: 2 });
    },
  );
}

// Latch ------------------------------------------------------------------------------------------

Deno.test("law 4: Latch: every schedule of two waits and what counts down, with two aborts anywhere", () => {
  explore(() => {
    const real = new Latch(2);
    let count = 2;
    const line = new Line(() => count === 0);
    const thing: Thing = {
      compare: () => {
        same(real.count, count, "count");
        same(real.statistics().waiting, line.waiting.length, "waiting");
      },
      isIdle: () => same(real.statistics().waiting, 0, "waiting"),
    };
    const waits: Body = function* (me) {
      const entry = me.wants(new Entry([{ line, size: 1 }]));
      let state: "granted" | "cancelled" = "cancelled";
      try {
        yield* real.wait();
        state = "granted";
      } finally {
        me.sees(entry, state);
      }
    };
    const counts: Body = function* (me) {
      for (let n = 0; n < 2; n++) {
        count--;
        line.admit();
        real.countDown();
        me.point();
        yield* yieldNow();
      }
    };
    return { things: [thing], bodies: [waits, waits, counts] };
  }, { aborts: 2 });
});

// Barrier ----------------------------------------------------------------------------------------

for (const [fibers, times] of [[3, 1], [2, 2]] as const) {
  Deno.test(`law 4, law 7: Barrier of 2: every schedule of ${fibers} fibers that arrive ${times === 1 ? "once" : "twice"}, with two aborts anywhere`, () => {
    explore(() => {
      const [real, model] = [new Barrier(2), new BarrierModel(2)];
      const thing: Thing = {
        compare: () => same(real.statistics().waiting, model.waiting.length, "waiting"),
        isIdle: () => same(real.statistics().waiting, 0, "waiting"),
      };
      const arrives: Body = function* (me) {
        for (let n = 0; n < times; n++) {
          const arrival = me.wants(new Arrival(model));
          let state: State = "cancelled";
          try {
            same(yield* real.wait(), arrival.place ?? -1, "the place");
            state = "granted";
          } finally {
            me.sees(arrival, state);
          }
          me.point();
        }
      };
      return { things: [thing], bodies: Array.from({ length: fibers }, () => arrives) };
    }, { aborts: 2 });
  });
}

// Cell -------------------------------------------------------------------------------------------

Deno.test("law 4: Cell: every schedule of two waits and what sets it, with two aborts anywhere", () => {
  explore(() => {
    const [real, model] = [new Cell(0), new CellModel()];
    const thing: Thing = {
      compare: () => same(real.statistics().waiting, model.waiting.length, "waiting"),
      isIdle: () => same(real.statistics().waiting, 0, "waiting"),
    };
    const waitsFor = (predicate: (value: number) => boolean): Body =>
      function* (me) {
        const sight = me.wants(new Sight(model, predicate));
        let state: State = "cancelled";
        try {
          same(yield* real.waitUntil(predicate), sight.value ?? -1, "the value");
          state = "granted";
        } finally {
          me.sees(sight, state);
        }
      };
    const sets: Body = function* (me) {
      for (const value of [1, 2, 0]) {
        model.value = value;
        model.show();
        real.value = value;
        me.point();
        yield* yieldNow();
      }
    };
    return { things: [thing], bodies: [waitsFor((n) => n > 0), waitsFor((n) => n === 2), sets] };
  }, { aborts: 2 });
});

// Lazy and Once ----------------------------------------------------------------------------------

/** What is run once for all, by whoever has the turn. */
function* runs(): Operation<number> {
  yield* yieldNow();
  yield* yieldNow();
  return 42;
}

function* fails(): Operation<number> {
  yield* yieldNow();
  throw new RangeError("this time it fails");
}

/** Asks for it, and tells the model how its turn has ended, if it had one. */
function* asks(me: Player, model: OnceModel, operation: Operation<unknown>): Operation<void> {
  const turn = me.wants(new Turn(model));
  let hasRun = false;
  try {
    yield* operation;
    hasRun = true;
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
  } finally {
    if (model.runner === turn && !model.hasRun) hasRun ? model.finish() : model.pass();
    else me.sees(turn, hasRun ? "granted" : "cancelled");
    me.wait = undefined;
  }
}

// It takes several operations to run something once: none gives way, to keep the model simple.
const wholeShare = { share: 256, aborts: 2 };

Deno.test("law 4: Lazy: every schedule of three fibers that force it, with two aborts anywhere: it is made once, by the next one if need be", () => {
  explore(() => {
    const [real, model] = [new Lazy(runs), new OnceModel()];
    const thing: Thing = {
      compare: () => {
        const { isSettled, waiting } = real.statistics();
        same(isSettled, model.hasRun, "isSettled");
        same(waiting, model.waiting.length, "waiting");
      },
      isIdle: () => same(real.statistics().waiting, 0, "waiting"),
    };
    const forces: Body = (me) => asks(me, model, real.force());
    return { things: [thing], bodies: [forces, forces, forces] };
  }, wholeShare);
});

Deno.test("law 4: Once: every schedule of three fibers of which one fails, with two aborts anywhere: it is done once, by the next one if need be", () => {
  explore(() => {
    const [real, model] = [new Once(), new OnceModel()];
    const thing: Thing = {
      compare: () => same(real.statistics().waiting, model.waiting.length, "waiting"),
      isIdle: () => same(real.statistics().waiting, 0, "waiting"),
    };
    const does = (body: () => Operation<number>): Body => (me) =>
      asks(
        me,
        model,
        real.do(function* () {
          yield* body();
        }),
      );
    return { things: [thing], bodies: [does(runs), does(fails), does(runs)] };
  }, wholeShare);
});
