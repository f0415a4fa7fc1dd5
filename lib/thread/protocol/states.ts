/**
 * What main and the threads of a pool tell each other without a message: words in shared memory.
 *
 * All threads of a pool take their jobs from one queue, so that a job goes to whichever thread is
 * free first, and no thread waits for main to be given one. Each job has an entry in a table, and
 * a compare-and-set there decides what becomes of it:
 *
 *     FREE ──main──▶ QUEUED ──thread──▶ RUNNING ──main──▶ FREE       it was taken; the result came
 *                      └─────main─────▶ FREE                         it was withdrawn before that
 *
 * An entry has the number of its job in it, and is used again at once: a thread that takes the
 * number of a job that was withdrawn from the queue finds another number in the entry, and skips
 * it. For a job that runs, main sets the bit CANCELLED; the task may poll it, and gets a message,
 * too.
 *
 * Each thread has a word that says what it is doing:
 *
 *     STARTING ──thread──▶ IDLE ◀──thread──▶ a job
 *         └──main──▶ ABANDONED ◀──main─────────┘
 *
 * A thread says which job it is about to claim *before* it does, so that none is lost with a thread
 * that dies. Main gives up a thread at a certain job: if the thread has gone on to another one, the
 * compare-and-set fails. A thread that was given up finds out when it wants to be IDLE, and ends.
 */

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
