/**
 * What is to be run once, for all who ask for it: `Lazy` and `Once` are faces of it.
 *
 * The turn to run it is like a lock. Who asks first has the turn, and runs the body; the others wait
 * in line. If the body returns, that is it: the result is kept, and everybody is told. If it doesn't
 * come to its end, the turn goes to the next in line, who runs a body anew; a body that fails is one
 * of the two, as `keepsFailure` says.
 *
 *     FREE ──attempt──▶ TAKEN ──finish──▶ SETTLED
 *       ▲                │ ▲
 *       └─────pass───────┘ └──pass, to the next in line
 *
 * The body runs in a scope of its own. So what it spawned is over before its result counts, and an
 * abort that it swallowed is one all the same.
 *
 * It runs in the fiber that has the turn, under whatever scheduler of ours. A task of another
 * library's scheduler may be dropped in the middle without a word to the generators that it is in: no
 * body may depend on that to let go of the turn. So there, as under `await`, the body runs in a
 * `main` of its own. The task waits for it, and if that is cancelled, the main is aborted.
 */
import { append, remove } from "../internal/circle.ts";
import { reportUncaught } from "../internal/report.ts";
import { Abort, FiberAborted } from "../operation/errors.ts";
import { EventBase, type WaitNode } from "../operation/event.ts";
import { RuleWait } from "../operation/rule_wait.ts";
import type { Awaitable, Operation, Result } from "../operation/types.ts";
import type { Wait } from "../operation/wait.ts";
import {
  currentFiber,
  currentFiberOrNull,
  type FiberCore,
  GeneratorOperation,
  main,
  openNursery,
} from "../fiber/core/mod.ts";

/** What `Lazy` and `Once` call themselves, and what each does with a failure. */
export interface RunOnceOptions {
  /** What it is, with its name. */
  readonly title: string;
  /** What is done to it: "force", say. */
  readonly verb: string;
  /** Whether a failure of the body is the result. */
  readonly keepsFailure: boolean;
}

/** As an event: to have the turn, which is `undefined`, or to learn the result. */
export class RunOnce<T> extends EventBase<Result<T> | undefined> {
  waiters: WaitNode | null = null;
  /** What was kept, as the rule of those who ask from then on. */
  settled: Settled<T> | null = null;
  isTaken = false;
  /** Whose body runs. */
  runner: FiberCore<unknown> | null = null;

  /** `body` is for those who ask and bring none. */
  constructor(readonly options: RunOnceOptions, public body?: () => Operation<T>) {
    super();
  }

  /** The operation that sees to it that it has been run, by `body` if it is this one's turn. */
  operation(body: (() => Operation<T>) | undefined = this.body): Awaitable<T> {
    if (this.settled !== null) return new RuleWait<T>(this.settled);
    const name = `a ${this.options.title}`;
    return new GeneratorOperation(name, runOnce<T>, { run: this, body: body! });
  }

  override attempt(wait: Wait<unknown>): boolean {
    if (this.runner !== null && this.runner === currentFiberOrNull()) throw this.inItself();
    if (this.settled === null && this.isTaken) return false;
    wait.value = this.settled?.result;
    this.isTaken = true;
    return true;
  }

  override enlist(node: WaitNode): void {
    this.waiters = append(this.waiters, node);
  }

  override withdraw(node: WaitNode): void {
    this.waiters = remove(this.waiters, node);
  }

  /** Who was to have the turn is gone. */
  override giveBack(result: unknown): void {
    if (result === undefined) this.pass();
  }

  /** The turn ends without a result: it goes to the next in line. */
  pass(): void {
    this.runner = null;
    if (this.waiters !== null) this.waiters.complete(undefined);
    else this.isTaken = false;
  }

  /** The turn ends with the result of all. */
  finish(result: Result<T>): void {
    this.runner = null;
    this.body = undefined; // what it has closed over is needed no more
    this.settled = new Settled(result, this.options.title);
    while (this.waiters !== null) this.waiters.complete(result);
  }

  describe(): string {
    const { options: { title }, runner } = this;
    return runner === null ? `a ${title}` : `a ${title}, run by ${runner.name} (#${runner.id})`;
  }

  inItself(): Error {
    const { verb, title } = this.options;
    return new Error(`Cannot ${verb} the ${title}: it is running in this very fiber`);
  }
}

/** What has been run: the result is there at once, for everybody. */
class Settled<T> extends EventBase<T> {
  constructor(readonly result: Result<T>, readonly title: string) {
    super();
  }
  override attempt(wait: Wait<unknown>): boolean {
    return wait.settleNow(this.result);
  }
  describe(): string {
    return `a ${this.title}`;
  }
}

interface Ask<T> {
  readonly run: RunOnce<T>;
  readonly body: () => Operation<T>;
}

/** Waits for the turn or the result; with the turn, runs the body. */
function* runOnce<T>(ask: Ask<T>): Generator<never, T, unknown> {
  const result = yield* new RuleWait<Result<T> | undefined>(ask.run);
  if (result?.ok === true) return result.value;
  if (result !== undefined) throw result.error;
  if (currentFiberOrNull() !== null) return yield* runHere(ask);
  const inMain = new InMain(ask);
  try {
    return yield* new RuleWait<T>(inMain);
  } finally {
    inMain.leave();
  }
}

/** Runs the body in the current fiber, which has the turn. */
function* runHere<T>({ run, body }: Ask<T>): Generator<never, T, unknown> {
  const fiber = currentFiber("run the body");
  run.runner = fiber;
  let result: Result<T> | undefined;
  try {
    const value = yield* openNursery({
      name: `scope of a ${run.options.title}`,
      body: () => body(),
    });
    result = { ok: true, value };
    return value;
  } catch (error) {
    // In a fiber that is aborted, a failure may be a consequence of that.
    const isAborted = error instanceof Abort || fiber.context.error !== undefined;
    if (run.options.keepsFailure && !isAborted) result = { ok: false, error };
    throw error;
  } finally { // also when somebody gives the generator up by `return`
    if (result === undefined) run.pass();
    else run.finish(result);
  }
}

/** The end of a `main` that runs the body, for a task of another library's scheduler. */
class InMain<T> extends EventBase<T> {
  readonly #ask: Ask<T>;
  #abort: (() => void) | undefined;
  /** Whether the turn is the main's, which then lets go of it, and no longer the task's. */
  #hasBegun = false;

  constructor(ask: Ask<T>) {
    super();
    this.#ask = ask;
  }

  override enlist(node: WaitNode): void {
    const { run } = this.#ask;
    const begin = () => {
      this.#hasBegun = true;
      return runHere(this.#ask);
    };
    const handle = main(begin, { name: this.describe() });
    this.#abort = () => void handle.abort("its task was cancelled");
    handle.then((value) => {
      if (this.#ends()) node.complete(value);
    }, (error) => {
      if (this.#ends()) node.fail(error);
      else if (!(error instanceof FiberAborted) && run.settled === null) reportUncaught(error);
    });
  }

  /** The main has ended: whether the task still waits for it. */
  #ends(): boolean {
    const isAwaited = this.#abort !== undefined;
    this.#abort = undefined;
    return isAwaited;
  }

  /** Nobody waits for it any more: it has ended, or the task was cancelled. */
  override withdraw(): void {
    this.leave();
  }

  /** Idempotent, as not every scheduler tells twice that it cancels a task. */
  leave(): void {
    this.#abort?.();
    this.#abort = undefined;
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#ask.run.pass();
  }

  describe(): string {
    return `a ${this.#ask.run.options.title}`;
  }
}
