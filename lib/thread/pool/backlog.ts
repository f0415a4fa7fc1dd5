import { append, remove } from "../../internal/circle.ts";
import { attendance, type Holder } from "../../loop/doorbell.ts";
import { SENDERS, type SharedQueue } from "../memory/mod.ts";
import { type LineWaiter, WaitingLine } from "../shared/mod.ts";
import type { Job } from "./job.ts";

/** Jobs that can't be offered to the threads yet: first in, first out, and any of them can leave. */
export class Backlog implements LineWaiter {
  // In line for room in the common queue.
  after: LineWaiter | null = null;
  before: LineWaiter | null = null;
  woken = false;
  holder: Holder | null = null;

  first: Job | null = null;
  size = 0;
  readonly #side: WaitingLine;

  /** `offer` is called when the queue has room again, after `awaitRoom`. */
  constructor(queue: SharedQueue, readonly offer: () => void) {
    this.#side = new WaitingLine(queue, SENDERS);
  }

  push(job: Job): void {
    this.first = append(this.first, job);
    this.size++;
  }

  remove(job: Job): void {
    this.first = remove(this.first, job);
    this.size--;
    if (this.size === 0) this.#leaveLine();
  }

  /** Those that are in it, in order. */
  jobs(): Job[] {
    const jobs: Job[] = [];
    for (let job = this.first; job !== null; job = job.after === this.first ? null : job.after) {
      jobs.push(job);
    }
    return jobs;
  }

  /** Threads make room without telling main: those who take what was withdrawn. */
  awaitRoom(): void {
    if (this.holder === null) this.#side.enlist(this, attendance);
  }

  wake(): void {
    this.#leaveLine();
    this.offer();
  }

  #leaveLine(): void {
    if (this.holder !== null) this.#side.delist(this);
  }
}
