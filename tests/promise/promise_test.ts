import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Abort,
  afterEvent,
  cancelScope,
  Channel,
  Deadlock,
  Event,
  Fiber,
  FiberAborted,
  fromPromise,
  getScheduler,
  Inactive,
  main,
  promiseEvent,
  protect,
  run,
  select,
  spawn,
  spawnAsPromise,
  spawnAsPromiseFromAnywhere,
  when,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import * as room from "@weft/weft/promise";
import { errorOf as failureOf, reasonOf } from "../kit/results.ts";
import { Thenable } from "../kit/source.ts";
import { hostTurn, uncaughtDuring, uncaughtSoon } from "../kit/uncaught.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

/** The rejections that nobody had handled while `f` ran, and for some turns after that. */
async function unhandledDuring(f: () => unknown): Promise<unknown[]> {
  const reasons: unknown[] = [];
  const listener = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    reasons.push(event.reason);
  };
  globalThis.addEventListener("unhandledrejection", listener);
  try {
    await f();
    for (let turn = 0; turn < 3; turn++) await hostTurn();
  } finally {
    globalThis.removeEventListener("unhandledrejection", listener);
  }
  return reasons;
}

Deno.test("fromPromise: a frozen promise can be waited for, again and again", async () => {
  const promise = Object.freeze(Promise.resolve("frozen"));
  const values = await main(function* () {
    return [yield* fromPromise(promise), yield* fromPromise(promise)];
  });
  assertEquals(values, ["frozen", "frozen"]);
});

Deno.test("fromPromise is the same function in @weft/weft and @weft/weft/promise", () => {
  assertStrictEquals(room.fromPromise, fromPromise);
  assertStrictEquals(room.promiseEvent, promiseEvent);
});

// fromPromise ------------------------------------------------------------------------------------

Deno.test("fromPromise() returns the value, of a promise, a thenable, or what a function makes", async () => {
  const { promise, resolve } = Promise.withResolvers<string>();
  const values = await main(function* () {
    const fiber = yield* waiting(fromPromise(promise));
    assertEquals(fiber.state, "running");
    resolve("later");
    return [
      yield* fiber,
      yield* fromPromise(promise), // it has settled
      yield* fromPromise(Promise.resolve("settled")),
      yield* fromPromise(() => Promise.resolve("made")),
      yield* fromPromise(async () => await Promise.resolve("async")),
      yield* fromPromise(
        { then: (f) => Promise.resolve("thenable").then(f) } as PromiseLike<string>,
      ),
      yield* fromPromise(main(() => Event.always("main"))),
    ];
  });
  assertEquals(values, ["later", "later", "settled", "made", "async", "thenable", "main"]);
});

Deno.test("fromPromise() throws the very thing that the promise was rejected with", async () => {
  for (const reason of [new Error("rejected"), "a string", undefined]) {
    const seen = await main(function* () {
      const promise = Promise.reject(reason); // not before `main` gets its turn: it would be unhandled
      const thrown: unknown[] = [];
      for (const source of [promise, promise, () => promise, () => Promise.reject(reason)]) {
        try {
          yield* fromPromise(source);
          thrown.push("nothing was thrown");
        } catch (error) {
          thrown.push(error);
        }
      }
      return thrown;
    });
    assertEquals(seen.length, 4);
    for (const error of seen) assertStrictEquals(error, reason);
  }
});

Deno.test("fromPromise() is cold and one-shot: its function is called once, at the start of the wait", async () => {
  let calls = 0;
  const make = () => {
    calls++;
    return Promise.resolve(calls);
  };
  const operation = fromPromise(make);
  assertEquals(calls, 0);
  const outcome = await main(function* () {
    return [yield* operation, yield* errorOf(operation)];
  });
  assertEquals([calls, outcome[0]], [1, 1]);
  assertInstanceOf(outcome[1], TypeError);
  assertStringIncludes(outcome[1].message, "used already");
  const awaited = fromPromise(make);
  assertEquals(await awaited, 2);
  await assertRejects(async () => void await awaited, TypeError, "used already");
});

Deno.test("fromPromise(): what its function throws is thrown; what it returns must be a promise", () => {
  virtually(function* () {
    const boom = new Error("thrown");
    const throwing = fromPromise((): Promise<never> => {
      throw boom;
    });
    assertStrictEquals(yield* errorOf(throwing), boom);
    for (const bad of [undefined, 1, {}, [], () => {}]) {
      const error = yield* errorOf(fromPromise((() => bad) as never));
      assertInstanceOf(error, TypeError);
      assertStringIncludes(error.message, "must return a promise");
    }
  });
});

Deno.test("fromPromise() throws a TypeError for what is neither promise nor function", () => {
  // deno-lint-ignore no-explicit-any -- the wrong type is what is tested
  const make = fromPromise as any;
  for (const bad of [undefined, null, 1, "promise", {}, [], { then: 1 }]) {
    assertThrows(() => make(bad), TypeError, "expected a promise or a function");
    assertThrows(() => (promiseEvent as typeof make)(bad), TypeError, "expected a promise");
  }
  assertThrows(() => make(Promise.resolve(), 1), TypeError, "options must be an object");
  assertThrows(
    () => make(Promise.resolve(), { onLate: 1 }),
    TypeError,
    "onLate must be a function",
  );
  assertThrows(() => (promiseEvent as typeof make)(() => Promise.resolve()), TypeError);
});

Deno.test("fromPromise(): an abort ends the wait at once, and aborts the signal at the call", () => {
  virtually(function* () {
    let signal: AbortSignal | undefined;
    const thrown: unknown[] = [];
    const fiber = spawn(function* () {
      thrown.push(
        yield* errorOf(fromPromise((own) => {
          signal = own;
          return new Thenable();
        })),
      );
    });
    yield* settle();
    assertEquals(signal?.aborted, false);
    fiber.abort("enough");
    assertEquals(signal?.aborted, true);
    assertInstanceOf(signal?.reason, Abort);
    yield* fiber.join();
    assertInstanceOf(thrown[0], Abort);
    assertEquals(thrown[0].cause, "enough");
  });
});

Deno.test("fromPromise(): a value that comes after the wait was cancelled is handed to onLate, once", () => {
  virtually(function* () {
    const late: string[] = [];
    const onLate = (value: string) => void late.push(value);
    const promise = new Thenable<string>();
    for (const source of [promise, () => promise]) {
      const fiber = yield* waiting(fromPromise(source, { onLate }));
      const other = yield* waiting(fromPromise(source));
      fiber.abort();
      assertInstanceOf(yield* errorOf(fiber), FiberAborted);
      other.abort();
    }
    assertEquals(late, []);
    promise.resolve("it");
    promise.resolve("twice");
    assertEquals(late, ["it", "it"]);
  });
});

Deno.test("T15: a promise that settled before the abort gives its value, and not to onLate", () => {
  virtually(function* () {
    const late: string[] = [];
    const values: string[] = [];
    const promise = new Thenable<string>();
    const fiber = spawn(function* () {
      values.push(yield* fromPromise(promise, { onLate: (value) => late.push(value) }));
      yield* yieldNow();
    });
    yield* settle();
    promise.resolve("it");
    fiber.abort();
    yield* fiber.join();
    assertEquals([values, late], [["it"], []]);
  });
});

Deno.test("law 13: fromPromise(): an onLate that is a generator function, which nobody would run, is reported", () => {
  const promise = new Thenable<string>();
  const errors = uncaughtDuring(() =>
    virtually(function* () {
      const onLate = function* () {} as () => void;
      const fiber = yield* waiting(fromPromise(promise, { onLate }));
      fiber.abort();
      yield* fiber.join();
      promise.resolve("it");
    })
  );
  assertEquals(errors.length, 1);
  assertInstanceOf(errors[0], TypeError);
  assertStringIncludes(errors[0].message, "Cannot run onLate");
});

Deno.test("law 4: promiseEvent(): a wait that was cancelled or lost leaves the value to the next one", () => {
  virtually(function* () {
    const promise = new Thenable<string>();
    const event = promiseEvent(promise);
    const aborted = yield* waiting(event);
    const lost = yield* waiting(select({ event, yields: afterEvent(1) }));
    aborted.abort();
    yield* lost;
    promise.resolve("it");
    assertEquals([yield* event, yield* event], ["it", "it"]);
  });
});

Deno.test("fromPromise(): what onLate throws is reported", () => {
  const boom = new Error("onLate threw");
  const promise = new Thenable<string>();
  const errors = uncaughtDuring(() =>
    virtually(function* () {
      const fiber = yield* waiting(fromPromise(promise, {
        onLate() {
          throw boom;
        },
      }));
      fiber.abort();
      yield* fiber.join();
      promise.resolve("it");
    })
  );
  assertEquals(errors, [boom]);
});

Deno.test("fromPromise(): in an aborting fiber the function isn't called, and a value that is there is late", async () => {
  let calls = 0;
  const late: number[] = [];
  const onLate = (value: number) => void late.push(value);
  const reasons = await unhandledDuring(async () => {
    const handle = main(function* () {
      yield* errorOf(Event.never());
      const operations = [
        fromPromise(() => Promise.resolve(++calls), { onLate }),
        fromPromise(Promise.resolve(7), { onLate }),
        fromPromise(Promise.reject(new Error("nobody saw it"))),
      ];
      for (const operation of operations) {
        assertInstanceOf(yield* errorOf(operation), Abort);
      }
    });
    await hostTurn();
    await handle.abort();
  });
  assertEquals([calls, late, reasons], [0, [7], []]);
});

Deno.test("T27: a promise that is rejected after its wait was cancelled is no unhandled rejection", async () => {
  const rejects: ((reason: unknown) => void)[] = [];
  const reasons = await unhandledDuring(async () => {
    const pending = () => {
      const { promise, reject } = Promise.withResolvers<number>();
      rejects.push(reject);
      return promise;
    };
    const handle = main(function* () {
      const promise = pending();
      spawn(() => fromPromise(promise));
      spawn(() => fromPromise(pending));
      spawn(() => fromPromise(pending, { onLate: () => {} }));
      spawn(() => promiseEvent(pending()));
      const lost = select({ promise: promiseEvent(pending()), now: Event.always(1) });
      assertEquals((yield* lost).kind, "now");
      yield* Event.never();
    });
    await hostTurn();
    await hostTurn();
    await handle.abort();
    assertEquals(rejects.length, 5);
    for (const reject of rejects) reject(new Error("too late"));
  });
  assertEquals(reasons, []);
});

Deno.test("T26: a hundred thousand cancelled waits on one pending promise leave one reaction", () => {
  const promise = new Thenable<number>();
  let late = 0;
  virtually(function* () {
    for (let round = 0; round < 100; round++) {
      const fibers: Fiber<unknown>[] = [];
      for (let n = 0; n < 500; n++) {
        fibers.push(spawn(() => fromPromise(promise)));
        fibers.push(spawn(() => select({ it: promiseEvent(promise), never: Event.never() })));
      }
      yield* yieldNow();
      for (const fiber of fibers) fiber.abort();
      yield* yieldNow();
    }
    assertEquals(promise.reactions, 1);
    const last = yield* waiting(fromPromise(promise));
    const withLate = yield* waiting(fromPromise(promise, { onLate: () => late++ }));
    withLate.abort();
    promise.resolve(7);
    assertEquals(yield* last, 7);
  });
  assertEquals([promise.reactions, late], [1, 1]);
});

Deno.test("fromPromise(): all who wait on one promise are served in the order in which they came", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const served: string[] = [];
  await main(function* () {
    const waits = {
      "a fiber": () => fromPromise(promise),
      "a select": () => select({ it: promiseEvent(promise) }),
      "a function": () => fromPromise(() => promise),
      "an event": () => promiseEvent(promise).map((n) => n + 1),
    };
    for (const [name, wait] of Object.entries(waits)) {
      spawn(function* () {
        yield* wait();
        served.push(name);
      });
    }
    yield* settle();
    resolve(7);
  });
  assertEquals(served, ["a fiber", "a select", "a function", "an event"]);
});

Deno.test("fromPromise(): of a thenable that settles twice the first time counts", () => {
  virtually(function* () {
    const promise = new Thenable<number>();
    const fiber = yield* waiting(fromPromise(promise));
    promise.resolve(1);
    promise.reject(new Error("afterwards"));
    promise.resolve(2);
    assertEquals(yield* fiber, 1);
    assertEquals(yield* fromPromise(promise), 1);
  });
});

Deno.test("fromPromise(): a thenable whose then throws has been rejected with that", () => {
  const boom = new Error("then threw");
  const broken = {
    then() {
      throw boom;
    },
  } as unknown as PromiseLike<number>;
  virtually(function* () {
    assertStrictEquals(yield* errorOf(fromPromise(broken)), boom);
    assertStrictEquals(yield* errorOf(promiseEvent(broken)), boom);
  });
});

Deno.test("fromPromise() works with await, and rejects as its promise does", async () => {
  assertEquals(await fromPromise(Promise.resolve(42)), 42);
  const boom = new Error("rejected");
  assertStrictEquals(await fromPromise(Promise.reject(boom)).then(null, (error) => error), boom);
  let signal: AbortSignal | undefined;
  const value = await fromPromise((own) => {
    signal = own;
    return Promise.resolve("made");
  });
  assertEquals([value, signal?.aborted], ["made", false]);
});

// promiseEvent -----------------------------------------------------------------------------------

Deno.test("promiseEvent() happens with the value, or by throwing what it was rejected with", async () => {
  const { promise, resolve } = Promise.withResolvers<number>();
  const boom = new Error("rejected");
  await main(function* () {
    const event = promiseEvent(promise);
    const fibers = [
      yield* waiting(event),
      yield* waiting(select([when(event, (n) => n + 1), when(Event.never(), () => 0)])),
    ];
    resolve(42);
    assertEquals([yield* fibers[0]!, yield* fibers[1]!], [42, 43]);
    assertEquals([yield* event, yield* event], [42, 42], "any number of times");
    assertStrictEquals(yield* errorOf(promiseEvent(Promise.reject(boom))), boom);
    const late = Promise.withResolvers<number>();
    const failing = yield* waiting(select({ it: promiseEvent(late.promise) }));
    late.reject(boom);
    assertStrictEquals(yield* errorOf(failing), boom);
  });
  assertEquals(await promiseEvent(promise), 42);
});

Deno.test("promiseEvent(): a promise that had settled counts from the microtask after the first wait", async () => {
  const promise = Promise.resolve(7);
  const kinds = await main(function* () {
    const both = () => select({ promise: promiseEvent(promise), now: Event.always(1) });
    const before = (yield* both()).kind;
    yield* fromPromise(Promise.resolve());
    return [before, (yield* both()).kind];
  });
  assertEquals(kinds, ["now", "promise"]);
});

Deno.test("promiseEvent() that loses takes nothing from the promise", () => {
  virtually(function* () {
    const promise = new Thenable<number>();
    const channel = new Channel<string>();
    const both = () => select({ it: promiseEvent(promise), item: channel.receiveEvent() });
    const fiber = yield* waiting(both());
    channel.trySend("item");
    promise.resolve(7);
    assertEquals(yield* fiber, { kind: "item", value: "item" });
    assertEquals(yield* both(), { kind: "it", value: 7 });
    assertEquals(channel.statistics().receiversWaiting, 0);
  });
});

// spawnAsPromise ---------------------------------------------------------------------------------

Deno.test("spawnAsPromise() spawns a fiber and returns a promise of its value", async () => {
  const finallies: string[] = [];
  const value = await main(function* () {
    let ran = false;
    const promise = spawnAsPromise(
      function* () {
        ran = true;
        yield* yieldNow();
        return Fiber.current().name;
      },
      { name: "the answer", finally: () => void finallies.push("finally") },
    );
    assertInstanceOf(promise, Promise);
    assertEquals(ran, false, "it runs when its turn comes");
    return yield* fromPromise(promise);
  });
  assertEquals([value, finallies], ["the answer", ["finally"]]);
});

Deno.test("spawnAsPromise(): a failure rejects the promise and goes up to the parent", async () => {
  const boom = new Error("failed");
  let promise: Promise<never> | undefined;
  const reasons = await unhandledDuring(async () => {
    const failing = main(function* () {
      promise = spawnAsPromise(function* () {
        throw boom;
      });
      yield* Event.never();
    });
    assertStrictEquals(await failing.then(null, (error) => error), boom);
  });
  assertEquals(reasons, [], "it has gone up: the promise needs no handler");
  assertStrictEquals(await promise!.catch((error) => error), boom);
});

Deno.test("spawnAsPromise() without propagation keeps the failure in the promise, which needs a handler", async () => {
  const boom = new Error("failed");
  const alone = { propagateCancelToParent: false };
  function* fail() {
    throw boom;
  }
  let handled: unknown;
  const reasons = await unhandledDuring(() =>
    main(function* () {
      spawnAsPromise(fail, alone).catch((error) => handled = error);
      yield* settle();
      spawnAsPromise(fail, alone);
      yield* settle();
    })
  );
  assertStrictEquals(handled, boom);
  assertEquals(reasons, [boom]);
});

Deno.test("spawnAsPromise(): a fiber that is aborted rejects the promise with FiberAborted, quietly", async () => {
  const promises: Promise<unknown>[] = [];
  const reasons = await unhandledDuring(async () => {
    const handle = main(function* () {
      for (const options of [{}, { propagateCancelToParent: false }]) {
        promises.push(spawnAsPromise(() => Event.never(), options));
      }
      yield* Event.never();
    });
    await hostTurn();
    await handle.abort("enough");
  });
  assertEquals(reasons, []);
  for (const promise of promises) {
    const error = await assertRejects(() => promise, FiberAborted);
    assertEquals(error.cause.cause, "enough");
  }
});

Deno.test("law 4: spawnAsPromise(): what a protect brings in spite of an abort is in the promise", async () => {
  const promise = await main(function* () {
    const gate = new Channel<string>();
    let fiber: Fiber<unknown> | undefined;
    const promise = spawnAsPromise(function* () {
      fiber = Fiber.current();
      const item = yield* protect(() => gate.receiveOrThrow());
      return item;
    });
    while (fiber === undefined) yield* yieldNow();
    fiber.abort();
    gate.trySend("it");
    return { promise }; // alone, it would be flattened
  });
  assertEquals(await promise.promise, "it");
});

Deno.test("spawnAsPromise() with a parent may be called from anywhere; the parent waits for it", async () => {
  const channel = new Channel<string>();
  const log: string[] = [];
  let parent: Fiber<unknown> | undefined;
  const handle = main(function* () {
    parent = spawn(function* () {
      yield* channel.receive();
    });
    yield* parent;
    log.push("the parent is gone");
  });
  await hostTurn();
  const promise = spawnAsPromise(
    function* () {
      yield* settle();
      log.push("child");
      return 42;
    },
    { parent: parent! },
  );
  channel.trySend("return");
  assertEquals(await promise, 42);
  await handle;
  assertEquals(log, ["child", "the parent is gone"]);
  assertThrows(() => spawnAsPromise(() => yieldNow(), { parent: parent! }), Inactive);
  assertThrows(() => spawnAsPromise(() => yieldNow(), { parent: Fiber.returned(1) }), Inactive);
});

Deno.test("spawnAsPromise() outside of any fiber throws Inactive; bad arguments are TypeErrors", () => {
  assertThrows(() => spawnAsPromise(() => yieldNow()), Inactive);
  // deno-lint-ignore no-explicit-any -- the wrong type is what is tested
  const make = spawnAsPromise as any;
  const result = run(function* () {
    for (const body of [undefined, 1, {}, yieldNow()]) {
      assertThrows(() => make(body), TypeError, "body must be a function");
    }
    for (const options of [1, { name: 1 }, { finally: 1 }, { propagateCancelToParent: 1 }]) {
      assertThrows(() => make(() => yieldNow(), options), TypeError);
    }
    assertThrows(() => make(() => yieldNow(), { parent: {} }), TypeError, "must be a Fiber");
  });
  assertEquals(result, { ok: true, value: undefined });
});

Deno.test("spawnAsPromiseFromAnywhere() spawns at the top of a scheduler that is active", async () => {
  const channel = new Channel<string>();
  const handle = main(() => channel.receive());
  const { scheduler } = handle;
  const promise = spawnAsPromiseFromAnywhere(
    scheduler,
    function* () {
      yield* yieldNow();
      return Fiber.current().name;
    },
    { name: "from anywhere" },
  );
  assertEquals(await promise, "from anywhere");
  channel.close();
  await handle;
  assertThrows(() => spawnAsPromiseFromAnywhere(scheduler, () => yieldNow()), Inactive);
  assertThrows(() => spawnAsPromiseFromAnywhere({} as never, () => yieldNow()), TypeError);
});

Deno.test("spawnAsPromiseFromAnywhere(): a failure rejects the promise and fails the scheduler's root", async () => {
  const boom = new Error("failed");
  const outcomes: unknown[] = [];
  const reasons = await unhandledDuring(async () => {
    const handle = main(() => Event.never());
    const failing = spawnAsPromiseFromAnywhere(handle.scheduler, function* () {
      throw boom;
    });
    outcomes.push(await handle.then(null, (error) => error));
    outcomes.push(await failing.catch((error) => error));
    const other = main(() => Event.never());
    spawnAsPromiseFromAnywhere(other.scheduler, function* () {
      throw boom;
    });
    await assertRejects(async () => void await other);
  });
  assertStrictEquals(outcomes[0], boom);
  assertStrictEquals(outcomes[1], boom);
  assertEquals(reasons, []);
});

Deno.test("spawnAsPromise() and fromPromise() hand the very same error through both worlds", async () => {
  const boom = new Error("failed");
  const alone = { propagateCancelToParent: false };
  const seen = await main(function* () {
    const promise = spawnAsPromise(function* () {
      yield* yieldNow();
      throw boom;
    }, alone);
    return yield* errorOf(fromPromise(promise.then((value) => value)));
  });
  assertStrictEquals(seen, boom);
  assert(boom.cause === undefined);
});

// fromPromise: more of its corners ---------------------------------------------------------------

function* forever(): Generator<never, never, unknown> {
  return yield* Event.never();
}

Deno.test("fromPromise() of what is known to have settled doesn't suspend", async () => {
  const boom = new Error("rejected");
  const [fulfilled, rejected] = [Promise.resolve(1), Promise.reject(boom)];
  await fromPromise(fulfilled);
  await assertRejects(async () => void (await fromPromise(rejected)));
  assertEquals(run(() => fromPromise(fulfilled)), { ok: true, value: 1 });
  assertStrictEquals(failureOf(run(() => fromPromise(rejected))), boom);
  const thenable = new Thenable<number>();
  thenable.resolve(5);
  assertEquals(run(() => fromPromise(thenable)), { ok: true, value: 5 });
  assertEquals(run(() => fromPromise(() => thenable)), { ok: true, value: 5 });
});

Deno.test("fromPromise() in run: the JavaScript loop can't come in, so it is a Deadlock", () => {
  const error = failureOf(run(() => fromPromise(Promise.resolve(1))));
  assertInstanceOf(error, Deadlock);
  assertEquals(error.fibers.map(({ waitsOn }) => waitsOn), ["a promise"]);
});

Deno.test("law 10: fromPromise, waiting for one settled promise after the other, lets timers fire", async () => {
  let fired = false;
  const timer = setTimeout(() => void (fired = true), 1);
  await main(function* () {
    const end = performance.now() + 2000;
    while (!fired && performance.now() < end) yield* fromPromise(Promise.resolve());
  });
  clearTimeout(timer);
  assertEquals(fired, true);
});

Deno.test("law 5: fromPromise() of a promise that somebody's Abort rejected throws FiberAborted", async () => {
  const abort = new Abort("somebody else's");
  const outcome = await main(function* () {
    const thrown = yield* errorOf(fromPromise(Promise.reject(abort)));
    yield* yieldNow(); // this fiber is not aborted
    return [thrown];
  });
  assertInstanceOf(outcome[0], FiberAborted);
  assertStrictEquals(outcome[0].cause, abort);
});

Deno.test("law 5: promiseEvent() in a select: somebody else's Abort arrives as FiberAborted", async () => {
  const abort = new Abort("somebody else's");
  const thrown = await main(function* () {
    const rejected = Promise.reject(abort); // not before `main` gets its turn: it would be unhandled
    const first = yield* errorOf(select({ event: promiseEvent(rejected), never: Event.never() }));
    const known = yield* errorOf(select([when(promiseEvent(rejected), () => {})]));
    yield* yieldNow(); // this fiber is not aborted
    return [first, known];
  });
  for (const error of thrown) {
    assertInstanceOf(error, FiberAborted);
    assertStrictEquals(error.cause, abort);
  }
});

Deno.test("law 5: the reason of another fiber's signal, through a promise, is FiberAborted; one's own is Abort", async () => {
  let own: unknown;
  let others: unknown;
  await main(function* () {
    const { promise, reject } = Promise.withResolvers<never>();
    const aborted = spawn(function* () {
      const { signal } = Fiber.current();
      signal.addEventListener("abort", () => reject(signal.reason));
      own = yield* errorOf(fromPromise(promise));
    });
    const bystander = spawn(function* () {
      others = yield* errorOf(fromPromise(promise));
      yield* yieldNow();
      return "not aborted";
    });
    yield* settle();
    aborted.abort("just this one");
    assertEquals(yield* bystander, "not aborted");
  });
  assertInstanceOf(own, Abort);
  assertEquals(own.cause, "just this one");
  assertInstanceOf(others, FiberAborted);
  assertStrictEquals(others.cause, own);
});

Deno.test("fromPromise(): a function with a then is a promise, and isn't called", () => {
  const thenable = Object.assign(() => assert(false, "called"), {
    then: (fulfilled: (value: number) => void) => fulfilled(3),
  });
  const result = run(() => fromPromise(thenable as unknown as PromiseLike<number>));
  assertEquals(result, { ok: true, value: 3 });
});

Deno.test("fromPromise(): a thenable that has settled and then throws has settled, as for await", async () => {
  const thenable = {
    then(fulfilled: (value: number) => void) {
      fulfilled(1);
      throw new Error("then threw");
    },
  } as PromiseLike<number>;
  assertEquals(await thenable, 1);
  assertEquals(run(() => fromPromise(thenable)), { ok: true, value: 1 });
});

Deno.test("fromPromise() waits for what the library gives: a fiber, an operation, an event", async () => {
  const channel = new Channel<number>();
  channel.trySend(2);
  const values = await main(function* () {
    const fiber = spawn(() => Event.always(1));
    const values: number[] = [];
    for (const source of [fiber, channel.receiveOrThrow(), Event.always(3)]) {
      values.push(yield* fromPromise(source));
    }
    return values;
  });
  assertEquals(values, [1, 2, 3]);
});

Deno.test("fromPromise(): the promise that rejects because of the signal is handled", async () => {
  const reasons = await unhandledDuring(async () => {
    const handle = main(() =>
      fromPromise((signal) =>
        new Promise((_resolve, reject) =>
          signal.addEventListener("abort", () => reject(signal.reason))
        )
      )
    );
    await hostTurn();
    await handle.abort();
  });
  assertEquals(reasons, []);
});

Deno.test("fromPromise(): a listener of its signal may not switch fibers", () => {
  virtually(function* () {
    const refused: unknown[] = [];
    const fiber = yield* waiting(fromPromise((signal) => {
      signal.addEventListener("abort", () => {
        refused.push(assertThrows(() => run(() => yieldNow()), Error, "may not switch fibers"));
        refused.push(assertThrows(() => spawn(forever), Error, "may not switch fibers"));
      });
      return new Promise(() => {});
    }));
    yield* fiber.abort();
    assertEquals(refused.length, 2);
  });
});

Deno.test("fromPromise(): an abort by its function is thrown, and aborts the signal", () => {
  virtually(function* () {
    let signal: AbortSignal | undefined;
    const fiber = spawn(() =>
      fromPromise((own) => {
        signal = own;
        fiber.abort("its own");
        return new Promise<void>(() => {});
      })
    );
    assertEquals(reasonOf(yield* fiber.join()), "its own");
    assertEquals(signal!.aborted, true);
  });
});

Deno.test("fromPromise(): in an aborting fiber a thenable isn't started", () => {
  virtually(function* () {
    const thenable = new Thenable<number>();
    const channel = new Channel<number>();
    channel.trySend(1);
    for (const source of [thenable, channel.receiveOrThrow()]) {
      const fiber = spawn(function* () {
        Fiber.current().abort();
        yield* fromPromise(source);
      });
      yield* fiber.join();
    }
    assertEquals([thenable.reactions, channel.size], [0, 1]);
  });
});

Deno.test("fromPromise({ onLate }): an aborting fiber gives it what was known, and what comes", async () => {
  const late: string[] = [];
  const known = Promise.resolve("known");
  await fromPromise(known);
  await main(function* () {
    for (const promise of [Promise.resolve("new"), known]) {
      spawn(function* () {
        Fiber.current().abort();
        yield* fromPromise(promise, { onLate: (value) => late.push(value) });
      });
    }
  });
  await hostTurn();
  assertEquals(late.sort(), ["known", "new"]);
});

Deno.test("fromPromise({ onLate }): a value that the abort of the signal brings about is late", () => {
  virtually(function* () {
    const late: string[] = [];
    const thenable = new Thenable<string>();
    const fiber = yield* waiting(fromPromise((signal) => {
      signal.addEventListener("abort", () => thenable.resolve("on abort"));
      return thenable;
    }, { onLate: (value) => late.push(value) }));
    yield* fiber.abort();
    assertEquals(late, ["on abort"]);
  });
});

Deno.test("fromPromise({ onLate }): not called for a rejection, which is handled", async () => {
  const late: unknown[] = [];
  const { promise, reject } = Promise.withResolvers<string>();
  const reasons = await unhandledDuring(async () => {
    const handle = main(() => fromPromise(promise, { onLate: (value) => late.push(value) }));
    await hostTurn();
    await handle.abort();
    reject(new Error("late"));
  });
  assertEquals([late, reasons], [[], []]);
});

/** How many steps are run until this fiber has had two more turns: two, if nobody was woken. */
function* stepsAfter(f: () => void): Generator<never, number, unknown> {
  const scheduler = getScheduler();
  const before = scheduler.taskCount;
  f();
  yield* yieldNow();
  yield* yieldNow();
  return scheduler.taskCount - before;
}

Deno.test("T26: 100,000 cancelled waits of one fiber on one pending promise leave no waiter", () => {
  const WAITS = 100_000;
  virtually(function* () {
    const thenable = new Thenable<void>();
    let cancel = () => {};
    let cancelled = 0;
    const waiter = spawn(function* () {
      while (cancelled < WAITS) {
        yield* cancelScope((context) => {
          cancel = () => context.cancel();
          return fromPromise(thenable);
        });
        cancelled++;
      }
      yield* forever();
    });
    while (cancelled < WAITS) {
      yield* yieldNow();
      cancel();
    }
    yield* settle();
    assertEquals(thenable.reactions, 1);
    assertEquals(yield* stepsAfter(() => thenable.resolve()), 2, "a cancelled wait was woken");
    yield* waiter.abort();
  });
});

Deno.test("T26: 100,000 selects that lost on one pending promise leave no waiter", () => {
  const WAITS = 100_000;
  virtually(function* () {
    const thenable = new Thenable<void>();
    const ticks = new Channel<number>({ capacity: 0 });
    const branches = [when(promiseEvent(thenable), () => -1), when(ticks.receiveEvent(), (n) => n)];
    const waiter = spawn(function* () {
      for (let n = 0; n < WAITS; n++) assertEquals(yield* select(branches), n);
      yield* forever();
    });
    for (let n = 0; n < WAITS; n++) yield* ticks.send(n);
    yield* settle();
    assertEquals(thenable.reactions, 1);
    assertEquals(yield* stepsAfter(() => thenable.resolve()), 2, "a select that lost was woken");
    yield* waiter.abort();
  });
});

Deno.test("T27: a promise that rejects after a timeout is no unhandled rejection", async () => {
  const { promise, reject } = Promise.withResolvers<void>();
  const reasons = await unhandledDuring(async () => {
    await main(() => errorOf(withTimeout(1, () => fromPromise(promise))));
    reject(new Error("late"));
  });
  assertEquals(reasons, []);
});

Deno.test("promiseEvent(): made and never waited for, a rejection stays unhandled", async () => {
  const boom = new Error("nobody waited");
  const reasons = await unhandledDuring(() => void promiseEvent(Promise.reject(boom)));
  assertEquals(reasons, [boom]);
});

Deno.test("promiseEvent() and fromPromise() share the one reaction of a promise", () => {
  virtually(function* () {
    const thenable = new Thenable<number>();
    const fibers = [
      yield* waiting(promiseEvent(thenable)),
      yield* waiting(fromPromise(thenable)),
      yield* waiting(fromPromise(() => thenable)),
    ];
    assertEquals(thenable.reactions, 1);
    thenable.resolve(1);
    for (const fiber of fibers) assertEquals(yield* fiber, 1);
  });
});

// spawnAsPromise: more of its corners ------------------------------------------------------------

Deno.test("law 1: spawnAsPromise()'s promise settles when its fiber and its spawns are gone", async () => {
  const log: string[] = [];
  await main(function* () {
    const promise = spawnAsPromise(function* () {
      spawn(function* () {
        yield* settle();
        log.push("its spawn");
      });
    }, { finally: () => log.push("finally") });
    promise.then(() => log.push("resolved"));
    yield* fromPromise(promise);
  });
  assertEquals(log, ["its spawn", "finally", "resolved"]);
});

Deno.test("law 1: spawnAsPromise()'s fiber doesn't outlive its parent, though nobody waits", async () => {
  const log: string[] = [];
  await main(function* () {
    spawnAsPromise(function* () {
      yield* settle();
      log.push("child");
    });
  });
  assertEquals(log, ["child"]);
});

Deno.test("law 13: spawnAsPromise() without propagation, unhandled, is reported once: as a rejection", async () => {
  const boom = new Error("lost");
  let reported: unknown[] = [];
  const reasons = await unhandledDuring(async () => {
    reported = await uncaughtSoon(() =>
      main(function* () {
        spawnAsPromise(function* () {
          throw boom;
        }, { propagateCancelToParent: false });
      })
    );
  });
  assertEquals([reasons, reported], [[boom], []]);
});

Deno.test("law 2: spawnAsPromise(): that the child was aborted is no failure of its parent", async () => {
  const error = await main(function* () {
    let child: Fiber<unknown> | undefined;
    const promise = spawnAsPromise(function* () {
      child = Fiber.current();
      yield* forever();
    });
    yield* yieldNow();
    child!.abort("just you");
    return yield* errorOf(fromPromise(promise));
  });
  assertEquals(reasonOf({ ok: false, error }), "just you");
});

Deno.test("spawnAsPromise({ parent }): an abort of that parent reaches it, its failure that parent", async () => {
  const boom = new Error("child");
  await main(function* () {
    const first = yield* waiting(Event.never());
    const aborted = spawnAsPromise(forever, { parent: first });
    yield* first.abort("the parent");
    const error = yield* errorOf(fromPromise(aborted));
    assertEquals(reasonOf({ ok: false, error }), "the parent");

    const second = yield* waiting(Event.never());
    spawnAsPromise(function* () {
      throw boom;
    }, { parent: second });
    assertStrictEquals(yield* errorOf(second), boom);
  });
});

Deno.test("spawnAsPromise({ parent }) throws Inactive for whatever parent has terminated", () => {
  let root: Fiber<unknown> | undefined;
  virtually(function* () {
    root = Fiber.current();
    const parent = spawn(() => yieldNow());
    yield* parent;
    assertThrows(() => spawnAsPromise(forever, { parent }), Inactive, "Cannot spawn");
  });
  const fibers = [root!, Fiber.returned(1), Fiber.failed(new Error("f")), Fiber.aborted()];
  for (const parent of fibers) {
    assertThrows(() => spawnAsPromise(forever, { parent }), Inactive, "Cannot spawn");
  }
});

Deno.test("spawnAsPromise(): a body that returns no operation rejects with a TypeError", async () => {
  await main(function* () {
    const promise = spawnAsPromise((() => 5) as never, { propagateCancelToParent: false });
    assertInstanceOf(yield* errorOf(fromPromise(promise)), TypeError);
  });
});

Deno.test("spawnAsPromise(): its promise flattens what is thenable", async () => {
  const value: unknown = await main(() =>
    fromPromise(spawnAsPromise(function* () {
      return Fiber.returned("of the fiber");
    }))
  );
  assertEquals(value, "of the fiber");
});

Deno.test("spawnAsPromiseFromAnywhere(): aborted with its main it rejects with FiberAborted, quietly", async () => {
  let promise: Promise<never> | undefined;
  const reasons = await unhandledDuring(async () => {
    const handle = main(forever);
    promise = spawnAsPromiseFromAnywhere(handle.scheduler, forever);
    await hostTurn();
    await handle.abort("all");
  });
  assertEquals(reasons, []);
  const error = await assertRejects(() => promise!, FiberAborted);
  assertEquals(reasonOf({ ok: false, error }), "all");
});

Deno.test("spawnAsPromiseFromAnywhere() on a scheduler that was disposed of throws Inactive", async () => {
  const handle = main(forever);
  handle.scheduler.dispose();
  assertThrows(
    () => spawnAsPromiseFromAnywhere(handle.scheduler, forever),
    Inactive,
    "Cannot spawn",
  );
  await assertRejects(async () => void (await handle), FiberAborted);
});

Deno.test("spawnAsPromiseFromAnywhere() in a fiber: it is the root that waits for it", () => {
  const log: string[] = [];
  virtually(function* () {
    const fiber = spawn(function* () {
      spawnAsPromiseFromAnywhere(getScheduler(), function* () {
        yield* settle();
        log.push("visitor");
      });
    }, { finally: () => log.push("fiber") });
    yield* fiber;
  });
  assertEquals(log, ["fiber", "visitor"]);
});
