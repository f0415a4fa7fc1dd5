/** Shared mutexes and semaphores between running threads. Nothing here depends on how fast they are. */
import { assertEquals } from "@std/assert";
import { Event, run, select, spawn, when, yieldNow } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import {
  SharedMutex,
  type SharedMutexHandle,
  SharedSemaphore,
  ThreadCrashedError,
} from "@weft/weft/thread";
import { withPool } from "../kit/pools.ts";
import { valueOf } from "../kit/results.ts";
import { uncaughtSoon } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";
import { startThread, type TestThread, until } from "../kit/workers.ts";
import { hammer, type Input, type TaskName, type World, WORLDS } from "./workers/shared.ts";

const module = new URL("./workers/shared.ts", import.meta.url);

function start<T>(task: TaskName, input: Partial<Input>): TestThread<T> {
  return startThread<T>(module, task, input);
}

function newLog(): SharedArrayBuffer {
  return new SharedArrayBuffer(16);
}

function word(log: SharedArrayBuffer, index = 0): number {
  return Atomics.load(new Int32Array(log), index);
}

const unlocked = { isLocked: false, waiting: 0 };

Deno.test("SharedMutex keeps all but one out, in all worlds of several threads at once", async () => {
  const mutex = new SharedMutex();
  const log = newLog();
  const rounds = 500;
  using threads = new DisposableStack();
  const results = WORLDS.map((world) => {
    return threads.use(start("hammer", { world, mutex: mutex.handle, log, rounds })).result;
  });
  const words = new Int32Array(log);
  const here: World[] = ["a fiber", "a fiber", "an async function"];
  await Promise.all([...results, ...here.map((world) => hammer(world, mutex, words, rounds))]);
  assertEquals([word(log), word(log, 1)], [(WORLDS.length + here.length) * rounds, 0]);
  assertEquals(mutex.statistics(), unlocked);
});

Deno.test("SharedMutex between blocking runs of main and of another thread", async () => {
  const mutex = new SharedMutex();
  const log = newLog();
  const rounds = 2000;
  using thread = start("hammer", { world: "a blocking run", mutex: mutex.handle, log, rounds });
  await until(() => word(log) > 0, "the other thread");
  const words = new Int32Array(log);
  hammer("a blocking run", mutex, words, rounds);
  await thread.result;
  assertEquals([word(log), mutex.statistics()], [2 * rounds, unlocked]);
});

Deno.test("SharedSemaphore gives out no more permits than there are, whoever takes how many", async () => {
  const semaphore = new SharedSemaphore(4);
  const log = newLog();
  using threads = new DisposableStack();
  const worlds: World[] = ["a fiber", "a blocking run", "a scheduler of one's own"];
  const results = worlds.map((world) => {
    const input = { world, semaphore: semaphore.handle, log, rounds: 1000 };
    return threads.use(start("takePermits", input)).result;
  });
  await Promise.all(results);
  assertEquals([word(log), word(log, 1)], [0, 0]);
  assertEquals(semaphore.statistics(), { available: 4, waiting: 0 });
});

Deno.test("SharedSemaphore: those who want few in other threads don't keep one who wants all from it", async () => {
  const semaphore = new SharedSemaphore(3);
  using threads = new DisposableStack();
  const log = newLog();
  const input = { semaphore: semaphore.handle, log, rounds: Infinity };
  const worlds: World[] = ["a blocking run", "a blocking run"];
  const others = worlds.map((world) =>
    threads.use(start("takePermits", { ...input, world })).result
  );
  for (let n = 0; n < 20; n++) {
    const guard = await semaphore.acquire(3);
    assertEquals(semaphore.available, 0);
    guard.release();
  }
  Atomics.store(new Int32Array(log), 2, 1);
  await Promise.all(others);
  assertEquals(semaphore.statistics(), { available: 3, waiting: 0 });
});

// Threads that are gone --------------------------------------------------------------------------

for (const [how, task] of [["Deno.exit()", "holdAndExit"], ["close()", "holdAndClose"]] as const) {
  Deno.test(`SharedMutex of a thread that ended by ${how} goes to the next, who is told`, async () => {
    const mutex = new SharedMutex();
    const log = newLog();
    using thread = start(task, { mutex: mutex.handle, log });
    await until(() => word(log) === 1);
    const guard = await mutex.lock();
    assertEquals(guard.abandoned, true);
    guard.release();
    const next = mutex.tryLock()!;
    assertEquals(next.abandoned, false);
    next.release();
    assertEquals(mutex.statistics(), unlocked);
    thread.worker.terminate();
  });

  Deno.test(`SharedSemaphore gets the permits back of a thread that ended by ${how}`, async () => {
    const semaphore = new SharedSemaphore(4);
    const log = newLog();
    using _thread = start(task, { semaphore: semaphore.handle, permits: 3, log });
    const own = semaphore.tryAcquire()!;
    await until(() => word(log) === 1);
    const guards = [await semaphore.acquire(2), await semaphore.acquire(1)];
    assertEquals(guards.map(({ abandoned }) => abandoned), [true, true]);
    own.release();
    const last = semaphore.tryAcquire(1)!;
    assertEquals([last.abandoned, own.abandoned], [false, false]);
    for (const guard of [...guards, last]) guard.release();
    assertEquals(semaphore.statistics(), { available: 4, waiting: 0 });
  });
}

for (const world of ["a fiber", "a blocking run"] as const) {
  Deno.test(`SharedMutex: ${world} of another thread that waits gets what a dying thread holds`, async () => {
    const mutex = new SharedMutex();
    using holder = start("hold", { mutex: mutex.handle });
    assertEquals(await holder.result, true);
    using thread = start<boolean>("acquireAndTell", { world, mutex: mutex.handle });
    await until(() => mutex.statistics().waiting === 1);
    holder.worker.postMessage({ task: "exit", input: {} });
    assertEquals(await thread.result, true);
    assertEquals(mutex.statistics(), unlocked);
  });
}

for (const how of ["exit", "fail"] as const) {
  Deno.test(`SharedMutex of a thread of a pool that dies (${how}) goes to the next, who is told`, async () => {
    const mutex = new SharedMutex();
    await uncaughtSoon(() =>
      withPool({ size: 1 }, function* (pool) {
        yield* pool.run("echo", 1);
        const locking = pool.run("lockAnd", mutex.handle, how);
        const thrown = yield* errorOf(locking);
        assertEquals(thrown instanceof ThreadCrashedError, how === "exit");
        const guard = yield* mutex.lock();
        assertEquals(guard.abandoned, true);
        guard.release();
      })
    );
    assertEquals(mutex.statistics(), unlocked);
  });
}

Deno.test("SharedMutex that a task has left locked is free when its pool is closed", async () => {
  const mutex = new SharedMutex();
  await withPool({ size: 1 }, function* (pool) {
    assertEquals(yield* pool.run("lockAnd", mutex.handle, "return"), true);
    assertEquals(mutex.isLocked, true);
  });
  using guard = await mutex.lock();
  assertEquals(guard.abandoned, true);
});

Deno.test("SharedMutex: main that blocks itself hears of the death of a thread of its pool", async () => {
  const mutex = new SharedMutex();
  await withPool({ size: 1 }, function* (pool) {
    yield* pool.run("lockAnd", mutex.handle, "return");
    const dying = spawn(() => pool.run("exit"), { propagateCancelToParent: false });
    yield* yieldNow();
    const abandoned = run(function* () {
      using guard = yield* mutex.lock();
      return guard.abandoned;
    }, { loop: blockingLoop() });
    assertEquals(valueOf(abandoned), true);
    assertEquals((yield* dying.join()).ok, false);
  });
  assertEquals(mutex.statistics(), unlocked);
});

Deno.test("T43: a thread that is terminated while it waits for SharedMutex stops nobody", async () => {
  const mutex = new SharedMutex();
  const guard = mutex.tryLock()!;
  using dying = start("acquireAndTell", { world: "a fiber", mutex: mutex.handle });
  await until(() => mutex.statistics().waiting === 1, "the thread that dies");
  dying.worker.terminate();
  using living = start<boolean>("acquireAndTell", { world: "a fiber", mutex: mutex.handle });
  await until(() => mutex.statistics().waiting === 2, "the thread that lives");
  guard.release();
  assertEquals(await living.result, false);
});

Deno.test("SharedMutex that a terminated worker holds stays locked, as nobody tells", async () => {
  const mutex = new SharedMutex();
  using holder = start("hold", { mutex: mutex.handle });
  assertEquals(await holder.result, true);
  holder.worker.terminate();
  assertEquals(mutex.tryLock(), undefined);
  const won = await select([
    when(mutex.lockEvent(), () => "locked"),
    when(Event.always(0), () => "still locked"),
  ]);
  assertEquals([won, mutex.statistics()], ["still locked", { isLocked: true, waiting: 0 }]);
});

Deno.test("SharedMutex that a worker made before it met any other works in both tables", async () => {
  using thread = start<SharedMutexHandle>("makeMutex", {});
  const mutex = SharedMutex.from(await thread.result);
  const log = newLog();
  using other = start("hammer", { world: "a fiber", mutex: mutex.handle, log, rounds: 200 });
  await hammer("an async function", mutex, new Int32Array(log), 200);
  await other.result;
  assertEquals([word(log), mutex.statistics()], [400, unlocked]);
});
