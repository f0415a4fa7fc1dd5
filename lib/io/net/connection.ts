/**
 * One connection, as its handler sees it: an input and an output, for as long as a body runs.
 *
 * How it ends, once the body and all that it spawned are gone:
 *  - the body returned: what was output is written, that direction is closed, and then the socket,
 *    as soon as the other side is done, or after `CLEANUP_GRACE_MS`;
 *  - it threw, or was aborted: the socket is closed at once, and what was not written is forgotten.
 *
 * Closing the output closes that direction alone: the body may read on until the other side is done.
 *
 * Clean-up of the body's that is protected (a last line, a flush) may depend on a client that
 * doesn't read. So an abort gives it `CLEANUP_GRACE_MS`. Then the socket is closed under it, and what
 * it throws because of that is not a failure.
 */
import { currentFiber, type FiberCore } from "../../fiber/core/mod.ts";
import { protect, scope, withCancelCallback } from "../../fiber/mod.ts";
import type { CancelHandle, Operation } from "../../operation/types.ts";
import { fromPromise } from "../../promise/mod.ts";
import {
  borrows,
  buffers,
  failed,
  prompt,
  read,
  type Reader,
  sinkOf,
  StreamClosedError,
  type Writer,
} from "../bytes/mod.ts";
import { FairReads } from "./fair_reads.ts";
import { CLEANUP_GRACE_MS, failureWithout, Input, limitCleanup, Output } from "../streams/mod.ts";

/** What runs with a connection. */
export type ConnectionBody<T> = (input: Input, output: Output) => Operation<T>;

const fairReads = new FairReads();

export class Connection {
  readonly input: Input;
  readonly output: Output;
  readonly #conn: Deno.Conn;
  readonly #reader: Reader;
  readonly #writer: Writer;
  #isOpen = true;
  #hasWritten = false;
  /** Whether it was closed under an aborted body. */
  #isGivenUp = false;
  /** What reading or writing failed with. */
  readonly #failures = new Set<unknown>();

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    dontDelay(conn as Partial<Deno.TcpConn>);
    const onFailure = (error: unknown) => void this.#failures.add(error);
    const reader = {
      read: (p: Uint8Array) => fairReads.read(conn, p),
      [failed]: onFailure,
      [prompt]: true,
    };
    const writer = {
      write: (p: Uint8Array) => {
        this.#hasWritten = true;
        return conn.write(p);
      },
      [failed]: onFailure,
      [borrows]: true,
      [prompt]: true,
    };
    this.#reader = reader;
    this.#writer = writer;
    this.input = Input.fromReader(reader, { close() {} });
    this.output = Output.fromWriter(writer, { close: () => fromPromise(() => this.#closeWrite()) });
  }

  /**
   * Whether it is the connection itself that failed with `error`: the other side is gone, or it was
   * closed under whoever used it.
   */
  brokeWith(error: unknown): boolean {
    if (this.#isGivenUp && error instanceof StreamClosedError) return true;
    return this.#failures.has(error);
  }

  /** Runs `body` with the connection, in the current fiber, and closes it. */
  *use<T>(body: ConnectionBody<T>): Generator<never, T, unknown> {
    const fiber = currentFiber("use a connection");
    let grace: CancelHandle | undefined;
    try {
      const value = yield* scope(() => {
        grace = this.limitCleanup(fiber); // in the scope: if a part of it fails, the rest has a while
        return body(this.input, this.output);
      });
      grace?.cancel();
      grace = this.limitCleanup(fiber);
      yield* this.output.close();
      yield* this.#outlast();
      return value;
    } catch (error) {
      const failure = this.#isGivenUp ? failureWithout((e) => this.brokeWith(e), error) : { error };
      if (failure !== null) throw failure.error;
      throw fiber.context.error === undefined ? error : fiber.deliver();
    } finally {
      grace?.cancel();
      this.close();
    }
  }

  /** Writes what was output, and closes it. */
  *finish(): Generator<never, void, unknown> {
    const grace = this.limitCleanup(currentFiber("finish a connection"));
    try {
      yield* this.output.close();
      yield* this.#outlast();
    } finally {
      grace.cancel();
      this.close();
    }
  }

  /**
   * Reads and forgets what still comes, until the other side is done, too, for a while at most. A
   * socket that is closed with something unread in it is reset, and the other side loses what it was
   * sent. An abort ends the wait, and is too late: all was done.
   */
  *#outlast(): Generator<never, void, unknown> {
    const { context, scheduler } = currentFiber("end a connection");
    if (!this.#isOpen || !this.#hasWritten || context.error !== undefined) return;
    const close = () => this.close();
    const timer = scheduler.loop.onTimer(CLEANUP_GRACE_MS, { repeat: false }, close);
    try {
      yield* withCancelCallback(close, () => protect(() => readToEnd(this.#reader)));
    } finally {
      timer.cancel();
    }
  }

  /** If what `fiber` is doing now is aborted, it is closed after a while, unless that is cancelled. */
  limitCleanup(fiber: FiberCore<unknown>): CancelHandle {
    return limitCleanup(fiber, () => {
      this.#isGivenUp = true;
      this.close();
    });
  }

  /** Closes it now, whoever is using it. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.output.discard();
    Promise.resolve(this.input.close()); // it has nothing to wait for
    fairReads.forget(this.#conn);
    close(this.#conn);
  }

  /** The end of the output: closes that direction, unless it was discarded in the middle. */
  async #closeWrite(): Promise<void> {
    const sink = sinkOf("close the connection", this.#writer);
    if (!sink.isIdle) return this.close(); // the other side may never take it
    if (!this.#isOpen) return;
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      // The other side was faster, or it was closed meanwhile.
      if (this.#isOpen && !(error instanceof Deno.errors.NotConnected)) throw error;
    }
  }
}

function* readToEnd(reader: Reader): Generator<never, void, unknown> {
  const buffer = buffers.acquire();
  try {
    while ((yield* read(reader, buffer)) > 0);
  } catch {
    // The other side is gone, or it was closed: an end, too.
  } finally {
    buffers.recycle(buffer);
  }
}

/** An output gathers by itself, and to flush it means now. */
function dontDelay(conn: Partial<Deno.TcpConn>): void {
  try {
    conn.setNoDelay?.();
  } catch {
    // the other side is gone already, which is for whoever reads to find
  }
}

/** Closes what may be closed already. */
export function close(resource: { close(): void }): void {
  try {
    resource.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error;
  }
}
