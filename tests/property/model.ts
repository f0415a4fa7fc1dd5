/**
 * Channels and select once more, as simply as can be: lists that are searched, and no scheduler.
 * Whatever the real ones do, this one must have foreseen.
 *
 * The model is told of each operation just before the real one starts, of each step, and of each
 * abort, close and turn of the clock when it happens.
 */
import type { Overflow } from "@weft/weft/channel";
import { Random } from "../../lib/internal/random.ts";
import type { Tally } from "./seeds.ts";

/** How an operation ends. */
export type Outcome =
  | readonly ["sent", item: number]
  | readonly ["received", item: number]
  /** A send to a closed channel, with what it could not send. */
  | readonly ["closed", item: number]
  | readonly ["drained"]
  | readonly ["timer"]
  | readonly ["aborted"];

/** One alternative; a plain operation has one. */
export type ModelArm =
  | { readonly kind: "send"; readonly channel: ModelChannel; readonly item: number }
  | { readonly kind: "receive"; readonly channel: ModelChannel }
  | { readonly kind: "timer"; readonly ms: number }
  | { readonly kind: "never" };

/** An operation that a fiber performs. */
export interface ModelOperation {
  readonly arms: readonly ModelArm[];
  readonly fair: boolean;
  outcome: Outcome | undefined;
  /** Whether it had to wait. */
  waited: boolean;
  /** Whether it gives way, and has attempted nothing. */
  yielded: boolean;
}

/** What a fiber is doing. */
export interface ModelFiber {
  aborted: boolean;
  operation: ModelOperation | undefined;
  /** How many operations it has started in its step (law 10). */
  used: number;
}

interface Waiting<A> {
  readonly operation: ModelOperation;
  readonly arm: A;
}

type SendArm = ModelArm & { kind: "send" };
type ReceiveArm = ModelArm & { kind: "receive" };

/** One channel. */
export class ModelChannel {
  buffer: number[] = [];
  closed = false;
  senders: Waiting<SendArm>[] = [];
  receivers: Waiting<ReceiveArm>[] = [];

  constructor(readonly capacity: number, readonly overflow: Overflow) {}

  statistics(): { size: number; sendersWaiting: number; receiversWaiting: number } {
    return {
      size: this.buffer.length,
      sendersWaiting: this.senders.length,
      receiversWaiting: this.receivers.length,
    };
  }
}

/** All channels and all clocks of one schedule. */
export class Model {
  readonly channels: ModelChannel[] = [];
  /** Items that a channel forgot. */
  readonly dropped: Set<number> = new Set();
  readonly #tally: Tally;
  /** The choices that fair selects make. */
  readonly #random: Random;
  #timers: { operation: ModelOperation; deadline: number }[] = [];

  /** How many operations a fiber may start in a step. */
  readonly #share: number;

  constructor(tally: Tally, seed: number, share: number) {
    this.#tally = tally;
    this.#random = new Random(seed);
    this.#share = share;
  }

  saw(what: string): void {
    this.#tally.set(what, (this.#tally.get(what) ?? 0) + 1);
  }

  /** `fiber` is about to be stepped at the time `now`: what gave way starts. */
  step(fiber: ModelFiber, now: number): void {
    fiber.used = 0;
    const { operation } = fiber;
    if (operation?.yielded !== true || operation.outcome !== undefined) return;
    operation.yielded = false;
    fiber.used = 1;
    this.#start(fiber, operation, now);
  }

  /** `fiber` is about to perform `arms`; if its share is used up, not before its next step. */
  start(
    fiber: ModelFiber,
    arms: readonly ModelArm[],
    options: { now: number; fair: boolean },
  ): void {
    const { now, fair } = options;
    const yielded = fiber.used >= this.#share;
    const operation = { arms, fair, outcome: undefined, waited: false, yielded };
    fiber.operation = operation;
    if (yielded) return this.saw("gave way");
    fiber.used++;
    this.#start(fiber, operation, now);
  }

  #start(fiber: ModelFiber, operation: ModelOperation, now: number): void {
    const { arms, fair } = operation;
    if (fiber.aborted) {
      operation.outcome = ["aborted"];
      return this.saw("refused: the fiber was aborting");
    }
    const first = fair && arms.length > 1 ? this.#random.below(arms.length) : 0;
    for (const arm of [...arms.slice(first), ...arms.slice(0, first)]) {
      operation.outcome = this.#poll(arm);
      if (operation.outcome !== undefined) return this.saw(`${operation.outcome[0]} at the poll`);
    }
    operation.waited = true;
    for (const arm of arms) this.#enlist(operation, arm, now);
  }

  #enlist(operation: ModelOperation, arm: ModelArm, now: number): void {
    if (arm.kind === "send") arm.channel.senders.push({ operation, arm });
    else if (arm.kind === "receive") arm.channel.receivers.push({ operation, arm });
    else if (arm.kind === "timer") this.#timers.push({ operation, deadline: now + arm.ms });
  }

  #poll(arm: ModelArm): Outcome | undefined {
    switch (arm.kind) {
      case "send":
        return this.#pollSend(arm.channel, arm.item);
      case "receive":
        return this.#pollReceive(arm.channel);
      case "timer":
        return arm.ms <= 0 ? ["timer"] : undefined;
      case "never":
        return undefined;
    }
  }

  #pollSend(channel: ModelChannel, item: number): Outcome | undefined {
    if (channel.closed) return ["closed", item];
    const [receiver] = channel.receivers;
    if (receiver !== undefined) {
      this.#commit(receiver.operation, ["received", item]);
      return ["sent", item];
    }
    if (channel.buffer.length >= channel.capacity) {
      if (channel.overflow === "block") return undefined;
      const forgotten = channel.overflow === "dropNewest" ? item : channel.buffer.shift()!;
      this.dropped.add(forgotten);
      this.saw(channel.overflow);
      if (forgotten === item) return ["sent", item];
    }
    channel.buffer.push(item);
    return ["sent", item];
  }

  #pollReceive(channel: ModelChannel): Outcome | undefined {
    const item = channel.buffer.shift();
    const [sender] = channel.senders;
    if (item !== undefined) {
      if (sender !== undefined) {
        channel.buffer.push(sender.arm.item);
        this.#commit(sender.operation, ["sent", sender.arm.item]);
      }
      return ["received", item];
    }
    if (sender !== undefined) {
      this.#commit(sender.operation, ["sent", sender.arm.item]);
      return ["received", sender.arm.item];
    }
    return channel.closed ? ["drained"] : undefined;
  }

  /** What `trySend` returns; "closed": it throws. */
  trySend(channel: ModelChannel, item: number): boolean | "closed" {
    const full = channel.receivers.length === 0 && channel.buffer.length >= channel.capacity;
    if (full && !channel.closed && channel.overflow === "dropNewest") return false;
    const outcome = this.#pollSend(channel, item);
    return outcome?.[0] === "closed" ? "closed" : outcome !== undefined;
  }

  /** What `tryReceive` returns. */
  tryReceive(channel: ModelChannel): number | undefined {
    const outcome = this.#pollReceive(channel);
    return outcome?.[0] === "received" ? outcome[1] : undefined;
  }

  close(channel: ModelChannel): void {
    if (channel.closed) return;
    channel.closed = true;
    for (const { operation } of [...channel.receivers]) {
      if (operation.outcome === undefined) this.#commit(operation, ["drained"]);
    }
    for (const { operation, arm } of [...channel.senders]) {
      if (operation.outcome === undefined) this.#commit(operation, ["closed", arm.item]);
    }
  }

  abort(fiber: ModelFiber): void {
    if (fiber.aborted) return;
    fiber.aborted = true;
    const { operation } = fiber;
    if (operation === undefined) return this.saw("aborted between two waits");
    if (operation.outcome !== undefined) return this.saw("aborted after the commit");
    operation.outcome = ["aborted"];
    this.#leave(operation);
    this.saw(operation.yielded ? "aborted while it gave way" : "aborted before the commit");
  }

  /** The clock says `now`: what was due has fired. */
  tick(now: number): void {
    const due = this.#timers.filter((timer) => timer.deadline <= now);
    for (const { operation } of due.toSorted((a, b) => a.deadline - b.deadline)) {
      if (operation.outcome === undefined) this.#commit(operation, ["timer"]);
    }
  }

  /** How many timers of selects are waiting. */
  get timers(): number {
    return this.#timers.length;
  }

  #commit(operation: ModelOperation, outcome: Outcome): void {
    operation.outcome = outcome;
    this.#leave(operation);
    this.saw(`${outcome[0]} late${operation.arms.length > 1 ? ", by a select" : ""}`);
  }

  #leave(operation: ModelOperation): void {
    for (const channel of this.channels) {
      channel.senders = channel.senders.filter((waiting) => waiting.operation !== operation);
      channel.receivers = channel.receivers.filter((waiting) => waiting.operation !== operation);
    }
    this.#timers = this.#timers.filter((timer) => timer.operation !== operation);
  }
}
