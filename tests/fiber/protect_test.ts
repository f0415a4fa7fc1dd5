import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  type CancelContext,
  cancelScope,
  Channel,
  Event,
  Fiber,
  FiberAborted,
  type Option,
  protect,
  scope,
  sleep,
  spawn,
  Timeout,
  withCancelCallback,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";

// protect ----------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`protect(): suspensions inside ignore an outer abort, which shows at the first after it (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        const value = yield* protect(function* () {
          log.push("inside");
          yield* sleep(10);
          yield* yieldNow();
          return "finished";
        });
        log.push(value);
        yield* yieldNow();
        log.push("not reached");
      });
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort("outer");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "outer");
    assertEquals(log, ["inside", "finished"]);
  });

  Deno.test(`law 3: protect() as the last thing: an abort that reached nobody came too late (${name})`, () => {
    const result = run(function* () {
      let inside = false;
      const fiber = spawn(() =>
        protect(function* () {
          inside = true;
          yield* sleep(10);
          return "finished";
        })
      );
      while (!inside) yield* yieldNow();
      yield* fiber.abort();
      return yield* fiber;
    });
    assertEquals(valueOf(result), "finished");
  });

  Deno.test(`law 12: protect() may be entered while aborting (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        log.push("started");
        try {
          yield* Event.never();
        } finally {
          yield* protect(function* () {
            yield* sleep(5);
            assertEquals(yield* spawn(() => Event.always("spawned inside")), "spawned inside");
            yield* scope(() => sleep(5));
            yield* withTimeout(50, () => sleep(5));
            log.push("cleaned up");
          });
        }
      });
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort("outer");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "outer");
    assertEquals(log, ["started", "cleaned up"]);
  });

  Deno.test(`protect(): what is spawned inside is protected as well, and waited for (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(() =>
        protect(function* () {
          spawn(function* () {
            log.push("started");
            yield* sleep(10);
            log.push("child finished");
          });
        })
      );
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort();
      log.push("fiber gone");
    });
    valueOf(result);
    assertEquals(log, ["started", "child finished", "fiber gone"]);
  });

  Deno.test(`protect() shields from outside only: a scope inside it can still be cancelled (${name})`, () => {
    const result = run(() =>
      protect(() =>
        cancelScope(function* (context) {
          context.cancel();
          yield* Event.never();
        })
      )
    );
    assertEquals(valueOf(result), undefined);
  });

  Deno.test(`protect(): a failure inside aborts what is inside, and is thrown (${name})`, () => {
    const error = new Error("inside");
    const log: string[] = [];
    const result = run(function* () {
      try {
        yield* protect(function* () {
          spawn(function* () {
            log.push("started");
            try {
              yield* Event.never();
            } finally {
              log.push("gone");
            }
          });
          while (log.length === 0) yield* yieldNow();
          throw error;
        });
      } catch (caught) {
        yield* yieldNow();
        return caught;
      }
    });
    assertStrictEquals(valueOf(result), error);
    assertEquals(log, ["started", "gone"]);
  });

  Deno.test(`protect() nested is protected by either (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(() =>
        protect(function* () {
          yield* protect(function* () {
            log.push("inside");
            yield* sleep(5);
          });
          yield* sleep(5);
          log.push("still protected");
        })
      );
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort();
      log.push("gone");
    });
    valueOf(result);
    assertEquals(log, ["inside", "still protected", "gone"]);
  });

  Deno.test(`CancelContext.protected tells whether an abort from outside stops there (${name})`, () => {
    const seen: boolean[] = [];
    const result = run(() =>
      scope(function* (outer) {
        seen.push(outer.protected);
        yield* protect(() =>
          scope(function* (inner) {
            seen.push(inner.protected);
          })
        );
        seen.push(outer.protected);
      })
    );
    valueOf(result);
    assertEquals(seen, [false, true, false]);
  });
});

// cancelScope ------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`cancelScope() returns { value }, or undefined when it was cancelled (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const whole = yield* cancelScope(() => Event.always("whole"));
      const nothing = yield* cancelScope(() => Event.always(undefined));
      const part: Option<never> = yield* cancelScope(function* (context) {
        spawn(function* () {
          log.push("started");
          try {
            yield* Event.never();
          } finally {
            log.push("gone");
          }
        });
        while (log.length === 0) yield* yieldNow();
        context.cancel("enough");
        return yield* Event.never();
      });
      yield* yieldNow(); // just this part ended
      return [whole, nothing, part];
    });
    assertEquals(valueOf(result), [{ value: "whole" }, { value: undefined }, undefined]);
    assertEquals(log, ["started", "gone"]);
  });

  Deno.test(`cancelScope() cancelled by another fiber wakes its body at once (${name})`, () => {
    const result = run(function* () {
      const channel = new Channel<number>();
      let context: CancelContext | undefined;
      const fiber = spawn(() =>
        cancelScope(function* (inner) {
          context = inner;
          return yield* channel.receive();
        })
      );
      while (channel.statistics().receiversWaiting === 0) yield* yieldNow();
      context!.cancel();
      assertEquals(channel.statistics().receiversWaiting, 0);
      return yield* fiber;
    });
    assertEquals(valueOf(result), undefined);
  });

  Deno.test(`law 3: cancelScope() whose cancel reached nobody returns { value } (${name})`, () => {
    const result = run(() =>
      cancelScope(function* (context) {
        context.cancel();
        return "value";
      })
    );
    assertEquals(valueOf(result), { value: "value" });
  });

  Deno.test(`law 3: cancelScope() whose body swallows the Abort returns undefined all the same (${name})`, () => {
    const result = run(() =>
      cancelScope(function* (context) {
        context.cancel();
        try {
          yield* yieldNow();
        } catch {
          return "swallowed";
        }
      })
    );
    assertEquals(valueOf(result), undefined);
  });

  Deno.test(`cancelScope(): an abort of the fiber goes through (${name})`, () => {
    const result = run(function* () {
      let inside = false;
      const fiber = spawn(() =>
        cancelScope(function* () {
          inside = true;
          yield* Event.never();
        })
      );
      while (!inside) yield* yieldNow();
      yield* fiber.abort("outer");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "outer");
  });

  Deno.test(`cancelScope(): a failure is thrown, also of one that was cancelled (${name})`, () => {
    const error = new Error("in the clean-up");
    const result = run(() =>
      cancelScope(function* (context) {
        context.cancel();
        try {
          yield* yieldNow();
        } finally {
          // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
          throw error;
        }
      })
    );
    assertStrictEquals(errorOf(result), error);
  });

  Deno.test(`T11: cancelScope() nested: each ends by its own cancel alone (${name})`, () => {
    const log: string[] = [];
    const result = run(() =>
      cancelScope(function* (outer) {
        const inner = yield* cancelScope(function* (inner) {
          inner.cancel();
          yield* yieldNow();
        });
        log.push(`inner ${inner}`);
        yield* cancelScope(function* () {
          outer.cancel();
          yield* yieldNow();
        });
        log.push("not reached");
      })
    );
    assertEquals(valueOf(result), undefined);
    assertEquals(log, ["inner undefined"]);
  });
});

// withCancelCallback -----------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`withCancelCallback() calls back with the reason at the cancel itself, before the Abort (${name})`, () => {
    const log: unknown[] = [];
    const result = run(function* () {
      const fiber = spawn(() =>
        withCancelCallback((reason) => log.push("callback", reason), function* () {
          log.push("inside");
          try {
            yield* Event.never();
          } finally {
            log.push("thrown");
          }
        })
      );
      while (log.length === 0) yield* yieldNow();
      fiber.abort("enough");
      log.push("abort called");
      fiber.abort("again");
      yield* fiber.join();
    });
    valueOf(result);
    assertEquals(log, ["inside", "callback", "enough", "abort called", "thrown"]);
  });

  Deno.test(`withCancelCallback() forgets the callback when the body has ended (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        const value = yield* withCancelCallback(() => log.push("called"), () => Event.always(42));
        assertEquals(value, 42);
        try {
          yield* withCancelCallback(() => log.push("called"), function* () {
            throw new Error("ends as well");
          });
        } catch {
          log.push("ended");
        }
        yield* Event.never();
      });
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort();
    });
    valueOf(result);
    assertEquals(log, ["ended"]);
  });

  Deno.test(`withCancelCallback() goes by the current context: one in protect isn't called (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(() =>
        withCancelCallback(
          () => log.push("outside"),
          () =>
            protect(() =>
              withCancelCallback(() => log.push("inside"), function* () {
                log.push("waiting");
                yield* sleep(5);
              })
            ),
        )
      );
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort();
    });
    valueOf(result);
    assertEquals(log, ["waiting", "outside"]);
  });

  Deno.test(`withCancelCallback() in an aborting fiber throws Abort, and calls nothing (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        Fiber.current().abort();
        yield* withCancelCallback(() => log.push("callback"), function* () {
          log.push("body");
        });
      });
      return yield* fiber.join();
    });
    assertInstanceOf(errorOf(valueOf(result)), FiberAborted);
    assertEquals(log, []);
  });

  Deno.test(`withCancelCallback(): what a callback throws is reported, and the abort goes on (${name})`, () => {
    const error = new Error("callback");
    const uncaught = uncaughtDuring(() => {
      const result = run(function* () {
        let inside = false;
        const fiber = spawn(() =>
          withCancelCallback(
            () => {
              throw error;
            },
            function* () {
              inside = true;
              yield* Event.never();
            },
          )
        );
        while (!inside) yield* yieldNow();
        yield* fiber.abort("enough");
        return yield* fiber.join();
      });
      assertEquals(reasonOf(valueOf(result)), "enough");
    });
    assertEquals(uncaught, [error]);
  });

  Deno.test(`withCancelCallback(): a failure or a deadline cancels, too, and is the reason (${name})`, () => {
    const error = new Error("sibling");
    const result = run(function* () {
      const reasons: unknown[] = [];
      try {
        yield* scope(function* (nursery) {
          let inside = false;
          nursery.spawn(function* () {
            while (!inside) yield* yieldNow();
            throw error;
          });
          yield* withCancelCallback((reason) => reasons.push(reason), function* () {
            inside = true;
            yield* Event.never();
          });
        });
      } catch {
        // the failure
      }
      try {
        yield* withTimeout(
          5,
          () => withCancelCallback((reason) => reasons.push(reason), () => Event.never()),
        );
      } catch {
        // the timeout
      }
      return reasons;
    });
    const [failure, timeout] = valueOf(result);
    assertStrictEquals(failure, error);
    assertInstanceOf(timeout, Timeout);
  });
});

// Fiber.signal -----------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`Fiber.signal is aborted at the abort, with the Abort as its reason (${name})`, () => {
    const result = run(function* () {
      let inside = false;
      const fiber = spawn(function* () {
        inside = true;
        yield* Event.never();
      });
      const { signal } = fiber;
      assertStrictEquals(fiber.signal, signal);
      while (!inside) yield* yieldNow();
      assertEquals(signal.aborted, false);
      let heard = 0;
      signal.addEventListener("abort", () => heard++);
      fiber.abort("enough");
      assertEquals(signal.aborted, true);
      assertEquals(heard, 1);
      assertInstanceOf(signal.reason, Abort);
      assertEquals(signal.reason.cause, "enough");
      yield* fiber.join();
      assert(fiber.signal.aborted);
    });
    valueOf(result);
  });

  Deno.test(`Fiber.signal of a fiber that ended by itself is never aborted (${name})`, () => {
    const result = run(function* () {
      const fiber = spawn(yieldNow);
      const { signal } = fiber;
      yield* fiber;
      fiber.abort();
      assertEquals(signal.aborted, false);
    });
    valueOf(result);
  });

  Deno.test(`Fiber.signal of a child is aborted with its parent (${name})`, () => {
    const result = run(function* () {
      let child: Fiber<unknown> | undefined;
      const parent = spawn(function* () {
        child = spawn(() => Event.never());
        yield* Event.never();
      });
      while (child === undefined) yield* yieldNow();
      const { signal } = child;
      parent.abort("from above");
      assertEquals(signal.reason.cause, "from above");
    });
    valueOf(result);
  });

  Deno.test(`a listener of Fiber.signal may not switch fibers (${name})`, () => {
    const result = run(function* () {
      const fiber = spawn(() => Event.never());
      let error: unknown;
      fiber.signal.addEventListener("abort", () => {
        error = assertThrows(() => yieldNow()[Symbol.iterator]().next());
      });
      fiber.abort();
      assertInstanceOf(error, Error);
      assertEquals(
        error.message,
        "Cannot suspend: a cancel function may not switch fibers; " +
          "let it complete or withdraw the operation and return",
      );
    });
    valueOf(result);
  });
});
