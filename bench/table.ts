/** Prints what was measured. */
import type { Result, Score } from "./runner.ts";

/** A block of lines for a workload. */
export function printResult({ workload, unit, measure, counts, scores }: Result): void {
  console.log(`${workload}, ${measure} per ${unit}${counts === "best" ? ", the best rounds" : ""}`);
  for (const score of scores) console.log(`  ${row(score)}`);
}

function row({ contender, cost, ratio, ratios, target, met }: Score): string {
  const columns = [
    contender.padEnd(12),
    figure(cost).padStart(10),
    (ratio ? `${digits(ratio)}x` : "").padStart(9),
    (ratios ? `  ${digits(ratios.lower)} … ${digits(ratios.upper)}` : "").padEnd(19),
  ];
  if (target !== null) {
    columns.push(`${ratio ? digits(target) : figure(target)} at most: ${met ? "met" : "MISSED"}`);
  }
  return columns.join("").trimEnd();
}

function figure(value: number): string {
  return value.toFixed(value < 1000 ? 1 : 0);
}

/** Two digits that mean something. */
function digits(ratio: number): string {
  return ratio < 0.1 ? ratio.toFixed(3) : ratio.toFixed(2);
}

/** How many targets there are, and which are missed. */
export function printSummary(results: readonly Result[]): void {
  const targets = results.flatMap(({ workload, scores }) =>
    scores.filter(({ met }) => met !== null).map(({ contender, met }) => ({
      met,
      name: `${workload}${contender === "weft" ? "" : ` against ${contender}`}`,
    }))
  );
  const missed = targets.filter(({ met }) => !met).map(({ name }) => name);
  console.log(`\ntargets: ${targets.length - missed.length} met, ${missed.length} missed`);
  for (const name of missed) console.log(`  missed: ${name}`);
}
