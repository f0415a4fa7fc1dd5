/** A program that never closes its pool: its threads run `atExit` when it has nothing left to do. */
import { main } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";

main(function* () {
  const pool = yield* ThreadPool.make({
    size: 2,
    init: () => 0,
    atExit: () => console.log("atExit"),
  });
  console.log(yield* pool.run(() => "ran"));
});
