/** `deno bench --allow-all bench/thread_bench.ts`: pools, and channels between threads. */
import { register } from "./register.ts";
import { threads } from "./registry.ts";

// The modules of the threads are read, the lines of JSON written, and the peers look at the
// environment and the processors.
// Whoever says plain `deno bench` is to see the other workloads, and neither questions nor errors.
const needed = [{ name: "read" }, { name: "write" }, { name: "env" }, { name: "sys" }] as const;
const missing = needed.some((what) => Deno.permissions.querySync(what).state !== "granted");
if (missing) console.error("The threads need permissions: deno bench --allow-all has them, too");
else register(threads);
