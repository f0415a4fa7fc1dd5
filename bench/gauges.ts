/** What a process says about its own memory. */

/** Bytes of the heap that are in use. Takes a collection: `--expose-gc`. */
export function heap(): number {
  collectGarbage();
  return Deno.memoryUsage().heapUsed;
}

/** Bytes that the system has given to the process. Takes a collection: `--expose-gc`. */
export function resident(): number {
  collectGarbage();
  return Deno.memoryUsage().rss;
}

/** The most bytes that the process ever had, as Linux says; elsewhere what it has now. */
export function peakResident(): number {
  if (Deno.build.os !== "linux") return Deno.memoryUsage().rss;
  const [, kilobytes] = /^VmHWM:\s*(\d+) kB$/m.exec(Deno.readTextFileSync("/proc/self/status"))!;
  return Number(kilobytes) * 1024;
}

function collectGarbage(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("Cannot measure memory: run with --v8-flags=--expose-gc");
  gc();
}

/** A gauge, for what is measured with either. */
export type Gauge = typeof heap;
