/**
 * The messages between main and a thread of a pool: their types, and how the two meet.
 *
 * A message is a type, the number of the job or the call that it is about, and a value; `Outbox`
 * and `Inbox` (mailbox.ts) carry it. Jobs themselves go another way, through a queue that all
 * threads of the pool take from; what the two sides say of a job without a message is in states.ts.
 *
 * A thread begins by saying HELLO, once its module listens; main answers with `Start`, the memory
 * that they share from then on.
 */

// Types of messages from a thread to main. The number is that of a job or a call.
export const READY = 1;
export const START_FAILED = 2;
export const RESULT = 3;
export const FAILURE = 4;
/** The arguments of this job, which didn't fit into the queue. */
export const NEED_ARGUMENTS = 5;
export const CALL = 6;
export const CALL_CANCELLED = 7;
/** It dies of an error outside of a task. */
export const CRASHED = 8;
/** It ends. The number is 1 if it was told to, else 0. */
export const ENDED = 9;
/** Its clean-up (`atExit`) has failed. */
export const EXIT_FAILED = 10;

// From main to a thread.
export const ARGUMENTS = 1;
export const REPLY = 2;
export const REPLY_FAILED = 3;
export const CANCEL = 4;
/** There are no more jobs: it calls `atExit`, and ends. */
export const QUIT = 5;
/** A function that jobs may name. */
export const DEFINE = 6;

/** How a thread says that it listens. */
export const HELLO = "weft.hello";

/** What main answers. */
export interface Start {
  readonly kind: "weft.start";
  readonly registry: SharedArrayBuffer;
  readonly place: number;
  readonly jobs: SharedArrayBuffer;
  readonly table: SharedArrayBuffer;
  readonly state: SharedArrayBuffer;
  /** The memory of messages in each direction. */
  readonly toThread: SharedArrayBuffer;
  readonly toMain: SharedArrayBuffer;
  readonly port: MessagePort;
  readonly pool: string;
  /** For pools of functions. */
  readonly init: string | null;
  readonly atExit: string | null;
  readonly functions: readonly string[];
}
