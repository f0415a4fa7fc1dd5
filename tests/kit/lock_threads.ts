/** Several threads that share a lock, all in this realm: each has a place and a port of its own. */
import { begin } from "../../lib/operation/begin.ts";
import { RuleWait } from "../../lib/operation/rule_wait.ts";
import { doorbell } from "../../lib/loop/doorbell.ts";
import type { SharedGuard } from "@weft/weft/thread";
import type { LockMemory } from "../../lib/thread/memory/lock_memory.ts";
import { MutexMemory } from "../../lib/thread/memory/mutex_memory.ts";
import { ownRegistry } from "../../lib/thread/memory/registry.ts";
import { SemaphoreMemory } from "../../lib/thread/memory/semaphore_memory.ts";
import { SharedAcquireEvent } from "../../lib/thread/shared/lock_operations.ts";
import { LockPort } from "../../lib/thread/shared/lock_port.ts";

const registry = ownRegistry();

/** `count` threads that share a semaphore; 0 permits: a mutex. */
export function lockThreads(count: number, permits = 0): LockThread[] {
  const isMutex = permits === 0;
  const buffer = isMutex ? MutexMemory.create() : SemaphoreMemory.create(permits);
  return Array.from({ length: count }, () => {
    const { place } = registry.enter();
    const Memory = isMutex ? MutexMemory : SemaphoreMemory;
    const memory: LockMemory = new Memory(buffer, registry.buffer);
    Object.assign(memory, { place, mark: registry.markOf(place) });
    return new LockThread(place, new LockPort(memory, isMutex ? "mutex" : "semaphore", undefined));
  });
}

export class LockThread {
  /** How often its doorbell had been rung when it last looked. */
  #heard: number;

  constructor(readonly place: number, readonly port: LockPort<LockMemory>) {
    this.#heard = this.#rings;
  }

  get #rings(): number {
    return Atomics.load(registry.words, 4 + this.place * 2);
  }

  get isRung(): boolean {
    return this.#rings !== this.#heard;
  }

  /** Whether nobody else may take anything before this thread. */
  get hasReserved(): boolean {
    return Reflect.get(this.port.memory, "hasReserved");
  }

  /** It hears its doorbell, while `loop` runs there (undefined: JavaScript's). */
  hear(loop: unknown = null): void {
    this.#heard = this.#rings;
    doorbell.servedLoop = loop;
    this.port.line.look();
    doorbell.servedLoop = null;
  }

  /** Somebody there begins to wait. */
  wait(need = 1): LockWait {
    return new LockWait(this.port, need);
  }

  /** It is gone for good. */
  leave(): void {
    registry.leave(this.place);
  }
}

/** A wait, whose waiter looks when the test says so. */
export class LockWait {
  /** Whether the waiter was told to look, and hasn't. */
  isWoken = false;
  guard: SharedGuard | undefined;
  readonly #operation: RuleWait<SharedGuard>;

  constructor(port: LockPort<LockMemory>, need: number) {
    this.#operation = new RuleWait(new SharedAcquireEvent(port, need));
    if (begin(this.#operation, { unblock: () => this.isWoken = true })) this.#got();
  }

  #got(): void {
    this.guard = this.#operation.conclude();
  }

  /** The waiter looks: whether it has got what it wants. */
  look(): boolean {
    this.isWoken = false;
    if (this.#operation.recheck()) this.#got();
    return this.guard !== undefined;
  }

  cancel(): void {
    this.#operation.leave();
  }
}
