/**
 * Random programs on a shared channel, against a plain list.
 *
 * A few threads that are none: each has its own port on the same memory, its own place among the
 * threads, and hears its doorbell only when the schedule says so; nothing polls, and nothing looks by
 * itself. So whatever wakes anybody is a ring that was sent, and one that is missing shows: when
 * nobody can run and every ring was heard, nobody may be waiting for what is there.
 *
 * Every send and every receive is told to the list in the instant in which it returns, and has to be
 * what the list says. A thread may die: from then on its fibers never run, and its rings are lost,
 * like the rings that went to it; then, and only then, the others look by themselves once.
 *
 * A failure tells its seed: `SEED=… deno task test tests/property/shared_schedules_test.ts` runs that
 * schedule alone, and prints what happens in it.
 */
import { assert, assertEquals } from "@std/assert";
import {
  Abort,
  type Awaitable,
  type Branch,
  Channel,
  ChannelClosedError,
  type Event,
  type Fiber,
  select,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { AnyFiber, step } from "@weft/weft/lowlevel";
import { blockingLoop } from "@weft/weft/loop";
import { Random } from "../../lib/internal/random.ts";
import { doorbell } from "../../lib/loop/doorbell.ts";
import { ownRegistry } from "../../lib/thread/memory/registry.ts";
import {
  SharedReceive,
  SharedReceiveEvent,
  SharedSend,
  SharedSendEvent,
} from "../../lib/thread/shared/shared_operations.ts";
import { DRAINED, NOTHING, SharedPort } from "../../lib/thread/shared/shared_port.ts";
import { RECEIVERS, SENDERS, SharedQueue } from "../../lib/thread/memory/shared_queue.ts";
import { withShare } from "../kit/share.ts";
import { runSchedules, shareOf, type Tally } from "./seeds.ts";

const SCHEDULES = Number(Deno.env.get("SCHEDULES") ?? 6000);

/** A thread of the schedule. */
interface Thread {
  readonly index: number;
  readonly port: SharedPort<number>;
  readonly place: number;
  /** How often its doorbell had been rung when it last looked. */
  heard: number;
  dead: boolean;
  /** The items of the sends, and a mark for each receive, that wait: first in, first out. */
  readonly lines: { readonly receivers: object[]; readonly senders: object[] };
}

interface Program {
  readonly index: number;
  readonly thread: Thread;
  fiber: Fiber<void> | undefined;
  aborted: boolean;
  offered: number;
  /** How many operations it has started in its step. */
  used: number;
  /** What its next step begins with, if it has given way. */
  begin: (() => void) | undefined;
  /** Takes what it waits for out of the line. */
  leave: () => void;
}

type Body = Generator<never, void, unknown>;
type Outcome = readonly ["received" | "sent" | "local", unknown];

const asReceived = (value: unknown): Outcome => ["received", value];

const registry = ownRegistry();
/** Where a thread's doorbell stands in the table (see `registry.ts`). */
const doorbellOf = (place: number) => Atomics.load(registry.words, 4 + place * 2);

/** At the end of the line; the function takes it out again. */
function enter(line: object[], mark: object): () => void {
  line.push(mark);
  return () => {
    if (line.includes(mark)) line.splice(line.indexOf(mark), 1);
  };
}

class Schedule {
  readonly random: Random;
  /** Whoever was woken first runs first, as under the schedulers of Weft's own. */
  readonly fifo: boolean;
  readonly loop = blockingLoop();
  readonly ready: AnyFiber[] = [];
  readonly threads: Thread[];
  readonly programs: Program[];
  readonly capacity: number;
  /** How many operations a fiber may start in a step. */
  readonly share: number;
  /** The list. */
  readonly items: number[] = [];
  closed = false;
  steps = 0;
  failure: unknown;
  sent = 0;
  received = 0;
  deaths = 0;

  constructor(seed: number, readonly tally: Tally, readonly print?: (line: string) => void) {
    this.random = new Random(seed);
    this.fifo = seed % 5 === 0;
    this.share = shareOf(seed);
    this.capacity = this.#pick([1, 1, 2, 3, 4, 5]);
    const buffer = SharedQueue.allocate(this.capacity, 8);
    this.threads = Array.from(
      { length: 1 + this.random.below(3) },
      (_, index) => {
        const queue = new SharedQueue(buffer, registry.buffer);
        const { place } = registry.enter();
        Object.assign(queue, { place });
        const port = new SharedPort<number>(queue, undefined, undefined);
        const lines = { receivers: [], senders: [] };
        return { index, port, place, heard: doorbellOf(place), dead: false, lines };
      },
    );
    this.programs = Array.from({ length: 2 + this.random.below(6) }, (_, index) => ({
      index,
      thread: this.#pick(this.threads),
      fiber: undefined,
      aborted: false,
      offered: 0,
      used: 0,
      begin: undefined,
      leave() {},
    }));
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)]!;
  }

  saw(what: string): void {
    this.tally.set(what, (this.tally.get(what) ?? 0) + 1);
  }

  // The scheduler --------------------------------------------------------------------------------

  run(): void {
    this.print?.(
      `${this.threads.length} threads, capacity ${this.capacity}, fifo ${this.fifo}`,
    );
    const policy = { ready: (fiber: AnyFiber) => void this.ready.push(fiber), loop: this.loop };
    const root = AnyFiber.main(policy, () => this.#spawnAll());
    while (root.state !== "terminated") {
      if (this.random.below(60) === 0) this.#abortSomebody();
      if (this.random.below(400) === 0) this.#kill();
      if (this.deaths > 0 && !this.#alive()) break;
      const rung = this.threads.filter((thread) => !thread.dead && this.#isRung(thread));
      const fibers = this.ready.filter((fiber) => !this.#isDead(fiber));
      if (rung.length > 0 && (fibers.length === 0 || this.random.below(3) === 0)) {
        this.#hear(this.#pick(rung));
      } else if (fibers.length > 0) {
        const fiber = this.fifo ? fibers[0]! : this.#pick(fibers);
        this.ready.splice(this.ready.indexOf(fiber), 1);
        this.steps++;
        this.#begin(fiber);
        step(fiber);
      } else {
        this.#quiescent();
      }
      if (this.failure !== undefined) throw this.failure;
      this.#compare();
    }
    this.#checkTheEnd();
  }

  #begin(fiber: AnyFiber): void {
    const program = this.programs.find((program) => program.fiber as unknown === fiber);
    if (program === undefined) return;
    program.used = 0;
    program.begin?.();
  }

  /** An operation starts: at once, or if the share is used up, with the next step. */
  #start(program: Program, start: () => void): void {
    const begin = () => {
      program.begin = undefined;
      program.used++;
      start();
    };
    if (program.used < this.share) return begin();
    this.saw("gave way");
    program.begin = begin;
  }

  #alive(): boolean {
    return this.programs.some(({ thread, fiber }) =>
      !thread.dead && fiber !== undefined && fiber.state !== "terminated"
    );
  }

  #isDead(fiber: AnyFiber): boolean {
    return this.programs.some((program) =>
      program.fiber as unknown === fiber && program.thread.dead
    );
  }

  #isRung({ place, heard }: Thread): boolean {
    return doorbellOf(place) !== heard;
  }

  #hear(thread: Thread): void {
    this.print?.(`thread ${thread.index} hears its doorbell`);
    thread.heard = doorbellOf(thread.place);
    thread.port.receivers.look();
    thread.port.senders.look();
  }

  /** Nobody can run, and every ring was heard. */
  #quiescent(): void {
    if (this.deaths > 0) { // rings may have gone to the dead: somebody looks by itself
      for (const thread of this.threads) if (!thread.dead) this.#hear(thread);
      if (this.ready.some((fiber) => !this.#isDead(fiber))) return this.saw("a ring was lost");
    }
    for (const { index, dead, lines } of this.threads) {
      if (dead) continue;
      if (lines.receivers.length > 0) {
        assert(this.items.length === 0 && !this.closed, `a receiver of ${index} was not woken`);
      }
      if (lines.senders.length > 0) {
        assert(this.items.length >= this.capacity && !this.closed, `a sender of ${index} sleeps`);
      }
    }
    this.saw("quiescent");
    if (this.random.below(3) === 0) this.#close();
    else this.#abortSomebody();
  }

  #close(): void {
    this.print?.("closed");
    this.closed = true;
    this.#pick(this.threads).port.queue.close();
  }

  #kill(): void {
    const alive = this.threads.filter(({ dead }) => !dead);
    if (alive.length < 2) return;
    const thread = this.#pick(alive);
    thread.dead = true;
    this.deaths++;
    this.print?.(`thread ${thread.index} dies`);
    if (this.random.below(2) === 0) registry.leave(thread.place);
    this.saw("a thread died");
  }

  #abortSomebody(): void {
    const running = this.programs.filter(({ fiber, thread }) =>
      fiber?.state === "running" && !thread.dead
    );
    if (running.length === 0) return;
    const program = this.#pick(running);
    this.print?.(`fiber ${program.index} is aborted`);
    program.aborted = true;
    program.leave();
    program.fiber!.abort();
    this.saw("aborted");
  }

  #compare(): void {
    const { queue } = this.threads[0]!.port;
    assertEquals(queue.size, this.items.length, "size");
    assertEquals(queue.isClosed, this.closed, "closed");
  }

  #checkTheEnd(): void {
    assertEquals(this.sent, this.received + this.items.length);
    const left: unknown[] = [];
    const { port } = this.threads[0]!;
    for (let item = port.take(); item !== NOTHING && item !== DRAINED; item = port.take()) {
      left.push(item);
    }
    assertEquals(left, this.items);
    for (const { dead, port } of this.threads) {
      if (dead) continue;
      assertEquals([port.receivers.first, port.senders.first], [null, null]);
    }
    if (this.deaths === 0) {
      assertEquals(port.queue.sleepers[RECEIVERS].count, 0);
      assertEquals(port.queue.sleepers[SENDERS].count, 0);
      doorbell.answer(); // every thread that leaves rings this one, too
      assertEquals(this.loop.oneStep({ block: false }), false, "somebody holds the loop");
    } else {
      for (const { port } of this.threads) { // or they would listen for ever
        for (const side of [port.receivers, port.senders]) {
          while (side.first !== null) side.delist(side.first);
        }
      }
    }
    for (const { place, dead } of this.threads) if (!dead) registry.leave(place);
  }

  // The programs ---------------------------------------------------------------------------------

  *#spawnAll(): Body {
    for (const program of this.programs) {
      program.fiber = spawn(() => this.#body(program), { propagateCancelToParent: false });
    }
  }

  *#body(program: Program): Body {
    for (let left = 4 + this.random.below(10); left > 0; left--) {
      const kind = this.random.below(12);
      try {
        if (kind < 4) yield* this.#receive(program);
        else if (kind < 8) yield* this.#send(program);
        else if (kind === 8) yield* yieldNow();
        else if (kind === 9) this.#try(program);
        else yield* this.#select(program);
      } catch (error) {
        if (!(error instanceof Abort && program.aborted)) return void (this.failure ??= error);
        this.saw("an operation was aborted");
        throw error;
      }
    }
  }

  *#receive(program: Program): Body {
    const { thread } = program;
    const { port, lines } = thread;
    const orThrow = this.random.below(2) === 0;
    const now = () => port.receivers.first === null && (this.items.length > 0 || this.closed);
    const outcome = yield* this.#wait(
      program,
      new SharedReceive<unknown>(
        new SharedReceiveEvent<unknown>(port as SharedPort<unknown>, orThrow),
      ),
      lines.receivers,
      now,
    );
    if (outcome instanceof ChannelClosedError || outcome === undefined) {
      assertEquals(outcome === undefined, !orThrow);
      return this.#drained(program);
    }
    this.#took(program, orThrow ? outcome : (outcome as { value: unknown }).value);
  }

  *#send(program: Program): Body {
    const { thread } = program;
    const { port, lines } = thread;
    const item = this.#item(program);
    const now = () =>
      port.senders.first === null && (this.items.length < this.capacity || this.closed);
    const outcome = yield* this.#wait(program, new SharedSend(port, item), lines.senders, now);
    if (outcome instanceof ChannelClosedError) this.#refused(program, outcome, item);
    else this.#put(program, item);
  }

  #item(program: Program): number {
    return program.index * 1000 + program.offered++;
  }

  /** Waits if it must, and only then; what it returned or threw. */
  *#wait(
    program: Program,
    operation: Awaitable<unknown>,
    line: object[],
    now: () => boolean,
  ): Generator<never, unknown, unknown> {
    const aborted = program.aborted;
    const mark = {};
    let steps = NaN;
    let mustWait = false;
    this.#start(program, () => {
      steps = this.steps;
      program.leave = enter(line, mark);
      mustWait = !now();
      if (mustWait) this.print?.(`fiber ${program.index} has to wait`);
    });
    let outcome: unknown;
    try {
      outcome = yield* operation;
    } catch (error) {
      outcome = error;
      if (!(error instanceof ChannelClosedError)) throw error;
    } finally {
      program.begin = undefined;
      program.leave();
    }
    assert(!aborted, "an aborting fiber could wait");
    const waited = this.steps > steps;
    assertEquals(waited, mustWait, "it waited iff it had to");
    this.saw(waited ? "waited" : "at once");
    return outcome;
  }

  #try({ thread, index }: Program): void {
    const { port } = thread;
    try {
      if (this.random.below(2) === 0) {
        const item = this.#item(this.programs[index]!);
        const there = this.items.length < this.capacity;
        assertEquals(port.put(port.encode(item), item), there, "trySend");
        assert(!this.closed);
        if (there) this.#put(this.programs[index]!, item);
      } else {
        const item = port.take();
        if (item === DRAINED) return this.#drained(this.programs[index]!);
        assertEquals(item !== NOTHING, this.items.length > 0, "tryReceive");
        if (item !== NOTHING) this.#took(this.programs[index]!, item);
      }
    } catch (error) {
      if (!(error instanceof ChannelClosedError)) throw error;
      assert(this.closed);
    }
  }

  /** Arms on both sides of the channel, several on the same, and one of something else. */
  *#select(program: Program): Body {
    const { thread } = program;
    const { port, lines } = thread;
    const local = new Channel<number>({ capacity: 1 });
    const lists: object[][] = [];
    const receive = (orThrow: boolean) => {
      lists.push(lines.receivers);
      const event = new SharedReceiveEvent<number>(port, orThrow);
      if (orThrow) return event as Event<unknown>;
      return event.map((option) =>
        option === undefined ? DRAINED : (option as { value: number }).value
      );
    };
    const shared = receive(this.random.below(2) === 0);
    const item = this.#item(program);
    const arms: Branch<Outcome>[] = [when(shared, asReceived)];
    if (this.random.below(2) === 0) {
      lists.push(lines.senders);
      arms.push(when(new SharedSendEvent<number>(port, item), (): Outcome => ["sent", item]));
    }
    if (this.random.below(2) === 0) arms.push(when(receive(false), asReceived));
    if (this.random.below(2) === 0) arms.push(when(shared, asReceived));
    if (this.random.below(3) === 0) {
      arms.push(when(local.receiveEvent(), (value): Outcome => ["local", value]));
      if (this.random.below(2) === 0) spawn(() => local.send(7));
    }
    this.#start(program, () => {
      const leaves = lists.map((line) => enter(line, {}));
      program.leave = () => leaves.forEach((leave) => leave());
    });
    try {
      const [kind, value] = yield* select(arms, { fair: this.random.below(2) === 0 });
      this.saw(`select: ${kind}`);
      if (kind === "sent") this.#put(program, item);
      else if (kind === "local") assertEquals(value, 7);
      else if (value === DRAINED) this.#drained(program);
      else this.#took(program, value);
    } catch (error) {
      if (!(error instanceof ChannelClosedError)) throw error;
      if ("value" in error) this.#refused(program, error, item);
      else this.#drained(program);
    } finally {
      program.begin = undefined;
      program.leave();
    }
  }

  // What the list says ---------------------------------------------------------------------------

  #put(program: Program, item: number): void {
    this.print?.(`fiber ${program.index} (thread ${program.thread.index}) sent ${item}`);
    assert(!this.closed && this.items.length < this.capacity, `${item} was sent`);
    this.items.push(item);
    this.sent++;
  }

  #took(program: Program, item: unknown): void {
    this.print?.(`fiber ${program.index} (thread ${program.thread.index}) received ${item}`);
    const expected = this.items.shift();
    assert(item === expected, `received ${String(item)}, not ${expected}`);
    this.received++;
  }

  #refused(program: Program, error: ChannelClosedError, item: number): void {
    this.print?.(`fiber ${program.index}: closed`);
    assert(this.closed);
    assertEquals(error.value, item);
    this.saw("closed");
  }

  #drained(program: Program): void {
    this.print?.(`fiber ${program.index}: drained`);
    assert(this.closed && this.items.length === 0);
    this.saw("drained");
  }
}

/** What must have been seen by the end. */
const CASES = [
  "waited",
  "at once",
  "gave way",
  "quiescent",
  "aborted",
  "an operation was aborted",
  "closed",
  "drained",
  "a thread died",
  "a ring was lost",
  "select: received",
  "select: sent",
  "select: local",
];

Deno.test("law 4, law 6, law 7, law 9, law 10: whatever the schedule, a shared channel is a list, and wakes whoever can go on", () => {
  runSchedules("tests/property/shared_schedules_test.ts", {
    count: SCHEDULES,
    cases: CASES,
    run: (seed, tally, print) =>
      withShare(shareOf(seed), () => new Schedule(seed, tally, print).run()),
  });
  doorbell.answer();
});
