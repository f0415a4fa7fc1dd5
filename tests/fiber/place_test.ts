/** law 13: errors that the library makes by itself say whose they are, and lead to where. */
import { assert, assertEquals, assertInstanceOf, assertMatch } from "@std/assert";
import { cancelAfter, map, run, scope, sleep, spawn, Timeout, withTimeout } from "@weft/weft";
import { errorOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { lineHere, linesHere, thrownBy } from "../kit/stacks.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

// Timeout ----------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`Timeout of withTimeout() names the fiber and leads to the call (${name})`, () => {
    let line = 0;
    function* crawler() {
      yield* scope(function* () {
        line = lineHere(import.meta.url) + 1;
        yield* withTimeout(10, () => sleep(1000));
      });
    }
    const error = valueOf(run(() => thrownBy(crawler), { loop: virtualLoop() }));
    assertInstanceOf(error, Timeout);
    assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
    const [inner] = error.stack!.split(import.meta.url);
    assert(!inner!.includes("/lib/"), `it begins where the user's code does: ${error.stack}`);
    assertMatch(error.stack!, /^TimeoutError: The deadline of 10 ms passed/);
  });

  Deno.test(`Timeout of withTimeout() tells which of many fibers it was in (${name})`, () => {
    const errors = valueOf(run(function* () {
      function* serve(n: number) {
        return yield* thrownBy(() => withTimeout(10 + n, () => sleep(1000)));
      }
      return yield* map([0, 1, 2], serve);
    }, { loop: virtualLoop() }));
    assertEquals(errors.map(({ message }) => message), [
      'The deadline of 10 ms passed in fiber "serve 0"',
      'The deadline of 11 ms passed in fiber "serve 1"',
      'The deadline of 12 ms passed in fiber "serve 2"',
    ]);
  });

  Deno.test(`Timeout of cancelAfter() names the fiber, and leads to who gets it thrown (${name})`, () => {
    let line = 0;
    const [error, id] = valueOf(run(function* () {
      let id = 0;
      const error = yield* thrownBy(function* () {
        line = lineHere(import.meta.url) + 1;
        yield* scope(function* () {
          id = spawn(() => (cancelAfter(10), sleep(1000))).id;
        });
      });
      return [error, id] as const;
    }, { loop: virtualLoop() }));
    assertEquals(error.message, `The deadline of 10 ms passed in fiber ${id}`);
    assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
  });

  Deno.test(`Timeout of cancelAfter() leads to who joins the fiber (${name})`, () => {
    let line = 0;
    const error = valueOf(run(() =>
      thrownBy(function* () {
        const body = () => (cancelAfter(10), sleep(1000));
        const fiber = spawn(body, { name: "late", propagateCancelToParent: false });
        line = lineHere(import.meta.url) + 1;
        yield* fiber;
      }), { loop: virtualLoop() }));
    assertEquals(error.message, 'The deadline of 10 ms passed in fiber "late"');
    assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
  });
});

Deno.test("Timeout of cancelAfter() that has passed at the call leads to the call", () => {
  let line = 0;
  const error = errorOf(run(function* late() {
    line = lineHere(import.meta.url) + 1;
    cancelAfter(0);
    yield* sleep(1000);
  }));
  assertInstanceOf(error, Timeout);
  assertEquals(error.message, 'The deadline of 0 ms passed in fiber "late"');
  assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
});

Deno.test("Timeout that was thrown once keeps its stack wherever it goes", () => {
  let line = 0;
  const error = errorOf(run(() =>
    scope(function* () {
      try {
        line = lineHere(import.meta.url) + 1;
        yield* withTimeout(10, () => sleep(1000));
      } catch (error) {
        throw error;
      }
    }), { loop: virtualLoop() })) as Error;
  assertEquals(linesHere(import.meta.url, error)[0], line, error.stack);
});
