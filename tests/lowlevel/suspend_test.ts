import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  type Awaitable,
  cancelScope,
  Channel,
  Deadlock,
  Event,
  Fiber,
  FiberAborted,
  fiberIdNil,
  getScheduler,
  Inactive,
  main,
  protect,
  run,
  sleep,
  spawn,
  yieldNow,
} from "@weft/weft";
import { AnyFiber, FiberContext, suspend } from "@weft/weft/lowlevel";
import { reasonOf } from "../kit/results.ts";
import { cancellable, gate, type Resume } from "../kit/suspensions.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

// Suspending and resuming ------------------------------------------------------------------------

Deno.test("suspend() calls enter at once, outside of any fiber, with the context of the fiber", () => {
  virtually(function* () {
    const seen: unknown[] = [];
    const fiber = spawn(function* () {
      seen.push("before");
      yield* suspend<void>((context, resume) => {
        seen.push(context instanceof FiberContext, context.tid === fiber.id, context.getError());
        seen.push(assertThrows(() => Fiber.current(), Inactive).name);
        resume({ ok: true, value: undefined });
      });
      seen.push(Fiber.current() === fiber);
    });
    yield* fiber;
    assertEquals(seen, ["before", true, true, undefined, "Inactive", true]);
  });
});

Deno.test("suspend() returns the value that it is resumed with", () => {
  virtually(function* () {
    const { pass, resume } = gate<number>();
    const fiber = yield* waiting(pass());
    yield* settle();
    assertEquals(fiber.state, "running");
    resume({ ok: true, value: 42 });
    assertEquals(yield* fiber, 42);
  });
});

Deno.test("suspend() throws the very error that it is resumed with", () => {
  virtually(function* () {
    const { pass, resume } = gate<number>();
    const fiber = yield* waiting(pass());
    const failure = new RangeError("no");
    resume({ ok: false, error: failure });
    assertStrictEquals(yield* errorOf(fiber), failure);
  });
});

Deno.test("suspend() may be resumed synchronously inside enter, and still lets others run first", () => {
  virtually(function* () {
    const log: string[] = [];
    spawn(function* () {
      log.push("other");
    });
    const value = yield* suspend<string>((_context, resume) => {
      resume({ ok: true, value: "early" });
      log.push("entered");
    });
    log.push(value);
    assertEquals(log, ["entered", "other", "early"]);
  });
});

Deno.test("suspend() resumed twice: the first call decides, the second wakes nobody", () => {
  virtually(function* () {
    const { pass, resume } = gate<number>();
    const fiber = spawn(function* () {
      const value = yield* pass();
      yield* Event.never(); // a second wake-up would be a step more
      return value;
    });
    yield* settle();
    const before = getScheduler().taskCount;
    resume({ ok: true, value: 1 });
    resume({ ok: true, value: 2 });
    yield* yieldNow();
    resume({ ok: false, error: new Error("too late") });
    yield* yieldNow();
    assertEquals(getScheduler().taskCount - before, 3); // two are of this fiber
    fiber.abort();
    yield* settle();
  });
});

Deno.test("suspend(): the value of the first of two calls of resume is returned", () => {
  virtually(function* () {
    const value = yield* suspend<number>((_context, resume) => {
      resume({ ok: true, value: 1 });
      resume({ ok: false, error: new Error("second") });
    });
    assertEquals(value, 1);
  });
});

Deno.test("suspend(): what enter throws is thrown in the fiber, and a later resume does nothing", () => {
  virtually(function* () {
    const failure = new Error("cannot register");
    let late: Resume<number> | undefined;
    const thrown = yield* errorOf(suspend<number>((context, resume) => {
      late = resume;
      context.setCancelFn(() => assert(false, "the operation never began"));
      throw failure;
    }));
    assertStrictEquals(thrown, failure);
    const inner = yield* waiting(Event.never());
    const before = getScheduler().taskCount;
    late!({ ok: true, value: 1 });
    yield* yieldNow();
    assertEquals(getScheduler().taskCount - before, 1);
    yield* inner.abort();
  });
});

Deno.test("suspend(): enter that resumes and then throws has thrown", () => {
  virtually(function* () {
    const failure = new Error("after all");
    const thrown = yield* errorOf(suspend<number>((_context, resume) => {
      resume({ ok: true, value: 1 });
      throw failure;
    }));
    assertStrictEquals(thrown, failure);
    const channel = new Channel<string>();
    yield* channel.send("goes on");
    assertEquals(yield* channel.receiveOrThrow(), "goes on");
  });
});

// deno-lint-ignore no-explicit-any -- arguments of the wrong type are what is tested
const notFunctions: any[] = [undefined, null, 1, "enter", {}, function* () {}()];

for (const enter of notFunctions) {
  Deno.test(`suspend(${Deno.inspect(enter)}) throws a TypeError`, () => {
    assertThrows(() => suspend(enter), TypeError, "Cannot suspend: enter must be a function");
  });
}

// deno-lint-ignore no-explicit-any -- arguments of the wrong type are what is tested
const notResults: any[] = [undefined, null, 1, {}, { value: 1 }, { ok: "yes", value: 1 }];

for (const result of notResults) {
  Deno.test(`suspend(): resume(${Deno.inspect(result)}) throws a TypeError to whoever calls it`, () => {
    virtually(function* () {
      const { pass, resume } = gate<number>();
      const fiber = yield* waiting(pass());
      assertThrows(() => resume(result), TypeError, "Cannot resume the fiber: expected a Result");
      yield* settle();
      assertEquals(fiber.state, "running");
      resume({ ok: true, value: 1 });
      assertEquals(yield* fiber, 1);
    });
  });
}

Deno.test("suspend(): its operation is one-shot", () => {
  virtually(function* () {
    const operation = suspend<number>((_context, resume) => resume({ ok: true, value: 1 }));
    assertEquals(yield* operation, 1);
    assertInstanceOf(yield* errorOf(operation), TypeError);
  });
});

Deno.test("suspend(): a Deadlock calls it a suspension", () => {
  const result = run(() => gate().pass());
  assert(!result.ok);
  assertInstanceOf(result.error, Deadlock);
  assertEquals(result.error.fibers.map((f) => f.waitsOn), ["a suspension"]);
});

Deno.test("law 11: a suspend without a cancel function that is stuck gets the Deadlock thrown", () => {
  const { pass, resume } = gate<number>();
  let thrown: unknown;
  let steps = 0;
  const result = run(function* () {
    thrown = yield* errorOf(pass());
    resume({ ok: true, value: 1 }); // too late: it wakes nobody
    const before = getScheduler().taskCount;
    yield* protect(() => sleep(1));
    steps = getScheduler().taskCount - before;
    return "ended";
  }, { loop: virtualLoop() });
  assertInstanceOf(thrown, Deadlock);
  assertEquals(result, { ok: false, error: thrown });
  assertEquals(steps, 1);
});

// The two races that Eio describes ----------------------------------------------------------------

/** The `Stream` of Eio's example, for one thread: whoever takes a waiter out of the list has won. */
class Stream<T> {
  readonly items: T[] = [];
  readonly waiters = new Set<Resume<T>>();

  take(): Awaitable<T> {
    return suspend<T>((context, resume) => {
      const item = this.items.shift();
      if (item !== undefined) return resume({ ok: true, value: item });
      this.waiters.add(resume);
      context.setCancelFn((error) => {
        if (this.waiters.delete(resume)) resume({ ok: false, error });
      });
    });
  }

  add(item: T): void {
    for (const resume of this.waiters) {
      this.waiters.delete(resume);
      return resume({ ok: true, value: item });
    }
    this.items.push(item);
  }
}

Deno.test("law 4: suspend, completed before it is cancelled, returns the item; the next wait throws", () => {
  virtually(function* () {
    const stream = new Stream<string>();
    const log: unknown[] = [];
    const taker = spawn(function* () {
      log.push(yield* stream.take());
      log.push(yield* errorOf(stream.take()));
    });
    yield* yieldNow();
    stream.add("item");
    taker.abort("too late");
    yield* taker.join();
    assertEquals(log[0], "item");
    assertInstanceOf(log[1], Abort);
    assertEquals(log[1].cause, "too late");
    assertEquals(stream.waiters.size, 0);
    assertEquals(stream.items, []);
  });
});

Deno.test("law 4: suspend, cancelled before it is completed, leaves the item to the next waiter", () => {
  virtually(function* () {
    const stream = new Stream<string>();
    const first = yield* waiting(stream.take());
    const second = yield* waiting(stream.take());
    first.abort("gave up");
    stream.add("item");
    assertEquals(reasonOf(yield* first.join()), "gave up");
    assertEquals(yield* second, "item");
    assertEquals(stream.waiters.size, 0);
  });
});

Deno.test("law 4: suspend, cancelled with nobody else waiting: the item stays in the stream", () => {
  virtually(function* () {
    const stream = new Stream<string>();
    const taker = yield* waiting(stream.take());
    taker.abort();
    stream.add("item");
    yield* taker.join();
    assertEquals(stream.items, ["item"]);
    assertEquals(yield* stream.take(), "item");
  });
});

// Cancelling --------------------------------------------------------------------------------------

Deno.test("suspend() without a cancel function isn't cancellable; the next wait throws", () => {
  virtually(function* () {
    const { pass, resume } = gate<number>();
    const log: unknown[] = [];
    const fiber = spawn(function* () {
      log.push(yield* pass());
      log.push(yield* errorOf(yieldNow()));
    });
    yield* yieldNow();
    fiber.abort("now");
    yield* settle();
    assertEquals(fiber.state, "aborting");
    assertEquals(log, []);
    resume({ ok: true, value: 7 });
    assertEquals(reasonOf(yield* fiber.join()), "now");
    assertEquals(log[0], 7);
    assertInstanceOf(log[1], Abort);
  });
});

Deno.test("suspend() without a cancel function holds back nobody else in the tree", () => {
  virtually(function* () {
    const { pass, resume } = gate<void>();
    const log: string[] = [];
    const parent = spawn(function* () {
      spawn(() => pass());
      spawn(function* () {
        try {
          yield* Event.never();
        } finally {
          log.push("sibling");
        }
      });
      yield* Event.never();
    });
    yield* settle();
    parent.abort();
    yield* settle();
    assertEquals(log, ["sibling"]);
    assertEquals(parent.state, "aborting");
    resume({ ok: true, value: undefined });
    yield* parent.join();
  });
});

Deno.test("FiberContext.clearCancelFn() makes the wait not cancellable again", () => {
  virtually(function* () {
    let calls = 0;
    let resumeIt: Resume<string> | undefined;
    const fiber = yield* waiting(suspend<string>((context, resume) => {
      resumeIt = resume;
      context.setCancelFn(() => calls++);
      context.clearCancelFn();
    }));
    fiber.abort();
    yield* settle();
    assertEquals([calls, fiber.state], [0, "aborting"]);
    resumeIt!({ ok: true, value: "whole" });
    yield* fiber.join();
    assertEquals(calls, 0);
  });
});

Deno.test("FiberContext.setCancelFn(): called once, at the abort, with what will be thrown", () => {
  virtually(function* () {
    const calls: unknown[] = [];
    let thrown: unknown;
    const fiber = spawn(function* () {
      thrown = yield* errorOf(cancellable((error) => {
        calls.push(error);
        fiber.abort("again"); // cannot reach it a second time
      }));
    });
    yield* yieldNow();
    fiber.abort("the reason");
    assertEquals(calls.length, 1); // before anybody runs
    fiber.abort("once more");
    yield* fiber.join();
    assertEquals(calls.length, 1);
    assertStrictEquals(thrown, calls[0]);
    assertInstanceOf(thrown, Abort);
    assertEquals(thrown.cause, "the reason");
  });
});

Deno.test("law 3: suspend, cancelled, in a body that swallows the Abort: the fiber ends aborted", () => {
  virtually(function* () {
    const fiber = spawn(function* () {
      assertInstanceOf(yield* errorOf(cancellable()), Abort);
      return "swallowed";
    });
    yield* settle();
    fiber.abort("sticky");
    assertEquals(reasonOf(yield* fiber.join()), "sticky");
  });
});

Deno.test("FiberContext.setCancelFn(): of two functions that were set, the last one is called", () => {
  virtually(function* () {
    const calls: string[] = [];
    const fiber = yield* waiting(suspend<never>((context, resume) => {
      context.setCancelFn(() => void calls.push("first"));
      context.setCancelFn((error) => {
        calls.push("second");
        resume({ ok: false, error });
      });
    }));
    yield* fiber.abort();
    assertEquals(calls, ["second"]);
  });
});

Deno.test("FiberContext.setCancelFn(): the function may let the operation succeed", () => {
  virtually(function* () {
    const log: unknown[] = [];
    const fiber = spawn(function* () {
      log.push(
        yield* suspend<string>((context, resume) =>
          context.setCancelFn(() => resume({ ok: true, value: "done after all" }))
        ),
      );
      log.push(yield* errorOf(yieldNow()));
    });
    yield* yieldNow();
    yield* fiber.abort();
    assertEquals(log[0], "done after all");
    assertInstanceOf(log[1], Abort);
  });
});

Deno.test("FiberContext.setCancelFn(): the function may make the operation end later", () => {
  virtually(function* () {
    const finish: (() => void)[] = [];
    const fiber = yield* waiting(
      suspend<void>((context, resume) =>
        context.setCancelFn((error) => void finish.push(() => resume({ ok: false, error })))
      ),
    );
    fiber.abort("slowly");
    yield* settle();
    assertEquals([finish.length, fiber.state], [1, "aborting"]);
    finish[0]!();
    assertEquals(reasonOf(yield* fiber.join()), "slowly");
  });
});

Deno.test("law 5: suspend(), resumed with somebody else's Abort, throws FiberAborted; with its own, Abort", () => {
  virtually(function* () {
    const others = new Abort("somebody else's");
    const error = yield* errorOf(suspend((_context, resume) => {
      resume({ ok: false, error: others });
    }));
    assertInstanceOf(error, FiberAborted);
    assertStrictEquals(error.cause, others);
    yield* yieldNow(); // this fiber is not aborted

    for (const which of ["others", "own"]) {
      let thrown: unknown;
      const fiber = spawn(function* () {
        thrown = yield* errorOf(suspend((context, resume) => {
          context.setCancelFn((own) => {
            resume({ ok: false, error: which === "own" ? own : others });
          });
        }));
      });
      yield* settle();
      yield* fiber.abort("me");
      if (which === "others") assertInstanceOf(thrown, FiberAborted);
      else assertInstanceOf(thrown, Abort);
      assertStrictEquals(thrown.cause, which === "others" ? others : "me");
      if (which === "own") assertEquals(reasonOf(yield* fiber.join()), "me");
    }
  });
});

Deno.test("FiberContext.setCancelFn(): an error of its own is thrown in the place of the Abort", () => {
  virtually(function* () {
    const failure = new Error("could not undo");
    let thrown: unknown;
    const fiber = spawn(function* () {
      thrown = yield* errorOf(
        suspend<void>((context, resume) =>
          context.setCancelFn(() => resume({ ok: false, error: failure }))
        ),
      );
    });
    yield* yieldNow();
    yield* fiber.abort();
    assertStrictEquals(thrown, failure);
  });
});

Deno.test("FiberContext.setCancelFn() after the cancel calls the function at once", () => {
  virtually(function* () {
    const { pass, resume, context } = gate<void>();
    const fiber = yield* waiting(pass());
    fiber.abort("earlier");
    const calls: unknown[] = [];
    context().setCancelFn((error) => {
      calls.push(error.cause);
      resume({ ok: false, error });
    });
    assertEquals(calls, ["earlier"]);
    assertEquals(reasonOf(yield* fiber.join()), "earlier");
  });
});

Deno.test("FiberContext.setCancelFn(): forgotten when the operation has finished", () => {
  virtually(function* () {
    let calls = 0;
    let finish: (() => void) | undefined;
    const fiber = spawn(function* () {
      const value = yield* suspend<string>((context, resume) => {
        context.setCancelFn(() => calls++);
        finish = () => resume({ ok: true, value: "finished" });
      });
      return [value, (yield* errorOf(Event.never())) instanceof Abort];
    });
    yield* yieldNow();
    finish!();
    fiber.abort(); // between the commit and the resumption
    yield* fiber.join();
    assertEquals(calls, 0);
  });
});

Deno.test("FiberContext.setCancelFn(): an abort by enter itself calls the function, once", () => {
  virtually(function* () {
    let calls = 0;
    const fiber = spawn(function* () {
      yield* suspend<void>((context, resume) => {
        context.setCancelFn((error) => {
          calls++;
          resume({ ok: false, error });
        });
        fiber.abort("from within");
      });
    });
    assertEquals(reasonOf(yield* fiber.join()), "from within");
    assertEquals(calls, 1);
  });
});

Deno.test("FiberContext.setCancelFn(): a function that takes its time is still called only once", () => {
  virtually(function* () {
    let calls = 0;
    let finish = () => {};
    const fiber = spawn(function* () {
      yield* suspend<void>((context, resume) => {
        fiber.abort("from within");
        context.setCancelFn((error) => { // called at once
          calls++;
          finish = () => resume({ ok: false, error });
        });
      });
    });
    yield* settle();
    AnyFiber.abort(fiber, "once more");
    yield* settle();
    assertEquals([calls, fiber.state], [1, "aborting"]);
    finish();
    assertEquals(reasonOf(yield* fiber.join()), "from within");
  });
});

Deno.test("FiberContext.setCancelFn(): not called for a fiber that is aborting: enter never is", () => {
  virtually(function* () {
    let entered = false;
    const fiber = spawn(function* () {
      Fiber.current().abort();
      yield* suspend<void>(() => void (entered = true));
    });
    yield* fiber.join();
    assertEquals(entered, false);
  });
});

Deno.test("suspend() inside protect isn't cancelled from outside", () => {
  virtually(function* () {
    let calls = 0;
    const { pass, resume, context } = gate<string>();
    const fiber = spawn(function* () {
      return yield* protect(pass);
    });
    yield* settle();
    context().setCancelFn(() => calls++);
    fiber.abort();
    yield* settle();
    assertEquals([calls, context().getError()], [0, undefined]);
    resume({ ok: true, value: "protected" });
    yield* fiber.join();
    assertEquals(calls, 0);
  });
});

Deno.test("suspend(): a resume after the cancel comes too late, and wakes nobody", () => {
  virtually(function* () {
    let late: Resume<number> | undefined;
    const outcomes: unknown[] = [];
    const fiber = spawn(function* () {
      yield* cancelScope(function* (inner) {
        outcomes.push(
          yield* errorOf(suspend<number>((context, resume) => {
            late = resume;
            context.setCancelFn((error) => resume({ ok: false, error }));
            inner.cancel("just this part");
          })),
        );
      });
      yield* Event.never();
    });
    yield* settle();
    assertInstanceOf(outcomes[0], Abort);
    const before = getScheduler().taskCount;
    late!({ ok: true, value: 1 });
    yield* yieldNow();
    assertEquals(getScheduler().taskCount - before, 1);
    yield* fiber.abort();
    assertEquals(outcomes.length, 1);
  });
});

Deno.test("suspend(): what a cancel function throws is reported, and the rest is still cancelled", () => {
  const failure = new Error("in the cancel function");
  const log: string[] = [];
  const reported = uncaughtDuring(() =>
    virtually(function* () {
      const parent = spawn(function* () {
        for (const name of ["a", "b", "c"]) {
          spawn(function* () {
            yield* cancellable(() => {
              log.push(name);
              if (name === "b") throw failure;
            });
          });
        }
        yield* Event.never();
      });
      yield* settle();
      yield* parent.abort("all of you");
      assertEquals(reasonOf(parent.poll()!), "all of you");
    })
  );
  assertEquals(reported, [failure]);
  assertEquals(log, ["a", "b", "c"]);
});

Deno.test("suspend(): given up by hand, it is cancelled like by an abort", () => {
  virtually(function* () {
    const errors: unknown[] = [];
    const operation = suspend<void>((context) =>
      context.setCancelFn((error) => void errors.push(error))
    );
    const iterator = operation[Symbol.iterator]();
    iterator.next();
    iterator.return!();
    assertEquals(errors.length, 1);
    assertInstanceOf(errors[0], Abort);
    yield* yieldNow();
  });
});

// Without a fiber ---------------------------------------------------------------------------------

Deno.test("suspend() can be awaited: its context is a root", async () => {
  const tids: number[] = [];
  const value = await suspend<string>((context, resume) => {
    tids.push(context.tid);
    queueMicrotask(() => resume({ ok: true, value: "awaited" }));
  });
  assertEquals(value, "awaited");
  assertEquals(tids, [fiberIdNil]);
});

Deno.test("suspend(): awaited, it is cancelled through the context of its root alone", async () => {
  const error = await assertRejects(async () => {
    await suspend<string>((context, resume) => {
      context.setCancelFn((error) => resume({ ok: false, error }));
      queueMicrotask(() => context.cancellationContext.cancel("from there"));
    });
  }, Abort);
  assertEquals(error.cause, "from there");
});

Deno.test("suspend(): awaited, its cancel function is forgotten when it has finished", async () => {
  let root: FiberContext | undefined;
  const value = await suspend<string>((context, resume) => {
    root = context;
    context.setCancelFn(() => assert(false, "it has finished"));
    resume({ ok: true, value: "finished" });
  });
  assertEquals(value, "finished");
  assertEquals(uncaughtDuring(() => root!.cancellationContext.cancel()), []);
});

Deno.test("suspend(): awaited, what enter throws is what it rejects with", async () => {
  const failure = new Error("cannot");
  const error = await assertRejects(async () => {
    await suspend<string>(() => {
      throw failure;
    });
  });
  assertStrictEquals(error, failure);
});

Deno.test("suspend() on the host's loop: a timer that an abort stops", async () => {
  let timers = 0;
  const delay = (ms: number) =>
    suspend<string>((context, resume) => {
      timers++;
      const timer = setTimeout(() => {
        timers--;
        resume({ ok: true, value: "done" });
      }, ms);
      context.setCancelFn((error) => {
        timers--;
        clearTimeout(timer);
        resume({ ok: false, error });
      });
    });
  assertEquals(await main(() => delay(1)), "done");
  const handle = main(() => delay(60_000));
  await Promise.resolve();
  await handle.abort("enough");
  await assertRejects(async () => void (await handle), FiberAborted);
  assertEquals(timers, 0);
});
