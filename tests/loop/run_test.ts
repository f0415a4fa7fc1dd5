/** `run` on any hand-made `EventLoop`: what it asks of one, and what it makes of the answers. */
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  afterEvent,
  Channel,
  Deadlock,
  Event,
  monotonicNow,
  monotonicNowNs,
  type Operation,
  run,
  select,
  sleep,
  spawn,
  spawnFromAnywhere,
  Timeout,
  when,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { getScheduler } from "@weft/weft/fiber";
import { blockingLoop, type CancelHandle, type EventLoop } from "@weft/weft/loop";
import { errorOf, valueOf } from "../kit/results.ts";

/** As little of a loop as there can be: an agenda on paper. */
class Agenda implements EventLoop {
  time = 0;
  readonly calls: string[] = [];
  readonly entries: { at: number; f: (self: CancelHandle) => void; handle: CancelHandle }[] = [];
  /** What else happens when the loop may block; true: something may come of it. */
  onBlock: () => boolean = () => false;

  oneStep({ block }: { block: boolean }): boolean {
    this.calls.push(block ? "block" : "look");
    if (block && this.onBlock()) return true;
    this.entries.sort((a, b) => a.at - b.at);
    const [first] = this.entries;
    if (first === undefined) return false;
    if (block) this.time = Math.max(this.time, first.at);
    if (first.at <= this.time) {
      this.entries.shift();
      first.f(first.handle);
    }
    return true;
  }

  onTimer(
    delayMs: number,
    { repeat }: { repeat: boolean },
    f: (self: CancelHandle) => void,
  ): CancelHandle {
    this.calls.push(`${repeat ? "every" : "in"} ${delayMs}`);
    const handle = {
      cancel: () => {
        this.calls.push(`not in ${delayMs}`);
        const index = this.entries.indexOf(entry);
        if (index >= 0) this.entries.splice(index, 1);
      },
    };
    const entry = { at: this.time + delayMs, f, handle };
    this.entries.push(entry);
    return handle;
  }

  interruptIfInBlockingSection(): void {
    this.calls.push("interrupt");
  }
}

Deno.test("run({ loop }) takes its timers from the loop, and gives back those it needs no more", () => {
  const loop = new Agenda();
  const result = run(function* () {
    yield* sleep(10);
    const channel = new Channel<number>();
    const fiber = spawn(() => channel.receiveOrThrow(), { propagateCancelToParent: false });
    const which = yield* select([
      when(channel.receiveEvent(), () => "item"),
      when(afterEvent(20), () => "late"),
      when(afterEvent(30), () => "later"),
    ]);
    yield* fiber.abort();
    return which;
  }, { loop });
  assertEquals(valueOf(result), "late");
  assertEquals(loop.calls.filter((call) => call !== "block" && call !== "look"), [
    "in 10",
    "in 20",
    "in 30",
    "not in 20",
    "not in 30",
  ]);
  assertEquals(loop.entries.length, 0);
  assertEquals(loop.time, 30);
});

Deno.test("run({ loop }) lets the loop block only while no fiber is ready", () => {
  const loop = new Agenda();
  let busy = true;
  let blockedWhileBusy = 0;
  loop.onBlock = () => {
    if (busy) blockedWhileBusy++;
    return false;
  };
  run(function* () {
    const sleeper = spawn(() => sleep(5));
    for (let n = 0; n < 1000; n++) yield* yieldNow();
    busy = false;
    yield* sleeper;
  }, { loop });
  assertEquals(blockedWhileBusy, 0);
  assert(loop.calls.includes("look"), "the loop gets its turns while fibers are busy");
  assertEquals(loop.calls.at(-1), "block");
});

Deno.test("law 10: run({ loop }) fires timers that are due while fibers are busy", () => {
  const loop = new Agenda();
  let turns = 0;
  const result = run(function* () {
    const sleeper = spawn(() => sleep(5));
    while (sleeper.poll() === undefined) {
      loop.time++;
      if (++turns > 10_000) throw new Error("the timer starves");
      yield* yieldNow();
    }
  }, { loop });
  valueOf(result);
});

Deno.test("run({ loop }) asks again as long as oneStep() is true, though nothing fired", () => {
  const loop = new Agenda();
  let wakeups = 0;
  loop.onBlock = () => ++wakeups < 10;
  assertEquals(run(() => sleep(5), { loop }), { ok: true, value: undefined });
  assertEquals(wakeups, 10);
});

Deno.test("law 11: run({ loop }) ends with a Deadlock when oneStep() is false and all are stuck", () => {
  const loop = new Agenda();
  const result = run(function* () {
    yield* sleep(5);
    yield* new Channel<number>().receive();
  }, { loop });
  const error = errorOf(result);
  assertInstanceOf(error, Deadlock);
  assertEquals(error.fibers.map(({ name }) => name), ["run"]);
  assertEquals(loop.calls.at(-1), "block");
});

Deno.test("run({ loop }) isn't stuck when oneStep() is false but has made a fiber ready", () => {
  const loop = new Agenda();
  const channel = new Channel<string>({ capacity: 0 });
  loop.onBlock = () => {
    channel.trySend("from the loop");
    return false;
  };
  assertEquals(valueOf(run(() => channel.receiveOrThrow(), { loop })), "from the loop");
});

Deno.test("run({ loop }) can be given work by its loop, with spawnFromAnywhere()", () => {
  const loop = new Agenda();
  const log: string[] = [];
  const result = run(function* () {
    const scheduler = getScheduler();
    loop.onBlock = () => {
      loop.onBlock = () => false;
      spawnFromAnywhere(scheduler, function* () {
        yield* sleep(1);
        log.push("spawned by the loop");
      });
      return true;
    };
    yield* sleep(100);
    log.push("slept");
  }, { loop });
  valueOf(result);
  assertEquals(log, ["spawned by the loop", "slept"]);
});

Deno.test("run({ loop }) tells time by the loop's own clock, if it has one", () => {
  class Clock extends Agenda {
    now(): number {
      return this.time;
    }
  }
  const result = run(function* () {
    const start = monotonicNow();
    yield* sleep(90_000);
    return [start, monotonicNow(), monotonicNowNs()];
  }, { loop: new Clock() });
  assertEquals(valueOf<unknown>(result), [0, 90_000, 90_000_000_000n]);
});

Deno.test("run({ loop }) tells time by the monotonic clock, if the loop has none", () => {
  const before = performance.now();
  const result = run(function* () {
    yield* sleep(90_000);
    return monotonicNow();
  }, { loop: new Agenda() });
  const now = valueOf<number>(result);
  assert(now >= before && now <= performance.now());
});

Deno.test("withTimeout() in run({ loop }) goes by the loop's timers", () => {
  const loop = new Agenda();
  const result = run(() => withTimeout(50, () => sleep(100)), { loop });
  assertInstanceOf(errorOf(result), Timeout);
  assertEquals([loop.time, loop.entries.length], [50, 0]);
});

Deno.test("run({ loop }) takes a plain object for a loop", () => {
  const due: (() => void)[] = [];
  const loop: EventLoop = {
    oneStep() {
      const f = due.shift();
      f?.();
      return f !== undefined;
    },
    onTimer(_delayMs, _options, f) {
      const self = { cancel() {} };
      due.push(() => f(self));
      return self;
    },
    interruptIfInBlockingSection() {},
  };
  assertEquals(run(() => sleep(1), { loop }), { ok: true, value: undefined });
});

Deno.test("run({ loop }) with unblock as well polls it between the steps of the loop", () => {
  const loop = new Agenda();
  const polls: boolean[] = [];
  const unblock = ({ poll }: { poll: boolean }) => {
    polls.push(poll);
    return undefined;
  };
  run(() => sleep(5), { loop, unblock });
  assert(polls.length > 0 && polls.every((poll) => poll), `polls: ${polls}`);
});

Deno.test("run({ loop }) twice on one loop, one in the other, each with its own timers", () => {
  const loop = new Agenda();
  const log: string[] = [];
  function* napping(name: string, ms: number): Operation<string> {
    yield* sleep(ms);
    log.push(`${name}@${loop.time}`);
    return name;
  }
  const result = run(function* () {
    const outer = spawn(() => napping("outer", 20));
    const inner = run(() => napping("inner", 10), { loop });
    assertEquals(inner, { ok: true, value: "inner" });
    return yield* outer;
  }, { loop });
  assertEquals(valueOf(result), "outer");
  assertEquals(log.length, 2);
  assertEquals(loop.entries.length, 0);
});

Deno.test("run({ loop }) of what is no EventLoop is a TypeError, and the body never starts", () => {
  let started = false;
  function* body(): Operation<void> {
    started = true;
  }
  const whole = new Agenda();
  const bad: [loop: unknown, message: string][] = [
    [3, "loop must be an EventLoop, got 3"],
    [null, "loop must be an EventLoop, got null"],
    [blockingLoop, "loop must be an EventLoop, got function blockingLoop"],
    [{}, "loop.oneStep must be a function, got undefined"],
    [{ oneStep: whole.oneStep }, "loop.onTimer must be a function, got undefined"],
    [{ onTimer: whole.onTimer }, "loop.oneStep must be a function, got undefined"],
  ];
  for (const [loop, message] of bad) {
    assertThrows(() => run(body, { loop: loop as EventLoop }), TypeError, message);
  }
  assertEquals(started, false);
});

Deno.test("run({ loop }) whose oneStep() throws: run throws that, and its finally was called", () => {
  const error = new Error("the loop is broken");
  let called = 0;
  const loop = {
    oneStep() {
      throw error;
    },
    onTimer: () => ({ cancel() {} }),
    interruptIfInBlockingSection() {},
  };
  const thrown = assertThrows(() => run(() => sleep(1), { loop, finally: () => void called++ }));
  assertStrictEquals(thrown, error);
  assertEquals(called, 1);
  // And nothing of it stays behind: the next run is like any other.
  assertEquals(valueOf(run(() => Event.always("well"))), "well");
});

Deno.test("run({ loop: blockingLoop() }) sleeps in real time, and costs no timer afterwards", () => {
  const loop = blockingLoop();
  const start = performance.now();
  const result = run(function* () {
    spawn(() => sleep(3));
    yield* select([when(afterEvent(2), () => {}), when(afterEvent(60_000), () => {})]);
  }, { loop });
  valueOf(result);
  assert(performance.now() - start >= 3);
  assertEquals(loop.oneStep({ block: false }), false);
});
