import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  Channel,
  Deadlock,
  Event,
  Fiber,
  fiberIdNil,
  getScheduler,
  Inactive,
  type Operation,
  protect,
  scope,
  sleep,
  spawn,
  spawnAsChildOf,
  withCancelCallback,
  yieldNow,
} from "@weft/weft";
import { AnyFiber, type SchedulerPolicy, step } from "@weft/weft/lowlevel";
import { errorOf as failureOf, reasonOf } from "../kit/results.ts";
import { uncaughtSoon } from "../kit/uncaught.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

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

/** Waits for good; says so when it is aborted. */
function* logged(log: string[], name: string): Generator<never, void, unknown> {
  try {
    yield* Event.never();
  } finally {
    log.push(name);
  }
}

// deno-lint-ignore no-explicit-any -- arguments of the wrong type are what is tested
const noFibers: any[] = [undefined, null, 1, {}, () => {}];

Deno.test("AnyFiber.main() tells the policy that its fiber is ready, and runs nothing itself", () => {
  const policy = new Manual();
  let ran = false;
  const main: AnyFiber = AnyFiber.main(policy, function* () {
    ran = true;
    return Fiber.current() === main;
  }, { name: "top" });
  assertEquals([ran, policy.queue, main.name, main.state], [false, [main], "top", "running"]);
  policy.drain();
  assertEquals(main.poll(), { ok: true, value: true });
});

Deno.test("AnyFiber.main() calls its finally, once, as the last", () => {
  const policy = new Manual();
  const log: string[] = [];
  const main = AnyFiber.main(policy, function* () {
    spawn(() => logged(log, "kid")).abort();
    log.push("body");
  }, { finally: () => log.push("finally") });
  policy.drain();
  assertEquals(main.state, "terminated");
  assertEquals(log, ["body", "finally"]); // a kid that never began has nothing to unwind
});

Deno.test("AnyFiber.main(): its failure shows in its result, and isn't reported if somebody looks", async () => {
  const failure = new Error("top");
  const reported = await uncaughtSoon(() => {
    const policy = new Manual();
    const main = AnyFiber.main(policy, function* () {
      throw failure;
    });
    policy.drain();
    assertStrictEquals(failureOf(main.poll()!), failure);
  });
  assertEquals(reported, []);
});

Deno.test("AnyFiber.main(): a failure that nobody looks at is reported", async () => {
  const failure = new Error("unseen");
  const reported = await uncaughtSoon(() => {
    const policy = new Manual();
    AnyFiber.main(policy, function* () {
      throw failure;
    });
    policy.drain();
  });
  assertEquals(reported, [failure]);
});

// deno-lint-ignore no-explicit-any -- arguments of the wrong type are what is tested
const badPolicies: any[] = [
  undefined,
  null,
  1,
  () => {},
  {},
  { ready: 1 },
  { ready() {}, spawn: 1 },
  { ready() {}, abort: 1 },
  { ready() {}, loop: {} },
];

for (const policy of badPolicies) {
  Deno.test(`AnyFiber.main(${Deno.inspect(policy)}, …) throws a TypeError`, () => {
    assertThrows(() => AnyFiber.main(policy, nothing), TypeError, "Cannot make a fiber: ");
  });
}

Deno.test("AnyFiber.main() with bad arguments throws a TypeError, and makes nothing ready", () => {
  const policy = new Manual();
  const body = nothing as () => Operation<void>;
  assertThrows(
    () => AnyFiber.main(policy, nothing() as never),
    TypeError,
    "body must be a function",
  );
  assertThrows(() => AnyFiber.main(policy, body, 1 as never), TypeError, "options must be");
  assertThrows(() => AnyFiber.main(policy, body, { name: 1 as never }), TypeError, "name must be");
  assertEquals(policy.queue, []);
});

Deno.test("AnyFiber.id(), equal() and compare() go by the fiber, in spawn order", () => {
  virtually(function* () {
    const [a, b] = [spawn(nothing), spawn(nothing)];
    assertEquals(AnyFiber.id(a), a.id);
    assert(AnyFiber.id(a) !== fiberIdNil);
    assertEquals([AnyFiber.equal(a, a), AnyFiber.equal(a, b)], [true, false]);
    assert(AnyFiber.compare(a, b) < 0);
    assert(AnyFiber.compare(b, a) > 0);
    assertEquals(AnyFiber.compare(a, a), 0);
    assertEquals([b, a].sort(AnyFiber.compare), [a, b]);
  });
});

Deno.test("AnyFiber.state() tells running, aborting and terminated apart", () => {
  virtually(function* () {
    const fiber = yield* waiting(Event.never());
    assertEquals(AnyFiber.state(fiber), "running");
    fiber.abort();
    assertEquals(AnyFiber.state(fiber), "aborting");
    yield* fiber.join();
    assertEquals(AnyFiber.state(fiber), "terminated");
  });
});

for (const bad of noFibers) {
  Deno.test(`AnyFiber: ${Deno.inspect(bad)} in the place of a fiber is a TypeError`, () => {
    const fiber = Fiber.returned(1);
    assertThrows(() => AnyFiber.id(bad), TypeError, "must be a Fiber");
    assertThrows(() => AnyFiber.state(bad), TypeError, "must be a Fiber");
    assertThrows(() => AnyFiber.compare(fiber, bad), TypeError, "must be a Fiber");
    assertThrows(() => AnyFiber.compare(bad, fiber), TypeError, "must be a Fiber");
    assertThrows(() => AnyFiber.activeSpawns(bad), TypeError, "must be a Fiber");
    assertThrows(() => AnyFiber.attach(bad, fiber), TypeError, "parent must be a Fiber");
    assertThrows(() => AnyFiber.attach(fiber, bad), TypeError, "fiber must be a Fiber");
    assertThrows(() => AnyFiber.abort(bad), TypeError, "must be a Fiber");
    assertThrows(() => AnyFiber.setAborting(bad), TypeError, "must be a Fiber");
    assertThrows(() => AnyFiber.breakDeadlock(bad), TypeError, "must be a Fiber");
    assertThrows(() => step(bad), TypeError, "must be a Fiber");
  });
}

Deno.test("AnyFiber.activeSpawns() lists the spawns that live, from all scopes, in spawn order", () => {
  virtually(function* () {
    const gate = new Channel<void>();
    const spawned: AnyFiber[] = [];
    const parent = spawn(function* () {
      spawned.push(spawn(forever), spawn(nothing));
      yield* scope(function* (inner) {
        spawned.push(inner.spawn(forever));
        yield* protect(function* () {
          spawned.push(spawn(() => gate.receive()));
          yield* yieldNow();
          spawned[0]!.abort();
          yield* gate.receive();
        });
        yield* forever();
      });
    });
    assertEquals(AnyFiber.activeSpawns(parent), []);
    yield* settle();
    const [aborted, ended, ...left] = spawned;
    assertEquals([aborted!.state, ended!.state], ["terminated", "terminated"]);
    assertEquals(left.length, 2);
    left.push(spawnAsChildOf(getScheduler(), parent, forever)); // above the scope, and younger
    assertEquals(AnyFiber.activeSpawns(parent), left);
    assertEquals(AnyFiber.activeSpawns(left[0]!), []);
    gate.close();
    yield* settle();
    assertEquals(AnyFiber.activeSpawns(parent), [left[0], left[2]]);
    yield* parent.abort();
    assertEquals(AnyFiber.activeSpawns(parent), []);
  });
});

Deno.test("AnyFiber.activeSpawns() lists spawns, not the spawns of spawns", () => {
  virtually(function* () {
    const kids: AnyFiber[] = [];
    const parent = spawn(function* () {
      kids.push(spawn(function* () {
        spawn(forever);
        yield* forever();
      }));
      yield* forever();
    });
    yield* settle();
    assertEquals(AnyFiber.activeSpawns(parent), kids);
    yield* parent.abort();
    assertEquals(AnyFiber.activeSpawns(parent), []);
  });
});

Deno.test("AnyFiber.attach(): the new parent doesn't end before the fiber, the old one may", () => {
  virtually(function* () {
    const gate = new Channel<void>();
    const order: string[] = [];
    let kid: AnyFiber | undefined;
    const oldParent = spawn(function* () {
      kid = spawn(() => gate.receive(), { finally: () => order.push("kid") });
    }, { finally: () => order.push("old parent") });
    const newParent = spawn(settle, { finally: () => order.push("new parent") });
    yield* yieldNow();
    assertEquals([oldParent.state, order], ["running", []]); // its body has ended
    AnyFiber.attach(newParent, kid!);
    assertEquals([oldParent.state, order], ["terminated", ["old parent"]]);
    assertEquals(AnyFiber.activeSpawns(newParent), [kid]);
    yield* settle();
    yield* settle();
    assertEquals([newParent.state, order], ["running", ["old parent"]]); // so has its
    gate.close();
    yield* newParent;
    assertEquals(order, ["old parent", "kid", "new parent"]);
  });
});

Deno.test("AnyFiber.attach() out of a scope lets the scope end", () => {
  virtually(function* () {
    let kid: AnyFiber | undefined;
    const log: string[] = [];
    const parent = yield* waiting(Event.never());
    const fiber = spawn(function* () {
      yield* scope(function* (inner) {
        kid = inner.spawn(forever);
      });
      log.push("left");
    });
    yield* settle();
    assertEquals(log, []);
    AnyFiber.attach(parent, kid!);
    yield* fiber;
    assertEquals([log, kid!.state], [["left"], "running"]);
    yield* parent.abort();
    assertEquals(kid!.state, "terminated");
  });
});

Deno.test("AnyFiber.attach(): an abort of the new parent reaches the fiber, one of the old doesn't", () => {
  virtually(function* () {
    const [a, b] = [yield* waiting(Event.never()), yield* waiting(Event.never())];
    let kid: AnyFiber | undefined;
    const oldParent = spawn(function* () {
      kid = spawn(forever);
      yield* forever();
    });
    yield* settle();
    AnyFiber.attach(a, kid!);
    yield* oldParent.abort();
    assertEquals(kid!.state, "running");
    AnyFiber.attach(b, kid!);
    yield* a.abort();
    assertEquals(kid!.state, "running");
    yield* b.abort("the parent");
    assertEquals(reasonOf(kid!.poll()!), "the parent");
  });
});

Deno.test("AnyFiber.attach() into an aborting parent aborts the fiber", () => {
  virtually(function* () {
    const gate = new Channel<void>();
    const parent = yield* waiting(protect(() => gate.receive()));
    const fiber = yield* waiting(Event.never());
    parent.abort("why");
    AnyFiber.attach(parent, fiber);
    assertEquals(fiber.state, "aborting");
    assertEquals(reasonOf(yield* fiber.join()), "why");
    gate.close();
    yield* parent.join();
  });
});

Deno.test("AnyFiber.attach(): the failure of the fiber fails its new parent", () => {
  virtually(function* () {
    const failure = new Error("kid");
    const gate = new Channel<void>();
    const parent = yield* waiting(Event.never());
    const kid = spawn(function* () {
      yield* gate.receiveOrThrow();
      throw failure;
    });
    AnyFiber.attach(parent, kid);
    gate.trySend();
    assertStrictEquals(yield* errorOf(parent), failure);
  });
});

Deno.test("AnyFiber.attach() throws a RangeError for a parent that is the fiber, or inside of it", () => {
  virtually(function* () {
    let grandchild: AnyFiber | undefined;
    const fiber = spawn(function* () {
      spawn(function* () {
        grandchild = spawn(forever);
        yield* forever();
      });
      yield* forever();
    });
    yield* settle();
    assertThrows(() => AnyFiber.attach(fiber, fiber), RangeError, "Cannot attach the fiber");
    assertThrows(() => AnyFiber.attach(grandchild!, fiber), RangeError, "Cannot attach the fiber");
    yield* fiber.abort();
    assertEquals(grandchild!.state, "terminated");
  });
});

Deno.test("AnyFiber.attach() throws Inactive if one of the two has terminated", () => {
  virtually(function* () {
    const fiber = yield* waiting(Event.never());
    const gone = Fiber.returned(1);
    assertThrows(() => AnyFiber.attach(gone, fiber), Inactive, "Cannot attach the fiber");
    assertThrows(() => AnyFiber.attach(fiber, gone), Inactive, "Cannot attach the fiber");
    yield* fiber.abort();
  });
});

Deno.test("AnyFiber.attach() throws a TypeError for a parent of another scheduler", () => {
  const [a, b] = [new Manual(), new Manual()];
  const [fiber, parent] = [AnyFiber.main(a, forever), AnyFiber.main(b, forever)];
  assertThrows(() => AnyFiber.attach(parent, fiber), TypeError, "another scheduler");
  assertEquals(AnyFiber.activeSpawns(parent), []);
  for (const main of [fiber, parent]) main.abort();
  a.drain();
  b.drain();
});

// setAborting, abort, breakDeadlock ---------------------------------------------------------------

Deno.test("AnyFiber.setAborting() marks the fiber and all in it, and wakes nobody", () => {
  const policy = new Manual();
  const main = AnyFiber.main(policy, function* () {
    spawn(forever);
    yield* scope((inner) => {
      inner.spawn(forever);
      return forever();
    });
  });
  policy.drain();
  const spawns = AnyFiber.activeSpawns(main);
  AnyFiber.setAborting(main, "marked");
  assertEquals([main, ...spawns].map((fiber) => fiber.state), Array(3).fill("aborting"));
  assertEquals(policy.queue, []);
  AnyFiber.abort(main);
  policy.drain();
  assertEquals(reasonOf(main.poll()!), "marked");
});

Deno.test("AnyFiber.setAborting(): a fiber gets the Abort at its next suspension", () => {
  virtually(function* () {
    const channel = new Channel<number>();
    let thrown: unknown;
    const fiber = spawn(function* () {
      yield* channel.receive();
      thrown = yield* errorOf(channel.receive());
    });
    yield* settle();
    AnyFiber.setAborting(fiber, "marked");
    yield* settle();
    assertEquals(thrown, undefined);
    channel.trySend(1);
    assertEquals(reasonOf(yield* fiber.join()), "marked");
    assertInstanceOf(thrown, Abort);
  });
});

/** A fiber that waits, with three kids that do, which log their ends. */
function family(log: string[]): { parent: AnyFiber; kids: AnyFiber[] } {
  const kids: AnyFiber[] = [];
  const parent = spawn(function* () {
    for (const name of ["a", "b", "c"]) kids.push(spawn(() => logged(log, name)));
    yield* logged(log, "parent");
  });
  return { parent, kids };
}

Deno.test("AnyFiber.abort() wakes what setAborting has marked: the whole tree, kids first", () => {
  virtually(function* () {
    const log: string[] = [];
    const { parent } = family(log);
    yield* settle();
    AnyFiber.setAborting(parent, "marked");
    AnyFiber.abort(parent, "not heard");
    assertEquals(reasonOf(yield* parent.join()), "marked");
    assertEquals(log, ["a", "b", "c", "parent"]);
  });
});

Deno.test("AnyFiber.abort() wakes what setAborting has marked in the order in which it is called", () => {
  virtually(function* () {
    const log: string[] = [];
    const { parent, kids } = family(log);
    yield* settle();
    AnyFiber.setAborting(parent);
    for (const kid of kids.reverse()) AnyFiber.abort(kid);
    yield* settle();
    assertEquals([log, parent.state], [["c", "b", "a"], "aborting"]);
    AnyFiber.abort(parent);
    yield* parent.join();
    assertEquals(log, ["c", "b", "a", "parent"]);
  });
});

Deno.test("AnyFiber.abort() after setAborting calls cancel callbacks and aborts signals, once", () => {
  virtually(function* () {
    const log: unknown[] = [];
    const fiber = spawn(() => withCancelCallback((reason) => log.push(reason), forever));
    yield* settle();
    fiber.signal.addEventListener("abort", () => log.push("signal"));
    AnyFiber.setAborting(fiber, "marked");
    assertEquals(log, []);
    AnyFiber.abort(fiber, "not heard");
    AnyFiber.abort(fiber);
    fiber.abort();
    assertEquals(log, ["marked", "signal"]);
    yield* fiber.join();
    assertEquals(log, ["marked", "signal"]);
  });
});

Deno.test("AnyFiber.setAborting() and abort() do nothing to a fiber that has terminated", () => {
  const fiber = Fiber.returned(1);
  AnyFiber.setAborting(fiber);
  AnyFiber.abort(fiber);
  assertEquals([fiber.state, fiber.poll()], ["terminated", { ok: true, value: 1 }]);
});

Deno.test("AnyFiber.setAborting() leaves the reason of an abort before it alone", () => {
  virtually(function* () {
    const fiber = yield* waiting(Event.never());
    fiber.abort("first");
    AnyFiber.setAborting(fiber, "second");
    assertEquals(reasonOf(yield* fiber.join()), "first");
  });
});

Deno.test("law 11: AnyFiber.breakDeadlock() ends the fibers with a Deadlock that names them", () => {
  const policy = new Manual();
  const main = AnyFiber.main(policy, function* () {
    spawn(forever, { name: "kid" });
    yield* new Channel().receive();
  }, { name: "top" });
  policy.drain();
  AnyFiber.breakDeadlock(main);
  policy.drain();
  const error = failureOf(main.poll()!);
  assertInstanceOf(error, Deadlock);
  assertEquals(error.fibers.map(({ name, waitsOn }) => [name, waitsOn]), [
    ["top", "a receive from a channel"],
    ["kid", "an event that never happens"],
  ]);
  AnyFiber.breakDeadlock(main); // it is over: nothing happens
  assertEquals(policy.queue, []);
});

Deno.test("law 11: AnyFiber.breakDeadlock() again throws that same Deadlock in a protect", () => {
  const policy = new Manual();
  const thrown: unknown[] = [];
  const main = AnyFiber.main(policy, function* () {
    for (let n = 0; n < 2; n++) {
      yield* protect(function* () {
        thrown.push(yield* errorOf(Event.never()));
      });
    }
  });
  policy.drain();
  for (let calls = 0; main.poll() === undefined; calls++) {
    assert(calls < 5);
    AnyFiber.breakDeadlock(main);
    policy.drain();
  }
  const error = failureOf(main.poll()!);
  assertInstanceOf(error, Deadlock);
  assert(thrown.length >= 1);
  for (const one of thrown) assertStrictEquals(one, error);
});

Deno.test("law 3: AnyFiber.attach() of a fiber that is ending: its old parent's abort has reached that", () => {
  const outcome = virtually(function* () {
    const elsewhere = spawn(() => sleep(100));
    let child: AnyFiber | undefined;
    const parent = spawn(function* () {
      child = spawn(function* () {
        try {
          yield* sleep(50);
        } finally {
          yield* protect(() => sleep(10));
        }
      });
      return "value";
    });
    yield* sleep(1);
    parent.abort("why");
    AnyFiber.attach(elsewhere, child!);
    return yield* parent.join();
  });
  assertEquals(reasonOf(outcome), "why");
});
