/** The module of threads that are sent functions, as a URL: a worker is made of one. */

export const functionWorker = {
  url: new URL("./function_worker.ts", import.meta.url).href,
  /**
   * Never called. What is merely the URL of a worker is no part of the module graph: `deno cache`
   * would not fetch it, and `deno compile` would leave it out.
   */
  inGraph: () => import("./function_worker.ts"),
};
