/** law 13: a body that is none is refused where it is passed, or leads there. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertRejects,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  all,
  any,
  cancelScope,
  Fiber,
  FiberLocal,
  getScheduler,
  main,
  map,
  type Operation,
  protect,
  run,
  scope,
  sleep,
  spawn,
  spawnAsChildOf,
  spawnAsPromise,
  spawnFromAnywhere,
  withCancelCallback,
  withTimeout,
} from "@weft/weft";
import { withAbortSignal } from "@weft/weft/promise";
import { errorOf, valueOf } from "../kit/results.ts";
import { lineHere, linesHere, thrownBy } from "../kit/stacks.ts";

/** Anything, where the types would not allow it. */
// deno-lint-ignore no-explicit-any -- a caller without types
type Any = any;

/** The calls that take a body, by which an `async` one is refused. */
const calls: Record<string, (body: Any) => unknown> = {
  spawn,
  spawnAsChildOf: (body) => spawnAsChildOf(getScheduler(), Fiber.current(), body),
  spawnFromAnywhere: (body) => spawnFromAnywhere(getScheduler(), body),
  spawnAsPromise,
  main,
  scope,
  cancelScope,
  protect,
  all: (body) => all([sleepOnce, body]),
  any: (body) => any([sleepOnce, body]),
  map: (body) => map([], body),
  withTimeout: (body) => withTimeout(10, body),
  withCancelCallback: (body) => withCancelCallback(() => {}, body),
  withAbortSignal: (body) => withAbortSignal(new AbortController().signal, body),
  "FiberLocal.with": (body) => new FiberLocal(() => 0).with(1, body),
};

function* sleepOnce() {
  yield* sleep(1);
}

for (const [call, f] of Object.entries(calls)) {
  Deno.test(`${call}() refuses an async function as a body, at the call`, () => {
    const bodies: [body: Any, shown: RegExp][] = [
      [async () => await fetchAll(), /got async \(\) ?=> ?await fetchAll\(\);/], // as transpiled
      [async function worker() {}, /got async function worker\(/],
      [async function* worker() {}, /got async function\* worker\(/],
    ];
    valueOf(run(function* () {
      for (const [body, shown] of bodies) {
        const error = assertThrows(() => f(body), TypeError);
        assertStringIncludes(error.message, "must be a generator function (function*), got async ");
        assertMatch(error.message, shown);
        assertStringIncludes(error.message, "yield* fromPromise(promise) instead of await");
      }
    }));
  });
}

function fetchAll(): Promise<void> {
  return Promise.resolve();
}

Deno.test("run() with an async function as a body tells at the call that it got a promise", () => {
  const line = lineHere(import.meta.url) + 1;
  const error = errorOf(run((async () => {}) as Any)) as Error;
  assertStringIncludes(error.message, "got a promise; wait for a promise with fromPromise");
  assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
});

Deno.test("spawn() of a body that returns no operation shows the body, or tells its name", () => {
  const messages = [
    (body: Any) => spawn(body),
    (body: Any) => spawn(body, { name: "reader" }),
  ].map((f) => (errorOf(run(() => f(() => fetchAll()))) as Error).message);
  assertMatch(
    messages[0]!,
    /^Cannot run the body of fiber \d+: it must return an operation, got a promise; wait for .+ fromPromise; the body is \(\) ?=> ?fetchAll\(\)$/,
  );
  assertMatch(messages[1]!, /^Cannot run the body of fiber "reader": .+ with fromPromise$/);
});

Deno.test("main() whose body returns no operation shows the body", async () => {
  const error = await assertRejects(async () => void (await main((() => fetchAll()) as Any)));
  assertMatch(
    (error as Error).message,
    /^Cannot run the body of fiber "main": .+; the body is \(\) ?=> ?fetchAll\(\)$/,
  );
});

Deno.test("spawn() of a long body that returns no operation shows how it begins", () => {
  const body = () => {
    sleepOnce();
    sleepOnce(); // a comment that makes it too long for a message, all the more in a single line
  };
  const { message } = errorOf(run(() => spawn(body as Any))) as Error;
  const [, shown] = message.split("; the body is ");
  assert(shown!.startsWith("() => {") || shown!.startsWith("()=>{"), message);
  assert(shown!.includes("sleepOnce();") && shown!.endsWith("…"), message);
  assert(!message.includes("\n") && shown!.length <= 61, message);
});

/** Each waits on one line for a fiber of its own whose body is none. */
const nurseries: Record<string, (bad: Any, here: () => void) => Operation<unknown>> = {
  *all(bad, here) {
    here();
    yield* all([bad]);
  },
  *map(bad, here) {
    here();
    yield* map([1], bad);
  },
  *scope(bad, here) {
    here();
    yield* scope(bad);
  },
  *withTimeout(bad, here) {
    here();
    yield* withTimeout(10, bad);
  },
};

for (const [call, f] of Object.entries(nurseries)) {
  Deno.test(`${call}() whose body returns no operation fails with an error that leads to the call`, () => {
    function* bad() {}
    let line = 0;
    const here = () => void (line = linesHere(import.meta.url, new Error())[1]! + 1);
    const error = valueOf(run(() => thrownBy(() => f(() => void bad(), here))));
    assertInstanceOf(error, TypeError);
    assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
    assertStringIncludes(error.message, "it must return an operation, got undefined");
  });
}

Deno.test("scope() in which a spawned body returns no operation leads to the scope", () => {
  let line = 0;
  const error = valueOf(run(() =>
    thrownBy(function* () {
      line = lineHere(import.meta.url) + 1;
      yield* scope(function* () {
        spawn(() => void sleepOnce() as Any);
      });
    })
  ));
  assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
  assertStringIncludes(error.message, "the body is");
});
