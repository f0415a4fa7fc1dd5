/** The handler of uncaught errors lets a fiber go on; then there is nothing left to do. */
import { Channel, Event, main, spawn } from "@weft/weft";
import { setUncaughtHandler } from "@weft/weft/lowlevel";

const errors = new Channel<unknown>();
setUncaughtHandler((error) => {
  errors.trySend(error);
  stuck.abort("told by the handler");
});

const fail = function* () {
  throw new Error("nobody looks at it");
};

const stuck = main(() => Event.never(), { name: "stuck" });
stuck.then(undefined, (error) => console.log("aborted:", error.message));

main(function* () {
  spawn(fail, { propagateCancelToParent: false });
  const item = yield* errors.receive();
  console.log("received:", (item!.value as Error).message);
});
