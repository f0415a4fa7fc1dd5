/** The end of a tree of 100,000 tasks that all wait: from the abort of its root to the last one. */
import { Channel, main, spawn, yieldNow } from "../../mod.ts";
import { expectTotal, libraries, type Workload } from "../workload.ts";

const children = 10;

/** Without plain promises, which know neither trees nor aborts. */
export const abortTree: Workload = {
  name: "abort",
  unit: "task",
  size: { full: 100_000, smoke: 100 },
  targets: {
    go: null,
    effect: null,
    effection: libraries.effection,
    generators: null,
    operations: null,
  },
  run: {
    weft: (n) => main(() => weft(n)),
    generators: (n) => throwInto(n, generator),
    operations: (n) => throwInto(n, delegator),
  },
};

function* weft(n: number) {
  const channel = new Channel<never>({ capacity: 0 });
  const root = spawn(() => node(0, n, channel));
  while (channel.statistics().receiversWaiting < n) yield* yieldNow();
  const start = performance.now();
  yield* root.abort();
  const end = performance.now();
  expectTotal(channel.statistics().receiversWaiting, 0);
  return (end - start) * 1e6;
}

function* node(id: number, n: number, channel: Channel<never>): Generator<never, void> {
  const firstChild = id * children + 1;
  for (let child = firstChild; child < Math.min(firstChild + children, n); child++) {
    spawn(() => node(child, n, channel));
  }
  yield* channel.receive();
}

/** The floor: one error, made once, thrown into each of as many generators. */
function throwInto(n: number, suspend: () => Generator<unknown, void>): number {
  const suspended = Array.from({ length: n }, suspend);
  for (const one of suspended) one.next();
  const error = new Error("aborted");
  let thrown = 0;
  const start = performance.now();
  for (const one of suspended) {
    try {
      one.throw(error);
    } catch (caught) {
      if (caught === error) thrown++;
    }
  }
  const end = performance.now();
  expectTotal(thrown, n);
  return (end - start) * 1e6;
}

function* generator() {
  yield;
}

/** The floor of whatever says `yield*`: the error goes through an operation first. */
function* delegator() {
  yield* endless;
}

const endless: Generator<void, void> = Object.assign(Object.create(generator.prototype), {
  next: () => ({ done: false, value: undefined }),
  throw(error: unknown): never {
    throw error;
  },
});
