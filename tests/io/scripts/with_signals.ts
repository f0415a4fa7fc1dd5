/** Takes three signals, slowly, and says which they were. */
import { main } from "@weft/weft";
import { withSignals } from "@weft/weft/io";

main(() =>
  withSignals(["SIGUSR1", "SIGUSR2"], function* (signals) {
    console.log("listening");
    const seen: string[] = [];
    while (seen.length < 3) {
      const signal = yield* signals.receiveOrThrow();
      seen.push(signal);
      console.log(`got ${signal}`);
      while (Date.now() % 20 !== 0); // one may come meanwhile
    }
    console.log(seen.join(" "));
  })
);
