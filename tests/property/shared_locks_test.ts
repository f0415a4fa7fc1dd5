/**
 * Random schedules of shared mutexes and semaphores: several threads (in one realm, each with a
 * place and a port of its own), fibers that acquire in all ways, hold, are aborted, and threads
 * that die. After each step it is compared with what may be held, and by whom.
 */
import { assert, assertEquals } from "@std/assert";
import { Abort, Channel, type Fiber, select, spawn, when, yieldNow } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { AnyFiber, step } from "@weft/weft/lowlevel";
import type { SharedGuard } from "@weft/weft/thread";
import { Random } from "../../lib/internal/random.ts";
import { doorbell } from "../../lib/loop/doorbell.ts";
import { RuleWait } from "../../lib/operation/rule_wait.ts";
import type { LockMemory } from "../../lib/thread/memory/lock_memory.ts";
import type { MutexMemory } from "../../lib/thread/memory/mutex_memory.ts";
import { SharedAcquireEvent, SharedLock } from "../../lib/thread/shared/lock_operations.ts";
import type { LockPort } from "../../lib/thread/shared/lock_port.ts";
import { type LockThread, lockThreads } from "../kit/lock_threads.ts";
import { withShare } from "../kit/share.ts";
import { runSchedules, shareOf, type Tally } from "./seeds.ts";

const SCHEDULES = Number(Deno.env.get("SCHEDULES") ?? 3000);

/** A thread of the schedule. */
interface Thread {
  readonly index: number;
  readonly own: LockThread;
  readonly port: LockPort<LockMemory>;
  dead: boolean;
  /** What waits in line there, and since when: the later, the greater. */
  readonly arrivals: Map<unknown, number>;
}

interface Program {
  readonly index: number;
  readonly thread: Thread;
  /** What lets it go on while it holds something. */
  readonly gate: Channel<void>;
  fiber: Fiber<void> | undefined;
  aborted: boolean;
  /** How many permits it holds. */
  held: number;
}

type Body = Generator<never, void, unknown>;

class Schedule {
  readonly random: Random;
  readonly loop = blockingLoop();
  readonly ready: AnyFiber[] = [];
  readonly threads: Thread[];
  readonly programs: Program[];
  readonly isMutex: boolean;
  readonly permits: number;
  /** What was held by threads that have died, and nobody has been told of. */
  abandoned = 0;
  arrived = 0;
  failure: unknown;

  constructor(seed: number, readonly tally: Tally, readonly print?: (line: string) => void) {
    this.random = new Random(seed);
    this.isMutex = seed % 3 === 0;
    this.permits = this.isMutex ? 1 : 1 + this.random.below(5);
    const threads = lockThreads(1 + this.random.below(4), this.isMutex ? 0 : this.permits);
    this.threads = threads.map((own, index) => {
      return { index, own, port: own.port, dead: false, arrivals: new Map() };
    });
    this.programs = Array.from({ length: 2 + this.random.below(7) }, (_, index) => ({
      index,
      thread: this.#pick(this.threads),
      gate: new Channel<void>(),
      fiber: undefined,
      aborted: false,
      held: 0,
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
    this.print?.(`${this.threads.length} threads, ${this.permits} permits, ${this.isMutex}`);
    const policy = { ready: (fiber: AnyFiber) => void this.ready.push(fiber), loop: this.loop };
    const root = AnyFiber.main(policy, () => this.#spawnAll());
    while (root.state !== "terminated") {
      if (this.random.below(60) === 0) this.#abortSomebody();
      if (this.random.below(150) === 0) this.#kill();
      if (this.#deaths > 0 && !this.#isAnyAlive()) break;
      const rung = this.threads.filter(({ dead, own }) => !dead && own.isRung);
      const fibers = this.ready.filter((fiber) => !this.#isDead(fiber));
      if (rung.length > 0 && (fibers.length === 0 || this.random.below(3) === 0)) {
        this.#hear(this.#pick(rung));
      } else if (fibers.length > 0) {
        const fiber = this.#pick(fibers);
        this.ready.splice(this.ready.indexOf(fiber), 1);
        step(fiber);
      } else this.#quiescent();
      if (this.failure !== undefined) throw this.failure;
      for (const thread of this.threads) this.#noteArrivals(thread);
    }
    this.#checkTheEnd();
  }

  get #deaths(): number {
    return this.threads.filter(({ dead }) => dead).length;
  }

  #isAnyAlive(): boolean {
    return this.programs.some(({ thread, fiber }) => !thread.dead && fiber?.state !== "terminated");
  }

  #isDead(fiber: AnyFiber): boolean {
    return this.programs.some(({ fiber: own, thread }) => own as unknown === fiber && thread.dead);
  }

  #hear(thread: Thread): void {
    this.print?.(`thread ${thread.index} hears its doorbell`);
    thread.own.hear(this.loop);
  }

  #noteArrivals({ port, arrivals }: Thread): void {
    for (const { owner } of nodesOf(port)) {
      if (!arrivals.has(owner)) arrivals.set(owner, ++this.arrived);
    }
  }

  /** Nobody can run, and every ring was heard: who waits must have a reason. */
  #quiescent(): void {
    const heads = this.threads.flatMap((thread) => {
      const node = thread.dead ? null : thread.port.line.first;
      return node === null ? [] : [{ thread, need: node.need }];
    });
    const available = this.permits - this.#held;
    if (heads.length > 0) {
      if (available > 0) {
        const { need } = heads.find(({ thread }) => thread.own.hasReserved)!;
        assert(need > available, `${need} of ${available} are there, and nobody was woken`);
        this.saw("one waits for many");
      }
      assert(available < this.permits, "nobody holds anything, and they wait");
    }
    const holders = this.programs.filter(({ thread, gate }) => {
      return !thread.dead && gate.statistics().receiversWaiting > 0;
    });
    assert(holders.length > 0, "nobody can go on");
    this.#pick(holders).gate.trySend();
    this.saw("quiescent");
  }

  get #held(): number {
    return this.programs.reduce((sum, { held }) => sum + held, 0);
  }

  #kill(): void {
    const alive = this.threads.filter(({ dead }) => !dead);
    if (alive.length < 2) return;
    const thread = this.#pick(alive);
    this.print?.(`thread ${thread.index} dies`);
    thread.dead = true;
    if (thread.own.hasReserved) this.saw("a reserver died");
    for (const program of this.programs.filter((program) => program.thread === thread)) {
      this.abandoned += program.held;
      program.held = 0;
    }
    thread.own.leave();
    this.saw(this.abandoned > 0 ? "a holder died" : "a thread died");
  }

  #abortSomebody(): void {
    const running = this.programs.filter(({ fiber, thread }) => {
      return fiber?.state === "running" && !thread.dead;
    });
    if (running.length === 0) return;
    const program = this.#pick(running);
    this.print?.(`fiber ${program.index} is aborted`);
    if (program.thread.own.hasReserved) this.saw("aborted while its thread reserves");
    program.aborted = true;
    program.fiber!.abort();
    this.saw("aborted");
  }

  #checkTheEnd(): void {
    const { threads } = this;
    const living = threads.find(({ dead }) => !dead)!;
    assertEquals(this.#held, 0);
    for (const { dead, port } of threads) if (!dead) assertEquals(port.line.first, null);
    const all = living.port.tryTake(this.permits);
    assert(all !== undefined, "something is still held, or reserved");
    all.release();
    assertEquals(threads.filter((thread) => thread.own.hasReserved), []);
    if (this.#deaths === 0) {
      assertEquals(living.port.memory.sleepers.count, 0);
      doorbell.answer(); // every thread that leaves rings this one, too
      assertEquals(this.loop.oneStep({ block: false }), false, "somebody holds the loop");
    }
    for (const { dead, own, port } of threads) {
      if (!dead) own.leave();
      else for (const node of nodesOf(port)) port.line.delist(node); // or they listen for ever
    }
  }

  // The programs ---------------------------------------------------------------------------------

  *#spawnAll(): Body {
    for (const program of this.programs) {
      program.fiber = spawn(() => this.#body(program), { propagateCancelToParent: false });
    }
  }

  *#body(program: Program): Body {
    for (let left = 3 + this.random.below(6); left > 0; left--) {
      const need = 1 + this.random.below(this.permits);
      try {
        const guard = yield* this.#acquire(program, need);
        if (guard === undefined) continue;
        try {
          if (this.random.below(3) > 0) yield* program.gate.receive();
          else yield* yieldNow();
        } finally {
          this.print?.(`fiber ${program.index} releases ${need}`);
          program.held = 0;
          guard.release();
        }
      } catch (error) {
        if (!(error instanceof Abort && program.aborted)) return void (this.failure ??= error);
        throw error;
      }
    }
  }

  *#acquire(program: Program, need: number): Generator<never, SharedGuard | undefined, unknown> {
    const { port } = program.thread;
    const event = new SharedAcquireEvent(port, need);
    const local = new Channel<void>();
    let guard: SharedGuard | undefined;
    switch (this.random.below(5)) {
      case 0:
        guard = port.tryTake(need);
        if (guard === undefined) return yield* skip();
        break;
      case 1:
        guard = yield* event;
        break;
      case 2:
        if (this.random.below(2) === 0) {
          spawn(function* () {
            yield* yieldNow();
            local.trySend();
          });
        }
        guard = yield* select([
          when(event, (guard): SharedGuard | undefined => guard),
          when(local.receiveEvent(), () => undefined),
        ]);
        if (guard === undefined) return void this.saw("the select lost");
        break;
      default:
        guard = this.isMutex && need === 1
          ? yield* new SharedLock(event as unknown as SharedAcquireEvent<MutexMemory>)
          : yield* new RuleWait<SharedGuard>(event);
    }
    this.print?.(`fiber ${program.index} (thread ${program.thread.index}) has ${need}`);
    this.#granted(program, event, need, guard);
    return guard;
  }

  #granted(program: Program, event: unknown, need: number, guard: SharedGuard): void {
    const { thread } = program;
    program.held = need;
    assert(this.#held <= this.permits, `${this.#held} of ${this.permits} are held`);
    for (const other of this.threads) {
      if (other === thread || other.dead) continue;
      assert(!other.own.hasReserved, `thread ${other.index} had reserved`);
    }
    const own = [...thread.arrivals].find(([owner]) => ruleOf(owner) === event)?.[1];
    this.saw(own === undefined ? "at once" : "waited");
    for (const { owner } of nodesOf(thread.port)) {
      const theirs = thread.arrivals.get(owner) ?? Infinity;
      assert(theirs > (own ?? -1) || theirs === Infinity, "somebody was overtaken in line");
      assert(own !== undefined || theirs === Infinity, "somebody in line was passed over");
    }
    if (guard.abandoned) {
      assert(this.abandoned > 0, "nothing was abandoned");
      this.abandoned = Math.max(0, this.abandoned - need);
      this.saw("told that it was abandoned");
    } else if (this.isMutex) assertEquals(this.abandoned, 0, "nobody was told");
  }
}

function* skip(): Generator<never, undefined, unknown> {
  yield* yieldNow();
  return undefined;
}

function ruleOf(owner: unknown): unknown {
  return (owner as { readonly rule: unknown }).rule;
}

function nodesOf({ line }: LockPort<LockMemory>) {
  const nodes = [];
  for (let node = line.first; node !== null; node = node.after === line.first ? null : node.after) {
    nodes.push(node);
  }
  return nodes;
}

/** What must have been seen by the end. */
const CASES = [
  "at once",
  "waited",
  "quiescent",
  "one waits for many",
  "aborted",
  "aborted while its thread reserves",
  "the select lost",
  "a thread died",
  "a holder died",
  "a reserver died",
  "told that it was abandoned",
];

Deno.test("law 4, law 6, law 7, law 9: whatever the schedule, a shared lock keeps others out, in order, and wakes whoever can go on", () => {
  runSchedules("tests/property/shared_locks_test.ts", {
    count: SCHEDULES,
    cases: CASES,
    run: (seed, tally, print) =>
      withShare(shareOf(seed), () => new Schedule(seed, tally, print).run()),
  });
  doorbell.answer();
});
