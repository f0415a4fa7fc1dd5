import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Channel, Event, Fiber, sleep } from "@weft/weft";
import {
  checkCount,
  checkDuration,
  checkFunction,
  checkOptional,
  checkOptions,
  isIterable,
  show,
} from "../../lib/internal/check.ts";

class Ticket {}

/** Claims to be what a bundler or a mocking library may leave: every look at it throws. */
function hostile(): object {
  const trap = () => {
    throw new Error("do not look at me");
  };
  return new Proxy({}, { get: trap, has: trap, getPrototypeOf: trap, ownKeys: trap });
}

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

const shown: [what: string, value: unknown, expected: string][] = [
  ["undefined", undefined, "undefined"],
  ["null", null, "null"],
  ["a boolean", true, "true"],
  ["a number", -1.5, "-1.5"],
  ["NaN", NaN, "NaN"],
  ["a bigint", 12n, "12n"],
  ["a symbol", Symbol("it"), "Symbol(it)"],
  ["a string", 'say "hi"', '"say \\"hi\\""'],
  ["a long string", "x".repeat(100), `"${"x".repeat(60)}"`],
  ["a named function", sleep, "function sleep"],
  ["a class", Ticket, "function Ticket"],
  ["a function without a name", (() => () => {})(), "function (anonymous)"],
  ["an array", [1, 2, 3], "an array of 3"],
  ["a promise", Promise.resolve(1), "a promise"],
  ["a thenable", { then() {} }, "a promise"],
  ["a plain object", {}, "an Object"],
  ["an object without a prototype", Object.create(null), "an Object"],
  ["an object of a class", new Ticket(), "a Ticket"],
  ["an object whose class has no name", new (class {})(), "an Object"],
  ["a date", new Date(0), "a Date"],
  ["an error", new TypeError("no"), "an Error"],
  ["a map", new Map(), "a Map"],
  ["a generator", (function* () {})(), "a Generator"],
  ["a channel", new Channel(), "a Channel"],
  [
    "a function whose name is no string",
    Object.defineProperty(() => {}, "name", {
      value: Symbol("name"),
    }),
    "a function",
  ],
  ["an object that can't be looked at", hostile(), "an object"],
  ["a revoked proxy", revoked(), "an object"],
];

for (const [what, value, expected] of shown) {
  Deno.test(`show() of ${what} is ${expected.slice(0, 30)}`, () => {
    assertEquals(show(value), expected);
  });
}

Deno.test("show() of what yield* takes is never 'a promise', though it has a then", () => {
  for (const value of [sleep(1), Event.never(), Fiber.returned(1)]) {
    assertStringIncludes(show(value), " ");
    assertEquals(show(value) === "a promise", false, show(value));
  }
});

Deno.test("isIterable() is true for objects with an iterator, not for strings", () => {
  for (const value of [[], new Map(), (function* () {})(), sleep(1), Event.never()]) {
    assertEquals(isIterable(value), true);
  }
  for (const value of ["abc", null, undefined, 1, {}, { [Symbol.iterator]: 1 }, () => {}]) {
    assertEquals(isIterable(value), false);
  }
});

Deno.test("checkFunction() lets a function through and says what else it got", () => {
  checkFunction("spawn", "body", () => {});
  assertThrows(
    () => checkFunction("spawn", "body", 3),
    TypeError,
    "Cannot spawn: body must be a function, got 3",
  );
});

Deno.test("checkFunction() hints at the arrow that is missing, for an operation only", () => {
  const operation = assertThrows(() => checkFunction("spawn", "body", sleep(1)), TypeError);
  assertStringIncludes(operation.message, "pass a function that makes the operation");
  for (const other of [[1], {}, "abc"]) {
    const error = assertThrows(() => checkFunction("spawn", "body", other), TypeError);
    assertEquals(error.message.includes("pass a function"), false, error.message);
  }
});

Deno.test("checkOptions() lets undefined and objects through, and nothing else", () => {
  checkOptions("go", undefined);
  checkOptions("go", {});
  for (const value of [null, 1, "a", true, () => {}]) {
    assertThrows(
      () => checkOptions("go", value),
      TypeError,
      `Cannot go: options must be an object, got ${show(value)}`,
    );
  }
});

Deno.test("checkOptional() lets undefined and the named type through, and nothing else", () => {
  checkOptional("go", "name", undefined, "string");
  checkOptional("go", "name", "", "string");
  checkOptional("go", "fair", false, "boolean");
  checkOptional("go", "finally", () => {}, "function");
  assertThrows(
    () => checkOptional("go", "name", null, "string"),
    TypeError,
    "Cannot go: name must be a string, got null",
  );
});

Deno.test("checkDuration() lets every number but NaN through", () => {
  for (const ms of [0, -0, -5, 0.5, Infinity, -Infinity]) checkDuration("nap", "ms", ms);
  assertThrows(() => checkDuration("nap", "ms", NaN), RangeError, "Cannot nap: ms must not be NaN");
  for (const ms of ["5", 5n, null, undefined, {}]) {
    assertThrows(
      () => checkDuration("nap", "ms", ms),
      TypeError,
      `Cannot nap: ms must be a number, got ${show(ms)}`,
    );
  }
});

Deno.test("checkCount() lets Infinity and integers from the least on through", () => {
  for (const n of [1, 2, 1e9, Infinity]) checkCount("go", "n", n, 1);
  checkCount("go", "n", 0, 0);
  for (const n of [0, -1, 1.5, NaN, -Infinity]) {
    assertThrows(
      () => checkCount("go", "n", n, 1),
      RangeError,
      `Cannot go: n must be an integer of at least 1 or Infinity, got ${n}`,
    );
  }
  assertThrows(() => checkCount("go", "n", "1", 1), TypeError, 'must be a number, got "1"');
});
