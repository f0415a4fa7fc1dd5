/**
 * Who writes to a page holds its lock meanwhile: a task of Effection's, a fiber of Effect's, a fiber
 * of Weft's, an async function; and another fiber, which gives up waiting. First come, first served.
 *
 * ```sh
 * deno run examples/foreign/one_lock.ts
 * ```
 *
 * @module
 */
import { main, perThread, sleep, Timeout, withTimeout } from "@weft/weft";
import { Mutex } from "@weft/weft/sync";
import { asyncContextThreads as threads } from "@weft/weft/thread";
import { run } from "./effection.ts";
import { runPromise, unwinding } from "./effect.ts";

const page = new Mutex();

/** Waits for nothing but Weft: so it works wherever it is run. */
function* write(words: string): Generator<never, string, unknown> {
  using _guard = yield* page.lock();
  let line = "";
  for (const word of words.split(" ")) {
    yield* sleep(1);
    line += `${word} `;
  }
  console.log(line.trim());
  return line;
}

async function writeAsync(words: string): Promise<void> {
  using _guard = await page.lock();
  for (const _ of words.split(" ")) await sleep(1);
  console.log(words);
}

function* giveUp() {
  try {
    yield* withTimeout(1, () => write("this is never written"));
  } catch (error) {
    if (!(error instanceof Timeout)) throw error;
    console.log("one has given up");
  }
}

if (import.meta.main) {
  perThread(threads); // each of the two libraries gets an async context of its own
  main(() => write("a fiber of Weft's"));
  threads.run(() => run(() => write("a task of Effection's")));
  main(giveUp);
  threads.run(() => runPromise(unwinding(() => write("a fiber of Effect's"))));
  writeAsync("an async function");
}
