import { assertEquals } from "@std/assert";
import { Channel, spawn, yieldNow } from "@weft/weft";
import { virtually } from "../kit/virtually.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };
const MANY = 50_000;

Deno.test("T21: Channel has no hidden limit, neither on what it holds nor on who waits", () => {
  const unbounded = new Channel<number>();
  const rendezvous = new Channel<number>({ capacity: 0 });
  virtually(function* () {
    for (let i = 0; i < MANY; i++) yield* unbounded.send(i);
    assertEquals(unbounded.size, MANY);
    for (let i = 0; i < MANY; i++) assertEquals(unbounded.tryReceive(), { value: i });

    for (let i = 0; i < MANY; i++) spawn(() => rendezvous.send(i));
    yield* yieldNow();
    assertEquals(rendezvous.statistics().sendersWaiting, MANY);
    for (let i = 0; i < MANY; i++) assertEquals(rendezvous.tryReceive(), { value: i });
  });
  assertEquals([unbounded.statistics(), rendezvous.statistics()], [idle, idle]);
});

Deno.test("T16: a sender that is cancelled while it waits keeps no place in the channel", () => {
  const channel = new Channel<string>({ capacity: 1 });
  virtually(function* () {
    yield* channel.send("first");
    const cancelled = spawn(() => channel.send("cancelled"));
    const patient = spawn(() => channel.send("patient"));
    yield* yieldNow();
    yield* cancelled.abort();
    assertEquals(channel.statistics(), { ...idle, size: 1, sendersWaiting: 1 });
    assertEquals(channel.tryReceive(), { value: "first" });
    yield* patient;
    assertEquals(channel.tryReceive(), { value: "patient" });
    assertEquals(channel.trySend("again"), true, "the place is free again");
    assertEquals(channel.tryReceive(), { value: "again" });
  });
  assertEquals(channel.statistics(), idle);
});
