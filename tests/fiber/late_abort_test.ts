/**
 * law 3: what an abort reaches, and what it comes too late for. It has reached a nursery when it was
 * thrown into its body or ended anything in it; then the nursery ends as its kind says.
 */
import { assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import {
  Abort,
  all,
  any,
  cancelAfter,
  type CancelContext,
  cancelScope,
  Channel,
  Event,
  Fiber,
  FiberAborted,
  main,
  map,
  type Operation,
  protect,
  run as runPlain,
  scope,
  sleep,
  spawn,
  Timeout,
  withCancelCallback,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { withAbortSignal } from "@weft/weft/promise";
import { errorOf, reasonOf, valueOf } from "../kit/results.ts";
import { forEachScheduler, type RunNow } from "../kit/schedulers.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

/** Something that is spawned in a nursery, and what becomes of it when that is aborted. */
interface Child {
  readonly name: string;
  /** Whether the abort ends it: it has no value because of it. */
  readonly isEnded: boolean;
  /** Runs it, as the only child. */
  spawn(): void;
}

function* fails(): Operation<void> {
  try {
    yield* Event.never();
  } finally {
    // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
    throw new Error("clean-up failed");
  }
}

function* nested(open: (body: () => Operation<void>) => Operation<unknown>): Operation<void> {
  yield* open(function* () {
    spawn(() => Event.never());
  });
}

const children: readonly Child[] = [
  { name: "one that waits", isEnded: true, spawn: () => void spawn(() => Event.never()) },
  {
    name: "one that swallows the Abort",
    isEnded: true,
    spawn: () =>
      void spawn(function* () {
        try {
          yield* Event.never();
        } catch { /* it ends aborted all the same */ }
      }),
  },
  {
    name: "one that has spawned another and returned",
    isEnded: true,
    spawn: () => void spawn(() => nested((body) => body())),
  },
  {
    name: "one in a scope whose body has returned",
    isEnded: true,
    spawn: () => void spawn(() => nested(scope)),
  },
  {
    name: "one in two such scopes",
    isEnded: true,
    spawn: () => void spawn(() => nested((body) => scope(() => scope(body)))),
  },
  {
    name: "one whose failure stays in it, and whose clean-up fails",
    isEnded: true,
    spawn: () => spawn(fails, { propagateCancelToParent: false }).onResult(() => {}),
  },
  {
    name: "one that is protected, and returns",
    isEnded: false,
    spawn: () => void spawn(() => protect(() => sleep(10))),
  },
  {
    name: "one that had its value, and is only resumed afterwards",
    isEnded: false,
    spawn: () => {
      const channel = new Channel<number>();
      spawn(function* () {
        // Committed in the instant of the abort: `atAbort` sends before it aborts.
        atAbort.push(() => void channel.trySend(1));
        assertEquals(yield* channel.receive(), { value: 1 });
      });
    },
  },
  {
    name: "one that ends by itself in the very step of the abort",
    isEnded: false,
    spawn: () => {
      const done = new Channel<void>();
      atAbort.push(() => done.close());
      spawn(() => done.receive());
    },
  },
];

/** What is done right before the abort. */
const atAbort: (() => void)[] = [];

function abortNow(abort: () => void): void {
  for (const f of atAbort.splice(0)) f();
  abort();
}

forEachScheduler((name, run) => {
  for (const child of children) {
    const { isEnded } = child;
    const outcome = isEnded ? "its end is the nursery's" : "the value stands";

    Deno.test(`law 3: fiber.abort() while a scope waits for ${child.name}: ${outcome} (${name})`, () => {
      const seen: unknown[] = [];
      const result = valueOf(run(function* () {
        const fiber = spawn(function* () {
          seen.push(
            yield* scope(function* () {
              child.spawn();
              return "value";
            }),
          );
          return "after";
        });
        yield* sleep(1);
        abortNow(() => fiber.abort("outer"));
        return yield* fiber.join();
      }));
      assertEquals(seen, isEnded ? [] : ["value"]);
      if (isEnded) assertEquals(reasonOf(result), "outer");
      else assertEquals(result, { ok: true, value: "after" });
    });

    Deno.test(`law 3: fiber.abort() while the fiber itself waits for ${child.name}: ${outcome} (${name})`, () => {
      const result = valueOf(run(function* () {
        const fiber = spawn(function* () {
          child.spawn();
          return "value";
        });
        yield* sleep(1);
        abortNow(() => fiber.abort("outer"));
        return yield* fiber.join();
      }));
      if (isEnded) assertEquals(reasonOf(result), "outer");
      else assertEquals(result, { ok: true, value: "value" });
    });

    Deno.test(`law 3: cancelScope() cancelled while it waits for ${child.name}: ${outcome} (${name})`, () => {
      const result = run(() => cancelled((body) => cancelScope(body), child));
      assertEquals(result, { ok: true, value: isEnded ? undefined : { value: "value" } });
    });

    Deno.test(`law 3: scope() cancelled while it waits for ${child.name}: ${outcome} (${name})`, () => {
      const result = run(() => cancelled((body) => scope(body), child));
      if (isEnded) assertEquals(reasonOf(result), "inner");
      else assertEquals(result, { ok: true, value: "value" });
    });

    Deno.test(`law 3: withAbortSignal() whose signal is aborted while it waits for ${child.name}: ${outcome} (${name})`, () => {
      const controller = new AbortController();
      const result = run(function* () {
        spawn(function* () {
          yield* sleep(1);
          abortNow(() => controller.abort("signal"));
        });
        return yield* withAbortSignal(controller.signal, function* () {
          child.spawn();
          return "value";
        });
      });
      assertEquals(result.ok, !isEnded);
      if (!isEnded) assertEquals(result, { ok: true, value: "value" });
    });

    Deno.test(`law 3: withTimeout() that strikes while it waits for ${child.name}: ${outcome} (${name})`, () => {
      const result = run(function* () {
        return yield* withTimeout(2, function* () {
          spawn(function* () {
            yield* sleep(1);
            abortNow(() => {});
          });
          child.spawn();
          return "value";
        });
      });
      if (isEnded) assertInstanceOf(errorOf(result), Timeout);
      else assertEquals(result, { ok: true, value: "value" });
    });

    Deno.test(`law 3: cancelAfter() that strikes while the fiber waits for ${child.name}: ${outcome} (${name})`, () => {
      const result = valueOf(run(function* () {
        const fiber = spawn(function* () {
          cancelAfter(2);
          spawn(function* () {
            yield* sleep(1);
            abortNow(() => {});
          });
          child.spawn();
          return "value";
        }, { propagateCancelToParent: false });
        fiber.onResult(() => {});
        return yield* fiber.join();
      }));
      if (isEnded) assertInstanceOf(errorOf(result), Timeout);
      else assertEquals(result, { ok: true, value: "value" });
    });
  }

  Deno.test(`law 3: a nursery that an abort has reached runs its hooks, then throws the Abort (${name})`, () => {
    const log: unknown[] = [];
    valueOf(run(function* () {
      const fiber = spawn(function* () {
        try {
          yield* scope(function* (nursery) {
            nursery.onRelease(function* () {
              yield* sleep(1);
              log.push("hook");
            });
            nursery.spawn(() => Event.never(), { finally: () => void log.push("child") });
          });
          log.push("not reached");
        } catch (error) {
          log.push(error instanceof Abort && error.cause);
          throw error;
        }
      });
      yield* sleep(1);
      yield* fiber.abort("outer");
    }));
    assertEquals(log, ["child", "hook", "outer"]);
  });

  Deno.test(`law 3: a spawn into an aborting scope that has returned is ended by the abort (${name})`, () => {
    const result = valueOf(run(function* () {
      const fiber = spawn(() =>
        scope(function* (nursery) {
          nursery.spawn(() =>
            protect(function* () {
              yield* sleep(10);
              nursery.spawn(() => sleep(1)); // born aborted
            })
          );
          return "value";
        })
      );
      yield* sleep(1);
      fiber.abort("outer");
      return yield* fiber.join();
    }));
    assertEquals(reasonOf(result), "outer");
  });

  Deno.test(`law 3: a child that was aborted by itself is not the nursery's abort (${name})`, () => {
    const result = run(() =>
      scope(function* (nursery) {
        const child = nursery.spawn(() => Event.never());
        nursery.spawn(function* () {
          yield* sleep(1);
          yield* child.abort("just this one");
        });
        return "value";
      })
    );
    assertEquals(result, { ok: true, value: "value" });
  });

  Deno.test(`law 3: a child that had been aborted before its nursery doesn't count (${name})`, () => {
    const result = valueOf(run(function* () {
      const fiber = spawn(() =>
        scope(function* (nursery) {
          const child = nursery.spawn(function* () {
            try {
              yield* Event.never();
            } finally {
              yield* protect(() => sleep(10)); // still at it when the scope is aborted
            }
          });
          yield* yieldNow();
          child.abort("just this one");
          return "value";
        })
      );
      yield* sleep(1);
      fiber.abort("outer");
      return yield* fiber.join();
    }));
    assertEquals(result, { ok: true, value: "value" });
  });

  Deno.test(`law 3: any() whose losers are ending keeps its winner through an abort (${name})`, () => {
    const result = valueOf(run(function* () {
      const fiber = spawn(() =>
        any([
          function* () {
            yield* sleep(1);
            return "winner";
          },
          function* () {
            try {
              yield* Event.never();
            } finally {
              yield* protect(() => sleep(10));
            }
          },
        ])
      );
      yield* sleep(5);
      fiber.abort("outer");
      return yield* fiber.join();
    }));
    assertEquals(result, { ok: true, value: "winner" });
  });

  Deno.test(`law 3: all() and map() that are aborted throw, whatever some of them returned (${name})`, () => {
    const bodies = [() => sleep(0), () => Event.never()];
    for (const group of [() => all(bodies), () => map(bodies, (body) => body())]) {
      const result = valueOf(run(function* () {
        const fiber = spawn(() => group() as Operation<unknown>);
        yield* sleep(1);
        fiber.abort("outer");
        return yield* fiber.join();
      }));
      assertEquals(reasonOf(result), "outer");
    }
  });

  Deno.test(`law 3: protect() keeps the value of a scope inside, though the fiber is aborting (${name})`, () => {
    const seen: unknown[] = [];
    const result = valueOf(run(function* () {
      const fiber = spawn(() =>
        protect(function* () {
          seen.push(
            yield* scope(function* () {
              spawn(() => sleep(10));
              return "value";
            }),
          );
        })
      );
      yield* sleep(1);
      fiber.abort("outer");
      return yield* fiber.join();
    }));
    assertEquals(seen, ["value"]);
    assertEquals(result, { ok: true, value: undefined });
  });

  Deno.test(`law 3: withCancelCallback() is no nursery: the scope inside throws (${name})`, () => {
    const reasons: unknown[] = [];
    const result = valueOf(run(function* () {
      const fiber = spawn(() =>
        withCancelCallback((reason) => void reasons.push(reason), () => nested(scope))
      );
      yield* sleep(1);
      fiber.abort("outer");
      return yield* fiber.join();
    }));
    assertEquals(reasons, ["outer"]);
    assertEquals(reasonOf(result), "outer");
  });

  Deno.test(`law 2: a failure of a child goes before the abort that reached the nursery (${name})`, () => {
    const result = valueOf(run(function* () {
      const fiber = spawn(() =>
        scope(function* () {
          spawn(fails);
          spawn(() => Event.never());
          return "value";
        }), { propagateCancelToParent: false });
      fiber.onResult(() => {});
      yield* sleep(1);
      fiber.abort("outer");
      return yield* fiber.join();
    }));
    assertEquals((errorOf(result) as Error).message, "clean-up failed");
  });

  Deno.test(`law 3: a reached scope that was dropped by hand has reached what is around it (${name})`, () => {
    const result = valueOf(run(function* () {
      const fiber = spawn(function* () {
        const generator = scope(function* () {
          spawn(() => Event.never());
          yield* Event.never();
        })[Symbol.iterator]();
        generator.next();
        generator.return?.();
        yield* scope(function* () {
          spawn(() => Event.never());
        });
      });
      yield* sleep(1);
      fiber.abort("outer");
      return yield* fiber.join();
    }));
    assertEquals(reasonOf(result), "outer");
  });
});

/** Opens a nursery by `open`, and cancels it by itself once its body has returned. */
function* cancelled<R>(
  open: (body: (context: CancelContext) => Operation<string>) => Operation<R>,
  child: Child,
): Operation<R> {
  let context!: CancelContext;
  spawn(function* () {
    yield* sleep(1);
    abortNow(() => context.cancel("inner"));
  });
  return yield* open(function* (own) {
    context = own;
    child.spawn();
    return "value";
  });
}

Deno.test("law 3: main.abort() while the body's scope waits for its children rejects, with nothing saved", async () => {
  const saved: number[] = [];
  function* save(n: number) {
    yield* Event.never();
    saved.push(n);
  }
  function* saveAll() {
    yield* scope(function* () {
      for (const n of [1, 2, 3]) spawn(() => save(n));
    });
    return "all three saved";
  }
  const running = main(saveAll);
  await new Promise((resolve) => setTimeout(resolve, 0));
  const [outcome] = await Promise.allSettled([running, running.abort("Ctrl-C")]);
  assertEquals(outcome.status, "rejected");
  assertInstanceOf((outcome as PromiseRejectedResult).reason, FiberAborted);
  assertEquals(saved, []);
});

Deno.test("law 11: run() whose body has returned keeps its value: what is stuck is aborted, one by one", () => {
  const ended: unknown[] = [];
  const result = runPlain(function* () {
    const root = Fiber.current();
    spawn(() => Event.never()).onResult((child) => ended.push(reasonOf(child)));
    root.onResult((own) => ended.push(own.ok));
    return "value";
  });
  assertEquals(result, { ok: true, value: "value" });
  assertEquals(ended.map((end) => end === true || (end as Error).name), ["Deadlock", true]);
});

Deno.test("law 11: run() that is stuck in a scope whose body has returned ends with the Deadlock", () => {
  const result = runPlain(() => nested(scope) as Operation<unknown>);
  assertEquals((errorOf(result) as Error).name, "Deadlock");
});

Deno.test("law 3: a deadline that strikes is forgiven only for what changed nothing, in a loop of a thousand", () => {
  const run: RunNow = (body) => runPlain(body, { loop: virtualLoop() });
  const values = valueOf(run(function* () {
    const values: unknown[] = [];
    for (let n = 0; n < 1000; n++) {
      try {
        values.push(
          yield* withTimeout(5, function* () {
            spawn(() => n % 2 === 0 ? protect(() => sleep(10)) : sleep(10));
            return n;
          }),
        );
      } catch (error) {
        assertInstanceOf(error, Timeout);
        values.push("timeout");
      }
    }
    return values;
  }));
  values.forEach((value, n) => assertStrictEquals(value, n % 2 === 0 ? n : "timeout"));
});
