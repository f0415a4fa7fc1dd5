/**
 * What main and the threads of a pool have in common, so that neither has to know the other: the
 * messages between them, the words of shared memory that say how far each is, and how functions and
 * their results get across.
 *
 * @module
 */
export { extraOf, ID_LIMIT, idOf, Inbox, Outbox } from "./mailbox.ts";
export type { Handler } from "./mailbox.ts";
export {
  ARGUMENTS,
  CALL,
  CALL_CANCELLED,
  CANCEL,
  CRASHED,
  DEFINE,
  ENDED,
  EXIT_FAILED,
  FAILURE,
  HELLO,
  NEED_ARGUMENTS,
  QUIT,
  READY,
  REPLY,
  REPLY_FAILED,
  RESULT,
  START_FAILED,
} from "./messages.ts";
export type { Start } from "./messages.ts";
export { perform } from "./perform.ts";
export { argumentNotCloned, checkPostable, resultNotCloned } from "./postable.ts";
export {
  explainCapture,
  functionFrom,
  ReceivedFunctions,
  SentFunctions,
  sourceOf,
} from "./sent_functions.ts";
export type { AnyFunction } from "./sent_functions.ts";
export {
  ABANDONED,
  atJob,
  CANCELLED,
  entry,
  FREE,
  IDLE,
  indexOf,
  JOB_LIMIT,
  jobOf,
  QUEUED,
  QUITTING,
  RUNNING,
  STARTING,
  TABLE_SIZE,
} from "./states.ts";
export type {
  ArgumentsOf,
  Outcome,
  ResultOf,
  ServeOptions,
  Service,
  Tasks,
  TasksOf,
} from "./tasks.ts";
export { noop, transfer } from "./transfer.ts";
