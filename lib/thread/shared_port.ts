/** A shared channel as one thread sees it: the queue, and those who wait here. */
import { ChannelClosedError } from "../channel/error.ts";
import { CLOSED, KIND, NOT_NOW, RECEIVERS, SENDERS, type SharedQueue } from "./shared_queue.ts";
import { DRAINED, NOTHING } from "./shared_operations.ts";
import { type Codec, Decoded, Encoded, NUMBER, readNumber, writeNumber } from "./values.ts";
import { SharedSide } from "./waiting.ts";

// Between encoding and publishing nothing else runs, and between taking and decoding neither.
const encoding = new Encoded();
const decoding = new Decoded();

/** Those that hold items which are nowhere else: they live on, though nobody may know them now. */
const stranded: Set<object> = new Set();

export class SharedPort<T> {
  readonly receivers: SharedSide;
  readonly senders: SharedSide;
  /** Items whose receiver was gone when they came: they are next here, or go to the end. */
  readonly #returned: T[] = [];

  constructor(
    readonly queue: SharedQueue,
    readonly codec: Codec<T> | undefined,
    readonly name: string | undefined,
  ) {
    this.receivers = new SharedSide(queue, RECEIVERS);
    this.senders = new SharedSide(queue, SENDERS);
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

  /** Puts an item in if there is room. */
  put(encoded: Encoded, item: T): boolean {
    const { queue } = this;
    const slot = queue.claim();
    if (slot === NOT_NOW) return false;
    if (slot === CLOSED) throw new ChannelClosedError("send to", item);
    encoded.write(queue, slot);
    queue.publish(slot);
    return true;
  }

  /** Puts in a number where that needs no codec and there is room; throws nothing. */
  putNumber(item: number): boolean {
    if (this.codec !== undefined) return false;
    const { queue } = this;
    const slot = queue.claim();
    if (slot <= NOT_NOW) return false;
    writeNumber(queue, slot, item);
    queue.publish(slot);
    return true;
  }

  /** The next item, NOTHING, or DRAINED. */
  take(): unknown {
    if (this.receivers.returned > 0) {
      if (--this.receivers.returned === 0) stranded.delete(this);
      return this.#returned.shift();
    }
    const { queue } = this;
    const slot = queue.take();
    if (slot === NOT_NOW) return NOTHING;
    if (slot === CLOSED) return DRAINED;
    if (queue.words[slot + KIND] === NUMBER) {
      const number = readNumber(queue, slot);
      queue.free(slot);
      return number;
    }
    decoding.read(queue, slot);
    queue.free(slot);
    return decoding.decode(this.codec as Codec<unknown> | undefined);
  }

  /** An item was taken, but by nobody. */
  giveBack(item: T): void {
    if (this.receivers.first === null) {
      try {
        if (this.put(this.encode(item), item)) return;
      } catch { // closed meanwhile: who drains it here gets it
      }
    }
    this.#returned.push(item);
    this.receivers.returned++;
    stranded.add(this);
    this.receivers.look();
  }

  describe(): string {
    return this.name === undefined ? "a shared channel" : `shared channel "${this.name}"`;
  }
}
