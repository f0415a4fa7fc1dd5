import { assertEquals, assertThrows } from "@std/assert";
import {
  Event,
  FiberLocal,
  getScheduler,
  Inactive,
  run,
  scope,
  spawn,
  spawnAsChildOf,
  spawnFromAnywhere,
  yieldNow,
} from "@weft/weft";
import { errorOf, valueOf } from "../kit/results.ts";
import { forEachScheduler } from "../kit/schedulers.ts";

forEachScheduler((name, run) => {
  Deno.test(`FiberLocal: each fiber starts with a fresh init(), called when it first asks (${name})`, () => {
    let made = 0;
    const local = new FiberLocal(() => ({ number: ++made }));
    const result = run(function* () {
      assertEquals(made, 0);
      const mine = local.get();
      assertEquals(local.get() === mine, true);
      const its = yield* spawn(function* () {
        return local.get();
      });
      return [mine, its, local.get()];
    });
    assertEquals(valueOf(result), [{ number: 1 }, { number: 2 }, { number: 1 }]);
    assertEquals(made, 2);
  });

  Deno.test(`FiberLocal.set() is seen by this fiber alone (${name})`, () => {
    const local = new FiberLocal(() => "initial");
    const result = run(function* () {
      const child = spawn(function* () {
        const before = local.get();
        local.set("child's");
        yield* yieldNow();
        return [before, local.get()];
      });
      local.set("parent's");
      yield* yieldNow();
      return [local.get(), ...yield* child, local.get()];
    });
    assertEquals(valueOf(result), ["parent's", "initial", "child's", "parent's"]);
  });

  Deno.test(`T32: FiberLocal with inherit: a spawned fiber starts with what its spawner has then (${name})`, () => {
    const local = new FiberLocal(() => "initial", { inherit: true });
    const read = function* () {
      yield* yieldNow();
      return local.get();
    };
    const result = run(function* () {
      const before = spawn(read);
      local.set("one");
      const one = spawn(function* () {
        local.set("changed by the child");
        return yield* spawn(read);
      });
      local.set("two");
      const two = spawn(read);
      return [yield* before, yield* one, yield* two, local.get()];
    });
    assertEquals(valueOf(result), ["initial", "changed by the child", "two", "two"]);
  });

  Deno.test(`FiberLocal with inherit: a scope's fiber inherits from whoever calls Scope.spawn (${name})`, () => {
    const local = new FiberLocal(() => "initial", { inherit: true });
    const read = function* () {
      return local.get();
    };
    const result = run(() =>
      scope(function* (nursery) {
        const other = spawn(() => Event.never());
        local.set("owner's");
        const seen = yield* spawn(function* () {
          local.set("spawner's");
          const guest = spawnAsChildOf(getScheduler(), other, read);
          return [yield* nursery.spawn(read), yield* guest];
        });
        other.abort();
        return seen;
      })
    );
    assertEquals(valueOf(result), ["spawner's", "spawner's"]);
  });

  Deno.test(`FiberLocal.with() sets the value for the body, and puts back what was before (${name})`, () => {
    for (const inherit of [false, true]) {
      const local = new FiberLocal(() => "initial", { inherit });
      const result = run(function* () {
        const seen: string[] = [];
        const value = yield* local.with("outer", function* () {
          seen.push(local.get());
          yield* local.with("inner", function* () {
            seen.push(local.get());
            yield* yieldNow();
            local.set("changed");
            seen.push(local.get());
          });
          seen.push(local.get());
          return "value";
        });
        seen.push(local.get());
        return [value, ...seen];
      });
      assertEquals(valueOf(result), ["value", "outer", "inner", "changed", "outer", "initial"]);
    }
  });

  Deno.test(`FiberLocal.with() puts back what was before when the body throws or is aborted (${name})`, () => {
    const local = new FiberLocal(() => "initial");
    const result = run(function* () {
      local.set("mine");
      try {
        yield* local.with("within", function* () {
          throw new Error("body");
        });
      } catch {
        assertEquals(local.get(), "mine");
      }
      const seen: string[] = [];
      const fiber = spawn(function* () {
        local.set("its");
        try {
          yield* local.with("within", function* () {
            seen.push(local.get());
            yield* Event.never();
          });
        } finally {
          seen.push(local.get());
        }
      });
      while (seen.length === 0) yield* yieldNow();
      yield* fiber.abort();
      return seen;
    });
    assertEquals(valueOf(result), ["within", "its"]);
  });

  Deno.test(`FiberLocal.with() puts back that there was no value: init() is called afterwards (${name})`, () => {
    let made = 0;
    const local = new FiberLocal(() => ++made);
    const result = run(function* () {
      yield* local.with(100, yieldNow);
      return local.get();
    });
    assertEquals(valueOf(result), 1);
  });

  Deno.test(`FiberLocal: undefined is a value like any other (${name})`, () => {
    let made = 0;
    const local = new FiberLocal<string | undefined>(() => `made ${++made}`);
    const initially = new FiberLocal<undefined>(() => void made++);
    const result = run(function* () {
      local.set(undefined);
      assertEquals(local.get(), undefined);
      assertEquals(made, 0);
      initially.get();
      initially.get();
      assertEquals(made, 1);
      local.set("something");
      return yield* local.with(undefined, function* () {
        return local.get();
      });
    });
    assertEquals(valueOf(result), undefined);
  });

  Deno.test(`FiberLocal: what init() throws is thrown by get() (${name})`, () => {
    const error = new Error("init");
    const local = new FiberLocal(() => {
      throw error;
    });
    const result = run(function* () {
      local.get();
    });
    assertEquals(errorOf(result), error);
  });
});

Deno.test("FiberLocal: spawnFromAnywhere inherits from the root, not from the caller", () => {
  const local = new FiberLocal(() => "initial", { inherit: true });
  const read = function* () {
    return local.get();
  };
  const result = run(function* () {
    local.set("root's");
    return yield* spawn(function* () {
      local.set("caller's");
      return [yield* spawn(read), yield* spawnFromAnywhere(getScheduler(), read)];
    });
  });
  assertEquals(valueOf(result), ["caller's", "root's"]);
});

Deno.test("FiberLocal.get(), set() and with() outside of any fiber throw Inactive", () => {
  const local = new FiberLocal(() => 0);
  assertThrows(() => local.get(), Inactive, "Cannot get a fiber-local: no fiber runs here");
  assertThrows(() => local.set(1), Inactive, "Cannot set a fiber-local");
  assertThrows(() => local.with(1, yieldNow)[Symbol.iterator]().next(), Inactive);
});
