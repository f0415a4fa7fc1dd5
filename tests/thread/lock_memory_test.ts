/** What a lock in shared memory does when threads get in each other's way, step by step. */
import { assert, assertEquals } from "@std/assert";
import { withFakeTime } from "../kit/fake_time.ts";
import { type LockThread, lockThreads } from "../kit/lock_threads.ts";
import { hostTurn } from "../kit/uncaught.ts";

/** Runs `body` with `count` threads that share a lock with so many permits; 0: a mutex. */
function withThreads(
  name: string,
  [count, permits]: [count: number, permits: number],
  body: (threads: LockThread[]) => void | Promise<void>,
): void {
  Deno.test(name, async () => {
    const threads = lockThreads(count, permits);
    await body(threads);
    for (const { port } of threads) assertEquals(port.line.first, null);
    const all = threads[0]!.port.tryTake(Math.max(permits, 1));
    assert(all !== undefined, "something is still held, or reserved");
    all.release();
    for (const thread of threads) thread.leave();
    await hostTurn(); // until then the doorbell keeps its timer
  });
}

withThreads("law 7: a thread that runs may be faster than one that is being woken, but not twice", [
  2,
  0,
], ([a, b]) => {
  const guard = a!.port.tryTake(1)!;
  const wait = b!.wait();
  guard.release();
  assert(b!.isRung);
  const again = a!.port.tryTake(1)!;
  b!.hear();
  assertEquals(wait.isWoken, false, "there is nothing");
  again.release();
  b!.hear();
  const third = a!.port.tryTake(1)!;
  assertEquals([wait.isWoken, wait.look(), b!.hasReserved], [true, false, true]);
  third.release();
  assertEquals([b!.isRung, a!.port.tryTake(1)], [true, undefined]);
  b!.hear();
  assertEquals([wait.look(), b!.hasReserved], [true, false]);
  wait.guard!.release();
});

withThreads(
  "law 7: who was woken in vain while another one reserved is rung before all who came later",
  [4, 0],
  ([a, b, c, d]) => {
    const guard = a!.port.tryTake(1)!;
    const waits = [b!, c!, d!].map((thread) => thread.wait());
    guard.release(); // rings b
    b!.hear();
    const second = a!.port.tryTake(1)!;
    second.release(); // rings c
    c!.hear();
    const third = a!.port.tryTake(1)!;
    assertEquals([waits[1]!.look(), waits[0]!.look()], [false, false]); // c is the first to look
    assertEquals([b!, c!].map(({ hasReserved }) => hasReserved), [false, true]);
    third.release();
    c!.hear();
    assert(waits[1]!.look());
    waits[1]!.guard!.release();
    assertEquals([b!, c!, d!].map(({ isRung }) => isRung), [true, false, false]);
    b!.hear();
    assert(waits[0]!.look());
    waits[0]!.guard!.release();
    d!.hear();
    assert(waits[2]!.look());
    waits[2]!.guard!.release();
  },
);

withThreads(
  "law 7: one that wants many and was woken in vain is next, and then the others are woken",
  [3, 5],
  ([a, b, c]) => {
    const guards = [2, 2].map((n) => a!.port.tryTake(n)!);
    const many = b!.wait(4);
    assertEquals([many.isWoken, many.look(), b!.hasReserved], [true, false, true], "one is there");
    const few = c!.wait(1);
    assertEquals([few.isWoken, a!.port.tryTake(1)], [false, undefined]);
    guards[0]!.release();
    assertEquals([b!.isRung, c!.isRung], [true, false]);
    b!.hear();
    assertEquals(many.isWoken, false, "three aren't enough");
    guards[1]!.release();
    b!.hear();
    assert(many.look());
    assert(c!.isRung, "one is left");
    c!.hear();
    assert(few.look());
    for (const wait of [many, few]) wait.guard!.release();
  },
);

withThreads("law 4: a reservation ends with the wait that it is for", [3, 2], ([a, b, c]) => {
  const guard = a!.port.tryTake(1)!;
  const many = b!.wait(2);
  assertEquals([many.look(), b!.hasReserved], [false, true]);
  const few = c!.wait(1);
  many.cancel();
  assertEquals([b!.hasReserved, c!.isRung], [false, true]);
  c!.hear();
  assert(few.look());
  for (const held of [guard, few.guard!]) held.release();
});

withThreads(
  "T43: a reservation of a thread that is gone ends, and so does what it held",
  [3, 4],
  ([a, b, c]) => {
    const guard = a!.port.tryTake(1)!;
    b!.port.tryTake(1);
    const many = b!.wait(4);
    assertEquals([many.look(), b!.hasReserved], [false, true]);
    const few = c!.wait(2);
    assertEquals(few.isWoken, false);
    b!.leave();
    assert(c!.isRung);
    c!.hear();
    assertEquals([few.look(), few.guard!.abandoned, b!.hasReserved], [true, true, false]);
    many.cancel(); // which finds nothing to end
    for (const held of [few.guard!, guard]) held.release();
    const rest = [1, 1, 1, 1].map(() => a!.port.tryTake(1)!);
    assertEquals(rest.map(({ abandoned }) => abandoned), [false, false, false, false]);
    for (const held of rest) held.release();
  },
);

withThreads(
  "a reservation lapses if its thread doesn't take what is there",
  [3, 0],
  async ([a, b, c]) => {
    await withFakeTime((time) => {
      const guard = a!.port.tryTake(1)!;
      const stuck = b!.wait();
      guard.release();
      b!.hear();
      const again = a!.port.tryTake(1)!;
      assertEquals([stuck.look(), b!.hasReserved], [false, true]);
      const other = c!.wait();
      time.now += 10_000; // b waits rightly
      c!.hear();
      again.release();
      c!.hear();
      time.now += 499;
      c!.hear();
      assertEquals([other.isWoken, b!.hasReserved], [false, true]);
      time.now += 1;
      c!.hear();
      assertEquals([other.look(), b!.hasReserved], [true, false]);
      b!.hear();
      assertEquals(stuck.look(), false);
      other.guard!.release();
      b!.hear();
      assert(stuck.look());
      stuck.guard!.release();
    });
  },
);

withThreads(
  "a mutex of a thread that is gone is found by whoever asks, and by one alone",
  [3, 0],
  ([a, b, c]) => {
    b!.port.tryTake(1);
    assertEquals(a!.port.tryTake(1), undefined);
    b!.leave();
    const guard = a!.port.tryTake(1)!;
    assertEquals([guard.abandoned, c!.port.tryTake(1)], [true, undefined]);
    guard.release();
    const next = c!.port.tryTake(1)!;
    assertEquals(next.abandoned, false);
    next.release();
  },
);

withThreads("a guard of a thread that was found to be gone releases nothing", [2, 3], ([a, b]) => {
  const guard = b!.port.tryTake(2)!;
  b!.leave();
  const all = a!.port.tryTake(3)!;
  guard.release();
  assertEquals(a!.port.tryTake(1), undefined);
  all.release();
});
