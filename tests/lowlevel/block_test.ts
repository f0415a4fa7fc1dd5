import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { assertRejects } from "@std/assert";
import {
  Abort,
  Channel,
  Deadlock,
  Event,
  Fiber,
  Inactive,
  protect,
  type Result,
  run,
  sleep,
  spawn,
  yieldNow,
} from "@weft/weft";
import { type AnyFiber, block, type BlockOptions, step, unblock } from "@weft/weft/lowlevel";
import { reasonOf, valueOf } from "../kit/results.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

/** A blocking operation that tells what is called. */
class Blocking {
  readonly log: string[] = [];
  readonly blocked: AnyFiber[] = [];

  options<T>(value: T, changes: Partial<BlockOptions<T>> = {}): BlockOptions<T> {
    return {
      block: (fiber) => {
        this.log.push("block");
        this.blocked.push(fiber);
        changes.block?.(fiber);
      },
      abort: (fiber) => {
        this.log.push("abort");
        return changes.abort?.(fiber);
      },
      retv: (fiber) => {
        this.log.push("retv");
        return changes.retv === undefined ? value : changes.retv(fiber);
      },
    };
  }
}

// block and unblock -------------------------------------------------------------------------------

Deno.test("block() calls block at once, and retv when it was unblocked, with the fiber", () => {
  virtually(function* () {
    const seen: unknown[] = [];
    const fiber = spawn(() =>
      block({
        block: (f) => void seen.push("block", f),
        abort: () => void seen.push("abort"),
        retv: (f) => {
          seen.push("retv", f);
          return 42;
        },
      })
    );
    yield* settle();
    assertEquals(seen, ["block", fiber]);
    assertEquals(unblock(fiber), true);
    assertEquals(seen.length, 2); // the value is asked for when the fiber runs
    assertEquals(yield* fiber, 42);
    assertEquals(seen, ["block", fiber, "retv", fiber]);
  });
});

Deno.test("block(): block runs outside of any fiber, retv in the fiber", () => {
  virtually(function* () {
    const fiber = yield* waiting(block({
      block: () => void assertThrows(() => Fiber.current(), Inactive),
      abort() {},
      retv: () => Fiber.current(),
    }));
    unblock(fiber);
    assertStrictEquals(valueOf<unknown>(yield* fiber.join()), fiber);
  });
});

Deno.test("block(): what block throws is thrown in the fiber; neither retv nor abort is called", () => {
  virtually(function* () {
    const failure = new Error("cannot register");
    const blocking = new Blocking();
    const fiber = spawn(function* () {
      const thrown = yield* errorOf(block(blocking.options(0, {
        block() {
          throw failure;
        },
      })));
      yield* yieldNow();
      return thrown;
    });
    assertStrictEquals(yield* fiber, failure);
    assertEquals(blocking.log, ["block"]);
    assertEquals(unblock(fiber), false);
  });
});

Deno.test("block(): what retv throws is thrown in the fiber", () => {
  virtually(function* () {
    const failure = new Error("no value");
    const blocking = new Blocking();
    const fiber = yield* waiting(block(blocking.options(0, {
      retv() {
        throw failure;
      },
    })));
    unblock(fiber);
    assertStrictEquals(yield* errorOf(fiber), failure);
    assertEquals(blocking.log, ["block", "retv"]);
  });
});

Deno.test("block(): block may unblock the fiber itself", () => {
  virtually(function* () {
    const blocking = new Blocking();
    const others: string[] = [];
    spawn(function* () {
      others.push("ran meanwhile");
    });
    const value = yield* block(blocking.options("early", {
      block: (fiber) => assertEquals([unblock(fiber), unblock(fiber)], [true, false]),
    }));
    assertEquals(value, "early");
    assertEquals(others, ["ran meanwhile"]);
    assertEquals(blocking.log, ["block", "retv"]);
  });
});

Deno.test("block(): block that unblocks the fiber and then throws has thrown", () => {
  virtually(function* () {
    const failure = new Error("after all");
    const blocking = new Blocking();
    const thrown = yield* errorOf(block(blocking.options(0, {
      block(fiber) {
        unblock(fiber);
        throw failure;
      },
    })));
    assertStrictEquals(thrown, failure);
    const again = new Blocking();
    const fiber = Fiber.current();
    spawn(function* () {
      yield* settle();
      unblock(fiber);
    });
    assertEquals(yield* block(again.options("next")), "next"); // the early wake-up isn't its own
    assertEquals([blocking.log, again.log], [["block"], ["block", "retv"]]);
  });
});

Deno.test("block(): block may not drive an operation by hand", () => {
  virtually(function* () {
    const channel = new Channel<number>({ capacity: 0 });
    const blocking = new Blocking();
    const error = yield* errorOf(block(blocking.options(0, {
      block: () => void channel.receive()[Symbol.iterator]().next(),
    })));
    assertInstanceOf(error, Inactive);
    assertEquals(channel.statistics().receiversWaiting, 0);
    assertEquals(blocking.log, ["block"]);
  });
});

Deno.test("unblock() is false, and does nothing, for a fiber that isn't blocked in block", () => {
  virtually(function* () {
    const notStarted = spawn(() => Event.never());
    assertEquals(unblock(notStarted), false);
    yield* settle();
    assertEquals(unblock(notStarted), false); // it waits for something else
    assertEquals(unblock(Fiber.current()), false); // it runs
    assertEquals(unblock(Fiber.returned(1)), false);
    yield* notStarted.abort();
    assertEquals(unblock(notStarted), false);
  });
});

Deno.test("unblock() twice wakes once: the second doesn't reach the next block", () => {
  virtually(function* () {
    const first = new Blocking();
    const second = new Blocking();
    const fiber = spawn(function* () {
      yield* block(first.options(1));
      yield* block(second.options(2));
    });
    yield* settle();
    assertEquals([unblock(fiber), unblock(fiber)], [true, false]);
    yield* settle();
    assertEquals([first.log, second.log], [["block", "retv"], ["block"]]);
    unblock(fiber);
    yield* fiber;
  });
});

// deno-lint-ignore no-explicit-any -- arguments of the wrong type are what is tested
const badOptions: any[] = [
  undefined,
  null,
  () => {},
  {},
  { block() {}, abort() {} },
  { block() {}, retv() {} },
  { abort() {}, retv() {} },
  { block: 1, abort() {}, retv() {} },
];

for (const options of badOptions) {
  Deno.test(`block(${Deno.inspect(options)}) throws a TypeError`, () => {
    assertThrows(() => block(options), TypeError, "Cannot block: ");
  });
}

Deno.test("unblock() of what is no fiber throws a TypeError", () => {
  assertThrows(() => unblock({} as AnyFiber), TypeError, "Cannot unblock: fiber must be a Fiber");
});

Deno.test("block() awaited outside of any fiber rejects with Inactive, and calls nothing", async () => {
  const blocking = new Blocking();
  await assertRejects(async () => void (await block(blocking.options(1))), Inactive);
  assertEquals(blocking.log, []);
});

// Aborting ----------------------------------------------------------------------------------------

Deno.test("block(): abort is called before Abort is thrown in the fiber, retv never", () => {
  virtually(function* () {
    const blocking = new Blocking();
    const fiber = spawn(function* () {
      try {
        yield* block(blocking.options(0));
      } catch (error) {
        blocking.log.push((error as Error).name);
        throw error;
      }
    });
    yield* settle();
    fiber.abort("stop");
    assertEquals(blocking.log, ["block", "abort"]); // at the call
    assertEquals(unblock(fiber), false);
    assertEquals(reasonOf(yield* fiber.join()), "stop");
    assertEquals(blocking.log, ["block", "abort", "AbortError"]);
  });
});

Deno.test("block() in a fiber that is aborting calls abort, and block never", () => {
  virtually(function* () {
    const blocking = new Blocking();
    const fibers: AnyFiber[] = [];
    const fiber = spawn(function* () {
      Fiber.current().abort();
      const thrown = yield* errorOf(block(blocking.options(0, { abort: (f) => fibers.push(f) })));
      assertInstanceOf(thrown, Abort);
    });
    yield* fiber.join();
    assertEquals(blocking.log, ["abort"]);
    assertEquals(fibers, [fiber]);
  });
});

Deno.test("block(): abort isn't called for a fiber that was unblocked before", () => {
  virtually(function* () {
    const blocking = new Blocking();
    let value: number | undefined;
    const fiber = spawn(function* () {
      value = yield* block(blocking.options(7));
      yield* yieldNow();
    });
    yield* settle();
    unblock(fiber);
    fiber.abort("too late");
    assertEquals(reasonOf(yield* fiber.join()), "too late");
    assertEquals([value, blocking.log], [7, ["block", "retv"]]);
  });
});

Deno.test("block(): what abort throws is reported, and Abort is thrown all the same", () => {
  const failure = new Error("in abort");
  let thrown: unknown;
  const reported = uncaughtDuring(() =>
    virtually(function* () {
      const fiber = spawn(function* () {
        thrown = yield* errorOf(block(
          new Blocking().options(0, {
            abort() {
              throw failure;
            },
          }),
        ));
      });
      yield* settle();
      yield* fiber.abort();
    })
  );
  assertEquals(reported, [failure]);
  assertInstanceOf(thrown, Abort);
});

const switches: [string, () => unknown][] = [
  ["calls run()", () => run(() => yieldNow())],
  ["calls step()", () => step(Fiber.returned(1))],
  ["drives an operation by hand", () => yieldNow()[Symbol.iterator]().next()],
  ["is a generator function", function* () {}],
];

for (const [what, attack] of switches) {
  Deno.test(`block(): abort that ${what} is refused with an error`, () => {
    const reported = uncaughtDuring(() =>
      virtually(function* () {
        const blocking = new Blocking();
        const fiber = yield* waiting(block(blocking.options(0, { abort: () => attack() as void })));
        yield* fiber.abort();
        assertEquals(blocking.log, ["block", "abort"]);
      })
    );
    assertEquals(reported.map((e) => (e as Error).message.includes("switch fibers")), [true]);
  });
}

Deno.test("block() inside protect isn't aborted from outside", () => {
  virtually(function* () {
    const blocking = new Blocking();
    const fiber = spawn(function* () {
      return yield* protect(() => block(blocking.options("whole")));
    });
    yield* settle();
    fiber.abort();
    yield* settle();
    assertEquals(blocking.log, ["block"]);
    unblock(fiber);
    yield* fiber.join();
    assertEquals(blocking.log, ["block", "retv"]);
  });
});

Deno.test("block(): an abort by block itself calls abort, and Abort is thrown", () => {
  virtually(function* () {
    const blocking = new Blocking();
    const fiber = spawn(() => block(blocking.options(0, { block: (f) => void f.abort("own") })));
    assertEquals(reasonOf(yield* fiber.join()), "own");
    assertEquals(blocking.log, ["block", "abort"]);
  });
});

Deno.test("block(): an abort by block, which then throws, isn't thrown inside a later protect", () => {
  virtually(function* () {
    const failure = new Error("and it throws");
    const log: unknown[] = [];
    const fiber = spawn(function* () {
      log.push(
        yield* errorOf(block(
          new Blocking().options(0, {
            block(f) {
              f.abort();
              throw failure;
            },
          }),
        )),
      );
      log.push(
        yield* protect(function* () {
          yield* yieldNow();
          return "protected";
        }),
      );
      log.push(yield* errorOf(yieldNow()));
    });
    yield* fiber.join();
    assertEquals(log.slice(0, 2), [failure, "protected"]);
    assertInstanceOf(log[2], Abort);
  });
});

/** What may be done to a blocked fiber, in all orders of up to four of them. */
const actions: Record<string, (fiber: AnyFiber) => void> = {
  unblock: (fiber) => void unblock(fiber),
  abort: (fiber) => void fiber.abort(),
};

function* sequences(length: number): Generator<string[]> {
  if (length === 0) return yield [];
  for (const rest of sequences(length - 1)) {
    for (const name of ["unblock", "abort", "turn"]) yield [name, ...rest];
  }
}

Deno.test("block(): exactly one of retv and abort is called, whatever comes in whatever order", () => {
  const outcomes = new Set<string>();
  for (const sequence of sequences(4)) {
    virtually(function* () {
      const blocking = new Blocking();
      const fiber = spawn(function* () {
        yield* block(blocking.options(0));
        yield* yieldNow();
      });
      for (const name of sequence) {
        if (name === "turn") yield* yieldNow();
        else actions[name]!(fiber);
      }
      yield* fiber.abort();
      const started = blocking.log[0] === "block";
      const end = blocking.log.slice(started ? 1 : 0);
      const shown = sequence.join(", ");
      if (started) assertEquals(end.length, 1, shown);
      else assertEquals(blocking.log, [], shown); // aborted before its body ran
      outcomes.add(blocking.log.join());

      // The first of the two that came while it was blocked has won.
      const first = sequence.slice(sequence.indexOf("turn")).find((name) => name !== "turn");
      if (started && sequence.includes("turn")) {
        assertEquals(end[0], first === "unblock" ? "retv" : "abort", shown);
      }
    });
  }
  assertEquals([...outcomes].sort(), ["", "block,abort", "block,retv"]);
});

// The unblock of run ------------------------------------------------------------------------------

Deno.test("run({ unblock }): the fiber that it returns goes on", () => {
  const blocking = new Blocking();
  const result = run(() => block(blocking.options(42)), { unblock: () => blocking.blocked.pop() });
  assertEquals(result, { ok: true, value: 42 });
  assertEquals(blocking.log, ["block", "retv"]);
});

Deno.test("run({ unblock }): poll is true while others are ready to run, and false when none is", () => {
  const blocking = new Blocking();
  let turnsLeft = 200;
  const asked: [poll: boolean, turnsLeft: number][] = [];
  const result = run(function* () {
    const fiber = spawn(() => block(blocking.options("unblocked")));
    for (; turnsLeft > 0; turnsLeft--) yield* yieldNow();
    return yield* fiber;
  }, {
    unblock({ poll }) {
      asked.push([poll, turnsLeft]);
      return poll ? undefined : blocking.blocked.pop();
    },
  });
  assertEquals(result, { ok: true, value: "unblocked" });
  const polls = asked.filter(([poll]) => poll);
  assert(polls.length > 1, "it was not asked while fibers ran");
  assert(polls.every(([, turns]) => turns > 0), "poll though nobody was ready");
  assertEquals(asked.filter(([poll]) => !poll), [[false, 0]]);
});

Deno.test("run({ unblock }): with nobody ready it is asked with poll false at once, and only so", () => {
  const blocking = new Blocking();
  const polls: boolean[] = [];
  run(function* () {
    for (let n = 0; n < 3; n++) yield* block(blocking.options(n));
  }, {
    unblock({ poll }) {
      polls.push(poll);
      return blocking.blocked.pop();
    },
  });
  assertEquals(polls, [false, false, false]);
});

Deno.test("run({ unblock }): polled while others run, it can let a fiber go on among them", () => {
  const blocking = new Blocking();
  const polls: boolean[] = [];
  let turns = 0;
  const result = run(function* () {
    const fiber = spawn(() => block(blocking.options("by polling")));
    while (fiber.state === "running") {
      turns++;
      yield* yieldNow();
    }
    return yield* fiber;
  }, {
    unblock({ poll }) {
      polls.push(poll);
      return blocking.blocked.pop();
    },
  });
  assertEquals(result, { ok: true, value: "by polling" });
  assertEquals(polls[0], true);
  assert(turns < 1000);
});

Deno.test("run({ unblock }): returning nothing, it is called again", () => {
  const blocking = new Blocking();
  let calls = 0;
  const result = run(() => block(blocking.options("at last")), {
    unblock: () => ++calls < 10 ? undefined : blocking.blocked.pop(),
  });
  assertEquals(result, { ok: true, value: "at last" });
  assertEquals(calls, 10);
});

Deno.test("run({ unblock }): what it throws is reported, and it is called again", () => {
  const blocking = new Blocking();
  const failures = [new Error("one"), new Error("two")];
  const left = [...failures];
  let result: Result<string> | undefined;
  const reported = uncaughtDuring(() => {
    result = run(() => block(blocking.options("still")), {
      unblock() {
        const failure = left.shift();
        if (failure !== undefined) throw failure;
        return blocking.blocked.pop();
      },
    });
  });
  assertEquals(result, { ok: true, value: "still" });
  assertEquals(reported, failures);
});

Deno.test("run({ unblock }): what is no fiber is reported, and it is called again", () => {
  const blocking = new Blocking();
  const answers: unknown[] = ["no fiber"];
  let result: Result<string> | undefined;
  const reported = uncaughtDuring(() => {
    result = run(() => block(blocking.options("still")), {
      unblock: () => (answers.shift() ?? blocking.blocked.pop()) as AnyFiber,
    });
  });
  assertEquals(result, { ok: true, value: "still" });
  assertEquals(reported.length, 1);
  assertInstanceOf(reported[0], TypeError);
});

Deno.test("run({ unblock }): a fiber that isn't blocked is passed over", () => {
  const blocking = new Blocking();
  const answers: AnyFiber[] = [Fiber.returned(1), Fiber.aborted()];
  const result = run(() => block(blocking.options("still")), {
    unblock: () => answers.shift() ?? blocking.blocked.pop(),
  });
  assertEquals(result, { ok: true, value: "still" });
  assertEquals(answers, []);
});

Deno.test("run({ unblock }): it may call unblock itself, for several fibers at once", () => {
  const blocking = new Blocking();
  let calls = 0;
  const result = run(function* () {
    const fibers = [1, 2, 3].map((n) => spawn(() => block(blocking.options(n))));
    const values: number[] = [];
    for (const fiber of fibers) values.push(yield* fiber);
    return values;
  }, {
    unblock() {
      calls++;
      for (const fiber of blocking.blocked.splice(0)) unblock(fiber);
      return undefined;
    },
  });
  assertEquals(result, { ok: true, value: [1, 2, 3] });
  assertEquals(calls, 1);
});

Deno.test("run({ unblock }) runs it outside of any fiber", () => {
  const blocking = new Blocking();
  let inside: unknown = "not called";
  virtually(function* () {
    run(() => block(blocking.options(1)), {
      unblock() {
        inside = assertThrows(() => Fiber.current(), Inactive);
        return blocking.blocked.pop();
      },
    });
  });
  assertInstanceOf(inside, Inactive);
});

Deno.test("run({ unblock, loop }): it is asked between the steps of the loop", () => {
  const blocking = new Blocking();
  const loop = virtualLoop();
  const asked: [poll: boolean, now: number][] = [];
  const result = run(function* () {
    const fiber = spawn(() => block(blocking.options("unblocked")));
    yield* sleep(10);
    yield* sleep(10);
    return yield* fiber;
  }, {
    loop,
    unblock({ poll }) {
      asked.push([poll, loop.now()]);
      return poll ? undefined : blocking.blocked.pop();
    },
  });
  assertEquals(result, { ok: true, value: "unblocked" });
  assertEquals(loop.now(), 20);
  assert(asked.some(([poll, now]) => poll && now === 10));
  assertEquals(asked.filter(([poll]) => !poll), [[false, 20]]);
});

Deno.test("run() without unblock aborts the fibers that block, with the Deadlock as the reason", () => {
  const blocking = new Blocking();
  let thrown: unknown;
  const result = run(function* () {
    spawn(() => block(blocking.options(0)), { name: "kid" });
    thrown = yield* errorOf(block(blocking.options(0)));
    throw thrown;
  });
  assert(!result.ok);
  assertInstanceOf(result.error, Deadlock);
  assertInstanceOf(thrown, Abort);
  assertStrictEquals(thrown.cause, result.error);
  assertEquals(result.error.fibers.map(({ name, waitsOn }) => [name, waitsOn]), [
    ["run", "a blocking operation"],
    ["kid", "a blocking operation"],
  ]);
  assertEquals(blocking.log.toSorted(), ["abort", "abort", "block", "block"]);
});
