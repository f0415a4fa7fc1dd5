/**
 * Drains: what an output empties its buffer into. Each calls back exactly once per call, perhaps
 * at once. A piece is a drain's alone until it has called back.
 */
import type { Operation } from "../operation/types.ts";
import { ByteQueue } from "./byte_queue.ts";
import { type HelperEnd, type HelperOptions, startHelper } from "./helper.ts";
import { type Sink, sinkOf, type Turn, type TurnNode, type Writer } from "./writer.ts";

/** How it ended. "cancelled": nothing happened, it is to be tried again when somebody waits. */
export type DrainEnd =
  | { readonly kind: "done" }
  | { readonly kind: "cancelled" }
  | { readonly kind: "failed"; readonly error: unknown };

export type OnDrained = (end: DrainEnd) => void;

const DONE: DrainEnd = { kind: "done" };

/** For whom hooks run. */
export type Worker = Pick<HelperOptions<void>, "fiber" | "abortable">;

export interface Drain {
  /** Writes the whole of `piece`. */
  write(piece: Uint8Array, worker: Worker, onDrained: OnDrained): void;
  /** All has been written: passes that on to what is behind it. */
  flush(worker: Worker, onDrained: OnDrained): void;
  /** In words: "a TcpConn". */
  describe(): string;
}

/** Into a `Writer`, in turns with everybody else who writes to it. */
export class WriterDrain implements Drain {
  readonly #sink: Sink;

  constructor(writer: Writer) {
    this.#sink = sinkOf(writer);
  }

  write(piece: Uint8Array, _worker: Worker, onDrained: OnDrained): void {
    this.#sink.lineUp(new PieceTurn(piece, onDrained));
  }

  flush(_worker: Worker, onDrained: OnDrained): void {
    onDrained(DONE);
  }

  describe(): string {
    return this.#sink.describe();
  }
}

class PieceTurn implements TurnNode {
  after: TurnNode | null = null;
  before: TurnNode | null = null;

  constructor(readonly piece: Uint8Array, readonly onDrained: OnDrained) {}

  begin(): Turn {
    return { bytes: this.piece, once: false, stable: true };
  }

  written(): void {
    this.onDrained(DONE);
  }

  failed(error: unknown): void {
    this.onDrained({ kind: "failed", error });
  }
}

/** What an output of one's own is made of. */
export interface DrainHooks {
  output(bytes: Uint8Array): void | Operation<void>;
  flush?(): void | Operation<void>;
}

/** Into hooks of the user's, which run in helpers. */
export class HookDrain implements Drain {
  constructor(readonly hooks: DrainHooks) {}

  write(piece: Uint8Array, worker: Worker, onDrained: OnDrained): void {
    startHelper<void>({
      name: "output",
      ...worker,
      hook: () => this.hooks.output(piece),
      onEnd: (end) => onDrained(drainEnd(end)),
    });
  }

  flush(worker: Worker, onDrained: OnDrained): void {
    if (this.hooks.flush === undefined) return onDrained(DONE);
    startHelper<void>({
      name: "flush of an output",
      ...worker,
      hook: () => this.hooks.flush!(),
      onEnd: (end) => onDrained(drainEnd(end)),
    });
  }

  describe(): string {
    return "an output";
  }
}

function drainEnd(end: HelperEnd<void>): DrainEnd {
  if (end === "aborted") return { kind: "cancelled" };
  return end.ok ? DONE : { kind: "failed", error: end.error };
}

/** Into a Web Stream, not before it wants more. */
export class WritableDrain implements Drain {
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;

  constructor(stream: WritableStream<Uint8Array>) {
    this.#writer = stream.getWriter();
    this.#writer.closed.catch(() => {}); // a failure is told by what was waited for
  }

  /** A stream may keep a chunk after it has taken it, so it gets a copy. */
  write(piece: Uint8Array, _worker: Worker, onDrained: OnDrained): void {
    this.#writer.ready.then(() => this.#writer.write(piece.slice())).then(
      () => onDrained(DONE),
      (error) => onDrained({ kind: "failed", error }),
    );
  }

  flush(_worker: Worker, onDrained: OnDrained): void {
    onDrained(DONE);
  }

  async close(): Promise<void> {
    await this.#writer.close();
    this.#writer.releaseLock();
  }

  async abort(): Promise<void> {
    await this.#writer.abort("the output was discarded");
    this.#writer.releaseLock();
  }

  unlock(): void {
    this.#writer.releaseLock();
  }

  describe(): string {
    return "a WritableStream";
  }
}

/** Into memory. */
export class MemoryDrain implements Drain {
  readonly bytes: ByteQueue = new ByteQueue();

  write(piece: Uint8Array, _worker: Worker, onDrained: OnDrained): void {
    this.bytes.append(piece);
    onDrained(DONE);
  }

  flush(_worker: Worker, onDrained: OnDrained): void {
    onDrained(DONE);
  }

  describe(): string {
    return "an output to memory";
  }
}

/** Nowhere. */
export const nowhere: Drain = {
  write: (_piece, _worker, onDrained) => onDrained(DONE),
  flush: (_worker, onDrained) => onDrained(DONE),
  describe: () => "an output to nowhere",
};
