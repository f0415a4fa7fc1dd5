/** Who takes part in a workload, and what each of them runs. */
import type { Contender, Workload } from "./workload.ts";

/** Ours first, then those it is compared with. */
export function contendersOf({ targets }: Workload): string[] {
  return ["weft", ...Object.keys(targets)];
}

/** What runs `workload` as `name` has it. A library is loaded when it is first asked for. */
export async function contenderOf(workload: Workload, name: string): Promise<Contender> {
  const here = workload.run[name];
  if (here !== undefined) return here;
  const library = name === "effect"
    ? (await import("./peers/effect.ts")).effect
    : name === "effection"
    ? (await import("./peers/effection.ts")).effection
    : name === "async-mutex"
    ? (await import("./peers/async_mutex.ts")).asyncMutex
    : {};
  const there = library[workload.name];
  if (there === undefined) throw new Error(`${name} has no workload ${workload.name}`);
  return there;
}
