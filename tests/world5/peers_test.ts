/** World 5 with libraries of this world: Weft's waits inside Effection's and Effect's tasks. */
import { assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { run as runEffection } from "npm:effection@4.1.1";
import { Effect, Fiber as EffectFiber } from "npm:effect@4.1.0";
import {
  afterEvent,
  all,
  type Awaitable,
  Channel,
  ChannelClosedError,
  Event,
  fromPromise,
  Inactive,
  main,
  scope,
  select,
  sleep,
  spawn,
  timeoutEvent,
  using,
  yieldNow,
} from "@weft/weft";
import { Barrier, Cell, Lazy } from "@weft/weft/sync";
import { hostTurn } from "../kit/uncaught.ts";
import { Source } from "../kit/source.ts";
import { prepareForAwait as effectTrigger } from "../../examples/foreign/effect.ts";
import { prepareForAwait as effectionTrigger } from "../../examples/foreign/effection.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

/** A generator whose waits are Weft's alone, so that it type-checks under any of the libraries. */
type Body<T> = () => Generator<never, T, unknown>;

/** A running task of a library's. */
interface PeerTask<T> {
  readonly result: Promise<T>;
  /** Cancels it the library's own way, and waits until it is gone. */
  cancel(): Promise<unknown>;
}

interface Peer {
  /** Runs `f` where the library is registered. */
  during<T>(f: () => T): T;
  spawn<T>(body: Body<T>): PeerTask<T>;
  /** Whether it unwinds the generator of a task that it cancels. */
  readonly unwinds: boolean;
}

const peers: Record<string, Peer> = {
  Effection: {
    during: (f) => using({ prepareForAwait: effectionTrigger, whileRunning: f }),
    spawn<T>(body: Body<T>) {
      const task = runEffection(body);
      const result = Promise.resolve(task);
      result.catch(() => {}); // halted
      return { result, cancel: () => Promise.resolve(task.halt()) };
    },
    unwinds: true,
  },
  Effect: {
    during: (f) => using({ prepareForAwait: effectTrigger, whileRunning: f }),
    spawn<T>(body: Body<T>) {
      const fiber = Effect.runFork(Effect.gen(body));
      const result = Effect.runPromise(EffectFiber.join(fiber));
      result.catch(() => {}); // interrupted
      return { result, cancel: () => Effect.runPromise(EffectFiber.interrupt(fiber)) };
    },
    unwinds: false,
  },
};

function* caught(operation: Awaitable<unknown>): Generator<never, unknown, unknown> {
  try {
    yield* operation;
  } catch (error) {
    return error;
  }
  return undefined;
}

function* force<T>(lazy: Lazy<T>): Generator<never, T, unknown> {
  return yield* lazy.force();
}

/** Lets tasks and fibers run until they wait: turns of both kinds in which the host lets them. */
async function settle(): Promise<void> {
  const { setImmediate } = globalThis as unknown as { setImmediate(f: () => void): void };
  for (let turn = 0; turn < 5; turn++) {
    await hostTurn();
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

for (const [name, peer] of Object.entries(peers)) {
  Deno.test(`${name}: a task that makes a Lazy value and is cancelled leaves it to the next, of whatever kind`, async () => {
    for (
      const [n, ask] of [
        (lazy: Lazy<number>) => peer.spawn(() => force(lazy)).result,
        (lazy: Lazy<number>) => main(() => lazy.force()),
        (lazy: Lazy<number>) => lazy.force(),
      ].entries()
    ) {
      await peer.during(async () => {
        let runs = 0;
        let cleaned = 0;
        const lazy = new Lazy(function* () {
          if (++runs > 1) return runs;
          try {
            return yield* new Channel<number>().receiveOrThrow();
          } finally {
            cleaned++;
          }
        });
        const task = peer.spawn(() => force(lazy));
        await settle();
        assertEquals(runs, 1);
        const next = Promise.resolve(ask(lazy));
        await settle();
        assertEquals([n, lazy.statistics().waiting], [n, 1]);
        await task.cancel();
        assertEquals([await next, cleaned], [2, 1]);
        assertEquals(await peer.spawn(() => force(lazy)).result, 2);
      });
    }
  });

  Deno.test(`${name}: tasks meet our fibers at a Barrier, and are told of a Cell; cancelled, they are gone`, async () => {
    await peer.during(async () => {
      const barrier = new Barrier(3);
      const cell = new Cell(0);
      const seen = new Set<number>();
      const meet = function* () {
        seen.add(yield* barrier.wait());
        seen.add(100 + (yield* cell.waitUntil((value) => value > 0)));
      };
      const gone = peer.spawn(meet);
      await settle();
      assertEquals(barrier.statistics().waiting, 1);
      await gone.cancel();
      assertEquals(barrier.statistics().waiting, 0);
      const tasks = [peer.spawn(meet), peer.spawn(meet)];
      await main(() => barrier.wait());
      await settle();
      assertEquals(cell.statistics(), { waiting: 2 });
      await tasks[0]!.cancel();
      assertEquals(cell.statistics(), { waiting: 1 });
      cell.value = 5;
      await tasks[1]!.result;
      assertEquals([...seen].toSorted(), [0, 1, 105]);
      assertEquals([barrier.statistics().waiting, cell.statistics().waiting], [0, 0]);
    });
  });
}

for (const [name, peer] of Object.entries(peers)) {
  Deno.test(`${name}: tasks pass items through channels, and see them close`, async () => {
    for (const capacity of [0, 1, 3]) {
      await peer.during(async () => {
        const channel = new Channel<number>({ capacity });
        const receiver = peer.spawn(function* () {
          const items: number[] = [];
          for (let item = yield* channel.receive(); item; item = yield* channel.receive()) {
            items.push(item.value);
          }
          return items;
        });
        const sender = peer.spawn(function* () {
          for (let n = 0; n < 10; n++) yield* channel.send(n);
          channel.close();
          return yield* caught(channel.send(10));
        });
        assertEquals(await receiver.result, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assertInstanceOf(await sender.result, ChannelClosedError);
        assertEquals(channel.statistics(), idle);
      });
    }
  });

  Deno.test(`${name}: tasks, fibers and async functions pass items to each other, in order`, async () => {
    for (const capacity of [0, 1]) {
      await peer.during(async () => {
        const [toTask, toFiber, toAsync] = [0, 0, 0].map(() => new Channel<number>({ capacity }));
        const task = peer.spawn(function* () {
          for (let item = yield* toTask!.receive(); item; item = yield* toTask!.receive()) {
            yield* select({ sent: toFiber!.sendEvent(item.value + 1) });
          }
          toFiber!.close();
        });
        const fibers = main(function* () {
          function* relay() {
            for (let item = yield* toFiber!.receive(); item; item = yield* toFiber!.receive()) {
              yield* toAsync!.send(item.value * 2);
            }
            toAsync!.close();
          }
          const relaying = spawn(relay);
          for (let n = 0; n < 10; n++) yield* toTask!.send(n);
          toTask!.close();
          yield* relaying;
        });
        const received: number[] = [];
        for await (const item of toAsync!) received.push(item);
        await fibers;
        await task.result;
        assertEquals(received, Array.from({ length: 10 }, (_, n) => 2 * (n + 1)));
        for (const channel of [toTask!, toFiber!, toAsync!]) {
          assertEquals(channel.statistics(), idle);
        }
      });
    }
  });

  Deno.test(`${name}: a sender keeps the order of its items, though it be resumed within release`, async () => {
    await peer.during(async () => {
      const channel = new Channel<number>({ capacity: 2 });
      const sender = peer.spawn(function* () {
        for (let n = 0; n < 10; n++) yield* channel.send(n);
      });
      await settle();
      const received: number[] = [];
      for (let n = 0; n < 10; n++) received.push(await channel.receiveOrThrow());
      await sender.result;
      assertEquals(received, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    });
  });

  Deno.test(`${name}: a task waits for whatever there is`, async () => {
    await peer.during(async () => {
      const channel = new Channel<string>();
      const source = new Source<string>();
      const { promise, resolve } = Promise.withResolvers<string>();
      const joined = main(() => channel.receiveOrThrow());
      const task = peer.spawn(function* () {
        const log: unknown[] = [];
        log.push(yield* select({ item: channel.receiveEvent(), source: source.event }));
        log.push(yield* fromPromise(promise));
        log.push(yield* Event.choose(Event.never(), channel.receiveEvent()).map((text) => [text]));
        log.push(yield* fromPromise(joined));
        yield* sleep(0);
        yield* yieldNow();
        yield* afterEvent(0);
        return log;
      });
      await settle();
      source.happen("a");
      await settle();
      resolve("b");
      await settle();
      channel.trySend("c"); // the fiber came first
      channel.trySend("d");
      assertEquals(await task.result, [{ kind: "source", value: "a" }, "b", ["d"], "c"]);
      assertEquals([channel.statistics(), source.waiters], [idle, 0]);
    });
  });

  const waits: Record<string, (channel: Channel<number>) => Awaitable<unknown>> = {
    receive: (channel) => channel.receive(),
    receiveEvent: (channel) => channel.receiveEvent(),
    "select with timers": (channel) =>
      select({ a: channel.receiveEvent(), b: afterEvent(60_000), c: timeoutEvent(60_000) }),
    sleep: () => sleep(60_000),
    send: (channel) => channel.send(1),
  };
  for (const [operation, wait] of Object.entries(waits)) {
    Deno.test(`${name}: a ${operation} that is cancelled leaves no waiter, no timer, and takes no item`, async () => {
      await peer.during(async () => {
        const channel = new Channel<number>({ capacity: 0 });
        const log: string[] = [];
        const task = peer.spawn(function* () {
          try {
            yield* wait(channel);
            log.push("returned");
          } catch {
            log.push("catch");
          } finally {
            log.push("finally");
          }
        });
        await settle();
        const { sendersWaiting, receiversWaiting } = channel.statistics();
        assertEquals(sendersWaiting + receiversWaiting, operation === "sleep" ? 0 : 1);
        await task.cancel();
        assertEquals(channel.statistics(), idle);
        assertEquals(log, peer.unwinds ? ["finally"] : []);

        const sending = channel.send(7).then(() => "sent");
        assertEquals(await channel.receive(), { value: 7 });
        assertEquals(await sending, "sent");
        assertEquals(channel.statistics(), idle);
      });
    });
  }

  Deno.test(`${name}: of two receivers the one that is left gets the item`, async () => {
    await peer.during(async () => {
      const channel = new Channel<number>({ capacity: 0 });
      const [first, second] = [0, 0].map(() => peer.spawn(() => receiveIn(channel)));
      await settle();
      assertEquals(channel.statistics().receiversWaiting, 2);
      const cancelling = first!.cancel();
      channel.trySend(7);
      await cancelling;
      channel.close();
      const settled = await Promise.allSettled([first!.result, second!.result]);
      const values = settled.map((outcome) => outcome.status === "fulfilled" && outcome.value);
      // To the first only if the library takes its time to cancel it.
      assertEquals(values.filter((value) => value === 7).length, 1);
      assertEquals(channel.statistics(), idle);
    });
  });

  Deno.test(`${name}: clean-up in a finally of a cancelled task may wait as well`, async () => {
    if (!peer.unwinds) return; // Effect drops what it cancels: no finally runs
    await peer.during(async () => {
      const [channel, cleanUp] = [new Channel<number>(), new Channel<string>()];
      const log: string[] = [];
      const task = peer.spawn(function* () {
        try {
          yield* channel.receive();
        } finally {
          log.push(yield* cleanUp.receiveOrThrow());
        }
      });
      await settle();
      const cancelling = task.cancel();
      await settle();
      assertEquals([channel.statistics(), log], [idle, []]);
      cleanUp.trySend("clean");
      await cancelling;
      assertEquals([cleanUp.statistics(), log], [idle, ["clean"]]);
    });
  });

  Deno.test(`${name}: what structures is refused, and says whose business it is`, async () => {
    await peer.during(async () => {
      const task = peer.spawn(function* () {
        return [
          yield* caught(scope(() => yieldNow())),
          yield* caught(all([() => yieldNow()])),
        ];
      });
      for (const error of await task.result) {
        assertInstanceOf(error, Inactive);
        assertStringIncludes(error.message, "under another library's scheduler");
      }
    });
  });
}

function* receiveIn(channel: Channel<number>): Generator<never, number, unknown> {
  return yield* channel.receiveOrThrow();
}
