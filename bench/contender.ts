/**
 * A program that is one contender of one workload: says `ready`, then for each line with a size
 * does a run of that size and answers with a line that says what the run cost, in nanoseconds
 * unless the workload measures something else. It ends with its input. `peers/go` is another one.
 */
import { contenderOf } from "./contenders.ts";
import { workloads } from "./registry.ts";

const [workloadName = "", contenderName = ""] = Deno.args;
const workload = workloads.find(({ name }) => name === workloadName);
if (workload === undefined) throw new Error(`There is no workload ${workloadName}`);
const run = await contenderOf(workload, contenderName);
const buffer = new Uint8Array(64);

say("ready");
// A run starts with nothing else going on in the process: the reading blocks it.
for (let length = Deno.stdin.readSync(buffer); length; length = Deno.stdin.readSync(buffer)) {
  const size = Number(new TextDecoder().decode(buffer.subarray(0, length)));
  await workload.before?.[contenderName]?.();
  const start = performance.now();
  const measured = await run(size);
  const end = performance.now();
  say(`${measured ?? (end - start) * 1e6}`);
}
Deno.exit(0); // also if there are fibers that stay

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}
