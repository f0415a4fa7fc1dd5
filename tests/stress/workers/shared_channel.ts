/** A thread of the stress of `shared_channel.ts`: it sends or receives, and may end in the middle. */
import { afterEvent, main, type Operation, run, select, spawn, yieldNow } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { SharedChannel } from "@weft/weft/thread";
import { limitShare } from "../../../lib/fiber/core/share.ts";
import { Random } from "../../../lib/internal/random.ts";
import { serveTasks } from "../../kit/workers.ts";
import { type Item, itemOf, type Order, PROGRESS, read } from "../shared_channel.ts";

/** How often somebody tries to do something that is cancelled. */
const CANCEL_EVERY = 50;
/** How many fibers of a thread take turns. */
const FIBERS = 3;

type Last = Map<number, number>;

class Party {
  readonly random: Random;
  readonly channel: SharedChannel<Item>;
  readonly progress: Int32Array;
  readonly sent: Uint8Array;
  readonly received: Uint8Array;
  count = 0;
  cancelled = 0;

  constructor(readonly order: Order) {
    this.random = new Random(order.seed);
    if (order.share !== undefined) limitShare(order.share);
    this.channel = SharedChannel.from<Item>(order.handle);
    this.progress = new Int32Array(order.progress);
    this.sent = new Uint8Array(order.sent);
    this.received = new Uint8Array(order.received);
  }

  *main(): Operation<{ count: number; cancelled: number }> {
    const { role } = this.order;
    const fibers = Array.from(
      { length: role === "sender" ? 1 : FIBERS },
      () => spawn(() => role === "sender" ? this.#send() : this.#receive()),
    );
    for (const fiber of fibers) yield* fiber;
    return { count: this.count, cancelled: this.cancelled };
  }

  *#send(): Operation<void> {
    const { first, count } = this.order;
    for (let id = first; id < first + count;) {
      const item = itemOf(id);
      const isDone = this.random.below(CANCEL_EVERY) > 0
        ? yield* this.#sendOne(item)
        : yield* this.#attempt(() => this.channel.send(item), () => {});
      if (!isDone) continue;
      Atomics.store(this.sent, id++, 1);
      this.#lives();
    }
  }

  *#sendOne(item: Item): Operation<boolean> {
    if (!this.#selects()) {
      yield* this.channel.send(item);
      return true;
    }
    const { kind } = yield* select({ sent: this.channel.sendEvent(item), time: afterEvent(1) });
    return kind === "sent";
  }

  *#receive(): Operation<void> {
    /** The last message of each sender that came to this fiber: what comes later is later. */
    const last: Last = new Map();
    for (;;) {
      if (this.random.below(CANCEL_EVERY) === 0) {
        yield* this.#attempt(
          () => this.channel.receive(),
          (item) => item && this.#took(item.value, last),
        );
        continue;
      }
      const item = !this.#selects()
        ? yield* this.channel.receive()
        : (yield* select({ item: this.channel.receiveOptionEvent(), time: afterEvent(1) })).value;
      if (item === undefined) {
        if (this.channel.isClosed && this.channel.isEmpty) return;
        continue;
      }
      this.#took(item.value, last);
    }
  }

  /**
   * A select may be committed before its fiber goes on to tell: a thread that dies takes that with
   * it, as it takes what it has received.
   */
  #selects(): boolean {
    return !this.order.isMortal && this.random.below(8) === 0;
  }

  /** Does it in a fiber that is aborted soon: whether it was done nevertheless. */
  *#attempt<T>(wait: () => Operation<T>, done: (value: T) => void): Operation<boolean> {
    let isDone = false;
    const fiber = spawn(function* () {
      done(yield* wait()); // in the very step in which it is done
      isDone = true;
    }, { propagateCancelToParent: false });
    for (let turns = this.random.below(3); turns >= 0; turns--) yield* yieldNow();
    fiber.abort();
    yield* fiber.join();
    if (!isDone) this.cancelled++;
    return isDone;
  }

  #took(item: Item, seen: Last): void {
    const id = read(item);
    const sender = Math.floor(id / this.order.each);
    const last = seen.get(sender) ?? -1;
    if (id <= last) throw new Error(`${id} came after ${last}`);
    seen.set(sender, id);
    Atomics.add(this.received, id, 1);
    Atomics.add(this.progress, PROGRESS, 1);
    this.#lives();
  }

  /** One more is done; the last one may be the end. */
  #lives(): void {
    this.count++;
    const { dies } = this.order;
    if (dies === undefined || this.count < dies.after) return;
    if (dies.how === "exit") Deno.exit();
    if (dies.how === "close") (globalThis as unknown as { close(): void }).close();
  }
}

if ("WorkerGlobalScope" in globalThis) {
  serveTasks({
    check() {},
    take: (order: Order) => {
      const party = new Party(order);
      if (!order.blocks) return main(() => party.main());
      const result = run(() => party.main(), { loop: blockingLoop() });
      if (!result.ok) throw result.error;
      return result.value;
    },
  });
}
