/** Running many random schedules, each by its seed, so that one that went wrong can be seen again. */
import { assertEquals } from "@std/assert";
import { REAL_SHARE } from "../kit/share.ts";

/** How often each case was seen. */
export type Tally = Map<string, number>;

/** The share of ready operations (law 10) with which a schedule is run. */
export function shareOf(seed: number): number {
  return [REAL_SHARE, 1, 2, 5][seed % 4]!;
}

/** What runs a schedule: it says in `tally` what it has seen, and to `print` what it does. */
export type RunSchedule = (seed: number, tally: Tally, print?: (line: string) => void) => void;

/**
 * Runs the schedules of the seeds up to `count`; with `SEED=…` in the environment that one alone,
 * printed. Each of `cases` must have been seen by the end, or the test doesn't test what it says.
 */
export function runSchedules(
  file: string,
  { count, cases, run }: { count: number; cases: readonly string[]; run: RunSchedule },
): void {
  const tally: Tally = new Map();
  const runSeed = (seed: number, print?: (line: string) => void) => {
    try {
      run(seed, tally, print);
    } catch (error) {
      const how = `SEED=${seed} deno task test ${file}`;
      throw new Error(`schedule ${seed} went wrong; see it again with ${how}`, { cause: error });
    }
  };
  const replay = Deno.env.get("SEED");
  if (replay !== undefined) return runSeed(Number(replay), console.log);
  for (let seed = 1; seed <= count; seed++) runSeed(seed);
  assertEquals(cases.filter((name) => !tally.has(name)), [], "uncovered cases");
}
