/**
 * The states of a stream that is closed once and for all. Closing is protected: it starts in a fiber
 * that is aborting, too, and no abort ends it.
 *
 *     OPEN ──begin──▶ CLOSING ──`onClosed`──▶ CLOSED
 *
 *  - OPEN → CLOSING: the first `close` that is waited for, or `begin`, by whoever won't wait. What can
 *    be released at once is released here, before anything suspends.
 *  - CLOSING → CLOSED: what `release` was given to call back with. It may do so before it returns.
 *
 * Whoever closes second waits for the first and returns. How it ended is told once: a failure is
 * thrown to the first who waits, or who comes, and to nobody else.
 */
import type { FiberCore } from "../../fiber/core/mod.ts";
import { isOperation, isPromiseLike } from "../../internal/check.ts";
import { append, remove } from "../../internal/circle.ts";
import { EventBase, type WaitNode } from "../../operation/event.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import type { Awaitable, Operation, Result } from "../../operation/types.ts";
import { enterProtected, type Wait } from "../../operation/wait.ts";
import { startHookFiber } from "../bytes/mod.ts";

/** Called once, with how the closing ended. */
export type OnClosed = (result: Result<void>) => void;

const DONE: Result<void> = { ok: true, value: undefined };

/** See the module comment. It is the rule of the operation that closes. */
export class ClosingState extends EventBase<void> {
  #state: "open" | "closing" | "closed" = "open";
  #waiting: WaitNode | null = null;
  #result: Result<void> = DONE;

  /** `release` runs once, does what it can at once, and calls back when it is done. */
  constructor(readonly what: string, readonly release: (onClosed: OnClosed) => void) {
    super();
  }

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

  override attempt(wait: Wait<unknown>): boolean {
    this.begin();
    return this.#state === "closed" && wait.settleNow(this.#tell());
  }

  override enlist(node: WaitNode): void {
    this.#waiting = append(this.#waiting, node);
  }

  override withdraw(node: WaitNode): void {
    this.#waiting = remove(this.#waiting, node);
  }

  #closed(result: Result<void>): void {
    this.#state = "closed";
    this.#result = result;
    while (this.#waiting !== null) this.#waiting.settled(this.#tell());
  }

  #tell(): Result<void> {
    const result = this.#result;
    this.#result = DONE;
    return result;
  }

  describe(): string {
    return this.what;
  }
}

class CloseWait extends RuleWait<void> {
  /** Unlike other operations it starts in an aborting fiber, too. */
  override enter(): IteratorResult<never, void> {
    return enterProtected<void>(this);
  }

  override interrupt(): boolean {
    return false;
  }
}

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
    return onClosed(isClosedAlready(error) ? DONE : { ok: false, error });
  }
  if (isOperation(returned)) {
    const operation = returned as Operation<void>;
    startHookFiber<void>({
      name,
      fiber,
      hook: () => operation,
      abortable: false,
      onEnd: (end) => onClosed(end === "aborted" || end.ok ? DONE : end),
    });
  } else if (isPromiseLike(returned)) {
    returned.then(() => onClosed(DONE), (error) => onClosed({ ok: false, error }));
  } else onClosed(DONE);
}

/** Deno's objects throw this at a second `close`: somebody was there before us. */
function isClosedAlready(error: unknown): boolean {
  return error instanceof Error && error.name === "BadResource";
}
