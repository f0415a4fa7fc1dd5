/**
 * The jobs of a pool that have not ended, and where they are.
 *
 *     add ──▶ backlog ──▶ offered (QUEUED ──▶ RUNNING) ──▶ end
 *                └──────────────┴──── withdraw ────▶ gone
 *
 * Up to a limit, jobs are *offered* to the threads: each has an entry in the table that they share
 * (states.ts) and an item in their common queue. The others are in the *backlog*, which is main's
 * alone, and move up as jobs end; while somebody is in it, nobody passes.
 *
 * An index of the table belongs to its job from the offer to the end, and only main makes it FREE.
 * The item of a job that was withdrawn stays in the queue until a thread comes upon it. Its number
 * must mean nothing then, so an index has another number each time (`id % TABLE_SIZE` is the
 * index); no number comes again before the queue has long been filled and emptied.
 */
import { Encoded, ownRegistry, RECEIVERS, SharedQueue, WAKES_LAST } from "../memory/mod.ts";
import {
  CANCELLED,
  entry,
  extraOf,
  FREE,
  indexOf,
  JOB_LIMIT,
  QUEUED,
  TABLE_SIZE,
} from "../protocol/mod.ts";
import { Backlog } from "./backlog.ts";
import type { Job } from "./job.ts";

/** How many jobs the common queue holds. */
const QUEUE_CAPACITY = 1024;

/** What stands in the queue for arguments that a thread has to ask for. */
const elsewhere = new Encoded();
elsewhere.encodeElsewhere();

export class JobTable {
  readonly #queue: SharedQueue;
  readonly #table = new Int32Array(new SharedArrayBuffer(TABLE_SIZE * 4));
  /** The jobs that are offered, by index. */
  readonly #offered: (Job | undefined)[] = new Array(TABLE_SIZE).fill(undefined);
  readonly #freeIndices: number[] = Array.from({ length: TABLE_SIZE }, (_, i) => i);
  /** The number that each index had last; -1: none yet. */
  readonly #lastIds: Int32Array = new Int32Array(TABLE_SIZE).fill(-1);
  readonly #backlog: Backlog;
  /** How many jobs there are. */
  size = 0;

  /** At most `mostOffered` jobs are offered at a time, each as at most `slotBytes`. */
  constructor(readonly mostOffered: number, slotBytes: number) {
    const memory = SharedQueue.allocate(QUEUE_CAPACITY, slotBytes, WAKES_LAST);
    this.#queue = new SharedQueue(memory, ownRegistry().buffer);
    this.#backlog = new Backlog(this.#queue, () => this.moveUp());
  }

  /** What the threads need of it. */
  get memory(): { readonly jobs: SharedArrayBuffer; readonly table: SharedArrayBuffer } {
    return { jobs: this.#queue.buffer, table: this.#table.buffer as SharedArrayBuffer };
  }

  /** A new job. Without `encoded`, which is copied, a thread has to ask for its arguments. */
  add(job: Job, encoded: Encoded | null): void {
    this.size++;
    if (encoded !== null) {
      if (this.#backlog.size === 0 && this.#offer(job, encoded)) return;
      job.encoded = encoded.copy();
    }
    this.#backlog.push(job);
    this.moveUp();
  }

  /** Offers what is in the backlog, as far as may be. To be called after jobs have ended. */
  moveUp(): void {
    for (let job = this.#backlog.first; job !== null; job = this.#backlog.first) {
      if (!this.#offer(job, job.encoded ?? elsewhere)) return;
      this.#backlog.remove(job);
      job.encoded = undefined;
    }
  }

  /**
   * False if so many are offered already, or the queue has no room. The entry is QUEUED before the
   * item is in the queue: a thread may take that at once.
   */
  #offer(job: Job, encoded: Encoded): boolean {
    if (TABLE_SIZE - this.#freeIndices.length >= this.mostOffered) return false;
    const index = this.#freeIndices.pop();
    if (index === undefined) return false;
    const last = this.#lastIds[index]!;
    const id = last < 0 ? index : (last + TABLE_SIZE) % JOB_LIMIT;
    Atomics.store(this.#table, index, entry(id, QUEUED));
    if (this.#queue.put(encoded, extraOf(0, id)) !== true) {
      this.#freeIndices.push(index);
      this.#backlog.awaitRoom();
      return false;
    }
    this.#lastIds[index] = id;
    this.#offered[index] = job;
    job.id = id;
    return true;
  }

  /** Takes back a job; false if a thread has begun it. */
  withdraw(job: Job): boolean {
    if (job.id < 0) {
      this.end(job);
      return true;
    }
    const queued = entry(job.id, QUEUED);
    if (Atomics.compareExchange(this.#table, indexOf(job.id), queued, FREE) !== queued) {
      return false;
    }
    this.end(job);
    this.moveUp();
    return true;
  }

  /** For a job that a thread has begun: `cancelRequested` sees it. */
  markCancelled(job: Job): void {
    Atomics.or(this.#table, indexOf(job.id), CANCELLED);
  }

  /** It is over: forgets it. */
  end(job: Job): void {
    this.size--;
    if (job.id < 0) return this.#backlog.remove(job);
    const index = indexOf(job.id);
    Atomics.store(this.#table, index, FREE);
    this.#offered[index] = undefined;
    this.#freeIndices.push(index);
  }

  /** The job with this number, unless it is over. */
  find(id: number | undefined): Job | undefined {
    if (id === undefined) return undefined;
    const job = this.#offered[indexOf(id)];
    return job?.id === id ? job : undefined;
  }

  /** Whether it still waits for a thread. */
  isQueued(job: Job): boolean {
    return job.id < 0 || Atomics.load(this.#table, indexOf(job.id)) === entry(job.id, QUEUED);
  }

  /** All jobs: those that are offered, in no order, then the backlog. */
  all(): Job[] {
    return [...this.#offered.filter((job) => job !== undefined), ...this.#backlog.jobs()];
  }

  /** Rings for a thread once more, if there is a job for one. */
  ringAgain(): void {
    if (this.#queue.isReady(RECEIVERS)) this.#queue.sleepers[RECEIVERS].wake();
  }
}
