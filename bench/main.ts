/** `deno task bench [NAME] [--json FILE] [--smoke]` measures the workloads named like `NAME`. */
import { workloads } from "./registry.ts";
import { full, measure, type Measurement, smoke } from "./runner.ts";

const { name, json, effort } = parse(Deno.args);
const chosen = workloads.filter((workload) => workload.name.includes(name));
if (chosen.length === 0) exitWithUsage(`no workload is named ${name}`);

const results: Measurement[] = [];
for (const workload of chosen) {
  const measured = await measure(workload, effort);
  print(measured);
  results.push(...measured);
}
if (json !== undefined) {
  await Deno.writeTextFile(json, JSON.stringify({ machine: machine(), results }, null, 2) + "\n");
}

function parse(args: readonly string[]) {
  const options = { name: "", json: undefined as string | undefined, effort: full };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i] ?? "";
    if (arg === "--smoke") options.effort = smoke;
    else if (arg === "--json") options.json = args[++i] ?? exitWithUsage("--json needs a file");
    else if (arg.startsWith("--")) exitWithUsage(`there is no option ${arg}`);
    else options.name = arg;
  }
  return options;
}

function exitWithUsage(complaint: string): never {
  console.error(`${complaint}\nusage: deno task bench [NAME] [--json FILE] [--smoke]`);
  console.error(`names: ${workloads.map((workload) => workload.name).join(", ")}`);
  Deno.exit(2);
}

function print(measured: readonly Measurement[]): void {
  const [first] = measured;
  console.log(`${first?.workload} (ns per ${first?.unit})`);
  for (const { contender, medianNs, ratio } of measured) {
    const columns = [
      contender.padEnd(12),
      medianNs.toFixed(1).padStart(10),
      `${ratio.toFixed(2)}x`.padStart(9),
    ];
    console.log(`  ${columns.join("")}`);
  }
}

function machine() {
  const { deno, v8 } = Deno.version;
  const { os, arch } = Deno.build;
  return {
    date: new Date().toISOString(),
    deno,
    v8,
    os,
    arch,
    cores: navigator.hardwareConcurrency,
  };
}
