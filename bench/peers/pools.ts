/** Pools of threads, ours and others: two threads each, and how to run a task that does nothing. */
import { ThreadPool } from "../../lib/thread/mod.ts";
import type tasks from "../workers/tasks.ts";

const noop = import.meta.resolve("../workers/noop.mjs");
const threads = 2;

/** Starts a pool, the first time. */
type Open = () => Promise<() => PromiseLike<unknown>>;

const open: Record<string, Open> = {
  async weft() {
    const pool = await ThreadPool.make<typeof tasks>(import.meta.resolve("../workers/tasks.ts"), {
      size: threads,
    });
    return () => pool.run("noop");
  },
  async piscina() {
    const { Piscina } = await import("npm:piscina@5.3.2");
    const pool = new Piscina({ filename: noop, minThreads: threads, maxThreads: threads });
    return () => pool.run(undefined);
  },
  async tinypool() {
    const { Tinypool } = await import("npm:tinypool@2.2.0");
    const pool = new Tinypool({ filename: noop, minThreads: threads, maxThreads: threads });
    return () => pool.run(undefined);
  },
  async workerpool() {
    const { default: workerpool } = await import("npm:workerpool@10.0.3");
    const pool = workerpool.pool(new URL("../workers/workerpool.mjs", import.meta.url).pathname, {
      minWorkers: threads,
      maxWorkers: threads,
      workerType: "thread",
    });
    return async () => await pool.exec("noop");
  },
};

const opened: Map<string, Promise<() => PromiseLike<unknown>>> = new Map();

/** What runs a task in the pool named `name`, which is started when it is first asked for. */
export function poolOf(name: string): Promise<() => PromiseLike<unknown>> {
  let run = opened.get(name);
  if (run === undefined) {
    run = open[name]!();
    opened.set(name, run);
  }
  return run;
}
