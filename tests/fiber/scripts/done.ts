/** A program that ends: nothing keeps the process alive after it. */
import { main, sleep, spawn } from "@weft/weft";

main(function* () {
  spawn(() => sleep(1e9)).abort();
  yield* sleep(1);
  console.log("done");
}, { signal: new AbortController().signal });
