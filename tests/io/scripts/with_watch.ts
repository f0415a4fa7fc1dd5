/** Waits for the first change in a folder, and says what it was. */
import { main } from "@weft/weft";
import { withWatch } from "@weft/weft/io";

main(() =>
  withWatch(Deno.args[0]!, function* (changes) {
    console.log("watching");
    const { kind } = yield* changes.receiveOrThrow();
    console.log(kind);
  })
);
