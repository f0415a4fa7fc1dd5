/** Calls of one thread into main. */
import { type Main, main } from "../../fiber/mod.ts";
import { isPromiseLike } from "../../internal/check.ts";
import type { Operation } from "../../operation/types.ts";
import { resultNotCloned } from "../shared/postable.ts";
import { REPLY, REPLY_FAILED } from "../worker/protocol.ts";
import { pack } from "../memory/wire.ts";

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
    const reply = (value: unknown) => this.#reply(id, name, value);
    const fail = (error: unknown) => this.send(REPLY_FAILED, id, pack(error));
    let result: unknown;
    try {
      result = this.#function(name)(...args);
      if (!isOperation(result)) {
        if (!isPromiseLike(result)) return reply(result);
        return void Promise.resolve(result).then(reply, fail);
      }
    } catch (error) {
      return fail(error);
    }
    const operation = result;
    const running = main(() => operation, { name: `${name}, called by a thread` });
    this.#running.set(id, running);
    running.then(reply, fail).then(() => this.#running.delete(id));
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
    } catch (cause) {
      const error = resultNotCloned(`send the answer of ${name} to the thread`, value, cause);
      this.send(REPLY_FAILED, id, pack(error));
    }
  }

  /** Nobody waits for the answer any more. */
  cancel(id: number, reason: string): void {
    void this.#running.get(id)?.abort(reason);
  }

  cancelAll(reason: string): void {
    for (const id of this.#running.keys()) this.cancel(id, reason);
  }
}

/** Whether a function returned something that is to be performed: it was a generator function, say. */
export function isOperation(value: unknown): value is Operation<unknown> {
  if (Object.prototype.toString.call(value) === "[object Generator]") return true;
  return isPromiseLike(value) && Symbol.iterator in value; // an Awaitable
}
