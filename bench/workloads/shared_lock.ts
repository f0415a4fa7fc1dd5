/** Locking and unlocking what nobody else wants: the mutex between threads, and its floor. */
import { main } from "../../mod.ts";
import { SharedMutex } from "../../lib/thread/mod.ts";
import { mixed } from "../mix.ts";
import { expectTotal, type Workload } from "../workload.ts";

const mutex = new SharedMutex();
const words = new Int32Array(new SharedArrayBuffer(64));

/**
 * `compare-and-set` is the least that any lock in shared memory does: set the word, and set it back.
 * The first runs take so long that they can't tell how large a run should be.
 */
export const sharedLock: Workload = mixed({
  name: "shared-lock",
  unit: "lock + unlock",
  size: { full: 500_000, smoke: 100 },
  iteration: 10_000,
  targets: { "compare-and-set": 3 },
  run: {
    weft: (n) => main(() => lockAndUnlock(n)),
    "compare-and-set": setAndReset,
  },
});

function* lockAndUnlock(n: number) {
  let locked = 0;
  for (let i = 0; i < n; i++) {
    const guard = yield* mutex.lock();
    locked++;
    guard.release();
  }
  expectTotal(locked, n);
}

function setAndReset(n: number): void {
  let locked = 0;
  for (let i = 0; i < n; i++) {
    if (Atomics.compareExchange(words, 0, 0, 1) === 0) locked++;
    Atomics.compareExchange(words, 0, 1, 0);
  }
  expectTotal(locked, n);
}
