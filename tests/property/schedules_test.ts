/**
 * Random programs under random schedulers, against a simple model.
 *
 * Each seed makes a few channels of any kind and a few fibers that send, receive, select, close,
 * abort each other, sleep and yield. A scheduler that steps a random ready fiber runs them; between
 * two steps somebody may be aborted and the clock may move. After each step every channel has to
 * look as the model says, and every operation has to end as the model foresaw. In the end nothing
 * may be lost, doubled, out of order or left waiting.
 *
 * A failure tells its seed: `SEED=… deno task test tests/property/schedules_test.ts` runs that
 * schedule alone, and prints what happens in it.
 */
import { assert, assertEquals } from "@std/assert";
import {
  Abort,
  afterEvent,
  type Awaitable,
  type Branch,
  Channel,
  ChannelClosedError,
  Event,
  type Fiber,
  select,
  sleep,
  spawn,
  when,
  yieldNow,
} from "@weft/weft";
import { AnyFiber, seedSelect, step } from "@weft/weft/lowlevel";
import { Random } from "../../lib/internal/random.ts";
import { type VirtualLoop, virtualLoop } from "../kit/virtual_loop.ts";
import { Model, type ModelArm, ModelChannel, type ModelFiber, type Outcome } from "./model.ts";
import { runSchedules, shareOf, type Tally } from "./seeds.ts";
import { withShare } from "../kit/share.ts";

const SCHEDULES = 12_000;

/** A channel, and what it should be. */
interface Pair {
  readonly index: number;
  readonly real: Channel<number>;
  readonly model: ModelChannel;
  /** A branch that many selects share. */
  readonly shared: Branch<Outcome>;
}

interface Program {
  readonly index: number;
  readonly model: ModelFiber;
  fiber: Fiber<void> | undefined;
  /** How many items it has offered. */
  items: number;
  /** The items that it received, in order. */
  readonly received: number[];
}

/** One alternative of an operation, for the model and for real. */
interface Alternative {
  readonly arm: ModelArm;
  readonly branch: Branch<Outcome>;
}

type Body = Generator<never, void, unknown>;

// An item says who offered it, where, and when: it grows with each offer of the same fiber.
const itemOf = (sender: number, channel: number, n: number) => sender * 10_000 + channel * 1000 + n;
const senderOf = (item: number) => Math.floor(item / 10_000);
const channelOf = (item: number) => Math.floor(item / 1000) % 10;

const asReceived = (item: number): Outcome => ["received", item];
const asFired = (): Outcome => ["timer"];

class Schedule {
  readonly random: Random;
  readonly model: Model;
  readonly loop: VirtualLoop = virtualLoop();
  readonly ready: AnyFiber[] = [];
  readonly pairs: Pair[];
  readonly programs: Program[];
  /** The items whose send returned. */
  readonly sent: Set<number> = new Set();
  failure: Error | undefined;

  constructor(seed: number, tally: Tally, readonly print: ((line: string) => void) | undefined) {
    this.random = new Random(seed);
    seedSelect(seed);
    this.model = new Model(tally, seed, shareOf(seed));
    this.pairs = Array.from({ length: 2 + this.random.below(2) }, (_, n) => this.#pair(n));
    this.programs = Array.from({ length: 3 + this.random.below(4) }, (_, index) => ({
      index,
      model: { aborted: false, operation: undefined, used: 0 },
      fiber: undefined,
      items: 0,
      received: [],
    }));
  }

  #pair(index: number): Pair {
    const overflow = this.#pick(["block", "block", "block", "dropNewest", "dropOldest"] as const);
    const capacity = this.#pick(overflow === "block" ? [0, 0, 1, 2, Infinity] : [1, 2]);
    const real = new Channel<number>({ capacity, overflow });
    const model = new ModelChannel(capacity, overflow);
    this.model.channels.push(model);
    this.print?.(`channel ${index}: capacity ${capacity}, ${overflow}`);
    return { index, real, model, shared: when(real.receiveEvent(), asReceived) };
  }

  #pick<T>(values: readonly T[]): T {
    return values[this.random.below(values.length)]!;
  }

  // The scheduler --------------------------------------------------------------------------------

  run(): void {
    const policy = { ready: (fiber: AnyFiber) => void this.ready.push(fiber), loop: this.loop };
    const root = AnyFiber.main(policy, () => this.#spawnAll());
    while (root.state !== "terminated") {
      if (this.random.below(50) === 0) this.#abortSomebody();
      if (this.random.below(20) === 0) this.#tick({ block: false });
      if (this.ready.length > 0) this.#step(this.#takeReady());
      else if (this.loop.timers > 0) this.#tick({ block: true });
      else this.#abortSomebody(); // they wait for each other, and for nothing else
      if (this.failure !== undefined) throw this.failure;
      this.#compare();
    }
    this.#checkTheEnd();
  }

  *#spawnAll(): Body {
    for (const program of this.programs) {
      program.fiber = spawn(() => this.#body(program), { propagateCancelToParent: false });
    }
  }

  #step(fiber: AnyFiber): void {
    const program = this.programs.find((program) => program.fiber as unknown === fiber);
    if (program !== undefined) this.model.step(program.model, this.loop.now());
    step(fiber);
  }

  #takeReady(): AnyFiber {
    return this.ready.splice(this.random.below(this.ready.length), 1)[0]!;
  }

  #tick(options: { block: boolean }): void {
    if (!options.block) this.loop.advance(this.random.below(3));
    this.loop.oneStep(options);
    this.model.tick(this.loop.now());
    this.print?.(`it is ${this.loop.now()}`);
  }

  #abortSomebody(): void {
    const running = this.programs.filter(({ fiber }) => fiber?.state === "running");
    if (running.length > 0) this.#abort(this.#pick(running));
  }

  #abort(program: Program): void {
    this.print?.(`fiber ${program.index} is aborted`);
    this.model.abort(program.model);
    program.fiber!.abort();
  }

  /** What can be seen from outside is what the model says. */
  #compare(): void {
    for (const { index, real, model } of this.pairs) {
      const { size, sendersWaiting, receiversWaiting } = real.statistics();
      const same = size === model.buffer.length && sendersWaiting === model.senders.length &&
        receiversWaiting === model.receivers.length;
      if (!same) assertEquals(real.statistics(), model.statistics(), `channel ${index}`);
    }
  }

  #checkTheEnd(): void {
    for (const { fiber } of this.programs) assertEquals(fiber?.state, "terminated");
    assertEquals([this.loop.timers, this.model.timers, this.ready.length], [0, 0, 0]);
    const out: number[] = [];
    for (const { index, real } of this.pairs) {
      const left: number[] = [];
      while (!real.isEmpty) left.push(real.tryReceive()!.value);
      assertEquals(real.statistics(), { size: 0, sendersWaiting: 0, receiversWaiting: 0 });
      for (const item of left) assertEquals(channelOf(item), index);
      assertInOrder(left);
      out.push(...left);
    }
    for (const { received } of this.programs) {
      assertInOrder(received);
      out.push(...received);
    }
    assertEquals(new Set(out).size, out.length, "an item was received twice");
    for (const item of out) assert(this.sent.has(item), `${item} was received but not sent`);
    for (const item of this.sent) {
      assertEquals(out.includes(item), !this.model.dropped.has(item), `${item} was lost`);
    }
  }

  // The programs ---------------------------------------------------------------------------------

  *#body(program: Program): Body {
    try {
      for (let left = 5 + this.random.below(11); left > 0; left--) {
        yield* this.#perform(program);
        if (program.model.aborted) left = Math.min(left, 3); // enough to see that it is sticky
      }
    } catch (error) {
      this.failure = error as Error; // of the test itself: what is thrown at it is caught below
    }
  }

  #perform(program: Program): Body {
    const pair = this.#pick(this.pairs);
    const choice = this.random.below(24);
    if (choice < 4) return this.#wait(program, [this.#send(program, pair)], "send");
    if (choice < 6) return this.#wait(program, [this.#receive(pair)], "receive");
    if (choice < 8) return this.#wait(program, [this.#receive(pair)], "receiveOrThrow");
    if (choice < 16) return this.#wait(program, this.#alternatives(program), "select");
    if (choice < 18) return this.#trySend(program, pair);
    if (choice < 19) return this.#tryReceive(program, pair);
    if (choice < 21) return this.#pause(program, yieldNow());
    if (choice < 22) return this.#pause(program, sleep(this.random.below(4)));
    if (choice < 23) return this.#pause(program, yieldNow());
    return this.#meddle(pair);
  }

  #send(program: Program, { index, model, real }: Pair): Alternative {
    const item = itemOf(program.index, index, program.items++);
    const event = this.#wrap(real.sendEvent(item));
    return {
      arm: { kind: "send", channel: model, item },
      branch: when(event, (): Outcome => ["sent", item]),
    };
  }

  #receive({ model, real, shared }: Pair): Alternative {
    const branch = this.random.below(2) === 0
      ? shared
      : when(this.#wrap(real.receiveEvent()), asReceived);
    return { arm: { kind: "receive", channel: model }, branch };
  }

  /** The same event in another coat. */
  #wrap<T>(event: Event<T>): Event<T> {
    const coat = this.random.below(8);
    if (coat === 0) return event.map((value) => value);
    if (coat === 1) return Event.guard(() => event);
    if (coat === 2) return Event.withNack(() => Event.choose(event));
    return event;
  }

  #alternatives(program: Program): Alternative[] {
    return Array.from({ length: 1 + this.random.below(4) }, (): Alternative => {
      const pair = this.#pick(this.pairs);
      const kind = this.random.below(9);
      if (kind < 4) return this.#send(program, pair);
      if (kind < 7) return this.#receive(pair);
      const ms = this.random.below(5);
      return kind === 7
        ? { arm: { kind: "timer", ms }, branch: when(afterEvent(ms), asFired) }
        : { arm: { kind: "never" }, branch: when(Event.never(), asFired) };
    });
  }

  /** Tells the model, performs the real operation, and compares how they ended. */
  *#wait(program: Program, alternatives: readonly Alternative[], way: string): Body {
    const arms = alternatives.map(({ arm }) => arm);
    const fair = way === "select" && this.random.below(2) === 0;
    this.print?.(`fiber ${program.index}: ${way} ${arms.map(showArm).join(" | ")}`);
    const operation = this.#operation(alternatives, way, fair);
    this.model.start(program.model, arms, { now: this.loop.now(), fair });
    let outcome: Outcome;
    try {
      outcome = yield* operation;
    } catch (error) {
      outcome = outcomeOf(error);
    }
    this.print?.(`fiber ${program.index}: ${outcome.join(" ")}`);
    assertEquals(outcome, program.model.operation!.outcome, `fiber ${program.index}, ${way}`);
    program.model.operation = undefined;
    if (outcome[0] === "sent") this.sent.add(outcome[1]);
    if (outcome[0] === "received") program.received.push(outcome[1]);
  }

  /** The real one; plain operations don't go by way of their events. */
  *#operation(
    alternatives: readonly Alternative[],
    way: string,
    fair: boolean,
  ): Generator<never, Outcome, unknown> {
    const { arm } = alternatives[0]!;
    if (way === "select" || !("channel" in arm)) {
      return yield* select(alternatives.map(({ branch }) => branch), { fair });
    }
    const { real } = this.pairs.find(({ model }) => model === arm.channel)!;
    if (arm.kind === "send") {
      yield* real.send(arm.item);
      return ["sent", arm.item];
    }
    if (way === "receiveOrThrow") return asReceived(yield* real.receiveOrThrow());
    const option = yield* real.receive();
    return option === undefined ? ["drained"] : asReceived(option.value);
  }

  *#trySend(program: Program, { index, model, real }: Pair): Body {
    const item = itemOf(program.index, index, program.items++);
    const expected = this.model.trySend(model, item);
    let actual: boolean | "closed";
    try {
      actual = real.trySend(item);
    } catch (error) {
      actual = outcomeOf(error)[0] as "closed";
    }
    this.print?.(`fiber ${program.index}: trySend ${item}: ${actual}`);
    assertEquals(actual, expected, `trySend ${item}`);
    if (actual === true) this.sent.add(item);
  }

  *#tryReceive(program: Program, { model, real }: Pair): Body {
    const expected = this.model.tryReceive(model);
    const actual = real.tryReceive()?.value;
    this.print?.(`fiber ${program.index}: tryReceive: ${actual}`);
    assertEquals(actual, expected, "tryReceive");
    if (actual !== undefined) program.received.push(actual);
  }

  /** A wait that the model doesn't know: it ends, or throws because the fiber is aborting. */
  *#pause({ model }: Program, operation: Awaitable<void>): Body {
    const refused = model.aborted;
    let thrown: unknown;
    try {
      yield* operation;
    } catch (error) {
      thrown = error;
    }
    if (thrown !== undefined) assert(thrown instanceof Abort && model.aborted, `${thrown}`);
    else assert(!refused, "an aborting fiber could pause");
  }

  *#meddle(pair: Pair): Body {
    if (this.random.below(2) === 0) return this.#abort(this.#pick(this.programs));
    this.print?.(`channel ${pair.index} is closed`);
    this.model.close(pair.model);
    pair.real.close();
  }
}

function outcomeOf(error: unknown): Outcome {
  if (error instanceof Abort) return ["aborted"];
  if (!(error instanceof ChannelClosedError)) throw error;
  return "value" in error ? ["closed", error.value as number] : ["drained"];
}

function showArm(arm: ModelArm): string {
  if (arm.kind === "send") return `send ${arm.item}`;
  return arm.kind === "timer" ? `timer ${arm.ms}` : arm.kind;
}

/** What one fiber received, or one buffer held, of each sender and channel comes in order. */
function assertInOrder(items: readonly number[]): void {
  const last = new Map<string, number>();
  for (const item of items) {
    const key = `${senderOf(item)} ${channelOf(item)}`;
    assert((last.get(key) ?? -1) < item, `item ${item} came after ${last.get(key)}`);
    last.set(key, item);
  }
}

/** What must have been seen by the end. */
const CASES = [
  "sent at the poll",
  "received at the poll",
  "closed at the poll",
  "drained at the poll",
  "timer at the poll",
  "sent late",
  "received late",
  "closed late",
  "drained late",
  "timer late",
  "sent late, by a select",
  "received late, by a select",
  "closed late, by a select",
  "drained late, by a select",
  "timer late, by a select",
  "dropNewest",
  "dropOldest",
  "refused: the fiber was aborting",
  "aborted before the commit",
  "aborted after the commit",
  "aborted between two waits",
  "gave way",
  "aborted while it gave way",
];

Deno.test("law 4, law 6, law 7, law 9, law 10: whatever the schedule, nothing is lost, doubled, out of order or left waiting", () => {
  runSchedules("tests/property/schedules_test.ts", {
    count: SCHEDULES,
    cases: CASES,
    run: (seed, tally, print) =>
      withShare(shareOf(seed), () => new Schedule(seed, tally, print).run()),
  });
});
