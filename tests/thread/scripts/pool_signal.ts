/** A program whose threads are all busy until a signal ends it. */
import { main, sleep, spawn } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";
import type tasks from "../workers/tasks.ts";

const task = Deno.args[0] as "spin" | "stuckForever" | "patient";
const module = import.meta.resolve("../workers/tasks.ts");

main(function* () {
  const pool = yield* ThreadPool.make<typeof tasks>(module, { size: 2 });
  const words = [0, 1].map(() => new Int32Array(new SharedArrayBuffer(4)));
  for (const word of words) spawn(() => pool.run(task, word));
  while (words.some((word) => Atomics.load(word, 0) === 0)) yield* sleep(1);
  console.log("ready");
  try {
    yield* pool.run("echo", 1); // never its turn
  } finally {
    if (task !== "stuckForever") yield* pool.close();
    console.log("closed");
  }
}, { handleSignals: true });
