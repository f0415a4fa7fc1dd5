/** A shared trigger between threads that meet by chance, again and again. */
import { assert, assertEquals, assertInstanceOf, assertStrictEquals } from "@std/assert";
import { Abort, main, spawn, yieldNow } from "@weft/weft";
import { SharedTrigger } from "@weft/weft/thread";
import { startThread } from "../kit/workers.ts";

const module = new URL("../thread/workers/shared.ts", import.meta.url);

Deno.test("SharedTrigger.await(): an abort and a release in two threads at once, one of them wins", async () => {
  const outcomes = new Set<string>();
  for (let round = 0; round < 20; round++) {
    const trigger = new SharedTrigger();
    using thread = startThread<undefined>(module, "releaseTrigger", { trigger: trigger.handle });
    let cancels = 0;
    await main(function* () {
      const fiber = spawn(() => trigger.await(() => void cancels++), {
        propagateCancelToParent: false,
      });
      yield* yieldNow();
      if (round % 2 === 0) yield* fiber.join();
      fiber.abort();
      const result = yield* fiber.join();
      assertEquals(cancels, result.ok ? 0 : 1);
      if (!result.ok) assertInstanceOf((result.error as Error).cause, Abort);
      outcomes.add(result.ok ? "released" : "aborted");
    });
    assertStrictEquals(await thread.result, undefined);
  }
  assert(outcomes.has("released"));
});
