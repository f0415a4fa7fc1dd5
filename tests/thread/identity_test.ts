import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { SharedChannel, webWorkerThreads as threads } from "@weft/weft/thread";
import { workerName } from "../../lib/thread/memory/identity.ts";
import { startThread } from "../kit/workers.ts";

const module = new URL("./workers/shared.ts", import.meta.url);

Deno.test("webWorkerThreads: main is number 0, before and after it has met others", () => {
  assertEquals(threads.id(threads.self()), 0);
  new SharedChannel({ capacity: 1 });
  assertEquals(threads.id(threads.self()), 0);
});

Deno.test("webWorkerThreads: threads that were made by hand have numbers of their own, which stay", async () => {
  const { handle } = new SharedChannel({ capacity: 1 });
  using stack = new DisposableStack();
  const inputs = [{ from: handle }, { from: handle }, {}, {}];
  const numbers = await Promise.all(
    inputs.map((input) => stack.use(startThread<number[]>(module, "identify", input)).result),
  );
  for (const [first, second] of numbers) assertEquals(first, second);
  const ids = numbers.map(([id]) => id!);
  assertEquals(new Set([0, ...ids]).size, 5);
  assert(ids.slice(0, 2).every((id) => id < 2 ** 24), "who has met another is counted");
  assert(ids.slice(2).every((id) => id >= 2 ** 24), "who has met nobody has taken one by lot");
});

Deno.test("webWorkerThreads: a thread of a pool has its number from its name", async () => {
  const name = workerName(4711, "crawlers");
  const code = `import { webWorkerThreads as threads } from "@weft/weft/thread";
    postMessage(threads.id(threads.self()));`;
  const source = code.replace("@weft/weft/thread", import.meta.resolve("@weft/weft/thread"));
  // JavaScript, so that nobody checks the types of all that it imports before it starts.
  const url = `data:text/javascript,${encodeURIComponent(source)}`;
  const worker = new Worker(url, { type: "module", name });
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  worker.onmessage = ({ data }) => resolve(data);
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  try {
    assertEquals(await promise, 4711);
  } finally {
    worker.terminate();
  }
  assertNotEquals(name, workerName(4712, "crawlers"));
});
