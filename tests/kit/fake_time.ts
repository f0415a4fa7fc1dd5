/** The clock of the thread, its sleep and the host's timers, replaced: time passes when it is told to. */

interface Timeout {
  readonly at: number;
  readonly fire: () => void;
}

/** What the platform offers of time, while a test runs. */
export class FakeTime {
  /** What `performance.now()` says. */
  now = 1000;
  /** How long `Atomics.wait` was asked to sleep, each time. */
  readonly sleeps: number[] = [];
  /** How long `setTimeout` was asked to wait, each time. */
  readonly delays: number[] = [];
  /** Called when the thread falls asleep; true: somebody woke it at once, and no time passes. */
  onSleep: () => boolean = () => false;
  /** By how much the next sleep or timeout comes too early. */
  early = 0;
  readonly #timeouts = new Map<number, Timeout>();
  #lastId = 0;

  /** How many timeouts of the host are waiting. */
  get timeouts(): number {
    return this.#timeouts.size;
  }

  sleep(word: Int32Array, index: number, value: number, ms: number): "ok" | "not-equal" {
    if (Atomics.load(word, index) !== value) return "not-equal";
    this.sleeps.push(ms);
    if (!this.onSleep()) this.now += ms - this.#takeEarly();
    return "ok";
  }

  setTimeout(fire: () => void, ms: number): number {
    this.delays.push(ms);
    this.#timeouts.set(++this.#lastId, { at: this.now + ms - this.#takeEarly(), fire });
    return this.#lastId;
  }

  clearTimeout(id: number): void {
    this.#timeouts.delete(id);
  }

  /** Lets the host's time pass, and its timeouts fire, each with the microtasks that it starts. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    await microtasks();
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      const [id, { at, fire }] = next;
      this.#timeouts.delete(id);
      this.now = Math.max(this.now, at);
      fire();
      await microtasks();
    }
    this.now = end;
  }

  #takeEarly(): number {
    const { early } = this;
    this.early = 0;
    return early;
  }

  #next(end: number): [number, Timeout] | undefined {
    return [...this.#timeouts].filter(([, { at }]) => at <= end)
      .sort(([, a], [, b]) => a.at - b.at)[0];
  }
}

/** Lets the microtasks run that are there, and those that they start. */
export async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

/** Runs `f` while `time` is all the time there is. */
export function withFakeTime<T>(f: (time: FakeTime) => T): T {
  const time = new FakeTime();
  const { wait } = Atomics;
  const { setTimeout, clearTimeout } = globalThis;
  const restore = () => {
    delete (performance as { now?: unknown }).now; // the prototype's is back
    Atomics.wait = wait;
    Object.assign(globalThis, { setTimeout, clearTimeout });
  };
  performance.now = () => time.now;
  Atomics.wait = time.sleep.bind(time) as typeof wait;
  Object.assign(globalThis, {
    setTimeout: time.setTimeout.bind(time),
    clearTimeout: time.clearTimeout.bind(time),
  });
  let result: T;
  try {
    result = f(time);
  } catch (error) {
    restore();
    throw error;
  }
  if (result instanceof Promise) return result.finally(restore) as T;
  restore();
  return result;
}
