/** A module of tasks for the tests of pools. */
import { afterEvent, Channel, select, selfAbort, sleep, spawn, withTimeout } from "@weft/weft";
import {
  callMain,
  cancelRequested,
  runInMain,
  serve,
  type Service,
  SharedChannel,
  SharedMutex,
  type SharedMutexHandle,
  taskSignal,
  ThreadPool,
  transfer,
  webWorkerThreads,
} from "@weft/weft/thread";

export class CustomError extends Error {
  override name = "CustomError";
  constructor(message: string, readonly code: number, options?: ErrorOptions) {
    super(message, options);
  }
}

/** Extends a built-in class, and keeps its name, as many do. */
export class HttpError extends TypeError {}

function* produce(channel: Channel<number>, count: number) {
  for (let i = 0; i < count; i++) {
    yield* sleep(0);
    yield* channel.send(i);
  }
  channel.close();
}

/** Shared words that tests watch a thread through. */
export type Word = Int32Array<SharedArrayBuffer>;

function fail(value: unknown): never {
  throw new Error(`Cannot go on with ${value}`);
}

export default serve({
  init: () => ({ jobs: 0, shared: new Uint8Array(new SharedArrayBuffer(4)) }),
  tasks: {
    noop: () => undefined,
    add: (_state, a: number, b: number) => a + b,
    isWebPort(_state, port: MessagePort) {
      port.close();
      return port.constructor === MessagePort && !("on" in port);
    },
    count: (state) => ++state.jobs,
    echo: (_state, value: unknown) => value,
    async later(_state, ms: number) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      return "later";
    },
    *fiber(_state, ms: number) {
      yield* sleep(ms);
      return "fiber";
    },
    threadId: () => webWorkerThreads.id(webWorkerThreads.self()),

    // Errors.
    fail(_state, message: string) {
      throw new CustomError(message, 7, { cause: new RangeError("deep") });
    },
    throwValue: (_state, value: unknown) => {
      throw value;
    },
    failAs(_state, kind: string) {
      switch (kind) {
        case "aggregate":
          throw new AggregateError([new TypeError("one"), "two"], "both");
        case "dom":
          throw new DOMException("no such thing", "NotFoundError");
        case "http":
          throw new HttpError("404");
        case "circle": {
          const error = new Error("snake");
          error.cause = new AggregateError([error, error], "tail");
          throw error;
        }
        case "uncloneable":
          throw Object.assign(new Error("with a function"), { f: () => 1, n: 1 });
        case "getter":
          throw Object.defineProperty(new Error("with a getter"), "bad", {
            enumerable: true,
            get() {
              throw new Error("no");
            },
          });
        case "symbol": {
          const symbol: unknown = Symbol("thrown");
          throw symbol;
        }
        case "reference":
          // @ts-expect-error -- that is the mistake
          return notThere;
      }
    },
    *abortItself(): Generator<never, void> {
      yield* selfAbort("itself");
    },
    uncloneable: () => () => 1,
    /** Bytes whose buffer is gone. */
    detached() {
      const bytes = new Uint8Array(1);
      structuredClone(bytes, { transfer: [bytes.buffer] });
      return bytes;
    },
    /** A thenable as those of other libraries, which may give one another. */
    promising(_state, value: number) {
      const inner: PromiseLike<number> = Promise.resolve(value);
      return { then: (resolve: (value: unknown) => void) => resolve(inner) };
    },
    sharedBytes: (state) => state.shared,
    badGetter: () => ({
      get value() {
        throw new RangeError("from a getter");
      },
    }),
    bytes(_state, n: number) {
      const bytes = new Uint8Array(n).fill(1);
      return transfer(bytes, [bytes.buffer]);
    },

    // Calls into main.
    sharedChannel: () => new SharedChannel<number>({ capacity: 1 }),
    ask: (_state, name: string, ...args: unknown[]) => runInMain(name, ...args),
    *askGently(_state, name: string, ...args: unknown[]) {
      return yield* callMain(name, ...args);
    },
    async askAsync(_state, name: string, ...args: unknown[]) {
      return await callMain(name, ...args);
    },
    /** With a third argument that can't be cloned, and a second one that is to be moved. */
    askBadly: (_state, name: string, how: string) => {
      const { port1, port2 } = new MessageChannel();
      const args = [1, transfer(port1, [port1]), { f: () => 1 }];
      const close = () => [port1, port2].forEach((port) => port.close());
      if (how === "blocking") {
        try {
          return runInMain(name, ...args);
        } finally {
          close();
        }
      }
      const call = callMain(name, ...args);
      if (how === "async") return call.then(undefined, (error) => (close(), Promise.reject(error)));
      return (function* () {
        try {
          return yield* call;
        } finally {
          close();
        }
      })();
    },
    /** What is thrown has no prototype: it can't even be made a string. */
    askStrangely: (_state, name: string) =>
      runInMain(name, {
        get value() {
          throw Object.create(null);
        },
      }),
    async report(_state, name: string, count: number) {
      for (let i = 0; i < count; i++) {
        if (i % 2 === 0) runInMain(name, i);
        else await callMain(name, i);
      }
      const unanswered = callMain(name, count);
      void unanswered.then(() => {});
      return "reported";
    },
    askTwice(_state, name: string) {
      const errors: unknown[] = [];
      for (let i = 0; i < 2; i++) {
        try {
          runInMain(name, i);
        } catch (error) {
          errors.push(error);
        }
      }
      return runInMain("told", errors.map((error) => (error as Error).name)); // throws as well
    },

    // Tasks that react to an abort, and those that don't.
    spin(_state, word?: Word) {
      if (word !== undefined) Atomics.store(word, 0, 1);
      while (!cancelRequested());
      if (word !== undefined) Atomics.store(word, 0, 2);
      return "stopped";
    },
    /** Until the word is 2, whatever anybody says. */
    stuck(_state, word: Word) {
      Atomics.store(word, 0, 1);
      while (Atomics.load(word, 0) !== 2);
    },
    /** The same, but looks now and then, when the word is 2. */
    stubborn(_state, word: Word) {
      Atomics.store(word, 0, 1);
      while (Atomics.load(word, 0) !== 2);
      Atomics.store(word, 0, cancelRequested() ? 3 : 4);
    },
    stuckForever(_state, word: Word) {
      Atomics.store(word, 0, 1);
      for (;;);
    },
    async signalled(_state, word: Word) {
      const signal = taskSignal();
      Atomics.store(word, 0, 1);
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      await callMain("told", String((signal.reason as Error).cause)).then(undefined, () => {});
      Atomics.store(word, 0, 2);
    },
    *patient(_state, word: Word) {
      Atomics.store(word, 0, 1);
      try {
        yield* sleep(Infinity);
      } finally {
        Atomics.store(word, 0, 2);
      }
    },
    *withinTimeout(_state, ms: number) {
      return yield* withTimeout(ms, function* () {
        yield* sleep(1);
        return "in time";
      });
    },
    /** Begins, and ends when the word is 2, without blocking the thread. */
    async held(_state, word: Word) {
      Atomics.store(word, 0, 1);
      while (Atomics.load(word, 0) !== 2) await new Promise((resolve) => setTimeout(resolve, 1));
      return "held";
    },

    // Ends of threads.
    exit: () => Deno.exit(3),
    lockAnd(_state, handle: SharedMutexHandle, how: "exit" | "fail" | "return") {
      const guard = SharedMutex.from(handle).tryLock();
      if (how === "exit") Deno.exit(3);
      if (how === "fail") setTimeout(() => fail(guard));
      return guard !== undefined;
    },
    close: async () => {
      self.close();
      await new Promise(() => {});
    },
    closeAndCall: () => {
      self.close();
      return runInMain("told", new Map());
    },
    /** Returns when it has sent more than there is room for. */
    async flood() {
      for (let i = 0; i < 5000; i++) void callMain("told", i).then(undefined, () => {});
      for (let i = 0; i < 10; i++) await null;
      return "flooded";
    },
    floodAndExit: () => {
      for (let i = 0; i < 5000; i++) void callMain("told", i).then(undefined, () => {});
      Deno.exit(3);
    },
    async askAndExit(_state, name: string) {
      void callMain(name).then(undefined, () => {});
      await new Promise((resolve) => setTimeout(resolve, 5));
      Deno.exit(1);
    },
    throwOutside: async () => {
      setTimeout(() => {
        throw new Error("outside");
      });
      await new Promise(() => {});
    },
    rejectOutside: async () => {
      void Promise.reject(new RangeError("nobody caught it"));
      await new Promise(() => {});
    },
    /** Leaves something behind that kills the thread when it is idle. */
    dieLater: (_state, how: "throw" | "exit" | "close") => {
      setTimeout(() => {
        if (how === "throw") throw new Error("while idle");
        if (how === "exit") Deno.exit(1);
        self.close();
      });
    },

    // The whole of Weft within a thread.
    *sum(_state, count: number) {
      const channel = new Channel<number>({ capacity: 2 });
      spawn(() => produce(channel, count));
      const received = channel.receiveEvent();
      let sum = 0;
      for (let i = 0; i < count; i++) {
        const item = yield* select({ received, late: afterEvent(60_000) });
        if (item.kind === "late") throw new Error("nothing came");
        sum += item.value;
      }
      return sum;
    },
    *nested(_state, module: string, ...numbers: number[]) {
      type Inner = Service<{ jobs: number }, { echo: (state: unknown, value: unknown) => unknown }>;
      const pool = yield* ThreadPool.make<Inner>(module, { size: 1 });
      const echoed = yield* pool.run("echo", numbers);
      yield* pool.close();
      return echoed;
    },
  },
});
