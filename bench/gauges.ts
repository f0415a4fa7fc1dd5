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

function collectGarbage(): void {
  const { gc } = globalThis as { gc?: () => void };
  if (gc === undefined) throw new Error("Cannot measure memory: run with --v8-flags=--expose-gc");
  gc();
}

/** A gauge, for what is measured with either. */
export type Gauge = typeof heap;
