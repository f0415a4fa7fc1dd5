/**
 * Events and operations under a scheduler that knows nothing of Weft, each rule of such a wait
 * once. What every primitive does under schedulers of every kind: `tests/world5`.
 */
import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { afterEvent, Channel, Event, main, select, when } from "@weft/weft";
import { Source } from "../kit/source.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { CANCEL_STYLES, ToyCancelled, ToyScheduler } from "../world5/toy_scheduler.ts";

Deno.test("law 8: a foreign task waits for an event on a trigger of its scheduler's, and gets the value", () => {
  const toy = new ToyScheduler();
  const source = new Source<number>();
  const task = toy.spawn(() => source.event);
  toy.run();
  assertEquals([task.state, source.waiters, toy.awaits], ["suspended", 1, 1]);
  source.happen(7);
  assertEquals(task.state, "ready");
  toy.run();
  assertEquals([task.state, task.value, source.waiters], ["returned", 7, 0]);
});

Deno.test("law 8: a foreign task that needn't wait awaits no trigger", () => {
  const toy = new ToyScheduler();
  assertEquals(toy.runTask(() => Event.always(7)), 7);
  assertEquals(toy.runTask(() => select({ it: Event.always(7) })), { kind: "it", value: 7 });
  assertEquals(toy.awaits, 0);
});

Deno.test("law 8: a foreign task that is woken too early waits on", () => {
  const toy = new ToyScheduler({ earlyWakeups: 3 });
  const source = new Source<number>();
  const task = toy.spawn(() => source.event);
  toy.run();
  assertEquals([task.state, source.waiters, toy.awaits], ["suspended", 1, 4]);
  source.happen(7);
  toy.run();
  assertEquals([task.value, source.waiters], [7, 0]);
});

for (const style of CANCEL_STYLES) {
  Deno.test(`law 4: a foreign task, cancelled by ${style}, leaves no waiter of its event, and its nack happens`, () => {
    const toy = new ToyScheduler();
    const [source, other] = [new Source<number>(), new Source<number>()];
    let nack: Event<void> = Event.never();
    const task = toy.spawn(() =>
      select([
        when(source.event, (n) => n),
        when(Event.withNack((own) => (nack = own, other.event)), (n) => n),
      ])
    );
    toy.run();
    assertEquals([source.waiters, other.waiters], [1, 1]);
    toy.cancel(task, style);
    assertEquals([task.state, source.waiters, other.waiters], ["cancelled", 0, 0]);
    toy.runTask(() => nack); // or it would be suspended
  });

  // What happens by a commit can't be refused, unless onCancel said first that nobody waits.
  const keeps = style === "throw";
  Deno.test(
    `law 4: an item that a foreign task was given, cancelled by ${style}, is ${
      keeps ? "its" : "given back"
    }`,
    () => {
      const toy = new ToyScheduler();
      const channel = new Channel<number>();
      const task = toy.spawn(() => channel.receiveEvent());
      toy.run();
      channel.trySend(7);
      toy.cancel(task, style);
      assertEquals(task.state, keeps ? "returned" : "cancelled");
      assertEquals(task.value, keeps ? 7 : undefined);
      if (style === "onCancel, then throw") assertInstanceOf(task.error, ToyCancelled);
      assertEquals(channel.tryReceive(), keeps ? undefined : { value: 7 });
    },
  );

  Deno.test(`law 4: a foreign task that was woken, cancelled by ${style}, takes nothing from its source`, () => {
    const toy = new ToyScheduler();
    const source = new Source<number>();
    const task = toy.spawn(() => source.event);
    toy.run();
    source.happen(7);
    toy.cancel(task, style);
    assertEquals([task.state, source.waiters, source.size], ["cancelled", 0, 1]);
  });
}

Deno.test("law 13: a foreign scheduler that goes on after its onCancel is told so", () => {
  const toy = new ToyScheduler();
  const source = new Source<number>();
  const task = toy.spawn(() => source.event);
  toy.run();
  source.happen(7);
  task.onCancel?.();
  toy.run();
  assertEquals([task.state, source.waiters], ["failed", 0]);
  assertStringIncludes((task.error as Error).message, "Cannot go on after the wait for");
  assertStringIncludes((task.error as Error).message, "onCancel");
});

Deno.test("law 4: an operation that a foreign task throws into before it has begun does nothing", () => {
  const toy = new ToyScheduler();
  const source = new Source<number>();
  const boom = new Error("boom");
  const operation = select({ it: source.event });
  toy.during(() => {
    const wait = operation[Symbol.iterator]();
    const thrown = assertThrows(() => wait.throw?.(boom));
    assertEquals(thrown, boom);
    assertThrows(() => operation[Symbol.iterator]().next(), TypeError, "used already");
  });
  assertEquals([source.waiters, toy.awaits], [0, 0]);
});

Deno.test("law 8: a timer in a foreign task is the host's, and is gone when another branch was chosen", async () => {
  const toy = new ToyScheduler();
  const source = new Source<string>();
  const task = toy.spawn(() => select({ it: source.event, time: afterEvent(60_000) }));
  toy.run();
  source.happen("chosen");
  toy.run();
  assertEquals(task.value, { kind: "it", value: "chosen" }); // a timer that is left is a leak
  await hostTurn();
});

Deno.test("law 8: an event wakes a fiber and a foreign task alike, in the order in which they wait", async () => {
  const toy = new ToyScheduler();
  const source = new Source<number>();
  const task = toy.spawn(() => source.event);
  toy.run();
  const fiber = main(function* () {
    return yield* source.event;
  });
  await hostTurn();
  assertEquals(source.waiters, 2);
  source.happen(1);
  source.happen(2);
  toy.run();
  assertEquals([task.value, await fiber], [1, 2]);
});
