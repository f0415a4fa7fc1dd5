import { assert, assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { FiberAborted, main, type Operation, run, spawn, yieldNow } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { SharedTrigger, type SharedTriggerHandle } from "@weft/weft/thread";
import { errorOf, valueOf } from "../kit/results.ts";
import { forEachSchedulerAndMain } from "../kit/schedulers.ts";
import { hostTurn, uncaughtDuring, uncaughtSoon } from "../kit/uncaught.ts";
import { virtually } from "../kit/virtually.ts";
import { startThread, type TestThread } from "../kit/workers.ts";
import { CANCEL_STYLES, ToyScheduler } from "../world5/toy_scheduler.ts";
import { type Input, type TaskName, type World, WORLDS } from "./workers/shared.ts";

const module = new URL("./workers/shared.ts", import.meta.url);

function start<T>(task: TaskName, input: Partial<Input>): TestThread<T> {
  return startThread<T>(module, task, input);
}

function* waitOn(trigger: SharedTrigger, onCancel?: () => void): Operation<string> {
  yield* trigger.await(onCancel);
  return "released";
}

// One thread -------------------------------------------------------------------------------------

forEachSchedulerAndMain((where, run) => {
  Deno.test(`law 8: SharedTrigger.release() resumes whoever awaits (${where})`, async () => {
    const result = await run(function* () {
      const trigger = new SharedTrigger();
      const fiber = spawn(() => waitOn(trigger));
      spawn(function* () {
        SharedTrigger.from(trigger.handle).release();
      });
      return yield* fiber;
    });
    assertEquals(valueOf(result), "released");
  });

  Deno.test(`law 8: SharedTrigger.release() may come before, after, twice, detached (${where})`, async () => {
    const result = await run(function* () {
      const trigger = new SharedTrigger();
      const { release } = trigger;
      assertEquals([release(), release(), SharedTrigger.from(trigger.handle).release()], [
        undefined,
        undefined,
        undefined,
      ]);
      assertEquals(yield* waitOn(trigger), "released");
      release();
      const late = new SharedTrigger();
      const wait = late.await();
      late.release();
      yield* wait;
    });
    valueOf(result);
  });

  Deno.test(`law 4: SharedTrigger.await() that is aborted calls onCancel once, and release does nothing (${where})`, async () => {
    let cancels = 0;
    const result = await run(function* () {
      const trigger = new SharedTrigger();
      let begun = false;
      const fiber = spawn(function* () {
        begun = true;
        yield* trigger.await(() => void cancels++);
      }, { propagateCancelToParent: false });
      while (!begun) yield* yieldNow();
      fiber.abort();
      trigger.release();
      return errorOf(yield* fiber.join());
    });
    assertInstanceOf(valueOf(result), FiberAborted);
    assertEquals(cancels, 1);
  });

  Deno.test(`law 4: SharedTrigger that was released before the abort has happened, heard of or not (${where})`, async () => {
    let cancels = 0;
    const result = await run(function* () {
      const trigger = new SharedTrigger();
      const fiber = spawn(() => waitOn(trigger, () => void cancels++), {
        propagateCancelToParent: false,
      });
      spawn(function* () {
        trigger.release();
        fiber.abort();
      });
      return yield* fiber.join();
    });
    const joined = valueOf(result);
    // If the fiber had begun to wait, it happened; if it hadn't, the abort was first.
    if (joined.ok) assertEquals([joined.value, cancels], ["released", 0]);
    else assertEquals(cancels, 0, "the body never ran");
  });
});

Deno.test("law 4: SharedTrigger that is released while its fiber waits outruns the abort that follows", () => {
  virtually(function* () {
    const trigger = new SharedTrigger();
    let cancels = 0;
    let waits = false;
    const fiber = spawn(function* () {
      waits = true;
      return yield* waitOn(trigger, () => void cancels++);
    }, { propagateCancelToParent: false });
    while (!waits) yield* yieldNow();
    trigger.release();
    fiber.abort();
    assertEquals([yield* fiber.join(), cancels], [{ ok: true, value: "released" }, 0]);
  });
});

Deno.test("law 4: SharedTrigger.await() in a fiber that is aborting is refused, and onCancel is called", () => {
  let cancels = 0;
  const trigger = new SharedTrigger();
  virtually(function* () {
    const fiber = spawn(function* () {
      fiber.abort();
      yield* trigger.await(() => void cancels++);
    }, { propagateCancelToParent: false });
    assertInstanceOf(errorOf(yield* fiber.join()), FiberAborted);
  });
  assertEquals(cancels, 1);
});

Deno.test("SharedTrigger.await() is for once, whichever end it is called on", () => {
  const trigger = new SharedTrigger();
  trigger.await();
  assertThrows(() => trigger.await(), TypeError, "it was awaited already");
  assertThrows(() => SharedTrigger.from(trigger.handle).await(), TypeError, "awaited already");
  assertThrows(() => new SharedTrigger().await(3 as never), TypeError, "onCancel must be");
});

Deno.test("SharedTrigger.from() refuses what is no handle", () => {
  const { handle } = new SharedTrigger();
  const bad: unknown[] = [
    undefined,
    null,
    3,
    {},
    { ...handle, kind: "x" },
    {
      ...handle,
      buffer: new ArrayBuffer(8),
    },
    { ...handle, registry: undefined },
    {
      ...handle,
      buffer: handle.registry,
      registry: handle.buffer,
    },
    { ...handle, buffer: new SharedArrayBuffer(4) },
  ];
  for (const handle of bad) {
    const ways = [() => SharedTrigger.from(handle as SharedTriggerHandle)];
    if (handle !== undefined) ways.push(() => new SharedTrigger(handle as SharedTriggerHandle));
    for (const open of ways) {
      assertThrows(open, TypeError, "Cannot open the shared trigger: expected the handle");
    }
  }
});

Deno.test("law 13: what onCancel throws is reported, and the abort goes on", () => {
  const error = new Error("onCancel");
  const errors = uncaughtDuring(() =>
    virtually(function* () {
      const trigger = new SharedTrigger();
      const fiber = spawn(
        () =>
          waitOn(trigger, () => {
            throw error;
          }),
        { propagateCancelToParent: false },
      );
      yield* yieldNow();
      fiber.abort();
      assertInstanceOf(errorOf(yield* fiber.join()), FiberAborted);
    })
  );
  assertEquals(errors, [error]);
});

Deno.test("SharedTrigger.await() in an async function", async () => {
  const trigger = new SharedTrigger();
  const wait = trigger.await().then(() => "released");
  trigger.release();
  assertEquals(await wait, "released");
});

for (const resumesAtOnce of [false, true]) {
  const how = resumesAtOnce ? "within release" : "later";
  Deno.test(`SharedTrigger under a foreign scheduler that resumes ${how}`, async () => {
    const toy = new ToyScheduler({ resumesAtOnce });
    const trigger = new SharedTrigger();
    const task = toy.spawn(() => waitOn(trigger));
    toy.run();
    assertEquals(task.state, "suspended");
    trigger.release();
    await toy.during(async () => {
      while (task.state !== "returned") {
        toy.run();
        await hostTurn();
      }
    });
  });

  for (const style of CANCEL_STYLES) {
    for (const released of [false, true]) {
      const when = released ? "after the release" : "before it";
      Deno.test(`law 8: SharedTrigger.await() cancelled by a foreign scheduler (${style}, ${how}) ${when} calls onCancel once`, async () => {
        const toy = new ToyScheduler({ resumesAtOnce });
        const trigger = new SharedTrigger();
        let cancels = 0;
        const task = toy.spawn(() => waitOn(trigger, () => void cancels++));
        toy.run();
        if (released) trigger.release();
        toy.cancel(task, style);
        assertEquals([cancels, task.state], [1, "cancelled"], "it had not heard of the release");
        trigger.release();
        toy.run();
        await hostTurn();
        assertEquals(cancels, 1);
      });
    }
  }
}

Deno.test("law 13: a doorbell that nobody waits for leaves nothing uncaught", async () => {
  const errors = await uncaughtSoon(() => {
    const trigger = new SharedTrigger();
    trigger.await();
    trigger.release();
  });
  assertEquals(errors, []);
});

// Several threads --------------------------------------------------------------------------------

for (const world of WORLDS.filter((world: World) => world !== "an async function")) {
  Deno.test(`SharedTrigger that main releases wakes ${world} of another thread`, async () => {
    const trigger = new SharedTrigger();
    using thread = start<string>("awaitTrigger", { world, trigger: trigger.handle });
    await hostTurn();
    trigger.release();
    assertEquals(await thread.result, "woken");
  });
}

Deno.test("SharedTrigger that another thread releases wakes main, in a fiber and in a blocking run", async () => {
  const [one, two, three] = [new SharedTrigger(), new SharedTrigger(), new SharedTrigger()];
  using a = start("releaseTrigger", { trigger: one.handle });
  assertEquals(await main(() => waitOn(one)), "released");
  using b = start("releaseTrigger", { trigger: two.handle });
  assertEquals(valueOf(run(() => waitOn(two), { loop: blockingLoop() })), "released");
  using c = start("releaseTrigger", { trigger: three.handle });
  await three.await();
  await Promise.all([a.result, b.result, c.result]);
});

Deno.test("SharedTrigger.await() is for one thread: another is refused", async () => {
  const trigger = new SharedTrigger();
  const wait = trigger.await();
  using thread = start<string>("awaitTwice", { trigger: trigger.handle });
  assert((await thread.result).startsWith("TypeError: Cannot await the trigger"));
  trigger.release();
  await wait;
});
