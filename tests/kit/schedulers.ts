/** The same test under every scheduler: what holds by a law holds in any order. */
import { main, type Operation, type Result, run } from "@weft/weft";
import type { EventLoop } from "@weft/weft/lowlevel";
import { runLifo } from "../../examples/schedulers/lifo.ts";
import { runRandom } from "../../examples/schedulers/random.ts";
import { virtualLoop } from "./virtual_loop.ts";

/** Runs a body to its end, in virtual time, and tells how it ended. */
export type RunNow = <T>(body: () => Operation<T>, options?: { loop?: EventLoop }) => Result<T>;

/** The same where it takes turns of the host. */
export type RunSoon = <T>(body: () => Operation<T>) => Promise<Result<T>>;

const SEEDS = [1, 2, 3, 4, 5];

const runs: [name: string, run: RunNow][] = [
  ["run", (body, options) => run(body, { loop: virtualLoop(), ...options })],
  ["runLifo", (body, options) => runLifo(body, { loop: virtualLoop(), ...options })],
  ...SEEDS.map((seed): [string, RunNow] => [
    `runRandom, seed ${seed}`,
    (body, options) => runRandom(body, { seed, loop: virtualLoop(), ...options }),
  ]),
];

/**
 * Calls `define` for `run`, `runLifo` and `runRandom` with several seeds, all in virtual time, to
 * define a test of that name for each.
 */
export function forEachScheduler(define: (name: string, run: RunNow) => void): void {
  for (const [name, run] of runs) define(name, run);
}

/** The same with `main` as well, which knows only the host's time: for bodies without timers. */
export function forEachSchedulerAndMain(define: (name: string, run: RunSoon) => void): void {
  forEachScheduler((name, run) => define(name, (body) => Promise.resolve(run(body))));
  define("main", async (body) => {
    const handle = main(body);
    try {
      return { ok: true, value: await handle };
    } catch (error) {
      return { ok: false, error };
    }
  });
}
