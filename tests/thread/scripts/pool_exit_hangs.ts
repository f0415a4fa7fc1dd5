/** A pool that nobody closes, whose threads don't get on with their end: the program ends all the same. */
import { main } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";

const ends: Record<string, () => void | Promise<void>> = {
  never: () => new Promise(() => {}),
  loop: () => {
    for (;;);
  },
  fine: () => {},
};
const [how = ""] = Deno.args;

main(function* () {
  const pool = yield* ThreadPool.make({ size: 1, graceMs: 50, atExit: ends[how] ?? ends.fine! });
  if (how === "left") {
    yield* pool.run(() => {
      setTimeout(() => {
        for (;;);
      });
    });
  }
  console.log("main ends");
});
