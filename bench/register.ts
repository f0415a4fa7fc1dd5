/** The workloads of the registry, for `deno bench`. */
import { contenderOf, contendersOf } from "./contenders.ts";
import type { Contender, Workload } from "./workload.ts";

/** `deno bench … -- --smoke`: one small run of each, just to see that they work. */
const smoke = Deno.args.includes("--smoke");

/** What `deno task bench` does before each round is done once in so many iterations, as they are short. */
const ITERATIONS_OF_A_ROUND = 1000;

/**
 * Registers those of `workloads` that have the size of an iteration, each as a group, with ours as
 * its baseline.
 */
export function register(workloads: readonly Workload[]): void {
  for (const workload of workloads) {
    if (workload.iteration === undefined) continue;
    const size = smoke ? workload.size?.smoke ?? 100 : workload.iteration;
    const units = workload.units?.(size) ?? size;
    for (const name of contendersOf(workload).filter(canShareAProcess)) {
      const before = workload.before?.[name];
      let contender: Promise<Contender> | undefined; // loaded while it warms up
      let iterations = 0;
      Deno.bench({
        name: `${workload.name} ${name}`,
        group: `${workload.name}, ${units} times a ${workload.unit}`,
        baseline: name === "weft",
        ...(smoke && { n: 1, warmup: 0 }),
        async fn(bench) {
          const run = await (contender ??= contenderOf(workload, name));
          if (before === undefined) return void await run(size);
          if (iterations++ % ITERATIONS_OF_A_ROUND === 0) await before();
          bench.start();
          await run(size);
          bench.end();
        },
      });
    }
  }
}

/**
 * Go is a program of its own, and `pure` what nothing is after anything else has run. Only
 * `deno task bench` has them.
 */
function canShareAProcess(contender: string): boolean {
  return contender !== "go" && contender !== "pure";
}
