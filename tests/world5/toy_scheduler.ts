/**
 * A scheduler that knows nothing of Weft but `using`: it runs plain generators, which yield
 * instructions of its own to it.
 *
 * It can be told to behave as the schedulers of this world do: to resume a task within `release` or
 * only later, to wake tasks for no reason, to hand out one trigger to everybody, to throw where it
 * likes, and to cancel in any of the ways that are seen in the wild.
 */
import { type Trigger, using } from "@weft/weft/trigger";

/** How a task is cancelled. */
export type CancelStyle =
  /** An error is thrown into the generator, and that is all. */
  | "throw"
  /** The same, after `onCancel` was called: what the contract of `await` asks for. */
  | "onCancel, then throw"
  /** `generator.return()`, and that is all. */
  | "return"
  /** The same, after `onCancel` was called: Effection. */
  | "onCancel, then return"
  /** `onCancel` is called, and the generator never touched again: Effect. */
  | "drop";

/** All of them. */
export const CANCEL_STYLES: readonly CancelStyle[] = [
  "throw",
  "onCancel, then throw",
  "return",
  "onCancel, then return",
  "drop",
];

/** What it throws into a task that it cancels. */
export class ToyCancelled extends Error {
  override name = "ToyCancelled";
}

/** How it behaves. */
export interface ToyOptions {
  /** Whether `release` runs the task there and then, as Effection does. Default false. */
  resumesAtOnce?: boolean;
  /** How many awaits return, a turn later, though nobody has released the trigger. Default 0. */
  earlyWakeups?: number;
  /**
   * Whether `prepareForAwait` returns the same trigger each time: one for each task, with releases
   * that were meant for an earlier wait, or one for everybody, whose `release` does nothing because
   * each `await` just takes a turn.
   */
  sharesTrigger?: "by task" | "by all";
  /** Whether what `await` gives can neither be thrown into nor be closed. */
  bareIterators?: boolean;
  /** Called at each `prepareForAwait`, with its number from 1 on; may throw. */
  onPrepare?: (count: number) => void;
  /** Called at each `await` of a trigger, with its number from 1 on; may throw. */
  onAwait?: (count: number) => void;
}

/** What its tasks yield; nobody else can make one. */
class Instruction {
  constructor(
    readonly op: "suspend" | "turn",
    readonly trigger: ToyTrigger | undefined,
    readonly onCancel: (() => void) | undefined,
  ) {}
}

function* perform(instruction: Instruction): Generator<unknown, void, unknown> {
  yield instruction;
}

/** A running generator. */
export class ToyTask<T> {
  state: "ready" | "running" | "suspended" | "returned" | "failed" | "cancelled" = "ready";
  value: T | undefined;
  error: unknown;
  /** What it is suspended on. */
  trigger: ToyTrigger | undefined;
  onCancel: (() => void) | undefined;

  constructor(readonly generator: Iterator<unknown, T, unknown>) {}
}

class ToyTrigger implements Trigger {
  released = false;
  readonly waiting = new Set<ToyTask<unknown>>();

  constructor(readonly toy: ToyScheduler) {}

  readonly release = (): void => {
    if (this.toy.options.sharesTrigger === "by all") return;
    this.released = true;
    for (const task of [...this.waiting]) this.toy.wake(task);
  };

  await(onCancel?: () => void): ReturnType<Trigger["await"]> {
    const { toy } = this;
    const { options } = toy;
    toy.awaits++;
    options.onAwait?.(toy.awaits);
    const early = options.sharesTrigger === "by all" || toy.awaits <= (options.earlyWakeups ?? 0);
    const instruction = early
      ? new Instruction("turn", undefined, onCancel)
      : new Instruction("suspend", this, onCancel);
    return {
      then: () => {
        throw new Error("the toy scheduler has no promises");
      },
      [Symbol.iterator]: () => {
        const iterator: Iterator<unknown, void> = options.bareIterators === true
          ? [instruction].values()
          : perform(instruction);
        return iterator as Iterator<never, void>; // an instruction is nothing that Weft looks at
      },
    };
  }
}

/** See the module comment. */
export class ToyScheduler {
  readonly ready: ToyTask<unknown>[] = [];
  /** How many triggers were prepared. */
  prepared = 0;
  /** How many of them were awaited. */
  awaits = 0;
  #current: ToyTask<unknown> | undefined;
  readonly #shared = new WeakMap<object, ToyTrigger>();

  constructor(readonly options: ToyOptions = {}) {}

  readonly prepareForAwait = (): Trigger => {
    this.prepared++;
    this.options.onPrepare?.(this.prepared);
    const { sharesTrigger } = this.options;
    if (sharesTrigger === undefined) return new ToyTrigger(this);
    const owner = sharesTrigger === "by task" ? this.#current! : this;
    const trigger = this.#shared.get(owner) ?? new ToyTrigger(this);
    this.#shared.set(owner, trigger);
    return trigger;
  };

  /** Runs `f` while this scheduler is registered; for as long as a promise takes that it returns. */
  during<T>(f: () => T): T {
    return using({ prepareForAwait: this.prepareForAwait, whileRunning: f });
  }

  /** A new task, ready to run. */
  spawn<T>(
    body: () => Iterable<unknown> & { [Symbol.iterator](): Iterator<unknown, T> },
  ): ToyTask<T> {
    const task = new ToyTask<T>(body()[Symbol.iterator]());
    this.ready.push(task);
    return task;
  }

  /** Runs the tasks that are ready, and those that they make ready, until none is (any more). */
  run(steps = 1000): void {
    this.during(() => {
      for (; steps > 0 && this.ready.length > 0; steps--) {
        const task = this.ready.shift()!;
        this.#step(task, () => task.generator.next());
      }
    });
  }

  /** `spawn` and `run`: what the task returned. */
  runTask<T>(body: () => Iterable<unknown> & { [Symbol.iterator](): Iterator<unknown, T> }): T {
    const task = this.spawn(body);
    this.run();
    if (task.state === "failed") throw task.error;
    if (task.state !== "returned") throw new Error(`the task is ${task.state}`);
    return task.value!;
  }

  wake(task: ToyTask<unknown>): void {
    const { trigger } = task;
    this.#leaveTrigger(task);
    if (this.options.sharesTrigger !== undefined) trigger!.released = false;
    task.state = "ready";
    if (!this.options.resumesAtOnce) this.ready.push(task);
    else this.#step(task, () => task.generator.next()); // in the middle of whatever runs here
  }

  /** Cancels a task that is not running. */
  cancel(task: ToyTask<unknown>, style: CancelStyle): void {
    if (task.state !== "suspended" && task.state !== "ready") return;
    this.#leaveTrigger(task);
    const index = this.ready.indexOf(task);
    if (index >= 0) this.ready.splice(index, 1);
    this.during(() => {
      if (style !== "throw" && style !== "return") task.onCancel?.();
      if (style === "drop") task.state = "cancelled";
      else if (style.endsWith("throw")) this.#step(task, () => throwInto(task.generator));
      else this.#step(task, () => returnFrom(task.generator), true);
    });
  }

  #step<T>(task: ToyTask<T>, resume: () => IteratorResult<unknown, T>, cancelling = false): void {
    const outer = this.#current;
    this.#current = task;
    task.state = "running";
    let result: IteratorResult<unknown, T>;
    try {
      result = resume();
    } catch (error) {
      task.state = error instanceof ToyCancelled ? "cancelled" : "failed";
      task.error = error;
      return;
    } finally {
      this.#current = outer;
    }
    if (!result.done) return this.#perform(task, result.value);
    task.state = cancelling ? "cancelled" : "returned";
    task.value = result.value;
  }

  #perform(task: ToyTask<unknown>, instruction: unknown): void {
    if (!(instruction instanceof Instruction)) {
      throw new TypeError(`the toy scheduler was given ${Deno.inspect(instruction)}`);
    }
    const { op, trigger, onCancel } = instruction;
    task.onCancel = onCancel;
    if (op === "turn" || trigger!.released) {
      if (trigger !== undefined) trigger.released = this.options.sharesTrigger === undefined;
      task.state = "ready";
      this.ready.push(task);
    } else {
      task.state = "suspended";
      task.trigger = trigger;
      trigger!.waiting.add(task);
    }
  }

  #leaveTrigger(task: ToyTask<unknown>): void {
    task.trigger?.waiting.delete(task);
    task.trigger = undefined;
  }
}

function throwInto<T>(generator: Iterator<unknown, T, unknown>): IteratorResult<unknown, T> {
  const error = new ToyCancelled("the toy scheduler cancelled the task");
  if (generator.throw === undefined) throw error;
  return generator.throw(error);
}

function returnFrom<T>(generator: Iterator<unknown, T, unknown>): IteratorResult<unknown, T> {
  return generator.return?.(undefined as T) ?? { done: true, value: undefined as T };
}
