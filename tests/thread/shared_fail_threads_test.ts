/** Shared channels that fail, between threads that run. Nothing here depends on how fast they are. */
import { assertEquals, assertInstanceOf, assertRejects, assertStringIncludes } from "@std/assert";
import { select } from "@weft/weft";
import { SharedChannel } from "@weft/weft/thread";
import { startThread, type TestThread, until } from "../kit/workers.ts";
import type { Input, TaskName, World } from "./workers/shared.ts";

const idle = { size: 0, sendersWaiting: 0, receiversWaiting: 0 };
const module = new URL("./workers/shared.ts", import.meta.url);

function start<T>(task: TaskName, input: Partial<Input>): TestThread<T> {
  return startThread<T>(module, task, input);
}

const broken = () =>
  Object.assign(new RangeError("broken", { cause: new TypeError("below") }), { code: 7 });
const told = {
  name: "RangeError",
  message: "broken",
  code: 7,
  cause: { name: "TypeError", message: "below" },
};
const refusal = {
  name: "ChannelClosedError",
  message: "Cannot send to the channel: it is closed",
  value: { n: 1 },
  cause: told,
};

for (const world of ["a fiber", "a blocking run", "Effection"] as World[]) {
  Deno.test(`SharedChannel.fail() tells ${world} of another thread, whatever it waits for`, async () => {
    const empty = new SharedChannel<unknown>({ capacity: 1 });
    const full = new SharedChannel<unknown>({ capacity: 1 });
    full.trySend(0);
    using threads = new DisposableStack();
    const results = (["receive", "select", "send", "close"] as const).map((how) => {
      const from = how === "send" ? full.handle : empty.handle;
      return threads.use(start("awaitEnd", { world, from, how })).result;
    });
    await until(() => empty.statistics().receiversWaiting === 2, "the receivers");
    await until(() => full.statistics().sendersWaiting === 1, "the sender");
    empty.fail(broken());
    full.fail(broken());
    assertEquals(await Promise.all(results), [told, told, refusal, undefined]);
    assertEquals([empty.statistics(), full.statistics()], [idle, { ...idle, size: 1 }]);
  });
}

Deno.test("SharedChannel that another thread fails: its items first, then the same error for all", async () => {
  const channel = new SharedChannel<unknown>({ capacity: 2 });
  const closed = channel.closeEvent().then(() => "closed");
  using thread = start("fail", { to: channel.handle, items: ["one", "two"] });
  await thread.result;
  assertEquals(await closed, "closed");
  assertEquals([await channel.receive(), await channel.receive()], [
    { value: "one" },
    { value: "two" },
  ]);
  const error = await assertRejects(async () => void (await channel.receive()), RangeError);
  assertInstanceOf(error.cause, TypeError);
  assertEquals([error.message, (error as unknown as { code: number }).code], ["broken", 7]);
  assertStringIncludes(error.stack!, "workers/shared.ts");
  assertStringIncludes(error.stack!, "in thread ");
  const again = await assertRejects(async () => void (await select({ e: channel.receiveEvent() })));
  assertEquals(again === error, true);
});

Deno.test("SharedChannel.from() a handle that is posted after the fail sees it, too", async () => {
  const channel = new SharedChannel<unknown>({ capacity: 1 });
  channel.fail(broken());
  for (const how of ["receive", "select", "send", "close"] as const) {
    using thread = start("awaitEnd", { world: "a blocking run", from: channel.handle, how });
    const expected = how === "close" ? undefined : how === "send" ? refusal : told;
    assertEquals(await thread.result, expected, how);
  }
});

Deno.test("law 4: of threads that fail and close a SharedChannel at the same time one wins, and all agree", async () => {
  const rounds = 200;
  const ends = Array.from({ length: rounds }, () => new SharedChannel({ capacity: 1 }));
  const input = { ends: ends.map(({ handle }) => handle), log: new SharedArrayBuffer(4 * rounds) };
  const ids = [0, 1, 2];
  using threads = new DisposableStack();
  const seen = await Promise.all(
    ids.map((id) =>
      threads.use(start<string[]>("race", { ...input, items: [id, ids.length] })).result
    ),
  );
  for (let round = 0; round < rounds; round++) {
    const [first] = seen.map((of) => of[round]);
    const allowed = ["closed", ...ids.map((id) => `of ${id} in ${round}`)];
    assertEquals(allowed.some((end) => first === `${end}, ${end}`), true, first);
    assertEquals(seen.map((of) => of[round]), [first, first, first]);
  }
  assertEquals(
    new Set(seen[0]!.map((end) => end.split(" ")[1])).size > 1,
    true,
    "nobody won twice",
  );
});
