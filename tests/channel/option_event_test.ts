import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Channel, type Deadlock, run, select, spawn, yieldNow } from "@weft/weft";
import { ToyScheduler } from "../world5/toy_scheduler.ts";
import { virtually } from "../kit/virtually.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };

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

Deno.test("Fiber.dump() shows the fibers and scopes inside, with what they wait on", () => {
  const never = new Channel<never>({ name: "never" });
  virtually(function* () {
    const fiber = spawn(() => select({ never: never.receiveEvent() }), { name: "inner" });
    yield* yieldNow();
    assertStringIncludes(fiber.dump(), `inner (#${fiber.id}): a receive from channel "never"`);
    fiber.abort();
  });
});
