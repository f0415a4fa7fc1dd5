import { assert, assertEquals, assertInstanceOf, assertMatch, assertThrows } from "@std/assert";
import { afterEvent, Channel, Event, main, run, select, sleep, spawn, yieldNow } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { watchEvent, withWatch } from "@weft/weft/io";
import { startScript } from "../kit/scripts.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";

const baseName = (path: string) => path.split(/[/\\]/).at(-1)!;

/** Runs `body` with a new folder, and removes it. */
async function inFolder<T>(body: (folder: string) => PromiseLike<T>): Promise<T> {
  const folder = await Deno.makeTempDir();
  try {
    return await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

// In all of them the resource sanitizer sees that no watcher is left.

Deno.test("withWatch() misses no change, also while nobody receives", async () => {
  const names = await inFolder((folder) =>
    main(() =>
      withWatch(folder, function* (changes) {
        for (let n = 0; n < 200; n++) Deno.writeTextFileSync(`${folder}/${n}`, "");
        yield* sleep(20);
        const names = new Set<string>();
        while (!names.has("199")) {
          const { paths } = yield* changes.receiveOrThrow();
          for (const path of paths) names.add(baseName(path));
        }
        return [...names];
      })
    )
  );
  assertEquals(names, Array.from({ length: 200 }, (_, n) => `${n}`));
});

Deno.test("withWatch() ends when its body and all that it spawned have; then the channel is closed", async () => {
  const [changes, spawnedSaw] = await inFolder((folder) =>
    main(function* () {
      let spawnedSaw: unknown;
      const changes = yield* withWatch(
        folder,
        function* (changes) {
          spawn(function* () {
            Deno.writeTextFileSync(`${folder}/note`, "");
            spawnedSaw = (yield* changes.receiveOrThrow()).kind;
          });
          return changes;
        },
      );
      return [changes, spawnedSaw] as const;
    })
  );
  assertEquals([changes.isClosed, spawnedSaw], [true, "create"]);
});

Deno.test("withWatch({ recursive: false }) leaves the folders of a folder alone", async () => {
  const seen = await inFolder((folder) => {
    Deno.mkdirSync(`${folder}/deep`);
    return main(() =>
      withWatch([folder], function* (changes) {
        Deno.writeTextFileSync(`${folder}/deep/note`, "");
        Deno.writeTextFileSync(`${folder}/note`, "");
        return (yield* changes.receiveOrThrow()).paths;
      }, { recursive: false })
    );
  });
  assert(!seen.some((path) => /deep.note$/.test(path)), seen.join());
});

Deno.test("withWatch(): its body may close the channel, fail, or be aborted", async () => {
  await inFolder((folder) =>
    main(function* () {
      const value = yield* withWatch(folder, function* (changes) {
        changes.close();
        yield* yieldNow();
        return yield* changes.receive();
      });
      assertEquals(value, undefined);

      const boom = new Error("boom");
      const failure = yield* errorOf(withWatch(folder, () => {
        throw boom;
      }));
      assertEquals(failure, boom);

      for (let turns = 0; turns < 4; turns++) {
        const fiber = spawn(() => withWatch(folder, () => Event.never()));
        for (let n = 0; n < turns; n++) yield* yieldNow();
        yield* fiber.abort();
      }
    })
  );
});

Deno.test("watchEvent() happens with the next change; a loser watches no more", async () => {
  await inFolder((folder) =>
    main(function* () {
      const changed = watchEvent(folder);
      const first = yield* select({ changed, late: afterEvent(1) });
      assertEquals(first.kind, "late");
      const waiting = spawn(() => changed);
      const too = spawn(() => changed);
      yield* yieldNow();
      Deno.writeTextFileSync(`${folder}/note`, "");
      for (const fiber of [waiting, too]) {
        const { kind, paths } = yield* fiber;
        assertEquals([kind, paths.length], ["create", 1]);
        assertEquals(baseName(paths[0]!), "note");
      }
      const aborted = spawn(() => changed);
      yield* yieldNow();
      yield* aborted.abort();
    })
  );
});

Deno.test("watchEvent() under await", async () => {
  await inFolder(async (folder) => {
    const change = watchEvent(folder).then(({ kind }) => kind);
    await hostTurn();
    Deno.writeTextFileSync(`${folder}/note`, "");
    assertEquals(await change, "create");
  });
});

Deno.test("withWatch() and watchEvent() throw what watching fails with, and leave nothing behind", async () => {
  const channel = new Channel<never>();
  await main(function* () {
    const nowhere = "/nowhere/to/be/found";
    const error = yield* errorOf(withWatch(nowhere, () => Event.never()));
    assertInstanceOf(error, Deno.errors.NotFound);
    const events = { item: channel.receiveEvent(), changed: watchEvent(nowhere) };
    assertInstanceOf(yield* errorOf(select(events)), Deno.errors.NotFound);
  });
  assertEquals(channel.statistics().receiversWaiting, 0);
});

Deno.test("withWatch() keeps the process alive", async () => {
  await inFolder(async (folder) => {
    const url = new URL("scripts/with_watch.ts", import.meta.url);
    await using program = startScript(url, "--allow-read", "--", folder);
    await program.wrote("watching");
    Deno.writeTextFileSync(`${folder}/note`, "");
    const { code, stdout, stderr } = await program.ended;
    assertEquals([code, stdout, stderr], [0, "watching\ncreate\n", ""]);
  });
});

Deno.test("law 11: run() says that watchEvent() can't happen while it blocks the thread", async () => {
  const result = await inFolder((folder) =>
    Promise.resolve(run(() => watchEvent(folder), { loop: blockingLoop() }))
  );
  assert(!result.ok);
  assertMatch((result.error as Error).message, /^ {2}run .* waits on changes of /m);
});

Deno.test("withWatch() and watchEvent() say what is wrong with their arguments", () => {
  assertThrows(() => watchEvent([]), TypeError, "paths must be a string or an array of at least");
  assertThrows(() => watchEvent(["a", 1 as never]), TypeError, "each of paths must be a string");
  assertThrows(() => watchEvent("a", true as never), TypeError, "options must be an object");
  const recursive = "no" as never;
  assertThrows(
    () => watchEvent("a", { recursive }),
    TypeError,
    'recursive must be a boolean, got "',
  );
  assertThrows(() => withWatch(new URL("file:///") as never, yieldNow), TypeError, "got an URL");
  assertThrows(() => withWatch(".", {} as never), TypeError, "body must be a function");
});
