/** law 2: what a group fails with doesn't depend on the order in which wrappers and causes arrive. */
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { Event, protect, run, scope, yieldNow } from "@weft/weft";
import { errorOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";

const cause = new Error("cause");
const other = new Error("other");
const wrapper = new Error("wrapper", { cause });
const another = new Error("another wrapper", { cause });
const outermost = new Error("outermost", { cause: wrapper });
const group = new AggregateError([cause, other], "group");

/** Failures in the order in which they happen, and what a scope makes of them. */
const shapes: [what: string, failures: Error[], expected: Error[]][] = [
  ["a cause, then its wrapper", [cause, wrapper], [wrapper]],
  ["a wrapper, then its cause", [wrapper, cause], [wrapper]],
  ["a wrapper's wrapper, then the cause", [outermost, cause], [outermost]],
  ["a cause, then the wrapper's wrapper", [cause, outermost], [outermost]],
  ["a member, then its aggregate", [cause, group], [group]],
  ["an aggregate, then its member", [group, cause], [group]],
  ["both members, then their aggregate", [cause, other, group], [group]],
  ["two different wrappers of one failure", [wrapper, another], [wrapper, another]],
  ["a failure, then two wrappers of it", [cause, wrapper, another], [wrapper, another]],
  ["a wrapper, the failure, another wrapper", [wrapper, cause, another], [wrapper, another]],
  ["a failure and one that has nothing to do with it", [cause, other], [cause, other]],
];

forEachScheduler((name, run) => {
  for (const [what, failures, expected] of shapes) {
    Deno.test(`law 2: ${what}: the shape is the same in each order (${name})`, () => {
      const result = run(() =>
        scope(function* (s) {
          let waiting = 0;
          failures.forEach((failure, index) =>
            s.spawn(function* () {
              waiting++;
              try {
                yield* Event.never();
              } finally {
                // One after the other, whatever the scheduler makes of the order.
                while (turn < index) yield* protect(yieldNow);
                turn++;
                // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
                throw failure;
              }
            })
          );
          let turn = 0;
          while (waiting < failures.length) yield* yieldNow();
          s.cancel();
        })
      );
      const error = errorOf(result);
      if (expected.length === 1) return assertStrictEquals(error, expected[0]);
      assertInstanceOf(error, AggregateError);
      assertEquals(error.errors.length, expected.length);
      expected.forEach((failure, index) => assertStrictEquals(error.errors[index], failure));
    });
  }
});

// A failure is looked at once, and not again for each that comes after it: 16,000 clean-ups that
// fail took minutes.
for (const count of [1000, 4000]) {
  Deno.test(`law 2: ${count} failures: each is looked at a few times, not once for every other`, () => {
    let looks = 0;
    class Counted extends Error {
      override get cause(): unknown {
        looks++;
        return undefined;
      }
    }
    const failures = Array.from({ length: count }, (_, n) => new Counted(`failure ${n}`));
    const result = run(() =>
      scope(function* (s) {
        for (const failure of failures) {
          s.spawn(function* () {
            try {
              yield* Event.never();
            } finally {
              // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
              throw failure;
            }
          });
        }
        yield* yieldNow();
        throw other;
      })
    );
    const error = errorOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, [other, ...failures]);
    assert(looks <= 10 * count, `${looks} looks`);
  });
}
