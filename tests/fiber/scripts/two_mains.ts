/** Two programs that wait for each other: the clean-up of the stuck one lets the other go on. */
import { Channel, Event, main } from "@weft/weft";

const channel = new Channel<string>();

main(function* () {
  try {
    yield* Event.never();
  } finally {
    channel.trySend("from the clean-up");
  }
}, { name: "stuck" }).then(undefined, (error) => console.log("stuck:", error.name));

main(function* () {
  const item = yield* channel.receive();
  return item?.value;
}, { name: "waiting" }).then(
  (value) => console.log("waiting:", value),
  (error) => console.log("waiting:", error.name),
);
