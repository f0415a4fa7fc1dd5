/** World 5: whole tasks of other libraries, which wait for what is Weft's. */
import { run as runEffection } from "npm:effection@4.1.1";
import { Effect } from "npm:effect@4.1.0";
import { using } from "@weft/weft";
import { effectionTrigger, effectTrigger } from "../../world5/peers.ts";

type Body<T> = () => Generator<never, T, unknown>;

/** Runs `body` as a task of Effection's. */
export function inEffection<T>(body: Body<T>): Promise<T> {
  return using({
    prepareForAwait: effectionTrigger,
    whileRunning: () => Promise.resolve(runEffection(body)),
  });
}

/** Runs `body` as an effect. */
export function inEffect<T>(body: Body<T>): Promise<T> {
  return using({
    prepareForAwait: effectTrigger,
    whileRunning: () => Effect.runPromise(Effect.gen(body)),
  });
}
