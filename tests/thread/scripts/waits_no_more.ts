/** Nobody waits any more, in whichever way the wait has ended: then the program ends. */
import { afterEvent, cancelScope, main, select, spawn, yieldNow } from "@weft/weft";
import { SharedChannel, SharedTrigger } from "@weft/weft/thread";

const channel = new SharedChannel<string>({ capacity: 1 });
const trigger = new SharedTrigger();

main(function* () {
  yield* select({ item: channel.receiveEvent(), time: afterEvent(20) });
  yield* cancelScope(function* (context) {
    spawn(() => channel.receive());
    spawn(() => trigger.await());
    yield* yieldNow();
    context.cancel();
  });
  const iterator = channel[Symbol.asyncIterator]();
  iterator.next();
  iterator.return?.();
  console.log("over");
});
