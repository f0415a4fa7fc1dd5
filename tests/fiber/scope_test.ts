import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  cancelScope,
  Event,
  Fiber,
  FiberAborted,
  Inactive,
  type Operation,
  protect,
  type Scope,
  scope,
  sleep,
  spawn,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

/** Opens a scope in the current fiber, and drops it at its first suspension. */
function openByHand(log: string[]): void {
  const generator = scope(function* (nursery) {
    nursery.onRelease(function* () {
      yield* sleep(1);
      log.push("hook");
    });
    yield* Event.never();
  })[Symbol.iterator]();
  assertEquals(generator.next().done, false);
}

/** Waits for ever, and logs when it is gone. */
function* endless(log: string[], name: string) {
  log.push(`${name} started`);
  try {
    yield* Event.never();
  } finally {
    log.push(`${name} gone`);
  }
}

// Structure --------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`law 1: scope() returns when everything spawned in it has ended (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const value = yield* scope(function* (nursery) {
        nursery.spawn(() => sleep(20), { finally: () => void log.push("by the scope") });
        spawn(() => sleep(30), { finally: () => void log.push("plainly") });
        return "value";
      });
      log.push("scope ended");
      return value;
    });
    assertEquals(valueOf(result), "value");
    assertEquals(log, ["by the scope", "plainly", "scope ended"]);
  });

  Deno.test(`scope() owns what is spawned in it, not what was spawned around it (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const outer = spawn(() => sleep(50), { finally: () => void log.push("outer") });
      yield* scope(function* () {
        yield* scope(function* () {
          spawn(() => sleep(10), { finally: () => void log.push("innermost") });
        });
        log.push("inner scope ended");
        spawn(() => sleep(10), { finally: () => void log.push("inner") });
      });
      log.push("scope ended");
      assertEquals(outer.state, "running");
    });
    valueOf(result);
    assertEquals(log, ["innermost", "inner scope ended", "inner", "scope ended", "outer"]);
  });

  Deno.test(`Scope.spawn() may be called by what was spawned in it (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* scope(function* (nursery) {
        nursery.spawn(function* () {
          yield* scope(function* () { // its own scope doesn't own it
            nursery.spawn(() => sleep(50), { finally: () => void log.push("grown") });
          });
          log.push("its own scope ended");
        });
      });
      log.push("scope ended");
    });
    valueOf(result);
    assertEquals(log, ["its own scope ended", "grown", "scope ended"]);
  });

  Deno.test(`Scope.spawn() and onRelease() throw Inactive when the scope is closed (${name})`, () => {
    const result = run(function* () {
      let escaped!: Scope;
      yield* scope(function* (nursery) {
        escaped = nursery;
      });
      assertThrows(() => escaped.spawn(yieldNow), Inactive, "Cannot spawn: the scope is closed");
      assertThrows(() => escaped.onRelease(() => {}), Inactive, "the scope is closed");
      escaped.cancel("no effect");
      assertEquals(escaped.error, undefined);
      yield* yieldNow();
    });
    valueOf(result);
  });

  Deno.test(`T12: law 1: the wait for the children can't be cancelled itself (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        try {
          yield* scope(function* () {
            spawn(() =>
              protect(function* () {
                log.push("working");
                yield* sleep(10);
                log.push("done");
              })
            );
          });
        } finally {
          log.push("scope left");
        }
      });
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort();
      return yield* fiber.join();
    });
    valueOf(result);
    assertEquals(log, ["working", "done", "scope left"]);
  });
});

// Release hooks ----------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`law 1: Scope.onRelease() hooks run last in first out, after the children are gone (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* scope(function* (nursery) {
        nursery.onRelease(() => void log.push("first"));
        nursery.onRelease(function* () {
          log.push("second begins");
          yield* sleep(5);
          log.push("second ends");
        });
        nursery.onRelease(() => void log.push("third"));
        spawn(() => sleep(20), { finally: () => void log.push("child gone") });
        log.push("body");
      });
      log.push("scope ended");
    });
    valueOf(result);
    assertEquals(log, [
      "body",
      "child gone",
      "third",
      "second begins",
      "second ends",
      "first",
      "scope ended",
    ]);
  });

  for (const how of ["abort", "cancel", "failure"] as const) {
    Deno.test(`law 12: Scope.onRelease() hooks are protected and may suspend, left by ${how} (${name})`, () => {
      const log: string[] = [];
      const error = new Error("failure");
      const result = run(function* () {
        const fiber = spawn(function* () {
          yield* scope(function* (nursery) {
            nursery.onRelease(function* () {
              yield* sleep(5);
              yield* scope(() => sleep(5));
              log.push("released");
            });
            spawn(() => endless(log, "child"));
            while (log.length === 0) yield* yieldNow();
            if (how === "cancel") nursery.cancel();
            if (how === "failure") throw error;
            yield* Event.never();
          });
        }, { propagateCancelToParent: false });
        yield* sleep(2);
        if (how === "abort") fiber.abort();
        yield* fiber.join();
      });
      valueOf(result);
      assertEquals(log, ["child started", "child gone", "released"]);
    });
  }

  Deno.test(`law 12: an abort that comes while the hooks run waits until they have (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        yield* scope(function* (nursery) {
          nursery.onRelease(function* () {
            log.push("releasing");
            yield* sleep(10);
            log.push("released");
          });
        });
        log.push("left");
        yield* yieldNow();
        log.push("not reached");
      });
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort("meanwhile");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "meanwhile");
    assertEquals(log, ["releasing", "released", "left"]);
  });

  Deno.test(`Scope.onRelease(): a hook that throws fails the scope, and the others still run (${name})`, () => {
    const log: string[] = [];
    const [one, two] = [new Error("one"), new Error("two")];
    const result = run(function* () {
      let caught: unknown;
      try {
        yield* scope(function* (nursery) {
          nursery.onRelease(() => void log.push("first"));
          nursery.onRelease(function* () {
            yield* yieldNow();
            throw two;
          });
          nursery.onRelease(() => {
            throw one;
          });
          return "lost";
        });
      } catch (error) {
        caught = error;
      }
      yield* yieldNow();
      return caught;
    });
    const error = valueOf(result);
    assertInstanceOf(error, AggregateError);
    assertEquals(error.errors, [one, two]);
    assertEquals(log, ["first"]);
  });

  Deno.test(`Scope.onRelease(): what a hook spawns in the scope is gone before the next hook runs (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* scope(function* (nursery) {
        nursery.onRelease(() => void log.push("last"));
        nursery.onRelease(() => {
          nursery.spawn(() => sleep(5), { finally: () => void log.push("spawned") });
        });
      });
    });
    valueOf(result);
    assertEquals(log, ["spawned", "last"]);
  });

  Deno.test(`Scope.onRelease(): a hook may spawn and register more, and all of it is waited for (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* scope(function* (nursery) {
        nursery.onRelease(() => void log.push("last"));
        nursery.onRelease(function* () {
          nursery.onRelease(() => void log.push("registered by a hook"));
          spawn(() => sleep(5), { finally: () => void log.push("spawned by a hook") });
          log.push("hook");
        });
      });
      log.push("scope ended");
    });
    valueOf(result);
    assertEquals(log, [
      "hook",
      "spawned by a hook",
      "registered by a hook",
      "last",
      "scope ended",
    ]);
  });
});

// Cancelled from inside --------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`law 5: Scope.cancel() ends just the scope, which throws FiberAborted (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      let caught: unknown;
      try {
        yield* scope(function* (nursery) {
          spawn(() => endless(log, "child"));
          while (log.length === 0) yield* yieldNow();
          nursery.cancel("enough");
          nursery.cancel("again");
          yield* Event.never();
        });
      } catch (error) {
        caught = error;
      }
      yield* yieldNow();
      return caught;
    });
    const error = valueOf(result);
    assertInstanceOf(error, FiberAborted);
    assertEquals(error.cause.cause, "enough");
    assertEquals(log, ["child started", "child gone"]);
  });

  Deno.test(`Scope.cancel() that reached nobody lets the value stand (${name})`, () => {
    const result = run(() =>
      scope(function* (nursery) {
        nursery.cancel();
        return "value";
      })
    );
    assertEquals(valueOf(result), "value");
  });

  Deno.test(`Scope.check() and error tell whether it is cancelled (${name})`, () => {
    const result = run(function* () {
      try {
        yield* scope(function* (nursery) {
          nursery.check();
          assertEquals(nursery.error, undefined);
          nursery.cancel("told");
          assertInstanceOf(nursery.error, Abort);
          assertStrictEquals(assertThrows(() => nursery.check()), nursery.error);
          assertEquals(nursery.error.cause, "told");
          yield* yieldNow();
        });
      } catch (error) {
        assertInstanceOf(error, FiberAborted);
        return "cancelled";
      }
    });
    assertEquals(valueOf(result), "cancelled");
  });

  Deno.test(`Scope.signal is aborted with the scope, with its Abort as the reason (${name})`, () => {
    const result = run(function* () {
      let signal!: AbortSignal;
      try {
        yield* scope(function* (nursery) {
          signal = nursery.signal;
          assertStrictEquals(nursery.signal, signal);
          assertEquals(signal.aborted, false);
          assertEquals(Fiber.current().signal.aborted, false);
          nursery.cancel("told");
          assertEquals(signal.aborted, true);
          assertStrictEquals(signal.reason, nursery.error);
          yield* yieldNow();
        });
      } catch {
        assertEquals(Fiber.current().signal.aborted, false);
      }
    });
    valueOf(result);
  });

  Deno.test(`Scope.signal asked for after the abort is aborted already (${name})`, () => {
    const result = run(() =>
      scope(function* (nursery) {
        nursery.cancel("before");
        assertEquals(nursery.signal.aborted, true);
        assertEquals(nursery.signal.reason.cause, "before");
      })
    );
    valueOf(result);
  });

  Deno.test(`T11: law 5: scopes end by identity, not by the type of what is thrown (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* scope(function* (outer) {
        try {
          yield* scope(function* () {
            spawn(function* () {
              yield* yieldNow();
              outer.cancel("the outer one");
            });
            try {
              yield* scope(() => Event.never());
            } finally {
              log.push("innermost left");
            }
          });
        } catch (error) {
          log.push(error instanceof Abort ? "Abort goes through" : "?");
          throw error;
        }
      });
    });
    const error = errorOf(result);
    assertInstanceOf(error, FiberAborted);
    assertEquals(error.cause.cause, "the outer one");
    assertEquals(log, ["innermost left", "Abort goes through"]);
  });

  Deno.test(`Scope.cancel() and then an abort from outside: the fiber ends aborted (${name})`, () => {
    const result = run(function* () {
      let inside!: Scope;
      const fiber = spawn(() =>
        scope(function* (nursery) {
          inside = nursery;
          yield* Event.never();
        })
      );
      while (inside === undefined) yield* yieldNow();
      inside.cancel("inside");
      fiber.abort("outside");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "outside");
  });

  Deno.test(`an Abort that a body throws by itself goes through its scope, and aborts what is inside (${name})`, () => {
    const log: string[] = [];
    const abort = new Abort("by hand");
    const result = run(function* () {
      const fiber = spawn(function* () {
        try {
          yield* scope(function* () {
            spawn(() => endless(log, "child"));
            while (log.length === 0) yield* yieldNow();
            throw abort;
          });
        } catch (error) {
          assertStrictEquals(error, abort);
          log.push("goes through");
          throw error;
        }
      });
      return yield* fiber.join();
    });
    const error = errorOf(valueOf(result));
    assertInstanceOf(error, FiberAborted);
    assertEquals(error.cause.cause, "by hand");
    assertEquals(log, ["child started", "child gone", "goes through"]);
  });

  Deno.test(`law 3: an Abort that was thrown deeper inside counts, though a failure took its place (${name})`, () => {
    const result = run(function* () {
      const fiber = spawn(() =>
        scope(function* () {
          try {
            yield* scope(function* () {
              try {
                yield* Event.never();
              } finally {
                // deno-lint-ignore no-unsafe-finally -- a clean-up that fails
                throw new Error("in the clean-up");
              }
            });
          } catch {
            return "swallowed";
          }
        })
      );
      yield* sleep(1);
      yield* fiber.abort("outer");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "outer");
  });

  Deno.test(`scope() in an aborting fiber throws Abort before its body runs (${name})`, () => {
    let ran = false;
    const result = run(function* () {
      const fiber = spawn(function* () {
        Fiber.current().abort();
        yield* scope(function* () {
          ran = true;
        });
      });
      return yield* fiber.join();
    });
    assertInstanceOf(errorOf(valueOf(result)), FiberAborted);
    assertEquals(ran, false);
  });

  Deno.test(`Scope.dump() shows the tree below, with what each fiber waits on (${name})`, () => {
    const dumps: string[] = [];
    const result = run(() =>
      cancelScope((context) =>
        scope(function* (nursery) {
          nursery.spawn(() => Event.never(), { name: "waiter" });
          const parent = nursery.spawn(function* () {
            spawn(() => sleep(50), { name: "sleeper" });
            yield* protect(() => sleep(100));
          }, { name: "parent" });
          yield* sleep(1);
          dumps.push(nursery.dump());
          parent.abort();
          dumps.push(nursery.dump());
          context.cancel();
        })
      )
    );
    assertEquals(result, { ok: true, value: undefined });
    const [before = "", after = ""] = dumps;
    const lines = before.split("\n").map((line) => line.replaceAll(/\d+\)/g, "N)"));
    assertEquals(lines, [
      "scope",
      "  waiter (#N): an event that never happens",
      "  parent (#N): a sleep of 100 ms",
      "    sleeper (#N): a sleep of 50 ms",
      "    protected scope",
    ]);
    assertStringIncludes(after, ": a sleep of 100 ms (cancelled)");
    assert(!/protected scope \(cancelled\)/.test(after));
  });
});

// A generator dropped half-way -------------------------------------------------------------------

forEachScheduler((name, run) => {
  /** Runs `operation` by hand in the current fiber, and drops it at its second suspension. */
  function* dropHalfWay(operation: Operation<unknown>) {
    let suspensions = 0;
    const generator = operation[Symbol.iterator]() as Generator<never, unknown, unknown>;
    for (const effect of generator) {
      if (++suspensions === 2) break;
      yield effect;
    }
  }

  Deno.test(`T2: T31: a scope dropped by a break is abandoned: children aborted and awaited (${name})`, () => {
    const log: string[] = [];
    const loop = virtualLoop();
    const result = run(function* () {
      const fiber = spawn(function* () {
        yield* dropHalfWay(scope(function* () {
          spawn(function* () {
            log.push("child started");
            try {
              yield* Event.never();
            } finally {
              yield* protect(() => sleep(5));
              log.push("child gone");
            }
          });
          yield* sleep(1);
          yield* sleep(1000);
        }));
        log.push("dropped");
        return "value";
      }, { finally: () => void log.push("fiber ended") });
      return yield* fiber;
    }, { loop });
    assertEquals(valueOf(result), "value");
    assertEquals(log, ["child started", "dropped", "child gone", "fiber ended"]);
    assertEquals(loop.timers, 0);
  });

  Deno.test(`law 1: the hooks of an abandoned scope run, protected, after its children are gone (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        yield* dropHalfWay(scope(function* (nursery) {
          nursery.onRelease(() => void log.push("first hook"));
          nursery.onRelease(function* () {
            log.push("second hook begins");
            yield* sleep(5);
            log.push("second hook ends");
          });
          spawn(() => endless(log, "child"));
          yield* sleep(1);
          yield* sleep(1000);
        }));
        yield* Event.never();
      }, { finally: () => void log.push("fiber ended") });
      yield* sleep(3);
      fiber.abort();
      yield* fiber.join();
    });
    valueOf(result);
    assertEquals(log, [
      "child started",
      "child gone",
      "second hook begins",
      "second hook ends",
      "first hook",
      "fiber ended",
    ]);
  });

  Deno.test(`law 13: what a hook of an abandoned scope throws fails the context around (${name})`, () => {
    const error = new Error("hook");
    const result = run(function* () {
      yield* dropHalfWay(scope(function* (nursery) {
        nursery.onRelease(() => {
          throw error;
        });
        yield* sleep(1);
        yield* sleep(1000);
      }));
      yield* Event.never();
    });
    assertStrictEquals(errorOf(result), error);
  });

  Deno.test(`an abandoned scope leaves the scopes around it as they were (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* scope(function* () {
        yield* dropHalfWay(scope(function* (nursery) {
          nursery.onRelease(() => void log.push("hook"));
          yield* scope(function* () {
            spawn(() => endless(log, "child"));
            yield* sleep(1);
            yield* sleep(1000);
          });
        }));
        spawn(() => sleep(5), { finally: () => void log.push("spawned after") });
      });
      log.push("outer scope ended");
      yield* yieldNow();
    });
    valueOf(result);
    assertEquals(log, [
      "child started",
      "child gone",
      "hook",
      "spawned after",
      "outer scope ended",
    ]);
  });

  Deno.test(`law 6: an abandoned withTimeout() leaves no timer behind (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      yield* dropHalfWay(withTimeout(1000, function* () {
        yield* sleep(1);
        yield* sleep(1);
      }));
      assertEquals(loop.timers, 0);
    }, { loop });
    valueOf(result);
  });

  Deno.test(`an abandoned scope takes those with it that were opened in it by hand (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* dropHalfWay(scope(function* () {
        yield* sleep(1);
        openByHand(log);
        yield* sleep(1000);
      }));
      spawn(() => sleep(5), { finally: () => void log.push("spawned after") });
    });
    valueOf(result);
    assertEquals(log, ["hook", "spawned after"]);
  });

  Deno.test(`a scope that ends takes those with it that were opened in it by hand (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const value = yield* scope(function* () {
        openByHand(log);
        return "value";
      });
      log.push("scope ended");
      return value;
    });
    assertEquals(valueOf(result), "value");
    assertEquals(log, ["hook", "scope ended"]);
  });

  Deno.test(`law 12: the hooks of an abandoned scope run, though its fiber is aborted at once (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        yield* dropHalfWay(scope(function* (nursery) {
          nursery.onRelease(function* () {
            yield* sleep(1);
            log.push("hook");
          });
          yield* sleep(1);
          yield* sleep(1000);
        }));
        Fiber.current().abort();
        yield* Event.never();
      }, { finally: () => void log.push("fiber ended") });
      yield* fiber.join();
    });
    valueOf(result);
    assertEquals(log, ["hook", "fiber ended"]);
  });

  Deno.test(`law 12: the hooks of a scope that was open when its fiber was aborted run (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        openByHand(log);
        yield* Event.never();
      }, { finally: () => void log.push("fiber ended") });
      yield* sleep(1);
      yield* fiber.abort();
      return yield* fiber.join();
    });
    assertInstanceOf(errorOf(valueOf(result)), FiberAborted);
    assertEquals(log, ["hook", "fiber ended"]);
  });

  Deno.test(`law 13: a failure in an abandoned scope goes up (${name})`, () => {
    const error = new Error("in the clean-up");
    const result = run(function* () {
      yield* dropHalfWay(scope(function* () {
        spawn(function* () {
          try {
            yield* Event.never();
          } finally {
            // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
            throw error;
          }
        });
        yield* sleep(1);
        yield* sleep(1000);
      }));
      yield* Event.never();
    });
    assertStrictEquals(errorOf(result), error);
  });

  Deno.test(`a body that ends with a scope still open by hand abandons it (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      yield* spawn(function* () {
        const generator = scope(function* () {
          spawn(() => endless(log, "child"));
          yield* Event.never();
        })[Symbol.iterator]();
        generator.next();
        while (log.length === 0) yield* yieldNow();
        return "value";
      });
      log.push("fiber ended");
    });
    valueOf(result);
    assertEquals(log, ["child started", "child gone", "fiber ended"]);
  });
});

Deno.test("scope() as a promise runs in a main of its own", async () => {
  const name = await scope(function* () {
    yield* yieldNow();
    return Fiber.current().name;
  });
  assertEquals(name, "a scope");
});
