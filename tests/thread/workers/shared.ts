/** The other end of shared channels and triggers, in each of the five worlds. */
import { ChannelClosedError, main, run, select, when } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import {
  SharedChannel,
  type SharedChannelHandle,
  SharedMutex,
  type SharedMutexHandle,
  SharedSemaphore,
  type SharedSemaphoreHandle,
  SharedTrigger,
  type SharedTriggerHandle,
  webWorkerThreads,
} from "@weft/weft/thread";
import { runLifo } from "../../../examples/schedulers/lifo.ts";
import { serveTasks } from "../../kit/workers.ts";
import { valueOf } from "../../kit/results.ts";

type Body<T> = () => Generator<never, T, unknown>;

/** Where code may wait that is written as a generator. */
const generators = {
  "a fiber": <T>(body: Body<T>): PromiseLike<T> => main(body),
  "a blocking run": <T>(body: Body<T>): T => valueOf(run(body, { loop: blockingLoop() })),
  "a scheduler of one's own": <T>(body: Body<T>): T =>
    valueOf(runLifo(body, { loop: blockingLoop() })),
  "Effection": async <T>(body: Body<T>): Promise<T> => {
    const { inEffection } = await import("./peer_worlds.ts");
    return await inEffection(body);
  },
  "Effect": async <T>(body: Body<T>): Promise<T> => {
    const { inEffect } = await import("./peer_worlds.ts");
    return await inEffect(body);
  },
};

/** All of them. */
export type World = keyof typeof generators | "an async function";

/** All of them, by name. */
export const WORLDS: readonly World[] = [
  ...Object.keys(generators) as (keyof typeof generators)[],
  "an async function",
];

/** Runs `body` in a world that takes generators. */
export function inWorld<T>(world: World, body: Body<T>): PromiseLike<T> | T {
  return generators[world as keyof typeof generators](body);
}

/** Passes on what comes, until it is drained; how many that was. */
export function relay(
  world: World,
  from: SharedChannel<unknown>,
  to: SharedChannel<unknown>,
): PromiseLike<number> | number {
  if (world === "an async function") return relayAwaiting(from, to);
  return inWorld(world, function* () {
    let count = 0;
    for (let item = yield* from.receive(); item; item = yield* from.receive()) {
      yield* to.send(item.value);
      count++;
    }
    return count;
  });
}

async function relayAwaiting(
  from: SharedChannel<unknown>,
  to: SharedChannel<unknown>,
): Promise<number> {
  let count = 0;
  for await (const item of from) {
    await to.send(item);
    count++;
  }
  return count;
}

/** What the tasks are given. */
export interface Input {
  readonly world: World;
  readonly from: SharedChannelHandle;
  readonly to: SharedChannelHandle;
  readonly trigger: SharedTriggerHandle;
  readonly items: readonly unknown[];
  readonly log: SharedArrayBuffer;
  readonly how: "receive" | "send" | "close" | "select";
  readonly ends: readonly SharedChannelHandle[];
  readonly mutex: SharedMutexHandle;
  readonly semaphore: SharedSemaphoreHandle;
  readonly rounds: number;
  readonly permits: number;
}

/** Adds one to a word that it guards, so that others would see it if they didn't keep out. */
export function addOne(words: Int32Array): void {
  const value = words[0]!;
  if (Atomics.add(words, 1, 1) !== 0) throw new Error("two are in it");
  for (let n = 0; n < 20; n++) words[2]!++;
  words[0] = value + 1;
  Atomics.sub(words, 1, 1);
}

/** Adds one as often as it is told, each time with the mutex locked. */
export function hammer(
  world: World,
  mutex: SharedMutex,
  words: Int32Array,
  rounds: number,
): PromiseLike<void> | void {
  if (world === "an async function") return hammerAwaiting(mutex, words, rounds);
  return inWorld(world, function* () {
    for (let n = 0; n < rounds; n++) {
      const guard = n % 3 === 0 ? yield* mutex.lockEvent() : yield* mutex.lock();
      addOne(words);
      guard.release();
    }
  });
}

async function hammerAwaiting(mutex: SharedMutex, words: Int32Array, rounds: number) {
  for (let n = 0; n < rounds; n++) {
    using _guard = await mutex.lock();
    addOne(words);
  }
}

/** Takes it all: a permit of a semaphore, or the mutex. */
function hold({ mutex, semaphore, permits }: Partial<Input>) {
  return mutex !== undefined
    ? SharedMutex.from(mutex).tryLock()
    : SharedSemaphore.from(semaphore!).tryAcquire(permits);
}

/** What there is to see of an error. */
function tell(thrown: unknown): Record<string, unknown> {
  const { name, message, cause, code, value } = thrown as RangeError & Record<string, unknown>;
  const told = Object.fromEntries(
    Object.entries({ name, message, code, value }).filter(([, v]) => v),
  );
  return cause instanceof Error ? { ...told, cause: tell(cause) } : told;
}

const tasks = {
  relay: ({ world, from, to }: Input) =>
    relay(world, SharedChannel.from(from), SharedChannel.from(to)),

  /** Sends the items, one by one. */
  send: ({ world, to, items }: Input) => {
    const channel = SharedChannel.from(to);
    return inWorld(world, function* () {
      for (const item of items) yield* channel.send(item);
    });
  },

  /** Receives one item. */
  receive: ({ world, from }: Input) => {
    const channel = SharedChannel.from(from);
    return inWorld(world, function* () {
      return yield* channel.receive();
    });
  },

  /** Sends an item that doesn't fit, or isn't to be had any more: how that ended. */
  sendAndTell: ({ world, to, items }: Input) => {
    const channel = SharedChannel.from(to);
    return inWorld(world, function* (): Generator<never, unknown, unknown> {
      try {
        yield* channel.send(items[0]);
        return "sent";
      } catch (error) {
        return { name: (error as Error).name, value: (error as { value?: unknown }).value };
      }
    });
  },

  /** Waits for the end of a channel in one of several ways: how that was told. */
  awaitEnd: ({ world, from, how }: Input) => {
    const channel = SharedChannel.from(from);
    return inWorld(world, function* (): Generator<never, unknown, unknown> {
      try {
        if (how === "receive") return yield* channel.receive();
        if (how === "send") return yield* channel.send({ n: 1 });
        if (how === "close") return yield* channel.closeEvent();
        return yield* select([when(channel.receiveOptionEvent(), (item) => item)]);
      } catch (error) {
        return tell(error);
      }
    });
  },

  /** Sends the items, and fails the channel then. */
  fail: ({ to, items }: Input) => {
    const channel = SharedChannel.from(to);
    for (const item of items) channel.trySend(item);
    channel.fail(
      Object.assign(new RangeError("broken", { cause: new TypeError("below") }), { code: 7 }),
    );
  },

  /**
   * Ends each channel at the same time as others do, by a failure of this thread's or by a close:
   * what it then sees in each of them.
   */
  race: ({ ends, log, items: [id, count] }: Input) => {
    const arrived = new Int32Array(log);
    return ends.map((handle, round) => {
      const channel = SharedChannel.from(handle);
      const error = new Error(`of ${id} in ${round}`);
      Atomics.add(arrived, round, 1);
      for (let n = 0; (n = Atomics.load(arrived, round)) < (count as number);) {
        Atomics.wait(arrived, round, n, 1);
      }
      if ((round + (id as number)) % 4 === 0) channel.close();
      else channel.fail(error);
      if (!channel.isClosed) return "it isn't closed";
      const seen = [() => channel.trySend(1), () => channel.tryReceive()].map((attempt) => {
        for (;;) {
          try {
            // It may be in the middle of being closed; not any more once a send was refused.
            if (attempt() === undefined) return "closed";
          } catch (error) {
            const reason = error instanceof ChannelClosedError ? error.cause : error;
            return reason === undefined ? "closed" : (reason as Error).message;
          }
        }
      });
      return seen.join(", ");
    });
  },

  awaitTrigger: ({ world, trigger }: Input) => {
    const shared = SharedTrigger.from(trigger);
    return inWorld(world, function* () {
      yield* shared.await();
      return "woken";
    });
  },

  releaseTrigger: ({ trigger }: Input) => {
    const { release } = SharedTrigger.from(trigger);
    for (let n = 0; n < 3; n++) release();
  },

  awaitTwice: ({ trigger }: Input) => {
    try {
      SharedTrigger.from(trigger).await();
      return "awaited";
    } catch (error) {
      return String(error);
    }
  },

  /** A channel that is made here, before this thread has met any other. */
  make: async ({ to }: Input) => {
    const made = new SharedChannel<unknown>({ capacity: 2 });
    const before = webWorkerThreads.id(webWorkerThreads.self());
    // The handle travels as a message, not as an item: memory that is shared can't be copied.
    const scope = globalThis as unknown as { postMessage(message: unknown): void };
    scope.postMessage({ ok: true, value: { handle: made.handle, before } });
    const there = SharedChannel.from<unknown>(to);
    await relay("an async function", made, there);
    await there.send({ number: webWorkerThreads.id(webWorkerThreads.self()) });
  },

  /** Hands its handles on to a worker of its own, and waits for nothing. */
  handOn: (input: Input) => {
    const worker = new Worker(import.meta.url, { type: "module", name: "test grandchild" });
    worker.onmessage = () => worker.terminate();
    worker.postMessage({ task: "relay", input });
  },

  identify: ({ from }: Partial<Input>) => {
    if (from !== undefined) SharedChannel.from(from);
    return [0, 0].map(() => webWorkerThreads.id(webWorkerThreads.self()));
  },

  /** Starts to wait, as often as there are items, and ends the thread meanwhile. */
  closeWhileWaiting: ({ from, items }: Input) => {
    const channel = SharedChannel.from(from);
    for (const _ of items) channel.receive().then(() => {});
    close();
  },

  exitWhileWaiting: ({ from }: Input) => {
    SharedChannel.from(from).receive().then(() => {});
    Deno.exit();
  },

  hammer: ({ world, mutex, log, rounds }: Input) =>
    hammer(world, SharedMutex.from(mutex), new Int32Array(log), rounds),

  /** Takes 1 to 3 permits at a time until it is told to stop; counts if they are too many. */
  takePermits: ({ world, semaphore, log, rounds }: Input) => {
    const words = new Int32Array(log);
    const shared = SharedSemaphore.from(semaphore);
    return inWorld(world, function* () {
      for (let n = 0; n < rounds && Atomics.load(words, 2) === 0; n++) {
        const count = 1 + n % 3;
        yield* shared.withPermit(function* () {
          if (Atomics.add(words, 0, count) + count > 4) Atomics.add(words, 1, 1);
          Atomics.sub(words, 0, count);
        }, count);
      }
    });
  },

  /** Waits for the mutex, or permits, and tells whether they were abandoned. */
  acquireAndTell: ({ world, mutex, semaphore, permits, log }: Input) =>
    inWorld(world, function* () {
      const guard = mutex !== undefined
        ? yield* SharedMutex.from(mutex).lock()
        : yield* SharedSemaphore.from(semaphore).acquire(permits);
      if (log !== undefined) Atomics.add(new Int32Array(log), 0, 1);
      guard.release();
      return guard.abandoned;
    }),

  /** A mutex that is made here, before this thread has met any other. */
  makeMutex: () => new SharedMutex().handle,

  exit: () => Deno.exit(),

  /** Takes it, and keeps it while this thread lives. */
  hold: (input: Input) => hold(input) !== undefined,

  holdAndExit: (input: Input) => {
    hold(input);
    Atomics.store(new Int32Array(input.log), 0, 1);
    Deno.exit();
  },

  holdAndClose: (input: Input) => {
    hold(input);
    Atomics.store(new Int32Array(input.log), 0, 1);
    close();
  },

  waitForEver: async ({ from }: Input) => {
    await SharedChannel.from(from).receive();
  },
} satisfies Record<string, (input: never) => unknown>;

/** The names of the tasks. */
export type TaskName = keyof typeof tasks;

declare function close(): void;

if ("WorkerGlobalScope" in globalThis) serveTasks(tasks);
