/**
 * One lock and one channel in shared memory, for which everybody contends: tasks of Effection's,
 * fibers of Effect's, async functions, fibers of Weft's, and threads that block. `SEED=…` runs what
 * has failed again, `STRESS=…` has each send so many items. `perThread` can be called once in a realm,
 * hence this file.
 */
import { assertEquals } from "@std/assert";
import { perThread } from "@weft/weft";
import { asyncContextThreads, SharedChannel, SharedMutex } from "@weft/weft/thread";
import { contend, Ground, SENDERS, withSeed } from "../examples/foreign/contenders.ts";
import { startThread } from "../kit/workers.ts";
import type { Order } from "./workers/contender.ts";

perThread(asyncContextThreads);

const count = Number(Deno.env.get("STRESS") ?? 300);
const THREADS = 2;
const module = new URL("./workers/contender.ts", import.meta.url);

for (const capacity of [1, 8]) {
  Deno.test(`law 4: who contends in every world and thread for a shared mutex and a shared channel of ${capacity} loses nothing, whoever is cancelled`, () =>
    withSeed(async (seed) => {
      const lock = new SharedMutex();
      const items = new SharedChannel<number>({ capacity });
      const memory = Ground.memoryFor(SENDERS + THREADS, count);
      const ground = new Ground(lock, items, memory);
      const [lockHandle, itemsHandle] = [lock.handle, items.handle];
      using threads = new DisposableStack();
      const results = Array.from({ length: THREADS }, (_, n) => {
        const order = { lock: lockHandle, items: itemsHandle, memory, count };
        const own: Order = { ...order, seed: seed + 100 * (n + 1) };
        return threads.use(startThread(module, "contend", own)).result;
      });
      await Promise.all([contend(ground, seed, count), ...results]);
      assertEquals(ground.complaints(), []);
      assertEquals(lock.statistics(), { isLocked: false, waiting: 0 });
      assertEquals(items.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
    }));
}
