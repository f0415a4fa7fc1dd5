/**
 * The gate: `deno task ok [STEP...] [--skip STEP...]` runs the steps named, or all of them, to the
 * end, whatever fails on the way, and prints the output of what failed.
 */
import config from "../deno.json" with { type: "json" };
import { deadLinks, duplicateTestNames, trapsOutOfStep, unexplainedIgnores } from "./tidy.ts";

/** Throws, with what there is to say, if the step fails. */
type Step = () => unknown;

const steps: Record<string, Step> = {
  fmt: () => deno("fmt", "--check"),
  lint: () => deno("lint"),
  check: checkUnderTheirLocks,
  doc: () => deno("doc", "--lint", ...Object.values(config.exports)),
  ignores: () => expectNone(unexplainedIgnores()),
  links: () => expectNone(deadLinks()),
  names: () => expectNone([...duplicateTestNames(), ...trapsOutOfStep()]),
  test: () => deno("task", "test"),
  bench: benchUnderBothRunners,
  bundle: bundleRunsOnNode,
  publish: () => deno("publish", "--dry-run", "--allow-dirty"),
};

const outcomes = [];
for (const name of chosenSteps(Deno.args)) outcomes.push(await report(name));
const passed = outcomes.filter((outcome) => outcome).length;
const failed = outcomes.length - passed;
console.log(`\nsteps: ${passed} passed, ${failed} failed`);
Deno.exit(failed === 0 ? 0 : 1);

/** The arguments name the steps to run, or after `--skip` those not to run. */
function chosenSteps(args: readonly string[]): string[] {
  const skips = args.indexOf("--skip");
  const named = skips < 0 ? args : args.slice(0, skips);
  const skipped = skips < 0 ? [] : args.slice(skips + 1);
  const all = Object.keys(steps);
  const unknown = [...named, ...skipped].filter((name) => !all.includes(name));
  if (unknown.length > 0) {
    console.error(`there is no step ${unknown.join(", ")}; there are: ${all.join(", ")}`);
    Deno.exit(2);
  }
  return (named.length > 0 ? [...named] : all).filter((name) => !skipped.includes(name));
}

async function report(name: string): Promise<boolean> {
  const start = performance.now();
  const failure = await failureOf(name);
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(
    `${failure === undefined ? "ok    " : "FAILED"} ${name.padEnd(8)} ${seconds.padStart(6)} s`,
  );
  if (failure !== undefined) console.log(failure.trim().replaceAll(/^/gm, "       "));
  return failure === undefined;
}

async function failureOf(name: string): Promise<string | undefined> {
  try {
    await steps[name]?.();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function expectNone(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
}

function deno(...args: string[]): Promise<void> {
  return command(Deno.execPath(), ...args);
}

/** Runs a program of the repository; one that hangs for ten minutes fails. */
async function command(program: string, ...args: string[]): Promise<void> {
  const { success, code, stdout, stderr } = await new Deno.Command(program, {
    args,
    cwd: new URL("../", import.meta.url),
    env: { NO_COLOR: "1" },
    stdin: "null",
    signal: AbortSignal.timeout(600_000),
  }).output();
  const decoder = new TextDecoder();
  if (!success) {
    throw new Error(`${decoder.decode(stdout)}${decoder.decode(stderr)}\nexit code ${code}`);
  }
}

/** The files by whose packages they may use: see `tests/locks_test.ts`. */
async function checkUnderTheirLocks(): Promise<void> {
  const check = (lock: string, ...files: string[]) =>
    deno("check", "--frozen", `--lock=${lock}`, ...files);
  await check("tests/deno.lock", "mod.ts", "lib", "examples", "tests", "tools");
  await check("examples/crawler/deno.lock", "examples/crawler.ts", "examples/crawler");
  await check("bench/deno.lock", "bench");
}

async function benchUnderBothRunners(): Promise<void> {
  await deno("task", "bench", "--smoke");
  await deno("bench", "--allow-all", "--lock=bench/deno.lock", "--", "--smoke");
}

async function bundleRunsOnNode(): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const bundle = `${folder}/weft.mjs`;
    await deno("bundle", "--output", bundle, "mod.ts");
    await command("node", "tools/bundle_smoke.mjs", bundle);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
