import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import {
  Channel,
  ChannelClosedError,
  type Deadlock,
  run,
  select,
  spawn,
  yieldNow,
} from "@weft/weft";
import { ToyScheduler } from "../world5/toy_scheduler.ts";
import { errorOf, virtually, waiting } from "../kit/virtually.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

Deno.test("Channel.receiveOptionEvent() happens with the item, at once or when it comes", () => {
  const channel = new Channel<string | undefined>();
  virtually(function* () {
    channel.trySend(undefined);
    assertEquals(yield* channel.receiveOptionEvent(), { value: undefined });
    const waiting = spawn(() => channel.receiveOptionEvent());
    yield* yieldNow();
    channel.trySend("late");
    assertEquals(yield* waiting, { value: "late" });
  });
  assertEquals(channel.statistics(), idle);
});

Deno.test("Channel.receiveOptionEvent() happens with undefined once closed and drained", () => {
  const channel = new Channel<number>();
  virtually(function* () {
    const waiting = spawn(() => select({ item: channel.receiveOptionEvent() }));
    yield* yieldNow();
    channel.close();
    assertEquals(yield* waiting, { kind: "item", value: undefined });
    assertEquals(yield* channel.receiveOptionEvent(), undefined);
  });
  assertEquals(channel.statistics(), idle);
});

Deno.test("Channel.receiveOptionEvent() drains before it tells of the close", () => {
  const channel = new Channel<number>();
  channel.trySend(1);
  channel.close();
  virtually(function* () {
    assertEquals(yield* channel.receiveOptionEvent(), { value: 1 });
    assertEquals(yield* channel.receiveOptionEvent(), undefined);
  });
});

Deno.test("Channel.receiveOptionEvent() that loses a select takes nothing and leaves no waiter", () => {
  const [lost, won] = [new Channel<number>(), new Channel<number>()];
  virtually(function* () {
    const waiting = spawn(() =>
      select({ lost: lost.receiveOptionEvent(), won: won.receiveOptionEvent() })
    );
    yield* yieldNow();
    won.trySend(1);
    lost.trySend(2);
    assertEquals(yield* waiting, { kind: "won", value: { value: 1 } });
  });
  assertEquals(lost.statistics(), { ...idle, size: 1 });
});

Deno.test("law 4: what a dropped foreign wait on receiveOptionEvent was granted is given back", () => {
  const channel = new Channel<number>();
  const toy = new ToyScheduler();
  const task = toy.spawn(() => channel.receiveOptionEvent());
  toy.run();
  channel.trySend(7);
  toy.cancel(task, "drop");
  toy.run();
  assertEquals(channel.tryReceive(), { value: 7 });
  const told = toy.spawn(() => channel.receiveOptionEvent());
  toy.run();
  channel.close();
  toy.cancel(told, "drop");
  toy.run();
  assertEquals(channel.statistics(), idle);
});

Deno.test("new Channel({ name }) is told by a Deadlock", () => {
  const jobs = new Channel<number>({ name: "jobs", capacity: 0 });
  const result = run(() => select({ job: jobs.receiveEvent() }));
  assertEquals(
    !result.ok && (result.error as Deadlock).fibers[0]?.waitsOn,
    'a receive from channel "jobs"',
  );
  assertThrows(() => new Channel({ name: 1 as never }), TypeError, "name must be a string");
});

Deno.test("law 13: ChannelClosedError names the channel that has a name, whichever way it comes", () => {
  for (const named of [{ name: "jobs" }, {}]) {
    const which = "name" in named ? `channel "${named.name}"` : "the channel";
    virtually(function* () {
      const channel = new Channel<number>({ capacity: 1, ...named });
      channel.trySend(0);
      const sending = [yield* waiting(channel.send(1)), yield* waiting(channel.sendEvent(2))];
      channel.close();
      const unsent = [channel.send(3), channel.sendEvent(4), select({ to: channel.sendEvent(5) })];
      for (const operation of [...sending, ...unsent]) {
        const { message } = (yield* errorOf(operation)) as Error;
        assertEquals(message, `Cannot send to ${which}: it is closed`);
      }
      const trying = assertThrows(() => channel.trySend(6), ChannelClosedError);
      assertEquals(trying.message, `Cannot send to ${which}: it is closed`);

      channel.tryReceive();
      const empty = new Channel<number>(named);
      const receiving = yield* waiting(empty.receiveOrThrow());
      empty.close();
      for (const operation of [receiving, channel.receiveOrThrow(), channel.receiveEvent()]) {
        const { message } = (yield* errorOf(operation)) as Error;
        assertEquals(message, `Cannot receive from ${which}: it is closed and drained`);
      }
    });
  }
});

Deno.test("Fiber.dump() shows the fibers and scopes inside, with what they wait on", () => {
  const never = new Channel<never>({ name: "never" });
  virtually(function* () {
    const fiber = spawn(() => select({ never: never.receiveEvent() }), { name: "inner" });
    yield* yieldNow();
    assertStringIncludes(fiber.dump(), `inner (#${fiber.id}): a receive from channel "never"`);
    fiber.abort();
  });
});
