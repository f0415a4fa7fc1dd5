/** `node tools/bundle_smoke.mjs BUNDLE`: a small program, to see that the library runs on Node. */
import assert from "node:assert/strict";
import process from "node:process";
import { pathToFileURL } from "node:url";

const { Channel, main, run, select, sleep, spawn, when } = await import(
  pathToFileURL(process.argv[2]).href
);

function* produce(channel, items, ms) {
  for (const item of items) {
    yield* sleep(ms);
    yield* channel.send(item);
  }
}

const received = await main(function* () {
  const slow = new Channel({ capacity: 0 });
  const fast = new Channel({ capacity: 0 });
  spawn(() => produce(slow, ["c", "d"], 20));
  spawn(() => produce(fast, ["a", "b"], 0));
  const received = [];
  while (received.length < 4) {
    const item = yield* select([
      when(slow.receiveEvent(), (letter) => letter),
      when(fast.receiveEvent(), (letter) => letter),
    ]);
    received.push(item);
  }
  return received.join("");
});
assert.equal(received, "abcd");

function* sum() {
  const channel = new Channel({ capacity: 1 });
  const producer = spawn(function* () {
    for (const n of [1, 2, 3]) yield* channel.send(n);
    channel.close();
    return 10;
  });
  let total = 0;
  for (let next; (next = yield* channel.receive());) total += next.value;
  return total + (yield* producer);
}
assert.deepEqual(run(sum), { ok: true, value: 16 });
