/**
 * What lies in shared memory: the table of threads with their doorbells (`Registry`), the bounded
 * queue (`SharedQueue`) and what threads hold (`LockMemory`), with those who sleep on them, and the
 * forms that values and errors take there.
 *
 * @module
 */
export { PoolClosedError, ThreadCrashedError } from "./errors.ts";
export { isPoolThread, threadId, webWorkerThreads, workerName } from "./identity.ts";
export { addOwnStack, addStackOf, pack, unpack } from "./packed_error.ts";
export type { Packed } from "./packed_error.ts";
export { NOT_TAKEN, TAKEN_ABANDONED } from "./lock_memory.ts";
export type { LockMemory } from "./lock_memory.ts";
export { MutexMemory } from "./mutex_memory.ts";
export {
  hasMemory,
  isNamedHandle,
  joinRegistry,
  leavePlaces,
  ownRegistry,
  Registry,
} from "./registry.ts";
export { MOST_PERMITS, SemaphoreMemory } from "./semaphore_memory.ts";
export {
  CAN_FAIL,
  CLOSED,
  CLOSERS,
  EXTRA,
  FAILURE_BYTES,
  FORGETS,
  KIND,
  NOT_NOW,
  POOLS_BYTES,
  RECEIVERS,
  SENDERS,
  SENDERS_ASLEEP,
  SharedQueue,
  WAKES_LAST,
} from "./shared_queue.ts";
export type { Side } from "./shared_queue.ts";
export { Sleepers } from "./sleepers.ts";
export type { Awaited } from "./sleepers.ts";
export { Decoded, ELSEWHERE, Encoded, isPlain, NUMBER, readNumber } from "./values.ts";
export type { Codec } from "./values.ts";
