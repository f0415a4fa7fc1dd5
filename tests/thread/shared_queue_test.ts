/** The queue in shared memory, step by step: each test is one interleaving. */
import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { ownRegistry } from "../../lib/thread/memory/registry.ts";
import {
  CLOSED,
  DATA,
  NOT_NOW,
  RECEIVERS,
  SENDERS,
  SharedQueue,
  type Side,
} from "../../lib/thread/memory/shared_queue.ts";

// Where things stand in its memory (see `shared_queue.ts`).
const TAIL = 16;
const HEAD = 32;
const HEADER_WORDS = 384;
const LINES = 64;

const registry = ownRegistry();

function makeQueue(capacity: number): SharedQueue {
  return new SharedQueue(SharedQueue.allocate(capacity, 8), registry.buffer);
}

/** As it is after `count` items have gone through. */
function after(count: number, capacity: number): SharedQueue {
  const queue = makeQueue(capacity);
  const position = (2 * count) | 0;
  const slots = queue.mask + 1;
  queue.words[TAIL] = position;
  queue.words[HEAD] = position;
  for (let p = position, n = 0; n < slots; p = (p + 2) | 0, n++) {
    queue.words[HEADER_WORDS + ((p >>> 1) & queue.mask) * queue.slotWords] = p;
  }
  return queue;
}

function put(queue: SharedQueue, item: number): boolean | "closed" {
  const slot = queue.claim();
  if (slot <= 0) return slot === CLOSED ? "closed" : false;
  queue.words[slot + DATA] = item;
  queue.publish(slot);
  return true;
}

function take(queue: SharedQueue): number | undefined | "closed" {
  const slot = queue.take();
  if (slot <= 0) return slot === CLOSED ? "closed" : undefined;
  const item = queue.words[slot + DATA];
  queue.free(slot);
  return item;
}

/** Runs `f` as thread `place`. */
function as<T>(queue: SharedQueue, place: number, f: () => T): T {
  const { place: own } = queue;
  Object.assign(queue, { place });
  try {
    return f();
  } finally {
    Object.assign(queue, { place: own });
  }
}

const ringsOf = (place: number) => registry.words[4 + place * 2]!;

/** Rings for one sleeper: whose doorbell was rung. */
function wake(queue: SharedQueue, side: Side, places: readonly number[]): number | undefined {
  const before = places.map(ringsOf);
  const woken = queue.sleepers[side].wake();
  const rung = places.filter((place, index) => ringsOf(place) !== before[index]);
  assertEquals(rung.length, woken ? 1 : 0);
  return rung[0];
}

/** Places in the table of threads, and the way to give them back. */
function withPlaces(count: number, f: (places: readonly number[]) => void): void {
  const places = Array.from({ length: count }, () => registry.enter().place);
  try {
    f(places);
  } finally {
    for (const place of places) registry.leave(place);
  }
}

// Items ------------------------------------------------------------------------------------------

const passes: [string, number][] = [
  ["from the start", 0],
  ["past 2^30 positions", 2 ** 29 - 5],
  ["past 2^31 positions", 2 ** 30 - 5],
  ["past 2^32 positions", 2 ** 31 - 5],
];

for (const [when, count] of passes) {
  for (const capacity of [1, 2, 3, 4, 5, 7, 8]) {
    Deno.test(`law 7: SharedQueue is first in, first out, ${when}, capacity ${capacity}`, () => {
      const queue = after(count, capacity);
      let [sent, received] = [0, 0];
      for (let lap = 0; lap < 8; lap++) {
        for (; sent - received < capacity; sent++) {
          assertEquals(queue.size, sent - received);
          assertEquals(queue.isReady(SENDERS), true);
          assertEquals(put(queue, sent), true);
          assertEquals(queue.isReady(RECEIVERS), true);
        }
        assertEquals([put(queue, -1), queue.isReady(SENDERS), queue.size], [
          false,
          false,
          capacity,
        ]);
        for (const left = lap % capacity; sent - received > left; received++) {
          assertEquals(take(queue), received);
          assertEquals(queue.isReady(SENDERS), true);
        }
      }
      for (; received < sent; received++) assertEquals(take(queue), received);
      assertEquals([take(queue), queue.isReady(RECEIVERS), queue.size], [undefined, false, 0]);
    });
  }

  Deno.test(`SharedQueue.close() refuses what comes after it, and gives what came before, ${when}`, () => {
    for (let items = 0; items <= 3; items++) {
      const queue = after(count + 5 - items, 3); // so that the close is on each side of the end
      for (let n = 0; n < items; n++) assertEquals(put(queue, n), true);
      assertEquals([queue.isClosed, queue.close(), queue.isClosed], [false, true, true]);
      assertEquals(queue.close(), false, "it was somebody else");
      assertEquals([put(queue, -1), queue.size], ["closed", items]);
      assertEquals(queue.isReady(SENDERS), true, "to be told");
      for (let n = 0; n < items; n++) {
        assertEquals(queue.isReady(RECEIVERS), true);
        assertEquals(take(queue), n);
      }
      assertEquals([take(queue), take(queue), queue.isReady(RECEIVERS)], [
        "closed",
        "closed",
        true,
      ]);
    }
  });

  Deno.test(`law 4: SharedQueue.close() between claim and publication: the item is in, ${when}`, () => {
    const queue = after(count + 4, 2);
    const slot = queue.claim();
    queue.close();
    assertEquals(
      [take(queue), queue.isReady(RECEIVERS)],
      [undefined, false],
      "it is still to come",
    );
    queue.words[slot + DATA] = 7;
    queue.publish(slot);
    assertEquals([take(queue), take(queue)], [7, "closed"]);
  });
}

Deno.test("SharedQueue.take() keeps the order, though the sender behind was faster", () => {
  const queue = makeQueue(4);
  const slow = queue.claim();
  assertEquals(put(queue, 2), true);
  assertEquals([take(queue), queue.isReady(RECEIVERS), queue.size], [undefined, false, 2]);
  queue.words[slow + DATA] = 1;
  queue.publish(slow);
  assertEquals([take(queue), take(queue)], [1, 2]);
});

Deno.test("SharedQueue.claim() never gives out a slot that somebody is still reading", () => {
  const queue = makeQueue(2);
  for (const n of [1, 2]) put(queue, n);
  const reading = queue.take();
  assertEquals(take(queue), 2, "the next one needn't wait for that");
  assertEquals([queue.claim(), queue.isReady(SENDERS), queue.size], [NOT_NOW, false, 0]);
  assertEquals(queue.words[reading + DATA], 1);
  queue.free(reading);
  assertEquals([put(queue, 3), put(queue, 4), put(queue, 5)], [true, true, false]);
  assertEquals([take(queue), take(queue)], [3, 4]);
});

Deno.test("SharedQueue.claim() and take() give each position to one thread", () => {
  const queue = makeQueue(8);
  const slots = Array.from({ length: 8 }, () => queue.claim());
  assertEquals(new Set(slots).size, 8);
  assertEquals(queue.claim(), NOT_NOW);
  for (const slot of slots.reverse()) queue.publish(slot);
  assertEquals(new Set(Array.from({ length: 8 }, () => queue.take())).size, 8);
  assertEquals(queue.take(), NOT_NOW);
});

Deno.test("SharedQueue has room for `capacity` items, also where that is no power of two", () => {
  for (const [capacity, slots] of [[1, 2], [2, 2], [3, 4], [5, 8], [64, 64], [65, 128]]) {
    const queue = makeQueue(capacity!);
    assertEquals([queue.capacity, queue.mask + 1], [capacity, slots]);
    let room = 0;
    while (put(queue, room)) room++;
    assertEquals(room, capacity);
  }
});

Deno.test("SharedQueue.token is that of the memory, wherever it is seen", () => {
  const buffer = SharedQueue.allocate(1, 8, 5);
  const [a, b] = [0, 1].map(() => new SharedQueue(buffer, registry.buffer));
  assertEquals(a!.token, b!.token);
  assertEquals(a!.flags, 5);
  assertNotEquals(a!.token, makeQueue(1).token);
});

// Sleepers ---------------------------------------------------------------------------------------

for (const side of [RECEIVERS, SENDERS] as const) {
  const name = side === RECEIVERS ? "receivers" : "senders";

  Deno.test(`law 7: SharedQueue.wake() rings for the ${name} in the order in which they came`, () => {
    withPlaces(5, (places) => {
      const queue = makeQueue(1);
      for (const place of places) as(queue, place, () => queue.sleepers[side].enter());
      assertEquals(queue.sleepers[side].count, 5);
      assertEquals(queue.sleepers[side === RECEIVERS ? SENDERS : RECEIVERS].count, 0);
      for (const place of places) assertEquals(wake(queue, side, places), place);
      assertEquals([wake(queue, side, places), queue.sleepers[side].count], [undefined, 0]);
    });
  });

  Deno.test(`law 7: SharedQueue.wake() keeps that order while the tickets of the ${name} wrap around`, () => {
    withPlaces(3, (places) => {
      const queue = makeQueue(1);
      const [a, b, c] = places as [number, number, number];
      for (let ticket = 0; ticket < 2 ** 18; ticket++) {
        const line = as(queue, a, () => queue.sleepers[side].enter());
        assertEquals(as(queue, a, () => queue.sleepers[side].leave(line)), true);
        if (ticket % 1021 !== 0) continue;
        for (const place of [c, a, b]) as(queue, place, () => queue.sleepers[side].enter());
        for (const place of [c, a, b]) assertEquals(wake(queue, side, places), place);
      }
      assertEquals(queue.sleepers[side].count, 0);
    });
  });

  Deno.test(`SharedQueue.leave() says whether one of the ${name} was rung meanwhile`, () => {
    withPlaces(2, (places) => {
      const queue = makeQueue(1);
      const [a, b] = places as [number, number];
      const line = as(queue, a, () => queue.sleepers[side].enter());
      assertEquals(as(queue, a, () => queue.sleepers[side].isEntered(line)), true);
      assertEquals(as(queue, b, () => queue.sleepers[side].isEntered(line)), false, "it isn't b's");
      assertEquals(as(queue, b, () => queue.sleepers[side].leave(line)), false);
      assertEquals(as(queue, a, () => queue.sleepers[side].leave(line)), true);
      assertEquals(as(queue, a, () => queue.sleepers[side].leave(line)), false);
      assertEquals(wake(queue, side, places), undefined);

      assertEquals(as(queue, a, () => queue.sleepers[side].enter()), line);
      assertEquals(wake(queue, side, places), a);
      assertEquals(
        as(queue, b, () => queue.sleepers[side].enter()),
        line,
        "the same line, another's",
      );
      assertEquals(as(queue, a, () => queue.sleepers[side].isEntered(line)), false);
      assertEquals(as(queue, a, () => queue.sleepers[side].leave(line)), false);
      assertEquals(wake(queue, side, places), b);
    });
  });

  Deno.test(`T43: SharedQueue.wake() passes over the ${name} whose thread is gone`, () => {
    withPlaces(4, (places) => {
      const queue = makeQueue(1);
      const [a, b, c, d] = places as [number, number, number, number];
      for (const place of places) as(queue, place, () => queue.sleepers[side].enter());
      for (const place of [a, c]) registry.leave(place);
      assertEquals(wake(queue, side, places), b);
      assertEquals(wake(queue, side, places), d);
      assertEquals(queue.sleepers[side].count, 0);
    });
  });

  Deno.test(`SharedQueue.enter() finds no line for the 65th of the ${name}, and one when one is free`, () => {
    withPlaces(LINES + 2, (places) => {
      const queue = makeQueue(1);
      const lines = places.map((place) => as(queue, place, () => queue.sleepers[side].enter()));
      assertEquals(new Set(lines.slice(0, LINES)).size, LINES);
      assertEquals(lines.slice(LINES), [-1, -1]);
      assertEquals(queue.sleepers[side].count, LINES);
      assertEquals(wake(queue, side, places), places[0]);
      assertEquals(as(queue, places[LINES]!, () => queue.sleepers[side].enter()), lines[0]);
      for (const place of places.slice(1, LINES + 1)) {
        assertEquals(wake(queue, side, places), place);
      }
      assertEquals(queue.sleepers[side].wake(), false);
    });
  });

  Deno.test(`SharedQueue.close() rings for all ${name}`, () => {
    withPlaces(3, (places) => {
      const queue = makeQueue(1);
      const before = places.map(ringsOf);
      for (const place of places) as(queue, place, () => queue.sleepers[side].enter());
      queue.close();
      assertEquals(places.map(ringsOf), before.map((rings) => rings + 1));
      assertEquals(queue.sleepers[side].count, 0);
    });
  });
}

Deno.test("SharedQueue.publish() rings for a receiver, free() for a sender, and nobody twice", () => {
  withPlaces(2, (places) => {
    const [receiver, sender] = places as [number, number];
    const queue = makeQueue(2);
    const rings = () => places.map(ringsOf);
    const before = rings();
    put(queue, 1);
    take(queue);
    assertEquals(rings(), before, "nobody sleeps");
    as(queue, receiver, () => queue.sleepers[RECEIVERS].enter());
    as(queue, sender, () => queue.sleepers[SENDERS].enter());
    put(queue, 1);
    put(queue, 2);
    assertEquals(rings(), [before[0]! + 1, before[1]], "the second finds nobody asleep");
    take(queue);
    take(queue);
    assertEquals(rings(), [before[0]! + 1, before[1]! + 1]);
    assert(queue.sleepers[RECEIVERS].count + queue.sleepers[SENDERS].count === 0);
  });
});
