/** Calls of one thread into main; the thread's side is in worker/thread_calls.ts. */
import type { Main } from "../../fiber/mod.ts";
import { pack } from "../memory/mod.ts";
import { perform, REPLY, REPLY_FAILED, resultNotCloned } from "../protocol/mod.ts";

// deno-lint-ignore no-explicit-any -- the functions of main that threads may call
export type MainFunctions = Readonly<Record<string, (...args: any[]) => unknown>>;

/** How main answers. */
type Send = (type: number, id: number, value: unknown, transferring?: readonly unknown[]) => void;

export class MainCalls {
  /** Fibers that work on an answer, by the number of the call. */
  readonly #running: Map<number, Main<unknown>> = new Map();

  constructor(readonly functions: MainFunctions, readonly send: Send) {}

  /** Calls the function, and sends what comes of it. */
  answer(id: number, [name, ...args]: readonly [string, ...unknown[]]): void {
    const running = perform(
      () => this.#function(name)(...args),
      `${name}, called by a thread`,
      (value) => this.#reply(id, name, value),
      (error) => this.#fail(id, error),
    );
    if (running !== undefined) this.#running.set(id, running);
  }

  #function(name: string): (...args: unknown[]) => unknown {
    const { functions } = this;
    if (Object.hasOwn(functions, name)) return functions[name]!;
    const names = Object.keys(functions).join(", ") || "none";
    throw new TypeError(`Cannot call ${name} in main: the pool was given ${names}`);
  }

  #reply(id: number, name: string, value: unknown): void {
    try {
      this.send(REPLY, id, value, [value]);
      this.#running.delete(id);
    } catch (cause) {
      this.#fail(id, resultNotCloned(`send the answer of ${name} to the thread`, value, cause));
    }
  }

  #fail(id: number, error: unknown): void {
    this.#running.delete(id);
    this.send(REPLY_FAILED, id, pack(error));
  }

  /** Nobody waits for the answer any more: aborts the fiber that works on it. */
  cancel(id: number, reason: string): void {
    void this.#running.get(id)?.abort(reason);
  }

  cancelAll(reason: string): void {
    for (const id of this.#running.keys()) this.cancel(id, reason);
  }
}
