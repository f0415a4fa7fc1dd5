/**
 * The thread's side of a pool: it takes jobs, performs them, and calls back into main.
 *
 * @module
 */
export { callMain, runInMain } from "./call_main.ts";
export { functionWorker } from "./function_worker_url.ts";
export { serve } from "./serve.ts";
export { cancelRequested, taskSignal } from "./task.ts";
