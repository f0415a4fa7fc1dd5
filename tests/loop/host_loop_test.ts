import { assert, assertEquals, assertStrictEquals, assertThrows } from "@std/assert";
import { main, run, sleep } from "@weft/weft";
import { type CancelHandle, hostLoop } from "@weft/weft/loop";
import { Random } from "../../lib/internal/random.ts";
import { type FakeTime, microtasks, withFakeTime } from "../kit/fake_time.ts";
import { uncaughtSoon } from "../kit/uncaught.ts";

const once = { repeat: false };
const repeatedly = { repeat: true };
const loop = hostLoop();

interface Fixture {
  readonly time: FakeTime;
  /** What fired: the names of `timer`, each with the virtual time. */
  readonly log: string[];
  /** Starts a timer that logs its name. */
  timer(name: string, ms: number, options?: { repeat: boolean }): CancelHandle;
}

/** The host loop, on a host whose time passes when it is told to. It must end with no timer. */
function withHost(f: (fixture: Fixture) => Promise<void>): Promise<void> {
  return withFakeTime(async (time) => {
    const log: string[] = [];
    const start = time.now;
    const timer: Fixture["timer"] = (name, ms, options = once) =>
      loop.onTimer(ms, options, () => void log.push(`${name}@${time.now - start}`));
    await f({ time, log, timer });
    await microtasks();
    assertEquals(loop.oneStep({ block: false }), false, "a timer is left");
    assertEquals(time.timeouts, 0, "a timeout of the host is left");
  });
}

Deno.test("hostLoop() is one for each realm", () => {
  assertStrictEquals(hostLoop(), loop);
});

// Order ------------------------------------------------------------------------------------------

Deno.test("hostLoop() fires by itself, in the order of the deadlines, and never in onTimer()", async () => {
  await withHost(async ({ time, log, timer }) => {
    timer("c", 30);
    timer("a", 10);
    timer("b", 20);
    timer("z", 0);
    await microtasks();
    assertEquals(log, []);
    await time.pass(100);
    assertEquals(log, ["z@0", "a@10", "b@20", "c@30"]);
  });
});

Deno.test("law 7: hostLoop() fires timers with equal deadlines first in, first out", async () => {
  await withHost(async ({ time, log, timer }) => {
    timer("a", 10);
    time.now += 4;
    for (const name of "bcdef") timer(name, 6);
    await time.pass(10);
    assertEquals(log.map((entry) => entry[0]).join(""), "abcdef");
  });
});

for (const seed of [1, 2, 3]) {
  Deno.test(`hostLoop() fires a thousand timers in the order of a stable sort, seed ${seed}`, async () => {
    await withHost(async ({ time, log, timer }) => {
      const random = new Random(seed);
      const expected: { name: string; ms: number }[] = [];
      for (let n = 0; n < 1000; n++) {
        const ms = random.below(50);
        const handle = timer(`${n}`, ms);
        if (random.below(4) === 0) handle.cancel();
        else expected.push({ name: `${n}`, ms });
      }
      expected.sort((a, b) => a.ms - b.ms); // stable
      await time.pass(100);
      assertEquals(log, expected.map(({ name, ms }) => `${name}@${ms}`));
    });
  });
}

Deno.test("hostLoop() never fires early, though the host did", async () => {
  await withHost(async ({ time, log, timer }) => {
    timer("a", 10.5);
    await microtasks();
    assertEquals(time.delays, [11], "the host counts in whole milliseconds");
    await time.pass(11);
    assertEquals(log, ["a@11"]);

    time.early = 2;
    timer("b", 10);
    await time.pass(9);
    assertEquals([log, time.delays], [["a@11"], [11, 10, 2]], "it came after 8 ms, for nothing");
    await time.pass(1);
    assertEquals(log, ["a@11", "b@21"]);
  });
});

Deno.test("hostLoop() fires in real time", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const log: string[] = [];
  const start = performance.now();
  loop.onTimer(4, once, () => {
    log.push("b");
    resolve();
  });
  loop.onTimer(2, once, () => void log.push("a"));
  await promise;
  assertEquals(log, ["a", "b"]);
  assert(performance.now() - start >= 4);
});

// The one timeout of the host --------------------------------------------------------------------

Deno.test("hostLoop() costs the host one timeout, for the earliest deadline", async () => {
  await withHost(async ({ time, timer }) => {
    for (const ms of [30, 10, 20, 10]) timer("t", ms);
    assertEquals(time.timeouts, 0, "armed from a microtask");
    await microtasks();
    assertEquals([time.timeouts, time.delays], [1, [10]]);
    timer("later", 15);
    await microtasks();
    assertEquals([time.timeouts, time.delays], [1, [10]]);
    timer("earlier", 5);
    await microtasks();
    assertEquals([time.timeouts, time.delays], [1, [10, 5]]);
    await time.pass(30);
  });
});

Deno.test("hostLoop() costs the host nothing for timers that start and end in one slice", async () => {
  await withHost(async ({ time, timer }) => {
    for (let n = 0; n < 1000; n++) timer("t", n).cancel();
    await microtasks();
    assertEquals(time.delays, []);
  });
});

Deno.test("hostLoop() lets go of the host when the last timer is cancelled", async () => {
  await withHost(async ({ time, log, timer }) => {
    const [a, b] = [timer("a", 1000), timer("b", 2000)];
    await microtasks();
    a.cancel();
    b.cancel();
    await microtasks();
    assertEquals(time.timeouts, 0);
    await time.pass(3000);
    assertEquals(log, []);
  });
});

Deno.test("hostLoop() lets go of the host when a repeated timer is cancelled through its self", async () => {
  await withHost(async ({ time }) => {
    let handle: CancelHandle | undefined;
    loop.onTimer(1000, repeatedly, (self) => handle = self);
    await time.pass(1000);
    assertEquals(time.timeouts, 1);
    handle!.cancel(); // from outside of the callback
    await microtasks();
    assertEquals(time.timeouts, 0);
  });
});

Deno.test("hostLoop() holds the host also for a timer that is never due", async () => {
  await withHost(async ({ time, log, timer }) => {
    const handles = [timer("never", Infinity), timer("never", Infinity, repeatedly)];
    await time.pass(1);
    assertEquals(time.timeouts, 1);
    timer("a", 5);
    await time.pass(10);
    assertEquals([log, time.timeouts], [["a@6"], 1]);
    for (const handle of handles) handle.cancel();
  });
});

Deno.test("hostLoop() takes delays longer than setTimeout does", async () => {
  await withHost(async ({ time, log, timer }) => {
    const long = 2 ** 31 + 1000;
    timer("long", long);
    await time.pass(long - 1);
    assertEquals(log, []);
    await time.pass(1);
    assertEquals(log, [`long@${long}`]);
    assertEquals(time.delays, [2 ** 31 - 1, 1001]);
  });
});

Deno.test("sleep(Infinity) in a main that a signal may abort keeps the program going", async () => {
  await withHost(async ({ time }) => {
    const controller = new AbortController();
    const sleeping = main(() => sleep(Infinity), { signal: controller.signal });
    await time.pass(5);
    assertEquals(time.timeouts, 1);
    controller.abort("enough");
    await sleeping.then(() => assert(false), (error) => assertEquals(error.name, "FiberAborted"));
  });
});

// oneStep ----------------------------------------------------------------------------------------

for (const block of [true, false]) {
  Deno.test(`EventLoop.oneStep({ block: ${block} }) of the host loop fires what is due; false iff no timer is left`, async () => {
    await withHost(async ({ time, log, timer }) => {
      assertEquals(loop.oneStep({ block }), false);
      timer("b", 2);
      timer("a", 1);
      time.now += 2;
      assertEquals(loop.oneStep({ block }), true);
      assertEquals(log, ["a@2", "b@2"]);
      assertEquals(loop.oneStep({ block }), false);
      await time.pass(10);
      assertEquals(log, ["a@2", "b@2"], "the host doesn't fire them again");
    });
  });
}

Deno.test("EventLoop.oneStep() of the host loop never sleeps: it can't block", async () => {
  await withHost(async ({ time, log, timer }) => {
    timer("a", 5);
    assertEquals(loop.oneStep({ block: false }), true);
    assertThrows(() => loop.oneStep({ block: true }), TypeError, "pass loop: blockingLoop()");
    assertEquals([log, time.sleeps], [[], []]);
    await time.pass(5);
  });
});

Deno.test("run({ loop: hostLoop() }) throws a TypeError: nobody can wait for the host in there", () => {
  assertThrows(() => run(() => sleep(5), { loop }), TypeError, "use main, or blockingLoop()");
});

Deno.test("EventLoop.interruptIfInBlockingSection() of the host loop does nothing", async () => {
  await withHost(async ({ time, log, timer }) => {
    timer("a", 5);
    loop.interruptIfInBlockingSection();
    await time.pass(4);
    assertEquals(log, []);
    await time.pass(1);
    assertEquals(log, ["a@5"]);
  });
});

// Repeating and cancelling -----------------------------------------------------------------------

Deno.test("EventLoop.onTimer({ repeat: true }) of the host loop fires every period until it is cancelled", async () => {
  await withHost(async ({ time, log, timer }) => {
    const handle = timer("r", 10, repeatedly);
    await time.pass(35);
    assertEquals(log, ["r@10", "r@20", "r@30"]);
    handle.cancel();
    handle.cancel();
    await time.pass(100);
    assertEquals(log.length, 3);
  });
});

for (const through of ["self", "handle"] as const) {
  Deno.test(`CancelHandle.cancel() in the callback, through its ${through}, ends a repeated timer of the host loop`, async () => {
    await withHost(async ({ time }) => {
      let fired = 0;
      const handle = loop.onTimer(1, repeatedly, (self) => {
        if (++fired === 3) (through === "self" ? self : handle).cancel();
      });
      await time.pass(10);
      assertEquals(fired, 3);
    });
  });
}

Deno.test("CancelHandle.cancel() in another's callback: due at once, and yet the host loop never fires it", async () => {
  await withHost(async ({ time, log, timer }) => {
    loop.onTimer(1, once, () => handles.forEach((handle) => handle.cancel()));
    const handles = [timer("b", 1), timer("c", 1, repeatedly), timer("d", 5)];
    await time.pass(10);
    assertEquals(log, []);
  });
});

Deno.test("CancelHandle.cancel() before: the host loop fires the others at their time", async () => {
  await withHost(async ({ time, log, timer }) => {
    const first = timer("a", 1);
    timer("b", 2);
    await microtasks();
    first.cancel();
    await time.pass(10);
    assertEquals(log, ["b@2"]);
  });
});

// Callbacks that throw, and arguments that are wrong ---------------------------------------------

Deno.test("law 13: what a callback throws in the host loop is reported, and the rest still fires", async () => {
  await withHost(async ({ time, log, timer }) => {
    const errors = await uncaughtSoon(async () => {
      loop.onTimer(1, once, () => {
        throw new Error("once");
      });
      timer("a", 1);
      loop.onTimer(1, repeatedly, (self) => {
        self.cancel();
        throw new Error("repeated");
      });
      timer("b", 1);
      timer("c", 3);
      await time.pass(10);
    });
    assertEquals(log, ["a@1", "b@1", "c@3"]);
    assertEquals(errors.map(String), ["Error: once", "Error: repeated"]);
  });
});

Deno.test("EventLoop.onTimer() of the host loop: NaN is a RangeError, no number a TypeError", async () => {
  await withHost(async ({ time, timer }) => {
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
    await microtasks();
    assertEquals(time.delays, []);
  });
});

Deno.test("EventLoop.onTimer() of the host loop: zero and negative delays are due at the next turn", async () => {
  await withHost(async ({ time, log, timer }) => {
    timer("a", 0);
    timer("b", -10);
    timer("c", -Infinity);
    await time.pass(0);
    assertEquals(log, ["a@0", "b@0", "c@0"]);
  });
});

Deno.test("a hop reads setImmediate the first time, from where it was at the import", async () => {
  const kept = Object.getOwnPropertyDescriptor(globalThis, "setImmediate")!;
  const setImmediate = (globalThis as Record<string, unknown>).setImmediate;
  let reads = 0;
  const fake = () => assert(false, "the fake was called");
  try {
    const get = () => (reads++, setImmediate);
    Object.defineProperty(globalThis, "setImmediate", { configurable: true, get });
    const another = "../../lib/loop/hop.ts?another"; // one that has never hopped
    const { hop } = await import(another);
    Object.defineProperty(globalThis, "setImmediate", { configurable: true, value: fake });
    assertEquals(reads, 0);
    await new Promise<void>((resolve) => hop(resolve));
    await new Promise<void>((resolve) => hop(resolve));
    assertEquals(reads, 1);
  } finally {
    Object.defineProperty(globalThis, "setImmediate", kept);
  }
});
