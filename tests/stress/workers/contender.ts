/** A thread of `one_lock_test.ts`: its fibers contend, and it blocks while they wait. */
import { run } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import {
  SharedChannel,
  type SharedChannelHandle,
  SharedMutex,
  type SharedMutexHandle,
} from "@weft/weft/thread";
import { asFibers, Ground } from "../../examples/foreign/contenders.ts";
import { serveTasks } from "../../kit/workers.ts";

/** What a thread is told. */
export interface Order {
  readonly lock: SharedMutexHandle;
  readonly items: SharedChannelHandle;
  readonly memory: SharedArrayBuffer;
  readonly seed: number;
  readonly count: number;
}

serveTasks({
  contend({ lock, items, memory, seed, count }: Order) {
    const ground = new Ground(SharedMutex.from(lock), SharedChannel.from<number>(items), memory);
    const result = run(() => asFibers({ ground, seed, count }), { loop: blockingLoop() });
    if (!result.ok) throw result.error;
  },
});
