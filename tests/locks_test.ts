/**
 * Deno fetches all that a lock file names, whoever runs: what only some programs need has a lock of
 * its own, so that a first run fetches what it runs.
 */
import { assertEquals } from "@std/assert";
import config from "../deno.json" with { type: "json" };

const root = new URL("../", import.meta.url);

/** Each lock, and the files whose packages it is about. */
const locks: Record<string, string[]> = {
  "examples/crawler/deno.lock": ["examples/crawler.ts", "examples/crawler/"],
  "tests/deno.lock": ["examples/", "tests/", "tools/"],
  "bench/deno.lock": ["bench/", "examples/crawler/"],
};

function sourcesIn(path: string): string[] {
  if (!path.endsWith("/")) return [path];
  return Array.from(Deno.readDirSync(new URL(path, root)))
    .flatMap(({ name, isDirectory }) => sourcesIn(isDirectory ? `${path}${name}/` : path + name))
    .filter((path) => /\.(?:ts|mjs)$|\/deno\.json$/.test(path));
}

/** The packages that a file imports, whatever it takes from within them. */
function packagesOf(path: string): string[] {
  const text = Deno.readTextFileSync(new URL(path, root));
  const specifiers = text.matchAll(/"npm:\/?((?:@[\w-]+\/)?\w[^"/]*)/g);
  return Array.from(specifiers, ([, name]) => `npm:${name}`);
}

for (const [lock, paths] of Object.entries(locks)) {
  Deno.test(`${lock} names the packages of what it is for, and no others`, () => {
    const { specifiers } = JSON.parse(Deno.readTextFileSync(new URL(lock, root)));
    const imported = new Set(paths.flatMap(sourcesIn).flatMap(packagesOf));
    assertEquals(Object.keys(specifiers).sort(), [...imported].sort());
  });
}

Deno.test("deno.json has no lock that all tasks would share, and each task that needs one its own", () => {
  assertEquals(config.lock, false);
  const used = Object.values(config.tasks).map(({ command }) => /--lock=(\S+)/.exec(command)?.[1]);
  assertEquals(used.filter((lock) => lock !== undefined).sort(), Object.keys(locks).sort());
});
