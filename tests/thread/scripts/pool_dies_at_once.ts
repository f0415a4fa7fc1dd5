/**
 * A program with a pool whose threads die as soon as they have started, once the file `flag` is
 * there: prints how many have died after half a second, and what nobody observed.
 */
import { main, sleep, yieldNow } from "@weft/weft";
import { setUncaughtHandler } from "@weft/weft/lowlevel";
import { ThreadPool } from "@weft/weft/thread";

const [module, flag] = Deno.args;
const uncaught: string[] = [];
setUncaughtHandler((error) => void uncaught.push((error as Error).name));
const crashed = await main(function* () {
  const pool = yield* ThreadPool.make<{ default: { tasks: { exit: () => never } } }>(module!, {
    size: 1,
  });
  Deno.writeTextFileSync(flag!, "");
  try {
    yield* pool.run("exit");
  } catch {
    // its thread is gone, as it should be
  }
  yield* sleep(500);
  const { crashed } = pool.statistics();
  yield* pool.close();
  yield* yieldNow();
  return crashed;
});
await new Promise((resolve) => setTimeout(resolve, 0)); // what is reported late is here
console.log(JSON.stringify({ crashed, uncaught }));
