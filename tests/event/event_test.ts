import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  Channel,
  ChannelClosedError,
  Event,
  Fiber,
  FiberAborted,
  select,
  selfAbort,
  spawn,
  timeoutEvent,
  when,
  yieldNow,
} from "@weft/weft";
import * as room from "@weft/weft/event";
import { Source } from "../kit/source.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

/** Whether `event` has happened. */
function* happened(event: Event<unknown>) {
  return yield* select([when(event, () => true), when(Event.always(0), () => false)]);
}

Deno.test("Event is the same class in @weft/weft and @weft/weft/event", () => {
  assertStrictEquals(room.Event, Event);
  assertEquals(Event.always(1) instanceof Event, true);
});

// Event.from -------------------------------------------------------------------------------------

Deno.test("Event.from() polls first, and doesn't wait for what has happened", () => {
  const source = new Source<string>();
  source.happen("it");
  assertEquals(source.polls, 0, "making it does nothing");
  assertEquals(virtually(() => source.event), "it");
  assertEquals([source.polls, source.waits, source.cancels], [1, 0, 0]);
});

Deno.test("Event.from() waits to be woken, and is cancelled exactly once", () => {
  const source = new Source<string>();
  virtually(function* () {
    const fiber = yield* waiting(source.event);
    assertEquals([source.waits, source.waiters], [1, 1]);
    source.happen("late");
    assertEquals(yield* fiber, "late");
  });
  assertEquals([source.waits, source.waiters, source.cancels], [1, 0, 1]);
});

Deno.test("Event.from() goes on waiting when it is woken early, and takes one result when woken twice", () => {
  const source = new Source<number>();
  virtually(function* () {
    const fiber = yield* waiting(source.event);
    const { polls } = source;
    source.wake();
    yield* settle();
    assertEquals(source.polls, polls + 1, "it looked");
    assertEquals([fiber.state, source.waiters], ["running", 1]);
    source.happen(1);
    source.wake();
    source.happen(2);
    assertEquals(yield* fiber, 1);
    yield* settle();
    assertEquals(source.size, 1, "the second result is for somebody else");
    assertEquals(yield* source.event, 2);
  });
  assertEquals([source.waits, source.cancels], [1, 1]);
});

Deno.test("Event.from() ignores a wake-up that comes when the wait is over", () => {
  const wakeups: (() => void)[] = [];
  let result: { ok: true; value: number } | undefined;
  const event = Event.from<number>({
    poll: () => result,
    wait(wakeup) {
      wakeups.push(wakeup);
      return { cancel() {} }; // and keeps on to the wake-up
    },
  });
  virtually(function* () {
    const woken = yield* waiting(event);
    const aborted = yield* waiting(event);
    aborted.abort();
    assertInstanceOf(yield* errorOf(aborted), FiberAborted);
    result = { ok: true, value: 7 };
    wakeups[0]!();
    assertEquals(yield* woken, 7);
    const other = yield* waiting(Event.never());
    for (const wakeup of wakeups) wakeup();
    yield* settle();
    assertEquals(other.state, "running");
    other.abort();
  });
});

for (const ready of [true, false]) {
  Deno.test(`Event.from() may be woken from within wait, ${ready ? "" : "not "}having happened`, async () => {
    let polls = 0;
    let cancels = 0;
    let happens = false;
    let wake = () => {};
    const event = Event.from<string>({
      poll: () => {
        polls++;
        return happens ? { ok: true, value: "it" } : undefined;
      },
      wait(wakeup) {
        wake = wakeup;
        happens = ready;
        wakeup();
        return { cancel: () => void cancels++ };
      },
    });
    virtually(function* () {
      const fiber = yield* waiting(event);
      yield* settle();
      assertEquals(fiber.state, ready ? "terminated" : "running");
      happens = true;
      if (!ready) wake();
      assertEquals(yield* fiber, "it");
    });
    assertEquals([polls > 0, cancels], [true, 1]);

    happens = false;
    const awaited = event.then((value) => value);
    happens = true;
    wake();
    assertEquals(await awaited, "it");
    assertEquals(cancels, 2);
  });
}

Deno.test("Event.from() sees what happens between the poll and the wait", () => {
  let happens = false;
  const event = Event.from<string>({
    poll: () => happens ? { ok: true, value: "it" } : undefined,
    wait() {
      happens = true; // and nobody is woken
      return { cancel() {} };
    },
  });
  assertEquals(virtually(() => event), "it");
});

Deno.test("Event.from() serves several waiters from one source, each once", () => {
  const source = new Source<number>();
  virtually(function* () {
    const fibers = [yield* waiting(source.event), yield* waiting(source.event)];
    assertEquals(source.waiters, 2);
    source.happen(1);
    source.happen(2);
    const values = [yield* fibers[0]!, yield* fibers[1]!];
    assertEquals(values.toSorted(), [1, 2]);
  });
  assertEquals([source.waiters, source.size], [0, 0]);
});

Deno.test("Event.from() throws the failure that poll returns", () => {
  const source = new Source<number>();
  const early = new Error("early");
  const late = new Error("late");
  virtually(function* () {
    source.fail(early);
    assertStrictEquals(yield* errorOf(source.event), early);
    const fiber = yield* waiting(source.event);
    source.fail(late);
    assertStrictEquals(yield* errorOf(fiber), late);
  });
  assertEquals(source.waiters, 0);
});

/** A source whose methods do what they are told to, and what is left of its waits. */
function faulty(poll: () => unknown, wait: (wakeup: () => void) => unknown) {
  // deno-lint-ignore no-explicit-any -- returning the wrong thing is what is tested
  return Event.from<number>({ poll, wait } as any);
}

const nothing = () => undefined;
const handle = () => ({ cancel() {} });

const badPolls: [string, () => unknown, string][] = [
  ["throws", () => {
    throw new RangeError("poll threw");
  }, "poll threw"],
  ["returns no Result", () => ({ value: 1 }), "poll must return a Result"],
  ["returns null", () => null, "poll must return a Result"],
  ["returns a number", () => 1, "poll must return a Result"],
];

for (const [what, poll, message] of badPolls) {
  Deno.test(`Event.from(): a poll that ${what} is thrown in the waiter, and leaves nothing behind`, () => {
    virtually(function* () {
      const channel = new Channel<number>();
      const both = (event: Event<number>) => select({ it: event, item: channel.receiveEvent() });
      let waits = 0;
      const atOnce = faulty(poll, () => {
        waits++;
        return { cancel: () => void waits-- };
      });
      const error = yield* errorOf(both(atOnce));
      assertStringIncludes((error as Error).message, message);

      let broken = false;
      let wake = nothing as () => void;
      const later = faulty(() => broken ? poll() : undefined, (wakeup) => {
        wake = wakeup;
        waits++;
        return { cancel: () => void waits-- };
      });
      const fiber = yield* waiting(both(later));
      assertEquals(channel.statistics().receiversWaiting, 1);
      broken = true;
      wake();
      assertStringIncludes((yield* errorOf(fiber) as Generator<never, Error>).message, message);
      assertEquals(waits, 0);
      assertEquals(channel.statistics(), idle);
    });
  });
}

const badWaits: [string, (wakeup: () => void) => unknown, string][] = [
  ["throws", () => {
    throw new RangeError("wait threw");
  }, "wait threw"],
  ["wakes and then throws", (wakeup) => {
    wakeup();
    throw new RangeError("wait threw");
  }, "wait threw"],
  ["returns nothing", nothing, "wait must return a CancelHandle"],
  ["returns null", () => null, "wait must return a CancelHandle"],
  ["returns a function", () => () => {}, "wait must return a CancelHandle"],
  ["returns a promise", () => Promise.resolve(), "wait must return a CancelHandle"],
];

for (const [what, wait, message] of badWaits) {
  Deno.test(`Event.from(): a wait that ${what} is thrown in the waiter, and leaves nothing behind`, async () => {
    const channel = new Channel<number>();
    const before = new Source<number>();
    const after = new Source<number>();
    const all = () =>
      select({
        item: channel.receiveEvent(),
        before: before.event,
        bad: faulty(nothing, wait),
        after: after.event,
      });
    let finallies = 0;
    virtually(function* () {
      const error = yield* errorOf(all());
      assertStringIncludes((error as Error).message, message);
      // The same where the throw ends the fiber.
      const options = { propagateCancelToParent: false, finally: () => void finallies++ };
      const fiber = spawn(() => all(), options);
      assertStringIncludes((yield* errorOf(fiber) as Generator<never, Error>).message, message);
      yield* settle();
      assertEquals(fiber.poll()?.ok, false);
    });
    assertEquals(finallies, 1);
    await assertRejects(async () => void await all(), Error, message);
    assertEquals(channel.statistics(), idle);
    assertEquals([before.waiters, after.waiters], [0, 0]);
  });
}

Deno.test("Event.from(): a cancel that throws is reported, and the value arrives", () => {
  const boom = new Error("cancel threw");
  const channel = new Channel<number>();
  const event = faulty(nothing, () => ({
    cancel() {
      throw boom;
    },
  }));
  const outcomes: unknown[] = [];
  const errors = uncaughtDuring(() =>
    virtually(function* () {
      const branches = { a: event, b: event, item: channel.receiveEvent() };
      const winner = yield* waiting(select(branches));
      channel.trySend(1);
      outcomes.push(yield* winner);
      const aborted = yield* waiting(select(branches));
      aborted.abort();
      outcomes.push((yield* errorOf(aborted)) instanceof FiberAborted);
    })
  );
  assertEquals(outcomes, [{ kind: "item", value: 1 }, true]);
  assertEquals(errors, [boom, boom, boom, boom]);
  assertEquals(channel.statistics(), idle);
});

Deno.test("law 4: a cancel that uses the very channel it lost to finds nobody left there", () => {
  virtually(function* () {
    const channel = new Channel<string>({ capacity: 0 });
    const reentrant: boolean[] = [];
    const event = faulty(nothing, () => ({
      cancel: () => void reentrant.push(channel.trySend("from cancel")),
    }));
    const fiber = yield* waiting(select({ event, item: channel.receiveEvent(), again: event }));
    assertEquals(channel.trySend("item"), true);
    assertEquals(yield* fiber, { kind: "item", value: "item" });
    assertEquals(reentrant, [false, false]);
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("law 4: a cancel that uses a full buffer leaves order and items alone", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 2 });
    channel.trySend(1);
    channel.trySend(2);
    const taken: unknown[] = [];
    const event = faulty(nothing, () => ({ cancel: () => void taken.push(channel.tryReceive()) }));
    const sender = yield* waiting(select({ event, sent: channel.sendEvent(3) }));
    taken.push(channel.tryReceive());
    assertEquals((yield* sender).kind, "sent");
    while (!channel.isEmpty) taken.push(channel.tryReceive());
    const values = taken.map((option) => (option as { value: number }).value);
    assertEquals(values.toSorted(), [1, 2, 3]);
    assertEquals(channel.statistics(), idle);
  });
});

for (const what of ["sends to", "closes"] as const) {
  Deno.test(`law 6: a poll that ${what} the channel of another arm, and happens, is what is chosen`, () => {
    virtually(function* () {
      const channel = new Channel<number>();
      const source = new Source<string>();
      let poll = (): ReturnType<typeof source.poll> => undefined;
      const event = Event.from<string>({
        poll: () => poll(),
        wait: (wakeup) => source.wait(wakeup),
      });
      const fiber = yield* waiting(select({ event, item: channel.receiveEvent() }));
      poll = () => {
        if (what === "closes") channel.close();
        else channel.trySend(7);
        return { ok: true, value: "it" };
      };
      source.wake();
      assertEquals(yield* fiber, { kind: "event", value: "it" });
      assertEquals([channel.size, source.waiters], [what === "closes" ? 0 : 1, 0]);
      assertEquals(channel.statistics().receiversWaiting, 0);
    });
  });

  Deno.test(`law 6: a poll that ${what} the channel of another arm, and doesn't happen, lets that be chosen`, () => {
    virtually(function* () {
      const channel = new Channel<number>();
      const source = new Source<string>();
      let act = () => {};
      const event = Event.from<string>({
        poll: () => {
          act();
          return undefined;
        },
        wait: (wakeup) => source.wait(wakeup),
      });
      const fiber = yield* waiting(select({ event, item: channel.receiveEvent() }));
      act = () => what === "closes" ? channel.close() : void channel.trySend(7);
      source.wake();
      if (what === "closes") assertInstanceOf(yield* errorOf(fiber), ChannelClosedError);
      else assertEquals(yield* fiber, { kind: "item", value: 7 });
      assertEquals(channel.statistics(), idle);
      assertEquals(source.waiters, 0);
    });
  });
}

Deno.test("law 3: an abort from within guard or wait is thrown at that very yield*", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    let waits = 0;
    const abortInWait = faulty(nothing, () => {
      waits++;
      Fiber.current().abort("from wait");
      return { cancel: () => void waits-- };
    });
    const abortInGuard = Event.guard(() => {
      Fiber.current().abort("from guard");
      return Event.never();
    });
    for (const event of [abortInWait, abortInGuard]) {
      let thrown: unknown;
      const fiber = spawn(function* () {
        thrown = yield* errorOf(select({ event, item: channel.receiveEvent() }));
      });
      yield* settle();
      assertEquals(fiber.state, "terminated");
      assertInstanceOf(thrown, Abort);
      assertEquals(channel.statistics(), idle);
    }
    assertEquals(waits, 0);
  });
});

// deno-lint-ignore no-explicit-any -- the wrong type is what is tested
const badSources: any[] = [undefined, null, 3, {}, { poll() {} }, { wait() {} }, {
  poll: 1,
  wait: 2,
}];
Deno.test("law 3: an abort from within poll, when it is woken, is thrown there, or at the next wait", () => {
  for (const happens of [false, true]) {
    virtually(function* () {
      const source = new Source<string>();
      const channel = new Channel<number>();
      let act: () => unknown = () => {};
      const event = Event.from<string>({
        poll() {
          act();
          return source.poll();
        },
        wait: (wakeup) => source.wait(wakeup),
      });
      let got: unknown;
      let next: unknown;
      const fiber = spawn(function* () {
        try {
          got = yield* select({ event, item: channel.receiveEvent() });
        } catch (error) {
          got = error;
        }
        next = yield* errorOf(yieldNow());
      });
      yield* settle();
      act = () => fiber.abort("from poll");
      if (happens) source.happen("it");
      else source.wake();
      yield* settle();
      assertEquals(fiber.state, "terminated");
      if (happens) assertEquals(got, { kind: "event", value: "it" }, "law 4: it had happened");
      else assertInstanceOf(got, Abort);
      assertInstanceOf(next, Abort);
      assertEquals([source.waiters, channel.statistics()], [0, idle]);
    });
  }
});

Deno.test("Event.from() throws a TypeError for what is no source", () => {
  for (const source of badSources) {
    assertThrows(() => Event.from(source), TypeError, "must have the methods poll and wait");
  }
});

// always, never, choose --------------------------------------------------------------------------

Deno.test("Event.always() has always happened, for everybody, without suspending", async () => {
  const event = Event.always("it");
  let others = 0;
  virtually(function* () {
    spawn(function* () {
      others++;
    });
    assertEquals([yield* event, yield* event], ["it", "it"]);
    assertEquals(others, 0);
  });
  assertEquals(await event, "it");
  assertEquals(virtually(() => Event.always(undefined)), undefined);
});

Deno.test("Event.never() never happens; it can be waited on and cancelled", () => {
  virtually(function* () {
    const fiber = yield* waiting(Event.never());
    yield* settle();
    assertEquals(fiber.state, "running");
    fiber.abort();
    assertInstanceOf(yield* errorOf(fiber), FiberAborted);
    assertEquals(yield* Event.choose<number>(Event.never(), Event.always(1)), 1);
  });
});

Deno.test("Event.choose() of nothing is never", () => {
  virtually(function* () {
    const fiber = yield* waiting(Event.choose());
    yield* settle();
    assertEquals(fiber.state, "running");
    fiber.abort();
    assertEquals(yield* Event.choose(Event.choose<number>(), Event.always(1)), 1);
  });
});

Deno.test("Event.choose() takes the first that has happened, nested or not, and only that", () => {
  virtually(function* () {
    const channels = [1, 2, 3, 4].map((n) => {
      const channel = new Channel<number>();
      channel.trySend(n);
      return channel;
    });
    const [a, b, c, d] = channels.map((channel) => channel.receiveEvent());
    const nested = Event.choose(
      Event.choose(Event.never(), Event.choose(a!)),
      b!,
      Event.choose(c!, d!),
    );
    assertEquals([yield* nested, yield* nested, yield* nested, yield* nested], [1, 2, 3, 4]);
    const fiber = yield* waiting(nested);
    assertEquals(channels.map((channel) => channel.statistics().receiversWaiting), [1, 1, 1, 1]);
    channels[2]!.trySend(33);
    channels[0]!.trySend(11);
    assertEquals(yield* fiber, 33, "the first that happens");
    assertEquals(channels[0]!.tryReceive(), { value: 11 });
    for (const channel of channels) assertEquals(channel.statistics(), idle);
  });
});

// deno-lint-ignore no-explicit-any -- the wrong type is what is tested
const noEvents: any[] = [undefined, 1, {}, [], Promise.resolve(), when(Event.never(), () => 1)];
Deno.test("Event.choose() throws a TypeError for what is no event", () => {
  for (const bad of noEvents) {
    assertThrows(() => Event.choose(Event.never(), bad), TypeError, "expected an Event");
  }
});

// guard ------------------------------------------------------------------------------------------

Deno.test("Event.guard() calls make anew for each wait, and not before", async () => {
  let calls = 0;
  const event = Event.guard(() => Event.always(++calls));
  const chosen = Event.choose(event, event.map((n) => -n));
  assertEquals(calls, 0);
  virtually(function* () {
    assertEquals(yield* event, 1);
    assertEquals(yield* event, 2);
    assertEquals(yield* chosen, 3);
    assertEquals(calls, 4, "in every alternative");
  });
  assertEquals(await event, 5);
});

Deno.test("Event.guard() may return a guard, a choice, or what happens later", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const event = Event.guard(() =>
      Event.guard(() => Event.choose(Event.never(), channel.receiveEvent()))
    );
    const fiber = yield* waiting(event);
    assertEquals(channel.statistics().receiversWaiting, 1);
    channel.trySend(7);
    assertEquals(yield* fiber, 7);
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("Event.guard(): what make throws is thrown in the waiter, and leaves nothing behind", async () => {
  const boom = new Error("guard threw");
  const channel = new Channel<number>();
  const source = new Source<number>();
  const throwing = Event.guard<number>(() => {
    throw boom;
  });
  // deno-lint-ignore no-explicit-any -- the wrong type is what is tested
  const returning = Event.guard<number>(() => 3 as any);
  const all = (event: Event<number>) =>
    select({ item: channel.receiveEvent(), source: source.event, event });
  virtually(function* () {
    assertStrictEquals(yield* errorOf(all(throwing)), boom);
    const error = yield* errorOf(all(returning));
    assertInstanceOf(error, TypeError);
    assertStringIncludes(error.message, "guard");
  });
  assertStrictEquals(await all(throwing).then(null, (error) => error), boom);
  assertEquals(channel.statistics(), idle);
  assertEquals([source.waits, source.polls], [0, 0]);
  assertThrows(() => Event.guard(3 as never), TypeError, "make must be a function");
});

// withNack ---------------------------------------------------------------------------------------

/** An event with a nack that is kept, so that it can be looked at. */
function tracked<T>(event: Event<T>) {
  const nacks: Event<void>[] = [];
  const tracking = Event.withNack<T>((nack) => {
    nacks.push(nack);
    return event;
  });
  return { event: tracking, nacks };
}

Deno.test("Event.withNack(): nack doesn't happen if its event was chosen, at the poll or later", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const { event, nacks } = tracked(channel.receiveEvent());
    channel.trySend(1);
    assertEquals(yield* event, 1);
    const fiber = yield* waiting(select({ event, other: Event.never() }));
    channel.trySend(2);
    assertEquals(yield* fiber, { kind: "event", value: 2 });
    assertEquals(nacks.length, 2, "a nack for each wait");
    for (const nack of nacks) assertEquals(yield* happened(nack), false);
  });
});

Deno.test("Event.withNack(): nack happens if another was chosen, at the poll or later", () => {
  virtually(function* () {
    const other = new Channel<number>();
    const { event, nacks } = tracked(Event.never());
    other.trySend(1);
    yield* select({ event, other: other.receiveEvent() });
    assertEquals(yield* happened(nacks[0]!), true);

    const fiber = yield* waiting(select({ event, other: other.receiveEvent() }));
    assertEquals(yield* happened(nacks[1]!), false, "not before something is chosen");
    other.trySend(2);
    assertEquals(yield* happened(nacks[1]!), true, "at the commit itself");
    yield* fiber;
    assertEquals(yield* happened(nacks[1]!), true, "and for good");
    assertEquals(nacks.length, 2);
  });
});

Deno.test("Event.withNack(): nack happens when a custom event is chosen, and sees no waiter of it left", () => {
  virtually(function* () {
    const source = new Source<number>();
    const channel = new Channel<string>({ capacity: 0 });
    const { event, nacks } = tracked(channel.receiveEvent());
    const fiber = yield* waiting(select({ event, source: source.event }));
    const client = spawn(function* () {
      yield* nacks[0]!;
      return channel.trySend("too late");
    });
    yield* settle();
    source.happen(1);
    assertEquals(yield* fiber, { kind: "source", value: 1 });
    assertEquals(yield* client, false);
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("Event.withNack(): nack happens when the wait is aborted", () => {
  virtually(function* () {
    const { event, nacks } = tracked(Event.never());
    const told: string[] = [];
    const fiber = yield* waiting(event);
    const listener = spawn(function* () {
      yield* nacks[0]!;
      told.push("nack");
    });
    yield* settle();
    assertEquals(told, []);
    fiber.abort();
    yield* listener;
    assertEquals(told, ["nack"]);
  });
});

Deno.test("Event.withNack(): nack happens when the wait ends with somebody else's failure", () => {
  virtually(function* () {
    const { event, nacks } = tracked(Event.never());
    yield* errorOf(select({ event, late: timeoutEvent(5) }));
    yield* errorOf(select({ event, late: timeoutEvent(0) }));
    const source = new Source<number>();
    const fiber = yield* waiting(select({ event, source: source.event }));
    source.fail("failed");
    assertEquals(yield* errorOf(fiber), "failed");
    assertEquals(nacks.length, 3);
    for (const nack of nacks) assertEquals(yield* happened(nack), true);
  });
});

Deno.test("Event.withNack(): nack doesn't happen when its own event was chosen and failed", () => {
  virtually(function* () {
    const { event, nacks } = tracked(timeoutEvent(5));
    yield* errorOf(select({ event, other: Event.never() }));
    const mapped = tracked(Event.always(1));
    yield* errorOf(mapped.event.map(() => {
      throw new Error("map threw");
    }));
    for (const nack of [...nacks, ...mapped.nacks]) assertEquals(yield* happened(nack), false);
  });
});

Deno.test("Event.withNack(): nack happens when a later guard, poll or wait throws", () => {
  virtually(function* () {
    const { event, nacks } = tracked(Event.never());
    const throwing = (): never => {
      throw new Error("thrown");
    };
    yield* errorOf(select({ event, bad: Event.guard(throwing) }));
    yield* errorOf(select({ event, bad: Event.withNack(throwing) }));
    yield* errorOf(select({ event, bad: faulty(throwing, handle) }));
    yield* errorOf(select({ event, bad: faulty(nothing, throwing) }));
    assertEquals(nacks.length, 4);
    for (const nack of nacks) assertEquals(yield* happened(nack), true);
  });
});

Deno.test("Event.withNack(): its own make throwing counts as not chosen", () => {
  virtually(function* () {
    let nack: Event<void> | undefined;
    const boom = new Error("make threw");
    const event = Event.withNack<number>((own) => {
      nack = own;
      throw boom;
    });
    assertStrictEquals(yield* errorOf(event), boom);
    assertEquals(yield* happened(nack!), true);
    assertInstanceOf(yield* errorOf(Event.withNack(() => 3 as never)), TypeError);
    assertThrows(() => Event.withNack(undefined as never), TypeError, "make must be a function");
  });
});

Deno.test("Event.withNack(): nested nacks happen for what was not chosen, from the inside out", () => {
  virtually(function* () {
    const channels = { inner: new Channel<string>(), outer: new Channel<string>() };
    const other = new Channel<string>();
    for (const chosen of ["inner", "outer", "other"] as const) {
      const inner = tracked(channels.inner.receiveEvent());
      const outer = tracked(Event.choose(inner.event, channels.outer.receiveEvent()));
      const fiber = yield* waiting(select({ outer: outer.event, other: other.receiveEvent() }));
      (chosen === "other" ? other : channels[chosen]).trySend(chosen);
      assertEquals((yield* fiber).value, chosen);
      assertEquals(yield* happened(inner.nacks[0]!), chosen !== "inner", `${chosen}: inner`);
      assertEquals(yield* happened(outer.nacks[0]!), chosen === "other", `${chosen}: outer`);
    }
    for (const channel of [...Object.values(channels), other]) {
      assertEquals(channel.statistics(), idle);
    }
  });
});

Deno.test("Event.withNack(): a nack may be waited on by many, and a waiter may leave", () => {
  virtually(function* () {
    const { event, nacks } = tracked(Event.never());
    const fiber = yield* waiting(event);
    const listeners = [
      yield* waiting(nacks[0]!),
      yield* waiting(nacks[0]!.map(() => undefined)),
      yield* waiting(select({ nack: nacks[0]! })),
    ];
    listeners[1]!.abort();
    fiber.abort();
    yield* settle();
    assertEquals(listeners.map((listener) => listener.poll()?.ok), [true, false, true]);
  });
});

// map --------------------------------------------------------------------------------------------

Deno.test("Event.map() passes the value through, composes, and leaves the event itself alone", async () => {
  const event = Event.always(2);
  const mapped = event.map((n) => n + 1).map((n) => `${n}`).map((text) => [text]);
  assertEquals(virtually(() => mapped), ["3"]);
  assertEquals(virtually(() => mapped), ["3"]);
  assertEquals(virtually(() => event), 2);
  assertEquals(await mapped, ["3"]);
  assertThrows(() => event.map(undefined as never), TypeError, "f must be a function");
});

Deno.test("Event.map(): f runs in the waiter, after the commit, for the winner alone", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const ran: unknown[] = [];
    const note = (name: string) => (value: unknown) => {
      ran.push([name, value, Fiber.current(), channel.statistics()]);
      return name;
    };
    const fiber = yield* waiting(select([
      when(channel.receiveEvent().map(note("winner")), (name) => name),
      when(Event.never().map(note("loser")), (name) => name),
    ]));
    channel.trySend(1);
    assertEquals(ran, [], "not in the sender");
    assertEquals(yield* fiber, "winner");
    assertEquals(ran, [["winner", 1, fiber, idle]]);
  });
});

Deno.test("Event.map(): what f throws is thrown in the waiter; the commit stands", async () => {
  const boom = new Error("f threw");
  const channel = new Channel<number>();
  const throwing = channel.receiveEvent().map(() => {
    throw boom;
  });
  virtually(function* () {
    channel.trySend(1);
    assertStrictEquals(yield* errorOf(throwing), boom);
    const fiber = yield* waiting(select([when(throwing, () => 1), when(Event.never(), () => 2)]));
    channel.trySend(2);
    assertStrictEquals(yield* errorOf(fiber), boom);
    const byHandler = select([when(Event.always(1), () => {
      throw boom;
    })]);
    assertStrictEquals(yield* errorOf(byHandler), boom);
  });
  channel.trySend(3);
  assertStrictEquals(await throwing.then(null, (error) => error), boom);
  assertEquals(channel.statistics(), idle, "each item was received");
});

Deno.test("Event.map() isn't applied to a failure", () => {
  const source = new Source<number>();
  let ran = false;
  virtually(function* () {
    source.fail("failed");
    const mapped = source.event.map(() => ran = true);
    assertEquals(yield* errorOf(mapped), "failed");
  });
  assertEquals(ran, false);
});

// joinEvent --------------------------------------------------------------------------------------

Deno.test("Fiber.joinEvent() happens with the result, however the fiber ended, now or later", () => {
  virtually(function* () {
    const alone = { propagateCancelToParent: false };
    const bodies = {
      *returns() {
        yield* yieldNow();
        return 42;
      },
      *fails(): Generator<never, never, unknown> {
        yield* yieldNow();
        throw new Error("failed");
      },
      *aborts(): Generator<never, never, unknown> {
        return yield* selfAbort("enough");
      },
    };
    for (const [name, body] of Object.entries(bodies)) {
      const fiber: Fiber<number> = spawn<number>(body, alone);
      const late = yield* fiber.joinEvent();
      const again = yield* select({ result: fiber.joinEvent() });
      assertStrictEquals(again.kind, "result");
      assertEquals(again.value, late);
      if (name === "returns") assertEquals(late, { ok: true, value: 42 });
      else assertEquals(late.ok, false);
      if (name === "aborts" && !late.ok) assertInstanceOf(late.error, FiberAborted);
    }
  });
});

Deno.test("Fiber.joinEvent() that loses or is cancelled leaves the fiber alone, and no joiner", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const fiber = yield* waiting(channel.receiveOrThrow());
    yield* select({ end: fiber.joinEvent(), now: Event.always(1) });
    const source = new Source<number>();
    const loser = yield* waiting(select({ end: fiber.joinEvent(), source: source.event }));
    source.happen(1);
    assertEquals((yield* loser).kind, "source");
    const cancelled = yield* waiting(fiber.joinEvent());
    cancelled.abort();
    yield* cancelled.join();
    assertEquals(fiber.state, "running");
    assertEquals(Reflect.get(fiber, "joiners"), null); // fibers have no statistics()
    channel.trySend(7);
    assertEquals(yield* fiber.joinEvent(), { ok: true, value: 7 });
  });
});
