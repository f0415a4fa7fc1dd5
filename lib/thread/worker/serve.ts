import { checkFunction, checkOptional, show } from "../../internal/check.ts";
import { isPoolThread } from "../memory/identity.ts";
import type { Definition } from "./program.ts";
import { startServing } from "./server.ts";

/** The tasks of a module: functions whose first argument is the thread's state. */
// deno-lint-ignore no-explicit-any -- each task has arguments of its own, which `run` checks
export type Tasks<S> = Record<string, (state: S, ...args: any[]) => unknown>;

/** What a module of tasks consists of. */
export interface ServeOptions<S, T extends Tasks<S>> {
  /** Makes the thread's state, once, before its first job. */
  init?: () => S | Promise<S>;
  /** Called once, before the thread ends. */
  atExit?: (state: S) => void | Promise<void>;
  /** What can be run there: plain, async, and generator functions, which are fibers. */
  tasks: T;
}

/** A module of tasks, as `ThreadPool.make` knows it by its type. */
export interface Service<S, T extends Tasks<S>> {
  /** Its tasks. */
  readonly tasks: T;
  /** The type of its state; not there at run time. */
  readonly state?: S;
}

/**
 * Makes the module that calls it a module of tasks: to be its `export default`, for
 * `ThreadPool.make`. In a thread of a pool it goes to work; anywhere else, where the module is
 * imported for its types or its functions, it does nothing.
 *
 * @throws {TypeError} if it is given no tasks, or one that is no function
 * @throws {Error} on the second call in a thread
 *
 * @example A module of tasks
 * ```ts
 * import { sleep } from "@weft/weft";
 * import { serve } from "@weft/weft/thread";
 *
 * export default serve({
 *   init: () => ({ greeted: 0 }),
 *   tasks: {
 *     greet: (state, name: string) => `hello ${name}, you are number ${++state.greeted}`,
 *     *slowly(_state, ms: number) {
 *       yield* sleep(ms);
 *       return "done";
 *     },
 *   },
 * });
 * ```
 */
export function serve<S = undefined, T extends Tasks<S> = Tasks<S>>(
  options: ServeOptions<S, T>,
): Service<S, T> {
  if (typeof options?.tasks !== "object" || options.tasks === null) {
    throw new TypeError(`Cannot serve tasks: tasks must be an object, got ${show(options?.tasks)}`);
  }
  checkOptional("serve tasks", "init", options.init, "function");
  checkOptional("serve tasks", "atExit", options.atExit, "function");
  for (const [name, task] of Object.entries(options.tasks)) {
    checkFunction("serve tasks", `tasks.${name}`, task);
  }
  if (isPoolThread()) startServing(options as unknown as Definition);
  return { tasks: options.tasks };
}
