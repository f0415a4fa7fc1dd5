import {
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Channel, ChannelClosedError, select, when } from "@weft/weft";
import { errorOf, virtually, waiting } from "../kit/virtually.ts";

const boom = new Error("the source broke off");

Deno.test("Channel.fail(): what is held can still be received, then every receive throws the error", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    channel.trySend(1);
    channel.fail(boom);
    assertEquals(yield* channel.receive(), { value: 1 });
    assertStrictEquals(yield* errorOf(channel.receive()), boom);
    assertStrictEquals(yield* errorOf(channel.receiveOrThrow()), boom);
    assertStrictEquals(yield* errorOf(channel.receiveEvent()), boom);
    assertStrictEquals(yield* errorOf(channel.receiveOptionEvent()), boom);
    assertThrows(() => channel.tryReceive(), Error, boom.message);
  });
});

Deno.test("Channel.fail() wakes whoever waits: receivers with the error, senders with it as the cause", () => {
  virtually(function* () {
    const empty = new Channel<number>();
    const receivers = [
      yield* waiting(empty.receive()),
      yield* waiting(empty.receiveOrThrow()),
      yield* waiting(empty.receiveOptionEvent()),
    ];
    empty.fail(boom);
    for (const fiber of receivers) assertStrictEquals(yield* errorOf(fiber), boom);

    const full = new Channel<number>({ capacity: 0 });
    const senders = [yield* waiting(full.send(1)), yield* waiting(full.sendEvent(1))];
    full.fail(boom);
    for (
      const error of [
        yield* errorOf(senders[0]!),
        yield* errorOf(senders[1]!),
        yield* errorOf(full.send(1)),
      ]
    ) {
      assertInstanceOf(error, ChannelClosedError);
      assertEquals(error.value, 1);
      assertStrictEquals(error.cause, boom);
    }
    assertEquals(full.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
  });
});

Deno.test("Channel.fail() after a close changes nothing, nor a close after it", () => {
  virtually(function* () {
    const closed = new Channel<number>();
    closed.close();
    closed.fail(boom);
    assertEquals(yield* closed.receive(), undefined);
    const failed = new Channel<number>();
    failed.fail(boom);
    failed.close();
    assertStrictEquals(yield* errorOf(failed.receive()), boom);
  });
});

Deno.test("for await over a channel that failed gets what it held, then throws the error", async () => {
  const channel = new Channel<number>();
  channel.trySend(1);
  const seen: number[] = [];
  const reading = (async () => {
    for await (const item of channel) seen.push(item);
  })();
  await Promise.resolve();
  channel.fail(boom);
  await assertRejects(() => reading, Error, boom.message);
  assertEquals(seen, [1]);
});

Deno.test("Channel.closeEvent() happens at the close, though items are held, and from then on", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    channel.trySend(1);
    const waiter = yield* waiting(channel.closeEvent());
    assertEquals(waiter.state, "running");
    channel.close();
    yield* waiter;
    yield* channel.closeEvent();
    assertEquals(channel.size, 1);
  });
});

Deno.test("Channel.closeEvent() in a select with a send that waits: the close is chosen, once", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const fiber = yield* waiting(select([
      when(channel.sendEvent(1), () => "sent"),
      when(channel.closeEvent(), () => "closed"),
      when(channel.closeEvent(), () => "closed, too"),
    ]));
    channel.close();
    assertEquals(yield* fiber, "closed");
  });
});

Deno.test("law 6: a select that lost to something else leaves no waiter for the close", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const branches = [when(channel.closeEvent(), () => 0), when(channel.receiveEvent(), (n) => n)];
    for (let n = 1; n <= 3; n++) {
      const fiber = yield* waiting(select(branches));
      yield* channel.send(n);
      assertEquals(yield* fiber, n);
    }
    channel.close(); // wakes nobody, or it would commit a second time
  });
});
