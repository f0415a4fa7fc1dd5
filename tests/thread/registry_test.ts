import { assert, assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { doorbell } from "../../lib/loop/doorbell.ts";
import {
  joinRegistry,
  ownRegistry,
  placeIn,
  Registry,
  tokenOf,
} from "../../lib/thread/memory/registry.ts";

/** A table that another thread has made. */
function another(): Registry {
  const buffer = new SharedArrayBuffer(ownRegistry().buffer.byteLength);
  const registry = new Registry(buffer);
  registry.words.set(crypto.getRandomValues(new Int32Array(2)));
  return registry;
}

/** How often the listeners of this thread's doorbell are told while `f` runs. */
function told(f: () => void): number {
  let count = 0;
  const listener = () => void count++;
  doorbell.listen(listener);
  f();
  doorbell.answer();
  doorbell.unlisten(listener);
  return count;
}

Deno.test("ownRegistry() is one table for the thread, which has a place in it", () => {
  const registry = ownRegistry();
  assert(ownRegistry() === registry);
  const { place } = joinRegistry(registry.buffer);
  assertEquals(registry.isTaken(place), true);
  assertEquals(told(() => registry.ring(place)), 1);
});

Deno.test("joinRegistry() joins once, however often and as whichever object the table comes", () => {
  const registry = another();
  const joined = joinRegistry(registry.buffer);
  assert(joinRegistry(registry.buffer) === joined);
  assert(joinRegistry(structuredClone(registry.buffer)) === joined);
  assertNotEquals(tokenOf(registry.buffer), tokenOf(ownRegistry().buffer));
});

Deno.test("joinRegistry() of a second table: the thread hears a ring in either", () => {
  const [first, second] = [another(), another()].map(({ buffer }) => joinRegistry(buffer));
  assertEquals(told(() => first!.registry.ring(first!.place)), 1);
  assertEquals(told(() => second!.registry.ring(second!.place)), 1);
  assertEquals(told(() => second!.registry.ring(second!.place + 1)), 0, "somebody else's");
});

Deno.test("joinRegistry() takes the place that was kept for this thread", () => {
  const registry = another();
  const { place } = registry.enter(7);
  assertEquals(joinRegistry(registry.buffer, place).place, place);
  assertEquals(told(() => registry.ring(place)), 1);
});

Deno.test("Registry.enter() gives numbers that are never given again, and places that are free", () => {
  const registry = another();
  const given = Array.from({ length: 100 }, () => registry.enter());
  assertEquals(new Set(given.map(({ id }) => id)).size, 100);
  assertEquals(new Set(given.map(({ place }) => place)).size, 100);
  for (const { place } of given) registry.leave(place);
  assert(given.every(({ place }) => !registry.isTaken(place)));
  const again = Array.from({ length: 100 }, () => registry.enter());
  assert(again.every(({ id }) => given.every((one) => one.id !== id)));
});

Deno.test("Registry.isHere() tells a thread from a later one in the same place", () => {
  const registry = another();
  const { place } = registry.enter();
  const mark = registry.markOf(place);
  assertEquals([registry.isHere(mark), placeIn(mark)], [true, place]);
  registry.leave(place);
  assertEquals(registry.isHere(mark), false);
  for (let other = -1; other !== place;) other = registry.enter().place; // all others come first
  assertNotEquals(registry.markOf(place), mark);
  assertEquals([registry.isHere(mark), registry.isHere(registry.markOf(place))], [false, true]);
});

Deno.test("Registry.leave() rings all others, who may wait for what that thread held", () => {
  const { registry, place } = joinRegistry(another().buffer);
  const other = registry.enter();
  assertEquals(told(() => registry.leave(other.place)), 1);
  assert(registry.isTaken(place));
});

Deno.test("Registry.enter() throws a RangeError when every place is taken, and finds the one that is left", () => {
  const registry = another();
  const places = new Set<number>();
  assertThrows(
    () => {
      for (;;) places.add(registry.enter().place);
    },
    RangeError,
    "Cannot start a thread: there are 16384 already",
  );
  assertEquals(places.size, 16384);
  registry.leave(4000);
  assertEquals(registry.enter().place, 4000);
});
