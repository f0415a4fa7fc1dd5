/**
 * Effection, Effect, async functions and Weft's own fibers in one realm, at one lock and one channel.
 * `SEED=…` runs what has failed again. `perThread` can be called once in a realm, hence this file.
 */
import { assertEquals } from "@std/assert";
import { Channel, perThread } from "@weft/weft";
import { Mutex } from "@weft/weft/sync";
import { asyncContextThreads } from "@weft/weft/thread";
import { contend, Ground, SENDERS } from "./contenders.ts";

perThread(asyncContextThreads);

const given = Deno.env.get("SEED");
const COUNT = 200;

for (const capacity of [0, 1, 8]) {
  Deno.test(`law 4: who contends in every world for a mutex and a channel of ${capacity} loses nothing, whoever is cancelled`, async () => {
    const seed = Number(given ?? Math.floor(Math.random() * 2 ** 31));
    const [lock, items] = [new Mutex(), new Channel<number>({ capacity })];
    const ground = new Ground(lock, items, Ground.memoryFor(SENDERS, COUNT));
    try {
      await contend(ground, seed, COUNT);
      assertEquals(ground.complaints(), []);
      assertEquals(lock.statistics(), { isLocked: false, waiting: 0 });
      assertEquals(items.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
    } catch (error) {
      throw new Error(`it went wrong with SEED=${seed}`, { cause: error });
    }
  });
}
