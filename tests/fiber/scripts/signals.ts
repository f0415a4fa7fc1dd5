/** A program that runs until a signal ends it. */
import { main, protect, sleep, spawn } from "@weft/weft";

main(function* () {
  spawn(function* () {
    try {
      yield* sleep(Infinity);
    } finally {
      yield* protect(() => sleep(1));
      console.log("child cleaned up");
    }
  });
  yield* sleep(1);
  console.log("ready");
  try {
    yield* sleep(Infinity);
  } catch (error) {
    console.log(String((error as Error).cause));
    throw error;
  } finally {
    yield* protect(() => sleep(1));
    console.log("cleaned up");
  }
}, { handleSignals: true });
