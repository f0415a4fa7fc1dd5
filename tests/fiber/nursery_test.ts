/** What an adversarial review found about nurseries: whose abort it is, and whom it reaches. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  Abort,
  cancelScope,
  FiberAborted,
  protect,
  run,
  type Scope,
  scope,
  selfAbort,
  sleep,
  spawn,
  Timeout,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler, type RunNow } from "../kit/schedulers.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

const apart = { propagateCancelToParent: false };

/** How `body` ended, in a fiber of its own that fails nobody else. */
function endingOf<T>(run: RunNow, body: () => Generator<never, T, unknown>) {
  return valueOf(run(() => spawn(body, apart).join()));
}

// Release hooks ----------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`law 12: Scope.onRelease(): what one hook spawned fails, and the others run to their end (${name})`, () => {
    const log: string[] = [];
    const error = new Error("spawned by a hook");
    const result = run(() =>
      scope(function* (s) {
        s.onRelease(function* () {
          yield* sleep(1);
          log.push("first registered, last run");
        });
        s.onRelease(function* () {
          s.spawn(function* () {
            throw error;
          });
          yield* sleep(1);
          log.push("the one that spawned");
        });
        s.onRelease(() => {
          s.spawn(function* () {
            yield* sleep(1);
            log.push("spawned by another");
          });
        });
      })
    );
    assertStrictEquals(errorOf(result), error);
    assertEquals(log, [
      "spawned by another",
      "the one that spawned",
      "first registered, last run",
    ]);
  });

  for (const who of ["the hook itself", "another fiber"]) {
    Deno.test(`law 12: Scope.cancel() by ${who} doesn't reach a hook that sleeps (${name})`, () => {
      const log: string[] = [];
      const result = run(function* () {
        let open: Scope | undefined;
        const fiber = spawn(() =>
          scope(function* (s) {
            s.onRelease(function* () {
              if (who === "the hook itself") s.cancel("late");
              open = s;
              yield* sleep(5);
              log.push("hook done");
            });
            return "value";
          })
        );
        while (open === undefined) yield* yieldNow();
        open.cancel("late");
        return yield* fiber;
      });
      assertEquals(valueOf(result), "value", "an abort that reached nobody came too late");
      assertEquals(log, ["hook done"]);
    });
  }

  Deno.test(`law 2: selfAbort() in a release hook: Abort is not among the failures (${name})`, () => {
    const log: string[] = [];
    const error = new Error("body");
    const result = run(() =>
      scope(function* (s) {
        s.onRelease(() => void log.push("still run"));
        s.onRelease(() => selfAbort("in the hook"));
        throw error;
      })
    );
    assertStrictEquals(errorOf(result), error);
    assertEquals(log, ["still run"]);
  });

  for (const around of ["", " inside protect"]) {
    Deno.test(`selfAbort() in a release hook aborts the fiber${around} (${name})`, () => {
      const log: string[] = [];
      const inScope = () =>
        scope(function* (s) {
          s.onRelease(() => void log.push("still run"));
          s.onRelease(() => selfAbort("in the hook"));
        });
      const ending = endingOf(run, function* () {
        yield* around === "" ? inScope() : protect(inScope);
        log.push("went on");
      });
      assertEquals(reasonOf(ending), "in the hook");
      assertEquals(log, ["still run"]);
    });
  }

  Deno.test(`law 13: an Abort that a release hook throws by itself isn't eaten (${name})`, () => {
    const log: string[] = [];
    const abort = new Abort("by hand");
    const result = run(function* () {
      try {
        yield* scope(function* (s) {
          s.onRelease(() => void log.push("still run"));
          s.onRelease(() => {
            throw abort;
          });
        });
      } catch (error) {
        return error;
      }
    });
    assertStrictEquals(valueOf(result), abort);
    assertEquals(log, ["still run"]);
  });
});

// check() and signals ----------------------------------------------------------------------------

forEachScheduler((name, run) => {
  const checks: [name: string, check: (context: { check(): void; signal: AbortSignal }) => void][] =
    [
      ["check()", (context) => context.check()],
      ["signal.throwIfAborted()", (context) => context.signal.throwIfAborted()],
    ];
  for (const [call, check] of checks) {
    Deno.test(`CancelContext.${call} in a cancelled cancelScope() ends just that (${name})`, () => {
      const result = run(function* () {
        const option = yield* cancelScope(function* (context) {
          context.cancel("stop");
          check(context);
          return "not reached";
        });
        yield* yieldNow(); // the fiber is not aborted
        return [option];
      });
      assertEquals(valueOf(result), [undefined]);
    });

    Deno.test(`law 5: CancelContext.${call} in a cancelled scope() throws FiberAborted (${name})`, () => {
      const result = run(function* () {
        try {
          yield* scope(function* (s) {
            s.cancel("stop");
            check(s);
          });
        } catch (error) {
          yield* yieldNow();
          return error;
        }
      });
      const error = valueOf(result);
      assertInstanceOf(error, FiberAborted);
      assertEquals(error.cause.cause, "stop");
    });
  }
});

// selfAbort through shields ----------------------------------------------------------------------

forEachScheduler((name, run) => {
  function* swallow() {
    try {
      yield* selfAbort("firm");
    } catch {
      // swallowed
    }
    return "returned";
  }
  const nestings: [name: string, body: () => Generator<never, unknown, unknown>][] = [
    ["protect", () => wrap(protect(swallow))],
    ["a scope in protect", () => wrap(protect(() => scope(swallow)))],
    ["protect in a scope", () => wrap(scope(() => protect(swallow)))],
    ["protect in protect", () => wrap(protect(() => protect(swallow)))],
    [
      "a cancelled cancelScope in protect",
      () =>
        wrap(protect(() =>
          cancelScope(function* (context) {
            context.cancel("just this");
            return yield* swallow();
          })
        )),
    ],
  ];
  function* wrap(operation: Iterable<never, unknown, unknown>): Generator<never, unknown, unknown> {
    return yield* operation;
  }
  for (const [where, body] of nestings) {
    Deno.test(`law 3: selfAbort() swallowed in ${where}: the fiber ends aborted (${name})`, () => {
      assertEquals(reasonOf(endingOf(run, body)), "firm");
    });
  }
});

// Scopes that are driven by hand -----------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`law 13: scopes that are closed out of order fail with an error that says so (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        const [a, b] = ["a", "b"].map((which) =>
          scope(function* () {
            yield* yieldNow();
            log.push(`${which} went on`);
          })[Symbol.iterator]()
        );
        yield a!.next().value as never;
        yield b!.next().value as never;
        a!.next(); // the outer one ends first
        b!.next();
      }, { ...apart, finally: () => void log.push("finally") });
      const sibling = spawn(function* () {
        for (let n = 0; n < 10; n++) yield* yieldNow();
        return "sibling";
      });
      const ending = yield* fiber.join();
      return { ending, sibling: yield* sibling };
    });
    const { ending, sibling } = valueOf(result);
    const error = errorOf(ending);
    assertInstanceOf(error, Error);
    assertStringIncludes(
      error.message,
      "Cannot leave the scope: a scope around it was left before",
    );
    assertEquals(sibling, "sibling", "the scheduler survives it");
    assertEquals(log, ["a went on", "b went on", "finally"]);
  });
});

// withTimeout -------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  for (const ms of [0, -1]) {
    Deno.test(`withTimeout(${ms}) whose body spawns and returns: what it spawned was too late (${name})`, () => {
      let ran = false;
      const result = run(() =>
        withTimeout(ms, function* () {
          spawn(function* () {
            ran = true;
          });
          return "body";
        })
      );
      assertInstanceOf(errorOf(result), Timeout);
      assert(!ran, "it never ran");
    });
  }
});

// Deep nesting -----------------------------------------------------------------------------------

/** Scopes in scopes, `depth` of them; each with a hook, and every tenth with a fiber. */
function* nest(depth: number, log: { hooks: number }): Generator<never, string, unknown> {
  if (depth === 0) {
    yield* yieldNow();
    return "bottom";
  }
  return yield* scope(function* (s) {
    s.onRelease(function* () {
      yield* yieldNow();
      log.hooks--;
    });
    log.hooks++;
    if (depth % 10 === 0) spawn(() => sleep(1));
    return yield* nest(depth - 1, log);
  });
}

Deno.test("scope() nested a few hundred deep works", () => {
  const log = { hooks: 0 };
  assertEquals(valueOf(run(() => nest(400, log), { loop: virtualLoop() })), "bottom");
  assertEquals(log.hooks, 0);
});

forEachScheduler((name, run) => {
  Deno.test(`law 1: scope() in endless recursion: a RangeError says so, and all of them end (${name})`, () => {
    const log = { hooks: 0 };
    let finallyRan = false;
    const ending = valueOf(
      run(() =>
        spawn(() => nest(Infinity, log), { ...apart, finally: () => void (finallyRan = true) })
          .join()
      ),
    );
    const error = errorOf(ending);
    assertInstanceOf(error, RangeError);
    assertStringIncludes(error.message, "is it endless recursion?");
    assert(finallyRan);
    assertEquals(log.hooks, 0, "every hook ran, once");
  });
});
