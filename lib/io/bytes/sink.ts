/**
 * Deno's shape of a sink of bytes, and the protocol of the `Sink` that stands for each of them.
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
 * written nothing; cancelled in its turn, the waiter leaves at once, and the turn goes on without it,
 * to the end. If that fails, with nobody there to be told, the failure is kept for the next in line,
 * whose bytes must not follow a gap unnoticed. What goes on is a copy of ours: the buffer of a waiter
 * that has left is its own again.
 *
 * A Web Stream has a door as well, for it must be locked to be written to, and takes nothing while it
 * has enough. Whoever is first in line waits at the door. It still stands in the line, so that it may
 * leave with nothing written. A turn is one chunk, which is handed over at its beginning. The door is
 * let go of when nobody stands in line and nothing is left to be handed over. That happens before
 * whoever waited is told, so that it finds the stream unlocked.
 */
import { show } from "../../internal/check.ts";
import { append, count, type Linked, remove } from "../../internal/circle.ts";
import { borrows, failed, prompt, type StreamMarks } from "./stream_marks.ts";

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
  /**
   * Whether nobody waits for its end, and `bytes` is a copy that was made for that: it will never
   * change, so the writer may keep it.
   */
  readonly stable: boolean;
  /** Whether `bytes` won't change while the turn lasts: enough for a writer that only borrows. */
  readonly steady?: boolean;
}

/** Who waits for its turn, and then for its end: a wait for a `write`, or the drain of an output. */
export interface TurnNode extends Linked<TurnNode> {
  readonly rule: TurnRule;
}

/**
 * What a sink asks and tells, for a `node` of its line. A rule knows what its own nodes are, which the
 * sink does not.
 */
export interface TurnRule {
  /** Its turn has come: it has left the line. What is to be written. */
  begin(node: unknown): Turn;
  /** The turn is over: this many bytes were written. */
  written(node: unknown, count: number): void;
  /** The turn is over, or could not begin. */
  failed(node: unknown, error: unknown): void;
}

/** How many bytes a system write is given at most, where they must be copied. */
const PIECE = 64 * 1024;

/** What something failed with: anything, `undefined` too. */
export interface Failure {
  readonly error: unknown;
}

/** What lets a turn begin, or not, where the sink is a stream. Runs no code of the user's. */
export interface Door {
  /** Somebody lines up: locks it, so that nobody else has it meanwhile. */
  approach(): void;
  /** Whether a turn may begin now; if not, wait with `whenOpen`, or fail. Keeps it locked. */
  open(): "open" | "shut" | Failure;
  /**
   * Calls back once, later: with a failure, or because `open` is to be asked again. The callback
   * returns whether somebody was told the failure.
   */
  whenOpen(onChange: (failure: Failure | null) => boolean): void;
  /** Lets go of it. Idempotent. */
  leave(): void;
  /** In words: "a WritableStream". */
  describe(): string;
}

export class Sink {
  readonly writer: Writer;
  readonly #isPrompt: boolean;
  readonly #borrows: boolean;
  readonly #door: Door | null;
  line: TurnNode | null = null;
  /** Whose turn it is; `null` while `busy`: of somebody who has left. */
  #node: TurnNode | null = null;
  #busy = false;
  /** Whether a turn has something to hand over, or somebody who waits for its end. */
  #attended = false;
  #written = 0;
  #turn: Turn | null = null;
  /** A failure that nobody was told. */
  #kept: Failure | null = null;

  constructor(writer: Writer, door: Door | null = null) {
    this.writer = writer;
    this.#door = door;
    this.#isPrompt = prompt in writer;
    this.#borrows = borrows in writer;
  }

  describe(): string {
    return this.#door === null ? show(this.writer) : this.#door.describe();
  }

  /** Whether nobody has a turn, or waits for one. */
  get isIdle(): boolean {
    return !this.#busy && this.line === null;
  }

  /** Whether a turn may begin, as far as the door goes: to be asked before `handOver`. */
  get isOpen(): boolean {
    if (this.#door === null) return true;
    if (this.#door.open() === "open") return true;
    this.rest();
    return false;
  }

  /** How many wait for their turn: O(n), for tests and people. */
  get waiting(): number {
    return count(this.line);
  }

  /** The failure that nobody was told, once. */
  takeFailure(): Failure | null {
    const kept = this.#kept;
    this.#kept = null;
    return kept;
  }

  lineUp(node: TurnNode): void {
    this.line = append(this.line, node);
    this.#door?.approach();
    if (this.#busy) return;
    if (this.#isPrompt) this.#next();
    else this.#soon();
  }

  /** Leaves the line, or its turn; does nothing once that is over. */
  leave(node: TurnNode): void {
    if (node.after === null) return this.#leaveTurn(node);
    this.line = remove(this.line, node);
    this.rest();
  }

  /** Lets go of the door, if nobody needs it. */
  rest(): void {
    if (this.#door !== null && this.line === null && !this.#attended) this.#door.leave();
  }

  /** If it has the turn, that goes on without it, with a copy: the buffer is its own again. */
  #leaveTurn(node: TurnNode): void {
    if (this.#node !== node) return;
    this.#node = null;
    if (this.#door !== null) return this.#unattended(); // all was handed over
    const turn = this.#turn!;
    if (!turn.once && !turn.stable) {
      this.#turn = { bytes: turn.bytes.slice(), once: false, stable: true };
    }
  }

  /** Begins a turn that nobody waits for, while the sink is idle. */
  handOver(turn: Turn): void {
    this.#busy = true;
    this.#attended = true;
    this.#node = null;
    this.#start(turn);
    queueMicrotask(() => this.#write());
  }

  /** In a microtask: `write` may be code of the user's. Whoever has left by then has written nothing. */
  #soon(): void {
    this.#busy = true;
    queueMicrotask(this.#begin);
  }

  readonly #begin = (): void => {
    this.#busy = false;
    this.#next();
  };

  #next(): void {
    while (!this.#busy && this.line !== null) {
      const node = this.line;
      const failure = this.takeFailure();
      if (failure !== null) {
        this.#refuse(node, failure);
        continue;
      }
      if (this.#door !== null && !this.#passes(node, this.#door)) continue;
      this.line = remove(this.line, node);
      this.#busy = true; // before it begins: that may be a commit, and resume foreign code
      this.#attended = true;
      const turn = node.rule.begin(node);
      if (turn.bytes.length === 0) { // it only waited for those before it
        this.#busy = false;
        this.#unattended();
        node.rule.written(node, 0);
        continue;
      }
      this.#node = turn.stable ? null : node;
      this.#start(turn);
      this.#write();
    }
  }

  #refuse(node: TurnNode, failure: Failure): void {
    this.leave(node);
    node.rule.failed(node, failure.error);
  }

  /** Whether the first in line may begin; else it waits at the door, or has failed. */
  #passes(node: TurnNode, door: Door): boolean {
    const opening = door.open();
    if (opening === "open") return true;
    if (opening === "shut") {
      this.#busy = true;
      door.whenOpen(this.#onDoor);
    } else this.#refuse(node, opening);
    return false;
  }

  readonly #onDoor = (failure: Failure | null): boolean => {
    this.#busy = false;
    const told = failure === null ? null : this.line;
    if (told !== null) this.#refuse(told, failure!);
    this.#next();
    return told !== null;
  };

  #unattended(): void {
    this.#attended = false;
    this.rest();
  }

  #start(turn: Turn): void {
    this.#turn = turn;
    this.#written = 0;
  }

  #write(): void {
    const turn = this.#turn!;
    // A writer may keep what it is given, so it gets a copy, unless `bytes` is its own, or it is a
    // writer of ours, which keeps nothing.
    const isLent = turn.stable || (turn.steady === true && this.#borrows);
    const whole = this.#written === 0 && isLent;
    const piece = whole
      ? turn.bytes
      : isLent
      ? turn.bytes.subarray(this.#written)
      : turn.bytes.slice(this.#written, this.#written + this.#pieceFor(turn));
    this.#most = piece.length;
    let writing: Promise<number>;
    try {
      writing = this.writer.write(piece);
    } catch (error) {
      return this.#onError(error);
    }
    Promise.resolve(writing).then(this.#onCount, this.#onError);
    if (this.#node === null) this.#unattended();
  }

  /** A stream takes a turn as one chunk. */
  #pieceFor(turn: Turn): number {
    return this.#door === null || turn.once ? PIECE : turn.bytes.length;
  }

  // One of each for all writes: there is only one write at a time.
  readonly #onCount = (count: number): void => this.#wrote(null, count, this.#most);
  readonly #onError = (error: unknown): void => this.#wrote({ error }, 0, this.#most);
  /** How many bytes the write under way was given. */
  #most = 0;

  #wrote(failure: Failure | null, written: number, most: number): void {
    if (failure === null && !(Number.isInteger(written) && written > 0 && written <= most)) {
      failure = { error: badCount(most, written) };
    }
    if (failure === null) {
      this.#written += written;
      const { bytes, once } = this.#turn!;
      if (!once && this.#written < bytes.length) return this.#write();
    }
    if (failure !== null) (this.writer as StreamMarks)[failed]?.(failure.error);
    const node = this.#node;
    this.#node = null;
    this.#turn = null;
    this.#busy = false;
    this.#unattended();
    if (failure === null) node?.rule.written(node, this.#written);
    else if (node === null) this.#kept ??= failure;
    else node.rule.failed(node, failure.error);
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
