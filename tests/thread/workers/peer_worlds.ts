/** World 5: whole tasks of other libraries, which wait for what is Weft's. */
import { Effect } from "npm:effect@4.1.0";
import { runPromise } from "../../../examples/foreign/effect.ts";
import { run } from "../../../examples/foreign/effection.ts";

type Body<T> = () => Generator<never, T, unknown>;

/** Runs `body` as a task of Effection's. */
export function inEffection<T>(body: Body<T>): Promise<T> {
  return Promise.resolve(run(body));
}

/** Runs `body` as an effect. */
export function inEffect<T>(body: Body<T>): Promise<T> {
  return runPromise(Effect.gen(body));
}
