/**
 * One lock and one channel in shared memory, for which everybody contends: tasks of Effection's,
 * fibers of Effect's, async functions, fibers of Weft's, and threads that block. `SEED=…` runs what
 * has failed again, `STRESS=…` has each send so many items. `perThread` can be called once in a realm,
 * hence this file.
 */
import { assertEquals } from "@std/assert";
import { perThread } from "@weft/weft";
import { asyncContextThreads, SharedChannel } from "@weft/weft/thread";
import { contend, Ground, SENDERS } from "../examples/foreign/contenders.ts";
import { startThread } from "../kit/workers.ts";
import { TokenLock } from "./token_lock.ts";
import type { Order } from "./workers/contender.ts";

perThread(asyncContextThreads);

const given = Deno.env.get("SEED");
const count = Number(Deno.env.get("STRESS") ?? 300);
const THREADS = 2;
const module = new URL("./workers/contender.ts", import.meta.url);

for (const capacity of [1, 8]) {
  Deno.test(`law 4: who contends in every world and thread for a lock and a shared channel of ${capacity} loses nothing, whoever is cancelled`, async () => {
    const seed = Number(given ?? Math.floor(Math.random() * 2 ** 31));
    const lock = TokenLock.make();
    const items = new SharedChannel<number>({ capacity });
    const memory = Ground.memoryFor(SENDERS + THREADS, count);
    const ground = new Ground(lock, items, memory);
    using threads = new DisposableStack();
    const order: Order = {
      lock: lock.tokens.handle,
      items: items.handle,
      memory,
      count,
      seed,
    };
    try {
      const results = [100, 200].map((n) =>
        threads.use(startThread(module, "contend", { ...order, seed: seed + n })).result
      );
      await Promise.all([contend(ground, seed, count), ...results]);
      assertEquals(ground.complaints(), []);
      assertEquals(lock.tokens.statistics(), { size: 1, sendersWaiting: 0, receiversWaiting: 0 });
      assertEquals(items.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
    } catch (error) {
      throw new Error(`it went wrong with SEED=${seed}`, { cause: error });
    }
  });
}
