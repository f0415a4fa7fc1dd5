/**
 * `deno task bench [NAME] [--against PEER,PEER] [--json FILE] [--smoke] [--rounds N] [--strict]`
 * measures the workloads named like `NAME`, ours and the peers', or those of them that are named.
 * `--smoke` only sees whether they do their work; with `--strict` a missed target is a failure.
 */
import { cpus } from "node:os";
import { contendersOf } from "./contenders.ts";
import { buildGo, output } from "./program.ts";
import { workloads } from "./registry.ts";
import { full, measure, type Result, smoke } from "./runner.ts";
import { printResult, printSummary } from "./table.ts";
import type { Workload } from "./workload.ts";

const options = parse(Deno.args);
const chosen = workloads.filter((workload) => {
  return workload.name.includes(options.name) &&
    (options.against?.some((peer) => peer in workload.targets) ?? true);
});
if (chosen.length === 0) exitWithUsage(`no workload is named ${options.name}, or has such peers`);

const effort = options.smoke ? smoke : { ...full, rounds: options.rounds };
const folder = await Deno.makeTempDir();
const results: Result[] = [];
try {
  const go = await buildGo(folder);
  if (go === undefined) console.log("Go is left out: there is no `go` here\n");
  for (const workload of chosen) {
    const result = await measure(workload, effort, takingPart(workload, go), go?.program);
    results.push(result);
    if (options.smoke) console.log(`${result.workload}: ${contenders(result)} did their work`);
    else printResult(result);
  }
  if (!options.smoke) printSummary(results);
  if (options.json !== undefined) {
    const report = { ...await circumstances(go?.version), smoke: options.smoke, results };
    await Deno.writeTextFile(options.json, JSON.stringify(report, null, 2) + "\n");
  }
} finally {
  await Deno.remove(folder, { recursive: true });
}
const missed = results.some(({ scores }) => scores.some(({ met }) => met === false));
Deno.exit(options.strict && !options.smoke && missed ? 1 : 0);

/** Ours, and those of the peers that are asked for and that there are here. */
function takingPart(workload: Workload, go: unknown): string[] {
  const [ours, ...peers] = contendersOf(workload) as [string, ...string[]];
  const asked = peers.filter((name) => options.against?.includes(name) ?? true);
  return [ours, ...asked.filter((name) => name !== "go" || go !== undefined)];
}

function parse(args: readonly string[]) {
  const options = {
    name: "",
    against: undefined as string[] | undefined,
    json: undefined as string | undefined,
    smoke: false,
    strict: false,
    rounds: full.rounds,
  };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--smoke") options.smoke = true;
    else if (arg === "--strict") options.strict = true;
    else if (arg === "--against") {
      options.against = (args[++i] ?? exitWithUsage("--against needs names")).split(",");
    } else if (arg === "--json") options.json = args[++i] ?? exitWithUsage("--json needs a file");
    else if (arg === "--rounds") options.rounds = count(args[++i]);
    else if (arg.startsWith("--")) exitWithUsage(`there is no option ${arg}`);
    else options.name = arg;
  }
  return options;
}

function count(arg: string | undefined): number {
  const rounds = Number(arg);
  return rounds >= 1 && Number.isInteger(rounds)
    ? rounds
    : exitWithUsage("--rounds needs a number");
}

function exitWithUsage(complaint: string): never {
  console.error(`${complaint}\nusage: deno task bench [NAME] [--against PEER,PEER] [--json FILE]`);
  console.error("       [--smoke] [--rounds N] [--strict]");
  console.error(`names: ${workloads.map(({ name }) => name).join(", ")}`);
  Deno.exit(2);
}

function contenders({ scores }: Result): string {
  return scores.map(({ contender }) => contender).join(", ");
}

/** Where and of what this was measured. */
async function circumstances(go = "none") {
  return {
    date: new Date().toISOString(),
    commit: await git("rev-parse", "HEAD"),
    changed: await git("status", "--porcelain") !== "",
    machine: {
      os: Deno.build.os,
      arch: Deno.build.arch,
      cpu: cpus()[0]?.model ?? null,
      cores: navigator.hardwareConcurrency,
      load: Deno.loadavg(),
    },
    runtime: { ...Deno.version, go },
  };
}

async function git(...args: string[]): Promise<string | null> {
  try {
    return await output("git", args);
  } catch {
    return null; // no git, or no repository
  }
}
