/** Waits for a signal, and says which it was. */
import { main } from "@weft/weft";
import { signalEvent } from "@weft/weft/io";

main(function* () {
  setTimeout(() => console.log("waiting"), 0);
  console.log(`got ${yield* signalEvent("SIGUSR1", "SIGUSR2")}`);
});
