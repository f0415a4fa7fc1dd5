/**
 * Sources: where bytes come from, and who gets them.
 *
 * A source owns a queue of bytes that have arrived and are not taken yet, a list of the reads that
 * wait (first come, first served), and at most one *pull*, which asks whatever is behind it for more.
 * A read looks at the queue and takes either all that it wants, in one piece of code, or nothing:
 * that is its commit. So a read may leave at any time, and nothing is lost: what its pull brings
 * later goes into the queue, and is there for whoever comes next.
 *
 *     IDLE ──ask──▶ PULLING ──arrived, ended, failed, gaveUp──▶ IDLE
 *
 *  - IDLE → PULLING: `ask`, by whoever enlisted, or has served and finds that somebody still waits.
 *  - PULLING → IDLE: whoever performs the pull, once, by calling one of the four. Each serves those
 *    who wait, and asks again if somebody still does.
 *
 * An end or a failure is kept, too, until one read has been told. The next pull asks anew: a
 * terminal, or a file that grows, goes on after its end. A read that comes while others wait lines up
 * behind them.
 */
import { append, count, remove } from "../../internal/circle.ts";
import type { WaitNode } from "../../operation/event.ts";
import { ByteQueue } from "./byte_queue.ts";

/** An input, as a source sees it. It may be closed though the source goes on, for others. */
export class Gate {
  isClosed = false;
}

/** For those who read from the source without an input. */
export const OPEN: Gate = new Gate();

/** What a source asks the rule of a read that waits. */
export interface ReadRule {
  readonly gate: Gate;
  /** Takes for `node`, if it can: then that has left the list and has committed. */
  advance(node: WaitNode): boolean;
  /** How many bytes it could use now, for the pull. */
  wanted(): number;
}

/** The rule of a read in a source's list. */
export function ruleOf(node: WaitNode): ReadRule {
  return node.rule as unknown as ReadRule;
}

/** What a pull brought instead of bytes. */
type Outcome = { readonly kind: "ended" } | { readonly kind: "failed"; readonly error: unknown };

export abstract class Source {
  readonly bytes: ByteQueue = new ByteQueue();
  /** The reads that wait; the rule of each is a `ReadRule`. */
  reads: WaitNode | null = null;
  /** How often what had come was forgotten: what was taken before that is not put back. */
  forgotten = 0;
  #outcome: Outcome | null = null;
  #pulling = false;

  /** What is read from, in words: "a TcpConn". */
  abstract describe(): string;

  /**
   * Asks for more on behalf of `read`. Calls no code of the user's: that would run in the middle
   * of a `select` that is enlisting.
   */
  protected abstract pull(read: WaitNode): void;

  /** The read whose pull is under way may have left: where it can be stopped, this stops it. */
  protected reconsider(): void {}

  enlist(read: WaitNode): void {
    this.reads = append(this.reads, read);
    this.#ask();
  }

  delist(read: WaitNode): void {
    this.reads = remove(this.reads, read);
    if (this.#pulling) this.reconsider();
  }

  /**
   * Whether everything has come that will: true once per end, throws once per failure. To be asked by
   * a read that finds too little in the queue; `keep` leaves an end for the next one.
   */
  atEnd(keep = false): boolean {
    const outcome = this.#outcome;
    if (outcome === null) return false;
    if (!keep || outcome.kind === "failed") this.#outcome = null;
    if (outcome.kind === "failed") throw outcome.error;
    return true;
  }

  /** Puts bytes back that nobody got. */
  giveBack(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.bytes.prepend(bytes);
    this.#serve();
  }

  /** An end that nobody was told will be told again. */
  giveBackEnd(): void {
    this.#outcome ??= { kind: "ended" };
    this.#serve();
  }

  /** The pull has filled the space that the queue had lent. */
  protected arrived(): void {
    this.#pulled();
  }

  /** The pull brought a chunk, which will not change any more. */
  protected arrivedAs(chunk: Uint8Array): void {
    this.bytes.adopt(chunk);
    this.#pulled();
  }

  /** The pull found the end. */
  protected ended(): void {
    this.#outcome = { kind: "ended" };
    this.#pulled();
  }

  /** The pull failed. */
  protected failed(error: unknown): void {
    this.#outcome = { kind: "failed", error };
    this.#pulled();
  }

  /** The pull was stopped and brought nothing. */
  protected gaveUp(): void {
    this.#pulled();
  }

  /** Turns away whoever waits through that input, or will. What is behind the source stays open. */
  close(gate: Gate): void {
    gate.isClosed = true;
    const waiting: WaitNode[] = [];
    for (
      let node = this.reads;
      node !== null;
      node = node.after === this.reads ? null : node.after
    ) {
      if (ruleOf(node).gate === gate) waiting.push(node);
    }
    for (const node of waiting) if (node.after !== null) node.closed();
    if (this.reads !== null) this.#serve(); // who was behind them may find what they left
  }

  /** Forgets what has come and was not taken: for when what is behind the source is closed, too. */
  forget(): void {
    this.forgotten++;
    this.#outcome = null;
    this.bytes.clear();
  }

  /** How many reads wait: O(n), for tests and people. */
  get waiting(): number {
    return count(this.reads);
  }

  #pulled(): void {
    this.#pulling = false;
    this.#serve();
  }

  #serve(): void {
    while (this.reads !== null && ruleOf(this.reads).advance(this.reads));
    this.#ask();
    if (this.#pulling) this.reconsider();
  }

  #ask(): void {
    const { reads } = this;
    if (reads === null || this.#pulling) return;
    this.#pulling = true;
    this.pull(reads);
  }
}
