/**
 * The rooms of `lib/`, each a folder: how large they may be, the direction of the arrows between
 * them, and the doors through which one reaches into another.
 */
import { assert } from "@std/assert";

/** Files that other rooms may import besides the door, each with what they want there. */
type OpenFiles = Record<string, string>;

/**
 * The rooms, from left to right: each imports only from itself and from what stands to its left, and
 * of another room only its door, which is its `mod.ts`, or a file that is listed here. A room inside
 * a room (`fiber/core`) stands to the left of the one that it is part of; its door is for the rooms
 * of `lib/` alone, that of the one around it for users as well.
 */
const rooms: Record<string, OpenFiles> = {
  "internal": { "*": "a box of tools that know nothing of each other" },
  "trigger": {
    "execution.ts": "who executes now: one cell, for the hot path",
    "inactive.ts": "the error of whoever finds nothing that runs",
    "trigger.ts": "triggers as the primitives use them, rather than a scheduler",
  },
  "operation": {
    "types.ts": "the words that all rooms speak",
    "errors.ts": "the errors that the fibers' door hands out, for the rooms before it",
    "wait.ts": "what every operation derives from",
    "rule_wait.ts": "the operation that follows from an event",
    "event.ts": "what every event derives from",
    "event_constructors.ts": "the face of events, which the door of `event` hands out",
    "select_wait.ts": "the wait for one of several, under `select` and `either`",
    "fiber_trigger.ts": "the trigger of a fiber",
    "place.ts": "errors that come from nowhere get the place where they are thrown",
  },
  "loop": {
    "timers.ts": "the clock, and timers for sleeps and deadlines",
    "host_loop.ts": "the turns of the host, for `main`",
    "host_exit.ts": "how the process ends, for `main` and pools",
    "hop.ts": "one turn of the host, for threads and servers",
    "doorbell.ts": "what other threads ring",
    "blocking_loop.ts": "whether a wait may block the thread",
  },
  "fiber/core": {},
  "fiber": {
    "time.ts": "the loop of the current fiber, for timers that are events",
    "late.ts": "the option `onLate`, for `fromPromise`",
  },
  "event": {},
  "channel": {
    "core.ts": "what `SharedChannel` has in common with `Channel`",
    "iterator.ts": "what `SharedChannel` has in common with `Channel`",
  },
  "promise": {
    "hub.ts": "one listener for all who wait for a promise, for jobs of a pool",
  },
  "lowlevel": {},
  "sync": {
    "lock_errors.ts": "what locks between threads refuse in the same words",
    "with_guard.ts": "a body that holds a lock, which may be one between threads",
  },
  "thread/memory": {},
  "thread/shared": {},
  "thread/protocol": {},
  "thread/worker": {},
  "thread/pool": {},
  "thread": {},
  "resource": {},
  "io/bytes": {},
  "io/streams": {},
  "io/net": {},
  "io/os": {},
  "io": {},
  "testing": {},
  "trace": {},
};
const order = Object.keys(rooms);

/**
 * The circles of imports that stay: a room, the files in it that lead to each other, and the reason.
 * They are of types, and gone when the code runs; there is none of anything else.
 */
const circlesOfTypes: Record<string, string> = {
  "operation: begin, foreign_wait, promise_wait, wait":
    "the first three begin a wait, or drive it, for its class",
  "operation: event, event_constructors, select_wait":
    "the constructors are the face of the class, and a select is how one waits for an event",
  "fiber/core: context, fiber, join, scheduler, share, step, termination":
    "a fiber is a context, a context has an owner, and the others do what becomes of a fiber",
};

const largestRoom = 20;

/** Runs wherever JavaScript does. */
const core = order.slice(0, order.indexOf("thread/memory"));
/** The files that ask for a module of the platform, at run time and only when it is needed. */
const useNode = ["async_context", "protocol/mailbox", "memory/values"].map((name) =>
  `lib/thread/${name}.ts`
);

interface Import {
  readonly to: string;
  /** Whether it is of nothing but types, and so gone when the code runs. */
  readonly typesOnly: boolean;
}

interface Source {
  readonly path: string;
  readonly code: string;
  readonly imports: readonly Import[];
}

const root = new URL("../", import.meta.url);
const files: Source[] = ["mod.ts", ...sourcesIn("lib/")].map((path) => {
  const code = codeOf(path);
  return { path, code, imports: importsOf(path, code) };
});

function sourcesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(new URL(folder, root)))
    .flatMap(({ name, isDirectory }) =>
      isDirectory ? sourcesIn(`${folder}${name}/`) : name.endsWith(".ts") ? [folder + name] : []
    );
}

function codeOf(path: string): string {
  return Deno.readTextFileSync(new URL(path, root)).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
}

/** What is imported, by the statements of a module or an `import()`; of `lib/` its path from the root. */
function importsOf(path: string, code: string): Import[] {
  const statement =
    /^(?:import|export)\b(?:([^;"'`()=]*)\bfrom)?\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;
  return Array.from(code.matchAll(statement), ([, names = "", module, lazy]) => {
    const to = module ?? lazy ?? "";
    const typesOnly = /^\s*type\b/.test(names) ||
      /^\s*\{(\s*type\b[^,}]*,?)+\s*\}/.test(names);
    return { to: to.startsWith(".") ? resolve(to, path) : to, typesOnly };
  });
}

function resolve(relative: string, from: string): string {
  return new URL(relative, new URL(from, root)).href.slice(root.href.length);
}

/** The room of a file; `mod.ts` is in none, and stands to the right of all. */
function roomOf(path: string): string | undefined {
  if (path === "mod.ts") return undefined;
  const room = path.split("/").slice(1, -1).join("/");
  assert(room in rooms, `${path} is in no room that tests/architecture_test.ts knows`);
  return room;
}

function place(room: string | undefined): number {
  return room === undefined ? order.length : order.indexOf(room);
}

function complaints(about: (source: Source) => string[]): string[] {
  return files.flatMap((source) => about(source).map((what) => `${source.path} ${what}`));
}

function expectNone(complaints: readonly string[]): void {
  assert(complaints.length === 0, `\n${complaints.join("\n")}`);
}

Deno.test("no room of lib/ holds more than twenty files", () => {
  expectNone(order.flatMap((room) => {
    const count = files.filter(({ path }) => roomOf(path) === room).length;
    return count <= largestRoom ? [] : [
      `lib/${room} holds ${count} files, more than ${largestRoom}: find the idea in it that is a ` +
      "room of its own",
    ];
  }));
});

Deno.test("lib/ imports only from rooms to the left", () => {
  expectNone(complaints(({ path, imports }) => {
    const room = roomOf(path);
    return imports.flatMap(({ to }) => {
      if (!to.startsWith("lib/")) return [`imports ${to}, which is not in lib/`];
      const from = roomOf(to);
      if (place(from) <= place(room)) return [];
      return [
        `imports ${to}, but ${from} stands to the right of ${room}: move what is wanted to the ` +
        "left, or hand it in from the right",
      ];
    });
  }));
});

Deno.test("rooms of lib/ are entered through their doors", () => {
  expectNone(complaints(({ path, imports }) => {
    const room = roomOf(path);
    return imports.flatMap(({ to }) => {
      if (!to.startsWith("lib/") || isDoor(to) || isOpen(to)) return [];
      const other = roomOf(to);
      if (other === room) return [];
      return [
        `imports ${to}: take it from lib/${other}/mod.ts, or list the file in ` +
        "tests/architecture_test.ts with the reason",
      ];
    });
  }));
});

Deno.test("files of lib/ are open to other rooms only where those use them", () => {
  const used = new Set(
    files.flatMap(({ path, imports }) =>
      imports.flatMap(({ to }) => roomOf(path) === roomOf(to) ? [] : [to])
    ),
  );
  expectNone(
    Object.entries(rooms).flatMap(([room, open]) =>
      Object.keys(open).filter((name) => name !== "*" && !used.has(`lib/${room}/${name}`))
        .map((name) => `lib/${room}/${name} is used by no other room: take it off the list`)
    ),
  );
});

function isDoor(path: string): boolean {
  return path.endsWith("/mod.ts");
}

function isOpen(path: string): boolean {
  const open = rooms[roomOf(path)!]!;
  return "*" in open || path.split("/").at(-1)! in open;
}

Deno.test("no imports of lib/ go in a circle when the code runs", () => {
  expectNone(
    circles(({ typesOnly }) => !typesOnly).map((circle) =>
      `${circle} import one another, and it is luck which of them is ready first: move what ` +
      "several want to a file of its own"
    ),
  );
});

Deno.test("imports of types in lib/ go in a circle only where the reason is told", () => {
  const found = circles(() => true);
  const declared = Object.keys(circlesOfTypes);
  expectNone([
    ...found.filter((circle) => !declared.includes(circle)).map((circle) =>
      `${circle} import one another: move the types that several want to a file of their own, or ` +
      "list the circle in tests/architecture_test.ts with the reason"
    ),
    ...declared.filter((circle) => !found.includes(circle)).map((circle) =>
      `${circle} is no circle any more: take it off the list`
    ),
  ]);
});

/** The greatest sets of files each of which leads to each other by such imports, as a list. */
function circles(counts: (one: Import) => boolean): string[] {
  const imports = new Map(
    files.map(({ path, imports }) => [path, imports.filter(counts).map(({ to }) => to)]),
  );
  const reached = new Map(files.map(({ path }) => [path, reachedFrom(path, imports)]));
  const found = files.flatMap(({ path }) => {
    const circle = [...reached.get(path)!].filter((other) => reached.get(other)?.has(path));
    return circle.length === 0 ? [] : [circleName(circle.toSorted())];
  });
  return [...new Set(found)];
}

/** As in the list above. A circle through several rooms has the whole paths. */
function circleName(paths: readonly string[]): string {
  const room = roomOf(paths[0]!);
  if (paths.some((path) => roomOf(path) !== room)) return paths.join(", ");
  return `${room}: ${paths.map((path) => path.split("/").at(-1)!.replace(".ts", "")).join(", ")}`;
}

/** The files that `start` imports, and those that they do, and so on. */
function reachedFrom(start: string, imports: Map<string, string[]>): Set<string> {
  const reached = new Set(imports.get(start));
  for (const path of reached) { // grows as it goes
    for (const to of imports.get(path) ?? []) reached.add(to);
  }
  return reached;
}

Deno.test("lib/ names no module outside of itself", () => {
  expectNone(complaints(({ path, code }) => {
    const names = useNode.includes(path) ? [] : code.match(/["'`](?:node|npm|jsr|https?):[^"'`]*/g);
    return (names ?? []).map((name) => `names ${name}`);
  }));
});

Deno.test("the core rooms use neither Deno nor the console", () => {
  expectNone(complaints(({ path, code }) => {
    const uses = core.includes(roomOf(path) ?? "")
      ? code.match(/\b(?:Deno|console)\s*[.?[]\S*/g)
      : [];
    return (uses ?? []).map((use) => `uses ${use}`);
  }));
});

Deno.test("every mod.ts holds nothing but a comment and exports", () => {
  const reExport = /export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+"[^"]+";/g;
  expectNone(complaints(({ path, code }) => {
    const rest = path.endsWith("mod.ts") ? code.replaceAll(reExport, "").trim() : "";
    return rest === "" ? [] : [`holds ${rest}`];
  }));
});
