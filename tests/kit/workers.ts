/** Threads for tests: workers that run a task of a module of theirs, made by hand. */

/** What a worker is told, once. */
export interface Order {
  readonly task: string;
  readonly input: unknown;
}

/** What it answers, once. */
export type Answer =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown };

/** A running worker; disposing of it terminates it. */
export interface TestThread<T> extends Disposable {
  /** What the task returned. */
  readonly result: Promise<T>;
  readonly worker: Worker;
}

/** Runs `task` of the worker module at `url`. */
export function startThread<T>(url: URL, task: string, input: unknown): TestThread<T> {
  const worker = new Worker(url, { type: "module", name: `test ${task}` });
  const { promise, resolve, reject } = Promise.withResolvers<T>();
  promise.catch(() => {}); // nobody may be interested
  worker.onmessage = ({ data }: MessageEvent<Answer>) => {
    if (data.ok) resolve(data.value as T);
    else reject(data.error);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(event.error ?? new Error(event.message));
  };
  worker.postMessage({ task, input } satisfies Order);
  return { result: promise, worker, [Symbol.dispose]: () => worker.terminate() };
}

/** Serves one order with one of `tasks`: the whole of a worker module. */
export function serveTasks(tasks: Record<string, (input: never) => unknown>): void {
  const scope = globalThis as unknown as {
    onmessage: (event: MessageEvent<Order>) => void;
    postMessage(answer: Answer): void;
  };
  scope.onmessage = async ({ data: { task, input } }) => {
    try {
      scope.postMessage({ ok: true, value: await tasks[task]!(input as never) });
    } catch (error) {
      scope.postMessage({ ok: false, error });
    }
  };
}

/** How long somebody may take to do what he is sure to do, on a machine that has other work. */
const PATIENCE_MS = 60_000;

/** Waits until `condition` holds, which is another thread's doing. */
export async function until(condition: () => boolean, what = "it"): Promise<void> {
  const end = Date.now() + PATIENCE_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`${what} has not come in ${PATIENCE_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 1)); // it comes from outside: nothing tells
  }
}

/** Keeps this thread from everything else for `ms`. */
export function busyFor(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
