/**
 * What any two threads can share: `SharedChannel` and `SharedTrigger`. Both are made of memory and
 * of a line of waiters in each thread (`WaitingLine`), which pools use for their own queues, too.
 *
 * @module
 */
export { SharedChannel } from "./shared_channel.ts";
export type { SharedChannelHandle, SharedChannelOptions } from "./shared_channel.ts";
export { SharedTrigger } from "./shared_trigger.ts";
export type { SharedTriggerHandle } from "./shared_trigger.ts";
export { holderFor, LineNode, WaitingLine } from "./waiting_line.ts";
