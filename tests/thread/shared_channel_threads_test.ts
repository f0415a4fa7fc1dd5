/** Shared channels between threads that run. Nothing here depends on how fast they are. */
import { assert, assertEquals, assertNotEquals, assertStrictEquals } from "@std/assert";
import { afterEvent, Channel, main, run, select, spawn, yieldNow } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { SharedChannel, type SharedChannelHandle } from "@weft/weft/thread";
import { startThread, type TestThread, until } from "../kit/workers.ts";
import { valueOf } from "../kit/results.ts";
import { type Input, relay, type TaskName, type World, WORLDS } from "./workers/shared.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };
const module = new URL("./workers/shared.ts", import.meta.url);

function start<T>(task: TaskName, input: Partial<Input>): TestThread<T> {
  return startThread<T>(module, task, input);
}

function channels(count: number, capacity = 4): SharedChannel<unknown>[] {
  return Array.from({ length: count }, () => new SharedChannel<unknown>({ capacity }));
}

async function receiveAll(channel: SharedChannel<unknown>, count: number): Promise<unknown[]> {
  const items: unknown[] = [];
  while (items.length < count) items.push(await channel.receiveOrThrow());
  return items;
}

const samples: unknown[] = Array.from({ length: 120 }, (_, n) =>
  [
    n,
    `text ${n}`,
    { n, text: "Straße", list: [n, null, true] },
    new Uint8Array([n, n + 1]),
    new Map([[n, undefined]]),
  ][n % 5]);

for (const world of WORLDS) {
  Deno.test(`SharedChannel between a fiber of main and ${world} of another thread`, async () => {
    const [there, back] = channels(2, 3);
    using thread = start<number>("relay", { world, from: there!.handle, to: back!.handle });
    const received = await main(function* () {
      spawn(function* () {
        for (const item of samples) yield* there!.send(item);
        there!.close();
      });
      const items: unknown[] = [];
      while (items.length < samples.length) items.push(yield* back!.receiveOrThrow());
      return items;
    });
    assertEquals(received, samples);
    assertEquals(await thread.result, samples.length);
    assertEquals([there!.statistics(), back!.statistics()], [idle, idle]);
  });
}

Deno.test("SharedChannel between a blocking run of main and one of another thread", async () => {
  const [there, back] = channels(2, 3);
  using thread = start("relay", {
    world: "a blocking run",
    from: there!.handle,
    to: back!.handle,
  });
  const result = run(function* () {
    spawn(function* () {
      for (const item of samples) yield* there!.send(item);
      there!.close();
    });
    const items: unknown[] = [];
    while (items.length < samples.length) items.push(yield* back!.receiveOrThrow());
    return items;
  }, { loop: blockingLoop() });
  assertEquals(valueOf(result), samples);
  assertEquals(await thread.result, samples.length);
  assertEquals([there!.statistics(), back!.statistics()], [idle, idle]);
});

const pairs: [World, World][] = [
  ["a blocking run", "a blocking run"],
  ["a fiber", "a blocking run"],
  ["a scheduler of one's own", "an async function"],
];

for (const [first, second] of pairs) {
  Deno.test(`SharedChannel from ${first} of one thread to ${second} of the next`, async () => {
    const [a, b, c] = channels(3, 2);
    using one = start<number>("relay", { world: first, from: a!.handle, to: b!.handle });
    using two = start<number>("relay", { world: second, from: b!.handle, to: c!.handle });
    const received = receiveAll(c!, samples.length);
    for (const item of samples) await a!.send(item);
    assertEquals(await received, samples);
    a!.close();
    assertEquals(await one.result, samples.length);
    b!.close();
    assertEquals(await two.result, samples.length);
    for (const channel of [a, b, c]) assertEquals(channel!.statistics(), idle);
  });
}

Deno.test("SharedChannel.close() tells senders and receivers in several threads", async () => {
  const empty = new SharedChannel<unknown>({ capacity: 1 });
  const full = new SharedChannel<unknown>({ capacity: 1 });
  full.trySend(0);
  const worlds: World[] = ["a fiber", "a blocking run"];
  using receivers = new DisposableStack();
  const results = worlds.flatMap((world) => [
    receivers.use(start("receive", { world, from: empty.handle })).result,
    receivers.use(start("sendAndTell", { world, to: full.handle, items: [{ n: 1 }] })).result,
  ]);
  await until(() => empty.statistics().receiversWaiting === 2, "the receivers");
  await until(() => full.statistics().sendersWaiting === 2, "the senders");
  const here = empty.receive().then((item) => item);
  empty.close();
  full.close();
  const refused = { name: "ChannelClosedError", value: { n: 1 } };
  assertEquals(await Promise.all(results), [undefined, refused, undefined, refused]);
  assertStrictEquals(await here, undefined);
  assertEquals([empty.statistics(), full.statistics()], [idle, { ...idle, size: 1 }]);
});

for (const world of ["a fiber", "a blocking run"] as const) {
  Deno.test(`law 4: a wait that is aborted here leaves the item to ${world} of another thread`, async () => {
    const channel = new SharedChannel<unknown>({ capacity: 1 });
    using thread = start("receive", { world, from: channel.handle });
    await until(() => channel.statistics().receiversWaiting === 1);
    await main(function* () {
      const aborted = [0, 1, 2].map((n) =>
        spawn(
          n === 1 ? () => select({ item: channel.receiveEvent() }) : () => channel.receive(),
          { propagateCancelToParent: false },
        )
      );
      while (channel.statistics().receiversWaiting < 4) yield* yieldNow();
      for (const fiber of aborted) fiber.abort();
      yield* channel.send("it");
    });
    assertEquals(await thread.result, { value: "it" });
    assertEquals(channel.statistics(), idle);
  });
}

Deno.test("law 6: select() between another thread, a local channel and time takes one of them at a time", async () => {
  const [there, back] = channels(2, 2);
  using thread = start("relay", {
    world: "a blocking run",
    from: there!.handle,
    to: back!.handle,
  });
  const local = new Channel<unknown>({ capacity: 0 });
  await main(function* () {
    const feeder = spawn(function* () {
      for (let n = 0; n < 200; n++) yield* local.send(n);
    });
    const seen = { back: 0, sent: 0, local: 0, time: 0 };
    let next = 0;
    while (seen.back < 100 || seen.local < 200) {
      const offer = next < 100 ? there!.sendEvent(next) : back!.receiveEvent();
      const { kind, value } = yield* select({
        back: back!.receiveEvent(),
        local: local.receiveEvent(),
        sent: offer as typeof offer & { map: unknown },
        time: afterEvent(1),
      }, { fair: true });
      if (kind === "sent" && next < 100) {
        seen.sent++;
        next++;
      } else if (kind === "back" || kind === "sent") assertEquals(value, seen.back++);
      else if (kind === "local") assertEquals(value, seen.local++);
      else seen.time++;
    }
    assertEquals([seen.back, seen.sent, seen.local], [100, 100, 200]);
    yield* feeder;
  });
  there!.close();
  assertEquals(await thread.result, 100);
  assertEquals([there!.statistics(), back!.statistics()], [idle, idle]);
});

Deno.test("SharedChannel handles can be posted on, from a worker to its own worker", async () => {
  const [there, back] = channels(2);
  const input = { world: "an async function", from: there!.handle, to: back!.handle } as const;
  using thread = start("handOn", input);
  await thread.result;
  const received = receiveAll(back!, 3);
  for (const item of [1, 2, 3]) await there!.send(item);
  assertEquals(await received, [1, 2, 3]);
  there!.close();
  await until(() => back!.statistics().sendersWaiting + there!.statistics().receiversWaiting === 0);
});

Deno.test("SharedChannel that a thread made before it met any other: both are rung in both tables", async () => {
  const back = new SharedChannel<unknown>({ capacity: 1 }); // main has a table of its own, then
  using thread = start<{ handle: SharedChannelHandle; before: number }>("make", {
    to: back.handle,
  });
  const { handle, before } = await thread.result;
  const there = SharedChannel.from<unknown>(handle);
  assertNotEquals(there.handle.registry, back.handle.registry);
  for (let n = 0; n < 50; n++) {
    const answer = back.receiveOrThrow().then((item) => item);
    await there.send(n);
    assertEquals(await answer, n);
  }
  for (let n = 0; n < 50; n++) { // and a thread that sleeps itself visits them in turns
    const result = run(function* () {
      yield* there.send(n);
      return yield* back.receiveOrThrow();
    }, { loop: blockingLoop() });
    assertEquals(valueOf(result), n);
  }
  const number = back.receiveOrThrow().then((item) => item);
  there.close();
  assertEquals(await number, { number: before });
});

// Threads that die while they wait ---------------------------------------------------------------

const deaths: [string, TaskName, boolean][] = [
  ["is terminated", "waitForEver", true],
  ["calls self.close()", "closeWhileWaiting", false],
  ["calls Deno.exit()", "exitWhileWaiting", false],
];

for (const [how, task, terminate] of deaths) {
  Deno.test(`T43: a thread that ${how} while it waits takes no item with it, and stops nobody`, async () => {
    const channel = new SharedChannel<unknown>({ capacity: 4 });
    using dying = start(task, { from: channel.handle, items: [1, 2] });
    await until(() => channel.statistics().receiversWaiting === 1, "the thread that dies");
    if (terminate) dying.worker.terminate();
    using living = start("relay", {
      world: "a blocking run",
      from: channel.handle,
      to: new SharedChannel({ capacity: 8 }).handle,
    });
    await until(() => channel.statistics().receiversWaiting === 2, "the thread that lives");
    for (const n of [1, 2, 3]) channel.trySend(n);
    channel.close();
    assertEquals(await living.result, 3);
    assertEquals(channel.size, 0);
  });
}

Deno.test("T43: a thread that is terminated while it waits to send has sent nothing", async () => {
  const channel = new SharedChannel<unknown>({ capacity: 1 });
  channel.trySend("mine");
  using dying = start("send", { world: "a fiber", to: channel.handle, items: ["theirs"] });
  await until(() => channel.statistics().sendersWaiting === 1);
  dying.worker.terminate();
  const sending = (async () => await channel.send("mine, too"))();
  assertEquals(await receiveAll(channel, 2), ["mine", "mine, too"]);
  await sending;
  assertEquals(channel.size, 0);
});

Deno.test("SharedChannel is served by main itself, too: relay() here and there", async () => {
  const [there, back] = channels(2, 2);
  const relayed = relay("a fiber", there!, back!);
  using thread = start("send", { world: "a blocking run", to: there!.handle, items: samples });
  assertEquals(await receiveAll(back!, samples.length), samples);
  await thread.result;
  there!.close();
  assertEquals(await relayed, samples.length);
  assert([there!, back!].every((channel) => channel.isEmpty));
});
