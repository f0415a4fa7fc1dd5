import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { cancelScope, Event, run, spawn, yieldNow } from "@weft/weft";
import { BufferPool, ResourcePool } from "@weft/weft/resource";
import { valueOf } from "../kit/results.ts";
import { errorOf, virtually } from "../kit/virtually.ts";

interface Item {
  cleared: number;
}

const make = (): Item => ({ cleared: 0 });

Deno.test("ResourcePool.acquire() makes an item when none is kept, else hands out the last one", () => {
  let made = 0;
  const pool = new ResourcePool({
    make: () => {
      made++;
      return make();
    },
  });
  const [a, b] = [pool.acquire(), pool.acquire()];
  assertEquals([made, pool.statistics()], [2, { kept: 0, inUse: 2 }]);
  pool.recycle(a);
  pool.recycle(b);
  assertEquals(pool.statistics(), { kept: 2, inUse: 0 });
  assertStrictEquals(pool.acquire(), b);
  assertStrictEquals(pool.acquire(), a);
  assertEquals(made, 2);
});

Deno.test("ResourcePool.recycle() clears what comes back, and drops what is too many", () => {
  const pool = new ResourcePool({ make, clear: (item) => void item.cleared++, maxSize: 1 });
  const [a, b] = [pool.acquire(), pool.acquire()];
  pool.recycle(a);
  pool.recycle(b);
  assertEquals([a.cleared, b.cleared], [1, 1]);
  assertEquals(pool.statistics(), { kept: 1, inUse: 0 });
  assertEquals(pool.maxSize, 1);
  const none = new ResourcePool({ make, maxSize: 0 });
  none.recycle(none.acquire());
  assertEquals(none.statistics(), { kept: 0, inUse: 0 });
});

Deno.test("ResourcePool.recycle() refuses an item that was recycled already, kept or not", () => {
  const makes: (() => unknown)[] = [make, () => () => {}, () => new Uint8Array(1)];
  for (const make of makes) {
    for (const maxSize of [0, 1]) {
      const pool = new ResourcePool({ make, maxSize });
      const item = pool.acquire();
      pool.recycle(item);
      assertThrows(() => pool.recycle(item), Error, "it was recycled already");
      assertEquals(pool.statistics(), { kept: maxSize, inUse: 0 });
      const next = pool.acquire();
      pool.recycle(next);
      assertEquals(pool.statistics(), { kept: maxSize, inUse: 0 });
    }
  }
});

Deno.test("ResourcePool.recycle() refuses an item that its own clear recycles", () => {
  const pool: ResourcePool<Item> = new ResourcePool({ make, clear: (item) => pool.recycle(item) });
  const item = pool.acquire();
  assertThrows(() => pool.recycle(item), Error, "it was recycled already");
  assertEquals(pool.statistics(), { kept: 0, inUse: 0 });
});

Deno.test("ResourcePool.recycle() keeps what it did not make, and counts it for nobody", () => {
  const pool = new ResourcePool({ make });
  const item = make();
  pool.recycle(item);
  assertEquals(pool.statistics(), { kept: 1, inUse: 0 });
  assertStrictEquals(pool.acquire(), item);
});

Deno.test("ResourcePool of plain values may keep equal ones", () => {
  const pool = new ResourcePool({ make: () => 7 });
  for (const value of [pool.acquire(), pool.acquire()]) pool.recycle(value);
  assertEquals(pool.statistics(), { kept: 2, inUse: 0 });
});

Deno.test("ResourcePool.recycle() throws what clear throws, and drops the item", () => {
  const error = new Error("dirty");
  const pool = new ResourcePool<Item>({
    make,
    clear() {
      throw error;
    },
  });
  const item = pool.acquire();
  assertStrictEquals(assertThrows(() => pool.recycle(item)), error);
  assertEquals(pool.statistics(), { kept: 0, inUse: 0 });
});

Deno.test("ResourcePool.acquire() throws what make throws, and counts nothing", () => {
  const pool = new ResourcePool<Item>({
    make() {
      throw new Error("out of them");
    },
  });
  assertThrows(() => pool.acquire(), Error, "out of them");
  assertEquals(pool.statistics(), { kept: 0, inUse: 0 });
});

Deno.test("ResourcePool.withResource() recycles once, whatever happens", () => {
  virtually(function* () {
    let clears = 0;
    const pool = new ResourcePool({ make, clear: () => void clears++ });
    const failure = new Error("body");
    assertEquals(
      yield* pool.withResource(function* () {
        yield* yieldNow();
        return "value";
      }),
      "value",
    );
    assertStrictEquals(
      yield* errorOf(pool.withResource(() => {
        throw failure;
      })),
      failure,
    );
    assertStrictEquals(
      yield* errorOf(pool.withResource(function* () {
        yield* yieldNow();
        throw failure;
      })),
      failure,
    );
    yield* cancelScope(function* (context) {
      spawn(() => pool.withResource(() => Event.never()));
      yield* yieldNow();
      assertEquals(pool.statistics(), { kept: 0, inUse: 1 });
      context.cancel();
    });
    assertEquals([clears, pool.statistics()], [4, { kept: 1, inUse: 0 }]);
  });
});

Deno.test("ResourcePool.withResource() recycles when its generator is given up by hand", () => {
  const pool = new ResourcePool({ make });
  run(function* () {
    const use = pool.withResource(() => Event.never())[Symbol.iterator]();
    use.next();
    use.return?.(undefined as never);
    assertEquals(pool.statistics(), { kept: 1, inUse: 0 });
  });
});

Deno.test("ResourcePool.withResource(): neither the body's failure nor that of clear is hidden", () => {
  virtually(function* () {
    const errors = [new Error("body"), new Error("clear")];
    const pool = new ResourcePool<Item>({
      make,
      clear() {
        throw errors[1];
      },
    });
    const both = yield* errorOf(pool.withResource(() => {
      throw errors[0];
    }));
    assertEquals((both as AggregateError).errors, errors);
    // deno-lint-ignore require-yield -- it returns at once
    const alone = yield* errorOf(pool.withResource(function* () {}));
    assertStrictEquals(alone, errors[1]);
  });
});

Deno.test("ResourcePool checks its arguments", () => {
  const cases: [options: unknown, typeof TypeError | typeof RangeError, string][] = [
    [undefined, TypeError, "Cannot make the pool: options must be an object, got undefined"],
    [{}, TypeError, "Cannot make the pool: make must be a function, got undefined"],
    [{ make, clear: 7 }, TypeError, "clear must be a function, got 7"],
    [{ make, maxSize: -1 }, RangeError, "maxSize must be an integer of at least 0 or Infinity"],
    [{ make, maxSize: "1" }, TypeError, 'maxSize must be a number, got "1"'],
  ];
  for (const [options, type, message] of cases) {
    assertThrows(() => new ResourcePool(options as never), type, message);
  }
  assertThrows(
    () => new ResourcePool({ make }).withResource(7 as never),
    TypeError,
    "Cannot use a resource: body must be a function, got 7",
  );
});

Deno.test("BufferPool keeps whole buffers of one size", () => {
  const pool = new BufferPool({ bufferSize: 8, maxSize: 1 });
  const result = run(() =>
    pool.withResource(function* (buffer) {
      return buffer.length;
    })
  );
  assertEquals([valueOf(result), pool.bufferSize, pool.maxSize], [8, 8, 1]);
  assertEquals(pool.statistics(), { kept: 1, inUse: 0 });
  assertThrows(
    () => pool.recycle(new Uint8Array(7)),
    TypeError,
    "Cannot recycle the buffer: it must be a Uint8Array of 8 bytes, got one of 7",
  );
  assertThrows(() => pool.recycle("a" as never), TypeError, 'got "a"');
  const part = new Uint8Array(64).subarray(8, 16);
  assertThrows(
    () => pool.recycle(part),
    TypeError,
    "it must fill its ArrayBuffer, got a part of 64 bytes",
  );
  assert(new BufferPool().acquire().length === 16384);
});

Deno.test("BufferPool checks its arguments", () => {
  assertThrows(
    () => new BufferPool({ bufferSize: 0 }),
    RangeError,
    "bufferSize must be an integer of at least 1, got 0",
  );
  assertThrows(() => new BufferPool({ bufferSize: Infinity }), RangeError, "at least 1, got Inf");
  assertThrows(() => new BufferPool({ maxSize: 0.5 }), RangeError, "maxSize must be an integer");
  assertThrows(() => new BufferPool(7 as never), TypeError, "options must be an object, got 7");
});
