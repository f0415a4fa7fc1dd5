/** A program that ends, with a thread of its pool stuck for good at a job that was aborted. */
import { main, sleep, spawn } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";
import type tasks from "../workers/tasks.ts";

const module = import.meta.resolve("../workers/tasks.ts");
const graceMs = Deno.args[0] === undefined ? undefined : Number(Deno.args[0]);

main(function* () {
  const pool = yield* ThreadPool.make<typeof tasks>(
    module,
    { size: 2, ...graceMs !== undefined && { graceMs } },
  );
  const word = new Int32Array(new SharedArrayBuffer(4));
  const stuck = spawn(() => pool.run("stuckForever", word));
  while (Atomics.load(word, 0) === 0) yield* sleep(1);
  console.log(yield* pool.run("echo", "ran"));
  yield* stuck.abort();
  console.log("main ended");
});
