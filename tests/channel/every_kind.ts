/**
 * What every kind of channel does, as tests: one table for `Channel` and `SharedChannel`. Each
 * kind's own test file has its row, and what that kind alone does.
 */
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
  Abort,
  afterEvent,
  type Awaitable,
  Channel,
  ChannelClosedError,
  type Event,
  type Fiber,
  FiberAborted,
  main,
  type Operation,
  type Overflow,
  select,
  sleep,
  spawn,
  when,
} from "@weft/weft";
import { errorOf, virtually } from "../kit/virtually.ts";

/** All that a `Channel` has in public. The row of each kind is checked against it. */
export type AnyChannel<T> = { [Name in keyof Channel<T>]: Channel<T>[Name] };

/** The options that every kind has. */
export interface AnyOptions {
  capacity: number;
  overflow?: Overflow;
  name?: string;
}

/** Arguments of a constructor, what it throws, and something of the message. */
export type BadOptions = readonly [unknown, typeof TypeError | typeof RangeError, string];

/** A kind of channel. */
export interface ChannelKind {
  readonly name: string;
  /** What its errors call one, with the name that it was given. */
  titled(name: string): string;
  /** How its constructor complains. */
  readonly making: string;
  /** The smallest capacity: with 0, sender and receiver meet. */
  readonly least: 0 | 1;
  /**
   * Whether who waits is served within the call of the other side. Otherwise it is woken, and
   * serves itself on its turn.
   */
  readonly servesAtOnce: boolean;
  make<T>(options: AnyOptions): AnyChannel<T>;
  /** Passes any options on. */
  makeWith(options: unknown): unknown;
  /** Lets every fiber run until it waits for something else than its turn. */
  settle(): Operation<void>;
  /** What its constructor refuses, besides what every kind does. */
  readonly badOptions: readonly BadOptions[];
}

/** What is going on in a channel where nothing is. */
export const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

/** What every kind refuses. */
const badOptions: readonly BadOptions[] = [
  [{ capacity: NaN }, RangeError, "NaN"],
  [{ capacity: -1 }, RangeError, "-1"],
  [{ capacity: 1.5 }, RangeError, "1.5"],
  [{ capacity: -Infinity }, RangeError, "-Infinity"],
  [{ capacity: "3" }, TypeError, '"3"'],
  [{ capacity: null }, TypeError, "null"],
  [{ capacity: 1, overflow: null }, TypeError, 'overflow must be one of "block", "dropNewest"'],
  [{ capacity: 1, overflow: "drop" }, TypeError, '"drop"'],
  [{ capacity: 1, overflow: "" }, TypeError, '""'],
  [{ capacity: 1, overflow: 1 }, TypeError, "1"],
  [{ capacity: 1, overflow: "toString" }, TypeError, '"toString"'],
  [{ capacity: 1, name: 3 }, TypeError, "name must be a string"],
  [3, TypeError, "3"],
  [null, TypeError, "null"],
  ["dropOldest", TypeError, '"dropOldest"'],
];

/** Each way to receive an item, or to be told why there will be none. */
const receives: [string, (channel: AnyChannel<number>) => Operation<unknown>][] = [
  ["receive", (channel) => channel.receive()],
  ["receiveOrThrow", (channel) => channel.receiveOrThrow()],
  ["receiveEvent", (channel) => channel.receiveEvent()],
  ["receiveOptionEvent", (channel) => channel.receiveOptionEvent()],
  ["a select of a receive", (channel) => select([when(channel.receiveEvent(), (n) => n)])],
  ["a select of an option", (channel) => select({ item: channel.receiveOptionEvent() })],
  [
    "a select of two receives",
    (channel) => select({ a: channel.receiveEvent(), b: channel.receiveEvent() }),
  ],
  ["receive again", (channel) => channel.receive()],
];

/** Each way to send. */
const sends: [string, <T>(channel: AnyChannel<T>, value: T) => Operation<unknown>][] = [
  ["send", (channel, value) => channel.send(value)],
  ["sendEvent", (channel, value) => channel.sendEvent(value)],
  ["a select of a send", (channel, value) => select({ sent: channel.sendEvent(value) })],
  ["send again", (channel, value) => channel.send(value)],
];

const upTo = (end: number): number[] => Array.from({ length: end }, (_, n) => n);

/** Defines the tests of `kind`. */
export function testEveryKind(kind: ChannelKind): void {
  const { name, least, settle } = kind;

  /** As large as it may be, or at least large enough. */
  const large = least === 0 ? Infinity : 8;

  /** A channel that has room for nothing more. */
  function full(capacity: number = least): AnyChannel<number> {
    const channel = kind.make<number>({ capacity });
    for (let n = 0; n < capacity; n++) channel.trySend(n);
    return channel;
  }

  /** A fiber that waits on `operation`, and keeps its failure to itself. */
  function* waiting<T>(operation: () => Operation<T>) {
    const fiber = spawn(operation, { propagateCancelToParent: false });
    yield* settle();
    return fiber;
  }

  // Its surface ----------------------------------------------------------------------------------

  Deno.test(`${name} has each method and property of Channel, of the same shape`, () => {
    const channel = kind.make({ capacity: 1 });
    for (const key of Reflect.ownKeys(Channel.prototype)) {
      if (key === "constructor") continue; // what it takes is its own
      const theirs = Object.getOwnPropertyDescriptor(Channel.prototype, key)!;
      const ours = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(channel), key);
      assert(ours !== undefined, `${String(key)} is missing`);
      assertEquals(shapeOf(ours), shapeOf(theirs), String(key));
    }
  });

  Deno.test(`${name}() is open and empty`, () => {
    const channel = kind.make<string>({ capacity: 3, name: "words" });
    assertEquals([channel.capacity, channel.size, channel.isEmpty], [3, 0, true]);
    assertEquals(channel.isClosed, false);
    assertEquals(channel.statistics(), idle);
  });

  for (const [options, errorClass, shown] of [...badOptions, ...kind.badOptions]) {
    Deno.test(`${name}(${Deno.inspect(options)}) throws a ${errorClass.name}`, () => {
      const error = assertThrows(() => kind.makeWith(options), errorClass);
      assertStringIncludes(error.message, `${kind.making}: `);
      assertStringIncludes(error.message, shown);
    });
  }

  // Sending and receiving ------------------------------------------------------------------------

  Deno.test(`${name}.send() suspends while the buffer is full`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: 2 });
      yield* channel.send(1);
      yield* channel.send(2);
      const third = yield* waiting(() => channel.send(3));
      assertEquals(third.state, "running");
      assertEquals(channel.statistics(), { size: 2, sendersWaiting: 1, receiversWaiting: 0 });
      assertEquals(channel.size, 2);
      assertEquals(channel.isEmpty, false);

      assertEquals(yield* channel.receive(), { value: 1 });
      if (kind.servesAtOnce) assertEquals(channel.statistics(), { ...idle, size: 2 });
      assertStrictEquals(yield* third, undefined);
      assertEquals(channel.statistics(), { ...idle, size: 2 });
      assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 2 }, { value: 3 }]);
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`${name}.receive() suspends until somebody sends`, () => {
    virtually(function* () {
      const channel = kind.make<string>({ capacity: 1 });
      const receiver = yield* waiting(() => channel.receive());
      assertEquals(receiver.state, "running");
      assertEquals(channel.statistics(), { ...idle, receiversWaiting: 1 });
      yield* channel.send("it");
      if (kind.servesAtOnce) assertEquals(channel.statistics(), idle);
      assertEquals(yield* receiver, { value: "it" });
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`${name}.trySend() is false, and sends nothing, while the buffer is full`, () => {
    const channel = kind.make<number>({ capacity: 1 });
    assertEquals(channel.trySend(1), true);
    assertEquals(channel.trySend(2), false);
    assertEquals(channel.tryReceive(), { value: 1 });
    assertEquals(channel.tryReceive(), undefined);
    assertEquals(channel.trySend(3), true);
    assertEquals(channel.tryReceive(), { value: 3 });
  });

  Deno.test(`${name} is first in, first out while its buffer wraps around and grows`, () => {
    const channel = kind.make<number>({ capacity: 100 });
    const received: number[] = [];
    let sent = 0;
    for (const [sends, receives] of [[10, 4], [60, 40], [74, 100], [100, 1], [1, 100], [30, 30]]) {
      for (let i = 0; i < sends!; i++) assert(channel.trySend(sent++));
      for (let i = 0; i < receives!; i++) received.push(channel.tryReceive()!.value);
    }
    assertEquals(channel.statistics(), idle);
    assertEquals(received, upTo(sent));
  });

  // Dropping -------------------------------------------------------------------------------------

  Deno.test(`${name} with dropNewest forgets what finds no room: send completes, trySend is false`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: 2, overflow: "dropNewest" });
      for (const n of [1, 2, 3]) yield* channel.send(n);
      assertEquals(channel.trySend(4), false);
      const sent = yield* select({ sent: channel.sendEvent(5) });
      assertEquals(sent, { kind: "sent", value: undefined });
      assertEquals(channel.statistics(), { ...idle, size: 2 });
      assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 1 }, { value: 2 }]);
      assertEquals(channel.trySend(6), true);
      assertEquals(channel.tryReceive(), { value: 6 });
    });
  });

  Deno.test(`${name} with dropOldest forgets the oldest item: send completes, trySend is true`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: 2, overflow: "dropOldest" });
      for (const n of [1, 2, 3]) yield* channel.send(n);
      assertEquals(channel.trySend(4), true);
      const sent = yield* select({ sent: channel.sendEvent(5) });
      assertEquals(sent, { kind: "sent", value: undefined });
      assertEquals(channel.statistics(), { ...idle, size: 2 });
      assertEquals([channel.tryReceive(), channel.tryReceive()], [{ value: 4 }, { value: 5 }]);
      assertEquals(channel.tryReceive(), undefined);
    });
  });

  // Order ----------------------------------------------------------------------------------------

  for (const pause of [true, false]) {
    const how = pause ? "one by one" : "all at once";
    Deno.test(`law 7: receivers of a ${name} are served first in, first out, ${how}, whichever way they wait`, () => {
      virtually(function* () {
        const channel = kind.make<number>({ capacity: pause ? least : receives.length });
        const served: string[] = [];
        const fibers = receives.map(([name, wait]) =>
          spawn(function* () {
            yield* wait(channel);
            served.push(name);
          })
        );
        yield* settle();
        // A select of two receives waits twice.
        assertEquals(channel.statistics().receiversWaiting, receives.length + 1);
        for (let n = 0; n < receives.length; n++) {
          assertEquals(channel.trySend(n), true);
          if (!pause) continue;
          yield* fibers[n]!;
          assertEquals(served, receives.slice(0, n + 1).map(([name]) => name));
        }
        for (const fiber of fibers) yield* fiber;
        assertEquals(served, receives.map(([name]) => name));
        assertEquals(channel.statistics(), idle);
      });
    });
  }

  for (const capacity of [0, 1, 3].filter((capacity) => capacity >= least)) {
    Deno.test(`law 7: senders to a ${name} are served first in, first out, capacity ${capacity}`, () => {
      virtually(function* () {
        const channel = full(capacity);
        const sent: number[] = [];
        for (const n of upTo(6)) {
          spawn(function* () {
            yield* sends[n % sends.length]![1](channel, capacity + n);
            sent.push(n);
          });
        }
        yield* settle();
        assertEquals(channel.statistics(), { ...idle, size: capacity, sendersWaiting: 6 });
        for (const n of upTo(capacity + 6)) {
          assertEquals(yield* channel.receiveOrThrow(), n);
          yield* settle();
          assertEquals(sent, upTo(Math.min(n + 1, 6)));
        }
        assertEquals(channel.statistics(), idle);
      });
    });
  }

  Deno.test(`law 7: a cancelled receiver leaves the order of the others of a ${name} alone`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: least === 0 ? 0 : 3 });
      const served: number[][] = [];
      const fibers = upTo(6).map((n) =>
        spawn(function* () {
          served.push([n, yield* channel.receiveOrThrow()]);
        })
      );
      yield* settle();
      for (const n of [0, 3, 5]) fibers[n]!.abort();
      assertEquals(channel.statistics().receiversWaiting, 3);
      for (let n = 0; n < 3; n++) assertEquals(channel.trySend(n), true);
      yield* settle();
      assertEquals(served, [[1, 0], [2, 1], [4, 2]]);
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`law 7: a cancelled sender leaves the order of the others to a ${name} alone`, () => {
    virtually(function* () {
      const channel = full();
      const fibers = upTo(6).map((n) => spawn(() => channel.send(least + n)));
      yield* settle();
      for (const n of [0, 3, 5]) fibers[n]!.abort();
      assertEquals(channel.statistics(), { ...idle, size: least, sendersWaiting: 3 });
      for (const n of [...upTo(least), least + 1, least + 2, least + 4]) {
        assertEquals(yield* channel.receiveOrThrow(), n);
      }
      yield* settle();
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`law 7: ${name}.receive() doesn't overtake those who wait for an item that is there`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: large });
      const first = yield* waiting(() => channel.receive());
      channel.trySend(1);
      const late = spawn(() => channel.receive()); // before the first one has run
      const select1 = spawn(() => select({ item: channel.receiveEvent() }));
      channel.trySend(2);
      channel.trySend(3);
      assertEquals(yield* first, { value: 1 });
      assertEquals(yield* late, { value: 2 });
      assertEquals((yield* select1).value, 3);
    });
  });

  // Closing --------------------------------------------------------------------------------------

  Deno.test(`${name}.close() lets what is held be received, then tells that it is drained`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: large });
      for (const n of [1, 2, 3, 4, 5]) channel.trySend(n);
      channel.close();
      assertEquals(channel.isClosed, true);
      assertEquals(channel.size, 5);
      assertEquals(yield* channel.receive(), { value: 1 });
      assertEquals(yield* channel.receiveOrThrow(), 2);
      assertEquals(channel.tryReceive(), { value: 3 });
      assertEquals(yield* channel.receiveEvent(), 4);
      assertEquals(yield* channel.receiveOptionEvent(), { value: 5 });
      assertEquals(channel.isEmpty, true);

      assertEquals(yield* channel.receive(), undefined);
      assertEquals(yield* channel.receive(), undefined, "as often as one likes");
      assertEquals(yield* channel.receiveOptionEvent(), undefined);
      assertEquals(channel.tryReceive(), undefined);
      assertEquals(channel.tryReceive(), undefined, "so that a drain loop ends");
      const errors = [
        yield* errorOf(channel.receiveOrThrow()),
        yield* errorOf(channel.receiveEvent()),
        yield* errorOf(select({ item: channel.receiveEvent() })),
      ];
      for (const error of errors) {
        assertInstanceOf(error, ChannelClosedError);
        assertEquals(error.name, "ChannelClosedError");
        assertEquals("value" in error, false);
        assertEquals("cause" in error, false);
      }
      assertEquals(channel.statistics(), idle);
    });
  });

  for (const overflow of ["block", "dropNewest", "dropOldest"] as const) {
    Deno.test(`${name}.send() throws ChannelClosedError with its value when closed (${overflow}), whichever way`, () => {
      virtually(function* () {
        for (const capacity of overflow === "block" ? [least, 1, large] : [1, 3]) {
          const channel = kind.make<object | undefined>({ capacity, overflow });
          channel.close();
          for (const value of [{ un: "sent" }, undefined]) {
            const errors: unknown[] = [assertThrows(() => channel.trySend(value))];
            for (const [, send] of sends) errors.push(yield* errorOf(send(channel, value)));
            for (const error of errors) {
              assertInstanceOf(error, ChannelClosedError);
              assert("value" in error);
              assertStrictEquals(error.value, value);
            }
          }
          assertEquals(channel.statistics(), idle);
        }
      });
    });
  }

  Deno.test(`T17: ${name}.close() is idempotent and never throws`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: 1 });
      const receiver = yield* waiting(() => channel.receive());
      channel.close();
      channel.close();
      assertEquals(yield* receiver, undefined);
      channel.close();
      assertEquals(channel.isClosed, true);
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`T17: ${name}.close() fails the senders that wait, each with its own value, and keeps what is held`, () => {
    virtually(function* () {
      const channel = full(1) as AnyChannel<unknown>;
      const values = sends.map((_, n) => ({ n }));
      const senders: Fiber<unknown>[] = [];
      for (const [n, [, send]] of sends.entries()) {
        senders.push(yield* waiting(() => errorOf(send(channel, values[n]))));
      }
      channel.close();
      for (const [index, sender] of senders.entries()) {
        const error = yield* sender;
        assertInstanceOf(error, ChannelClosedError);
        assertStrictEquals(error.value, values[index]);
      }
      assertEquals(channel.statistics(), { ...idle, size: 1 });
      assertThrows(() => channel.trySend(1), ChannelClosedError, "Cannot send to");
      assertEquals(channel.tryReceive(), { value: 0 });
      assertEquals([channel.tryReceive(), channel.tryReceive()], [undefined, undefined]);
      assertStrictEquals(yield* channel.receive(), undefined);
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`${name}.close() tells everybody who waits to receive, each his own way, in order`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: least });
      const told: [string, unknown][] = [];
      for (const [name, wait] of receives) {
        spawn(function* () {
          try {
            told.push([name, yield* wait(channel)]);
          } catch (error) {
            assertInstanceOf(error, ChannelClosedError);
            told.push([name, "closed"]);
          }
        });
      }
      yield* settle();
      assertEquals(channel.statistics().receiversWaiting, receives.length + 1);
      channel.close();
      if (kind.servesAtOnce) assertEquals(channel.statistics(), idle);
      yield* settle();
      assertEquals(told, [
        ["receive", undefined],
        ["receiveOrThrow", "closed"],
        ["receiveEvent", "closed"],
        ["receiveOptionEvent", undefined],
        ["a select of a receive", "closed"],
        ["a select of an option", { kind: "item", value: undefined }],
        ["a select of two receives", "closed"],
        ["receive again", undefined],
      ]);
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`law 13: ChannelClosedError names the ${name} that has a name, whichever way it comes`, () => {
    for (const named of [{ name: "jobs" }, {}]) {
      const which = "name" in named ? kind.titled("jobs") : "the channel";
      virtually(function* () {
        const channel = kind.make<number>({ capacity: 1, ...named });
        channel.trySend(0);
        const sending = [
          yield* waiting(() => channel.send(1)),
          yield* waiting(() => channel.sendEvent(2)),
        ];
        channel.close();
        const unsent = sends.map(([, send]) => send(channel, 3));
        for (const operation of [...sending, ...unsent]) {
          const { message } = (yield* errorOf(operation)) as Error;
          assertEquals(message, `Cannot send to ${which}: it is closed`);
        }
        const trying = assertThrows(() => channel.trySend(6), ChannelClosedError);
        assertEquals(trying.message, `Cannot send to ${which}: it is closed`);

        channel.tryReceive();
        const empty = kind.make<number>({ capacity: 1, ...named });
        const receiving = yield* waiting(() => empty.receiveOrThrow());
        empty.close();
        for (const operation of [receiving, channel.receiveOrThrow(), channel.receiveEvent()]) {
          const { message } = (yield* errorOf(operation)) as Error;
          assertEquals(message, `Cannot receive from ${which}: it is closed and drained`);
        }
      });
    }
  });

  // Failing --------------------------------------------------------------------------------------

  const boom = new Error("the source broke off");

  Deno.test(`${name}.fail(): what is held can still be received, then every receive throws the error`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: large });
      channel.trySend(1);
      channel.fail(boom);
      assertEquals([channel.isClosed, channel.size], [true, 1]);
      assertEquals(yield* channel.receive(), { value: 1 });
      for (const [, receive] of receives) {
        assertStrictEquals(yield* errorOf(receive(channel)), boom);
      }
      assertStrictEquals(yield* errorOf(select({ item: channel.receiveOptionEvent() })), boom);
      assertStrictEquals(assertThrows(() => channel.tryReceive()), boom);
    });
  });

  Deno.test(`${name}.fail() wakes whoever waits: receivers with the error, senders with it as the cause`, () => {
    virtually(function* () {
      const empty = kind.make<number>({ capacity: least });
      const receivers: Fiber<unknown>[] = [];
      for (const [, receive] of receives) receivers.push(yield* waiting(() => receive(empty)));
      receivers.push(
        yield* waiting(() => select({ item: empty.receiveOptionEvent(), time: afterEvent(1e9) })),
      );
      empty.fail(boom);
      for (const fiber of receivers) assertStrictEquals(yield* errorOf(fiber), boom);

      const unsent = full();
      const senders: Fiber<unknown>[] = [];
      for (const [, send] of sends) senders.push(yield* waiting(() => send(unsent, 1)));
      unsent.fail(boom);
      const errors: unknown[] = [assertThrows(() => unsent.trySend(1))];
      for (const operation of [...senders, unsent.send(1)]) errors.push(yield* errorOf(operation));
      for (const error of errors) {
        assertInstanceOf(error, ChannelClosedError);
        assertEquals(error.value, 1);
        assertStrictEquals(error.cause, boom);
      }
      assertEquals([empty.statistics(), unsent.statistics()], [idle, { ...idle, size: least }]);
    });
  });

  Deno.test(`${name}.fail() after a close changes nothing, nor a close or another fail after it`, () => {
    virtually(function* () {
      const closed = kind.make<number>({ capacity: 1 });
      closed.close();
      closed.fail(boom);
      assertStrictEquals(yield* closed.receive(), undefined);
      const error = assertThrows(() => closed.trySend(1), ChannelClosedError);
      assertEquals("cause" in error, false);
      const failed = kind.make<number>({ capacity: 1 });
      failed.fail(boom);
      failed.fail(new Error("another"));
      failed.close();
      assertStrictEquals(yield* errorOf(failed.receive()), boom);
    });
  });

  Deno.test(`for await over a ${name} that failed gets what it held, then throws the error`, async () => {
    const channel = kind.make<number>({ capacity: 2 });
    channel.trySend(1);
    const seen: number[] = [];
    const reading = (async () => {
      for await (const item of channel) seen.push(item);
    })();
    await Promise.resolve();
    channel.fail(boom);
    assertStrictEquals(await assertRejects(() => reading), boom);
    assertEquals(seen, [1]);
  });

  // closeEvent -----------------------------------------------------------------------------------

  for (const end of ["close", "fail"] as const) {
    Deno.test(`${name}.closeEvent() happens at a ${end}, though items are held, and from then on`, () => {
      virtually(function* () {
        const channel = kind.make<number>({ capacity: 1 });
        channel.trySend(1);
        assertStrictEquals(channel.closeEvent(), channel.closeEvent());
        const waiters = [
          yield* waiting(() => channel.closeEvent()),
          yield* waiting(() => channel.closeEvent()),
          yield* waiting(() => select({ closed: channel.closeEvent(), time: afterEvent(1e9) })),
        ];
        assertEquals(waiters.map(({ state }) => state), ["running", "running", "running"]);
        channel[end](boom as never);
        assertStrictEquals(yield* waiters[0]!, undefined);
        assertStrictEquals(yield* waiters[1]!, undefined);
        assertEquals(yield* waiters[2]!, { kind: "closed", value: undefined });
        assertStrictEquals(yield* channel.closeEvent(), undefined);
        assertEquals(channel.size, 1);

        const other = kind.make<number>({ capacity: 1 });
        other[end](boom as never);
        assertStrictEquals(yield* other.closeEvent(), undefined, "asked for after the end");
      });
    });
  }

  /** Selects of what can't happen before the close, and of the close. */
  const pairs: Record<string, (channel: AnyChannel<number>) => Operation<unknown>> = {
    "a send": (channel) =>
      select([
        when(channel.sendEvent(1), () => "sent"),
        when(channel.closeEvent(), () => "closed"),
        when(channel.closeEvent(), () => "closed, too"),
      ]),
    "a receive": (channel) =>
      select([when(channel.receiveEvent(), (n) => n), when(channel.closeEvent(), () => "closed")]),
    "a receive of an option": (channel) =>
      select([
        when(channel.receiveOptionEvent(), (n) => n),
        when(channel.closeEvent(), () => "closed"),
      ]),
  };

  for (const [what, make] of Object.entries(pairs)) {
    for (const end of ["close", "fail"] as const) {
      Deno.test(`${name}.closeEvent() in a select with ${what} that waits: at a ${end} the close is chosen, once`, () => {
        virtually(function* () {
          for (let round = 0; round < 3; round++) {
            const channel = what === "a send" ? full() : kind.make<number>({ capacity: least });
            const { size } = channel;
            const fiber = yield* waiting(() => make(channel));
            channel[end](boom as never);
            assertEquals(yield* fiber, "closed");
            assertEquals(channel.statistics(), { ...idle, size });
          }
        });
      });
    }
  }

  Deno.test(`${name}.closeEvent() of another channel doesn't keep a send from failing`, () => {
    virtually(function* () {
      const [a, b] = [full(), full()];
      const fiber = yield* waiting(() =>
        select([a.sendEvent(1), b.closeEvent()].map((event) => when(event, () => 0)))
      );
      a.fail(boom);
      assertInstanceOf(yield* errorOf(fiber), ChannelClosedError);
      assertEquals(b.statistics(), { ...idle, size: least });
    });
  });

  Deno.test(`law 6: a select that lost leaves no waiter for the close of a ${name}`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: least });
      const branches = [
        when(channel.closeEvent(), () => 0),
        when(channel.receiveEvent(), (n) => n),
      ];
      for (let n = 1; n <= 3; n++) {
        const fiber = yield* waiting(() => select(branches));
        yield* channel.send(n);
        assertEquals(yield* fiber, n);
      }
      channel.close(); // wakes nobody, or it would commit a second time
      assertEquals(channel.statistics(), idle);
    });
  });

  // Items ----------------------------------------------------------------------------------------

  Deno.test(`${name} tells an item that is undefined from no item`, async () => {
    const channel = kind.make<undefined>({ capacity: large });
    for (let n = 0; n < 7; n++) assertEquals(channel.trySend(undefined), true);
    assertEquals(channel.size, 7);
    virtually(function* () {
      assertEquals(yield* channel.receive(), { value: undefined });
      assertEquals(yield* channel.receiveOrThrow(), undefined);
      assertEquals(channel.tryReceive(), { value: undefined });
      const selected = yield* select({ it: channel.receiveEvent() });
      assertEquals(selected, { kind: "it", value: undefined });
      assertEquals(yield* channel.receiveOptionEvent(), { value: undefined });
    });
    assertEquals(await channel.receive(), { value: undefined });
    channel.close();
    let items = 0;
    for await (const item of channel) {
      assertEquals(item, undefined);
      items++;
    }
    assertEquals(items, 1);
  });

  Deno.test(`${name}.receiveOptionEvent() happens with the item, at once or when it comes`, () => {
    virtually(function* () {
      const channel = kind.make<string | undefined>({ capacity: 1 });
      channel.trySend(undefined);
      assertEquals(yield* channel.receiveOptionEvent(), { value: undefined });
      const receiver = yield* waiting(() => channel.receiveOptionEvent());
      channel.trySend("late");
      assertEquals(yield* receiver, { value: "late" });
      const last = yield* waiting(() => channel.receiveOptionEvent());
      channel.trySend(undefined);
      assertEquals(yield* last, { value: undefined });
      assertEquals(channel.statistics(), idle);
    });
  });

  // Cancelling -----------------------------------------------------------------------------------

  const points = [
    ...receives.map(([name, wait]) => [name, false, wait] as const),
    ...sends.map(([name, send]) =>
      [name, true, (channel: AnyChannel<number>) => send(channel, 7)] as const
    ),
  ];

  for (const [what, sends, wait] of points) {
    for (const capacity of sends ? new Set([least, 1]) : [least]) {
      Deno.test(`law 4: ${what} on a ${name} that is cancelled leaves no waiter and the channel unchanged, capacity ${capacity}`, () => {
        virtually(function* () {
          const channel = sends ? full(capacity) : kind.make<number>({ capacity });
          const before = channel.statistics();
          const fiber = spawn(function* () {
            assertInstanceOf(yield* errorOf(wait(channel)), Abort);
            yield* wait(channel); // and it is sticky
          }, { propagateCancelToParent: false });
          yield* settle();
          assertEquals(fiber.state, "running");
          fiber.abort();
          assertEquals(channel.statistics(), before, "at the abort itself");
          assertInstanceOf(yield* errorOf(fiber), FiberAborted);
          assertEquals(channel.statistics(), before);

          const sender = spawn(() => channel.send(8));
          for (let n = 0; n < before.size; n++) {
            assertEquals(yield* channel.receive(), { value: n });
          }
          assertEquals(yield* channel.receive(), { value: 8 });
          yield* sender;
          assertEquals(channel.statistics(), idle);
        });
      });
    }
  }

  Deno.test(`law 4: an item that comes in the same instant after the abort goes to another receiver of a ${name}`, () => {
    for (const [, wait] of receives) {
      virtually(function* () {
        const channel = kind.make<number>({ capacity: least });
        const aborted = yield* waiting(() => wait(channel));
        const next = yield* waiting(() => channel.receiveOrThrow());
        aborted.abort();
        channel.trySend(7);
        assertInstanceOf(yield* errorOf(aborted), FiberAborted);
        assertEquals(yield* next, 7);
        assertEquals(channel.statistics(), idle);
      });
    }
  });

  Deno.test(`law 4: room that comes in the same instant after the abort goes to another sender to a ${name}`, () => {
    for (const [, send] of sends) {
      virtually(function* () {
        const channel = full(1);
        const aborted = yield* waiting(() => send(channel, 1));
        const next = yield* waiting(() => channel.send(2));
        aborted.abort();
        assertEquals(channel.tryReceive(), { value: 0 });
        yield* next;
        assertInstanceOf(yield* errorOf(aborted), FiberAborted);
        assertEquals(channel.tryReceive(), { value: 2 });
        assertEquals(channel.statistics(), idle);
      });
    }
  });

  Deno.test(`law 4: an aborting fiber can't even send to a ${name} or receive what is there`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: large });
      channel.trySend(1);
      const fiber = spawn(function* () {
        yield* errorOf(sleep(1000));
        for (const [, , wait] of points) {
          assertInstanceOf(yield* errorOf(wait(channel)), Abort);
        }
      });
      yield* settle();
      fiber.abort();
      yield* fiber.join();
      assertEquals(channel.tryReceive(), { value: 1 });
      assertEquals(channel.tryReceive(), undefined);
      assertEquals(channel.statistics(), idle);
    });
  });

  // One-shot -------------------------------------------------------------------------------------

  const operations: [string, (channel: AnyChannel<number>) => Awaitable<unknown>][] = [
    ["send", (channel) => channel.send(9)],
    ["receive", (channel) => channel.receive()],
    ["receiveOrThrow", (channel) => channel.receiveOrThrow()],
    ["select", (channel) => select({ it: channel.receiveEvent() })],
  ];

  for (const [what, make] of operations) {
    Deno.test(`${name}: ${what} is cold and one-shot, in fibers and with await`, async () => {
      const channel = kind.make<number>({ capacity: large });
      for (const n of [1, 2, 3]) channel.trySend(n);
      const { size } = channel;
      const inFiber = make(channel);
      const awaited = make(channel);
      assertEquals(channel.size, size, "making one does nothing");

      virtually(function* () {
        yield* inFiber;
        const sizeAfter = channel.size;
        const error = yield* errorOf(inFiber);
        assertInstanceOf(error, TypeError);
        assertStringIncludes(error.message, "used already");
        assertEquals(channel.size, sizeAfter, "the second use does nothing");
      });
      await assertRejects(async () => void await inFiber, TypeError, "used already");

      await awaited;
      const { size: sizeAfter } = channel;
      await assertRejects(async () => void await awaited, TypeError, "used already");
      virtually(function* () {
        assertInstanceOf(yield* errorOf(awaited), TypeError);
      });
      assertEquals(channel.size, sizeAfter);
      assertEquals(channel.statistics(), { ...idle, size: sizeAfter });
    });

    Deno.test(`${name}: ${what} without the star is a TypeError at the yield, and does nothing`, () => {
      virtually(function* () {
        const channel = kind.make<number>({ capacity: 2 });
        channel.trySend(1);
        try {
          yield make(channel) as never; // the mistake that is tested
        } catch (error) {
          assertInstanceOf(error, TypeError);
          assertStringIncludes(error.message, "yield*");
          assertEquals(channel.statistics(), { ...idle, size: 1 });
          return;
        }
        throw new Error("it was not thrown");
      });
    });
  }

  Deno.test(`${name}'s events may be waited on any number of times, by anybody`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: 2 });
      const receive: Event<number> = channel.receiveEvent();
      assertStrictEquals(channel.receiveEvent(), receive, "it is cached");
      assertStrictEquals(channel.receiveOptionEvent(), channel.receiveOptionEvent());
      const send = channel.sendEvent(5);
      yield* send;
      yield* send;
      assertEquals([yield* receive, yield* receive], [5, 5]);
      const fibers = [yield* waiting(() => receive), yield* waiting(() => receive)];
      yield* send;
      yield* send;
      assertEquals([yield* fibers[0]!, yield* fibers[1]!], [5, 5]);
      assertEquals(channel.statistics(), idle);
    });
  });

  // Select ---------------------------------------------------------------------------------------

  Deno.test(`law 6: select() that sends to a ${name} or receives from another does one of them`, () => {
    virtually(function* () {
      const [a, b] = [full(), kind.make<number>({ capacity: least })];
      const both = yield* waiting(() => select({ sent: a.sendEvent(7), got: b.receiveEvent() }));
      yield* b.send(8);
      assertEquals(yield* both, { kind: "got", value: 8 });
      assertEquals(a.statistics(), { ...idle, size: least });

      const again = yield* waiting(() => select({ sent: a.sendEvent(7), got: b.receiveEvent() }));
      for (let n = 0; n < least; n++) assertEquals(a.tryReceive(), { value: n });
      if (least === 0) assertEquals(a.tryReceive(), { value: 7 });
      assertEquals(yield* again, { kind: "sent", value: undefined });
      assertEquals(a.tryReceive(), least === 0 ? undefined : { value: 7 });
      assertEquals([a.statistics(), b.statistics()], [idle, idle]);
    });
  });

  Deno.test(`law 6: select() with both ends of a ${name} sends to itself only what it has room for`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: 1 });
      const ends = () => select({ got: channel.receiveEvent(), sent: channel.sendEvent(1) });
      assertEquals(yield* ends(), { kind: "sent", value: undefined });
      assertEquals(yield* ends(), { kind: "got", value: 1 });
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`law 6: select() with several arms on one ${name} passes on what it doesn't take`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: large });
      const event = channel.receiveEvent();
      const many = yield* waiting(() =>
        select([
          when(event, (n) => n),
          when(event, (n) => -n),
          when(channel.receiveOptionEvent(), () => 0),
        ])
      );
      const others = [
        yield* waiting(() => channel.receiveOrThrow()),
        yield* waiting(() => select([when(event, (n) => n), when(event, (n) => n)])),
      ];
      for (const n of [1, 2, 3]) channel.trySend(n);
      assertEquals(yield* many, 1);
      assertEquals([yield* others[0]!, yield* others[1]!], [2, 3]);
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`law 6: ${name}.receiveOptionEvent() that loses a select takes nothing and leaves no waiter`, () => {
    virtually(function* () {
      const lost = kind.make<number>({ capacity: 1 });
      const won = kind.make<number>({ capacity: 1 });
      const both = yield* waiting(() =>
        select({ lost: lost.receiveOptionEvent(), won: won.receiveOptionEvent() })
      );
      won.trySend(1);
      if (!kind.servesAtOnce) yield* settle();
      lost.trySend(2);
      assertEquals(yield* both, { kind: "won", value: { value: 1 } });
      assertEquals([lost.statistics(), won.statistics()], [{ ...idle, size: 1 }, idle]);
    });
  });

  Deno.test(`law 6: select() with a timeout on a ${name}, over and over, loses nothing`, () => {
    virtually(function* () {
      const channel = kind.make<number>({ capacity: least });
      spawn(function* () {
        for (let n = 0; n < 50; n++) {
          yield* sleep(n % 7);
          yield* channel.send(n);
        }
        channel.close();
      });
      const received: unknown[] = [];
      let timeouts = 0;
      for (;;) {
        const { kind, value } = yield* select({
          item: channel.receiveOptionEvent(),
          time: afterEvent(3),
        });
        if (kind === "time") timeouts++;
        else if (value === undefined) break;
        else received.push(value.value);
      }
      assertEquals(received, upTo(50));
      assert(timeouts > 0);
      assertEquals(channel.statistics(), idle);
    });
  });

  // The promise world ----------------------------------------------------------------------------

  Deno.test(`${name} in async functions: items pass, for await ends at the close`, async () => {
    const channel = kind.make<number>({ capacity: 2 });
    const sending = (async () => {
      for (let n = 0; n < 20; n++) await channel.send(n);
      channel.close();
    })();
    const items: number[] = [];
    for await (const item of channel) items.push(item);
    await sending;
    assertEquals(items, upTo(20));
    await assertRejects(async () => await channel.send(1), ChannelClosedError);
    await assertRejects(async () => await channel.receiveOrThrow(), ChannelClosedError);
    assertStrictEquals(await channel.receive(), undefined);
    assertEquals(channel.statistics(), idle);
  });

  Deno.test(`${name} rejects what is awaited with ChannelClosedError when it is closed`, async () => {
    const channel = full();
    const sending = channel.send(7).then(() => "sent");
    channel.close();
    const error = await assertRejects(() => sending, ChannelClosedError);
    assertEquals(error.value, 7);
    const drained = kind.make<number>({ capacity: 1 });
    const receiving = drained.receiveOrThrow().then(() => "received");
    const closed = drained.receive();
    const selecting = select({ it: drained.receiveEvent() }).then(() => "selected");
    drained.close();
    await assertRejects(() => receiving, ChannelClosedError);
    await assertRejects(() => selecting, ChannelClosedError);
    assertEquals(await closed, undefined);
    assertEquals([channel.statistics(), drained.statistics()], [{ ...idle, size: least }, idle]);
  });

  Deno.test(`${name} passes a thousand items between fibers and async functions, each once`, async () => {
    const channel = kind.make<number>({ capacity: 3 });
    const received: number[] = [];
    async function consume() {
      for await (const item of channel) received.push(item);
    }
    async function produce(from: number) {
      for (let n = from; n < from + 250; n++) await channel.send(n);
    }
    const consumers = [consume(), consume()];
    await main(function* () {
      function* produceInFiber(from: number) {
        for (let n = from; n < from + 250; n++) yield* channel.send(n);
      }
      const fibers = [0, 250].map((from) => spawn(() => produceInFiber(from)));
      spawn(function* () {
        for (let item = yield* channel.receive(); item; item = yield* channel.receive()) {
          received.push(item.value);
        }
      });
      const producing = Promise.all([produce(500), produce(750)]);
      for (const fiber of fibers) yield* fiber;
      const done = new Channel<void>();
      producing.then(() => done.trySend());
      yield* done.receive();
      channel.close();
    });
    await Promise.all(consumers);
    assertEquals(received.length, 1000);
    assertEquals(received.toSorted((a, b) => a - b), upTo(1000));
    assertEquals(channel.statistics(), idle);
  });

  Deno.test(`${name}: for await receives until it is closed and drained`, async () => {
    const channel = kind.make<number>({ capacity: large });
    for (const n of [1, 2, 3]) channel.trySend(n);
    const items: number[] = [];
    for await (const item of channel) {
      items.push(item);
      if (item === 2) channel.close();
    }
    assertEquals(items, [1, 2, 3]);
    assertEquals(channel.statistics(), idle);
  });

  Deno.test(`${name}: leaving a for await early takes no further item and leaves no waiter`, async () => {
    const channel = kind.make<number>({ capacity: large });
    for (const n of [1, 2, 3]) channel.trySend(n);
    for await (const item of channel) {
      if (item === 2) break;
    }
    assertEquals(channel.statistics(), { ...idle, size: 1 });
    await assertRejects(
      async () => {
        for await (const item of channel) throw new Error(`at ${item}`);
      },
      Error,
      "at 3",
    );
    assertEquals(channel.statistics(), idle);
    assertEquals(channel.trySend(4), true);
    assertEquals(channel.tryReceive(), { value: 4 });
  });

  Deno.test(`T29: the return() of a ${name}'s iterator waits for no pending next(), which takes nothing`, async () => {
    const channel = kind.make<number>({ capacity: 2 });
    const iterator = channel[Symbol.asyncIterator]();
    assertStrictEquals(iterator[Symbol.asyncIterator](), iterator);
    const pending = [iterator.next(), iterator.next()];
    assertEquals(channel.statistics(), { ...idle, receiversWaiting: 2 });
    const over = { done: true, value: undefined } as const;
    assertEquals(await iterator.return?.(), over);
    assertEquals(channel.statistics(), idle);
    channel.trySend(1);
    assertEquals(await Promise.all(pending), [over, over]);
    assertEquals(await iterator.next(), over);
    assertEquals(channel.tryReceive(), { value: 1 });
  });
}

/** Whether it is a method, and of how many arguments, or a property, and who may set it. */
function shapeOf({ value, get, set }: PropertyDescriptor) {
  return typeof value === "function"
    ? { arguments: value.length }
    : { gets: get !== undefined, sets: set !== undefined };
}
