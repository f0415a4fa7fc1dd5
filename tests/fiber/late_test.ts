/** Law 4 for what nurseries drop: what was opened is returned, or given back, and never both. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  all,
  any,
  type Awaitable,
  cancelScope,
  either,
  Event,
  Fiber,
  Inactive,
  map,
  type Operation,
  protect,
  run,
  scope,
  selfAbort,
  sleep,
  spawn,
  type SpawnOptions,
  withCancelCallback,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler, type RunNow } from "../kit/schedulers.ts";
import { uncaughtSoon } from "../kit/uncaught.ts";

/** What is opened and has to be closed. */
class Sockets {
  readonly opened: string[] = [];
  readonly closed: string[] = [];

  *open(name: string, afterMs: number): Operation<string> {
    yield* sleep(afterMs);
    return this.#opened(name);
  }

  /** In spite of an abort. */
  openProtected = (name: string, afterMs: number): Operation<string> => {
    return protect(() => this.open(name, afterMs));
  };

  close = (name: string): void => void this.closed.push(name);

  *closeSlowly(name: string): Operation<void> {
    yield* sleep(5);
    this.close(name);
  }

  /** Each that was opened is either `held` or was closed, once. */
  assertNoneLost(...held: string[]): void {
    assertEquals([...held, ...this.closed].toSorted(), this.opened.toSorted());
  }

  #opened(name: string): string {
    this.opened.push(name);
    return name;
  }
}

function* failing(error: unknown, afterMs: number): Operation<never> {
  yield* sleep(afterMs);
  throw error;
}

// any --------------------------------------------------------------------------------------------

/** So many turns after so many milliseconds: in the middle of what happens in one instant. */
function* until(moment: number): Operation<void> {
  yield* sleep(moment >> 2);
  for (let turn = 0; turn < (moment & 3); turn++) yield* yieldNow();
}

/** Aborts `body`, which holds what it gets, at each moment: each value is held, or given back. */
function abortAtEachMoment(
  run: RunNow,
  moments: number,
  body: (sockets: Sockets, held: string[]) => Operation<void>,
  options?: SpawnOptions,
): void {
  let given = 0;
  let returned = 0;
  for (let moment = 0; moment < moments; moment++) {
    const sockets = new Sockets();
    const held: string[] = [];
    valueOf(run(function* () {
      const fiber = spawn(() => body(sockets, held), options);
      yield* until(moment);
      yield* fiber.abort();
      yield* fiber.join();
    }));
    sockets.assertNoneLost(...held);
    given += sockets.closed.length;
    returned += held.length;
  }
  assert(given > 0 && returned > 0, "it should have seen both");
}

forEachScheduler((name, run) => {
  Deno.test(`law 4: any() hands to onLate what came in the same instant, before it returns (${name})`, () => {
    const sockets = new Sockets();
    const names = ["a", "b", "c"];
    const result = run(function* () {
      const bodies = names.map((name) => () => sockets.openProtected(name, 5));
      const winner = yield* any(bodies, { onLate: (late) => sockets.closeSlowly(late) });
      assertEquals(sockets.closed, sockets.opened.slice(1)); // in the order in which they came
      assertStrictEquals(winner, sockets.opened[0]);
      return winner;
    });
    sockets.assertNoneLost(valueOf(result));
    assertEquals(sockets.closed.length, 2);
  });

  Deno.test(`law 4: any() hands to onLate what a loser returns in spite of the abort (${name})`, () => {
    const sockets = new Sockets();
    const result = run(() =>
      any([
        () => sockets.openProtected("late", 10),
        () => sockets.open("winner", 5),
        () => sockets.open("never", 20),
      ], { onLate: sockets.close })
    );
    assertEquals(valueOf(result), "winner");
    assertEquals(sockets.closed, ["late"]);
  });

  Deno.test(`any() calls no onLate if nothing came beside the winner's value (${name})`, () => {
    const sockets = new Sockets();
    const bodies = [() => failing(new Error("kept"), 1), () => sockets.open("only", 2)];
    const result = run(() => any(bodies, { onLate: sockets.close }));
    assertEquals(valueOf(result), "only");
    assertEquals(sockets.closed, []);
    const none = run(() => any([() => failing(new Error("none"), 1)], { onLate: sockets.close }));
    assertInstanceOf(errorOf(none), AggregateError);
    assertEquals(sockets.closed, []);
  });

  Deno.test(`law 4: any() that is aborted hands to onLate what came all the same (${name})`, () => {
    const sockets = new Sockets();
    const result = run(function* () {
      const fiber = spawn(() =>
        any([
          () => sockets.openProtected("a", 5),
          () => sockets.open("never", 10),
          () => sockets.openProtected("b", 6),
        ], { onLate: (late) => sockets.closeSlowly(late) })
      );
      yield* sleep(1);
      yield* fiber.abort("outer");
      assertEquals(sockets.closed, ["a", "b"]); // before it is gone
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "outer");
  });

  Deno.test(`law 4: any() aborted at any moment returns each value or gives it back (${name})`, () => {
    abortAtEachMoment(run, 40, function* (sockets, held) {
      const winner = yield* any([
        () => sockets.openProtected("a", 3),
        () => sockets.open("b", 3),
        () => failing(new Error("kept"), 2),
        () => sockets.openProtected("c", 5),
        () => sockets.open("d", 5),
      ], { onLate: (late) => sockets.closeSlowly(late) });
      held.push(winner);
    }, { propagateCancelToParent: false });
  });

  Deno.test(`law 2: what onLate throws fails any(), which then gives back the winner's value, too (${name})`, () => {
    const sockets = new Sockets();
    const error = new Error("cannot close");
    const result = run(() =>
      any(["a", "b", "c"].map((name) => () => sockets.openProtected(name, 5)), {
        *onLate(late) {
          sockets.close(late);
          yield* yieldNow();
          if (sockets.closed.length === 1) throw error;
        },
      })
    );
    assertStrictEquals(errorOf(result), error);
    assertEquals(sockets.closed.length, 3);
    assertEquals(sockets.closed.at(-1), sockets.opened[0]); // the winner's comes last
    sockets.assertNoneLost();
  });

  Deno.test(`law 2: several failures of onLate are an AggregateError, in their order (${name})`, () => {
    const sockets = new Sockets();
    const seen: Error[] = [];
    const result = run(() =>
      any(["a", "b", "c"].map((name) => () => sockets.openProtected(name, 5)), {
        onLate() {
          const error = new Error(`the ${seen.length}th`);
          seen.push(error);
          throw error;
        },
      })
    );
    const error = errorOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, seen);
    assertEquals(seen.length, 3); // with the winner's
  });

  Deno.test(`law 2: the failure of an onLate stands beside that of the nursery (${name})`, () => {
    const [inClosing, inCleaningUp] = [new Error("cannot close"), new Error("in the clean-up")];
    const result = run(function* () {
      const fiber = spawn(() =>
        all([
          () => protect(() => sleep(5)),
          () => failing(inCleaningUp, 1),
        ], {
          onLate() {
            throw inClosing;
          },
        }), { propagateCancelToParent: false });
      return yield* fiber.join();
    });
    const error = errorOf(valueOf(result));
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, [inCleaningUp, inClosing]);
  });

  Deno.test(`any(): an onLate that aborts itself hides no value (${name})`, () => {
    const sockets = new Sockets();
    const result = run(function* () {
      const fiber = spawn(() =>
        any(["a", "b", "c"].map((name) => () => sockets.openProtected(name, 5)), {
          *onLate(late) {
            sockets.close(late);
            if (sockets.closed.length === 1) yield* selfAbort("enough");
          },
        })
      );
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "enough");
    sockets.assertNoneLost();
  });

  Deno.test(`law 12: an abort doesn't reach onLate, and is too late for any() (${name})`, () => {
    const sockets = new Sockets();
    const held: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        const bodies = ["a", "b"].map((name) => () => sockets.openProtected(name, 5));
        held.push(yield* any(bodies, { onLate: (late) => sockets.closeSlowly(late) }));
        yield* yieldNow();
        held.push("went on");
      });
      yield* sleep(7); // onLate is closing
      assertEquals([sockets.opened.length, sockets.closed.length], [2, 0]);
      yield* fiber.abort("too late");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "too late"); // it shows at the next suspension
    assertEquals(held, [sockets.opened[0]]);
    sockets.assertNoneLost(...held);
  });

  Deno.test(`law 3: any() with onLate aborted while its losers clean up returns the winner's value (${name})`, () => {
    const sockets = new Sockets();
    const held: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        held.push(
          yield* any([
            () => sockets.open("winner", 1),
            () => sockets.openProtected("late", 5),
            function* () {
              try {
                return yield* sockets.open("never", 20);
              } finally {
                yield* protect(() => sleep(5));
              }
            },
          ], { onLate: sockets.close }),
        );
      });
      yield* sleep(3);
      yield* fiber.abort();
    });
    valueOf(result);
    assertEquals([held, sockets.closed], [["winner"], ["late"]]);
  });

  Deno.test(`any() in withTimeout(): a deadline that strikes while onLate closes is too late (${name})`, () => {
    const sockets = new Sockets();
    const bodies = ["a", "b"].map((name) => () => sockets.openProtected(name, 5));
    const result = run(() =>
      withTimeout(7, () => any(bodies, { onLate: (late) => sockets.closeSlowly(late) }))
    );
    sockets.assertNoneLost(valueOf(result));
  });

  Deno.test(`law 1: what an onLate spawns is waited for (${name})`, () => {
    const sockets = new Sockets();
    const result = run(function* () {
      const bodies = ["a", "b"].map((name) => () => sockets.openProtected(name, 1));
      const winner = yield* any(bodies, {
        onLate(late) {
          spawn(() => sockets.closeSlowly(late));
        },
      });
      sockets.assertNoneLost(winner);
    });
    valueOf(result);
  });

  Deno.test(`law 13: an onLate that returns a promise has failed, and says so (${name})`, () => {
    const bodies = [() => protect(() => sleep(1)), () => protect(() => sleep(1))];
    const onLate = (() => Promise.resolve()) as never;
    const error = errorOf(run(() => any(bodies, { onLate })));
    assertInstanceOf(error, AggregateError);
    for (const each of error.errors) {
      assertInstanceOf(each, TypeError);
      assert(each.message.includes("onLate"));
    }
  });

  Deno.test(`law 4: any() whose generator is dropped hands everything to onLate (${name})`, () => {
    const sockets = new Sockets();
    const result = run(function* () {
      const iterator = any([
        () => sockets.openProtected("a", 3),
        () => sockets.openProtected("b", 5),
        () => sockets.open("never", 9),
      ], { onLate: (late) => sockets.closeSlowly(late) })[Symbol.iterator]();
      iterator.next();
      yield* sleep(1);
      iterator.return!();
      yield* sleep(20);
      sockets.assertNoneLost();
      return sockets.closed;
    });
    assertEquals(valueOf(result), ["a", "b"]);
  });
});

Deno.test("law 4: any() gives back in the deepest stack of scopes in which it can be opened", () => {
  let given = 0;
  for (let depth = 490; depth <= 500; depth++) {
    const sockets = new Sockets();
    const nest = (levels: number): Operation<string> => {
      if (levels > 0) return scope(() => nest(levels - 1));
      const bodies = ["a", "b"].map((name) => () => sockets.openProtected(name, 0));
      return any(bodies, { onLate: sockets.close });
    };
    const result = run(() => nest(depth));
    if (!result.ok) assertInstanceOf(result.error, RangeError);
    sockets.assertNoneLost(...result.ok ? [result.value] : []);
    given += sockets.closed.length;
  }
  assert(given > 0 && given < 11, "it should have come to the end of the stack");
});

// all and map ------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`law 4: all() that fails hands to onLate what others have returned (${name})`, () => {
    const sockets = new Sockets();
    const error = new Error("the third");
    const result = run(() =>
      all([
        () => sockets.open("never", 20),
        () => sockets.openProtected("late", 10),
        () => failing(error, 5),
        () => sockets.open("early", 1),
      ], { onLate: (late) => sockets.closeSlowly(late) })
    );
    assertStrictEquals(errorOf(result), error);
    assertEquals(sockets.closed, ["late", "early"]); // in the order of the bodies
    sockets.assertNoneLost();
  });

  Deno.test(`all() that returns calls no onLate (${name})`, () => {
    const sockets = new Sockets();
    const bodies = [() => sockets.open("a", 2), () => sockets.open("b", 1)];
    const result = run(() => all(bodies, { onLate: sockets.close }));
    assertEquals(valueOf(result), ["a", "b"]);
    assertEquals(sockets.closed, []);
  });

  Deno.test(`law 4: map() aborted at any moment returns its values or gives them back (${name})`, () => {
    abortAtEachMoment(run, 60, function* (sockets, held) {
      const open = (name: string, index: number) =>
        index === 1 ? sockets.openProtected(name, 3) : sockets.open(name, 2);
      const options = { concurrency: 2, onLate: (late: string) => sockets.closeSlowly(late) };
      held.push(...yield* map(["a", "b", "c", "d"], open, options));
    });
  });
});

// either -----------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`law 4: either() hands to onLate what the loser has returned, or returns yet (${name})`, () => {
    const sockets = new Sockets();
    const result = run(function* () {
      const onLate = (late: string) => sockets.closeSlowly(late);
      const quick = spawn(() => sockets.open("quick", 5));
      const stubborn = spawn(() => sockets.openProtected("stubborn", 10));
      const winners = [yield* either(stubborn, quick, { onLate })];
      assertEquals(sockets.closed, ["stubborn"]); // it waits for that
      const both = [spawn(() => sockets.open("a", 1)), spawn(() => sockets.open("b", 1))] as const;
      yield* sleep(5);
      winners.push(yield* either(...both, { onLate }));
      winners.push(yield* either(Fiber.failed(new Error("no")), both[1], { onLate }));
      winners.push(yield* either(both[0], Fiber.aborted(), { onLate }));
      return winners.map((winner) => winner?.value);
    });
    assertEquals(valueOf(result), ["quick", "a", "b", "a"]);
    assertEquals(sockets.closed, ["stubborn", "b"]);
  });

  Deno.test(`law 13: either() with onLate observes no failure of the loser's (${name})`, async () => {
    const error = new Error("in the clean-up");
    const errors = await uncaughtSoon(() => {
      const result = run(function* () {
        const loser = spawn(function* () {
          try {
            yield* Event.never();
          } finally {
            // deno-lint-ignore no-unsafe-finally -- this is what the test is about
            throw error;
          }
        }, { propagateCancelToParent: false });
        const winner = spawn(() => sleep(1));
        return yield* either(winner, loser, {
          onLate() {
            throw new Error("it has no value");
          },
        });
      });
      assertEquals(valueOf(result), { index: 0, value: undefined });
    });
    assertEquals(errors, [error]);
  });

  Deno.test(`law 2: what onLate throws is thrown by either(), and the winner keeps its value (${name})`, () => {
    const error = new Error("cannot close");
    const result = run(function* () {
      const winner = spawn(() => sleep(1));
      const loser = spawn(() => protect(() => sleep(5)));
      try {
        return yield* either(winner, loser, {
          *onLate() {
            yield* sleep(1);
            throw error;
          },
        });
      } catch (caught) {
        return [caught, winner.poll()];
      }
    });
    assertEquals(valueOf(result), [error, { ok: true, value: undefined }]);
  });

  Deno.test(`either() aborted at any moment returns each value, leaves it to its fiber, or gives it back (${name})`, () => {
    const seen = { given: 0, returned: 0, left: 0 };
    for (let moment = 0; moment < 40; moment++) {
      const sockets = new Sockets();
      const held: string[] = [];
      valueOf(run(function* () {
        const fibers = [
          spawn(() => sockets.open("a", 3)),
          spawn(() => sockets.openProtected("b", 5)),
        ] as const;
        let decided = false;
        const fiber = spawn(function* () {
          const winner = yield* either(...fibers, { onLate: (late) => sockets.closeSlowly(late) });
          decided = true;
          held.push(winner!.value);
        });
        yield* until(moment);
        yield* fiber.abort();
        yield* fiber.join();
        if (decided) return;
        assertEquals(fibers.map(({ state }) => state).includes("aborting"), false);
        const left = [yield* fibers[0].join(), yield* fibers[1].join()];
        for (const result of left) if (result.ok) held.push(result.value);
        seen.left++;
      }));
      sockets.assertNoneLost(...held);
      seen.given += sockets.closed.length;
      seen.returned += held.length;
    }
    assert(Object.values(seen).every((count) => count > 0), "it should have seen all");
  });

  Deno.test(`either() doesn't wait for the loser without onLate (${name})`, () => {
    const result = run(function* () {
      const loser = spawn(() => protect(() => sleep(10)));
      yield* either(spawn(() => sleep(1)), loser);
      return loser.state;
    });
    assertEquals(valueOf(result), "aborting");
  });
});

// Nurseries of one body --------------------------------------------------------------------------

forEachScheduler((name, run) => {
  /** Each is to end after 2 ms, while its body is opening a socket, which takes 5. */
  const nurseries: Record<string, (open: () => Operation<string>) => Operation<unknown>> = {
    "a fiber": (open) => open(),
    "scope()": (open) => scope(open),
    "protect()": (open) => protect(open),
    "withCancelCallback()": (open) => withCancelCallback(() => {}, open),
  };
  for (const [kind, nursery] of Object.entries(nurseries)) {
    Deno.test(`law 4: what a protect brings in spite of an abort is returned by ${kind} (${name})`, () => {
      const sockets = new Sockets();
      const held: unknown[] = [];
      valueOf(run(function* () {
        const fiber = spawn(function* () {
          held.push(yield* nursery(() => sockets.openProtected("it", 5)) as Awaitable<unknown>);
          yield* yieldNow();
          held.push("went on");
        });
        yield* sleep(2);
        yield* fiber.abort();
      }));
      assertEquals(held, ["it"]);
    });
  }

  Deno.test(`law 4: what a protect brings too late is returned by withTimeout() and cancelScope() (${name})`, () => {
    const sockets = new Sockets();
    const values = run(function* () {
      const inTime = yield* withTimeout(2, () => sockets.openProtected("a", 5));
      const cancelled = yield* cancelScope((context) =>
        protect(function* () {
          const value = yield* sockets.open("b", 5);
          context.cancel();
          return value;
        })
      );
      return [inTime, cancelled?.value];
    });
    assertEquals(valueOf(values), ["a", "b"]);
  });
});

Deno.test("any(), all(), map() and either() refuse options and an onLate of the wrong type", () => {
  const wrong = { onLate: 1 } as never;
  const calls = [
    (options: never) => any([], options),
    (options: never) => all([], options),
    (options: never) => map([], () => sleep(1), options),
    (options: never) => either(Fiber.returned(1), Fiber.returned(2), options),
  ];
  for (const call of calls) {
    assertThrows(() => call(wrong), TypeError, "onLate must be a function");
    assertThrows(() => call(1 as never), TypeError, "options must be an object");
  }
});

Deno.test("either() with onLate needs a fiber, and says so before anything is decided", () => {
  const operation = either(Fiber.returned(1), Fiber.returned(2), { onLate() {} });
  assertThrows(() => operation[Symbol.iterator]().next(), Inactive, "either with onLate");
});

Deno.test("any() and either() with onLate as promises run in a main of their own", async () => {
  const sockets = new Sockets();
  const onLate = sockets.close;
  const bodies = ["a", "b"].map((name) => () => sockets.openProtected(name, 0));
  sockets.assertNoneLost(await any(bodies, { onLate }));
  const both = await either(Fiber.returned("c"), Fiber.returned("d"), { onLate });
  assertEquals([both, sockets.closed.at(-1)], [{ index: 0, value: "c" }, "d"]);
});
