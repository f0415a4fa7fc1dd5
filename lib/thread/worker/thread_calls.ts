/**
 * Calls of this thread into main, from the call to the answer; main's side is in
 * pool/main_calls.ts.
 */
import { show } from "../../internal/check.ts";
import { doorbell } from "../../loop/doorbell.ts";
import {
  argumentNotCloned,
  CALL,
  CALL_CANCELLED,
  checkPostable,
  ID_LIMIT,
  type Inbox,
  type Outbox,
} from "../protocol/mod.ts";
import type { ThreadLife } from "./thread_life.ts";

/** Called once with what came back. */
type Answer = (ok: boolean, value: unknown) => void;

/** How long it sleeps at a time until main has said something, should a ring be lost. */
const LISTEN_MS = 1000;

export class ThreadCalls {
  /** By the number of the call. */
  readonly #answers: Map<number, Answer> = new Map();
  #last = 0;

  constructor(
    readonly life: ThreadLife,
    readonly outbox: Outbox,
    readonly inbox: Inbox,
  ) {}

  /**
   * Sends a call: its number.
   *
   * @throws {TypeError} if an argument can't be copied to main
   */
  call(name: string, args: unknown[], answer: Answer): number {
    if (this.life.isOver) {
      throw new Error(`Cannot call ${show(name)} in main: this thread has ended`);
    }
    const id = this.#last = (this.#last + 1) % ID_LIMIT;
    try {
      this.outbox.send(CALL, id, [name, ...args], args);
    } catch (error) {
      checkPostable(args); // its error says what to do
      throw argumentNotCloned(`call ${name} in main`, args, error);
    }
    this.#answers.set(id, answer);
    return id;
  }

  /** Nobody waits for the answer any more. */
  cancel(id: number): void {
    if (this.#answers.delete(id)) this.outbox.send(CALL_CANCELLED, id, undefined);
  }

  /** Main has answered. */
  answered(id: number, ok: boolean, value: unknown): void {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    answer?.(ok, value);
  }

  /** Sleeps the whole thread until main has said something, and handles that. */
  listen(): void {
    doorbell.sleep(LISTEN_MS);
    this.outbox.wake();
    this.inbox.wake();
  }
}
