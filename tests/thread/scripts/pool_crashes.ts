/** A program whose idle threads die in every way, with nobody to catch it: it goes on to its end. */
import { main, sleep } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";
import type tasks from "../workers/tasks.ts";

const module = import.meta.resolve("../workers/tasks.ts");

main(function* () {
  const pool = yield* ThreadPool.make<typeof tasks>(module, { size: 1 });
  for (const how of ["throw", "exit", "close"] as const) {
    const { crashed } = pool.statistics();
    yield* pool.run("dieLater", how);
    while (pool.statistics().crashed === crashed) yield* sleep(1);
    console.log(yield* pool.run("echo", how));
  }
});
