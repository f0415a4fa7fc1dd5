/** Pools of threads for tests. */
import type { Operation } from "@weft/weft";
import { main } from "@weft/weft";
import { type PoolOptions, ThreadPool } from "@weft/weft/thread";
import type tasks from "../thread/workers/tasks.ts";
import type { Word } from "../thread/workers/tasks.ts";
import { until } from "./workers.ts";

/** The module of tasks that most tests run. */
export const tasksUrl = new URL("../thread/workers/tasks.ts", import.meta.url);

export type TestPool = ThreadPool<typeof tasks>;

/** Runs `body` with a pool of the common tasks, which it closes. */
export async function withPool<T>(
  options: PoolOptions,
  body: (pool: TestPool) => Operation<T>,
): Promise<T> {
  return await main(function* () {
    const pool = yield* ThreadPool.make<typeof tasks>(tasksUrl, { size: 1, ...options });
    try {
      return yield* body(pool);
    } finally {
      yield* pool.close();
    }
  });
}

/** A word of shared memory through which a task is watched and told to go on. */
export function newWord(): Word {
  return new Int32Array(new SharedArrayBuffer(4));
}

/** Waits until a task has set `word` to `value`. */
export async function untilWord(word: Word, value: number): Promise<void> {
  await until(() => Atomics.load(word, 0) === value, `${value} in the word`);
}

/** How many workers this process runs, as far as the system tells. */
export function workersAlive(): number {
  if (Deno.build.os !== "linux") return 0;
  const tasks = [...Deno.readDirSync("/proc/self/task")];
  return tasks.filter(({ name }) => threadName(name).startsWith("worker-")).length;
}

function threadName(id: string): string {
  try {
    return Deno.readTextFileSync(`/proc/self/task/${id}/comm`);
  } catch {
    return ""; // it has ended meanwhile
  }
}

/** Waits until there are no more workers than `count`. */
export async function untilWorkers(count: number): Promise<void> {
  await until(() => workersAlive() <= count, `${count} workers, and no more`);
}

const modules: string[] = [];

/** A module of `code` (JavaScript, so that nobody checks its types), which may import "weft" and "weft/thread"; `dropModules` deletes it. */
export function moduleOf(code: string): string {
  const path = Deno.makeTempFileSync({ prefix: "weft_tasks_", suffix: ".js" });
  modules.push(path);
  Deno.writeTextFileSync(
    path,
    code.replaceAll('"weft"', JSON.stringify(import.meta.resolve("../../mod.ts")))
      .replaceAll('"weft/thread"', JSON.stringify(import.meta.resolve("../../lib/thread/mod.ts"))),
  );
  return new URL(`file://${path}`).href;
}

/** Deletes the modules that were made. */
export function dropModules(): void {
  for (const path of modules.splice(0)) Deno.removeSync(path);
}

/** What `f`, which is called at once, throws or rejects with. */
export function thrownBy(f: () => PromiseLike<unknown>): Promise<unknown> {
  return new Promise((resolve, reject) => {
    try {
      f().then(() => reject(new Error("Expected it to throw")), resolve);
    } catch (error) {
      resolve(error);
    }
  });
}
