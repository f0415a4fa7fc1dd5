/**
 * Changes of files, as an event and as a channel. The event watches only while somebody waits; the
 * channel from the start, so that it misses nothing.
 */
import type { Channel } from "../../channel/mod.ts";
import { GeneratorOperation } from "../../fiber/core/mod.ts";
import { scope } from "../../fiber/mod.ts";
import { checkBody, checkOptional, checkOptions, wrongType } from "../../internal/check.ts";
import type { Event } from "../../operation/event_constructors.ts";
import { EventBase, type WaitNode } from "../../operation/event.ts";
import type { Awaitable, Operation } from "../../operation/types.ts";
import { channelFrom } from "../../promise/mod.ts";

/** How files are watched. */
export interface WatchOptions {
  /** Whether what is in the folders of a folder is watched, too. Default true. */
  recursive?: boolean;
}

/** What is watched, and how. */
interface Watched {
  readonly paths: readonly string[];
  readonly recursive: boolean;
}

/** A change is an instant, not a state: it is never there already, so there is nothing to attempt. */
class WatchEvent extends EventBase<Deno.FsEvent> {
  constructor(readonly watched: Watched) {
    super();
  }

  override enlist(node: WaitNode): void {
    const watcher = watch(this.watched);
    let isOpen = true;
    node.handle = {
      cancel() {
        isOpen = false;
        watcher.close();
      },
    };
    watcher[Symbol.asyncIterator]().next().then(
      ({ value }) => isOpen && node.complete(value),
      (error) => isOpen && node.fail(error),
    );
  }

  describe(): string {
    return nameOf(this.watched);
  }
}

/**
 * Happens when a file among `paths`, or in a folder among them, is made, changed, moved or removed;
 * tells how. While nobody waits, nothing is watched, and so what happens between two waits is
 * missed: {@linkcode withWatch} misses nothing.
 *
 * Waiting keeps the process alive. Needs `--allow-read` of the paths. The wait throws what Deno
 * says of a path that can't be watched.
 *
 * @throws {TypeError} if an argument is of the wrong type, or there is no path
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { afterEvent, main, select } from "@weft/weft";
 * import { watchEvent } from "@weft/weft/io";
 *
 * const config = await Deno.makeTempFile();
 * const next = await main(() =>
 *   select({ changed: watchEvent(config), checkAnyway: afterEvent(1) })
 * );
 * assertEquals(next.kind, "checkAnyway");
 * await Deno.remove(config);
 * ```
 */
export function watchEvent(
  paths: string | readonly string[],
  options?: WatchOptions,
): Event<Deno.FsEvent> {
  return new WatchEvent(checkWatched(paths, options));
}

/**
 * Runs `body` with a channel of what happens meanwhile to the files among `paths`, and in the
 * folders among them, in order and without a gap, also while nobody receives. They are watched from
 * the start; in the end, or if `body` closes the channel, no more.
 *
 * One change can be several events: a file that is written anew is made and then modified, twice or
 * more.
 *
 * Suspends. Keeps the process alive, as something may always happen. If watching fails, so does the
 * scope. Needs `--allow-read` of the paths.
 *
 * @throws {Deno.errors.NotFound} if there is no such path
 * @throws {TypeError} if an argument is of the wrong type, or there is no path
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { main } from "@weft/weft";
 * import { withWatch } from "@weft/weft/io";
 *
 * const folder = await Deno.makeTempDir();
 * const change = await main(() =>
 *   withWatch(folder, function* (changes) {
 *     Deno.writeTextFileSync(`${folder}/note`, "written");
 *     return yield* changes.receiveOrThrow();
 *   })
 * );
 * assert(change.paths[0]?.endsWith("note"));
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export function withWatch<T>(
  paths: string | readonly string[],
  body: (changes: Channel<Deno.FsEvent>) => Operation<T>,
  options?: WatchOptions,
): Awaitable<T> {
  const watched = checkWatched(paths, options);
  checkBody("watch", "body", body);
  return new GeneratorOperation("a watch", useWatch<T>, { watched, body });
}

interface WatchUse<T> {
  readonly watched: Watched;
  readonly body: (changes: Channel<Deno.FsEvent>) => Operation<T>;
}

function* useWatch<T>({ watched, body }: WatchUse<T>): Generator<never, T, unknown> {
  return yield* scope(function* () {
    const options = { capacity: Infinity, name: nameOf(watched) };
    const changes = channelFrom(watch(watched), options);
    try {
      return yield* scope(() => body(changes)); // with all that it spawns
    } finally {
      changes.close();
    }
  });
}

function watch({ paths, recursive }: Watched): Deno.FsWatcher {
  return Deno.watchFs([...paths], { recursive });
}

function nameOf({ paths }: Watched): string {
  return `changes of ${paths.join(", ")}`;
}

function checkWatched(paths: unknown, options: WatchOptions | undefined): Watched {
  checkOptions("watch", options);
  const { recursive = true } = options ?? {};
  checkOptional("watch", "recursive", recursive, "boolean");
  if (typeof paths === "string") return { paths: [paths], recursive };
  if (!Array.isArray(paths) || paths.length === 0) {
    throw wrongType("watch", "paths must be a string or an array of at least one", paths);
  }
  for (const path of paths) {
    if (typeof path === "string") continue;
    throw wrongType("watch", "each of paths must be a string", path);
  }
  return { paths: [...paths], recursive };
}
