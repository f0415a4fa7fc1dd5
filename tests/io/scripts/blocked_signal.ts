/** Waits for a signal in a `run` that blocks the thread, which no signal can end. */
import { type Deadlock, run } from "@weft/weft";
import { signalEvent } from "@weft/weft/io";
import { blockingLoop } from "@weft/weft/loop";

const result = run(() => signalEvent("SIGUSR1"), { loop: blockingLoop() });
if (result.ok) throw new Error("no signal was sent");
const { name, fibers } = result.error as Deadlock;
for (const fiber of fibers) console.log(`${name}: ${fiber.name} waits on ${fiber.waitsOn}`);
