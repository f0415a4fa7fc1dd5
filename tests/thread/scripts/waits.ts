/** A fiber waits for what comes from elsewhere, and nothing else keeps the program alive. */
import { main } from "@weft/weft";
import { SharedChannel, SharedTrigger } from "@weft/weft/thread";

const channel = new SharedChannel<string>({ capacity: 1 });
const trigger = new SharedTrigger();

main(function* () {
  Deno.unrefTimer(setTimeout(() => channel.trySend("an item"), 100));
  console.log((yield* channel.receive())?.value);
  Deno.unrefTimer(setTimeout(trigger.release, 100));
  yield* trigger.await();
  console.log("a release");
});
