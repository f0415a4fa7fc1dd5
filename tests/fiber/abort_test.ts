import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  Abort,
  Channel,
  Event,
  Fiber,
  FiberAborted,
  type Operation,
  protect,
  run,
  scope,
  selfAbort,
  sleep,
  spawn,
  type SpawnOptions,
  yieldNow,
} from "@weft/weft";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler, forEachSchedulerAndMain } from "../kit/schedulers.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

/** Spawns a fiber and waits until it waits for ever, so that an abort finds it suspended. */
function* spawnSuspended<T>(
  body: (wait: () => Operation<never>) => Operation<T>,
  options?: SpawnOptions,
) {
  let suspended = false;
  const fiber = spawn(() =>
    body(function* () {
      suspended = true;
      return yield* Event.never();
    }), options);
  while (!suspended) yield* yieldNow();
  return fiber;
}

// Delivery ---------------------------------------------------------------------------------------

forEachSchedulerAndMain((name, run) => {
  Deno.test(`law 3: Fiber.abort() wakes a suspended fiber with Abort, whose cause is the reason (${name})`, async () => {
    const reason = { why: "enough" };
    const result = await run(function* () {
      let caught: unknown;
      const fiber = yield* spawnSuspended(function* (wait) {
        try {
          yield* wait();
        } catch (error) {
          caught = error;
          throw error;
        }
      });
      yield* fiber.abort(reason);
      return { caught, outcome: yield* fiber.join() };
    });
    const { caught, outcome } = valueOf(result);
    assertInstanceOf(caught, Abort);
    assertEquals(caught.name, "AbortError");
    assertStrictEquals(caught.cause, reason);
    const error = errorOf(outcome);
    assertInstanceOf(error, FiberAborted);
    assertStrictEquals(error.cause, caught);
  });

  Deno.test(`law 3: Fiber.abort() reaches a running fiber at its next suspension (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const fiber = spawn(function* () {
        Fiber.current().abort("while running");
        log.push("still running", fiber.state);
        yield* yieldNow();
        log.push("not reached");
      });
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "while running");
    assertEquals(log, ["still running", "aborting"]);
  });

  Deno.test(`law 3: Fiber.abort() is sticky: every later suspension throws again (${name})`, async () => {
    const caught: unknown[] = [];
    const result = await run(function* () {
      const fiber = yield* spawnSuspended(function* (wait) {
        const again = [
          wait,
          yieldNow,
          () => sleep(1),
          () => Event.always(1),
          () => new Channel().receive(),
          () => Fiber.returned(1),
          () => scope(function* () {}),
        ];
        for (const operation of again) {
          try {
            yield* operation();
            caught.push("not thrown");
          } catch (error) {
            caught.push(error);
          }
        }
      });
      yield* fiber.abort("sticky");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "sticky");
    assertEquals(caught.length, 7);
    assertEquals(new Set(caught).size, 1); // one and the same Abort
    assertInstanceOf(caught[0], Abort);
  });

  Deno.test(`law 3: T3, T8: code that swallows the Abort doesn't undo it: the fiber ends aborted (${name})`, async () => {
    const result = await run(function* () {
      const fiber = yield* spawnSuspended(function* (wait) {
        try {
          yield* wait();
        } catch {
          return "swallowed";
        }
      });
      yield* fiber.abort("firm");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "firm");
  });

  Deno.test(`law 3: an abort that reached nobody came too late: what was returned stands (${name})`, async () => {
    const result = await run(function* () {
      const fiber = spawn(function* () {
        Fiber.current().abort("too late");
        return "returned";
      });
      const outcome = yield* fiber.join();
      return { outcome, state: fiber.state };
    });
    const { outcome, state } = valueOf(result);
    assertEquals(outcome, { ok: true, value: "returned" });
    assertEquals(state, "terminated");
  });

  Deno.test(`law 3: an abort after the body ended reaches the spawns, and drops the value (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const fiber = spawn(function* () {
        spawn(function* () {
          log.push("started");
          try {
            yield* Event.never();
          } finally {
            log.push("gone");
          }
        });
        return "returned";
      });
      while (log.length === 0) yield* yieldNow();
      yield* fiber.abort("why");
      return fiber.poll()!;
    });
    assertEquals(reasonOf(valueOf(result)), "why");
    assertEquals(log, ["started", "gone"]);
  });

  Deno.test(`law 4: a wait that was completed before the abort returns its value (${name})`, async () => {
    const channel = new Channel<string>({ capacity: 0 });
    const log: unknown[] = [];
    const result = await run(function* () {
      const receiver = spawn(function* () {
        log.push((yield* channel.receiveOrThrow()) + " received");
        try {
          yield* yieldNow();
        } catch (error) {
          log.push(error instanceof Abort);
          throw error;
        }
      });
      while (channel.statistics().receiversWaiting === 0) yield* yieldNow();
      channel.trySend("item");
      receiver.abort("a moment later");
      return yield* receiver.join();
    });
    assertEquals(reasonOf(valueOf(result)), "a moment later");
    assertEquals(log, ["item received", true]);
  });

  Deno.test(`Fiber.abort() before the start: the body never runs (${name})`, async () => {
    let ran = false;
    const result = await run(function* () {
      const fiber = spawn(function* () {
        ran = true;
      });
      yield* fiber.abort("early");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "early");
    assertEquals(ran, false);
  });

  Deno.test(`Fiber.abort() is idempotent: the first reason counts (${name})`, async () => {
    const result = await run(function* () {
      const fiber = yield* spawnSuspended((wait) => wait());
      fiber.abort("first");
      fiber.abort("second");
      yield* fiber.abort("third");
      yield* fiber.abort("when terminated");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "first");
  });

  Deno.test(`Fiber.abort() of a terminated fiber has no effect (${name})`, async () => {
    const result = await run(function* () {
      const fiber = spawn(() => Event.always(1));
      yield* fiber;
      yield* fiber.abort();
      return [fiber.poll(), fiber.state];
    });
    assertEquals(valueOf(result), [{ ok: true, value: 1 }, "terminated"]);
  });

  Deno.test(`T6: awaiting Fiber.abort() means that all of it is gone, clean-up included (${name})`, async () => {
    const log: string[] = [];
    function* slowToClean(name: string, wait: () => Operation<never>) {
      try {
        yield* wait();
      } finally {
        yield* protect(function* () {
          for (let n = 0; n < 5; n++) yield* yieldNow();
        });
        log.push(name);
      }
    }
    const result = await run(function* () {
      const fiber = yield* spawnSuspended(function* (wait) {
        const inner = yield* spawnSuspended((wait) => slowToClean("child", wait));
        assertEquals(inner.state, "running");
        yield* slowToClean("parent", wait);
      });
      yield* fiber.abort();
      log.push("abort returned");
    });
    valueOf(result);
    assertEquals(log.length, 3);
    assertEquals(log.at(-1), "abort returned");
  });

  Deno.test(`T6: awaiting Fiber.abort() never throws what the fiber threw (${name})`, async () => {
    const error = new Error("in the clean-up");
    const result = await run(function* () {
      const fiber = yield* spawnSuspended(function* (wait) {
        try {
          yield* wait();
        } finally {
          // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
          throw error;
        }
      }, { propagateCancelToParent: false });
      const value = yield* fiber.abort();
      return { value, outcome: yield* fiber.join() };
    });
    const { value, outcome } = valueOf(result);
    assertEquals(value, undefined);
    assertStrictEquals(errorOf(outcome), error);
  });

  Deno.test(`Fiber.abort() waited on by the fiber itself throws its Abort (${name})`, async () => {
    const result = await run(function* () {
      yield* Fiber.current().abort("me");
      return "not reached";
    });
    assertEquals(reasonOf(result), "me");
  });

  Deno.test(`Fiber.abort(): aborting a child doesn't touch its parent (${name})`, async () => {
    const result = await run(function* () {
      const child = yield* spawnSuspended((wait) => wait());
      yield* child.abort();
      yield* yieldNow();
      return Fiber.current().state;
    });
    assertEquals(valueOf(result), "running");
  });

  Deno.test(`an Abort that a body throws by itself aborts its fiber and what it spawned (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const fiber = spawn(function* () {
        const child = yield* spawnSuspended(function* (wait) {
          try {
            yield* wait();
          } finally {
            log.push("child gone");
          }
        });
        assertEquals(child.state, "running");
        throw new Abort("by hand");
      });
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "by hand");
    assertEquals(log, ["child gone"]);
  });
});

// Never by return() ------------------------------------------------------------------------------

forEachSchedulerAndMain((name, run) => {
  Deno.test(`T1: law 3: a yield* in a finally doesn't resurrect the parent generator (${name})`, async () => {
    const log: string[] = [];
    function* inner(wait: () => Operation<never>) {
      try {
        yield* wait();
      } finally {
        log.push("cleaning");
        yield* protect(yieldNow);
        log.push("cleaned");
      }
    }
    function* outer(wait: () => Operation<never>) {
      yield* inner(wait);
      log.push("resurrected");
      return "resurrected";
    }
    const result = await run(function* () {
      const fiber = yield* spawnSuspended(outer);
      yield* fiber.abort();
      return yield* fiber.join();
    });
    assertInstanceOf(errorOf(valueOf(result)), FiberAborted);
    assertEquals(log, ["cleaning", "cleaned"]);
  });

  Deno.test(`T3: an unprotected wait in a finally throws Abort again, and the finally around it runs (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const fiber = yield* spawnSuspended(function* (wait) {
        try {
          try {
            yield* wait();
          } finally {
            log.push("inner");
            yield* yieldNow();
            log.push("not reached");
          }
        } finally {
          log.push("outer");
        }
      });
      yield* fiber.abort();
      return yield* fiber.join();
    });
    assertInstanceOf(errorOf(valueOf(result)), FiberAborted);
    assertEquals(log, ["inner", "outer"]);
  });

  Deno.test(`law 3: an iterator without throw() is aborted all the same (${name})`, async () => {
    let suspended = false;
    const body = (): Operation<never> => ({
      [Symbol.iterator]: () => {
        const operation = Event.never()[Symbol.iterator]();
        return {
          next: () => {
            suspended = true;
            return operation.next();
          },
        };
      },
    });
    const result = await run(function* () {
      const fiber = spawn(body);
      while (!suspended) yield* yieldNow();
      yield* fiber.abort("bare");
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "bare");
  });
});

// The whole subtree ------------------------------------------------------------------------------

Deno.test("law 3: T7: an abort wakes children before parents, siblings in spawn order", () => {
  const log: string[] = [];
  const loop = virtualLoop();
  const result = run(function* () {
    const tree = spawn(function* () {
      for (const name of ["a", "b"]) {
        spawn(function* () {
          for (const child of ["1", "2"]) spawn(() => leaf(name + child));
          yield* leaf(name);
        });
      }
      yield* leaf("root");
    });
    yield* sleep(1);
    yield* tree.abort();
  }, { loop });
  function* leaf(name: string) {
    try {
      yield* Event.never();
    } finally {
      log.push(name);
    }
  }
  valueOf(result);
  assertEquals(log, ["a1", "a2", "a", "b1", "b2", "b", "root"]);
});

Deno.test("law 3: T7: an abort and a failure tear down in the same order", () => {
  function tornDown(end: (tree: Fiber<unknown>) => Operation<unknown>): string[] {
    const log: string[] = [];
    function* leaf(name: string) {
      try {
        yield* Event.never();
      } finally {
        log.push(name);
      }
    }
    run(function* () {
      const tree: Fiber<unknown> = spawn(function* () {
        spawn(function* () {
          spawn(() => leaf("a1"));
          yield* leaf("a");
        });
        spawn(() => leaf("b"));
        spawn(function* () {
          yield* sleep(2);
          yield* end(tree);
        });
        yield* leaf("root");
      }, { propagateCancelToParent: false });
      yield* tree.join();
    }, { loop: virtualLoop() });
    return log;
  }
  const order = ["a1", "a", "b", "root"];
  assertEquals(tornDown((tree) => tree.abort()), order);
  assertEquals(
    tornDown(function* () {
      throw new Error("failure");
    }),
    order,
  );
});

forEachScheduler((name, run) => {
  Deno.test(`law 3: the whole subtree is marked before anybody is woken (${name})`, () => {
    const seen: string[] = [];
    const result = run(function* () {
      const fibers: Fiber<unknown>[] = [];
      const look = () => {
        seen.push(fibers.map(({ state }) => state).join(" "));
      };
      const member = function* (wait: () => Operation<never>) {
        const fiber = Fiber.current();
        fibers.push(fiber);
        fiber.signal.addEventListener("abort", look);
        yield* wait();
      };
      const root = yield* spawnSuspended(function* (wait) {
        yield* spawnSuspended(function* (wait) {
          yield* spawnSuspended(member);
          yield* member(wait);
        });
        yield* spawnSuspended(member);
        yield* member(wait);
      });
      root.abort();
      look();
    });
    valueOf(result);
    assertEquals(seen, Array(5).fill("aborting aborting aborting aborting"));
  });

  Deno.test(`Fiber.abort() from a child of the aborted fiber takes effect at the call (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      const parent = yield* spawnSuspended(function* (wait) {
        const parent = Fiber.current();
        spawn(function* () {
          yield* yieldNow();
          parent.abort("from below");
          log.push(parent.state, Fiber.current().state);
          yield* yieldNow();
          log.push("not reached");
        });
        yield* wait();
      });
      return yield* parent.join();
    });
    assertEquals(reasonOf(valueOf(result)), "from below");
    assertEquals(log, ["aborting", "aborting"]);
  });

  Deno.test(`law 3: T33: aborting a tree leaves no waiter and no timer behind (${name})`, () => {
    const loop = virtualLoop();
    const channel = new Channel<number>({ capacity: 0 });
    const result = run(function* () {
      const tree = spawn(function* () {
        for (let n = 0; n < 10; n++) {
          spawn(() => channel.receive());
          spawn(() => sleep(1000));
        }
        yield* sleep(1000);
      });
      yield* sleep(1);
      assertEquals(channel.statistics().receiversWaiting, 10);
      assertEquals(loop.timers, 11);
      yield* tree.abort();
    }, { loop });
    valueOf(result);
    assertEquals(channel.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
    assertEquals(loop.timers, 0);
  });
});

Deno.test("law 3: nothing recurses: a chain of 100,000 nested fibers is aborted", () => {
  let started = 0;
  let ended = 0;
  function* link(depth: number): Operation<void> {
    started++;
    if (depth > 1) spawn(() => link(depth - 1), { finally: () => void ended++ });
    yield* Event.never();
  }
  const result = run(function* () {
    const chain = spawn(() => link(100_000));
    while (started < 100_000) yield* yieldNow();
    yield* chain.abort("all of you");
    return yield* chain.join();
  });
  assertEquals(reasonOf(valueOf(result)), "all of you");
  assertEquals(ended, 99_999);
});

Deno.test("law 1: a chain of 100,000 nested fibers ends from its far end, in order", () => {
  let last = 1;
  function* link(depth: number): Operation<void> {
    if (depth > 1) {
      spawn(() => link(depth - 1), {
        finally: () => {
          assertEquals(depth, last + 1);
          last = depth;
        },
      });
    }
    yield* yieldNow();
  }
  valueOf(run(() => link(100_000)));
  assertEquals(last, 100_000);
});

Deno.test("law 2: a failure climbs a chain of 100,000 nested fibers", () => {
  const error = new Error("at the bottom");
  function* link(depth: number): Operation<void> {
    if (depth === 1) throw error;
    spawn(() => link(depth - 1));
    yield* Event.never();
  }
  assertStrictEquals(errorOf(run(() => link(100_000))), error);
});

Deno.test("law 3: a tree of 100,000 fibers is aborted", () => {
  let gone = 0;
  function* leaf() {
    try {
      yield* Event.never();
    } finally {
      gone++;
    }
  }
  const result = run(function* () {
    const tree = spawn(function* () {
      for (let n = 0; n < 100; n++) {
        spawn(function* () {
          for (let n = 0; n < 999; n++) spawn(leaf);
          yield* leaf();
        });
      }
      yield* Event.never();
    });
    yield* sleep(1);
    yield* tree.abort();
    return gone;
  }, { loop: virtualLoop() });
  assertEquals(valueOf(result), 100_000);
});

// selfAbort --------------------------------------------------------------------------------------

forEachSchedulerAndMain((name, run) => {
  Deno.test(`selfAbort() throws Abort here and aborts what was spawned (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const fiber = spawn(function* () {
        yield* spawnSuspended(function* (wait) {
          try {
            yield* wait();
          } finally {
            log.push("child gone");
          }
        });
        try {
          return yield* selfAbort("I give up");
        } finally {
          log.push("thrown");
        }
      });
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "I give up");
    assertEquals(log.toSorted(), ["child gone", "thrown"]);
  });

  Deno.test(`selfAbort() inside protect aborts all the same (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const fiber = spawn(() =>
        protect(function* () {
          try {
            yield* protect(() => selfAbort("out of here"));
            log.push("not reached");
          } finally {
            log.push("left");
          }
        })
      );
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "out of here");
    assertEquals(log, ["left"]);
  });

  Deno.test(`selfAbort() that is swallowed inside protect ends the fiber at the end of that (${name})`, async () => {
    const log: string[] = [];
    const result = await run(function* () {
      const fiber = spawn(function* () {
        yield* protect(function* () {
          try {
            yield* selfAbort("firm");
          } catch {
            yield* yieldNow();
            log.push("swallowed");
          }
        });
        log.push("not reached");
      });
      return yield* fiber.join();
    });
    assertEquals(reasonOf(valueOf(result)), "firm");
    assertEquals(log, ["swallowed"]);
  });
});
