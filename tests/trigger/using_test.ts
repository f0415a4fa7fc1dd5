/** What domain-local-await says of `using`, and how its extents lie on each other. */
import {
  assertEquals,
  assertNotStrictEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  Channel,
  Fiber,
  Inactive,
  main,
  prepareForAwait,
  run,
  spawn,
  type Trigger,
  using,
  yieldNow,
} from "@weft/weft";
import { Thenable } from "../kit/source.ts";
import { virtually } from "../kit/virtually.ts";

/** A scheduler that can be told from others: it prepares one and the same trigger, and counts. */
class Mechanism {
  /** How often it was asked. */
  asked = 0;
  readonly trigger: Trigger = {
    release() {},
    await: () => {
      throw new Error("this scheduler blocks nobody");
    },
  };

  readonly prepareForAwait = (): Trigger => {
    this.asked++;
    return this.trigger;
  };

  /** Whether it is the one that blocks here. */
  get isRegistered(): boolean {
    return prepareForAwait() === this.trigger;
  }

  during<T>(whileRunning: () => T): T {
    return using({ prepareForAwait: this.prepareForAwait, whileRunning });
  }
}

/** Names the mechanism that is registered here. */
function registered(mechanisms: Record<string, Mechanism>): string {
  const trigger = prepareForAwait();
  const found = Object.entries(mechanisms).find(([, mechanism]) => mechanism.trigger === trigger);
  return found?.[0] ?? "none";
}

// Extents that nest ------------------------------------------------------------------------------

Deno.test("using() registers the mechanism while whileRunning runs, and returns what that returns", () => {
  const a = new Mechanism();
  const value = { it: true };
  assertEquals(a.isRegistered, false);
  const result = a.during(() => {
    assertEquals(a.isRegistered, true);
    return value;
  });
  assertStrictEquals(result, value);
  assertEquals(a.isRegistered, false);
});

Deno.test("using() calls prepareForAwait anew for each prepareForAwait()", () => {
  const prepared: Trigger[] = [];
  using({
    prepareForAwait() {
      const trigger = { release() {}, await: () => new Mechanism().trigger.await() };
      prepared.push(trigger);
      return trigger;
    },
    whileRunning() {
      assertEquals(prepared.length, 0, "not before");
      const [first, second] = [prepareForAwait(), prepareForAwait()];
      assertNotStrictEquals(first, second);
      assertEquals(prepared, [first, second]);
    },
  });
});

Deno.test("using() may be given a mechanism that returns one trigger again and again", () => {
  const a = new Mechanism();
  a.during(() => assertStrictEquals(prepareForAwait(), prepareForAwait()));
  assertEquals(a.asked, 2);
});

Deno.test("using() nests: the one before is back afterwards", () => {
  const [a, b] = [new Mechanism(), new Mechanism()];
  const seen: string[] = [];
  const look = () => void seen.push(registered({ a, b }));
  look();
  a.during(() => {
    look();
    b.during(() => {
      look();
      a.during(look);
      look();
    });
    look();
  });
  look();
  assertEquals(seen, ["none", "a", "b", "a", "b", "a", "none"]);
});

Deno.test("using() is over when whileRunning throws, and the error is that very one", () => {
  const [a, b] = [new Mechanism(), new Mechanism()];
  const error = { thrown: true };
  a.during(() => {
    try {
      b.during(() => {
        throw error;
      });
    } catch (thrown) {
      assertStrictEquals(thrown, error);
    }
    assertEquals(registered({ a, b }), "a");
  });
  assertEquals(registered({ a, b }), "none");
});

Deno.test("prepareForAwait() throws what the registered one throws, and the extent goes on", () => {
  const cancelled = new Error("the task was cancelled");
  let times = 0;
  using({
    prepareForAwait() {
      if (++times === 1) throw cancelled;
      return new Mechanism().trigger;
    },
    whileRunning() {
      assertStrictEquals(assertThrows(() => prepareForAwait()), cancelled);
      prepareForAwait();
    },
  });
  assertEquals(times, 2);
});

// Extents that last ------------------------------------------------------------------------------

Deno.test("using() of an async function lasts until its promise resolves", async () => {
  const a = new Mechanism();
  const { promise, resolve } = Promise.withResolvers<string>();
  const result = a.during(async () => {
    assertEquals(a.isRegistered, true);
    const value = await promise;
    assertEquals(a.isRegistered, true);
    return value;
  });
  assertEquals(a.isRegistered, true, "also outside of the function: the realm has one stack");
  await Promise.resolve();
  assertEquals(a.isRegistered, true);
  resolve("done");
  assertEquals(await result, "done");
  assertEquals(a.isRegistered, false);
});

Deno.test("using() of an async function lasts until its promise rejects", async () => {
  const a = new Mechanism();
  const error = new Error("it");
  const result = a.during(async () => {
    await Promise.resolve();
    assertEquals(a.isRegistered, true);
    throw error;
  });
  assertEquals(a.isRegistered, true);
  assertStrictEquals(await assertRejects(() => result), error);
  assertEquals(a.isRegistered, false);
});

for (const settle of ["resolve", "reject"] as const) {
  Deno.test(`using() of anything with a then lasts until that calls back, with ${settle}`, () => {
    const a = new Mechanism();
    const thenable = new Thenable<number>();
    assertStrictEquals(a.during(() => thenable), thenable);
    assertEquals([a.isRegistered, thenable.reactions], [true, 1]);
    thenable[settle](1);
    assertEquals(a.isRegistered, false);
  });
}

Deno.test("using() doesn't take an operation for a promise: it hands it on, unused", () => {
  const a = new Mechanism();
  const channel = new Channel<number>();
  const operation = a.during(() => channel.receive());
  assertEquals(a.isRegistered, false);
  assertEquals(channel.statistics().receiversWaiting, 0);
  channel.trySend(7);
  assertEquals(run(() => operation), { ok: true, value: { value: 7 } });
});

Deno.test("using() of an async function that throws at once is over soon, and never throws itself", async () => {
  const a = new Mechanism();
  // deno-lint-ignore require-await -- a rejection, not a throw, is what is tested
  const result = a.during(async () => {
    throw new Error("at once");
  });
  assertEquals(a.isRegistered, true);
  await assertRejects(() => result, Error, "at once");
  assertEquals(a.isRegistered, false);
});

Deno.test("using() takes off its own registration, wherever it stands by then", async () => {
  const [a, b, c] = [new Mechanism(), new Mechanism(), new Mechanism()];
  const ends = Array.from({ length: 3 }, () => Promise.withResolvers<void>());
  const extents = [a, b, c].map((mechanism, i) => mechanism.during(() => ends[i]!.promise));
  const seen = [registered({ a, b, c })];
  for (const i of [1, 2, 0]) {
    ends[i]!.resolve();
    await extents[i];
    seen.push(registered({ a, b, c }));
  }
  assertEquals(seen, ["c", "c", "a", "none"]);
});

Deno.test("using() tells two extents of one mechanism apart", async () => {
  const [a, b] = [new Mechanism(), new Mechanism()];
  const ends = Array.from({ length: 2 }, () => Promise.withResolvers<void>());
  const options = { prepareForAwait: a.prepareForAwait };
  const first = using({ ...options, whileRunning: () => ends[0]!.promise });
  await b.during(async () => {
    const second = using({ ...options, whileRunning: () => ends[1]!.promise });
    assertEquals(registered({ a, b }), "a");
    ends[0]!.resolve();
    await first;
    assertEquals(registered({ a, b }), "a", "the second lies on top");
    ends[1]!.resolve();
    await second;
    assertEquals(registered({ a, b }), "b", "not the first, which is gone");
  });
  assertEquals(registered({ a, b }), "none");
});

Deno.test("using() in the middle of an async extent is over before that", async () => {
  const [a, b] = [new Mechanism(), new Mechanism()];
  const seen: string[] = [];
  await a.during(async () => {
    b.during(() => seen.push(registered({ a, b })));
    seen.push(registered({ a, b }));
    await Promise.resolve();
    seen.push(registered({ a, b }));
  });
  seen.push(registered({ a, b }));
  assertEquals(seen, ["b", "a", "a", "none"]);
});

// Fibers of ours ---------------------------------------------------------------------------------

Deno.test("using() hides the current fiber for the call, and only for that", () => {
  virtually(function* () {
    const fiber = Fiber.current();
    const a = new Mechanism();
    a.during(() => {
      assertEquals(a.isRegistered, true);
      assertThrows(() => Fiber.current(), Inactive);
      assertThrows(() => spawn(() => yieldNow()), Inactive);
    });
    assertStrictEquals(Fiber.current(), fiber);
    assertEquals(a.isRegistered, false);
    assertThrows(() =>
      a.during(() => {
        throw new Error("it");
      })
    );
    assertStrictEquals(Fiber.current(), fiber, "also after a throw");
    yield* yieldNow();
  });
});

Deno.test("prepareForAwait() in a fiber is the fiber's, though a mechanism is registered", async () => {
  const a = new Mechanism();
  const { promise, resolve } = Promise.withResolvers<void>();
  const extent = a.during(() => promise);
  const asked = a.asked;
  virtually(function* () {
    for (let time = 0; time < 2; time++) {
      const trigger = prepareForAwait();
      assertNotStrictEquals(trigger, a.trigger);
      trigger.release();
      yield* trigger.await();
    }
  });
  await main(function* () {
    assertEquals(a.isRegistered, false);
    yield* yieldNow();
    assertEquals(a.isRegistered, false);
  });
  assertEquals(a.asked, asked);
  assertEquals(a.isRegistered, true);
  resolve();
  await extent;
});

Deno.test("using() of an async function in a fiber: the fiber goes on as itself", async () => {
  const a = new Mechanism();
  const { promise, resolve } = Promise.withResolvers<void>();
  const extents: Promise<void>[] = [];
  await main(function* () {
    const fiber = Fiber.current();
    extents.push(a.during(async () => {
      assertEquals(a.isRegistered, true);
      await promise;
      assertEquals(a.isRegistered, true);
    }));
    assertEquals(a.isRegistered, false);
    yield* yieldNow();
    assertStrictEquals(Fiber.current(), fiber);
  });
  assertEquals(a.isRegistered, true);
  resolve();
  await Promise.all(extents);
  assertEquals(a.isRegistered, false);
});

Deno.test("run() in an extent of using() has fibers of its own, and gives it back", () => {
  const a = new Mechanism();
  a.during(() => {
    const result = run(function* () {
      assertEquals(a.isRegistered, false);
      yield* yieldNow();
      return "it";
    });
    assertEquals(result, { ok: true, value: "it" });
    assertEquals(a.isRegistered, true);
  });
});

Deno.test("a yield* outside our own fibers consults using(); await never does", async () => {
  const channel = new Channel<number>();
  const a = new Mechanism();
  await a.during(async () => {
    const waiting = channel.receive().then((item) => item?.value);
    assertEquals(a.asked, 0);
    channel.trySend(1);
    assertEquals(await waiting, 1);
    assertEquals(a.asked, 0);
    assertThrows(() => [...channel.receive()], Error, "this scheduler blocks nobody");
    assertEquals(a.asked, 1);
  });
  assertEquals(channel.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
});

// Misuse -----------------------------------------------------------------------------------------

Deno.test("using() of wrong arguments is a TypeError, registers nothing and runs nothing", () => {
  let ran = 0;
  const a = new Mechanism();
  const { prepareForAwait } = a;
  const whileRunning = () => void ran++;
  const bad: [options: unknown, message: string][] = [
    [undefined, "using takes { prepareForAwait, whileRunning }, got undefined"],
    [null, "using takes { prepareForAwait, whileRunning }, got null"],
    [whileRunning, "using takes { prepareForAwait, whileRunning }, got function whileRunning"],
    [{ whileRunning }, "prepareForAwait must be a function, got undefined"],
    [{ prepareForAwait: {}, whileRunning }, "prepareForAwait must be a function, got an Object"],
    [{ prepareForAwait }, "whileRunning must be a function, got undefined"],
    [{ prepareForAwait, whileRunning: 1 }, "whileRunning must be a function, got 1"],
  ];
  for (const [options, message] of bad) {
    assertThrows(
      () => using(options as Parameters<typeof using>[0]),
      TypeError,
      `Cannot register a scheduler: ${message}`,
    );
  }
  assertEquals([ran, a.isRegistered], [0, false]);
});

Deno.test("law 13: a registered prepareForAwait that returns no trigger is a TypeError", () => {
  for (const wrong of [undefined, null, 1, {}, { release() {} }, { await() {} }]) {
    using({
      prepareForAwait: () => wrong as unknown as Trigger,
      whileRunning() {
        const message = "Cannot prepare a trigger: the registered prepareForAwait must return one";
        assertThrows(() => prepareForAwait(), TypeError, message);
        assertThrows(() => [...yieldNow()], TypeError, message);
      },
    });
  }
});
