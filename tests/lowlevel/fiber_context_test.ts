import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { Abort, cancelScope, Event, fiberIdNil, protect, scope, spawn, yieldNow } from "@weft/weft";
import { FiberContext, suspend } from "@weft/weft/lowlevel";
import { reasonOf } from "../kit/results.ts";
import { cancellable, gate } from "../kit/suspensions.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";
import { errorOf, settle, virtually, waiting } from "../kit/virtually.ts";

// deno-lint-ignore no-explicit-any -- arguments of the wrong type are what is tested
const notFunctions: any[] = [undefined, null, 1, "enter", {}, function* () {}()];

Deno.test("FiberContext.makeRoot() belongs to no fiber, and isn't cancelled", () => {
  const root = FiberContext.makeRoot();
  assert(root instanceof FiberContext);
  assertEquals(root.tid, fiberIdNil);
  assertEquals(root.getError(), undefined);
  assertEquals(root.cancellationContext.error, undefined);
  assertEquals(root.cancellationContext.protected, false);
  root.cancellationContext.check();
  assert(!({} instanceof FiberContext));
});

Deno.test("FiberContext.makeRoot(): two roots have nothing to do with each other", () => {
  const [a, b] = [FiberContext.makeRoot(), FiberContext.makeRoot()];
  a.cancellationContext.cancel();
  assertInstanceOf(a.getError(), Abort);
  assertEquals(b.getError(), undefined);
});

Deno.test("FiberContext.makeRoot(): its cancellationContext cancels it, once", () => {
  const root = FiberContext.makeRoot();
  const calls: unknown[] = [];
  root.setCancelFn((error) => void calls.push(error));
  root.cancellationContext.cancel("first");
  root.cancellationContext.cancel("second");
  const error = root.getError();
  assertInstanceOf(error, Abort);
  assertEquals(error.cause, "first");
  assertEquals(calls, [error]);
  assertStrictEquals(root.cancellationContext.error, error);
  assertStrictEquals(assertThrows(() => root.cancellationContext.check()), error);
});

Deno.test("FiberContext.makeRoot(): what its cancel function throws is reported", () => {
  const failure = new Error("no");
  const reported = uncaughtDuring(() => {
    const root = FiberContext.makeRoot();
    root.setCancelFn(() => {
      throw failure;
    });
    root.cancellationContext.cancel();
  });
  assertEquals(reported, [failure]);
});

Deno.test("FiberContext.makeRoot(): clearCancelFn forgets the cancel function", () => {
  const root = FiberContext.makeRoot();
  root.setCancelFn(() => assert(false, "it was cleared"));
  root.clearCancelFn();
  assertEquals(uncaughtDuring(() => root.cancellationContext.cancel()), []);
  assertInstanceOf(root.getError(), Abort);
});

Deno.test("FiberContext.destroy(): a root that is gone can't be cancelled", () => {
  const root = FiberContext.makeRoot();
  root.setCancelFn(() => assert(false, "it is gone"));
  root.destroy();
  assertEquals(uncaughtDuring(() => root.cancellationContext.cancel()), []);
  assertEquals(root.getError(), undefined);
  root.destroy();
});

Deno.test("FiberContext.destroy() of a fiber's: its cancel function isn't called, its siblings' are", () => {
  virtually(function* () {
    let calls = 0;
    const { pass, resume, context } = gate<string>();
    const fiber = yield* waiting(pass());
    const sibling = yield* waiting(cancellable(() => calls++));
    context().setCancelFn(() => calls += 10);
    context().destroy();
    fiber.abort();
    yield* sibling.abort();
    yield* settle();
    assertEquals([calls, fiber.state], [1, "aborting"]);
    resume({ ok: true, value: "whole" });
    yield* fiber.join();
  });
});

for (const f of notFunctions) {
  Deno.test(`FiberContext.setCancelFn(${Deno.inspect(f)}) throws a TypeError`, () => {
    const root = FiberContext.makeRoot();
    assertThrows(() => root.setCancelFn(f), TypeError, "Cannot set the cancel function");
  });
}

Deno.test("FiberContext.cancellationContext is the innermost context: cancels just that part", () => {
  virtually(function* () {
    const log: unknown[] = [];
    const fiber = spawn(function* () {
      log.push(
        yield* cancelScope(() =>
          suspend<number>((context, resume) => {
            context.setCancelFn((error) => resume({ ok: false, error }));
            context.cancellationContext.cancel("part");
          })
        ),
      );
      yield* yieldNow();
      return "the fiber goes on";
    });
    assertEquals(yield* fiber, "the fiber goes on");
    assertEquals(log, [undefined]);
  });
});

Deno.test("FiberContext.cancellationContext.cancel() of a fiber aborts the fiber", () => {
  virtually(function* () {
    const { pass, resume, context } = gate<void>();
    const fiber = yield* waiting(pass());
    context().cancellationContext.cancel("by its context");
    assertEquals(fiber.state, "aborting");
    assertEquals(context().getError()?.cause, "by its context");
    assertStrictEquals(
      assertThrows(() => context().cancellationContext.check()),
      context().getError(),
    );
    resume({ ok: false, error: context().getError() });
    assertEquals(reasonOf(yield* fiber.join()), "by its context");
    context().cancellationContext.cancel("too late");
    assertEquals(reasonOf(fiber.poll()!), "by its context");
  });
});

Deno.test("FiberContext.cancellationContext.protected is true inside protect, however deep", () => {
  virtually(function* () {
    const seen: boolean[] = [];
    const look = () =>
      suspend<void>((context, resume) => {
        seen.push(context.cancellationContext.protected);
        resume({ ok: true, value: undefined });
      });
    yield* look();
    yield* protect(look);
    yield* protect(() => scope(look));
    yield* protect(function* () {
      yield* spawn(look);
    });
    yield* look();
    assertEquals(seen, [false, true, true, true, false]);
  });
});

Deno.test("FiberContext.cancellationContext.signal is aborted when the context is", () => {
  const early = FiberContext.makeRoot().cancellationContext;
  const { signal } = early;
  assertEquals(signal.aborted, false);
  const reasons: unknown[] = [];
  signal.addEventListener("abort", () => reasons.push(signal.reason));
  early.cancel("now");
  assertEquals(reasons, [early.error]);
  assertStrictEquals(early.signal, signal);

  const late = FiberContext.makeRoot().cancellationContext;
  late.cancel("before anybody asked");
  assertEquals(late.signal.aborted, true);
  assertStrictEquals(late.signal.reason, late.error);
});

Deno.test("FiberContext.cancellationContext.dump() lists the contexts below, one a line", () => {
  virtually(function* () {
    const dumps: string[] = [];
    const dump = () =>
      suspend<void>((context, resume) => {
        dumps.push(context.cancellationContext.dump());
        resume({ ok: true, value: undefined });
      });
    const fiber = spawn(
      () =>
        scope(function* (inner) {
          inner.spawn(() => Event.never(), { name: "kid" });
          yield* yieldNow();
          yield* dump();
          inner.cancel();
          yield* errorOf(dump());
          dumps.push(inner.dump());
        }),
      { name: "parent", propagateCancelToParent: false },
    );
    yield* fiber.join();
    const kid = `  kid (#${fiber.id + 1}): an event that never happens`;
    assertEquals(dumps[0], `scope\n${kid}`);
    assertStringIncludes(dumps[1]!, "scope (cancelled)\n  kid");
    assertEquals(dumps.length, 2);
  });
});
