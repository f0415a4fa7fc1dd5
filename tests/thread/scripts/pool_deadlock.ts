/** A program that gets stuck while it has an idle pool: that is noticed all the same. */
import { Channel, main } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";

main(function* () {
  const pool = yield* ThreadPool.make({ size: 1 });
  console.log(yield* pool.run(() => "ran"));
  yield* new Channel<void>().receive();
});
