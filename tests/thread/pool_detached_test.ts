/** Values between main and a pool's threads whose memory is gone. */
import { assertEquals, assertRejects } from "@std/assert";
import { fromPromise, main } from "@weft/weft";
import { ThreadPool } from "@weft/weft/thread";

/** Bytes whose memory was transferred. */
function detached(): Uint8Array {
  const bytes = new Uint8Array(4);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

/** In a thread, which knows nothing of what stands here. */
function returnDetached(): Uint8Array {
  const bytes = new Uint8Array(4);
  structuredClone(bytes, { transfer: [bytes.buffer] });
  return bytes;
}

Deno.test("ThreadPool.run() of what takes or returns bytes whose memory is gone fails, and the thread goes on", async () => {
  await main(function* () {
    const pool = yield* ThreadPool.make({ size: 1 });
    const length = (_state: unknown, bytes: Uint8Array) => bytes.length;
    for (let n = 0; n < 2; n++) {
      yield* rejects(() => pool.run(length, detached()));
      yield* rejects(() => pool.run(returnDetached));
      assertEquals(yield* pool.run(length, new Uint8Array(3)), 3);
    }
    yield* pool.close();
  });
});

function* rejects(operation: () => PromiseLike<unknown>) {
  yield* fromPromise(assertRejects(async () => void (await operation()), TypeError));
}
