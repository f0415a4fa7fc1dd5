/** A program that ends while its pool can't start threads any more: that doesn't hold it up. */
import { main, sleep } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";

main(function* () {
  const pool = yield* ThreadPool.make({
    size: 1,
    init: () => {
      try {
        Deno.mkdirSync(Deno.args[0]!);
      } catch {
        throw new RangeError("only once");
      }
    },
  });
  try {
    yield* pool.run(() => Deno.exit(1));
  } catch (error) {
    console.log((error as Error).name);
  }
  yield* sleep(300);
  console.log(pool.statistics().crashed > 1);
});
