import process from "node:process";
import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertMatch,
  assertNotMatch,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import {
  Event,
  Fiber,
  FiberAborted,
  fromPromise,
  getScheduler,
  Inactive,
  main,
  protect,
  sleep,
  spawn,
  spawnFromAnywhere,
  yieldNow,
} from "@weft/weft";
import { countedSignal } from "../kit/counted_signal.ts";
import { runScript, startScript } from "../kit/scripts.ts";
import { hostTurn } from "../kit/uncaught.ts";

const script = (name: string) => new URL(`scripts/${name}.ts`, import.meta.url);

// A promise --------------------------------------------------------------------------------------

Deno.test("main() returns at once, and the body starts soon", async () => {
  const log: string[] = [];
  const handle = main(function* () {
    log.push("body");
  });
  log.push("returned");
  await handle;
  assertEquals(log, ["returned", "body"]);
});

Deno.test("main() is the promise of its value, and can be awaited more than once", async () => {
  const handle = main(function* () {
    yield* sleep(1);
    return { a: 1 };
  });
  assertStrictEquals(await handle, await handle);
  assertEquals(await handle.then(({ a }) => a + 1), 2);
});

Deno.test("main() rejects with the very failure", async () => {
  const error = new Error("body");
  const handle = main(function* () {
    spawn(function* () {
      throw error;
    });
    yield* Event.never();
  });
  assertStrictEquals(await handle.then(() => undefined, (error) => error), error);
});

Deno.test("main() that returns a fiber gives the fiber's value, as promises flatten", async () => {
  const value: number = await main(function* () {
    return spawn(() => Event.always(7));
  });
  assertEquals(value, 7);
});

Deno.test("main() waits for everything that was spawned", async () => {
  const log: string[] = [];
  await main(function* () {
    spawn(function* () {
      yield* sleep(2);
      log.push("spawned");
    });
  });
  assertEquals(log, ["spawned"]);
});

Deno.test("main() names its first fiber after its body, and runs several at a time", async () => {
  function* program() {
    yield* yieldNow();
    return Fiber.current().name;
  }
  const names = await Promise.all([
    main(program),
    main(program, { name: "mine" }),
    main(() => program()),
  ]);
  assertEquals(names, ["program", "mine", "main"]);
});

Deno.test("main() within a fiber is a program of its own", async () => {
  const value = await main(function* () {
    const inner = main(function* () {
      yield* sleep(1);
      return [Fiber.current().name, getScheduler()];
    }, { name: "inner" });
    const [name, scheduler] = yield* fromPromise(inner);
    return [name, scheduler === getScheduler()];
  });
  assertEquals(value, ["inner", false]);
});

Deno.test("Main.scheduler is for spawning from anywhere, until the end", async () => {
  const gate = Promise.withResolvers<void>();
  const handle = main(() => fromPromise(gate.promise));
  await hostTurn();
  const visitor = spawnFromAnywhere(handle.scheduler, () => Event.always("visitor"));
  assertEquals(await visitor, "visitor");
  assertEquals(handle.scheduler.active, true);
  gate.resolve();
  await handle;
  assertEquals(handle.scheduler.active, false);
  const error = assertThrows(() => spawnFromAnywhere(handle.scheduler, yieldNow), Inactive);
  assertStringIncludes(error.message, "the scheduler is not active");
});

Deno.test("sleep() on the host never takes less than asked for", async () => {
  await main(function* () {
    for (const ms of [0.5, 1, 3]) {
      const start = performance.now();
      yield* sleep(ms);
      assert(performance.now() - start >= ms);
    }
  });
});

// Aborting ---------------------------------------------------------------------------------------

Deno.test("Main.abort() aborts at the call, and resolves when everything is gone", async () => {
  const log: string[] = [];
  const handle = main(function* () {
    try {
      yield* Event.never();
    } finally {
      log.push("aborted");
      yield* protect(() => sleep(2));
      log.push("cleaned up");
    }
  });
  await hostTurn();
  const gone = handle.abort("enough");
  assertInstanceOf(gone, Promise);
  assertEquals(await gone, undefined);
  assertEquals(log, ["aborted", "cleaned up"]);
  const error = await assertRejects(() => Promise.resolve(handle), FiberAborted);
  assertEquals(error.cause.cause, "enough");
});

Deno.test("Main.abort() before the start: the body never runs", async () => {
  let ran = false;
  const handle = main(function* () {
    ran = true;
  });
  await handle.abort();
  await assertRejects(() => Promise.resolve(handle), FiberAborted);
  assertEquals(ran, false);
});

Deno.test("Main.abort() after the end, or again, resolves as well", async () => {
  const handle = main(() => Event.always(1));
  assertEquals(await handle, 1);
  await handle.abort();
  await handle.abort();
  assertEquals(await handle, 1);
});

Deno.test("Main.abort() resolves though the clean-up fails; main rejects with that", async () => {
  const error = new Error("in the clean-up");
  const handle = main(function* () {
    try {
      yield* Event.never();
    } finally {
      // deno-lint-ignore no-unsafe-finally -- a clean-up that fails is what this is about
      throw error;
    }
  });
  const caught = handle.then(() => undefined, (error) => error);
  await hostTurn();
  assertEquals(await handle.abort(), undefined);
  assertStrictEquals(await caught, error);
});

Deno.test("main() that is aborted and not awaited is quiet", async () => {
  // An unhandled rejection would fail the test.
  await main(() => Event.never()).abort();
  await hostTurn();
  await hostTurn();
});

Deno.test("main() with a signal is aborted by it, with the signal's reason", async () => {
  const controller = new AbortController();
  const handle = main(() => sleep(Infinity), { signal: controller.signal });
  await hostTurn();
  controller.abort("by the signal");
  const error = await assertRejects(() => Promise.resolve(handle), FiberAborted);
  assertEquals(error.cause.cause, "by the signal");
});

Deno.test("main() with a signal that is aborted already never runs its body", async () => {
  let ran = false;
  const handle = main(function* () {
    ran = true;
  }, { signal: AbortSignal.abort("before") });
  const error = await assertRejects(() => Promise.resolve(handle), FiberAborted);
  assertEquals(error.cause.cause, "before");
  assertEquals(ran, false);
});

Deno.test("T26, law 9: main() takes its listener off the signal at the end, and a thousand share one", async () => {
  const counted = countedSignal();
  const { signal } = counted;
  const mains = Array.from({ length: 1000 }, () => main(() => yieldNow(), { signal }));
  assertEquals([counted.added, counted.listeners], [1, 1]);
  await Promise.all(mains);
  assertEquals(counted.listeners, 0);

  const aborted = Array.from({ length: 1000 }, () => main(() => sleep(Infinity), { signal }));
  assertEquals([counted.added, counted.listeners], [2, 1]);
  counted.controller.abort("all of them");
  for (const handle of aborted) {
    const error = await assertRejects(() => Promise.resolve(handle), FiberAborted);
    assertEquals(error.cause.cause, "all of them");
  }
  assertEquals(counted.listeners, 0);
});

// The host breathes ------------------------------------------------------------------------------

/** How often a 1 ms interval of the host fires while `busy` runs, and how long that took. */
async function ticksDuring(busy: () => PromiseLike<unknown>) {
  let ticks = 0;
  const interval = setInterval(() => ticks++, 1);
  const start = performance.now();
  try {
    await busy();
  } finally {
    clearInterval(interval);
  }
  return { ticks, ms: performance.now() - start };
}

const busyBodies: Record<string, () => Generator<never, void, unknown>> = {
  "a million yields": function* () {
    for (let n = 0; n < 1_000_000; n++) yield* yieldNow();
  },
  "chained promises": function* () {
    for (let n = 0; n < 50_000; n++) yield* fromPromise(Promise.resolve(n));
  },
  "spawning and joining": function* () {
    for (let n = 0; n < 100_000; n++) yield* spawn(yieldNow);
  },
};
for (const [what, body] of Object.entries(busyBodies)) {
  Deno.test(`law 10: T20: a 1 ms interval still fires during ${what}`, async () => {
    const { ticks, ms } = await ticksDuring(() => main(body));
    assert(ticks >= 2 && ticks > ms / 40, `${ticks} ticks in ${ms} ms`);
  });
}

/** The round trip of a byte through a socket, `count` times. */
async function socketTrips(count: number) {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using near = await Deno.connect({ hostname: "127.0.0.1", port: listener.addr.port });
  using far = await listener.accept();
  const buffer = new Uint8Array(1);
  for (let n = 0; n < count; n++) {
    const arrived = far.read(buffer);
    await near.write(buffer);
    await arrived;
  }
}

// Deno looks at its sockets in every 61st turn when it always has something to do.
Deno.test("law 10: sockets of the host make progress with each slice of busy fibers", async () => {
  let isOver = false;
  let slices = 0;
  let isCounted = false;
  const busy = main(function* () {
    for (; !isOver; yield* yieldNow()) {
      if (isCounted) continue;
      isCounted = true;
      slices++;
      setImmediate(() => isCounted = false);
    }
  });
  try {
    await socketTrips(10);
  } finally {
    isOver = true;
    await busy;
  }
  assert(slices < 10 * 20, `${slices} slices for 10 round trips`);
});

Deno.test("law 10: a program that does little never makes way for a macrotask", async () => {
  // How long ago the last turn was decides, so a pause at the wrong moment may cost an attempt.
  for (let attempt = 0; attempt < 50; attempt++) {
    const log: string[] = [];
    await main(() => sleep(1)); // the fibers were just given a turn
    const turn = hostTurn().then(() => log.push("the host's turn"));
    await main(function* () {
      for (let n = 0; n < 10; n++) yield* yieldNow();
      yield* spawn(yieldNow);
    });
    log.push("the program");
    await turn;
    if (log[0] === "the program") return;
  }
  throw new Error("every program waited for a turn of the host");
});

// Processes --------------------------------------------------------------------------------------

Deno.test("law 11: T35: main() that is stuck ends the process with a Deadlock that has names", async () => {
  const { code, stdout, stderr } = await runScript(script("stuck"));
  assertEquals(code, 1);
  assertEquals(stdout, "cleaned up\n");
  assertMatch(stderr, /Uncaught \(in promise\) Deadlock: Nothing can ever wake the fibers/);
  assertMatch(stderr, /program \(#\d+\) waits on a receive from a channel/);
  assertMatch(stderr, /consumer \(#\d+\) waits on a receive from a channel/);
});

Deno.test("law 11: two main() that wait for each other: what ends the one may wake the other", async () => {
  const { code, stdout } = await runScript(script("two_mains"));
  assertEquals(stdout, "stuck: Deadlock\nwaiting: from the clean-up\n");
  assertEquals(code, 0);
});

// The slice used to forget whom the handler had made ready, and to run empty for ever.
Deno.test("law 13: a fiber that the uncaught handler lets go on goes on, and nothing spins", async () => {
  const { code, stdout } = await runScript(script("uncaught_wakes"));
  const lines = stdout.trim().split("\n").toSorted();
  assertEquals(lines, [
    'aborted: The fiber "stuck" was aborted: told by the handler',
    "received: nobody looks at it",
  ]);
  assertEquals(code, 0);
});

Deno.test("Fiber that has ended keeps no body, no finally, no callback and no signal alive", async () => {
  const { stdout } = await runScript(script("finished"), "--v8-flags=--expose-gc");
  assertEquals(stdout.split("\n").slice(0, 6), [
    "the body: collected",
    "the finally: collected",
    "the callback of onResult: collected",
    "a body that never ran: collected",
    "a listener of a call's signal: collected",
    "terminated,terminated,terminated,terminated,terminated",
  ]);
});

Deno.test("law 13: main() that failed and is not awaited is an unhandled rejection", async () => {
  const { code, stderr } = await runScript(script("failed"));
  assertEquals(code, 1);
  assertStringIncludes(stderr, "Uncaught (in promise) Error: the program failed");
});

Deno.test("main() that was aborted and is not awaited ends the process quietly", async () => {
  const { code, stdout, stderr } = await runScript(script("aborted"));
  assertEquals([code, stdout, stderr], [0, "", ""]);
});

Deno.test("law 2: law 13: a failure that nobody looked at goes to reportError, and ends the process", async () => {
  const { code, stdout, stderr } = await runScript(script("unobserved"));
  assertEquals([code, stdout], [1, ""]);
  assertStringIncludes(stderr, "Uncaught Error: nobody looked");
  assertNotMatch(stderr, /in promise/);
});

Deno.test("law 6: main() that ends leaves nothing that keeps the process alive", async () => {
  const { code, stdout, stderr } = await runScript(script("done"));
  assertEquals([code, stdout, stderr], [0, "done\n", ""]);
});

for (const [signal, exitCode] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
  Deno.test(`main() with handleSignals: ${signal} cleans up and ends with ${exitCode}`, async () => {
    await using program = startScript(script("signals"));
    await program.wrote("ready");
    program.kill(signal);
    const { code, stdout, stderr } = await program.ended;
    assertEquals(code, exitCode);
    assertEquals(stdout.split("\n").toSorted(), [
      "",
      signal,
      "child cleaned up",
      "cleaned up",
      "ready",
    ]);
    assertEquals(stderr, "");
  });
}

Deno.test("main() with handleSignals: T34: sleep(Infinity) alone waits for the signal", async () => {
  await using program = startScript(script("endless"));
  await program.wrote("ready");
  const ended = await Promise.race([program.ended.then(() => true), hostTurn().then(() => false)]);
  assertEquals(ended, false);
  program.kill("SIGINT");
  assertEquals((await program.ended).code, 130);
});

Deno.test("main() with handleSignals: a second SIGINT ends the process at once", async () => {
  await using program = startScript(script("slow_cleanup"));
  await program.wrote("ready");
  program.kill("SIGINT");
  await program.wrote("cleaning");
  program.kill("SIGINT");
  const { signal, stderr } = await program.ended;
  assertEquals([signal, stderr], ["SIGINT", ""]);
});

Deno.test("law 9: main() with handleSignals: a thousand share one listener of the platform's", async () => {
  const before = process.listenerCount("SIGTERM");
  const crowd = () =>
    Array.from({ length: 1000 }, () => main(() => yieldNow(), { handleSignals: true }));
  for (let time = 0; time < 2; time++) {
    const mains = crowd();
    assertEquals(process.listenerCount("SIGTERM"), before + 1);
    await Promise.all(mains);
    assertEquals(process.listenerCount("SIGTERM"), before);
  }
});

Deno.test("main() with handleSignals lets go of the signals at its end", async () => {
  await using program = startScript(script("signals_returned"));
  await program.wrote("ready");
  program.kill("SIGTERM");
  assertEquals((await program.ended).signal, "SIGTERM");
});
