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
  type Awaitable,
  Channel,
  ChannelClosedError,
  Deadlock,
  Event,
  type Fiber,
  FiberAborted,
  monotonicNow,
  promiseEvent,
  run,
  select,
  sleep,
  spawn,
  timeoutEvent,
  when,
} from "@weft/weft";
import { seedSelect } from "@weft/weft/lowlevel";
import { Source, Thenable } from "../kit/source.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

/** Channels that hold one item each: their own number. */
function fullChannels(count: number): Channel<number>[] {
  return Array.from({ length: count }, (_, n) => {
    const channel = new Channel<number>();
    channel.trySend(n);
    return channel;
  });
}

// Both forms -------------------------------------------------------------------------------------

Deno.test("select() over branches returns what the branch makes of the value", () => {
  virtually(function* () {
    const [words, numbers] = [new Channel<string>(), new Channel<number>()];
    const branches = [
      when(words.receiveEvent(), (word) => word.length),
      when(numbers.receiveEvent(), (n) => `${n}`),
    ] as const;
    const next = () => select(branches);
    words.trySend("three");
    const length: number | string = yield* next();
    assertEquals(length, 5);
    const fiber = yield* waiting(next());
    numbers.trySend(7);
    assertEquals(yield* fiber, "7");
  });
});

Deno.test("select() over a record tells by its kind which event it was", () => {
  virtually(function* () {
    const [words, numbers] = [new Channel<string>(), new Channel<number>()];
    const next = () => select({ word: words.receiveEvent(), number: numbers.receiveEvent() });
    words.trySend("three");
    const early = yield* next();
    assertEquals(early.kind === "word" ? early.value.length : -early.value, 5); // it narrows
    const fiber = yield* waiting(next());
    numbers.trySend(7);
    assertEquals(yield* fiber, { kind: "number", value: 7 });
    assertEquals([words.statistics(), numbers.statistics()], [idle, idle]);
  });
});

Deno.test("select() of nothing waits until it is cancelled", () => {
  virtually(function* () {
    for (const make of [() => select([]), () => select({})]) {
      const fiber = yield* waiting<unknown>(make());
      yield* settle();
      assertEquals(fiber.state, "running");
      fiber.abort();
      assertInstanceOf(yield* errorOf(fiber), FiberAborted);
    }
  });
});

Deno.test("select() works with await, in both forms, now and later", async () => {
  const [a, b] = [new Channel<number>(), new Channel<number>()];
  const branches = [
    when(a.receiveEvent(), (n) => `a ${n}`),
    when(b.receiveEvent(), (n) => `b ${n}`),
  ];
  b.trySend(1);
  assertEquals(await select(branches), "b 1");
  const later = select(branches).then((text) => text);
  a.trySend(2);
  assertEquals(await later, "a 2");
  // Their timers are gone as well, or the sanitizer would complain.
  const named = select({
    a: a.receiveEvent(),
    late: afterEvent(60_000),
    out: timeoutEvent(60_000),
  });
  const answer = named.then((winner) => winner);
  a.trySend(3);
  assertEquals(await answer, { kind: "a", value: 3 });
  await assertRejects(async () => void await select({ a: a.receiveEvent(), out: timeoutEvent(0) }));
  a.close();
  await assertRejects(async () => void await select({ a: a.receiveEvent() }), ChannelClosedError);
  assertEquals([a.statistics(), b.statistics()], [idle, idle]);
});

Deno.test("select() is cold and one-shot; its branches may be used again", () => {
  virtually(function* () {
    const [channel] = fullChannels(1);
    const branches = [when(channel!.receiveEvent(), (n) => n)];
    const once = select(branches);
    assertEquals(channel!.size, 1);
    assertEquals(yield* once, 0);
    const error = yield* errorOf(once);
    assertInstanceOf(error, TypeError);
    assertStringIncludes(error.message, "used already");
    channel!.trySend(1);
    assertEquals(yield* select(branches), 1);
  });
});

// Which one --------------------------------------------------------------------------------------

Deno.test("law 6: the first ready branch in list order wins, every time", () => {
  virtually(function* () {
    for (let first = 0; first < 4; first++) {
      const channels = fullChannels(4);
      for (let n = 0; n < first; n++) channels[n]!.tryReceive();
      const branches = channels.map((channel) => when(channel.receiveEvent(), (n) => n));
      assertEquals(yield* select(branches), first);
      assertEquals(channels.map((channel) => channel.size), [0, 1, 2, 3].map((n) => +(n > first)));
    }
    const named = { z: Event.always(1), a: Event.always(2) };
    for (let n = 0; n < 100; n++) assertEquals((yield* select(named)).kind, "z");
  });
});

Deno.test("law 6: of what happens later the earliest wins, wherever it stands in the list", () => {
  virtually(function* () {
    for (let winner = 0; winner < 3; winner++) {
      const sources = [new Source<number>(), new Source<number>(), new Source<number>()];
      const channel = new Channel<number>();
      const fiber = yield* waiting(select([
        ...sources.map((source) => when(source.event, (n) => n)),
        when(channel.receiveEvent(), (n) => n),
      ]));
      sources[winner]!.happen(winner);
      assertEquals(yield* fiber, winner);
      assertEquals(sources.map((source) => source.waiters), [0, 0, 0]);
      assertEquals(channel.statistics(), idle);
    }
  });
});

Deno.test("law 6: select with fair starts at a seeded random branch: all are chosen, replayably", () => {
  const choices = (seed: number) =>
    virtually(function* () {
      seedSelect(seed);
      const chosen: number[] = [];
      const branches = [0, 1, 2, 3].map((n) => when(Event.always(n), (value) => value));
      for (let n = 0; n < 1000; n++) chosen.push(yield* select(branches, { fair: true }));
      return chosen;
    });
  const chosen = choices(42);
  for (let n = 0; n < 4; n++) {
    const share = chosen.filter((choice) => choice === n).length;
    assert(share > 150 && share < 350, `branch ${n} was chosen ${share} times of 1000`);
  }
  assertEquals(choices(42), chosen);
  assert(`${choices(43)}` !== `${chosen}`);
});

Deno.test("T19: select with fair starves nobody, and takes none that isn't ready", () => {
  virtually(function* () {
    seedSelect(1);
    const channels = fullChannels(5);
    channels[1]!.tryReceive();
    channels[3]!.tryReceive();
    const counts = [0, 0, 0, 0, 0];
    const branches = channels.map((channel) => when(channel.receiveEvent(), (n) => n));
    for (let n = 0; n < 600; n++) {
      const winner = yield* select(branches, { fair: true });
      counts[winner]!++;
      channels[winner]!.trySend(winner);
    }
    assertEquals(counts.map((count) => count > 50), [true, false, true, false, true]);
    assertEquals((yield* select({ a: Event.always(1) }, { fair: true })).kind, "a");
    assertEquals((yield* select({ a: Event.always(1) }, { fair: false })).kind, "a");
    assertEquals((yield* select({ a: Event.always(1) }, {})).kind, "a");
  });
});

Deno.test("law 6: select commits exactly one branch; losers leave no waiter, timer or listener", () => {
  const kinds = ["item", "sent", "timer", "end", "promise", "source"] as const;
  for (const winner of kinds) {
    const loop = virtualLoop();
    virtually(function* () {
      const inbox = new Channel<number>();
      const outbox = new Channel<number>({ capacity: 0 });
      const child = yield* waiting(new Channel<number>().receive());
      const promise = new Thenable<number>();
      const source = new Source<number>();
      const fiber = yield* waiting(select({
        item: inbox.receiveEvent(),
        sent: outbox.sendEvent(1),
        timer: afterEvent(10),
        end: child.joinEvent(),
        promise: promiseEvent(promise),
        source: source.event,
      }));
      assertEquals([inbox.statistics().receiversWaiting, source.waiters, loop.timers], [1, 1, 1]);
      assertEquals(outbox.statistics().sendersWaiting, 1);
      if (winner === "item") inbox.trySend(1);
      if (winner === "sent") assertEquals(outbox.tryReceive(), { value: 1 });
      if (winner === "timer") yield* sleep(10);
      if (winner === "end") child.abort();
      if (winner === "promise") promise.resolve(1);
      if (winner === "source") source.happen(1);
      assertEquals((yield* fiber).kind, winner);

      assertEquals([inbox.statistics(), outbox.statistics()], [idle, idle]);
      assertEquals([source.waiters, loop.timers], [0, 0]);
      if (winner !== "end") assertEquals(Reflect.get(child, "joiners"), null);
      child.abort();
      // What happens now finds nobody.
      assertEquals([inbox.trySend(2), outbox.tryReceive()], [true, undefined]);
      promise.resolve(2);
      source.happen(2);
      yield* settle();
      assertEquals([inbox.size, source.size], [1, 1]);
    }, loop);
  }
});

for (const [winner, senderFirst] of [["item", true], ["late", false]] as const) {
  Deno.test(`T14: of an item and a timer at the same instant ${winner} wins, and no item is lost`, () => {
    const loop = virtualLoop();
    virtually(function* () {
      const channel = new Channel<number>();
      const send = () => loop.onTimer(10, { repeat: false }, () => void channel.trySend(7));
      if (senderFirst) send();
      const fiber = yield* waiting(select({ late: afterEvent(10), item: channel.receiveEvent() }));
      if (!senderFirst) send();
      assertEquals((yield* fiber).kind, winner);
      assertEquals(channel.tryReceive(), winner === "item" ? undefined : { value: 7 });
      assertEquals(channel.statistics(), idle);
    }, loop);
  });
}

Deno.test("T15: a select that had committed before the abort returns its value", () => {
  virtually(function* () {
    const source = new Source<number>();
    const channel = new Channel<number>();
    const values: unknown[] = [];
    const fiber = spawn(function* () {
      values.push(yield* select({ item: channel.receiveEvent(), source: source.event }));
      yield* sleep(1);
    });
    yield* settle();
    channel.trySend(7);
    fiber.abort();
    assertInstanceOf(yield* errorOf(fiber), FiberAborted);
    assertEquals(values, [{ kind: "item", value: 7 }]);
  });
});

Deno.test("law 4: a custom event that has only woken a select has not committed it: the abort wins", () => {
  virtually(function* () {
    const source = new Source<number>();
    const fiber = yield* waiting(select({ source: source.event }));
    source.happen(7);
    fiber.abort();
    assertInstanceOf(yield* errorOf(fiber), FiberAborted);
    assertEquals([source.size, source.waiters], [1, 0], "nothing was taken");
  });
});

Deno.test("T18: select with a closed channel throws at once; Event.never switches the arm off", () => {
  virtually(function* () {
    const [open, closed] = [new Channel<number>(), new Channel<number>()];
    closed.close();
    const arms = (closable: Event<number>) => select({ closable, open: open.receiveEvent() });
    assertInstanceOf(yield* errorOf(arms(closed.receiveEvent())), ChannelClosedError);
    const fiber = yield* waiting(arms(Event.never()));
    open.trySend(1);
    assertEquals(yield* fiber, { kind: "open", value: 1 });
    const closing = yield* waiting(arms(open.receiveEvent()));
    open.close();
    assertInstanceOf(yield* errorOf(closing), ChannelClosedError);
    assertEquals(open.statistics(), idle);
  });
});

// Branches used again ----------------------------------------------------------------------------

Deno.test("when(): branches that are kept serve two selects at the same time", () => {
  virtually(function* () {
    const [a, b] = [new Channel<number>(), new Channel<number>()];
    const source = new Source<number>();
    const branches = [
      when(a.receiveEvent(), (n) => `a ${n}`),
      when(b.receiveEvent(), (n) => `b ${n}`),
      when(source.event, (n) => `source ${n}`),
      when(afterEvent(1000), () => "late"),
    ];
    const fibers = [];
    for (let n = 0; n < 3; n++) fibers.push(yield* waiting(select(branches)));
    assertEquals([a, b].map((channel) => channel.statistics().receiversWaiting), [3, 3]);
    assertEquals(source.waiters, 3);
    b.trySend(1);
    assertEquals([a, b].map((channel) => channel.statistics().receiversWaiting), [2, 2]);
    fibers[1]!.abort();
    assertEquals([a, b].map((channel) => channel.statistics().receiversWaiting), [1, 1]);
    a.trySend(2);
    assertEquals([yield* fibers[0]!, yield* fibers[2]!], ["b 1", "a 2"]);
    yield* errorOf(fibers[1]!);
    assertEquals([a.statistics(), b.statistics(), source.waiters], [idle, idle, 0]);

    // And again afterwards: the first of them has left no trace on the branches.
    const fiber = yield* waiting(select(branches));
    source.happen(3);
    assertEquals(yield* fiber, "source 3");
    assertEquals(yield* select(branches), "late");
  });
});

Deno.test("when(): one branch twice in one select is two alternatives", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const branch = when(channel.receiveEvent(), (n) => n);
    const fiber = yield* waiting(select([branch, branch]));
    assertEquals(channel.statistics().receiversWaiting, 2);
    channel.trySend(7);
    assertEquals(yield* fiber, 7);
    assertEquals(channel.statistics(), idle);
    channel.trySend(8);
    assertEquals(yield* select([branch, branch]), 8);
    assertEquals(channel.statistics(), idle);
  });
});

for (const change of ["pop", "shift", "empty", "replace"] as const) {
  Deno.test(`law 6: select() whose list of branches changes (${change}) while it waits leaves nothing behind`, () => {
    virtually(function* () {
      const [a, b] = [new Channel<string>({ capacity: 0 }), new Channel<string>({ capacity: 0 })];
      const branches = [
        when(a.receiveEvent(), (item) => `a: ${item}`),
        when(b.receiveEvent(), (item) => `b: ${item}`),
      ];
      for (const channel of [a, b]) {
        const list = branches.slice();
        const fiber = yield* waiting(select(list));
        if (change === "pop") list.pop();
        else if (change === "shift") list.shift();
        else if (change === "empty") list.length = 0;
        else list.fill(when(Event.never(), () => "never"));
        assert(channel.trySend("item"), "it still waits for what it began to wait for");
        assertEquals(yield* fiber, channel === a ? "a: item" : "b: item");
        assertEquals([a.statistics(), b.statistics()], [idle, idle]);
        assertEquals([a.trySend("lost"), b.trySend("lost")], [false, false]);
      }
    });
  });
}

Deno.test("select() leaves the list of branches that it is given alone", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    const branches = Object.freeze([
      when(Event.choose(Event.never(), channel.receiveEvent()), (n) => n),
      when(channel.receiveEvent(), (n) => n),
    ]);
    const fibers = [yield* waiting(select(branches)), yield* waiting(select(branches))];
    channel.trySend(1);
    channel.trySend(2);
    assertEquals([yield* fibers[0]!, yield* fibers[1]!], [1, 2]);
    assertEquals(channel.statistics(), idle);
  });
});

// Rendezvous between selects ---------------------------------------------------------------------

for (const [name, firstSends] of [["sender", true], ["receiver", false]] as const) {
  Deno.test(`select() meets another select on a channel, the ${name} first`, () => {
    virtually(function* () {
      const [meeting, silent] = [0, 0].map(() => new Channel<string>({ capacity: 0 }));
      const send = () =>
        select({ silent: silent!.receiveEvent(), met: meeting!.sendEvent("hello") });
      const receive = () =>
        select({ silent: silent!.sendEvent("nobody"), met: meeting!.receiveEvent() });
      if (firstSends) {
        const sender = yield* waiting(send());
        const received = yield* select({ met: meeting!.receiveEvent() });
        assertEquals([received.value, (yield* sender).kind], ["hello", "met"]);
      } else {
        const receiver = yield* waiting(receive());
        yield* select({ met: meeting!.sendEvent("hello") });
        assertEquals(yield* receiver, { kind: "met", value: "hello" });
      }
      for (const channel of [meeting!, silent!]) assertEquals(channel.statistics(), idle);
    });
  });
}

Deno.test("law 6: two selects that offer and take on the same two channels meet on exactly one", () => {
  virtually(function* () {
    const [a, b] = [new Channel<string>({ capacity: 0 }), new Channel<string>({ capacity: 0 })];
    const one = yield* waiting(select({ out: a.sendEvent("of one"), in: b.receiveEvent() }));
    const two = yield* waiting(select({ out: b.sendEvent("of two"), in: a.receiveEvent() }));
    const outcomes = [yield* one, yield* two];
    assertEquals(outcomes.map(({ kind }) => kind).toSorted(), ["in", "out"]);
    const received = outcomes.find(({ kind }) => kind === "in")!.value;
    assertEquals(received, outcomes[0]!.kind === "in" ? "of two" : "of one");
    assertEquals([a.statistics(), b.statistics()], [idle, idle]);
  });
});

/** Offers its name and takes whatever comes, on one channel. */
const swap = (channel: Channel<number>, name: number) =>
  select({ out: channel.sendEvent(name), in: channel.receiveEvent() });

Deno.test("law 6: a select that offers and takes on the same channel never meets itself", () => {
  for (
    const wait of [
      swap,
      (channel: Channel<number>, name: number) =>
        select({ in: channel.receiveEvent(), out: channel.sendEvent(name) }),
    ]
  ) {
    virtually(function* () {
      const channel = new Channel<number>({ capacity: 0 });
      const alone = yield* waiting(wait(channel, 1));
      yield* settle();
      assertEquals(alone.state, "running");
      assertEquals(channel.statistics(), { size: 0, sendersWaiting: 1, receiversWaiting: 1 });

      const partner = yield* waiting(wait(channel, 2));
      const outcomes = [yield* alone, yield* partner];
      assertEquals(outcomes.map(({ kind }) => kind).toSorted(), ["in", "out"]);
      const taken = outcomes.findIndex(({ kind }) => kind === "in");
      assertEquals(outcomes[taken]!.value, taken === 0 ? 2 : 1);
      assertEquals(channel.statistics(), idle);
    });
  }
});

Deno.test("law 6: a select that is woken by a custom event for nothing still doesn't meet itself", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const source = new Source<number>();
    const fiber = yield* waiting(select({
      out: channel.sendEvent(1),
      in: channel.receiveEvent(),
      source: source.event,
    }));
    const { polls } = source;
    source.wake();
    yield* settle();
    assertEquals([fiber.state, source.polls], ["running", polls + 1]);
    source.happen(7);
    assertEquals(yield* fiber, { kind: "source", value: 7 });
    assertEquals(channel.statistics(), idle);
  });
});

Deno.test("law 6: a crowd of selects that offer and take on one channel meets in pairs", () => {
  virtually(function* () {
    for (const withCustomEvent of [false, true]) {
      const channel = new Channel<number>({ capacity: 0 });
      const source = new Source<number>();
      const fibers: Fiber<{ kind: string; value: unknown }>[] = [];
      for (let n = 0; n < 20; n++) {
        const plain = { out: channel.sendEvent(n), in: channel.receiveEvent() };
        const operation = withCustomEvent
          ? select({ ...plain, source: source.event })
          : select(plain);
        fibers.push(yield* waiting<{ kind: string; value: unknown }>(operation));
      }
      const taken: unknown[] = [];
      const sent: number[] = [];
      for (const [n, fiber] of fibers.entries()) {
        const { kind, value } = yield* fiber;
        if (kind === "in") taken.push(value);
        else sent.push(n);
      }
      assertEquals(taken.length, 10);
      assertEquals(taken.map(Number).toSorted((x, y) => x - y), sent);
      assertEquals([channel.statistics(), source.waiters], [idle, 0]);
    }
  });
});

Deno.test("select() that offers and takes on one channel can be closed, or served from outside", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const given = yield* waiting(swap(channel, 1));
    assertEquals(channel.trySend(7), true);
    assertEquals(yield* given, { kind: "in", value: 7 });
    const taken = yield* waiting(swap(channel, 2));
    assertEquals(channel.tryReceive(), { value: 2 });
    assertEquals((yield* taken).kind, "out");
    const closed = yield* waiting(swap(channel, 3));
    channel.close();
    assertInstanceOf(yield* errorOf(closed), ChannelClosedError);
    assertEquals(channel.statistics(), idle);
  });
});

// Time -------------------------------------------------------------------------------------------

Deno.test("select() with a timer takes whatever comes first, and cancels the timer", () => {
  const loop = virtualLoop();
  virtually(function* () {
    const channel = new Channel<number>();
    const next = () => select({ item: channel.receiveEvent(), idle: afterEvent(10) });
    assertEquals((yield* next()).kind, "idle");
    assertEquals(monotonicNow(), 10);
    const fiber = spawn(next);
    yield* sleep(5);
    channel.trySend(1);
    assertEquals((yield* fiber).kind, "item");
    assertEquals([loop.timers, loop.now()], [0, 15]);
    for (let n = 0; n < 1000; n++) {
      channel.trySend(n);
      yield* next();
    }
    assertEquals([loop.timers, loop.now()], [0, 15]);
  }, loop);
});

// Bad input --------------------------------------------------------------------------------------

const branch = when(Event.never(), () => 1);
const badSelects: Record<string, unknown[]> = {
  "nothing": [],
  "null": [null],
  "a number": [3],
  "a string": ["ab"],
  "a function": [() => {}],
  "a set of branches": [new Set([branch])],
  "a list of numbers": [[1]],
  "a list of events": [[Event.never()]],
  "a list with a hole": [[, branch]],
  "a list with an object that is no branch": [[branch, { ...branch }]],
  "a record of numbers": [{ a: 1 }],
  "a record of branches": [{ a: branch }],
  "a record of channels": [{ a: new Channel() }],
  "a number for options": [{ a: Event.never() }, 3],
  "null for options": [{ a: Event.never() }, null],
  "a number for fair": [{ a: Event.never() }, { fair: 1 }],
  "a string for fair": [[], { fair: "yes" }],
};

for (const [what, args] of Object.entries(badSelects)) {
  Deno.test(`select() of ${what} throws a TypeError`, () => {
    const error = assertThrows(() => Reflect.apply(select, undefined, args), TypeError);
    assertStringIncludes(error.message, "Cannot select");
  });
}

Deno.test("when() throws a TypeError for what is no event or no function", () => {
  // deno-lint-ignore no-explicit-any -- the wrong type is what is tested
  const make = when as any;
  assertThrows(() => make(Event.never()), TypeError, "f must be a function");
  assertThrows(() => make(Event.never(), 1), TypeError, "f must be a function");
  assertThrows(() => make(undefined, () => 1), TypeError, "expected an Event");
  assertThrows(() => make(new Channel().receive(), () => 1), TypeError, "expected an Event");
});

Deno.test("select(): what a branch throws is thrown, and its commit stands", () => {
  virtually(function* () {
    const boom = new Error("thrown");
    const [channel, other] = fullChannels(2);
    const error = yield* errorOf(select([
      when(channel!.receiveEvent(), () => {
        throw boom;
      }),
      when(other!.receiveEvent(), () => 1),
    ]));
    assertStrictEquals(error, boom);
    assertEquals([channel!.size, other!.size], [0, 1]);
  });
});

// What it says of itself -------------------------------------------------------------------------

/** What a fiber that selects waits on, in words. */
function waitsOn(select: () => Awaitable<unknown>): string {
  const error = run(function* () {
    yield* select();
  });
  assert(!error.ok && error.error instanceof Deadlock);
  return error.error.fibers[0]!.waitsOn;
}

Deno.test("law 11: select() over named events is told with their names", () => {
  const jobs = new Channel<number>({ name: "jobs" });
  const stop = new Channel<void>({ name: "stop" });
  const job = 'a receive from channel "jobs"';
  const close = 'the close of channel "stop"';
  assertEquals(
    waitsOn(() => select({ job: jobs.receiveEvent(), stop: stop.closeEvent() })),
    `a select of { job: ${job}, stop: ${close} }`,
  );
  assertEquals(waitsOn(() => select({ job: jobs.receiveEvent() })), job, "nothing to choose");
  assertEquals(
    waitsOn(() => select([when(jobs.receiveEvent(), String), when(stop.closeEvent(), String)])),
    `a select of [${job}, ${close}]`,
  );
  assertEquals(jobs.statistics(), idle);
});

Deno.test("law 11: select() over named events that are made of others gives each part the name of the whole", () => {
  const [a, b, c] = ["a", "b", "c"].map((name) => new Channel<number>({ name }));
  const part = (name: string) => `a receive from channel "${name}"`;
  const events = {
    none: Event.choose<number>(),
    two: Event.choose(a!.receiveEvent(), Event.choose(b!.receiveEvent())).map(String),
    guarded: Event.guard(() => c!.receiveOptionEvent()),
    nack: Event.withNack(() => a!.receiveEvent()),
    never: Event.never(),
  };
  assertEquals(
    waitsOn(() => select(events)),
    `a select of { two: ${part("a")}, two: ${part("b")}, guarded: ${part("c")}, ` +
      `nack: ${part("a")}, never: an event that never happens }`,
  );
  assertEquals(
    waitsOn(() => select({ first: a!.receiveEvent(), last: Event.choose(b!.receiveEvent()) })),
    `a select of { first: ${part("a")}, last: ${part("b")} }`,
  );
});

Deno.test("select() keeps the names that its events had, whatever becomes of the record", () => {
  virtually(function* () {
    const [a, b] = [new Channel<number>({ name: "a" }), new Channel<number>({ name: "b" })];
    const events: Record<string, Event<number>> = { one: a.receiveEvent(), two: b.receiveEvent() };
    const fiber = yield* waiting(select(events));
    delete events.one;
    assertStringIncludes(
      fiber.dump(),
      'a select of { one: a receive from channel "a", two: a receive from channel "b" }',
    );
    b.trySend(2);
    assertEquals(yield* fiber, { kind: "two", value: 2 });
    assertEquals([a.statistics(), b.statistics()], [idle, idle]);
  });
});
