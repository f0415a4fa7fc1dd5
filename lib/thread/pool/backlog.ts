/**
 * The jobs that main keeps back, as the threads have enough to choose from, or their queue is full.
 */
import { append, remove } from "../../internal/circle.ts";
import { attendance } from "../../loop/doorbell.ts";
import { SENDERS, type SharedQueue } from "../memory/mod.ts";
import { LineNode, WaitingLine } from "../shared/mod.ts";
import type { Job } from "./job.ts";

/** Jobs that aren't offered to the threads yet: first in, first out, and any of them can leave. */
export class Backlog {
  first: Job | null = null;
  size = 0;
  /** In line for room in the common queue. */
  readonly #node: LineNode;

  /** `offer` is called when the queue has room again, after `awaitRoom`. */
  constructor(queue: SharedQueue, readonly offer: () => void) {
    this.#node = new LineNode(new WaitingLine(queue.side(SENDERS)), this);
  }

  push(job: Job): void {
    this.first = append(this.first, job);
    this.size++;
  }

  remove(job: Job): void {
    this.first = remove(this.first, job);
    this.size--;
    if (this.size === 0) this.#node.cancel();
  }

  /** All of them, in order. */
  jobs(): Job[] {
    const jobs: Job[] = [];
    for (let job = this.first; job !== null; job = job.after === this.first ? null : job.after) {
      jobs.push(job);
    }
    return jobs;
  }

  /**
   * Has `offer` called when the queue has room. The end of a job makes room, too, but a thread that
   * skips a job that was withdrawn tells nobody.
   */
  awaitRoom(): void {
    if (!this.#node.isInLine) this.#node.enter(attendance);
  }

  wake(): void {
    this.#node.cancel();
    this.offer();
  }
}
