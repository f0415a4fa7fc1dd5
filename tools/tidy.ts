/** Four small checks of the gate. Each returns its complaints, one line each. */

interface Source {
  readonly path: string;
  readonly text: string;
}

const root = new URL("../", import.meta.url);

/** Two tests with one name: a report of a failure would not say which. */
export function duplicateTestNames(): string[] {
  const seen = new Map<string, string>();
  const complaints: string[] = [];
  for (const { path, text } of sources(/_test\.ts$/)) {
    for (
      const [, , name = ""] of text.matchAll(
        /Deno\.test(?:\.\w+)?\(\s*(?:\{\s*name:\s*)?(["'`])(.*?)\1/g,
      )
    ) {
      const before = seen.get(name);
      if (before !== undefined) complaints.push(`${path}: "${name}" is also in ${before}`);
      seen.set(name, path);
    }
  }
  return complaints;
}

/** Where `tests/TRAPS.md` says that a trap is tested, and where tests name it: both must agree. */
export function trapsOutOfStep(): string[] {
  const list = Deno.readTextFileSync(new URL("tests/TRAPS.md", root));
  const listed = new Map(
    Array.from(
      list.matchAll(/^- \*\*(T\d+)\.\*\*(.*(?:\n {2}.*)*)/gm),
      ([, trap = "", text = ""]) => [trap, pathsIn(text)] as const,
    ),
  );
  const tested = Map.groupBy(
    sources(/_test\.ts$/, "tests/").flatMap(({ path, text }) =>
      [...new Set(text.match(/\bT[1-9]\d?\b/g))].map((trap) => ({ trap, path }))
    ),
    ({ trap }) => trap,
  );
  return [...new Set([...listed.keys(), ...tested.keys()])].flatMap((trap) => {
    const said = listed.get(trap);
    if (said === undefined) return [`tests/TRAPS.md does not list ${trap}, which tests name`];
    const found = tested.get(trap)?.map(({ path }) => path.slice("tests/".length)) ?? [];
    return [
      ...found.filter((path) => !said.includes(path))
        .map((path) => `tests/TRAPS.md: ${trap} is tested in ${path} as well`),
      ...said.filter((path) => !found.includes(path))
        .map((path) => `tests/TRAPS.md: no test in ${path} names ${trap}`),
    ];
  });
}

/** The test files that a paragraph names in code. */
function pathsIn(text: string): string[] {
  return Array.from(text.matchAll(/`([\w/]+_test\.ts)`/g), ([, path = ""]) => path);
}

/** Links of the Markdown files to files and headings that are not there. */
export function deadLinks(): string[] {
  const pages = sources(/\.md$/).map(({ path, text }) => ({ path, text: withoutFences(text) }));
  const anchors = new Map(pages.map(({ path, text }) => [path, anchorsOf(text)]));
  return pages.flatMap(({ path, text }) =>
    Array.from(withoutCode(text).matchAll(/\]\(([^)\s]+)\)/g), ([, link = ""]) => link)
      .filter((link) => !/^[a-z]+:/.test(link) && !resolves(link, path, anchors))
      .map((link) => `${path}: ${link} leads nowhere`)
  );
}

/** Switched-off rules, types and tests whose line does not go on with ` -- ` and why. */
export function unexplainedIgnores(): string[] {
  const ignore =
    /(?:deno-(?:lint|fmt|coverage)-ignore|@ts-(?:ignore|expect-error|nocheck)|\.ignore\(|\bignore: true)/;
  return sources(/\.ts$/).flatMap(({ path, text }) =>
    text.split("\n")
      .map((line, index) => ({ line, at: `${path}:${index + 1}` }))
      .filter(({ line }) => ignore.test(line) && !/ -- \S/.test(line))
      .map(({ at }) => `${at}: ignores something and does not say why (-- because ...)`)
  );
}

function sources(pattern: RegExp, folder = ""): Source[] {
  return Array.from(Deno.readDirSync(new URL(folder, root)))
    .filter(({ name }) => !name.startsWith(".") && name !== "node_modules")
    .flatMap(({ name, isDirectory }) => {
      const path = folder + name;
      if (isDirectory) return sources(pattern, `${path}/`);
      return pattern.test(name) ? [{ path, text: Deno.readTextFileSync(new URL(path, root)) }] : [];
    });
}

const withoutFences = (markdown: string) => markdown.replaceAll(/^(```+)[^]*?^\1/gm, "");
const withoutCode = (markdown: string) => markdown.replaceAll(/`[^`\n]*`/g, "");

/** The anchors that the headings of a page get. */
function anchorsOf(text: string): Set<string> {
  return new Set(
    Array.from(
      text.matchAll(/^#+ +(.+)$/gm),
      ([, heading = ""]) =>
        heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").trim().replaceAll(" ", "-"),
    ),
  );
}

function resolves(link: string, from: string, anchors: Map<string, Set<string>>): boolean {
  const target = new URL(link, new URL(from, root));
  const heading = decodeURIComponent(target.hash.slice(1));
  target.hash = "";
  const path = target.href.slice(root.href.length);
  try {
    Deno.statSync(target);
  } catch {
    return false;
  }
  return heading === "" || anchors.get(path)?.has(heading) !== false;
}
