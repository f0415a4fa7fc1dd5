/** Functions that are sent to threads as their source. */
import { assertEquals, assertInstanceOf, assertStringIncludes, assertThrows } from "@std/assert";
import { fromPromise, main, map } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";
import { thrownBy } from "../kit/pools.ts";

type FunctionPool = ThreadPool<undefined>;

function withFunctions<T>(body: (pool: FunctionPool) => Promise<T>): Promise<T> {
  return (async () => {
    await using pool = await ThreadPool.make({ size: 1 });
    return await body(pool);
  })();
}

const object = {
  method(_: unknown, n: number) {
    return n + 1;
  },
  async asyncMethod(_: unknown, n: number) {
    return await Promise.resolve(n + 1);
  },
  "quoted name"(_: unknown, n: number) {
    return n + 1;
  },
  get(_: unknown, n: number) {
    return n + 1;
  },
  *generator(_: unknown, n: number): Generator<never, number> {
    return n + 1;
  },
};

class Klass {
  static method(_: unknown, n: number) {
    return n + 1;
  }
}

Deno.test("ThreadPool.run() sends functions of all shapes", async () => {
  await withFunctions(async (pool) => {
    const shapes: ((state: undefined, n: number) => unknown)[] = [
      (_, n) => n + 1,
      async (_, n) => await Promise.resolve(n + 1),
      (_, n, one = 1) => n + one,
      function (_, n) {
        return n + 1;
      },
      function* (_, n) {
        return n + 1;
      },
      function named(_, n): number {
        return n === 0 ? 1 : 1 + named(_, n - 1);
      },
      object.method,
      object.asyncMethod,
      object["quoted name"],
      object.get,
      object.generator,
      Klass.method,
    ];
    for (const f of shapes) assertEquals(await pool.run(f, 1), 2, String(f));
    assertEquals(
      await pool.run((_, { a, b: [c] }: { a: number; b: number[] }) => [a, c], {
        a: 1,
        b: [2],
      }),
      [1, 2],
    );
  });
});

Deno.test("a function that uses what it captured fails with an error that names it", async () => {
  await withFunctions(async (pool) => {
    const captured = 1;
    const inner = () => captured;
    for (const [name, f] of [["captured", () => captured], ["inner", () => inner()]] as const) {
      const error = await thrownBy(() => pool.run(f));
      assertInstanceOf(error, TypeError);
      assertStringIncludes(error.message, `it uses ${name}, which is not defined there`);
      assertStringIncludes(error.message, "must be self-contained");
      assertInstanceOf(error.cause, ReferenceError);
    }
    assertEquals(await pool.run((_, n: number) => n, captured), 1); // the thread goes on
  });
  const state = 1;
  const error = await thrownBy(() => ThreadPool.make({ size: 1, init: () => state }));
  assertStringIncludes((error as Error).message, "it uses state, which is not defined there");
});

Deno.test("functions whose source can't be had are refused at the call", async () => {
  await withFunctions((pool) => {
    const accessor = Object.getOwnPropertyDescriptor(
      {
        get value() {
          return 1;
        },
      },
      "value",
    )!.get!;
    const name = "computed";
    const computed = { [name]: () => 1, [Symbol.iterator]() {} };
    for (
      const f of [
        Math.max,
        ((): number => 1).bind(null),
        accessor,
        Klass as unknown as () => void,
        computed[Symbol.iterator],
        () => import.meta.url,
      ]
    ) {
      const error = assertThrows(() => pool.run(f as () => unknown), TypeError);
      assertStringIncludes(error.message, "the source of f can't be had");
      assertStringIncludes(error.message, "or uses import.meta");
    }
    return Promise.resolve();
  });
  assertThrows(
    () => ThreadPool.make({ init: Math.random }),
    TypeError,
    "Cannot make the thread pool: the source of init can't be had",
  );
});

Deno.test("a function may be new each time: only its source counts", async () => {
  await main(function* () {
    const pool = yield* ThreadPool.make({ size: 2, init: () => ({ n: 0 }) });
    const numbers = Array.from({ length: 500 }, (_, i) => i);
    const results = yield* map(numbers, (n) => pool.run((_, n: number) => n * 2, n));
    assertEquals(results, numbers.map((n) => n * 2));
    yield* pool.close();
  });
});

Deno.test("a job never overtakes the function that it runs", async () => {
  await main(function* () {
    const pool = yield* ThreadPool.make({ size: 2 });
    // Far more functions than fit into a thread's inbox, while its threads are at work.
    const makers = Array.from(
      { length: 400 },
      (_, i) => new Function("_", `return ${i}`) as (state: undefined) => number,
    );
    assertEquals(yield* map(makers, (f) => pool.run(f)), makers.map((_, i) => i));
    // And a thread that is started later knows them all.
    yield* fromPromise(thrownBy(() => pool.run(() => Deno.exit(1))));
    assertEquals(yield* map(makers, (f) => pool.run(f)), makers.map((_, i) => i));
    yield* pool.close();
  });
});

Deno.test("ThreadPool.run() of a pool of functions refuses names", async () => {
  await withFunctions((pool) => {
    assertThrows(
      () => pool.run("name" as never),
      TypeError,
      'expected a function, as the pool was made without a module, got "name"',
    );
    return Promise.resolve();
  });
});
