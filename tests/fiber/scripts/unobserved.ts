/** A program in which a failure goes nowhere. */
import { main, sleep, spawn } from "@weft/weft";

main(function* () {
  spawn(function* () {
    throw new Error("nobody looked");
  }, { propagateCancelToParent: false });
  yield* sleep(5_000);
  console.log("not reached: reportError ends the process");
});
