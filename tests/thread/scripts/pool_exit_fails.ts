/** A program that never closes its pool, and whose `atExit` fails: that is not swallowed. */
import { main } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";

main(function* () {
  yield* ThreadPool.make({
    size: 1,
    init: () => 0,
    atExit: () => {
      throw new RangeError("in atExit");
    },
  });
});
