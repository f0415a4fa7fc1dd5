/**
 * Effection, Effect, async functions and Weft's own fibers in one realm, at one lock and one channel.
 * `SEED=…` runs what has failed again. `perThread` can be called once in a realm, hence this file.
 */
import { assertEquals } from "@std/assert";
import { Channel, perThread } from "@weft/weft";
import { Mutex } from "@weft/weft/sync";
import { asyncContextThreads } from "@weft/weft/thread";
import { runScript } from "../../kit/scripts.ts";
import { contend, Ground, SENDERS, withSeed } from "./contenders.ts";

perThread(asyncContextThreads);

const COUNT = 200;

for (const capacity of [0, 1, 8]) {
  Deno.test(`law 4: who contends in every world for a mutex and a channel of ${capacity} loses nothing, whoever is cancelled`, () =>
    withSeed(async (seed) => {
      const [lock, items] = [new Mutex(), new Channel<number>({ capacity })];
      const ground = new Ground(lock, items, Ground.memoryFor(SENDERS, COUNT));
      await contend(ground, seed, COUNT);
      assertEquals(ground.complaints(), []);
      assertEquals(lock.statistics(), { isLocked: false, waiting: 0 });
      assertEquals(items.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
    }));
}

Deno.test("examples/foreign/one_lock shows that all get the lock, one after the other", async () => {
  const program = new URL("../../../examples/foreign/one_lock.ts", import.meta.url);
  const { code, stdout, stderr } = await runScript(program);
  assertEquals([code, stderr], [0, ""]);
  assertEquals(stdout.trim().split("\n").toSorted(), [
    "a fiber of Effect's",
    "a fiber of Weft's",
    "a task of Effection's",
    "an async function",
    "one has given up",
  ]);
});
