/** Where the module is that threads without a module of the user's run. */

export const functionWorker = {
  url: new URL("./function_worker.ts", import.meta.url).href,
  /**
   * Never called. What is merely the URL of a worker is no part of the module graph: `deno cache`
   * would not fetch it, and `deno compile` would leave it out.
   */
  inGraph: () => import("./function_worker.ts"),
};
