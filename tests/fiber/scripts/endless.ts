/** A program that does nothing but wait for a signal. */
import { main, sleep } from "@weft/weft";

main(function* () {
  console.log("ready");
  yield* sleep(Infinity);
}, { handleSignals: true });
