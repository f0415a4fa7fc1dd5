/**
 * A scheduler of your own that finds bugs: whoever is ready runs in random order.
 *
 * Code that is right runs in any order; code that only works because fibers happen to take turns
 * fails under some seed. The same seed gives the same order on every machine, so the failure can be
 * replayed: run your test for the seeds 1 to 100 and print the one that fails.
 *
 * ```sh
 * deno run examples/schedulers/random.ts # finds a bug that `run` doesn't show
 * ```
 *
 * @module
 */
import { type Operation, type Result, run, spawn } from "@weft/weft";
import { AnyFiber, type EventLoop, step } from "@weft/weft/lowlevel";
import { blockingLoop } from "@weft/weft/loop";

/** Runs `body`, and everything that it spawns, to completion, in the random order of `seed`. */
export function runRandom<T>(
  body: () => Operation<T>,
  options: { seed: number; loop?: EventLoop },
): Result<T> {
  const { seed, loop = blockingLoop() } = options;
  const below = dice(seed);
  const ready: AnyFiber[] = [];
  const main = AnyFiber.main({ ready: (fiber) => void ready.push(fiber), loop }, body);

  for (let result = main.poll();; result = main.poll()) {
    if (result !== undefined) return result;

    const [fiber] = ready.splice(below(ready.length), 1);
    if (fiber !== undefined) step(fiber);

    // Nobody is ready: the loop sleeps until a timer is due. No timer either: nothing will come.
    const more = loop.oneStep({ block: ready.length === 0 });
    if (!more && ready.length === 0) AnyFiber.breakDeadlock(main);
  }
}

/** Integers from 0 up to a bound: mulberry32, whose whole state is one number. */
function dice(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor(((x ^ (x >>> 14)) >>> 0) / 2 ** 32 * bound);
  };
}

/** Has a bug: nobody sees to it that the greeting is there when it is looked for. */
function* greet(): Operation<string> {
  let greeting = "nothing";
  spawn(function* () {
    greeting = "hello";
  });
  return yield* spawn(function* () {
    return greeting;
  });
}

if (import.meta.main) {
  const said = (result: Result<string>) => result.ok ? result.value : `${result.error}`;
  console.log(`run says ${said(run(greet))}`);
  for (let seed = 1; seed <= 6; seed++) {
    console.log(`seed ${seed} says ${said(runRandom(greet, { seed }))}`);
  }
}
