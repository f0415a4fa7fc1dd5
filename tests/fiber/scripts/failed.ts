/** A program that fails. */
import { main, sleep } from "@weft/weft";

main(function* () {
  yield* sleep(1);
  throw new Error("the program failed");
});
