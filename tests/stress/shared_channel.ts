/**
 * Many senders and receivers in many threads on one shared channel: fibers of `main`, and blocking
 * runs. Some waits are cancelled, and some threads die, while they wait or while they work.
 *
 * A message is its number, in one of three forms; the number tells who sent it, and when. In memory
 * that all threads share there are two bytes for each message: sent, and received how often. They are
 * written, by a thread that dies, in the same piece of code in which the channel's operation is done:
 * so it has written them, or has done nothing.
 */
import { SharedChannel, type SharedChannelHandle } from "@weft/weft/thread";
import { Random } from "../../lib/internal/random.ts";
import { startThread, type TestThread, until } from "../kit/workers.ts";

/** A message: a number, an object or bytes. */
export type Item = number | { readonly id: number; readonly text: string } | Uint8Array;

/** Which word of the progress counts what was received. */
export const PROGRESS = 0;

/** What a thread is to do. */
export interface Order {
  readonly role: "sender" | "receiver";
  readonly blocks: boolean;
  readonly seed: number;
  /** The share of ready operations (law 10), if not the real one. */
  readonly share: number | undefined;
  readonly handle: SharedChannelHandle;
  readonly progress: SharedArrayBuffer;
  readonly sent: SharedArrayBuffer;
  readonly received: SharedArrayBuffer;
  /** The numbers of its messages, and how many numbers each sender has. */
  readonly first: number;
  readonly count: number;
  readonly each: number;
  /** Whether it will die. */
  readonly isMortal: boolean;
  /** After how many items it ends itself. */
  readonly dies?: { readonly after: number; readonly how: "close" | "exit" } | undefined;
}

/** The message of number `id`. */
export function itemOf(id: number): Item {
  if (id % 3 === 0) return id;
  if (id % 3 === 1) return { id, text: `message ${id}` };
  const bytes = new Uint8Array(8 + id % 32).fill(id);
  new DataView(bytes.buffer).setFloat64(0, id);
  return bytes;
}

/** The number of a message, which arrived as it was sent. */
export function read(item: Item): number {
  if (typeof item === "number") return item;
  if (!(item instanceof Uint8Array)) {
    if (item.text !== `message ${item.id}`) throw new Error(`broken: ${Deno.inspect(item)}`);
    return item.id;
  }
  const id = new DataView(item.buffer).getFloat64(0);
  const good = item.length === 8 + id % 32 && item.subarray(8).every((byte) => byte === id % 256);
  if (!good) throw new Error(`broken: ${Deno.inspect(item)}`);
  return id;
}

/** How large the stress is. */
export interface Size {
  readonly messages: number;
  readonly senders: number;
  readonly receivers: number;
  readonly capacity: number;
  /** How many threads die. */
  readonly deaths: number;
  readonly seed: number;
  /** The share of ready operations (law 10), if not the real one. */
  readonly share?: number;
}

/** What came of it. */
export interface Figures {
  readonly sent: number;
  readonly received: number;
  /** Messages that were sent and never came, or came though nobody had sent them. */
  readonly lost: number;
  /** Messages that came more than once. */
  readonly doubled: number;
  readonly cancelled: number;
  readonly deaths: number;
  readonly left: { size: number; sendersWaiting: number };
  readonly seconds: number;
}

const module = new URL("./workers/shared_channel.ts", import.meta.url);

/** Runs it to the end. Throws if a message came broken, or out of its sender's order. */
export async function stress(size: Size): Promise<Figures> {
  const start = performance.now();
  const random = new Random(size.seed);
  const { messages, senders, receivers, deaths } = size;
  const each = Math.ceil(messages / senders); // for those who die, too, but they send little
  const total = each * (senders + deaths);
  const channel = new SharedChannel<Item>({ capacity: size.capacity, slotBytes: 48 });
  const memory = {
    handle: channel.handle,
    progress: new SharedArrayBuffer(4),
    sent: new SharedArrayBuffer(total),
    received: new SharedArrayBuffer(total),
  };
  const progress = new Int32Array(memory.progress);
  let seats = 0;

  using threads = new DisposableStack();
  // The first one has the module type-checked; at once, they would all do that.
  await threads.use(startThread(module, "check", undefined)).result;
  type Answer = { count: number; cancelled: number };
  const enter = (role: Order["role"], blocks: boolean, isMortal: boolean, dies?: Order["dies"]) => {
    const first = role === "sender" ? each * seats++ : 0;
    const order: Order = {
      role,
      blocks,
      seed: random.below(2 ** 31),
      share: size.share,
      ...memory,
      first,
      count: each,
      each,
      isMortal,
      dies,
    };
    return threads.use(startThread<Answer>(module, "take", order));
  };

  const receiving = Array.from(
    { length: receivers },
    (_, n) => enter("receiver", n % 2 === 1, false),
  );
  const sending = Array.from({ length: senders }, (_, n) => enter("sender", n % 2 === 1, false));
  let finished = 0;
  const isOver = () => finished === senders;
  const sendersEnd = settled(sending, () => finished++);
  const doomed: TestThread<Answer>[] = [];
  for (let n = 0; n < deaths; n++) {
    const role = n % 2 === 0 ? "receiver" : "sender";
    const how = (["terminate", "close", "exit"] as const)[n % 3]!;
    // Those that are terminated are fibers of main: a thread that sleeps itself can't be ended.
    const after = 1 + random.below(1000);
    const dies = how === "terminate" ? undefined : { after, how };
    const thread = enter(role, false, true, dies);
    doomed.push(thread);
    const soon = Atomics.load(progress, PROGRESS) + random.below(messages / deaths);
    await until(() => Atomics.load(progress, PROGRESS) >= soon || isOver(), "progress");
    if (how === "terminate") thread.worker.terminate();
  }

  const answers = await sendersEnd;
  await quiet(progress);
  channel.close();
  answers.push(...await settled(receiving, () => {}));
  await until(() => channel.isEmpty, "the end");

  const sent = new Uint8Array(memory.sent);
  const received = new Uint8Array(memory.received);
  let [sentCount, receivedCount, lost, doubled] = [0, 0, 0, 0];
  for (let id = 0; id < total; id++) {
    sentCount += sent[id]!;
    receivedCount += received[id]!;
    if ((sent[id] === 1) !== (received[id]! > 0)) lost++;
    if (received[id]! > 1) doubled++;
  }
  const { sendersWaiting } = channel.statistics();
  return {
    sent: sentCount,
    received: receivedCount,
    lost,
    doubled,
    cancelled: answers.reduce((sum, { cancelled }) => sum + cancelled, 0),
    deaths: doomed.length,
    left: { size: channel.size, sendersWaiting },
    seconds: (performance.now() - start) / 1000,
  };

  async function settled(
    threads: readonly TestThread<Answer>[],
    finish: () => void,
  ): Promise<Answer[]> {
    return await Promise.all(threads.map(({ result }) => guarded(result.finally(finish))));
  }

  /** As long as there is progress. */
  async function guarded<T>(result: Promise<T>): Promise<T> {
    let over = false;
    const guard = result.finally(() => over = true);
    guard.catch(() => {});
    while (!over) {
      const before = Atomics.load(progress, PROGRESS);
      await until(() => over || Atomics.load(progress, PROGRESS) !== before, "progress");
    }
    return await result;
  }
}

/** Until nothing has been received for a while: the doomed ones are gone, or do nothing any more. */
async function quiet(progress: Int32Array): Promise<void> {
  for (let calm = 0; calm < 20;) {
    const before = Atomics.load(progress, PROGRESS);
    await new Promise((resolve) => setTimeout(resolve, 20));
    calm = Atomics.load(progress, PROGRESS) === before ? calm + 1 : 0;
  }
}
