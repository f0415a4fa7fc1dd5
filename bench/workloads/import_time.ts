/**
 * How long it takes to import the library, in a process that has imported nothing else: an
 * `import()` of it, less that of an empty module. Deno's caches of what it has resolved, transpiled
 * and compiled are warm, for everybody: the rounds that don't count fill them.
 */
import { lock } from "../program.ts";
import type { Workload } from "../workload.ts";

const probe = import.meta.resolve("../import_probe.ts");

export const importTime: Workload = {
  name: "import",
  unit: "import",
  measure: "ms",
  size: { full: 1, smoke: 1 },
  targets: { effection: null, effect: null },
  run: {
    weft: () => importOf(import.meta.resolve("../../mod.ts")),
    effection: () => importOf("npm:effection@4.1.1"),
    effect: () => importOf("npm:effect@4.1.0"),
  },
};

async function importOf(specifier: string): Promise<number> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["run", lock, "--allow-all", probe, specifier],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot import ${specifier}`);
  return Number(new TextDecoder().decode(stdout));
}
