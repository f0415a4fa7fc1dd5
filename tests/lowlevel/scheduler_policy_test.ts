import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Channel,
  Event,
  Fiber,
  getScheduler,
  Inactive,
  prepareForAwait,
  run,
  scheduleMicroTask,
  scope,
  selfAbort,
  sleep,
  spawn,
  yieldNow,
} from "@weft/weft";
import { AnyFiber, block, type SchedulerPolicy, step, suspend, unblock } from "@weft/weft/lowlevel";
import { errorOf as failureOf, reasonOf, valueOf } from "../kit/results.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { virtualLoop } from "../kit/virtual_loop.ts";
import { virtually, waiting } from "../kit/virtually.ts";

/** A scheduler that does as it is told: it keeps what is ready until it is drained. */
class Manual implements SchedulerPolicy {
  readonly queue: AnyFiber[] = [];
  readonly log: string[] = [];

  ready(fiber: AnyFiber): void {
    this.log.push(`ready ${fiber.name}`);
    this.queue.push(fiber);
  }

  /** Steps whoever is ready, first in, first out, until nobody is. */
  drain(): void {
    for (let fiber = this.queue.shift(); fiber; fiber = this.queue.shift()) step(fiber);
  }
}

function* nothing(): Generator<never, void, unknown> {}

function* forever(): Generator<never, never, unknown> {
  return yield* Event.never();
}

Deno.test("SchedulerPolicy.ready() is called for a spawn, a wake-up and a yield, and once for each", () => {
  const policy = new Manual();
  const channel = new Channel<number>();
  AnyFiber.main(policy, function* () {
    spawn(() => channel.receive(), { name: "kid" });
    yield* yieldNow();
    channel.trySend(1);
    channel.trySend(2);
    yield* channel.receive();
  }, { name: "top" });
  policy.drain();
  assertEquals(policy.log, ["ready top", "ready kid", "ready top", "ready kid"]);
});

Deno.test("SchedulerPolicy.spawn() is called in the place of ready for what is new, and only then", () => {
  const log: string[] = [];
  const queue: AnyFiber[] = [];
  const main = AnyFiber.main({
    ready(fiber) {
      log.push(`ready ${fiber.name}`);
      queue.push(fiber);
    },
    spawn(fiber) {
      log.push(`spawn ${fiber.name}`);
      queue.push(fiber);
    },
  }, function* () {
    const kid = spawn(() => yieldNow(), { name: "kid" });
    yield* scope(function* (inner) {
      inner.spawn(nothing, { name: "scoped" });
    });
    yield* kid;
  }, { name: "top" });
  for (let fiber = queue.shift(); fiber; fiber = queue.shift()) step(fiber);
  assertEquals(main.state, "terminated");
  assertEquals(log.filter((line) => line.startsWith("spawn")), [
    "spawn top",
    "spawn kid",
    "spawn scoped",
  ]);
  assert(log.includes("ready kid") && log.includes("ready top"));
  assert(!log.includes("ready scoped"));
});

Deno.test("SchedulerPolicy.abort() decides: it may refuse, delay, or do the standard thing", () => {
  const asked: [string, unknown][] = [];
  let allow = false;
  const policy = Object.assign(new Manual(), {
    abort(fiber: AnyFiber, reason: unknown): void {
      asked.push([fiber.name, reason]);
      if (allow) AnyFiber.abort(fiber, reason);
    },
  });
  const main = AnyFiber.main(policy, forever, { name: "top" });
  policy.drain();
  main.abort("first");
  policy.drain();
  assertEquals(main.state, "running");
  allow = true;
  main.abort("second");
  assertEquals(main.state, "aborting");
  policy.drain();
  assertEquals(asked, [["top", "first"], ["top", "second"]]);
  assertEquals(reasonOf(main.poll()!), "second");
  main.abort("third"); // it has terminated: nobody is asked
  assertEquals(asked.length, 2);
});

Deno.test("SchedulerPolicy.abort() that only marks: selfAbort still ends the fiber", () => {
  const policy = Object.assign(new Manual(), {
    abort: (fiber: AnyFiber, reason: unknown) => AnyFiber.setAborting(fiber, reason),
  });
  const main = AnyFiber.main(policy, () => selfAbort("own"));
  policy.drain();
  assertEquals(reasonOf(main.poll()!), "own");
});

Deno.test("SchedulerPolicy.abort() that does nothing: selfAbort still ends the fiber", () => {
  const policy = Object.assign(new Manual(), { abort() {} });
  const main = AnyFiber.main(policy, () => selfAbort("own"));
  policy.drain();
  assertEquals(reasonOf(main.poll()!), "own");
});

Deno.test("SchedulerPolicy.abort(): a scheduler that is disposed of asks it, too", () => {
  const asked: string[] = [];
  const policy = Object.assign(new Manual(), {
    abort(fiber: AnyFiber, reason: unknown): void {
      asked.push(fiber.name);
      AnyFiber.abort(fiber, reason);
    },
  });
  const main = AnyFiber.main(policy, function* () {
    getScheduler().dispose();
    yield* forever();
  }, { name: "top" });
  policy.drain();
  assertEquals(asked, ["top"]);
  assertInstanceOf(reasonOf(main.poll()!), Inactive);
});

Deno.test("SchedulerPolicy.loop is where its fibers sleep", () => {
  const policy = Object.assign(new Manual(), { loop: virtualLoop() });
  const main = AnyFiber.main(policy, function* () {
    yield* sleep(5);
    return policy.loop.now();
  });
  policy.drain();
  assertEquals([main.state, policy.loop.timers], ["running", 1]);
  policy.loop.oneStep({ block: true });
  policy.drain();
  assertEquals(main.poll(), { ok: true, value: 5 });
});

Deno.test("SchedulerPolicy.loop is the host's by default", async () => {
  const policy = new Manual();
  const main = AnyFiber.main(policy, function* () {
    yield* sleep(1);
    return "slept";
  });
  policy.drain();
  while (policy.queue.length === 0) await new Promise((resolve) => setTimeout(resolve, 1));
  policy.drain();
  assertEquals(main.poll(), { ok: true, value: "slept" });
});

Deno.test("SchedulerPolicy: newest first is a scheduler, and structure holds under it", () => {
  const stack: AnyFiber[] = [];
  const log: string[] = [];
  const main = AnyFiber.main({ ready: (fiber) => void stack.push(fiber) }, function* () {
    for (const name of ["a", "b", "c"]) {
      spawn(function* () {
        log.push(name);
      }, { finally: () => log.push(`${name} ended`) });
    }
    log.push("body");
  }, { finally: () => log.push("top ended") });
  for (let fiber = stack.pop(); fiber; fiber = stack.pop()) step(fiber);
  assertEquals(log, ["body", "c", "c ended", "b", "b ended", "a", "a ended", "top ended"]);
  assertEquals(main.poll(), { ok: true, value: undefined });
});

Deno.test("SchedulerPolicy: two schedulers of one thread pass items to each other", () => {
  const [a, b] = [new Manual(), new Manual()];
  const channel = new Channel<number>({ capacity: 0 });
  const sender = AnyFiber.main(a, () => channel.send(1));
  const receiver = AnyFiber.main(b, () => channel.receiveOrThrow());
  a.drain();
  assertEquals(sender.state, "running");
  b.drain();
  assertEquals(receiver.poll(), { ok: true, value: 1 });
  assertEquals(a.queue, [sender]);
  a.drain();
  assertEquals(sender.poll(), { ok: true, value: undefined });
});

Deno.test("Scheduler.taskCount counts the steps of a policy's fibers", () => {
  const policy = new Manual();
  const main = AnyFiber.main(policy, function* () {
    yield* yieldNow();
    yield* yieldNow();
    return getScheduler().taskCount;
  });
  policy.drain();
  assertEquals(main.poll(), { ok: true, value: 3 });
});

// step --------------------------------------------------------------------------------------------

Deno.test("step() runs a fiber to its next suspension, and no further", () => {
  const policy = new Manual();
  const log: string[] = [];
  const main = AnyFiber.main(policy, function* () {
    log.push("one");
    yield* yieldNow();
    log.push("two");
  });
  step(main);
  assertEquals([log, policy.queue.length], [["one"], 2]);
  step(main);
  assertEquals([log, main.state], [["one", "two"], "terminated"]);
});

Deno.test("step() never throws what the fiber throws", () => {
  const policy = new Manual();
  const failure = new Error("body");
  const main = AnyFiber.main(policy, function* () {
    throw failure;
  });
  policy.drain();
  assertStrictEquals(failureOf(main.poll()!), failure);
});

Deno.test("step() of a fiber that waits, runs, or has terminated throws: it is not ready", () => {
  const policy = new Manual();
  let inside: unknown;
  const main = AnyFiber.main(policy, function* () {
    inside = assertThrows(() => step(Fiber.current()), Error, "not ready");
    yield* Event.never();
  }, { name: "top" });
  policy.drain();
  assertInstanceOf(inside, Error);
  assertThrows(() => step(main), Error, "Cannot step top: it is not ready");
  main.abort();
  policy.drain();
  assertEquals(main.state, "terminated");
  assertThrows(() => step(main), Error, "not ready");
  assertThrows(() => step(Fiber.returned(1)), Error, "not ready");
});

Deno.test("step() twice for one ready throws the second time, and the fiber is unharmed", () => {
  const policy = new Manual();
  const channel = new Channel<string>();
  const main = AnyFiber.main(policy, () => channel.receiveOrThrow());
  step(main);
  assertThrows(() => step(main), Error, "not ready");
  policy.queue.length = 0;
  channel.trySend("unharmed");
  policy.drain();
  assertEquals(main.poll(), { ok: true, value: "unharmed" });
});

Deno.test("step() within a fiber steps the other one, and the first is current again after it", () => {
  const [outer, inner] = [new Manual(), new Manual()];
  const kid = AnyFiber.main(inner, function* () {
    return Fiber.current();
  });
  const main = AnyFiber.main(outer, function* () {
    inner.drain();
    return Fiber.current();
  });
  outer.drain();
  assertStrictEquals(valueOf(kid.poll()!), kid);
  assertStrictEquals(valueOf(main.poll()!), main);
});

Deno.test("step() from a cancel function throws, and leaves the fiber ready", () => {
  const policy = new Manual();
  const other = AnyFiber.main(policy, function* () {
    return "unharmed";
  });
  virtually(function* () {
    let refused: unknown;
    const fiber = yield* waiting(suspend<void>((context, resume) =>
      context.setCancelFn((error) => {
        refused = assertThrows(() => step(other), Error, "may not switch fibers");
        resume({ ok: false, error });
      })
    ));
    yield* fiber.abort();
    assertInstanceOf(refused, Error);
  });
  assertEquals(other.state, "running");
  policy.drain();
  assertEquals(other.poll(), { ok: true, value: "unharmed" });
});

Deno.test("step() runs the microtasks of the step before it returns, outside of any fiber", () => {
  const policy = new Manual();
  const log: string[] = [];
  const main = AnyFiber.main(policy, function* () {
    scheduleMicroTask(() => {
      log.push("microtask");
      assertThrows(() => Fiber.current(), Inactive);
    });
    log.push("body");
    yield* yieldNow();
    log.push("next step");
  });
  assertEquals(uncaughtDuring(() => step(main)), []);
  assertEquals(log, ["body", "microtask"]);
  policy.queue.shift();
  policy.drain();
  assertEquals(log, ["body", "microtask", "next step"]);
});

Deno.test("unblock() tells the policy of the fiber that it is ready", () => {
  const policy = new Manual();
  const main = AnyFiber.main(policy, () => block({ block() {}, abort() {}, retv: () => 1 }));
  policy.drain();
  run(function* () { // from within somebody else's fiber
    assertEquals(unblock(main), true);
  });
  assertEquals([policy.queue, main.state], [[main], "running"]);
  policy.drain();
  assertEquals(main.poll(), { ok: true, value: 1 });
});

Deno.test("prepareForAwait() in a policy's fiber blocks that fiber", () => {
  const policy = new Manual();
  let release = () => {};
  const main = AnyFiber.main(policy, function* () {
    const trigger = prepareForAwait();
    release = trigger.release;
    yield* trigger.await();
    return "released";
  });
  policy.drain();
  assertEquals(main.state, "running");
  release();
  release();
  assertEquals(policy.queue, [main]);
  policy.drain();
  assertEquals(main.poll(), { ok: true, value: "released" });
});
