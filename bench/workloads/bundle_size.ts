/**
 * How many bytes a web page would load: everything in the library, bundled, minified, and gzipped as
 * a server keeps it. (`CompressionStream` has no levels, and its gzip is one in a hundred larger.)
 */
import { gzipSync } from "node:zlib";
import { lock } from "../program.ts";
import type { Workload } from "../workload.ts";

export const bundleSize: Workload = {
  name: "size",
  unit: "library",
  measure: "bytes",
  size: { full: 1, smoke: 1 },
  limit: 21_000,
  targets: { effection: null, effect: null },
  run: {
    weft: () => sizeOf(import.meta.resolve("../../mod.ts")),
    effection: () => sizeOf("npm:effection@4.1.1"),
    effect: () => sizeOf("npm:effect@4.1.0"),
  },
};

async function sizeOf(entry: string): Promise<number> {
  const { success, stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["bundle", lock, "--quiet", "--minify", entry],
    stderr: "inherit",
  }).output();
  if (!success) throw new Error(`Cannot bundle ${entry}`);
  return gzipSync(stdout, { level: 9 }).byteLength;
}
