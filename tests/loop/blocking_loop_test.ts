import { assert, assertEquals, assertThrows } from "@std/assert";
import { blockingLoop, type CancelHandle, type EventLoop } from "@weft/weft/loop";
import { Random } from "../../lib/internal/random.ts";
import { type FakeTime, withFakeTime } from "../kit/fake_time.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";

const once = { repeat: false };
const repeatedly = { repeat: true };

interface Fixture {
  readonly loop: EventLoop;
  readonly time: FakeTime;
  /** What fired: the names of `timer`, each with the virtual time. */
  readonly log: string[];
  /** Starts a timer that logs its name. */
  timer(name: string, ms: number, options?: { repeat: boolean }): CancelHandle;
}

/** A blocking loop whose sleep takes no time. */
function withLoop(f: (fixture: Fixture) => void): void {
  withFakeTime((time) => {
    const loop = blockingLoop();
    const log: string[] = [];
    const start = time.now;
    const timer: Fixture["timer"] = (name, ms, options = once) =>
      loop.onTimer(ms, options, () => void log.push(`${name}@${time.now - start}`));
    f({ loop, time, log, timer });
  });
}

/** Steps until nothing can come. */
function drain(loop: EventLoop): void {
  for (let steps = 0; loop.oneStep({ block: true }); steps++) {
    if (steps > 10_000) throw new Error("the loop never ends");
  }
}

// Order ------------------------------------------------------------------------------------------

Deno.test("blockingLoop() fires in the order of the deadlines, and sleeps until each", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("c", 30);
    timer("a", 10);
    timer("b", 20.5);
    drain(loop);
    assertEquals(log, ["a@10", "b@20.5", "c@30"]);
    assertEquals(time.sleeps, [10, 10.5, 9.5]);
  });
});

Deno.test("law 7: blockingLoop() fires timers with equal deadlines first in, first out", () => {
  withLoop(({ loop, log, timer }) => {
    for (const name of "abcdefghij") timer(name, 5);
    drain(loop);
    assertEquals(log.map((entry) => entry[0]).join(""), "abcdefghij");
  });
});

Deno.test("law 7: blockingLoop() has equal deadlines also where the delays differ", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("a", 10);
    time.now += 4;
    timer("b", 6);
    timer("c", 5);
    drain(loop);
    assertEquals(log, ["c@9", "a@10", "b@10"]);
  });
});

for (const seed of [1, 2, 3]) {
  Deno.test(`blockingLoop() fires a thousand timers in the order of a stable sort, seed ${seed}`, () => {
    withLoop(({ loop, log, timer }) => {
      const random = new Random(seed);
      const expected: { name: string; ms: number }[] = [];
      for (let n = 0; n < 1000; n++) {
        const ms = random.below(50);
        const handle = timer(`${n}`, ms);
        if (random.below(4) === 0) handle.cancel();
        else expected.push({ name: `${n}`, ms });
      }
      expected.sort((a, b) => a.ms - b.ms); // stable
      drain(loop);
      assertEquals(log, expected.map(({ name, ms }) => `${name}@${ms}`));
    });
  });
}

Deno.test("blockingLoop() leaves a timer that a callback starts to the next step", () => {
  withLoop(({ loop, log, timer }) => {
    loop.onTimer(0, once, () => {
      timer("inner", 0);
      timer("past", -5);
      log.push("outer");
    });
    timer("sibling", 0);
    assertEquals(loop.oneStep({ block: true }), true);
    assertEquals(log, ["outer", "sibling@0"]);
    assertEquals(loop.oneStep({ block: true }), true);
    assertEquals(log, ["outer", "sibling@0", "inner@0", "past@0"]);
    assertEquals(loop.oneStep({ block: true }), false);
  });
});

// oneStep ----------------------------------------------------------------------------------------

for (const block of [true, false]) {
  Deno.test(`EventLoop.oneStep({ block: ${block} }) of a blocking loop is false iff no timer is left`, () => {
    withLoop(({ loop, log, timer }) => {
      assertEquals(loop.oneStep({ block }), false);
      timer("due", 0);
      assertEquals(loop.oneStep({ block }), true, "the last one fired");
      assertEquals(log, ["due@0"]);
      assertEquals(loop.oneStep({ block }), false);
      const handle = timer("later", 10);
      assertEquals(loop.oneStep({ block: false }), true, "one is left");
      handle.cancel();
      assertEquals(loop.oneStep({ block }), false);
      assertEquals(log, ["due@0"]);
    });
  });
}

Deno.test("EventLoop.oneStep({ block: false }) of a blocking loop never sleeps", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("a", 1);
    timer("b", 10);
    for (let n = 0; n < 3; n++) assertEquals(loop.oneStep({ block: false }), true);
    assertEquals(log, []);
    time.now += 1;
    assertEquals(loop.oneStep({ block: false }), true);
    assertEquals(log, ["a@1"]);
    assertEquals(time.sleeps, []);
  });
});

Deno.test("EventLoop.oneStep({ block: true }) of a blocking loop doesn't sleep if any is due", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("later", 10);
    timer("due", 0);
    assertEquals(loop.oneStep({ block: true }), true);
    assertEquals([log, time.sleeps], [["due@0"], []]);
  });
});

Deno.test("EventLoop.oneStep() of a blocking loop fires all that is due, late ones in their order", () => {
  withLoop(({ loop, time, log, timer }) => {
    for (const ms of [3, 1, 2, 9]) timer(`${ms}`, ms);
    time.now += 5;
    loop.oneStep({ block: true });
    assertEquals(log, ["1@5", "2@5", "3@5"]);
  });
});

Deno.test("EventLoop.oneStep() of a blocking loop never fires early, though it woke up early", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("a", 10);
    time.early = 0.25;
    assertEquals(loop.oneStep({ block: true }), true);
    assertEquals(log, []);
    assertEquals(loop.oneStep({ block: true }), true);
    assertEquals([log, time.sleeps], [["a@10"], [10, 0.25]]);
  });
});

// Repeating --------------------------------------------------------------------------------------

Deno.test("EventLoop.onTimer({ repeat: true }) of a blocking loop fires every period, without drift", () => {
  withLoop(({ loop, time, log, timer }) => {
    const handle = timer("r", 10, repeatedly);
    loop.oneStep({ block: true });
    time.now += 4; // somebody was busy
    for (let n = 0; n < 2; n++) loop.oneStep({ block: true });
    assertEquals(log, ["r@10", "r@20", "r@30"]);
    handle.cancel();
    assertEquals(loop.oneStep({ block: true }), false);
    assertEquals(log.length, 3);
  });
});

Deno.test("EventLoop.onTimer({ repeat: true }) of a blocking loop doesn't make up for periods it missed", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("r", 10, repeatedly);
    time.now += 55;
    for (let n = 0; n < 4; n++) loop.oneStep({ block: true });
    assertEquals(log, ["r@55", "r@55", "r@65", "r@75"]);
  });
});

Deno.test("EventLoop.onTimer({ repeat: true }) of a blocking loop with no delay fires once a step", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("r", 0, repeatedly);
    timer("n", -3, repeatedly);
    for (let n = 0; n < 2; n++) assertEquals(loop.oneStep({ block: true }), true);
    assertEquals(log, ["r@0", "n@0", "r@0", "n@0"]);
    assertEquals(time.sleeps, []);
  });
});

Deno.test("law 7: a repeated timer of a blocking loop comes after those that waited longer", () => {
  withLoop(({ loop, log, timer }) => {
    timer("r", 10, repeatedly);
    timer("a", 20);
    for (let n = 0; n < 2; n++) loop.oneStep({ block: true });
    assertEquals(log, ["r@10", "a@20", "r@20"]);
  });
});

// Cancelling -------------------------------------------------------------------------------------

Deno.test("CancelHandle.cancel() before the deadline: a timer of a blocking loop never fires", () => {
  withLoop(({ loop, time, log, timer }) => {
    const handles = ["a", "b", "c"].map((name, n) => timer(name, n + 1));
    handles[1]!.cancel();
    handles[1]!.cancel();
    drain(loop);
    assertEquals([log, time.sleeps], [["a@1", "c@3"], [1, 2]]);
  });
});

Deno.test("CancelHandle.cancel() of a timer that has fired does nothing to the others", () => {
  withLoop(({ loop, log, timer }) => {
    const handle = timer("a", 1);
    timer("b", 2);
    loop.oneStep({ block: true });
    handle.cancel();
    drain(loop);
    assertEquals(log, ["a@1", "b@2"]);
  });
});

for (const through of ["self", "handle"] as const) {
  Deno.test(`CancelHandle.cancel() in the callback, through its ${through}, ends a repeated timer of a blocking loop`, () => {
    withLoop(({ loop, log }) => {
      let fired = 0;
      const handle = loop.onTimer(1, repeatedly, (self) => {
        if (++fired === 3) (through === "self" ? self : handle).cancel();
      });
      drain(loop);
      assertEquals(fired, 3);
      assertEquals(log, []);
    });
  });
}

Deno.test("CancelHandle.cancel() in the callback does nothing to a timer that fires once", () => {
  withLoop(({ loop, log, timer }) => {
    loop.onTimer(1, once, (self) => self.cancel());
    timer("b", 2);
    drain(loop);
    assertEquals(log, ["b@2"]);
  });
});

Deno.test("CancelHandle.cancel() in another's callback: due in the same step, and yet it never fires", () => {
  withLoop(({ loop, log, timer }) => {
    loop.onTimer(1, once, () => handles.forEach((handle) => handle.cancel()));
    const handles = [timer("b", 1), timer("c", 1, repeatedly), timer("d", 5)];
    drain(loop);
    assertEquals(log, []);
  });
});

Deno.test("CancelHandle.cancel() in a later callback of the step ends a timer that would repeat", () => {
  withLoop(({ loop, log, timer }) => {
    const handle = timer("r", 1, repeatedly);
    loop.onTimer(1, once, () => handle.cancel());
    drain(loop);
    assertEquals(log, ["r@1"]);
  });
});

// Interrupting -----------------------------------------------------------------------------------

Deno.test("EventLoop.interruptIfInBlockingSection() ends the sleep, and fires nothing", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("a", 60_000);
    time.onSleep = () => {
      loop.interruptIfInBlockingSection();
      return true;
    };
    assertEquals(loop.oneStep({ block: true }), true);
    assertEquals([log, time.sleeps], [[], [60_000]]);
    time.onSleep = () => false;
    drain(loop);
    assertEquals(log, ["a@60000"]);
  });
});

Deno.test("EventLoop.interruptIfInBlockingSection() rings a doorbell that a real sleep hears", () => {
  const loop = blockingLoop();
  const start = Date.now();
  let fired = false;
  loop.onTimer(3000, once, () => fired = true);
  let looks = 0;
  performance.now = () => { // the step looks at the clock on its way to bed: as late as it gets
    looks++;
    loop.interruptIfInBlockingSection();
    return 0;
  };
  try {
    assertEquals(loop.oneStep({ block: true }), true);
  } finally {
    delete (performance as { now?: unknown }).now;
  }
  assert(looks > 0, "the step never looked at the clock");
  assertEquals(fired, false);
  assert(Date.now() - start < 2000, "it slept");
});

Deno.test("EventLoop.interruptIfInBlockingSection() before the step does nothing", () => {
  withLoop(({ loop, time, log, timer }) => {
    timer("a", 10);
    loop.interruptIfInBlockingSection();
    loop.interruptIfInBlockingSection();
    assertEquals(loop.oneStep({ block: true }), true);
    assertEquals([log, time.sleeps], [["a@10"], [10]]);
  });
});

Deno.test("EventLoop.interruptIfInBlockingSection() of one blocking loop leaves another asleep", () => {
  withLoop(({ loop, time, log, timer }) => {
    const other = blockingLoop();
    other.onTimer(1, once, () => log.push("other"));
    timer("a", 10);
    time.onSleep = () => {
      other.interruptIfInBlockingSection();
      return false;
    };
    loop.oneStep({ block: true });
    assertEquals(log, ["a@10"], "and its timers are its own");
  });
});

// Callbacks that throw, and arguments that are wrong ---------------------------------------------

Deno.test("law 13: what a callback throws in a blocking loop is reported, and the rest still fires", () => {
  withLoop(({ loop, log, timer }) => {
    const errors = uncaughtDuring(() => {
      timer("a", 1);
      loop.onTimer(1, once, () => {
        throw new Error("once");
      });
      let times = 0;
      loop.onTimer(1, repeatedly, (self) => {
        if (++times === 2) self.cancel();
        throw new Error(`time ${times}`);
      });
      timer("b", 1);
      timer("c", 3);
      assertEquals(loop.oneStep({ block: true }), true);
      assertEquals(log, ["a@1", "b@1"]);
      drain(loop);
    });
    assertEquals(log, ["a@1", "b@1", "c@3"]);
    assertEquals(errors.map(String), ["Error: once", "Error: time 1", "Error: time 2"]);
  });
});

Deno.test("EventLoop.onTimer() of a blocking loop: NaN is a RangeError, no number a TypeError", () => {
  withLoop(({ loop, timer }) => {
    assertThrows(() => timer("a", NaN), RangeError, "delayMs must not be NaN");
    for (const bad of ["5", undefined, null, 5n, {}]) {
      assertThrows(() => timer("a", bad as never), TypeError, "delayMs must be a number");
    }
    for (const bad of ["f", undefined, null, {}]) {
      assertThrows(() => loop.onTimer(1, once, bad as never), TypeError, "f must be a function");
    }
    for (const bad of [true, null, "repeat"]) {
      assertThrows(() => timer("a", 1, bad as never), TypeError, "options must be an object");
    }
    assertEquals(loop.oneStep({ block: true }), false, "no timer was started");
  });
});

Deno.test("EventLoop.onTimer() of a blocking loop: zero and negative delays are due at the next step", () => {
  withLoop(({ loop, log, timer }) => {
    timer("a", 0);
    timer("b", -10);
    timer("c", -Infinity);
    assertEquals(log, [], "not before");
    loop.oneStep({ block: false });
    assertEquals(log, ["a@0", "b@0", "c@0"], "and none is earlier than another");
  });
});

Deno.test("EventLoop.onTimer(Infinity) of a blocking loop never fires, and can be waited for", () => {
  withLoop(({ loop, time, log, timer }) => {
    for (const options of [once, repeatedly]) {
      const handle = timer("never", Infinity, options);
      for (let n = 0; n < 3; n++) assertEquals(loop.oneStep({ block: true }), true);
      handle.cancel();
      assertEquals(loop.oneStep({ block: true }), false);
    }
    assertEquals(log, []);
    assert(time.sleeps.every(Number.isFinite), "it sleeps in pieces");
  });
});

Deno.test("EventLoop.onTimer() of a blocking loop takes delays longer than Atomics.wait does", () => {
  withLoop(({ loop, time, log, timer }) => {
    const long = 2 ** 31 + 1000;
    timer("long", long);
    drain(loop);
    assertEquals(log, [`long@${long}`]);
    assertEquals(time.sleeps, [2 ** 31 - 1, 1001]);
  });
});

Deno.test("blockingLoop() sleeps the thread itself: no promise moves meanwhile", async () => {
  const loop = blockingLoop();
  const log: string[] = [];
  const start = performance.now();
  const promise = Promise.resolve().then(() => log.push("promise"));
  loop.onTimer(3, once, () => void log.push("timer"));
  drain(loop);
  assert(performance.now() - start >= 3);
  assertEquals(log, ["timer"]);
  await promise;
});

Deno.test("EventLoop.onTimer() without options fires once, and refuses what can't be options", () => {
  withLoop(({ loop, time, log }) => {
    const bare = loop.onTimer as (ms: number, options: unknown, f: () => void) => CancelHandle;
    bare.call(loop, 5, undefined, () => void log.push("once"));
    bare.call(loop, 5, {}, () => void log.push("once more"));
    assertThrows(() => bare.call(loop, 5, 1, () => {}), TypeError, "options must be an object");
    assertThrows(() => bare.call(loop, 5, once, 1 as never), TypeError, "f must be a function");
    drain(loop);
    time.now += 100;
    drain(loop);
    assertEquals(log, ["once", "once more"]);
  });
});
