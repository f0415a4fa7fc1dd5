import { assert, assertEquals, assertThrows } from "@std/assert";
import { Event, select, when } from "@weft/weft";
import { seedSelect } from "@weft/weft/lowlevel";
import { virtually } from "../kit/virtually.ts";

/** Which of three events, all of which have happened, each of `n` fair selects chooses. */
function choices(n: number): number[] {
  return virtually(function* () {
    const branches = [0, 1, 2].map((i) => when(Event.always(i), (value) => value));
    const chosen: number[] = [];
    while (chosen.length < n) chosen.push(yield* select(branches, { fair: true }));
    return chosen;
  });
}

Deno.test("seedSelect(): the same seed gives the same choices, another one others", () => {
  try {
    seedSelect(1);
    const first = choices(50);
    const second = choices(50);
    seedSelect(1);
    assertEquals(choices(50), first);
    assertEquals(choices(50), second);
    assert(first.join() !== second.join());
    seedSelect(2);
    assert(choices(50).join() !== first.join());
    assertEquals([...new Set(first)].sort(), [0, 1, 2]);
  } finally {
    seedSelect(0x5eed);
  }
});

Deno.test("seedSelect() has no say in a select that isn't fair", () => {
  for (const seed of [1, 2, 3]) {
    seedSelect(seed);
    const chosen = virtually(() =>
      select([0, 1, 2].map((i) => when(Event.always(i), (value) => value)))
    );
    assertEquals(chosen, 0);
  }
  seedSelect(0x5eed);
});

Deno.test("seedSelect() of what is no finite number throws a TypeError", () => {
  for (const seed of ["1", NaN, Infinity, undefined, 1n, null] as number[]) {
    assertThrows(() => seedSelect(seed), TypeError, "seed must be a finite number");
  }
});
