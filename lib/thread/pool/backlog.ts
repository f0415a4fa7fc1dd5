import { append, remove } from "../../internal/circle.ts";
import { attendance } from "../../loop/doorbell.ts";
import { SENDERS, type SharedQueue } from "../memory/mod.ts";
import { Place, WaitingLine } from "../shared/mod.ts";
import type { Job } from "./job.ts";

/** Jobs that can't be offered to the threads yet: first in, first out, and any of them can leave. */
export class Backlog {
  first: Job | null = null;
  size = 0;
  /** In line for room in the common queue. */
  readonly #place: Place;

  /** `offer` is called when the queue has room again, after `awaitRoom`. */
  constructor(queue: SharedQueue, readonly offer: () => void) {
    this.#place = new Place(new WaitingLine(queue, SENDERS), this);
  }

  push(job: Job): void {
    this.first = append(this.first, job);
    this.size++;
  }

  remove(job: Job): void {
    this.first = remove(this.first, job);
    this.size--;
    if (this.size === 0) this.#place.cancel();
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
    if (!this.#place.isInLine) this.#place.enter(attendance);
  }

  wake(): void {
    this.#place.cancel();
    this.offer();
  }
}
