/** The workloads of the registry, for `deno bench`. */
import { contenderOf, contendersOf } from "./contenders.ts";
import type { Contender, Workload } from "./workload.ts";

/** `deno bench … -- --smoke`: one small run of each, just to see that they work. */
const smoke = Deno.args.includes("--smoke");

/**
 * Registers those of `workloads` that have the size of an iteration, each as a group, with ours as
 * its baseline. Go is a program of its own: only `deno task bench` compares with it.
 */
export function register(workloads: readonly Workload[]): void {
  for (const workload of workloads) {
    if (workload.iteration === undefined) continue;
    const size = smoke ? workload.size?.smoke ?? 100 : workload.iteration;
    const units = workload.units?.(size) ?? size;
    for (const name of contendersOf(workload).filter((name) => name !== "go")) {
      let contender: Promise<Contender> | undefined; // loaded while it warms up
      Deno.bench({
        name: `${workload.name} ${name}`,
        group: `${workload.name}, ${units} times a ${workload.unit}`,
        baseline: name === "weft",
        ...(smoke && { n: 1, warmup: 0 }),
        async fn() {
          const run = await (contender ??= contenderOf(workload, name));
          await run(size);
        },
      });
    }
  }
}
