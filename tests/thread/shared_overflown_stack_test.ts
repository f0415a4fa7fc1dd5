/** Shared channels where the stack overflows in the middle of an operation. */
import { assert, assertEquals, assertThrows } from "@std/assert";
import { run } from "@weft/weft";
import { SharedChannel } from "@weft/weft/thread";
import { ownRegistry } from "../../lib/thread/memory/registry.ts";
import { DRAINED, NOTHING, SharedPort } from "../../lib/thread/shared/shared_port.ts";
import {
  CAN_FAIL,
  CLOSED,
  type Content,
  DATA,
  FORGETS,
  NOT_NOW,
  RECEIVERS,
  SENDERS,
  SharedQueue,
} from "../../lib/thread/memory/shared_queue.ts";
import { valueOf } from "../kit/results.ts";

const overflow = new RangeError("Maximum call stack size exceeded");

function makeQueue(capacity: number, flags = 0): SharedQueue {
  return new SharedQueue(SharedQueue.allocate(capacity, 64, flags), ownRegistry().buffer);
}

function content(item: number): Content {
  return { write: (queue, slot) => void (queue.words[slot + DATA] = item) };
}

const bad: Content = {
  write() {
    throw overflow;
  },
};

/** Has the next read of `key` throw, as the call behind it would. */
function failOnce<T extends object>(object: T, key: keyof T): void {
  const value = object[key];
  Object.defineProperty(object, key, {
    configurable: true,
    get() {
      Object.defineProperty(object, key, { value, configurable: true, writable: true });
      throw overflow;
    },
  });
}

for (const flags of [0, FORGETS]) {
  const what = flags === 0 ? "" : " that forgets";
  Deno.test(`law 4: SharedQueue${what}: a slot that couldn't be filled is passed over, and used again`, () => {
    const queue = makeQueue(4, flags);
    for (let lap = 0; lap < 20; lap++) {
      assertEquals(assertThrows(() => queue.put(bad, 0)), overflow);
      assertEquals(queue.put(content(lap), 0), true);
      assertThrows(() => queue.put(bad, 0));
      const slot = queue.take();
      assertEquals(queue.words[slot + DATA], lap);
      queue.free(slot);
      assertEquals([queue.take(), queue.size], [NOT_NOW, 0]);
    }
    assertThrows(() => queue.put(bad, 0));
    queue.close();
    assertEquals(queue.take(), CLOSED);
  });
}

Deno.test("law 4: SharedQueue.put() whose ring fails has put it in, and the next one rings", () => {
  const registry = ownRegistry();
  for (const isNumber of [false, true]) {
    const queue = makeQueue(4);
    const { place } = registry.enter();
    const { place: own } = queue;
    Object.assign(queue, { place });
    queue.sleepers[RECEIVERS].enter();
    Object.assign(queue, { place: own });
    const rings = () => registry.words[4 + place * 2]!;
    const before = rings();
    const put = () => isNumber ? queue.putNumber(4, 1) : queue.put(content(1), 0);
    failOnce(queue as { registry: unknown }, "registry");
    assertEquals([put(), rings()], [true, before]);
    assertEquals([put(), rings()], [true, before + 1]);
    assertEquals(queue.size, 2);
    registry.leave(place);
  }
});

Deno.test("law 4: SharedPort.take() that can't read the item throws, and the next one takes it", () => {
  const queue = makeQueue(2);
  const port = new SharedPort<unknown>(queue, undefined, undefined);
  for (const item of ["one", "two"]) port.put(port.encode(item), item);
  for (let n = 0; n < 3; n++) {
    failOnce(queue, "bytes");
    assertEquals(assertThrows(() => port.take()), overflow);
    assertEquals([port.receivers.isReady, queue.size + port.returned], [true, 2]);
  }
  assertEquals([port.take(), port.take()], ["one", "two"]);
  assertEquals([port.receivers.isReady, port.returned, queue.isReady(SENDERS)], [
    false,
    0,
    true,
  ]);
});

Deno.test("law 4: SharedPort.take() that can't read the item holds up no sender of a queue that forgets", () => {
  for (const other of [false, true]) {
    const queue = makeQueue(2, FORGETS);
    const port = new SharedPort<unknown>(queue, undefined, undefined);
    const sender = other ? new SharedPort<unknown>(queue, undefined, undefined) : port;
    const put = (item: string) => assert(sender.put(sender.encode(item), item));
    put("old");
    failOnce(queue, "bytes");
    assertEquals(assertThrows(() => port.take()), overflow);
    put("new");
    assertEquals([port.take(), port.take(), port.take()], ["old", "new", NOTHING]);

    put("forgotten");
    failOnce(queue, "bytes");
    assertThrows(() => port.take());
    for (let n = 0; n < 100; n++) put(`${n}`);
    assertEquals([port.take(), port.take(), port.take()], ["98", "99", NOTHING]);
    assertEquals(port.returned, 0);
  }
});

Deno.test("law 4: a slot that is passed over, or forgotten, is free without a call", () => {
  const full = makeQueue(2);
  assertThrows(() => full.put(bad, 0));
  Object.assign(full, { free: () => assert(false) });
  assertEquals([full.take(), full.put(content(1), 0), full.put(content(2), 0)], [
    NOT_NOW,
    true,
    true,
  ]);

  const queue = makeQueue(2, FORGETS);
  Object.assign(queue, { free: () => assert(false) });
  for (let n = 0; n < 100; n++) assertEquals(queue.put(content(n), 0), true);
  assertEquals(queue.size, 2);
});

Deno.test("law 13: SharedChannel.fail() that can't write why has failed all the same", () => {
  const queue = makeQueue(2, CAN_FAIL);
  const port = new SharedPort<unknown>(queue, undefined, undefined);
  const there = new SharedPort<unknown>(queue, undefined, undefined);
  const error = new Error("first");
  const { close } = queue;
  Object.assign(queue, {
    close: () =>
      close.call(queue, () => {
        throw overflow;
      }),
  });
  port.fail(error);
  assertEquals([port.take(), port.end()], [DRAINED, error]);
  assertEquals([there.take(), queue.isReady(RECEIVERS)], [DRAINED, true]);
  assertEquals(String(there.end()), "Error: The shared channel failed, and could not say why");
});

Deno.test("law 4: SharedPort.take() whose ring fails has taken the item, and the next one rings", () => {
  const registry = ownRegistry();
  for (const item of [1, "text"]) {
    const queue = makeQueue(4);
    const port = new SharedPort<unknown>(queue, undefined, undefined);
    for (let n = 0; n < 2; n++) port.put(port.encode(item), item);
    const { place } = registry.enter();
    const { place: own } = queue;
    Object.assign(queue, { place });
    queue.sleepers[SENDERS].enter();
    Object.assign(queue, { place: own });
    const rings = () => registry.words[4 + place * 2]!;
    const before = rings();
    failOnce(queue as { registry: unknown }, "registry");
    assertEquals([port.take(), rings()], [item, before]);
    assertEquals([port.take(), rings()], [item, before + 1]);
    registry.leave(place);
  }
});

const items: [string, unknown][] = [
  ["numbers", 1],
  ["text", "text".repeat(10)],
  ["objects", { a: [1, "two"] }],
  ["bytes", new Uint8Array(16)],
];

for (const [what, item] of items) {
  Deno.test(`law 4: SharedChannel.trySend() of ${what}, all the way down to the end of the stack, blocks nobody`, () => {
    for (let pad = 0; pad < 40; pad++) {
      const channel = new SharedChannel<unknown>({ capacity: 64 });
      let sent = 0;
      let failures = 0;
      const dive = (): void => {
        try {
          dive();
        } catch {
          failures++;
        }
        if (failures > 1000) return;
        try {
          if (channel.trySend(item)) sent++;
        } catch {
          failures++;
        }
      };
      /** So that it ends somewhere else each time. */
      const shift = (n: number): void => n === 0 ? dive() : [n].forEach(() => shift(n - 1));
      shift(pad);
      assert(failures > 0);
      let received = 0;
      while (channel.tryReceive() !== undefined) received++;
      assertEquals([received, channel.size], [sent, 0]);
      assertEquals(valueOf(run(() => channel.send(item))), undefined);
      assertEquals(channel.tryReceive(), { value: item });
    }
  });
}
