/** Errors between threads. */
import { assert, assertEquals, assertInstanceOf, assertStringIncludes } from "@std/assert";
import { Abort, Deadlock, FiberAborted, fromPromise, main, Timeout } from "@weft/weft";
import { pack, unpack } from "../../lib/thread/memory/packed_error.ts";
import { thrownBy, withPool } from "../kit/pools.ts";
import type { CustomError } from "./workers/tasks.ts";

/** There and back, as messages are copied. */
function crossed(thrown: unknown): unknown {
  return unpack(structuredClone(pack(thrown)), "thread 7");
}

Deno.test("T39 law 13: an error crosses with class name, message, fields, cause and both stacks", async () => {
  await withPool({ name: "mine" }, function* (pool) {
    let error: unknown;
    try {
      yield* pool.run("fail", "boo");
    } catch (caught) {
      error = caught;
    }
    assertInstanceOf(error, Error);
    const { name, message, code, cause, stack } = error as CustomError;
    assertEquals([name, message, code], ["CustomError", "boo", 7]);
    assertInstanceOf(cause, RangeError);
    assertEquals(cause.message, "deep");
    assert(/^CustomError: boo|^Error: boo/.test(stack!), stack);
    assertStringIncludes(stack!, "tasks.ts");
    assert(/in thread \d+ of pool "mine"/.test(stack!), stack);
    assertStringIncludes(stack!, "waited for here:");
    assertStringIncludes(stack!, "packed_error_test.ts");
    const waiting = stack!.slice(stack!.indexOf("waited for here:"));
    assert(!waiting.includes("/lib/"), waiting); // the library's own frames tell nobody anything
  });
});

Deno.test("pack() and unpack() keep the class of built-in errors and of Weft's own", () => {
  const errors = [
    new TypeError("a"),
    new AggregateError([new RangeError("b"), "c"], "d", { cause: 1 }),
    new Abort("e"),
    new FiberAborted(new Abort("f")),
    new Timeout("g"),
    new Deadlock([{ id: 1, name: "h", waitsOn: "i" }]),
    new DOMException("j", "NotFoundError"),
  ];
  for (const error of errors) {
    const back = crossed(error) as Error;
    assert(back !== error);
    assertEquals(Object.getPrototypeOf(back), Object.getPrototypeOf(error));
    assertEquals([back.name, back.message], [error.name, error.message]);
    assertEquals(Object.keys(back), Object.keys(error).filter((key) => key !== "name"));
    assertStringIncludes(back.stack!, "in thread 7");
  }
  const [, aggregate, , aborted, , deadlock, dom] = errors.map((error) => crossed(error));
  assertInstanceOf((aggregate as AggregateError).errors[0], RangeError);
  assertEquals((aggregate as AggregateError).errors[1], "c");
  assertEquals((aggregate as AggregateError).cause, 1);
  assertEquals((aborted as FiberAborted).cause.cause, "f");
  assertEquals((deadlock as Deadlock).fibers[0]!.waitsOn, "i");
  assertEquals((dom as DOMException).code, DOMException.NOT_FOUND_ERR);
});

Deno.test("unpack() makes of a class it doesn't know the nearest one that it knows, with its name", () => {
  class HttpError extends TypeError {}
  class Named extends RangeError {
    override name = "Named!";
  }
  /** Called as one of Weft's, but not that. */
  const Timeout = class Timeout extends Error {};
  for (
    const [error, base, name] of [
      [new HttpError("a"), TypeError, "HttpError"],
      [new Named("b"), RangeError, "Named!"],
      [new Timeout("c"), Error, "Timeout"],
    ] as const
  ) {
    const back = crossed(error) as Error;
    assertEquals(Object.getPrototypeOf(back), base.prototype);
    assertEquals([back.name, back.message], [name, error.message]);
  }
});

Deno.test("pack() and unpack() keep errors that are their own cause, and those that occur twice", () => {
  const snake = new Error("snake");
  snake.cause = new AggregateError([snake, snake], "tail");
  const back = crossed(snake) as Error;
  const tail = back.cause as AggregateError;
  assertEquals(tail.message, "tail");
  assert(tail.errors[0] === back && tail.errors[1] === back);

  let deep = new Error("bottom");
  for (let i = 0; i < 10_000; i++) deep = new Error(`${i}`, { cause: deep });
  assertEquals((crossed(deep) as Error).message, "9999");

  let wide: Error = new Error("leaf");
  for (let i = 0; i < 50; i++) wide = new AggregateError([wide, wide, wide], `${i}`);
  assertEquals((crossed(wide) as Error).message, "49"); // 3 ** 50 of them otherwise
});

Deno.test("pack() and unpack() carry what was thrown and is no error", () => {
  for (const thrown of ["text", 5, undefined, null, { a: [1] }, new Map([[1, 2]])]) {
    assertEquals(crossed(thrown), thrown);
  }
  assertEquals(crossed(() => 1), "function (anonymous)");
  assertEquals(crossed(Symbol("s")), "Symbol(s)");
});

Deno.test("pack() never throws, whatever it meets", () => {
  const fields = Object.assign(new Error("fields"), {
    f: () => 1,
    n: 1,
    inner: new TypeError("t"),
  });
  const back = crossed(fields) as typeof fields;
  assertEquals([back.f as unknown, back.n], ["function f", 1]);
  assertInstanceOf(back.inner, TypeError);

  const getter = Object.defineProperty(new Error("getter"), "bad", {
    enumerable: true,
    get() {
      throw new Error("no");
    },
  });
  assertStringIncludes((crossed(getter) as Error & { bad: string }).bad, "could not be read");

  const { proxy, revoke } = Proxy.revocable(new Error("revoked"), {});
  revoke();
  assertEquals(crossed(proxy), "an object");

  let reads = 0;
  const moody = {
    get n() {
      if (reads++ > 0) throw new Error("not again");
      return 7;
    },
  };
  assertEquals(crossed(moody), { n: 7 });

  const nested = crossed(new Error("outer", { cause: proxy })) as Error;
  assertEquals([nested.message, nested.cause], ["outer", "an object"]);
});

Deno.test("an error whose getters throw crosses with what can be read of it", () => {
  for (const key of ["name", "message", "stack", "constructor", "cause"]) {
    const error = new RangeError("readable", { cause: 1 });
    Object.assign(error, { code: 7 });
    Object.defineProperty(error, key, {
      get() {
        throw new Error("unreadable");
      },
    });
    const back = crossed(error) as RangeError & { code: number };
    assertInstanceOf(back, RangeError);
    assertEquals([back.name, back.code], ["RangeError", 7]);
    assertEquals(back.message, key === "message" ? "(its message could not be read)" : "readable");
    assertEquals(back.cause, key === "cause" ? "(could not be read: an Error)" : 1);
  }
});

Deno.test("law 13: a SuppressedError crosses with both of its errors", () => {
  const back = crossed(new SuppressedError(new RangeError("new"), new TypeError("old"), "both"));
  assertInstanceOf(back, SuppressedError);
  assertInstanceOf(back.error, RangeError);
  assertInstanceOf(back.suppressed, TypeError);
  assertEquals([back.message, Object.keys(back)], ["both", []]);
});

Deno.test("errors of every kind come out of a task as what they are", async () => {
  await withPool({}, function* (pool) {
    const thrown = function* (kind: string) {
      return yield* fromPromise(thrownBy(() => pool.run("failAs", kind)));
    };
    assertInstanceOf(yield* thrown("aggregate"), AggregateError);
    assertInstanceOf(yield* thrown("dom"), DOMException);
    const http = yield* thrown("http");
    assertInstanceOf(http, TypeError);
    assertEquals(http.name, "HttpError");
    const circle = (yield* thrown("circle")) as Error;
    assert((circle.cause as AggregateError).errors[1] === circle);
    assertEquals(((yield* thrown("uncloneable")) as { n?: number }).n, 1);
    assertStringIncludes(((yield* thrown("getter")) as { bad: string }).bad, "could not be read");
    assertEquals(yield* thrown("symbol"), "Symbol(thrown)");
    // A mistake in a module of tasks is not explained as if it were a function that was sent.
    const mistake = yield* thrown("reference");
    assertInstanceOf(mistake, ReferenceError);
    assertEquals(mistake.message, "notThere is not defined");
    for (const value of ["text", undefined, { a: 1 }]) {
      assertEquals(yield* fromPromise(thrownBy(() => pool.run("throwValue", value))), value);
    }
  });
});

Deno.test("law 5: an Abort that a task throws is somebody else's for who waits for the job", async () => {
  await withPool({}, function* (pool) {
    const error = yield* fromPromise(thrownBy(() => main(() => pool.run("throwValue", "x"))));
    assertEquals(error, "x");
    const aborted = yield* fromPromise(thrownBy(() => pool.run("abortItself")));
    assertInstanceOf(aborted, FiberAborted);
    assertEquals(aborted.cause.cause, "itself");
  });
});
