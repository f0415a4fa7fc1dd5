/** `serve`: how a module of tasks goes to work in a thread of a pool. */
import { checkFunction, checkOptional, wrongType } from "../../internal/check.ts";
import { isPoolThread } from "../memory/mod.ts";
import type { ServeOptions, Service, Tasks } from "../protocol/mod.ts";
import type { Definition } from "./program.ts";
import { startServing } from "./server.ts";

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
    throw wrongType("serve tasks", "tasks must be an object", options?.tasks);
  }
  checkOptional("serve tasks", "init", options.init, "function");
  checkOptional("serve tasks", "atExit", options.atExit, "function");
  for (const [name, task] of Object.entries(options.tasks)) {
    checkFunction("serve tasks", `tasks.${name}`, task);
  }
  if (isPoolThread()) startServing(options as unknown as Definition);
  return { tasks: options.tasks };
}
