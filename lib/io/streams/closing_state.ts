/**
 * ClosingState, once and for all, and protected: it starts in a fiber that is aborting, too, and no
 * abort ends it. What can be released at once is released at its start, before anything suspends.
 *
 *     OPEN ──first close──▶ CLOSING ──released──▶ CLOSED
 *
 * Whoever closes second waits for the first and returns; a failure is thrown to the first alone.
 */
import { isOperation, isPromiseLike } from "../../internal/check.ts";
import { append, type Linked, remove } from "../../internal/circle.ts";
import type { FiberCore } from "../../fiber/core/mod.ts";
import { COLD, enterProtected, FAILED, inherit, type Wait } from "../../operation/wait.ts";
import type { Awaitable, Operation, Result } from "../../operation/types.ts";
import { startHookFiber } from "../bytes/mod.ts";

/** Called once, with how the closing ended. */
export type OnClosed = (result: Result<unknown>) => void;

export class ClosingState {
  #state: "open" | "closing" | "closed" = "open";
  #waiting: CloseWait | null = null;
  #result: Result<unknown> = { ok: true, value: undefined };

  /** `release` runs once, does what it can at once, and calls back when it is done. */
  constructor(readonly what: string, readonly release: (onClosed: OnClosed) => void) {}

  /** The operation that closes, or waits for whoever does. */
  close(): Awaitable<void> {
    return new CloseWait(this);
  }

  /** Begins to close it, if nobody has; how it ends is told to the first who waits. */
  begin(): void {
    if (this.#state !== "open") return;
    this.#state = "closing";
    this.release((result) => this.#closed(result));
  }

  /** The same; if it is closed by then, how that ended. */
  start(): Result<unknown> | undefined {
    this.begin();
    return this.#state === "closed" ? this.#take() : undefined;
  }

  enlist(node: CloseWait): void {
    this.#waiting = append(this.#waiting, node);
  }

  delist(node: CloseWait): void {
    this.#waiting = remove(this.#waiting, node);
  }

  #closed(result: Result<unknown>): void {
    this.#state = "closed";
    this.#result = result;
    for (let node = this.#waiting; node !== null; node = this.#waiting) {
      this.delist(node);
      const told = this.#take();
      if (told.ok) node.complete(undefined);
      else node.fail(told.error);
    }
  }

  /** How it ended; a failure is told once. */
  #take(): Result<unknown> {
    const result = this.#result;
    this.#result = { ok: true, value: undefined };
    return result;
  }
}

interface CloseWait extends Wait<void> {}

class CloseWait implements Linked<CloseWait> {
  declare closing: ClosingState;
  declare after: CloseWait | null;
  declare before: CloseWait | null;

  constructor(closing: ClosingState) {
    this.value = undefined;
    this.done = false;
    this.state = COLD;
    this.waiter = null;
    this.closing = closing;
    this.after = null;
    this.before = null;
  }

  /** Unlike other operations it starts in an aborting fiber, too. */
  enter(): IteratorResult<never, void> {
    return enterProtected(this);
  }

  attempt(): boolean {
    const result = this.closing.start();
    if (result === undefined) return false;
    this.value = result.ok ? undefined : result.error;
    if (!result.ok) this.state = FAILED;
    return true;
  }

  enlist(): void {
    this.closing.enlist(this);
  }

  withdraw(): void {
    this.closing.delist(this);
  }

  interrupt(): boolean {
    return false;
  }

  describe(): string {
    return this.closing.what;
  }
}

inherit(CloseWait);

/** What a stream is closed by. It is called at once; what it returns is waited for. */
export type CloseHook = () => void | PromiseLike<unknown> | Operation<void>;

/** Calls `hook`, waits for what it returns, out of reach of aborts, and tells how that ended. */
export function runCloseHook(
  hook: CloseHook,
  name: string,
  fiber: FiberCore<unknown> | null,
  onClosed: OnClosed,
): void {
  let returned: void | PromiseLike<unknown> | Operation<void>;
  try {
    returned = hook();
  } catch (error) {
    return onClosed(isClosedAlready(error) ? { ok: true, value: undefined } : { ok: false, error });
  }
  if (isOperation(returned)) {
    const operation = returned as Operation<void>;
    startHookFiber<void>({
      name,
      fiber,
      hook: () => operation,
      abortable: false,
      onEnd: (end) => onClosed(end === "aborted" ? { ok: true, value: undefined } : end),
    });
  } else if (isPromiseLike(returned)) {
    returned.then(
      (value) => onClosed({ ok: true, value }),
      (error) => onClosed({ ok: false, error }),
    );
  } else onClosed({ ok: true, value: undefined });
}

/** Deno's objects throw this at a second `close`: somebody was there before us. */
function isClosedAlready(error: unknown): boolean {
  return error instanceof Error && error.name === "BadResource";
}
