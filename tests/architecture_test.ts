/** The rooms of `lib/` and the direction of the arrows between them (`DESIGN.md`, Rooms). */
import { assert, assertEquals } from "@std/assert";

/** Each room imports only from itself and from what stands to its left. */
// deno-fmt-ignore -- one line of rooms, read from left to right
const rooms = [
  "internal", "trigger", "operation", "loop", "fiber", "event", "channel", "promise", "lowlevel",
  "sync", "thread", "resource", "io", "testing", "trace",
];
/** Runs wherever JavaScript does. */
const core = rooms.slice(0, rooms.indexOf("thread"));
/** The files that ask for a module of the platform, at run time and only when it is needed. */
const useNode = ["async_context", "protocol/mailbox", "memory/values"].map((name) =>
  `lib/thread/${name}.ts`
);

const root = new URL("../", import.meta.url);
const files = ["mod.ts", ...sourcesIn("lib/")].map((path) => ({ path, code: codeOf(path) }));

function sourcesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(new URL(folder, root)))
    .flatMap(({ name, isDirectory }) =>
      isDirectory ? sourcesIn(`${folder}${name}/`) : name.endsWith(".ts") ? [folder + name] : []
    );
}

function codeOf(path: string): string {
  return Deno.readTextFileSync(new URL(path, root)).replaceAll(/\/\*[^]*?\*\/|\/\/.*/g, "");
}

/** The position of a file's room; `mod.ts` stands to the right of all. */
function rank(path: string): number {
  if (path === "mod.ts") return rooms.length;
  const room = rooms.indexOf(path.split("/")[1] ?? "");
  assert(room >= 0, `${path} is in no room that tests/architecture_test.ts knows`);
  return room;
}

/** What an import or export statement, or an `import()`, names. */
const specifier = /^(?:import|export)\b(?:[^;"'`()=]*\bfrom)?\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/gm;

function complaints(about: (path: string, code: string) => string[]): string[] {
  return files.flatMap(({ path, code }) => about(path, code).map((what) => `${path}: ${what}`));
}

Deno.test("lib/ imports only from rooms to the left", () => {
  const upward = complaints((path, code) =>
    Array.from(code.matchAll(specifier), (match) => match[1] ?? match[2] ?? "")
      .filter((to) => !to.startsWith(".") || rank(resolve(to, path)) > rank(path))
      .map((to) => `imports ${to}`)
  );
  assertEquals(upward, []);
});

function resolve(relative: string, from: string): string {
  return new URL(relative, new URL(from, root)).href.slice(root.href.length);
}

Deno.test("lib/ names no module outside of itself", () => {
  const names = complaints((path, code) =>
    useNode.includes(path) ? [] : code.match(/["'`](?:node|npm|jsr|https?):[^"'`]*/g) ?? []
  );
  assertEquals(names, []);
});

Deno.test("the core rooms use neither Deno nor the console", () => {
  const uses = complaints((path, code) =>
    core.includes(path.split("/")[1] ?? "")
      ? code.match(/\b(?:Deno|console)\s*[.?[]\S*/g) ?? []
      : []
  );
  assertEquals(uses, []);
});

Deno.test("every mod.ts holds nothing but a comment and exports", () => {
  const reExport = /export\s+(?:type\s+)?(?:\*(?:\s+as\s+\w+)?|\{[^}]*\})\s+from\s+"[^"]+";/g;
  const extras = complaints((path, code) => {
    const rest = path.endsWith("mod.ts") ? code.replaceAll(reExport, "").trim() : "";
    return rest === "" ? [] : [rest];
  });
  assertEquals(extras, []);
});
