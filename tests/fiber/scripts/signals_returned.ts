/** A program that ends by itself, and lets go of the signals. */
import { main, sleep } from "@weft/weft";

main(() => sleep(1), { handleSignals: true }).then(() => {
  console.log("ready");
  setTimeout(() => {}, 10_000);
});
