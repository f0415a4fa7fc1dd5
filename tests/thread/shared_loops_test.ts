/** Who waits on a shared channel in one thread, but on several loops. */
import { assertEquals } from "@std/assert";
import { type Operation, run, select, spawn, when, yieldNow } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { SharedChannel } from "@weft/weft/thread";
import { ownRegistry } from "../../lib/thread/memory/registry.ts";
import { RECEIVERS, SharedQueue } from "../../lib/thread/memory/shared_queue.ts";
import { valueOf } from "../kit/results.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

/** What a loop does while nothing else happens takes far fewer turns. */
const TURNS = 10_000;

/** Waits for `operation` without ever sleeping: what it has brought, or that it hasn't come. */
function* withinTurns<T>(operation: () => Operation<T>): Operation<T | "never"> {
  let outcome: T | "never" = "never";
  const fiber = spawn(function* () {
    outcome = yield* operation();
  });
  for (let turn = 0; turn < TURNS && fiber.state === "running"; turn++) yield* yieldNow();
  fiber.abort();
  return outcome;
}

const receives: Record<string, (channel: SharedChannel<number>) => Operation<unknown>> = {
  "receive()": (channel) => channel.receive(),
  "receiveEvent()": (channel) => channel.receiveEvent().map((value) => ({ value })),
  "a select": (channel) =>
    select([
      when(channel.receiveEvent(), (value) => ({ value })),
      when(channel.receiveEvent(), () => 0),
    ]),
};

for (const [what, receive] of Object.entries(receives)) {
  for (const comesFirst of [false, true]) {
    const when = comesFirst ? "was there before" : "comes";
    Deno.test(`SharedChannel.${what} that blocks the thread gets the item that ${when}, though an async function waits before it`, async () => {
      const channel = new SharedChannel<number>({ capacity: 2 });
      const async = [channel.receive(), channel.receive()].map((receive) => receive.then((n) => n));
      if (comesFirst) channel.trySend(1);
      const received = valueOf(run(function* () {
        if (!comesFirst) {
          spawn(function* () {
            yield* yieldNow();
            channel.trySend(1);
          });
        }
        return yield* withinTurns(() => receive(channel));
      }, { loop: blockingLoop() }));
      assertEquals(received, { value: 1 });
      channel.trySend(2);
      channel.trySend(3);
      assertEquals(await Promise.all(async), [{ value: 2 }, { value: 3 }]);
      assertEquals(channel.statistics(), idle);
    });
  }
}

Deno.test("SharedChannel.send() that blocks the thread gets the room that comes, though an async function waits before it", async () => {
  const channel = new SharedChannel<number>({ capacity: 1 });
  channel.trySend(0);
  const before = channel.send(1).then(() => {});
  const sent = valueOf(run(function* () {
    spawn(function* () {
      yield* yieldNow();
      channel.tryReceive();
    });
    return yield* withinTurns(function* () {
      yield* channel.send(2);
      return "sent";
    });
  }, { loop: blockingLoop() }));
  assertEquals([sent, channel.tryReceive()], ["sent", { value: 2 }]);
  await before;
  assertEquals([channel.tryReceive(), channel.statistics()], [{ value: 1 }, idle]);
});

Deno.test("SharedChannel.receive() in a run() within a run() gets the item that comes, and the outer one the next", () => {
  const channel = new SharedChannel<number>({ capacity: 2 });
  const received = run(function* () {
    const outer = spawn(() => channel.receiveOrThrow());
    yield* yieldNow();
    const inner = valueOf(run(function* () {
      spawn(function* () {
        yield* yieldNow();
        channel.trySend(1);
      });
      return yield* withinTurns(() => channel.receiveOrThrow());
    }, { loop: blockingLoop() }));
    channel.trySend(2);
    return [inner, yield* outer];
  }, { loop: blockingLoop() });
  assertEquals(valueOf(received), [1, 2]);
  assertEquals(channel.statistics(), idle);
});

Deno.test("SharedChannel rings for another thread if nobody in this one can go on, since it is blocked", async () => {
  const channel = new SharedChannel<number>({ capacity: 1 });
  const here = channel.receive().then((item) => item);
  const registry = ownRegistry();
  const { place } = registry.enter();
  try {
    const there = new SharedQueue(channel.handle.buffer, channel.handle.registry);
    Object.assign(there, { place });
    there.sleepers[RECEIVERS].enter();
    const rings = () => registry.words[4 + place * 2];
    const before = rings();
    const isRung = () => rings() !== before;
    const rung = run(function* () {
      channel.trySend(1); // rings for this thread, which came first
      for (let turn = 0; turn < TURNS && !isRung(); turn++) yield* yieldNow();
      return isRung();
    }, { loop: blockingLoop() });
    assertEquals(valueOf(rung), true);
  } finally {
    registry.leave(place);
  }
  assertEquals([await here, channel.statistics()], [{ value: 1 }, idle]);
});
