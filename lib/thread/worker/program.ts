/** What a thread of a pool runs: the tasks of a module, or functions that main sends. */
import { refuseGenerator, show } from "../../internal/check.ts";
import {
  type AnyFunction,
  explainCapture,
  functionFrom,
  ReceivedFunctions,
  type Start,
} from "../protocol/mod.ts";

/** A module of tasks, without its types. */
export interface Definition {
  readonly init?: () => unknown;
  readonly atExit?: (state: unknown) => unknown;
  readonly tasks: Readonly<Record<string, AnyFunction>>;
}

export class Program {
  /** Those that main has sent so far. */
  readonly functions: ReceivedFunctions;
  readonly #init: AnyFunction | undefined;
  readonly #atExit: AnyFunction | undefined;
  /** What `init` has made: the first argument of each task. */
  state: unknown = undefined;

  /** Without a `definition`: of functions. */
  constructor(start: Start, readonly definition: Definition | null) {
    this.functions = new ReceivedFunctions(start.functions);
    this.#init = start.init === null ? definition?.init : functionFrom(start.init);
    this.#atExit = start.atExit === null ? definition?.atExit : functionFrom(start.atExit);
  }

  async init(): Promise<void> {
    const made = this.#init?.();
    refuseGenerator("init", made);
    this.state = await made;
  }

  async atExit(): Promise<void> {
    const done = this.#atExit?.(this.state);
    refuseGenerator("atExit", done);
    await done;
  }

  /**
   * The task of that name, or the function of that number; `listen` waits for messages from main.
   */
  task(name: string | number, listen: () => void): AnyFunction {
    if (typeof name === "number") return this.functions.get(name, listen);
    const tasks = this.definition?.tasks ?? {};
    if (Object.hasOwn(tasks, name)) return tasks[name]!;
    const names = Object.keys(tasks).map(show).join(", ");
    throw new TypeError(`Cannot run task ${show(name)}: the module has ${names || "no tasks"}`);
  }

  /**
   * An error of the user's code, explained if a function that was sent lacks what it had captured.
   */
  explain(error: unknown): unknown {
    return this.definition === null ? explainCapture(error) : error;
  }
}
