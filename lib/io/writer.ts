/**
 * Deno's shape of a sink of bytes, and the one `Sink` that stands for each of them.
 *
 * Whoever writes lines up, first in, first out, and has its turn when the turn before is over. A
 * turn is one system write after the other until what the turn is about is written; so the bytes of
 * two turns never mix.
 *
 *     LINED UP ──its turn──▶ WRITING ──▶ over: its writer is told
 *         │                     └──abort──▶ WRITING, with nobody to tell ──▶ over: a failure is kept
 *         └──abort──▶ nothing was written
 *
 * A system write can't be called back. So a write is never torn: cancelled before its turn, it has
 * written nothing; cancelled in its turn, the waiter leaves at once, and the turn goes on without
 * it, to the end. A failure that has nobody to be told to is kept for the next in line: its bytes
 * don't follow a gap unnoticed. What is written is a copy of ours, for the writer's buffer is its
 * own again when it has left.
 */
import { checkFunction, show } from "../internal/check.ts";
import { append, count, type Linked, remove } from "../internal/circle.ts";
import { borrows, failed, type Insider, prompt } from "./insider.ts";

/** What can be written to: `Deno.Conn`, `Deno.FsFile`, `Deno.stdout`, or the like of your own. */
export interface Writer {
  /** Writes from the front of `p`: how many bytes, at least one. */
  write(p: Uint8Array): Promise<number>;
}

/** What one turn is about. */
export interface Turn {
  readonly bytes: Uint8Array;
  /** Whether one system write is enough. */
  readonly once: boolean;
  /** Whether `bytes` will never change any more: then the writer may have them, without a copy. */
  readonly stable: boolean;
  /** Whether `bytes` won't change while the turn lasts: enough for a writer that only borrows. */
  readonly steady?: boolean;
}

/** Who waits for its turn, and then for its end. */
export interface TurnNode extends Linked<TurnNode> {
  /** Its turn has come: it has left the list. What is to be written. */
  begin(): Turn;
  /** The turn is over: this many bytes were written. */
  written(count: number): void;
  failed(error: unknown): void;
}

/** How many bytes a system write is given at most, where they must be copied. */
const PIECE = 64 * 1024;

const sinks: WeakMap<Writer, Sink> = new WeakMap();

/** The sink of `writer`, made when it is first asked for. */
export function sinkOf(writer: Writer): Sink {
  let sink = sinks.get(writer);
  if (sink === undefined) {
    sink = new Sink(writer);
    sinks.set(writer, sink);
  }
  return sink;
}

/** Their `write` is another one: it takes the whole chunk, and keeps it. */
const WEB_STREAMS = [WritableStream, WritableStreamDefaultWriter];

/** @throws {TypeError} unless `writer` can be written to */
export function checkWriter(action: string, writer: Writer): void {
  if (typeof writer !== "object" && typeof writer !== "function" || writer === null) {
    throw new TypeError(
      `Cannot ${action}: sink must be an object with a method write, got ${show(writer)}`,
    );
  }
  if (WEB_STREAMS.some((type) => writer instanceof type)) {
    throw new TypeError(
      `Cannot ${action}: sink is ${show(writer)}, which doesn't count; use Output.fromWritable`,
    );
  }
  checkFunction(action, "sink.write", writer.write);
}

export class Sink {
  readonly writer: Writer;
  readonly #isPrompt: boolean;
  readonly #borrows: boolean;
  line: TurnNode | null = null;
  /** Whose turn it is; `null` while `busy`: of somebody who has left. */
  #node: TurnNode | null = null;
  #busy = false;
  #written = 0;
  #turn: Turn | null = null;
  /** What nobody was told. */
  #kept: { readonly error: unknown } | null = null;

  constructor(writer: Writer) {
    this.writer = writer;
    this.#isPrompt = prompt in writer;
    this.#borrows = borrows in writer;
  }

  describe(): string {
    return show(this.writer);
  }

  /** Whether a turn could begin now. */
  get isIdle(): boolean {
    return !this.#busy && this.line === null;
  }

  /** How many wait for their turn: O(n), for tests and people. */
  get waiting(): number {
    return count(this.line);
  }

  /** The failure that nobody was told, once. */
  takeFailure(): { readonly error: unknown } | null {
    const kept = this.#kept;
    this.#kept = null;
    return kept;
  }

  /** Keeps a failure that nobody can be told now. */
  keep(error: unknown): void {
    this.#kept ??= { error };
  }

  lineUp(node: TurnNode): void {
    this.line = append(this.line, node);
    if (this.#busy) return;
    if (this.#isPrompt) this.#next();
    else this.#soon();
  }

  leave(node: TurnNode): void {
    this.line = remove(this.line, node);
  }

  /** Whoever's turn it is leaves: the turn goes on, with a copy of what is left. */
  detach(): void {
    this.#node = null;
    const turn = this.#turn!;
    if (!turn.once && !turn.stable) {
      this.#turn = { bytes: turn.bytes.slice(), once: false, stable: true };
    }
  }

  /** Begins the turn of somebody who need not wait for it, while the sink is idle. */
  take(turn: Turn): void {
    this.#busy = true;
    this.#node = null;
    this.#start(turn);
    queueMicrotask(() => this.#write());
  }

  /** In a microtask: `write` may be code of somebody's. Whoever has left by then has written nothing. */
  #soon(): void {
    this.#busy = true;
    queueMicrotask(() => {
      this.#busy = false;
      this.#next();
    });
  }

  #next(): void {
    while (!this.#busy && this.line !== null) {
      const node = this.line;
      this.leave(node);
      const failure = this.takeFailure();
      if (failure !== null) {
        node.failed(failure.error);
        continue;
      }
      this.#busy = true; // before it begins: that may be a commit, and resume foreign code
      const turn = node.begin();
      if (turn.bytes.length === 0) { // it only waited for those before it
        this.#busy = false;
        node.written(0);
        continue;
      }
      this.#node = node;
      this.#start(turn);
      this.#write();
    }
  }

  #start(turn: Turn): void {
    this.#turn = turn;
    this.#written = 0;
  }

  #write(): void {
    const turn = this.#turn!;
    // A writer may keep what it is given, so a piece is never used again, unless it is one of ours.
    const isLent = turn.stable || (turn.steady === true && this.#borrows);
    const whole = this.#written === 0 && isLent;
    const piece = whole
      ? turn.bytes
      : isLent
      ? turn.bytes.subarray(this.#written)
      : turn.bytes.slice(this.#written, this.#written + PIECE);
    this.#most = piece.length;
    let writing: Promise<number>;
    try {
      writing = this.writer.write(piece);
    } catch (error) {
      return this.#onError(error);
    }
    Promise.resolve(writing).then(this.#onCount, this.#onError);
  }

  // One of each for all writes: there is only one write at a time.
  readonly #onCount = (count: number): void => this.#wrote(null, count, this.#most);
  readonly #onError = (error: unknown): void => this.#wrote({ error }, 0, this.#most);
  /** How many bytes the write under way was given. */
  #most = 0;

  #wrote(failure: { readonly error: unknown } | null, written: number, most: number): void {
    if (failure === null && !(Number.isInteger(written) && written > 0 && written <= most)) {
      failure = { error: badCount(most, written) };
    }
    if (failure === null) {
      this.#written += written;
      const { bytes, once } = this.#turn!;
      if (!once && this.#written < bytes.length) return this.#write();
    }
    if (failure !== null) (this.writer as Insider)[failed]?.(failure.error);
    const node = this.#node;
    this.#node = null;
    this.#turn = null;
    this.#busy = false;
    if (failure === null) node?.written(this.#written);
    else if (node === null) this.keep(failure.error);
    else node.failed(failure.error);
    this.#next();
  }
}

function badCount(most: number, written: unknown): TypeError {
  return new TypeError(
    `Cannot write to the sink: its write must return an integer from 1 to ${most}, got ${
      show(written)
    }`,
  );
}
