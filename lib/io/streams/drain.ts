/**
 * Drains: what an output empties its buffer into. Each calls back exactly once per call, perhaps
 * before the call returns. Until it has called back, nobody else touches the piece that it was given.
 */
import type { CancelHandle, Operation } from "../../operation/types.ts";
import {
  ByteQueue,
  type HookEnd,
  type HookFiberOptions,
  type HookResult,
  type Sink,
  startHookFiber,
  type Turn,
  type TurnNode,
  type TurnRule,
} from "../bytes/mod.ts";

/** How it ended. "cancelled": nothing was written, and it is to be tried again when somebody waits. */
export type DrainEnd =
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly error: unknown };

export type OnDrained = (end: DrainEnd) => void;

const NOTHING = new Uint8Array(0);

const DONE: DrainEnd = { kind: "done" };
const CANCELLED: DrainEnd = { kind: "cancelled" };

/** For whom hooks run. */
export type HookOwner = Pick<HookFiberOptions<void>, "fiber" | "abortable">;

const NOBODY: HookOwner = { fiber: null };

export interface Drain {
  /** Writes the whole of `piece`. */
  write(piece: Uint8Array, owner: HookOwner, onDrained: OnDrained): void;
  /** All has been written: passes that on to what is behind it. */
  flush(owner: HookOwner, onDrained: OnDrained): void;
  /** Before it is closed, with nothing to write: waits for others who write to what is behind it. */
  settle?(onDrained: OnDrained): void;
  /** Stops what is under way, if it can: that need not be written any more. */
  discard(): void;
  /** In words: "a TcpConn". */
  describe(): string;
}

/** Into a `Writer` or a Web Stream, in turns with everybody else who writes to it. */
export class SinkDrain implements Drain, TurnNode, TurnRule, Turn {
  // It stands in the line itself, and is its own turn: it has one at a time.
  readonly rule: TurnRule = this;
  after: TurnNode | null = null;
  before: TurnNode | null = null;
  bytes: Uint8Array = NOTHING;
  readonly once = false;
  readonly stable = false;
  readonly steady = true;
  readonly #sink: Sink;
  #onDrained: OnDrained = () => {};

  constructor(sink: Sink) {
    this.#sink = sink;
  }

  write(piece: Uint8Array, _owner: HookOwner, onDrained: OnDrained): void {
    this.bytes = piece;
    this.#onDrained = onDrained;
    this.#sink.lineUp(this);
  }

  begin(): Turn {
    return this;
  }

  written(): void {
    this.#ended(DONE);
  }

  failed(_node: unknown, error: unknown): void {
    this.#ended({ kind: "failed", error });
  }

  #ended(end: DrainEnd): void {
    this.bytes = NOTHING;
    this.#onDrained(end);
  }

  flush(_owner: HookOwner, onDrained: OnDrained): void {
    onDrained(DONE);
  }

  /** By a turn with nothing to write, behind those of others; a cancelled write, say, still goes on. */
  settle(onDrained: OnDrained): void {
    if (!this.#sink.isIdle) return this.write(NOTHING, NOBODY, onDrained);
    const failure = this.#sink.takeFailure();
    onDrained(failure === null ? DONE : { kind: "failed", error: failure.error });
  }

  /** Unless its turn has begun: then it goes on to the end, or to the closing of the writer. */
  discard(): void {
    if (this.after === null) return;
    this.#sink.leave(this);
    this.#ended(CANCELLED);
  }

  describe(): string {
    return this.#sink.describe();
  }
}

/** What an output of one's own is made of. */
export interface DrainHooks {
  output(bytes: Uint8Array): void | Operation<void>;
  flush?(): void | Operation<void>;
}

/** Into hooks of the user's, which run in fibers of their own. */
export class HookDrain implements Drain {
  #hookFiber: CancelHandle | null = null;

  constructor(readonly hooks: DrainHooks) {}

  write(piece: Uint8Array, owner: HookOwner, onDrained: OnDrained): void {
    // The hook may keep what it is given.
    this.#start("output", owner, () => this.hooks.output(piece.slice()), onDrained);
  }

  flush(owner: HookOwner, onDrained: OnDrained): void {
    if (this.hooks.flush === undefined) return onDrained(DONE);
    this.#start("flush of an output", owner, () => this.hooks.flush!(), onDrained);
  }

  #start(name: string, owner: HookOwner, hook: () => HookResult<void>, onDrained: OnDrained): void {
    const onEnd = (end: HookEnd<void>) => {
      this.#hookFiber = null;
      onDrained(drainEnd(end));
    };
    this.#hookFiber = startHookFiber({ name, ...owner, hook, onEnd });
  }

  discard(): void {
    this.#hookFiber?.cancel();
  }

  describe(): string {
    return "an output";
  }
}

function drainEnd(end: HookEnd<void>): DrainEnd {
  if (end === "aborted") return CANCELLED;
  return end.ok ? DONE : { kind: "failed", error: end.error };
}

/** Into memory. */
export class MemoryDrain implements Drain {
  readonly bytes: ByteQueue = new ByteQueue();

  write(piece: Uint8Array, _owner: HookOwner, onDrained: OnDrained): void {
    this.bytes.append(piece);
    onDrained(DONE);
  }

  flush(_owner: HookOwner, onDrained: OnDrained): void {
    onDrained(DONE);
  }

  discard(): void {}

  describe(): string {
    return "an output to memory";
  }
}

/** Nowhere. */
export const nowhere: Drain = {
  write: (_piece, _owner, onDrained) => onDrained(DONE),
  flush: (_owner, onDrained) => onDrained(DONE),
  discard: () => {},
  describe: () => "an output to nowhere",
};
