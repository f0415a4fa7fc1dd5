/** A thread of `one_lock_test.ts`: its fibers contend, and it blocks while they wait. */
import { run } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { SharedChannel, type SharedChannelHandle } from "@weft/weft/thread";
import { asFibers, Ground } from "../../examples/foreign/contenders.ts";
import { serveTasks } from "../../kit/workers.ts";
import { TokenLock } from "../token_lock.ts";

/** What a thread is told. */
export interface Order {
  readonly lock: SharedChannelHandle;
  readonly items: SharedChannelHandle;
  readonly memory: SharedArrayBuffer;
  readonly seed: number;
  readonly count: number;
}

serveTasks({
  contend({ lock, items, memory, seed, count }: Order) {
    const ground = new Ground(TokenLock.from(lock), SharedChannel.from<number>(items), memory);
    const result = run(() => asFibers({ ground, seed, count }), { loop: blockingLoop() });
    if (!result.ok) throw result.error;
  },
});
