/**
 * One connection, as its handler sees it: an input and an output, for as long as a body runs.
 *
 * How it ends, once the body and all that it spawned are gone:
 *  - the body returned: what was output is written, and the socket is closed;
 *  - it threw, or was aborted: the socket is closed at once, and what was not written is forgotten.
 *
 * Closing the output closes that direction alone; the body may read on until the other side is done.
 *
 * Clean-up of the body's that is protected (a last line, a flush) may depend on a client that
 * doesn't read. So an abort gives it `LINGER_MS`; then the socket is closed under it.
 */
import { currentFiber, type FiberCore } from "../fiber/fiber.ts";
import { scope } from "../fiber/mod.ts";
import type { CancelHandle } from "../operation/event_base.ts";
import type { Operation } from "../operation/types.ts";
import { fromPromise } from "../promise/mod.ts";
import { Input } from "./input.ts";
import { borrows, failed, prompt } from "./insider.ts";
import { Output } from "./output.ts";
import { sinkOf, type Writer } from "./writer.ts";

/** What runs with a connection. */
export type ConnectionBody<T> = (input: Input, output: Output) => Operation<T>;

/** For how long the clean-up of an aborted body may use the connection. */
const LINGER_MS = 1000;

export class Connection {
  readonly input: Input;
  readonly output: Output;
  readonly #conn: Deno.Conn;
  readonly #writer: Writer;
  #isOpen = true;
  /** What reading or writing failed with. */
  readonly #failures = new Set<unknown>();

  constructor(conn: Deno.Conn) {
    this.#conn = conn;
    dontDelay(conn as Partial<Deno.TcpConn>);
    const onFailure = (error: unknown) => void this.#failures.add(error);
    const reader = { read: (p: Uint8Array) => conn.read(p), [failed]: onFailure, [prompt]: true };
    const writer = {
      write: (p: Uint8Array) => conn.write(p),
      [failed]: onFailure,
      [borrows]: true,
      [prompt]: true,
    };
    this.#writer = writer;
    this.input = Input.fromReader(reader, { close() {} });
    this.output = Output.fromWriter(writer, { close: () => fromPromise(() => this.#closeWrite()) });
  }

  /** Whether it is the connection itself that failed with `error`: the other side is gone. */
  brokeWith(error: unknown): boolean {
    return this.#failures.has(error);
  }

  /** Runs `body` with the connection, in the current fiber, and closes it. */
  *use<T>(body: ConnectionBody<T>): Generator<never, T, unknown> {
    const linger = this.lingerIn(currentFiber("use a connection"));
    try {
      const value = yield* scope(() => body(this.input, this.output));
      yield* this.output.close();
      return value;
    } finally {
      linger.cancel();
      this.close();
    }
  }

  /** Writes what was output, and closes it. */
  *finish(): Generator<never, void, unknown> {
    const linger = this.lingerIn(currentFiber("finish a connection"));
    try {
      yield* this.output.close();
    } finally {
      linger.cancel();
      this.close();
    }
  }

  /** If what `fiber` is doing now is aborted, it is closed after a while, unless that is cancelled. */
  lingerIn(fiber: FiberCore<unknown>): CancelHandle {
    const { context, scheduler } = fiber;
    const callbacks = (context.extra.onCancel ??= new Set());
    let timer: CancelHandle | undefined;
    const onCancel = () => {
      timer = scheduler.loop.onTimer(LINGER_MS, { repeat: false }, () => this.close());
    };
    if (context.error === undefined) callbacks.add(onCancel);
    else onCancel();
    return {
      cancel() {
        callbacks.delete(onCancel);
        timer?.cancel();
      },
    };
  }

  /** Closes it now, whoever is using it. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.output.discard();
    Promise.resolve(this.input.close()); // it has nothing to wait for
    close(this.#conn);
  }

  /** The end of the output: closes that direction, unless it was discarded in the middle. */
  async #closeWrite(): Promise<void> {
    if (!sinkOf(this.#writer).isIdle) return this.close(); // the other side may never take it
    if (!this.#isOpen) return;
    try {
      await this.#conn.closeWrite();
    } catch (error) {
      // The other side was faster, or it was closed meanwhile.
      if (this.#isOpen && !(error instanceof Deno.errors.NotConnected)) throw error;
    }
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
