/**
 * A scheduler of your own, in one loop: newest first.
 *
 * A scheduler decides one thing, who runs next. Weft tells it which fibers are ready; `step` runs
 * one of them to where it suspends again. All else (structure, aborts, channels, timeouts) belongs
 * to the fibers and works under any scheduler.
 *
 * Last in, first out would be a plain stack, but for one trap: a fiber that yields becomes the
 * newest, so a stack runs it again at once, and nobody else ever again. Here fibers run in rounds:
 * a round takes all who are ready, newest first, and whoever gets ready meanwhile waits for the
 * next. So what was spawned last starts first, and still everybody gets a turn.
 *
 * ```sh
 * deno run examples/schedulers/lifo.ts # shows who runs in which round
 * ```
 *
 * @module
 */
import { type Operation, type Result, spawn, yieldNow } from "@weft/weft";
import { AnyFiber, type EventLoop, step } from "@weft/weft/lowlevel";
import { blockingLoop } from "@weft/weft/loop";

/** Runs `body`, and everything that it spawns, to completion, newest first. */
export function runLifo<T>(
  body: () => Operation<T>,
  options: { loop?: EventLoop } = {},
): Result<T> {
  const { loop = blockingLoop() } = options;
  let ready: AnyFiber[] = [];
  const main = AnyFiber.main({ ready: (fiber) => void ready.push(fiber), loop }, body);

  for (let result = main.poll();; result = main.poll()) {
    if (result !== undefined) return result;

    const round = ready.reverse();
    ready = [];
    round.forEach(step);

    // Nobody is ready: the loop sleeps until a timer is due. No timer either: nothing will come.
    const more = loop.oneStep({ block: ready.length === 0 });
    if (!more && ready.length === 0) AnyFiber.breakDeadlock(main);
  }
}

/** Five fibers that take three turns each, and write down when. */
function* takeTurns(order: string[]): Operation<void> {
  for (const name of "abcde") {
    spawn(function* () {
      for (let turn = 1; turn <= 3; turn++) {
        order.push(`${name}${turn}`);
        yield* yieldNow();
      }
    });
  }
}

if (import.meta.main) {
  const order: string[] = [];
  runLifo(() => takeTurns(order));
  console.log(`spawned a to e, they ran: ${order.join(" ")}`);
}
