/**
 * What any two threads can share: `SharedChannel`, `SharedMutex`, `SharedSemaphore` and
 * `SharedTrigger`. They are made of memory and of a line of waiters in each thread (`WaitingLine`),
 * which pools use for their own queues, too.
 *
 * @module
 */
export { SharedChannel } from "./shared_channel.ts";
export type { SharedChannelHandle, SharedChannelOptions } from "./shared_channel.ts";
export { SharedMutex } from "./shared_mutex.ts";
export type {
  SharedMutexHandle,
  SharedMutexOptions,
  SharedMutexStatistics,
} from "./shared_mutex.ts";
export { SharedSemaphore } from "./shared_semaphore.ts";
export type {
  SharedSemaphoreHandle,
  SharedSemaphoreOptions,
  SharedSemaphoreStatistics,
} from "./shared_semaphore.ts";
export type { SharedGuard } from "./lock_port.ts";
export { SharedTrigger } from "./shared_trigger.ts";
export type { SharedTriggerHandle } from "./shared_trigger.ts";
export { holderFor, LineNode, WaitingLine } from "./waiting_line.ts";
