/**
 * A shared channel as one thread sees it: the queue, the lines of those who wait here, and the
 * items that this thread has and the queue doesn't.
 *
 * Such items come about in two ways. A receiver is cancelled by a scheduler of somebody else's in
 * the very moment in which it has taken one: the item is given back, to the queue if that has room
 * and nobody here waits, else to a list of this port (`#returned`), from where the next receiver
 * here has it. Or the stack overflows while an item is read: its slot is noted (`#unread`), and
 * read by the next receiver here. Both count as `returned`.
 *
 * Encoding and decoding use one `Encoded` and one `Decoded` for all channels: between encoding and
 * putting nothing else may run, nor between taking and decoding.
 */
import type { ChannelFailure } from "../../channel/core.ts";
import { ChannelClosedError } from "../../channel/mod.ts";
import {
  CLOSED,
  CLOSERS,
  type Codec,
  Decoded,
  Encoded,
  KIND,
  NOT_NOW,
  NUMBER,
  readNumber,
  RECEIVERS,
  SENDERS,
  SENDERS_ASLEEP,
  type SharedQueue,
  threadId,
} from "../memory/mod.ts";
import { encodeFailure, readFailure } from "./failure.ts";
import { WaitingLine } from "./waiting_line.ts";

/** In the place of an item: there is none now. */
export const NOTHING: unique symbol = Symbol("nothing");
/** In the place of an item: there will never be one. */
export const DRAINED: unique symbol = Symbol("drained");

/** The flag of channels that forget an item for which there is no room. */
export const DROPS_NEWEST = 2;

const encoding = new Encoded();
const decoding = new Decoded();

/**
 * Ports that have items which are nowhere else: kept alive, though nobody may refer to them now.
 */
const stranded: Set<object> = new Set();

export class SharedPort<T> {
  readonly receivers: WaitingLine;
  readonly senders: WaitingLine;
  readonly closers: WaitingLine;
  /** How many items are here, and not in the queue. */
  returned = 0;
  /** Whether a `send` that finds no room forgets its item. */
  readonly #dropsNewest: boolean;
  /** Whether numbers may go the short way, `putNumber`. */
  readonly #takesNumbers: boolean;
  /** Why it failed, once somebody has asked. */
  #failure: ChannelFailure | null = null;
  /** Items that were given back: they come before those in the queue. */
  readonly #returned: T[] = [];
  /** The slot of an item that was taken, and could not be read for want of stack; or NOT_NOW. */
  #unread: number = NOT_NOW;
  /** In a queue that forgets: the (odd) sequence with which that slot was put aside. */
  #aside = 0;
  readonly #forgets: boolean;

  constructor(
    readonly queue: SharedQueue,
    readonly codec: Codec<T> | undefined,
    readonly name: string | undefined,
  ) {
    const items = queue.side(RECEIVERS);
    const isReady = () => this.returned > 0 || queue.isReady(RECEIVERS);
    this.receivers = new WaitingLine({ ...items, isReady });
    this.senders = new WaitingLine(queue.side(SENDERS));
    this.closers = new WaitingLine(queue.side(CLOSERS));
    this.#dropsNewest = (queue.flags & DROPS_NEWEST) !== 0;
    this.#forgets = queue.forgets;
    this.#takesNumbers = codec === undefined && !this.#dropsNewest && !this.#forgets;
  }

  /**
   * The item as it is to be written: valid until the next call.
   *
   * @throws {TypeError} if it can't be copied to another thread
   * @throws {RangeError} if it is larger than a slot
   */
  encode(item: T): Encoded {
    if (this.codec === undefined) encoding.encode(item, this.queue.slotBytes);
    else encoding.encodeWith(this.codec, item);
    if (encoding.length > this.queue.slotBytes) {
      throw new RangeError(
        `Cannot send to ${this.describe()}: the value takes ${encoding.length} bytes, and a slot ` +
          `has ${this.queue.slotBytes}; make the channel with a larger slotBytes`,
      );
    }
    return encoding;
  }

  /** Sends now, if it need not wait. Dropping counts as sending; `offer` tells the difference. */
  put(encoded: Encoded, item: T): boolean {
    return this.offer(encoded, item) || this.#dropsNewest;
  }

  /** Puts an item in; false if there was no room. */
  offer(encoded: Encoded, item: T): boolean {
    const outcome = this.queue.put(encoded, 0);
    if (outcome === CLOSED) throw this.refusal(item);
    return outcome !== NOT_NOW;
  }

  /** Puts in a number where there is room, and no codec or policy asks for more; throws nothing. */
  putNumber(item: number): boolean {
    return this.#takesNumbers && this.queue.putNumber(NUMBER, item);
  }

  /**
   * The next item, NOTHING, or DRAINED. `beforeCodec` is called when it is taken, not yet decoded.
   */
  take(beforeCodec?: () => void): unknown {
    const { queue } = this;
    const slot = this.returned > 0 ? this.#unread : queue.take();
    if (slot === NOT_NOW) return this.returned > 0 ? this.#takeReturned() : NOTHING;
    if (slot === CLOSED) return DRAINED;
    const { words } = queue;
    if (slot === this.#unread && this.#forgets) {
      const aside = this.#aside;
      if (Atomics.compareExchange(words, slot, aside, (aside - 1) | 0) !== aside) {
        // A sender has forgotten it.
        this.#unread = NOT_NOW;
        this.returned--;
        return this.take(beforeCodec);
      }
    }
    const sequence = words[slot]!;
    const isNumber = words[slot + KIND] === NUMBER;
    let number = 0;
    try {
      if (isNumber) number = readNumber(queue, slot);
      else decoding.read(queue, slot);
      queue.free(slot);
    } catch (error) { // the stack overflows: no calls
      if (words[slot] === sequence) {
        if (this.#unread === NOT_NOW) this.returned++;
        this.#unread = slot;
        if (this.#forgets) {
          this.#aside = (sequence + 1) | 0;
          Atomics.store(words, slot, this.#aside);
        }
        throw error;
      }
      Atomics.store(words, SENDERS_ASLEEP, 1); // the slot is free; whoever frees the next one rings
    }
    if (this.#unread !== NOT_NOW) {
      this.#unread = NOT_NOW;
      this.returned--;
    }
    if (isNumber) return number;
    if (this.codec === undefined) return decoding.decode();
    const bytes = decoding.bytes!; // a copy of its own: from here on code of the user's may run
    beforeCodec?.();
    return this.codec.decode(bytes);
  }

  #takeReturned(): unknown {
    if (--this.returned === 0) stranded.delete(this);
    return this.#returned.shift();
  }

  /** Takes back an item whose receiver is gone. */
  giveBack(item: T): void {
    if (this.receivers.first === null && (!this.queue.forgets || this.queue.hasRoom)) {
      try {
        if (this.offer(this.encode(item), item)) return;
      } catch { // it is closed: a receiver of this thread gets the item
      }
    }
    this.#returned.push(item);
    this.returned++;
    stranded.add(this);
    this.receivers.look();
  }

  /** Closes it because of `error`, unless it is closed. Never throws. */
  fail(error: unknown): void {
    const { queue } = this;
    if (queue.isClosed) return;
    const thread = threadId();
    const encoded = encodeFailure(error, thread === 0 ? "main" : `thread ${thread}`);
    if (queue.close((slot) => encoded.write(queue, slot))) this.#failure = { error };
  }

  /** Why it has failed, if it has: in each thread one and the same error. */
  get failure(): ChannelFailure | null {
    if (this.#failure === null && this.queue.hasFailed) {
      this.#failure = { error: readFailure(this.queue) };
    }
    return this.#failure;
  }

  /** What a sender is told when it is closed. */
  refusal(item: T): ChannelClosedError {
    const error = new ChannelClosedError("send to", this.title, item);
    const { failure } = this;
    if (failure !== null) error.cause = failure.error;
    return error;
  }

  /** What a receiver who must have an item is told when there will be none. */
  end(): unknown {
    const { failure } = this;
    return failure === null ? new ChannelClosedError("receive from", this.title) : failure.error;
  }

  /** How the errors of its users call it. */
  get title(): string {
    return this.name === undefined ? "the channel" : this.describe();
  }

  describe(): string {
    return this.name === undefined ? "a shared channel" : `shared channel "${this.name}"`;
  }
}
