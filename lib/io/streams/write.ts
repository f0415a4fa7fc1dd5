/** Writing to a sink: as an operation, and as an event. See `writer.ts` for the protocol. */
import { type Arm, EventBase } from "../../operation/event.ts";
import { COLD, FAILED, inherit, type Wait } from "../../operation/wait.ts";
import type { SelectWait } from "../../operation/select_wait.ts";
import type { Sink, Turn, TurnNode } from "./sink.ts";

export interface Write extends Wait<number> {}

/** `once`: one system write, whose count it returns; else all of the bytes, and nothing. */
export class Write implements TurnNode {
  declare sink: Sink;
  declare bytes: Uint8Array;
  declare once: boolean;
  /** Whether its turn has begun. */
  declare begun: boolean;
  declare after: TurnNode | null;
  declare before: TurnNode | null;

  constructor(sink: Sink, bytes: Uint8Array, once: boolean) {
    this.value = undefined;
    this.state = COLD;
    this.waiter = null;
    this.sink = sink;
    this.bytes = bytes;
    this.once = once;
    this.begun = false;
    this.after = null;
    this.before = null;
  }

  attempt(): boolean {
    if (this.bytes.length > 0) return false;
    if (this.once) this.value = 0;
    return true;
  }

  enlist(): void {
    this.sink.lineUp(this as TurnNode);
  }

  begin(): Turn {
    this.begun = true;
    return { bytes: this.bytes, once: this.once, stable: false };
  }

  written(count: number): void {
    this.complete((this.once ? count : undefined) as number);
  }

  failed(error: unknown): void {
    this.fail(error);
  }

  withdraw(): void {
    if (this.begun) this.sink.detach();
    else this.sink.leave(this as TurnNode);
  }

  describe(): string {
    return `a write to ${this.sink.describe()}`;
  }
}

inherit(Write);

/** How much a write event hands over at most. */
const MOST = 64 * 1024;

/**
 * Happens when the sink can begin a turn, which it does: the commit is the hand-over of a copy.
 */
export class WriteEvent extends EventBase<number> {
  constructor(readonly sink: Sink, readonly bytes: Uint8Array) {
    super();
  }

  override attempt(sync: SelectWait<unknown>): boolean {
    const { sink } = this;
    if (this.bytes.length === 0) {
      sync.value = 0;
      return true;
    }
    if (!sink.isIdle) return false;
    const failure = sink.takeFailure();
    if (failure === null) {
      if (!sink.isOpen) return false;
      const turn = this.turn();
      sink.take(turn);
      sync.value = turn.bytes.length;
    } else {
      sync.value = failure.error;
      sync.state = FAILED;
    }
    return true;
  }

  turn(): Turn {
    return { bytes: this.bytes.slice(0, MOST), once: false, stable: true };
  }

  override enlist(arm: Arm): void {
    const node = new ArmTurn(this, arm);
    arm.handle = { cancel: () => node.leave() };
    this.sink.lineUp(node);
  }

  describe(): string {
    return `a write to ${this.sink.describe()}`;
  }
}

/** An arm of a select in the line. It is chosen when its turn comes, and told nothing after that. */
class ArmTurn implements TurnNode {
  after: TurnNode | null = null;
  before: TurnNode | null = null;

  constructor(readonly event: WriteEvent, readonly arm: Arm) {}

  begin(): Turn {
    const turn = this.event.turn();
    this.arm.complete(turn.bytes.length);
    return turn;
  }

  written(): void {}

  failed(error: unknown): void {
    this.arm.fail(error);
  }

  /** Unless its turn has taken it out. */
  leave(): void {
    if (this.after !== null) this.event.sink.leave(this);
  }
}
