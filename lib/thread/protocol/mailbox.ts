/**
 * Messages between main and a thread, in one direction: `Outbox` sends them, `Inbox` handles them.
 *
 * A message has a type, the number of what it is about, and a value. It goes through a shared
 * queue. A value that is not small and plain goes through a `MessagePort` beside it, and is taken
 * from there when its message comes out of the queue: so there is one order, whatever way a value
 * takes.
 *
 * Nothing here waits for room: what the queue has no room for is kept by the outbox, in order,
 * until it is woken. And all of it works in a thread that blocks, whose event loop stands still.
 */
import { attendance, doorbell } from "../../loop/doorbell.ts";
import {
  Decoded,
  ELSEWHERE,
  Encoded,
  EXTRA,
  NOT_NOW,
  RECEIVERS,
  SENDERS,
  type SharedQueue,
} from "../memory/mod.ts";
import { LineNode, WaitingLine } from "../shared/mod.ts";
import { checkPostable } from "./postable.ts";
import { takeTransfers } from "./transfer.ts";

/** The type of a message is in the low bits of the slot's extra word, its number above. */
const TYPE_BITS = 4;
const TYPE_MASK = (1 << TYPE_BITS) - 1;
/** Numbers of jobs and calls are below this. */
export const ID_LIMIT = 2 ** (31 - TYPE_BITS);

const encoding = new Encoded();

interface Message {
  readonly extra: number;
  readonly encoded: Encoded;
}

/** The sending end. */
export class Outbox {
  /** In line for room. */
  readonly #node: LineNode;
  /** Messages that there was no room for, in order. */
  #unsent: Message[] = [];
  /** To be called when there are none left. */
  #caughtUp: (() => void) | undefined;

  constructor(readonly queue: SharedQueue, readonly port: MessagePort) {
    this.#node = new LineNode(new WaitingLine(queue.side(SENDERS)), this);
  }

  /**
   * Sends a message, now or as soon as there is room. `transferring`: the values in it that
   * `transfer` may have marked.
   *
   * @throws {DOMException} if the value can't be cloned; then nothing was sent
   * @throws {TypeError} if it is a shared channel, or trigger, in the place of its handle
   */
  send(type: number, id: number, value: unknown, transferring?: readonly unknown[]): void {
    const transfers = transferring && takeTransfers(transferring);
    if (transfers !== undefined || !encoding.encodeFast(value, this.queue.slotBytes)) {
      checkPostable(transferring ?? []);
      // In a set, as Deno's receiveMessageOnPort would visit every key of an object or array.
      this.port.postMessage(new Set([value]), transfers ?? []);
      encoding.encodeElsewhere();
    }
    const extra = (id << TYPE_BITS) | type;
    if (this.#unsent.length === 0 && this.queue.put(encoding, extra) === true) return;
    this.#unsent.push({ extra, encoded: encoding.copy() });
    if (!this.#node.isInLine) this.#node.enter(attendance);
  }

  /** There may be room: sends what fits. */
  wake(): void {
    let sent = 0;
    for (const { extra, encoded } of this.#unsent) {
      while (this.queue.put(encoded, extra) !== true) {
        if (this.#node.line.rest(this.#node)) continue;
        this.#unsent = this.#unsent.slice(sent);
        return;
      }
      sent++;
    }
    this.#unsent = [];
    this.#node.cancel();
    const caughtUp = this.#caughtUp;
    this.#caughtUp = undefined;
    caughtUp?.();
  }

  /** Whether something waits for room. */
  get isBehind(): boolean {
    return this.#unsent.length > 0;
  }

  /** Calls `f` once nothing waits for room any more. Only while it `isBehind`. */
  onceCaughtUp(f: () => void): void {
    this.#caughtUp = f;
  }

  /**
   * For a thread that ends: sleeps it until all is sent, however long that takes. Main reads it, or
   * terminates this thread, or is gone together with it.
   */
  flush(): void {
    while (this.isBehind) {
      doorbell.sleep(FLUSH_MS);
      this.wake();
    }
  }

  /** Nobody reads its messages any more. */
  stop(): void {
    this.#unsent = [];
    this.#node.cancel();
  }
}

/** Called with each message. */
export type Handler = (type: number, id: number, value: unknown) => void;

/** The receiving end. */
export class Inbox {
  /** In line for messages, from `start` to `stop`. */
  readonly #node: LineNode;
  readonly #decoded = new Decoded();

  constructor(
    readonly queue: SharedQueue,
    readonly port: MessagePort,
    readonly handle: Handler,
    /** Called when it has handled all that there was, before it waits for more. */
    readonly afterBunch?: () => void,
  ) {
    this.#node = new LineNode(new WaitingLine(queue.side(RECEIVERS)), this);
  }

  /** From now on messages are handled as they come. */
  start(): void {
    this.#node.enter(attendance);
  }

  /** Messages that have not been handled never will be. */
  stop(): void {
    this.#node.cancel();
  }

  /**
   * Handles all that is there: at once, as a thread that blocks runs no microtasks. A handler may
   * block in turn, and call this again: then the messages after its own are handled within it.
   */
  wake(): void {
    const node = this.#node;
    try {
      do {
        while (node.isInLine && this.#next()); // a message may lead to `stop`
        this.afterBunch?.();
      } while (node.isInLine && node.line.rest(node));
    } finally {
      node.woken = false; // also after an error: it can be woken again
    }
  }

  #next(): boolean {
    const { queue } = this;
    const slot = queue.take();
    if (slot <= NOT_NOW) return false;
    const extra = queue.words[slot + EXTRA]!;
    this.#decoded.read(queue, slot);
    queue.free(slot);
    const value = this.#decoded.kind === ELSEWHERE ? receiveNow(this.port) : this.#decoded.decode();
    this.handle(extra & TYPE_MASK, extra >>> TYPE_BITS, value);
    return true;
  }
}

interface WorkerThreads {
  receiveMessageOnPort(port: MessagePort): { message: Set<unknown> } | undefined;
}

let workerThreads: WorkerThreads | undefined;
/** How long a value that was posted may be on its way. */
const PATIENCE_MS = 10_000;
/** How long the end of a thread sleeps at a time while there is no room, should no ring come. */
const FLUSH_MS = 100;
const pause = new Int32Array(new SharedArrayBuffer(4));

/**
 * The next value of `port`, which has been posted before its message: without a turn of the event
 * loop.
 */
function receiveNow(port: MessagePort): unknown {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: string): WorkerThreads };
  };
  workerThreads ??= process.getBuiltinModule("node:worker_threads");
  for (let waited = 0; waited < PATIENCE_MS; waited++) {
    const received = workerThreads.receiveMessageOnPort(port);
    if (received !== undefined) return [...received.message][0];
    Atomics.wait(pause, 0, 0, 1);
  }
  throw new Error("Cannot receive a message that was posted: please report this");
}

/** The extra word of a message: for the queue of jobs, which has no mailboxes. */
export function extraOf(type: number, id: number): number {
  return (id << TYPE_BITS) | type;
}

export function idOf(extra: number): number {
  return extra >>> TYPE_BITS;
}
