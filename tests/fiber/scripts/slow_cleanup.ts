/** A program whose clean-up takes for ever. */
import { main, protect, sleep } from "@weft/weft";

main(function* () {
  console.log("ready");
  try {
    yield* sleep(Infinity);
  } finally {
    console.log("cleaning");
    yield* protect(() => sleep(1e9));
  }
}, { handleSignals: true });
