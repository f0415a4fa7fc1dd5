/** Modules of tasks, as types: what `serve` is given and `ThreadPool` knows its tasks by. */
import type { Awaitable, Operation } from "../../operation/types.ts";

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

/** The tasks of a module: of its default export, or of the module. */
// deno-lint-ignore no-explicit-any -- whatever the state may be
export type TasksOf<M> = M extends Service<any, infer T> ? T
  // deno-lint-ignore no-explicit-any -- whatever the state may be
  : M extends { default: Service<any, infer T> } ? T
  : never;

/** The arguments of a task, without the state. */
export type ArgumentsOf<F> = F extends (state: never, ...args: infer A) => unknown ? A : never;

/** What comes of a task, however it is written. */
export type ResultOf<F> = F extends (...args: never[]) => infer R ? Outcome<R> : never;

/** What comes of `R`: of a generator what it returns, of a promise its value. */
export type Outcome<R> = R extends Generator<unknown, infer T, never> ? T
  // deno-lint-ignore no-explicit-any -- whatever is sent into it
  : R extends Generator<any, infer T, any> ? T
  : R extends Awaitable<infer T> ? T
  : R extends Operation<infer T> ? (R extends Iterable<unknown> ? R : T)
  : Awaited<R>;
