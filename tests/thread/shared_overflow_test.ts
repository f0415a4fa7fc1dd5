/** Shared channels that forget items for which there is no room. */
import { assertEquals, assertThrows } from "@std/assert";
import { ChannelClosedError, run, select, sleep, spawn } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { type Codec, SharedChannel } from "@weft/weft/thread";
import { ownRegistry } from "../../lib/thread/memory/registry.ts";
import { DROPS_NEWEST, SharedPort } from "../../lib/thread/shared/shared_port.ts";
import {
  CLOSED,
  type Content,
  DATA,
  FORGETS,
  SharedQueue,
} from "../../lib/thread/memory/shared_queue.ts";
import { startThread } from "../kit/workers.ts";
import { errorOf, virtually } from "../kit/virtually.ts";
import { valueOf } from "../kit/results.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };
const module = new URL("./workers/shared.ts", import.meta.url);
const policies = ["dropNewest", "dropOldest"] as const;

function drain(channel: SharedChannel<unknown>): unknown[] {
  const items: unknown[] = [];
  for (let item = channel.tryReceive(); item; item = channel.tryReceive()) items.push(item.value);
  return items;
}

const double: Codec<number> = {
  encode: (n) => new Uint8Array([n * 2]),
  decode: ([n]) => n! / 2,
};

for (const capacity of [1, 2, 3, 4, 20]) {
  for (const codec of [undefined, double]) {
    const what = codec === undefined ? "" : " and a codec";
    Deno.test(`SharedChannel with dropNewest${what} holds ${capacity}, and its senders never wait`, () => {
      virtually(function* () {
        const options = { capacity, overflow: "dropNewest", ...(codec && { codec }) } as const;
        const channel = new SharedChannel<number>(options);
        const kept = Array.from({ length: capacity }, (_, n) => n);
        for (let lap = 0; lap < 20; lap++) {
          for (let n = 0; n < 30; n++) {
            if (n % 3 === 0) yield* channel.send(n);
            else if (n % 3 === 1) assertEquals(channel.trySend(n), n < capacity);
            else yield* select({ sent: channel.sendEvent(n) });
          }
          assertEquals([channel.size, drain(channel), channel.statistics()], [
            capacity,
            kept,
            idle,
          ]);
        }
      });
    });

    Deno.test(`SharedChannel with dropOldest${what} holds the last ${capacity}, and its senders never wait`, () => {
      virtually(function* () {
        const options = { capacity, overflow: "dropOldest", ...(codec && { codec }) } as const;
        const channel = new SharedChannel<number>(options);
        const kept = Array.from({ length: capacity }, (_, n) => 30 - capacity + n);
        for (let lap = 0; lap < 20; lap++) {
          for (let n = 0; n < 30; n++) {
            if (n % 3 === 0) yield* channel.send(n);
            else if (n % 3 === 1) assertEquals(channel.trySend(n), true);
            else yield* select({ sent: channel.sendEvent(n) });
            assertEquals(channel.size, Math.min(n + 1, capacity));
          }
          assertEquals([channel.size, drain(channel), channel.statistics()], [
            capacity,
            kept,
            idle,
          ]);
        }
      });
    });
  }
}

for (const overflow of policies) {
  Deno.test(`SharedChannel with ${overflow}: who waits gets what is sent, and the policy travels with the handle`, () => {
    virtually(function* () {
      const channel = new SharedChannel<unknown>({ capacity: 1, overflow });
      const { handle } = channel;
      const there = SharedChannel.from<unknown>(structuredClone(handle));
      const receiver = spawn(() => channel.receiveOrThrow());
      yield* sleep(10);
      for (const item of ["a", "b", "c"]) yield* there.send(item);
      assertEquals(yield* receiver, overflow === "dropNewest" ? "a" : "c");
      assertEquals([channel.capacity, channel.statistics()], [1, idle]);
    });
  });

  Deno.test(`SharedChannel with ${overflow} refuses what can't be sent, and everything once closed`, () => {
    virtually(function* () {
      const channel = new SharedChannel<unknown>({ capacity: 1, overflow });
      channel.trySend(1);
      assertThrows(() => channel.trySend(() => 1), TypeError);
      assertThrows(() => channel.trySend("x".repeat(1000)), RangeError);
      const boom = new Error("boom");
      channel.fail(boom);
      const errors = [
        assertThrows(() => channel.trySend(2), ChannelClosedError),
        yield* errorOf(channel.send(2)),
        yield* errorOf(channel.sendEvent(2)),
      ] as ChannelClosedError[];
      assertEquals(
        errors.map(({ value, cause }) => [value, cause === boom]),
        Array(3).fill([2, true]),
      );
      assertEquals(drainUntilEnd(channel), [1]);
    });
  });

  Deno.test(`law 4: an item that is given back to a SharedChannel with ${overflow} is not forgotten, nor is another`, () => {
    for (const isFull of [false, true]) {
      const flags = overflow === "dropOldest" ? FORGETS : DROPS_NEWEST;
      const queue = new SharedQueue(SharedQueue.allocate(2, 8, flags), ownRegistry().buffer);
      const port = new SharedPort<number>(queue, undefined, undefined);
      const send = (n: number) => port.put(port.encode(n), n);
      for (const n of [1, 2]) send(n);
      const taken = port.take() as number;
      if (isFull) send(3);
      port.giveBack(taken);
      const items = [port.take(), port.take(), ...(isFull ? [port.take()] : [])] as number[];
      assertEquals(items.toSorted(), isFull ? [1, 2, 3] : [1, 2]);
      assertEquals(queue.size, 0);
    }
  });
}

function drainUntilEnd(channel: SharedChannel<unknown>): unknown[] {
  const items: unknown[] = [];
  try {
    for (let item; (item = channel.tryReceive()) !== undefined;) items.push(item.value);
  } catch { /* what it has failed with */ }
  return items;
}

// Step by step -----------------------------------------------------------------------------------

function makeQueue(capacity: number): SharedQueue {
  return new SharedQueue(SharedQueue.allocate(capacity, 8, FORGETS), ownRegistry().buffer);
}

/** What writes an item, and does something else meanwhile: what other threads do. */
function content(item: number, meanwhile = () => {}): Content {
  return {
    write(queue, slot) {
      meanwhile();
      queue.words[slot + DATA] = item;
    },
  };
}

function take(queue: SharedQueue): number | undefined | "closed" {
  const slot = queue.take();
  if (slot <= 0) return slot === CLOSED ? "closed" : undefined;
  const item = queue.words[slot + DATA];
  queue.free(slot);
  return item;
}

Deno.test("SharedQueue that forgets has a slot for a sender while another one writes, and forgets afterwards", () => {
  const queue = makeQueue(1);
  const during: unknown[] = [];
  queue.put(
    content(1, () => {
      during.push(queue.put(content(2), 0), queue.put(content(3), 0), take(queue));
    }),
    0,
  );
  assertEquals(during, [true, true, undefined], "they are behind the one that is still written");
  assertEquals([queue.size, take(queue), take(queue)], [1, 3, undefined]);
});

Deno.test("law 4: SharedQueue that forgets, closed before an item is in, has forgotten nothing for it", () => {
  const queue = makeQueue(1);
  queue.put(content(1), 0);
  queue.close();
  assertEquals(queue.put(content(2), 0), CLOSED);
  assertEquals([take(queue), take(queue)], [1, "closed"]);
});

Deno.test("law 4: SharedQueue that forgets, closed after an item is in, forgets one for it all the same", () => {
  const queue = makeQueue(1);
  queue.put(content(1), 0);
  assertEquals(queue.put(content(2, () => queue.close()), 0), true);
  assertEquals([queue.size, take(queue), take(queue)], [1, 2, "closed"]);
});

// Between threads --------------------------------------------------------------------------------

for (const overflow of policies) {
  Deno.test(`SharedChannel with ${overflow} between threads: no item is doubled or out of order, and no sender waits`, async () => {
    const [count, senders] = [2000, 2];
    const channel = new SharedChannel<unknown>({ capacity: 4, overflow });
    const items = (sender: number) => Array.from({ length: count }, (_, n) => ({ sender, n }));
    using threads = new DisposableStack();
    const all = Promise.all(
      Array.from({ length: senders }, (_, sender) =>
        threads.use(startThread(module, "send", {
          world: "a blocking run",
          to: channel.handle,
          items: items(sender),
        })).result),
    );
    const seen: { sender: number; n: number }[] = [];
    const receiving = (async () => {
      for await (const item of channel) seen.push(item as { sender: number; n: number });
    })();
    await all;
    channel.close();
    await receiving;
    for (let sender = 0; sender < senders; sender++) {
      const numbers = seen.filter((item) => item.sender === sender).map(({ n }) => n);
      assertEquals(numbers, [...new Set(numbers)].toSorted((a, b) => a - b));
    }
    if (overflow === "dropOldest") assertEquals(seen.at(-1)!.n, count - 1, "the last one is kept");
    else assertEquals(seen[0]!.n, 0, "the first one is kept");
    assertEquals(channel.statistics(), idle);
  });
}

Deno.test("SharedChannel with dropOldest: many senders that never wait, and a blocking run that receives", () => {
  const channel = new SharedChannel<number>({ capacity: 1, overflow: "dropOldest" });
  const last = run(function* () {
    spawn(function* () {
      for (let n = 0; n < 1000; n++) {
        yield* channel.send(n);
        if (n % 100 === 0) yield* sleep(0);
      }
      channel.close();
    });
    let last = -1;
    for (let item = yield* channel.receive(); item; item = yield* channel.receive()) {
      assertEquals(item.value > last, true);
      last = item.value;
    }
    return last;
  }, { loop: blockingLoop() });
  assertEquals(valueOf(last), 999);
});
