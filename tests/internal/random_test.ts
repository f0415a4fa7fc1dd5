import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { Random } from "../../lib/internal/random.ts";

function draw(seed: number, bound: number, n: number): number[] {
  const random = new Random(seed);
  return Array.from({ length: n }, () => random.below(bound));
}

Deno.test("Random gives the same numbers for the same seed, on every machine", () => {
  assertEquals(draw(0x5eed, 1000, 100), draw(0x5eed, 1000, 100));
  // What the reference implementation of mulberry32 begins with, for seed 0.
  assertEquals(
    draw(0, 2 ** 32, 2),
    [0.26642920868471265, 0.0003297457005828619].map((x) => x * 2 ** 32),
  );
});

Deno.test("Random gives other numbers for another seed", () => {
  const seeds = [0, 1, 2, 0x5eed, -1, 2 ** 31];
  const drawn = seeds.map((seed) => draw(seed, 1000, 10).join());
  assertEquals(new Set(drawn).size, seeds.length);
});

Deno.test("Random takes any number for a seed, modulo 2 ** 32", () => {
  assertEquals(draw(-1, 100, 10), draw(2 ** 32 - 1, 100, 10));
  assertEquals(draw(2 ** 32 + 5, 100, 10), draw(5, 100, 10));
  assertNotEquals(draw(5, 100, 10), draw(6, 100, 10));
});

Deno.test("Random.below() is an integer from 0 to below the bound, each about equally often", () => {
  for (const bound of [1, 2, 3, 7, 10]) {
    const counts = new Map<number, number>();
    for (const n of draw(bound, bound, 1000 * bound)) counts.set(n, (counts.get(n) ?? 0) + 1);
    assertEquals([...counts.keys()].sort((a, b) => a - b), [...Array(bound).keys()]);
    for (const [n, count] of counts) {
      assert(count > 850 && count < 1150, `${n} came ${count} times in ${1000 * bound}`);
    }
  }
});
