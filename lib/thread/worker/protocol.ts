/**
 * What main and the threads of a pool say to each other, and the memory they share.
 *
 * All threads of a pool take their jobs from one queue, so that a job goes to whichever thread is
 * free first, and no thread waits for main to be given one. Each job has an entry in a table, and
 * a compare-and-set there decides what becomes of it:
 *
 *     FREE ──main──▶ QUEUED ──thread──▶ RUNNING ──main──▶ FREE       it was taken; the result came
 *                      └─────main─────▶ FREE                         it was withdrawn before that
 *
 * An entry carries the number of its job, and is used again at once: a thread that comes upon the
 * number of a job that was withdrawn finds that the entry says something else, and forgets it. Main
 * sets the bit CANCELLED of a job that runs; the task may poll it, and is told besides.
 *
 * Each thread has a word that says what it is at:
 *
 *     STARTING ──thread──▶ IDLE ◀──thread──▶ a job
 *         └──main──▶ ABANDONED ◀──main─────────┘
 *
 * A thread says which job it is about to claim *before* it does, so that none is lost with a thread
 * that dies. Main gives up a thread together with the job that it meant: if the thread has gone on
 * to another one, the compare-and-set fails. A thread that was given up finds out when it wants to
 * be IDLE, and ends.
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
/** It dies of an error outside of any task. */
export const CRASHED = 8;
/** It ends, as it was asked to (then with what `atExit` threw, if it did), or not. */
export const ENDED = 9;
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

// Phases of a job, in the low bits of its entry; above them the job's number.
export const FREE = 0;
export const QUEUED = 1;
export const RUNNING = 2;
export const CANCELLED = 4;
const ENTRY_BITS = 3;

/** How many jobs are in the table; the rest waits in main. */
export const TABLE_SIZE = 2048;

export function entry(id: number, phase: number): number {
  return (id << ENTRY_BITS) | phase;
}

export function indexOf(id: number): number {
  return id % TABLE_SIZE;
}

/** Numbers of jobs are below this. */
export const JOB_LIMIT = 2 ** 26;

// The word of a thread.
/** It makes its state, and takes no jobs yet. */
export const STARTING = 0;
export const IDLE = 1;
export const ABANDONED = 2;
/** It cleans up, as it was told to. */
export const QUITTING = 3;
/** From here on: at a job. */
const FIRST_JOB = 4;

/** The word of a thread that is at a job. */
export function atJob(id: number): number {
  return id + FIRST_JOB;
}

/** The number of the job that a thread is at, if it is. */
export function jobOf(word: number): number | undefined {
  return word < FIRST_JOB ? undefined : word - FIRST_JOB;
}

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
  readonly inbox: SharedArrayBuffer;
  readonly outbox: SharedArrayBuffer;
  readonly port: MessagePort;
  readonly pool: string;
  /** For pools of functions. */
  readonly init: string | null;
  readonly atExit: string | null;
  readonly functions: readonly string[];
}
