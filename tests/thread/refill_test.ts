/** How soon threads are started in the place of others. */
import { assertEquals } from "@std/assert";
import { Refill } from "../../lib/thread/pool/refill.ts";
import { type FakeTime, withFakeTime } from "../kit/fake_time.ts";

/** Starts what is to be started, each time after `tell` was called: the pauses in between. */
async function pauses(time: FakeTime, refill: Refill, tells: (() => void)[]): Promise<number[]> {
  const before = time.delays.length;
  for (const tell of tells) {
    tell();
    assertEquals(refill.pending, 1);
    await time.pass(time.delays.at(-1)!);
    assertEquals(refill.pending, 0);
  }
  return time.delays.slice(before);
}

Deno.test("T48: Refill pauses twice as long each time that a thread dies at once, until one lives", async () => {
  await withFakeTime(async (time) => {
    let starts = 0;
    const refill = new Refill(() => void starts++);
    const atOnce = () => refill.replace({ diedAtOnce: true });
    const later = () => refill.replace({ diedAtOnce: false });
    assertEquals(await pauses(time, refill, [atOnce, atOnce, atOnce]), [50, 100, 200]);
    assertEquals(await pauses(time, refill, [later, atOnce]), [0, 50]);
    const many = await pauses(time, refill, Array(12).fill(atOnce));
    assertEquals(many.at(-1), 10_000);
    assertEquals(starts, 17);
  });
});

Deno.test("T48: Refill pauses twice as long each time that a start fails, until one succeeds", async () => {
  await withFakeTime(async (time) => {
    const refill = new Refill(() => {});
    const failures: number[] = [];
    const retry = () => void failures.push(refill.retry());
    assertEquals(await pauses(time, refill, [retry, retry, retry]), [100, 200, 400]);
    refill.succeeded();
    assertEquals(await pauses(time, refill, [retry]), [100]);
    assertEquals(failures, [1, 2, 3, 1]);
  });
});

Deno.test("Refill.stop() takes back what is to be started, and starts nothing more", async () => {
  await withFakeTime((time) => {
    const refill = new Refill(() => {
      throw new Error("started");
    });
    refill.replace({ diedAtOnce: false });
    refill.retry();
    assertEquals([refill.pending, time.timeouts], [2, 2]);
    refill.stop();
    refill.retry();
    assertEquals([refill.pending, time.timeouts], [0, 0]);
    return Promise.resolve();
  });
});
