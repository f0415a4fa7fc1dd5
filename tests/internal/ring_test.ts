import { assertEquals } from "@std/assert";
import { Random } from "../../lib/internal/random.ts";
import { Ring } from "../../lib/internal/ring.ts";

function drain<T>(ring: Ring<T>): (T | undefined)[] {
  return Array.from({ length: ring.length }, () => ring.shift());
}

for (const seed of [1, 2, 3, 4, 5]) {
  Deno.test(`Ring behaves like an array whatever is done to it, seed ${seed}`, () => {
    const random = new Random(seed);
    const ring = new Ring<number>();
    let model: number[] = [];
    let next = 0;
    for (let round = 0; round < 60; round++) {
      const pushes = random.below(10); // how much this round likes to push, in tenths
      for (let turn = random.below(200); turn > 0; turn--) {
        if (random.below(10) >= pushes) {
          assertEquals(ring.shift(), model.shift());
        } else if (random.below(3) === 0) {
          ring.unshift(next);
          model.unshift(next++);
        } else {
          ring.push(next);
          model.push(next++);
        }
        assertEquals(ring.length, model.length);
      }
      if (random.below(5) === 0) {
        assertEquals(drain(ring), model);
        model = [];
      }
    }
    assertEquals(drain(ring), model);
  });
}

Deno.test("Ring.push() grows the ring while its items wrap around", () => {
  for (let head = 0; head <= 16; head++) {
    const ring = new Ring<number>();
    for (let n = 0; n < head; n++) {
      ring.push(-1);
      ring.shift();
    }
    for (let n = 0; n < 40; n++) ring.push(n);
    assertEquals(drain(ring), Array.from({ length: 40 }, (_, n) => n), `from slot ${head} on`);
  }
});

Deno.test("Ring.unshift() grows the ring, and the next shift() takes what it put there", () => {
  const ring = new Ring<number>();
  for (let n = 0; n < 40; n++) ring.unshift(n);
  assertEquals(ring.length, 40);
  assertEquals(drain(ring), Array.from({ length: 40 }, (_, n) => 39 - n));
});

Deno.test("Ring.shift() of an empty ring is undefined, and leaves it usable", () => {
  const ring = new Ring<number>();
  assertEquals([ring.shift(), ring.shift(), ring.length], [undefined, undefined, 0]);
  ring.push(1);
  assertEquals([ring.shift(), ring.shift(), ring.length], [1, undefined, 0]);
});

Deno.test("Ring.length alone tells an item that is undefined from no item", () => {
  const ring = new Ring<undefined>();
  ring.push(undefined);
  ring.unshift(undefined);
  assertEquals(ring.length, 2);
  assertEquals(ring.shift(), undefined);
  assertEquals(ring.length, 1);
  assertEquals(ring.shift(), undefined);
  assertEquals(ring.length, 0);
});

Deno.test("Ring keeps its order after it drained from a great size and shrank", () => {
  const ring = new Ring<number>();
  for (let time = 0; time < 3; time++) {
    for (let n = 0; n < 10_000; n++) ring.push(n);
    for (let n = 0; n < 10_000; n++) {
      if (ring.shift() !== n) throw new Error(`item ${n} came at another time`);
    }
    assertEquals(ring.length, 0);
  }
});
