/** What fibers that have ended keep alive, while somebody keeps the fibers. */
import { type Fiber, fromPromise, main, sleep, spawn } from "@weft/weft";

const kept: Fiber<unknown>[] = [];
const alive = new Map<string, WeakRef<object>>();

/** Something large that only a closure knows. */
function large(name: string): object {
  const object = { large: new Array(1e5).fill(0) };
  alive.set(name, new WeakRef(object));
  return object;
}

function spawnAll(): void {
  const inBody = large("the body");
  kept.push(spawn(function* () {
    return typeof inBody;
  }));
  const inFinally = large("the finally");
  kept.push(spawn(function* () {}, { finally: () => void inFinally }));
  const inCallback = large("the callback of onResult");
  const fiber = spawn(function* () {});
  fiber.onResult(() => void inCallback);
  kept.push(fiber);
  const neverRun = large("a body that never ran");
  const aborted = spawn(function* () {
    return typeof neverRun;
  });
  aborted.abort();
  kept.push(aborted);
  const inListener = large("a listener of a call's signal");
  const call = (signal: AbortSignal) => {
    signal.addEventListener("abort", () => void inListener);
    return Promise.resolve();
  };
  kept.push(spawn(() => fromPromise(call)));
}

main(function* () {
  spawnAll();
  yield* sleep(1);
  for (let turn = 0; turn < 3; turn++) {
    yield* sleep(1);
    (globalThis as { gc?: () => void }).gc!();
  }
  for (const [name, ref] of alive) {
    console.log(`${name}: ${ref.deref() === undefined ? "collected" : "kept"}`);
  }
  console.log(kept.map((fiber) => fiber.state).join());
});
