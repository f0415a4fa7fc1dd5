import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  cancelAfter,
  Channel,
  Event,
  Fiber,
  Inactive,
  monotonicNow,
  monotonicNowNs,
  prepareForAwait,
  protect,
  run,
  scope,
  sleep,
  spawn,
  Timeout,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

// sleep, monotonicNow ----------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`sleep() waits for that long on the loop's clock, and wakes in the order of deadlines (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const start = monotonicNow();
      for (const ms of [30, 10, 20]) {
        spawn(function* () {
          yield* sleep(ms);
          log.push(`${ms} at ${monotonicNow() - start}`);
        });
      }
      yield* sleep(0.5);
      assertEquals(monotonicNow() - start, 0.5);
    });
    valueOf(result);
    assertEquals(log, ["10 at 10", "20 at 20", "30 at 30"]);
  });

  for (const ms of [0, -1, -Infinity]) {
    Deno.test(`sleep(${ms}) yields once (${name})`, () => {
      const loop = virtualLoop();
      const result = run(function* () {
        const before = loop.now();
        yield* sleep(ms);
        return loop.now() - before;
      }, { loop });
      assertEquals(valueOf(result), 0);
      assertEquals(loop.timers, 0);
    });
  }

  Deno.test(`sleep(Infinity) lasts until it is aborted (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      const sleeper = spawn(() => sleep(Infinity));
      yield* sleep(1e9);
      assertEquals(sleeper.state, "running");
      yield* sleeper.abort("wake up");
      return yield* sleeper.join();
    }, { loop });
    assertEquals(reasonOf(valueOf(result)), "wake up");
    assertEquals(loop.timers, 0);
  });

  Deno.test(`monotonicNow() and monotonicNowNs() go by the clock of the loop (${name})`, () => {
    const result = run(function* () {
      yield* sleep(1.5);
      return [monotonicNow(), monotonicNowNs()];
    });
    assertEquals<unknown>(valueOf(result), [1.5, 1_500_000n]);
  });
});

Deno.test("law 7: sleep(): sleepers with equal deadlines wake first in, first out", () => {
  const log: string[] = [];
  const result = run(function* () {
    for (const name of ["a", "b", "c"]) {
      spawn(function* () {
        yield* sleep(10);
        log.push(name);
      });
    }
  }, { loop: virtualLoop() });
  valueOf(result);
  assertEquals(log, ["a", "b", "c"]);
});

Deno.test("monotonicNow() outside of any fiber is the monotonic clock, and never goes backwards", () => {
  const before = performance.now();
  const now = monotonicNow();
  const after = performance.now();
  assert(before <= now && now <= after);
  assert(monotonicNowNs() >= BigInt(Math.floor(now * 1e6)));
});

// withTimeout ------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`withTimeout() throws Timeout where the body waits too long (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      try {
        yield* withTimeout(10, () => sleep(1000));
      } catch (error) {
        yield* yieldNow(); // an ordinary error: the fiber goes on
        return { error, at: monotonicNow() };
      }
    }, { loop });
    const { error, at } = valueOf(result)!;
    assertInstanceOf(error, Timeout);
    assertEquals(error.name, "TimeoutError");
    assertMatch(error.message, /^The deadline of 10 ms passed in /);
    assertEquals(at, 10);
    assertEquals(loop.timers, 0);
  });

  Deno.test(`law 6: withTimeout() that is in time returns the value and leaves no timer (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      const value = yield* withTimeout(10, function* () {
        yield* sleep(5);
        return "in time";
      });
      assertEquals(loop.timers, 0);
      return value;
    }, { loop });
    assertEquals(valueOf(result), "in time");
  });

  Deno.test(`T13: withTimeout() throws after the body and its spawns have unwound (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      try {
        yield* withTimeout(10, function* () {
          spawn(function* () {
            try {
              yield* Event.never();
            } finally {
              yield* protect(() => sleep(20));
              log.push("child unwound");
            }
          });
          try {
            yield* Event.never();
          } finally {
            yield* protect(() => sleep(5));
            log.push("body unwound");
          }
        });
      } catch (error) {
        log.push((error as Error).name);
        return monotonicNow();
      }
    });
    assertEquals(valueOf(result), 30);
    assertEquals(log, ["body unwound", "child unwound", "TimeoutError"]);
  });

  Deno.test(`withTimeout(): what is thrown inside is Abort, with the Timeout as its cause (${name})`, () => {
    const result = run(function* () {
      let inside: unknown;
      try {
        yield* withTimeout(10, function* () {
          try {
            yield* Event.never();
          } catch (error) {
            inside = error;
            throw error;
          }
        });
      } catch (outside) {
        return { inside, outside };
      }
    });
    const { inside, outside } = valueOf(result)!;
    assertInstanceOf(inside, Abort);
    assertStrictEquals(inside.cause, outside);
  });

  for (const ms of [0, -5, -Infinity]) {
    Deno.test(`T12: withTimeout(${ms}) strikes at the first suspension, and not before (${name})`, () => {
      const loop = virtualLoop();
      const log: string[] = [];
      const result = run(function* () {
        try {
          yield* withTimeout(ms, function* () {
            log.push("started");
            yield* yieldNow();
            log.push("not reached");
          });
        } catch (error) {
          log.push((error as Error).name);
        }
        return yield* withTimeout(ms, function* () {
          return "no suspension";
        });
      }, { loop });
      assertEquals(valueOf(result), "no suspension");
      assertEquals(log, ["started", "TimeoutError"]);
      assertEquals(loop.now(), 0);
    });
  }

  Deno.test(`withTimeout(Infinity) has no deadline (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      return yield* withTimeout(Infinity, function* () {
        assertEquals(loop.timers, 0);
        yield* sleep(1e9);
        return "whenever";
      });
    }, { loop });
    assertEquals(valueOf(result), "whenever");
  });

  Deno.test(`T10: withTimeout() nested: the inner one can't catch the outer one's Timeout (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      try {
        yield* withTimeout(10, function* () {
          try {
            yield* withTimeout(20, () => Event.never());
          } catch (error) {
            log.push(error instanceof Timeout ? "caught a Timeout" : "not a Timeout");
            throw error;
          }
        });
      } catch (error) {
        return (error as Error).message;
      }
    });
    assertMatch(valueOf(result)!, /^The deadline of 10 ms passed/);
    assertEquals(log, ["not a Timeout"]);
  });

  Deno.test(`T10: withTimeout() nested: the outer one goes on when the inner one's was caught (${name})`, () => {
    const result = run(() =>
      withTimeout(30, function* () {
        try {
          yield* withTimeout(10, () => Event.never());
        } catch (error) {
          assertInstanceOf(error, Timeout);
          yield* sleep(5);
          return `${error.message}, at ${monotonicNow()}`;
        }
      })
    );
    assertMatch(valueOf(result)!, /^The deadline of 10 ms passed.*, at 15$/);
  });

  Deno.test(`T10: withTimeout() nested with equal deadlines: the outer one strikes (${name})`, () => {
    const result = run(function* () {
      try {
        yield* withTimeout(10, function* () {
          yield* withTimeout(10, () => Event.never());
        });
      } catch (error) {
        return error;
      }
    });
    assertInstanceOf(valueOf(result), Timeout);
  });

  Deno.test(`law 3: withTimeout() forgives a deadline that strikes when the wait was over (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      const trigger = prepareForAwait();
      loop.onTimer(10, { repeat: false }, trigger.release); // the same instant, but earlier in line
      return yield* withTimeout(10, function* () {
        yield* trigger.await();
        return "in time";
      });
    }, { loop });
    assertEquals(valueOf(result), "in time");
  });

  Deno.test(`law 3: withTimeout(): a body that swallows the Abort doesn't get away with it (${name})`, () => {
    const result = run(() =>
      withTimeout(10, function* () {
        try {
          yield* Event.never();
        } catch {
          return "swallowed";
        }
      })
    );
    assertInstanceOf(errorOf(result), Timeout);
  });

  Deno.test(`withTimeout() doesn't forgive when the deadline aborted a fiber inside (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      const trigger = prepareForAwait();
      loop.onTimer(10, { repeat: false }, trigger.release);
      try {
        yield* withTimeout(10, function* () {
          spawn(() => Event.never());
          yield* trigger.await();
          return "too late for the fiber";
        });
      } catch (error) {
        return error;
      }
    }, { loop });
    assertInstanceOf(valueOf(result), Timeout);
  });

  Deno.test(`withTimeout() is the deadline of what was spawned inside, too (${name})`, () => {
    const result = run(function* () {
      try {
        return yield* withTimeout(10, function* () {
          spawn(() => Event.never());
          return "body";
        });
      } catch (error) {
        assertInstanceOf(error, Timeout);
        return monotonicNow();
      }
    });
    assertEquals<unknown>(valueOf(result), 10);
  });

  Deno.test(`withTimeout() forgives a deadline that strikes when the last of them has just ended (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      const trigger = prepareForAwait();
      return yield* withTimeout(10, function* () {
        spawn(function* () {
          yield* trigger.await();
          loop.advance(10); // the deadline passes, and strikes when the loop looks again
        });
        loop.onTimer(5, { repeat: false }, trigger.release);
        return "in time";
      });
    }, { loop });
    assertEquals(valueOf(result), "in time");
    assertEquals(loop.timers, 0);
  });

  Deno.test(`withTimeout() forgives a deadline that strikes while release hooks run: they are protected (${name})`, () => {
    const result = run(function* () {
      const value = yield* withTimeout(10, () =>
        scope(function* (nursery) {
          nursery.onRelease(() => sleep(50));
          return "in time";
        }));
      return [value, monotonicNow()];
    });
    assertEquals<unknown>(valueOf(result), ["in time", 50]);
  });

  Deno.test(`law 2: withTimeout(): a clean-up that fails after the deadline is a second failure (${name})`, () => {
    const error = new Error("in the clean-up");
    const result = run(() =>
      withTimeout(10, function* () {
        try {
          yield* Event.never();
        } finally {
          // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
          throw error;
        }
      })
    );
    const both = errorOf(result);
    assertInstanceOf(both, AggregateError);
    assertInstanceOf(both.errors[0], Timeout);
    assertStrictEquals(both.errors[1], error);
  });

  Deno.test(`withTimeout() inside protect still strikes (${name})`, () => {
    const result = run(() => protect(() => withTimeout(10, () => Event.never())));
    assertInstanceOf(errorOf(result), Timeout);
  });

  Deno.test(`withTimeout(): an abort from outside is not a Timeout, and clears the timer (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      const fiber = spawn(() => withTimeout(1000, () => Event.never()));
      yield* sleep(1);
      yield* fiber.abort("outer");
      return yield* fiber.join();
    }, { loop });
    assertEquals(reasonOf(valueOf(result)), "outer");
    assertEquals(loop.timers, 0);
  });

  Deno.test(`law 4: withTimeout(): an item that was received in time is not lost (${name})`, () => {
    const loop = virtualLoop();
    const channel = new Channel<string>({ capacity: 0 });
    const result = run(function* () {
      loop.onTimer(10, { repeat: false }, () => void channel.trySend("item"));
      return yield* withTimeout(10, () => channel.receiveOrThrow());
    }, { loop });
    assertEquals(valueOf(result), "item");
  });
});

// cancelAfter ------------------------------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`cancelAfter() fails the current fiber, all of it, with Timeout (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const fiber = spawn(function* () {
        cancelAfter(10);
        spawn(() => Event.never(), { finally: () => void log.push("child gone") });
        try {
          yield* scope(() => Event.never());
        } finally {
          log.push("thrown");
        }
      }, { propagateCancelToParent: false });
      const outcome = yield* fiber.join();
      return { outcome, at: monotonicNow() };
    });
    const { outcome, at } = valueOf(result);
    assertInstanceOf(errorOf(outcome), Timeout);
    assertEquals(at, 10);
    assertEquals(log.toSorted(), ["child gone", "thrown"]);
  });

  Deno.test(`cancelAfter(): unless the fiber ends first; then no timer is left (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      return yield* spawn(function* () {
        cancelAfter(10);
        yield* sleep(5);
        return "in time";
      });
    }, { loop });
    assertEquals(valueOf(result), "in time");
    assertEquals(loop.timers, 0);
    assertEquals(loop.now(), 5);
  });

  Deno.test(`law 3: cancelAfter(): a body that swallows the Abort doesn't get away with it (${name})`, () => {
    const result = run(function* () {
      cancelAfter(10);
      try {
        yield* Event.never();
      } catch {
        return "swallowed";
      }
    });
    assertInstanceOf(errorOf(result), Timeout);
  });

  Deno.test(`cancelAfter() strikes while the fiber waits for its spawns (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      const fiber = spawn(function* () {
        cancelAfter(10);
        spawn(() => Event.never());
        return "body";
      }, { propagateCancelToParent: false });
      return yield* fiber.join();
    }, { loop });
    assertInstanceOf(errorOf(valueOf(result)), Timeout);
    assertEquals(loop.now(), 10);
  });

  Deno.test(`cancelAfter() called again and again keeps one timer (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      cancelAfter(1000);
      for (let n = 0; n < 100_000; n++) cancelAfter(1000 + n);
      assertEquals(loop.timers, 1);
      for (let ms = 999; ms >= 500; ms--) cancelAfter(ms);
      assertEquals(loop.timers, 1);
      yield* sleep(400);
      cancelAfter(200); // later than the one that counts
      assertEquals(loop.timers, 1);
      cancelAfter(50); // earlier
      assertEquals(loop.timers, 1);
      yield* Event.never();
    }, { loop });
    assertInstanceOf(errorOf(result), Timeout);
    assertEquals([loop.now(), loop.timers], [450, 0]);
  });

  Deno.test(`cancelAfter(): the earliest of several counts (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      cancelAfter(20);
      cancelAfter(10);
      cancelAfter(30);
      yield* Event.never();
    }, { loop });
    assertInstanceOf(errorOf(result), Timeout);
    assertEquals(loop.now(), 10);
    assertEquals(loop.timers, 0);
  });

  for (const ms of [0, -1]) {
    Deno.test(`cancelAfter(${ms}) strikes at the next suspension (${name})`, () => {
      const result = run(function* () {
        const log: string[] = [];
        const fiber = spawn(function* () {
          cancelAfter(ms);
          log.push("still running");
          yield* yieldNow();
          log.push("not reached");
        }, { propagateCancelToParent: false });
        return { log, outcome: yield* fiber.join() };
      });
      const { log, outcome } = valueOf(result);
      assertInstanceOf(errorOf(outcome), Timeout);
      assertEquals(log, ["still running"]);
    });

    Deno.test(`law 3: cancelAfter(${ms}) is forgiven if the fiber returns without another suspension (${name})`, () => {
      const result = run(function* () {
        cancelAfter(ms);
        return "returned";
      });
      assertEquals(valueOf(result), "returned");
    });
  }

  Deno.test(`cancelAfter(Infinity) never strikes (${name})`, () => {
    const loop = virtualLoop();
    const result = run(function* () {
      cancelAfter(Infinity);
      assertEquals(loop.timers, 0);
      yield* sleep(1e9);
      return "whenever";
    }, { loop });
    assertEquals(valueOf(result), "whenever");
  });

  Deno.test(`law 2: cancelAfter(): the Timeout goes up to the parent (${name})`, () => {
    const result = run(function* () {
      spawn(function* () {
        cancelAfter(5);
        yield* Event.never();
      });
      yield* Event.never();
    });
    assertInstanceOf(errorOf(result), Timeout);
  });

  Deno.test(`cancelAfter() in an aborting fiber adds nothing (${name})`, () => {
    const result = run(function* () {
      const fiber = spawn(function* () {
        Fiber.current().abort("before");
        cancelAfter(0);
        yield* yieldNow();
      });
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "before");
  });
});

Deno.test("cancelAfter() outside of any fiber throws Inactive", () => {
  assertThrows(() => cancelAfter(1), Inactive, "Cannot set a deadline: no fiber runs here");
});

Deno.test("sleep() under plain run is a Deadlock that says to pass a loop", () => {
  const uncaught = uncaughtDuring(() => {
    const error = errorOf(run(() => sleep(1))) as Error;
    assertEquals(error.name, "Deadlock");
    assert(error.message.includes("pass loop: blockingLoop() to run"), error.message);
  });
  assertEquals(uncaught, []);
});
