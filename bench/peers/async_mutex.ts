/** The workloads with async-mutex, by name. */
import { Mutex } from "npm:async-mutex@0.5.0";
import { type Contender, expectTotal, sumBelow } from "../workload.ts";

export const asyncMutex: Readonly<Record<string, Contender>> = {
  "lock/await": lockAndUnlock,
};

async function lockAndUnlock(n: number): Promise<void> {
  const mutex = new Mutex();
  let total = 0;
  for (let i = 0; i < n; i++) {
    const release = await mutex.acquire();
    total += i;
    release();
  }
  expectTotal(total, sumBelow(n));
}
