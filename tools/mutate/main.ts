/**
 * Plants faults in a room, one at a time, and looks whether its tests find them:
 *
 *     deno task mutate ROOM... [--count N] [--seed N] [--only TEXT] [--via COMMAND] [--list]
 *
 * A fault that the room's own tests pass goes on to the tests of the other rooms of the core and of
 * foreign schedulers (`world5`). What only those find, and what none finds, is listed at the end:
 * it wants a test in the room, unless the fault makes no difference that anybody can see.
 *
 * It works in a copy of the repository. `--count` is how many faults are planted in each room (20),
 * `--only` takes those that contain a text (`--only core.ts:120`), `--list` shows them and runs
 * nothing, `--via` is what the tests are run by (`--via "nice -n 19"`).
 */
import { Random } from "../../lib/internal/random.ts";
import { type Fault, faultsIn } from "./faults.ts";

/** The rooms whose own tests are `tests/NAME`, and where their code is. */
const rooms: Record<string, readonly string[]> = {
  internal: ["lib/internal"],
  trigger: ["lib/trigger"],
  event: ["lib/event", "lib/operation"],
  loop: ["lib/loop"],
  fiber: ["lib/fiber"],
  channel: ["lib/channel"],
  promise: ["lib/promise"],
  lowlevel: ["lib/lowlevel"],
  sync: ["lib/sync"],
  resource: ["lib/resource"],
};

/** Whose tests are asked after a room's own: the quick ones first. */
// deno-fmt-ignore -- one line of rooms
const distant = [
  "world5", "channel", "event", "lowlevel", "sync", "promise", "trigger", "internal", "loop",
  "resource", "property", "fiber",
];

/** What came of the tests of a room, and the test that failed. */
type Outcome = { passed: boolean; how?: string };

const root = new URL("../../", import.meta.url);
const options = parse(Deno.args);
const copy = `${await Deno.makeTempDir()}/`;
try {
  await main();
} finally {
  await Deno.remove(copy, { recursive: true });
}

async function main(): Promise<void> {
  await copyRepository();
  const missed: string[] = [];
  for (const name of options.rooms) {
    const faults = choose(rooms[name]!);
    if (options.isList) {
      for (const fault of faults) console.log(titleOf(fault));
      continue;
    }
    const mostMs = await timeToFail(name);
    for (const fault of faults) {
      const { finder, how } = await finderOf(fault, name, mostMs);
      const line = `${finder.padEnd(8)} ${titleOf(fault)}`;
      console.log(line);
      if (finder !== name) missed.push(how === undefined ? line : `${line}\n         by: ${how}`);
    }
  }
  if (missed.length > 0) console.log(`\nNot found by the room's own tests:\n${missed.join("\n")}`);
}

function choose(sources: readonly string[]): Fault[] {
  const files = sources.flatMap((folder) => sourcesIn(`${folder}/`)).sort();
  const faults = files.flatMap((path) => faultsIn(path, Deno.readTextFileSync(copy + path)))
    .filter((fault) => titleOf(fault).includes(options.only));
  const random = new Random(options.seed);
  for (let left = faults.length; left > 1; left--) {
    const other = random.below(left);
    [faults[left - 1], faults[other]] = [faults[other]!, faults[left - 1]!];
  }
  return faults.slice(0, options.count);
}

function sourcesIn(folder: string): string[] {
  return Array.from(Deno.readDirSync(copy + folder))
    .flatMap(({ name, isDirectory }) =>
      isDirectory ? sourcesIn(`${folder}${name}/`) : name.endsWith(".ts") ? [folder + name] : []
    );
}

function titleOf({ path, line, what }: Fault): string {
  return `${path}:${line} ${what}`;
}

/** Whose tests find `fault`, and how; or "NOBODY". */
async function finderOf(fault: Fault, own: string, mostMs: number) {
  const path = copy + fault.path;
  const sound = await Deno.readTextFile(path);
  await Deno.writeTextFile(path, fault.code);
  try {
    for (const name of [own, ...distant.filter((name) => name !== own)]) {
      const { passed, how } = await runTests(name, name === own ? mostMs : 120_000);
      if (!passed) return { finder: name, how };
    }
    return { finder: "NOBODY", how: undefined };
  } finally {
    await Deno.writeTextFile(path, sound);
  }
}

/** How long the tests of a room may take with a fault: they must pass without one. */
async function timeToFail(name: string): Promise<number> {
  const start = performance.now();
  const { passed, how } = await runTests(name, 600_000);
  if (!passed) throw new Error(`tests/${name} fails as it is: ${how}`);
  return 3 * (performance.now() - start) + 20_000;
}

async function runTests(name: string, mostMs: number): Promise<Outcome> {
  const flags = ["--allow-all", "--no-check", "--fail-fast", "--lock=tests/deno.lock"];
  const heap = "--v8-flags=--max-old-space-size=1500"; // a fault that fills it fails soon
  const all = [...options.via, Deno.execPath(), "test", ...flags, heap, `tests/${name}`];
  const [program, ...args] = all;
  const signal = AbortSignal.timeout(mostMs);
  const command = new Deno.Command(program!, {
    args,
    cwd: copy,
    env: { NO_COLOR: "1" },
    stdin: "null",
    stderr: "null",
    signal,
  });
  const { success, stdout } = await command.output();
  if (success) return { passed: true };
  const test = /^(.*) \.\.\. FAILED/m.exec(new TextDecoder().decode(stdout))?.[1];
  return { passed: false, how: test ?? (signal.aborted ? "it hangs" : "it ends the process") };
}

async function copyRepository(): Promise<void> {
  const list = await new Deno.Command("git", {
    args: ["ls-files", "--cached", "--others", "--exclude-standard"],
    cwd: root,
  }).output();
  for (const path of new TextDecoder().decode(list.stdout).trim().split("\n")) {
    await Deno.mkdir(copy + path.slice(0, path.lastIndexOf("/") + 1), { recursive: true });
    await Deno.copyFile(new URL(path, root), copy + path).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // deleted, not yet committed
    });
  }
}

function parse(args: readonly string[]) {
  const named: string[] = [];
  const parsed = { rooms: named, count: 20, seed: 1, only: "", via: [] as string[], isList: false };
  for (let at = 0; at < args.length; at++) {
    const arg = args[at]!;
    if (arg === "--list") parsed.isList = true;
    else if (arg === "--count") parsed.count = Number(args[++at]);
    else if (arg === "--seed") parsed.seed = Number(args[++at]);
    else if (arg === "--only") parsed.only = args[++at] ?? "";
    else if (arg === "--via") parsed.via = (args[++at] ?? "").split(" ");
    else if (arg in rooms) named.push(arg);
    else fail(`there is no room ${arg}`);
  }
  if (named.length === 0) fail("name a room");
  return parsed;
}

function fail(why: string): never {
  console.error(`${why}; there are: ${Object.keys(rooms).join(", ")}`);
  Deno.exit(2);
}
