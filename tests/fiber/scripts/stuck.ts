/** A program that can never go on. */
import { Channel, main, protect, sleep, spawn } from "@weft/weft";

main(function* () {
  const channel = new Channel<string>({ capacity: 0 });
  spawn(() => channel.receive(), { name: "consumer" });
  try {
    yield* channel.receive();
  } finally {
    yield* protect(() => sleep(1)); // the loop goes on for what is left to do
    console.log("cleaned up");
  }
}, { name: "program" });
