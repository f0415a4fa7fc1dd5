/** Every way to combine events × every kind of event × every way in which a wait can end. */
import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  afterEvent,
  Channel,
  ChannelClosedError,
  deadlineEvent,
  Event,
  type Fiber,
  FiberAborted,
  type Instant,
  monotonicNow,
  promiseEvent,
  select,
  sleep,
  spawn,
  Timeout,
  timeoutEvent,
  when,
} from "@weft/weft";
import { Barrier, Cell, type Guard, Latch, Mutex, RwLock, Semaphore } from "@weft/weft/sync";
import { SharedMutex, SharedSemaphore } from "@weft/weft/thread";
import { Source, Thenable } from "../kit/source.ts";
import { type VirtualLoop, virtualLoop } from "../kit/virtual_loop.ts";
import { settle, virtually, waiting } from "../kit/virtually.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

/** The time within which timers fire, and after which they have. */
const MS = 100;

/** One event, and the hold that a test has on it. */
interface Base {
  readonly event: Event<unknown>;
  /** Makes it happen, or sees to it that it will within `MS`. */
  happen(): void;
  /** Makes it fail. */
  readonly fail?: () => void;
  /** What it happens with. */
  readonly value: unknown;
  /** Asserts that nobody waits any more, and that it happened (or failed) exactly if `was` says so. */
  check(was: "chosen" | "failed" | "not chosen"): void;
}

type MakeBase = (ready: boolean, loop: VirtualLoop) => Generator<never, Base, unknown>;

/** With `ready` the event will have happened at the first poll, once `happen` was called. */
const bases: Record<string, MakeBase> = {
  *receiveEvent() {
    const channel = new Channel<string>();
    let happened = 0;
    return {
      event: channel.receiveEvent(),
      happen: () => happened += Number(channel.trySend("item")),
      fail: () => channel.close(),
      value: "item",
      check(was) {
        assertEquals(channel.statistics(), { ...idle, size: was === "chosen" ? 0 : happened });
      },
    };
  },

  *sendEvent() {
    const channel = new Channel<string>({ capacity: 0 });
    const receivers: Fiber<unknown>[] = [];
    return {
      event: channel.sendEvent("item"),
      happen: () => void receivers.push(spawn(() => channel.receive())),
      fail: () => channel.close(),
      value: undefined,
      check(was) {
        for (const receiver of receivers) {
          const result = receiver.poll();
          if (was === "chosen") assertEquals(result, { ok: true, value: { value: "item" } });
          else if (!channel.isClosed) assertEquals(result, undefined, "it must still be waiting");
          receiver.abort();
        }
        assertEquals(channel.statistics(), idle);
      },
    };
  },

  *afterEvent(ready, loop) {
    return {
      event: afterEvent(ready ? 0 : MS / 2),
      happen() {},
      value: undefined,
      check: () => assertEquals(loop.timers, 0),
    };
  },

  *timeoutEvent(ready, loop) {
    return {
      event: timeoutEvent(ready ? 0 : MS / 2),
      happen() {},
      value: Timeout,
      check: () => assertEquals(loop.timers, 0),
    };
  },

  *deadlineEvent(ready, loop) {
    return {
      event: deadlineEvent(monotonicNow() + (ready ? 0 : MS / 2) as Instant),
      happen() {},
      value: Timeout,
      check: () => assertEquals(loop.timers, 0),
    };
  },

  *joinEvent() {
    const told = new Channel<string>();
    const fiber = yield* waiting(told.receiveOrThrow());
    const failure = new Error("the fiber failed");
    return {
      event: fiber.joinEvent(),
      happen: () => void told.trySend("joined"),
      value: { ok: true, value: "joined" },
      check() {
        assertEquals(Reflect.get(fiber, "joiners"), null); // fibers have no statistics()
        fiber.abort(failure);
      },
    };
  },

  *waitEvent() {
    const latch = new Latch(1);
    return {
      event: latch.waitEvent(),
      happen: () => latch.countDown(),
      value: undefined,
      check: () => assertEquals(latch.statistics().waiting, 0),
    };
  },

  *lockEvent() {
    const mutex = new Mutex();
    const guard = mutex.tryLock()!;
    return granting(mutex.lockEvent(), guard, () => {
      assertEquals(mutex.statistics().waiting, 0);
      return mutex.isLocked;
    });
  },

  *acquireEvent() {
    const semaphore = new Semaphore(3);
    const guard = semaphore.tryAcquire(2)!;
    return granting(semaphore.acquireEvent(2), guard, () => {
      assertEquals(semaphore.statistics().waiting, 0);
      return semaphore.available === 1;
    });
  },

  *writeEvent() {
    const lock = new RwLock();
    const guard = lock.tryRead()!;
    return granting(lock.writeEvent(), guard, () => {
      const { readers, isWriting, waiting } = lock.statistics();
      assertEquals([readers, waiting], [0, 0]);
      return isWriting;
    });
  },

  *"waitEvent of a barrier"(ready) {
    const barrier = new Barrier(2);
    const partners: Fiber<number>[] = [];
    return {
      event: barrier.waitEvent(),
      happen: () => void partners.push(spawn(() => barrier.wait())),
      value: ready ? 1 : 0, // the last to arrive lets the other one go
      check(was) {
        for (const partner of partners) {
          assertEquals(
            partner.poll(),
            was === "chosen" ? { ok: true, value: ready ? 0 : 1 } : undefined,
          );
          partner.abort();
        }
        assertEquals(barrier.statistics().waiting, 0);
      },
    };
  },

  *"event of a cell"() {
    const cell = new Cell("");
    const failure = new Error("the predicate threw");
    let fails = false;
    const event = cell.event((text) => {
      if (fails) throw failure;
      return text !== "";
    });
    return {
      event,
      happen: () => cell.value = "set",
      fail() {
        fails = true;
        cell.value = "whatever";
      },
      value: "set",
      check: () => assertEquals(cell.statistics(), { waiting: 0 }),
    };
  },

  *"lockEvent between threads"() {
    const mutex = new SharedMutex();
    const guard = mutex.tryLock()!;
    return granting(mutex.lockEvent(), guard, () => {
      assertEquals(mutex.statistics().waiting, 0);
      return mutex.isLocked;
    });
  },

  *"acquireEvent between threads"() {
    const semaphore = new SharedSemaphore(3);
    const guard = semaphore.tryAcquire(2)!;
    return granting(semaphore.acquireEvent(2), guard, () => {
      assertEquals(semaphore.statistics().waiting, 0);
      return semaphore.available === 1;
    });
  },

  *promiseEvent() {
    const promise = new Thenable<string>();
    const failure = new Error("rejected");
    return {
      event: promiseEvent(promise),
      happen: () => promise.resolve("resolved"),
      fail: () => promise.reject(failure),
      value: "resolved",
      check: () => assertEquals(promise.reactions <= 1, true, "one reaction at most"),
    };
  },

  *custom() {
    const source = new Source<string>();
    return {
      event: source.event,
      happen: () => source.happen("custom"),
      fail: () => source.fail(new Error("custom failure")),
      value: "custom",
      check: () => assertEquals([source.waiters, source.cancels], [0, source.waits]),
    };
  },
};

/** The event of a lock, which happens when `guard` is released, with another guard. */
function granting(event: Event<Guard>, guard: Guard, isHeld: () => boolean): Base {
  return {
    event: event.map(() => "held"),
    happen: () => guard.release(),
    value: "held",
    check(was) {
      guard[Symbol.dispose]();
      assertEquals(isHeld(), was === "chosen");
    },
  };
}

/** A composite event, and what it makes of the value. */
interface Combination {
  readonly event: Event<unknown>;
  readonly wrap: (value: unknown) => unknown;
  /** The nack of the base event, once it was synchronised on. */
  readonly nack?: () => Event<void>;
}

const list = (value: unknown): unknown => [value];
const same = (value: unknown): unknown => value;

const combinations: Record<string, (event: Event<unknown>) => Combination> = {
  plain: (event) => ({ event, wrap: same }),
  map: (event) => ({ event: event.map(list).map(list), wrap: (value) => [[value]] }),
  choose: (event) => ({ event: Event.choose(Event.never(), event, Event.choose()), wrap: same }),
  guard: (event) => ({ event: Event.guard(() => event), wrap: same }),
  withNack(event) {
    let nack: Event<void> | undefined;
    const tracking = Event.withNack((own) => {
      nack = own;
      return event;
    });
    return { event: tracking, wrap: same, nack: () => nack! };
  },
  "choose of map of guard": (event) => ({
    event: Event.choose(Event.never(), Event.guard(() => event).map(list)),
    wrap: list,
  }),
  "guard of withNack of choose of map"(event) {
    let nack: Event<void> | undefined;
    const guarded = Event.guard(() =>
      Event.withNack((own) => {
        nack = own;
        return Event.choose(Event.never(), event.map(list));
      })
    );
    return { event: guarded, wrap: list, nack: () => nack! };
  },
};

/** What the wait ended with, told apart from what other arms return. */
type Outcome = { won: unknown } | { lost: unknown } | { thrown: unknown };

function* race(event: Event<unknown>, other: Event<unknown>, otherFirst: boolean) {
  const won = when(event, (value): Outcome => ({ won: value }));
  const lost = when(other, (value): Outcome => ({ lost: value }));
  try {
    return yield* select(otherFirst ? [lost, won] : [won, lost]);
  } catch (thrown) {
    return { thrown };
  }
}

function assertWon(outcome: Outcome, base: Base, { wrap }: Combination): void {
  if (typeof base.value !== "function") return assertEquals(outcome, { won: wrap(base.value) });
  assertInstanceOf((outcome as { thrown: unknown }).thrown, Timeout);
}

function* assertNack(combination: Combination, expected: boolean) {
  if (combination.nack === undefined) return;
  const nack = when(combination.nack(), () => true);
  assertEquals(yield* select([nack, when(Event.always(0), () => false)]), expected, "nack");
}

const endings: Record<
  string,
  (
    base: Base,
    combination: Combination,
    other: Channel<string>,
  ) => Generator<never, "chosen" | "failed" | "not chosen", unknown>
> = {
  *"wins at the poll"(base, combination, other) {
    base.happen();
    yield* settle();
    assertWon(yield* race(combination.event, other.receiveEvent(), false), base, combination);
    yield* assertNack(combination, false);
    return "chosen";
  },

  *"wins late"(base, combination, other) {
    const fiber = spawn(() => race(combination.event, other.receiveEvent(), true));
    yield* settle();
    assertEquals(fiber.state, "running");
    base.happen();
    assertWon(yield* fiber, base, combination);
    yield* assertNack(combination, false);
    return "chosen";
  },

  *"loses at the poll"(base, combination, other) {
    other.trySend("other");
    const outcome = yield* race(combination.event, other.receiveEvent(), true);
    assertEquals(outcome, { lost: "other" });
    yield* assertNack(combination, true);
    base.happen();
    return "not chosen";
  },

  *"loses late"(base, combination, other) {
    const fiber = spawn(() => race(combination.event, other.receiveEvent(), false));
    yield* settle();
    other.trySend("other");
    base.happen(); // too late, though the loser hasn't run yet
    assertEquals(yield* fiber, { lost: "other" });
    yield* assertNack(combination, true);
    return "not chosen";
  },

  *"is cancelled"(base, combination, other) {
    let outcome: Outcome | undefined;
    const fiber = spawn(function* () {
      outcome = yield* race(combination.event, other.receiveEvent(), false);
    });
    yield* settle();
    fiber.abort();
    base.happen(); // too late, though the fiber hasn't run yet
    const result = yield* fiber.join();
    assertInstanceOf(result.ok ? result.value : result.error, FiberAborted);
    assertEquals((outcome as { thrown: Error }).thrown.name, "AbortError");
    yield* assertNack(combination, true);
    return "not chosen";
  },

  *"fails at the poll"(base, combination, other) {
    base.fail?.();
    const { thrown } = (yield* race(combination.event, other.receiveEvent(), false)) as {
      thrown: unknown;
    };
    assertInstanceOf(thrown, Error);
    yield* assertNack(combination, false);
    return "failed";
  },

  *"fails late"(base, combination, other) {
    const fiber = spawn(() => race(combination.event, other.receiveEvent(), false));
    yield* settle();
    base.fail?.();
    const { thrown } = (yield* fiber) as { thrown: unknown };
    assertInstanceOf(thrown, Error);
    yield* assertNack(combination, false);
    return "failed";
  },
};

/** Fails if it ends a wait by closing the channel or the like, which only some events know. */
const needsFailure = (ending: string) => ending.startsWith("fails");
const canFail = new Set([
  "receiveEvent",
  "sendEvent",
  "promiseEvent",
  "event of a cell",
  "custom",
]);

for (const [baseName, makeBase] of Object.entries(bases)) {
  for (const [endingName, end] of Object.entries(endings)) {
    if (needsFailure(endingName) && !canFail.has(baseName)) continue;
    Deno.test(`law 6: ${baseName} that ${endingName} leaves nothing behind, however it is combined`, () => {
      for (const combine of Object.values(combinations)) {
        const loop = virtualLoop();
        virtually(function* () {
          const other = new Channel<string>();
          const base = yield* makeBase(endingName.endsWith("at the poll"), loop);
          const combination = combine(base.event);
          const was = yield* end(base, combination, other);
          assertEquals(loop.timers, 0, "at the end of the wait");
          yield* sleep(2 * MS); // whatever it is that still might come
          yield* settle();
          assertEquals(other.statistics(), idle);
          base.check(was);
        }, loop);
      }
    });
  }
}

Deno.test("law 6: each event can be waited on again after each way to end", () => {
  for (const combine of Object.values(combinations)) {
    virtually(function* () {
      const channel = new Channel<number>();
      const { event, wrap } = combine(channel.receiveEvent());
      const other = new Channel<string>();
      for (let round = 0; round < 3; round++) {
        for (const end of ["wins", "loses", "is cancelled"]) {
          const fiber = spawn(() => race(event, other.receiveEvent(), false));
          yield* settle();
          if (end === "wins") channel.trySend(round);
          if (end === "loses") other.trySend("other");
          if (end === "is cancelled") fiber.abort();
          const result = yield* fiber.join();
          if (end === "wins" && result.ok) assertEquals(result.value, { won: wrap(round) });
          assertEquals([channel.statistics(), other.statistics()], [idle, idle]);
        }
      }
      channel.close();
      const { thrown } = (yield* race(event, other.receiveEvent(), false)) as { thrown: unknown };
      assertInstanceOf(thrown, ChannelClosedError);
      assertStrictEquals(thrown.name, "ChannelClosedError");
    });
  }
});
