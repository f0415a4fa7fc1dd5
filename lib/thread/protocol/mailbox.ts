/**
 * Messages between main and a thread, one direction each: a shared queue for what is small and
 * plain, and beside it a port for everything else, whose messages are taken when the queue says
 * that they are there. So there is one order, whatever way a value takes.
 *
 * A message has a type, the number of what it is about, and a value.
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
import { Place, WaitingLine } from "../shared/mod.ts";
import { checkPostable } from "./postable.ts";
import { takeTransfers } from "./transfer.ts";

/** Low bits of a message's extra word: its type. */
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
  readonly #place: Place;
  /** What there was no room for. */
  #unsent: Message[] = [];
  #caughtUp: (() => void) | undefined;

  constructor(readonly queue: SharedQueue, readonly port: MessagePort) {
    this.#place = new Place(new WaitingLine(queue, SENDERS), this);
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
      // In a set, because Deno's receiveMessageOnPort looks at every key of what it has received.
      this.port.postMessage(new Set([value]), transfers ?? []);
      encoding.encodeElsewhere();
    }
    const extra = (id << TYPE_BITS) | type;
    if (this.#unsent.length === 0 && this.queue.put(encoding, extra) === true) return;
    this.#unsent.push({ extra, encoded: encoding.copy() });
    if (!this.#place.isInLine) this.#place.enter(attendance);
  }

  /** Sends what there is room for now. */
  wake(): void {
    let sent = 0;
    for (const { extra, encoded } of this.#unsent) {
      while (this.queue.put(encoded, extra) !== true) {
        if (this.#place.line.rest(this.#place)) continue;
        this.#unsent = this.#unsent.slice(sent);
        return;
      }
      sent++;
    }
    this.#unsent = [];
    this.#place.cancel();
    const caughtUp = this.#caughtUp;
    this.#caughtUp = undefined;
    caughtUp?.();
  }

  /** Whether something waits for room. */
  get isBehind(): boolean {
    return this.#unsent.length > 0;
  }

  /** Calls `f` once nothing waits for room any more. For one who finds that it is behind. */
  onceCaughtUp(f: () => void): void {
    this.#caughtUp = f;
  }

  /**
   * For who ends: sleeps the thread until all is sent. However long that takes: whoever is to read
   * it does so, or terminates this thread, or is gone together with it.
   */
  flush(): void {
    while (this.isBehind) {
      doorbell.sleep(FLUSH_MS);
      this.wake();
    }
  }

  /** Nobody listens any more. */
  stop(): void {
    this.#unsent = [];
    this.#place.cancel();
  }
}

/** Called with each message. */
export type Handler = (type: number, id: number, value: unknown) => void;

/** The receiving end. */
export class Inbox {
  /** In line for messages, from `start` to `stop`. */
  readonly #place: Place;
  readonly #decoded = new Decoded();

  constructor(
    readonly queue: SharedQueue,
    readonly port: MessagePort,
    readonly handle: Handler,
    /** Called after each bunch of messages, before it waits for more. */
    readonly afterBunch?: () => void,
  ) {
    this.#place = new Place(new WaitingLine(queue, RECEIVERS), this);
  }

  /** From now on messages are handled as they come. */
  start(): void {
    this.#place.enter(attendance);
  }

  /** What has not been handled never will be. */
  stop(): void {
    this.#place.cancel();
  }

  /**
   * Handles all that is there. At once, as a thread that blocks runs no microtasks; what handles a
   * message may block, too, and call this again: the messages after it are handled within it.
   */
  wake(): void {
    const place = this.#place;
    try {
      do {
        while (place.isInLine && this.#next()); // until it is stopped by what it said
        this.afterBunch?.();
      } while (place.isInLine && place.line.rest(place));
    } finally {
      place.woken = false; // whatever happened, it can be woken again
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
/** How long a message may be on its way that was posted. */
const PATIENCE_MS = 10_000;
/** How long the end of a thread sleeps at a time while there is no room, should no ring come. */
const FLUSH_MS = 100;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** The next message of `port`, which has been posted; without a turn of the event loop. */
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

/** The extra word of a message; for queues that are filled and read by hand. */
export function extraOf(type: number, id: number): number {
  return (id << TYPE_BITS) | type;
}

export function idOf(extra: number): number {
  return extra >>> TYPE_BITS;
}
