/** A module of tasks for the tests of pools. */
import { sleep } from "../../../mod.ts";
import { callMain, cancelRequested, runInMain, serve, taskSignal, transfer } from "../../../lib/thread/mod.ts";

export class CustomError extends Error {
  override name = "CustomError";
  constructor(message: string, readonly code: number, options?: ErrorOptions) {
    super(message, options);
  }
}

export default serve({
  init: () => ({ jobs: 0 }),
  tasks: {
    noop: () => undefined,
    add: (_state, a: number, b: number) => a + b,
    count: (state) => ++state.jobs,
    echo: (_state, value: unknown) => value,
    later: async (_state, ms: number) => {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return "later";
    },
    *fiber(_state, ms: number) {
      yield* sleep(ms);
      return "fiber";
    },
    fail(_state, message: string) {
      throw new CustomError(message, 7, { cause: new RangeError("deep") });
    },
    ask: (_state, name: string, ...args: unknown[]) => runInMain(name, ...args),
    *askGently(_state, name: string, ...args: unknown[]) {
      return yield* callMain(name, ...args);
    },
    spin: () => {
      while (!cancelRequested());
      return "stopped";
    },
    stuck: (_state, ms: number) => {
      for (const end = Date.now() + ms; Date.now() < end;);
    },
    signalled: () => new Promise((resolve) => taskSignal().addEventListener("abort", resolve)),
    exit: () => Deno.exit(3),
    close: () => self.close(),
    throwOutside: async () => {
      setTimeout(() => {
        throw new Error("outside");
      });
      await new Promise(() => {});
    },
    uncloneable: () => () => 1,
    bytes: (_state, n: number) => {
      const bytes = new Uint8Array(n).fill(1);
      return transfer(bytes, [bytes.buffer]);
    },
  },
});
