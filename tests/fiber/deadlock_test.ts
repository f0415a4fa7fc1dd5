import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import {
  Abort,
  Channel,
  Deadlock,
  Event,
  Fiber,
  FiberAborted,
  protect,
  run,
  scope,
  sleep,
  spawn,
  yieldNow,
} from "@weft/weft";
import { AnyFiber, block, step } from "@weft/weft/lowlevel";
import { errorOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";

// With a loop: a failure of the root -------------------------------------------------------------

forEachScheduler((name, run) => {
  Deno.test(`law 11: T35: Deadlock names each fiber that is left and what it waits on (${name})`, () => {
    const channel = new Channel<number>({ capacity: 0 });
    const result = run(function* () {
      spawn(() => channel.receive(), { name: "receiver" });
      const parent = spawn(function* () {
        spawn(() => Event.never(), { name: "child" });
      }, { name: "parent" });
      spawn(() => scope(() => parent), { name: "joiner" });
      yield* sleep(5);
      yield* scope(function* () {
        spawn(() => sleep(5), { name: "ends by itself" });
        yield* sleep(1);
        spawn(() => protect(() => Event.never()), { name: "protected" });
      });
    });
    const error = errorOf(result);
    assertInstanceOf(error, Deadlock);
    assertEquals(error.name, "Deadlock");
    const waits = Object.fromEntries(error.fibers.map(({ name, waitsOn }) => [name, waitsOn]));
    const parent = error.fibers.find(({ name }) => name === "parent")!;
    const root = error.fibers[0]!;
    assertEquals(waits, {
      [root.name]: "the end of what its scope spawned",
      receiver: "a receive from a channel",
      parent: "the end of its spawns",
      child: "an event that never happens",
      joiner: `the end of parent (#${parent.id})`,
      protected: "an event that never happens",
    });
    for (const { id, name, waitsOn } of error.fibers) {
      assertStringIncludes(error.message, `${name} (#${id}) waits on ${waitsOn}`);
    }
    assertEquals(channel.statistics().receiversWaiting, 0);
  });

  Deno.test(`law 11: a Deadlock lets every fiber clean up (${name})`, () => {
    const log: string[] = [];
    const result = run(function* () {
      spawn(function* () {
        try {
          yield* Event.never();
        } catch (error) {
          assertInstanceOf(error, Abort);
          assertInstanceOf(error.cause, Deadlock);
          throw error;
        } finally {
          yield* protect(() => sleep(5));
          log.push("cleaned up");
        }
      });
      yield* Event.never();
    });
    assertInstanceOf(errorOf(result), Deadlock);
    assertEquals(log, ["cleaned up"]);
  });

  Deno.test(`law 11: a fiber stuck inside protect gets the same Deadlock thrown (${name})`, () => {
    const thrown: unknown[] = [];
    const result = run(function* () {
      spawn(function* () {
        try {
          yield* protect(() => Event.never());
        } catch (error) {
          thrown.push(error);
          throw error;
        }
      });
      yield* protect(function* () {
        try {
          yield* Event.never();
        } catch (error) {
          thrown.push(error);
        }
      });
    });
    const error = errorOf(result);
    assertInstanceOf(error, Deadlock);
    assertEquals(thrown.length, 2);
    assertStrictEquals(thrown[0], error);
    assertStrictEquals(thrown[1], error);
  });

  Deno.test(`law 11: T4: a fiber stuck again in the clean-up after a Deadlock gets the same one (${name})`, () => {
    const thrown: unknown[] = [];
    const result = run(function* () {
      try {
        yield* Event.never();
      } finally {
        for (let n = 0; n < 2; n++) {
          try {
            yield* protect(() => Event.never());
          } catch (error) {
            thrown.push(error);
          }
        }
      }
    });
    const error = errorOf(result);
    assertInstanceOf(error, Deadlock);
    assertEquals(thrown.length, 2);
    assertEquals(new Set([...thrown, error]).size, 1);
  });

  Deno.test(`law 11: a release hook that is stuck gets the Deadlock thrown, and the others run (${name})`, () => {
    const log: string[] = [];
    const result = run(() =>
      scope(function* (nursery) {
        nursery.onRelease(() => void log.push("first"));
        nursery.onRelease(() => Event.never());
      })
    );
    assertInstanceOf(errorOf(result), Deadlock);
    assertEquals(log, ["first"]);
  });

  Deno.test(`law 11: two fibers that wait for each other are stuck (${name})`, () => {
    const result = run(function* () {
      const a: Fiber<unknown> = spawn(function* () {
        yield* yieldNow();
        yield* b.join();
      }, { name: "a" });
      const b: Fiber<unknown> = spawn(() => a.join(), { name: "b" });
    });
    const error = errorOf(result);
    assertInstanceOf(error, Deadlock);
    assertEquals(error.fibers.map(({ name }) => name).slice(1), ["a", "b"]);
  });

  Deno.test(`law 11: a fiber that waits for its own parent is stuck (${name})`, () => {
    const result = run(function* () {
      const parent = Fiber.current();
      spawn(() => parent.join(), { name: "child" });
    });
    assertInstanceOf(errorOf(result), Deadlock);
  });

  Deno.test(`law 11: a timer that is still to come is no deadlock (${name})`, () => {
    const channel = new Channel<string>({ capacity: 0 });
    const result = run(function* () {
      spawn(function* () {
        yield* sleep(1000);
        yield* channel.send("late");
      });
      return yield* channel.receiveOrThrow();
    });
    assertEquals(valueOf(result), "late");
  });

  Deno.test(`law 11: sleep(Infinity) alone is a deadlock (${name})`, () => {
    const error = errorOf(run(() => sleep(Infinity)));
    assertInstanceOf(error, Deadlock);
    assertEquals(error.fibers[0]!.waitsOn, "an endless sleep");
  });

  Deno.test(`law 11: a Deadlock of very many fibers shows the first twenty and tells how many more (${name})`, () => {
    const result = run(function* () {
      for (let n = 0; n < 49; n++) spawn(() => Event.never());
      yield* Event.never();
    });
    const error = errorOf(result);
    assertInstanceOf(error, Deadlock);
    assertEquals(error.fibers.length, 50);
    assertEquals(error.message.split("\n").length, 22);
    assertStringIncludes(error.message, "… and 30 more");
  });
});

// Neither loop nor unblock: the seed says to abort -----------------------------------------------

Deno.test("law 11: run() with neither loop nor unblock aborts the fibers left, with the Deadlock as the reason", () => {
  const caught: unknown[] = [];
  const log: string[] = [];
  const result = run(function* () {
    const child = spawn(function* () {
      try {
        yield* Event.never();
      } catch (error) {
        caught.push(error);
        throw error;
      }
    }, { name: "child", finally: () => void log.push("finally") });
    child.onResult((outcome) => caught.push(errorOf(outcome)));
    yield* Event.never();
  });
  const error = errorOf(result);
  assertInstanceOf(error, Deadlock);
  assertEquals(error.fibers.map(({ name }) => name), ["run", "child"]);
  const [abort, aborted] = caught;
  assertInstanceOf(abort, Abort);
  assertStrictEquals(abort.cause, error);
  assertInstanceOf(aborted, FiberAborted);
  assertEquals(log, ["finally"]);
});

Deno.test("law 11: run() with neither: a fiber stuck inside protect gets that same Deadlock thrown", () => {
  let thrown: unknown;
  const result = run(() =>
    protect(function* () {
      try {
        yield* Event.never();
      } catch (error) {
        thrown = error;
        throw error;
      }
    })
  );
  const error = errorOf(result);
  assertInstanceOf(error, Deadlock);
  assertStrictEquals(thrown, error);
});

Deno.test("law 11: run() with neither: a body that survives the Deadlock in a protect ends as it says", () => {
  const result = run(() =>
    protect(function* () {
      try {
        yield* Event.never();
      } catch {
        return "survived";
      }
    })
  );
  // The abort reached nobody: it was the Deadlock that was thrown, and it was dealt with.
  assertEquals(valueOf(result), "survived");
});

Deno.test("law 11: run() with neither ends with a fiber's own failure, not the Deadlock, if it had one", () => {
  const failure = new Error("in the clean-up");
  const result = run(function* () {
    try {
      yield* Event.never();
    } finally {
      // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
      throw failure;
    }
  });
  assertStrictEquals(errorOf(result), failure);
});

// With unblock -----------------------------------------------------------------------------------

Deno.test("law 11: run() with unblock asks it, again and again, and aborts nobody", () => {
  const asked: boolean[] = [];
  let blocked: AnyFiber | undefined;
  const result = run(
    () => block({ block: (fiber) => void (blocked = fiber), abort: () => {}, retv: () => "found" }),
    {
      unblock: ({ poll }) => {
        asked.push(poll);
        return !poll && asked.length > 10 ? blocked : undefined;
      },
    },
  );
  assertEquals(valueOf(result), "found");
  assert(asked.filter((poll) => !poll).length > 1);
});

// Without any scheduler's help --------------------------------------------------------------------

Deno.test("AnyFiber.breakDeadlock() ends what a scheduler finds stuck, and is called again for a protect", () => {
  const ready: AnyFiber[] = [];
  const loop = virtualLoop();
  const fiber = AnyFiber.main(
    { ready: (fiber) => void ready.push(fiber), loop },
    () => protect(() => Event.never()),
  );
  const drain = () => {
    for (let next = ready.shift(); next !== undefined; next = ready.shift()) step(next);
  };
  drain();
  assertEquals(fiber.poll(), undefined);
  AnyFiber.breakDeadlock(fiber);
  drain();
  AnyFiber.breakDeadlock(fiber);
  drain();
  assertInstanceOf(errorOf(fiber.poll()!), Deadlock);
  AnyFiber.breakDeadlock(fiber); // has no effect any more
});

Deno.test("law 11: a Deadlock is not reported as well", () => {
  const uncaught = uncaughtDuring(() => {
    run(() => Event.never());
    run(() => Event.never(), { loop: virtualLoop() });
  });
  assertEquals(uncaught, []);
});
