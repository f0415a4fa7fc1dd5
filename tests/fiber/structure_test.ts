/**
 * Random trees of fibers under random schedulers: what laws 1, 2, 3 and 5 say holds whatever the
 * program does and in whichever order it runs.
 *
 * Each seed makes a program of fibers that spawn, open scopes of every kind, sleep, throw, wait for
 * each other and abort each other, and its own random schedule. The program watches itself: every
 * action checks what the laws say about where it is. `SEED=… deno test -A` plays one seed alone.
 */
import { assert, assertEquals } from "@std/assert";
import {
  Abort,
  all,
  cancelAfter,
  type CancelContext,
  cancelScope,
  Deadlock,
  Fiber,
  FiberAborted,
  map,
  type Operation,
  protect,
  type Result,
  run,
  type Scope,
  scope,
  selfAbort,
  sleep,
  spawn,
  Timeout,
  withTimeout,
  yieldNow,
} from "@weft/weft";
import { runRandom } from "../../examples/schedulers/random.ts";
import { Random } from "../../lib/internal/random.ts";
import { REAL_SHARE, withShare } from "../kit/share.ts";
import { uncaughtSoon } from "../kit/uncaught.ts";
import { type VirtualLoop, virtualLoop } from "../kit/virtual_loop.ts";

const PROGRAMS = 1500;

class Mistake extends Error {}

/** What owns fibers: a fiber or a scope, with what happened to its body. */
class Owner {
  readonly spawned: Spawned[] = [];
  /** What escaped its body, an Abort included. */
  escaped: { readonly error: unknown } | undefined;
  started = false;
  /** What an error calls it. */
  get what(): string {
    return "scope";
  }

  /** How often its Abort was thrown in its body, however deep. */
  aborts = 0;
  /** It may have been; or a failure has taken its place. */
  mayHaveAborted = false;
  /** A scope that can be cancelled by itself. */
  context: CancelContext | undefined;

  /** What its suspensions throw. */
  get abort(): unknown {
    return this.context?.error;
  }

  /** `undefined` if it cannot be told from here. */
  get isCancelled(): boolean | undefined {
    return this.context === undefined ? undefined : this.context.error !== undefined;
  }

  /** Whether an abort certainly changed nothing: never thrown in its body, and none of its was ended. */
  get isSpared(): boolean {
    return this.started && this.escaped === undefined && !this.mayHaveAborted &&
      !this.spawned.some((child) => child.wasEnded);
  }

  /** Whether its own abort has certainly ended one of its children. */
  get hasEndedOne(): boolean {
    const { abort } = this;
    return abort !== undefined &&
      this.spawned.some(({ fiber }) => {
        const outcome = fiber.poll(); // one that failed may have done so by itself
        return outcome?.ok === false && outcome.error instanceof FiberAborted &&
          outcome.error.cause === abort;
      });
  }

  /** Whether one failed of which it must not keep silent. */
  get hasFailed(): boolean {
    return this.spawned.some((child) => child.propagates && child.hasEndedFailed);
  }

  /** law 1: nobody outlives it. */
  checkGone(): void {
    for (const { fiber } of this.spawned) assertEquals(fiber.state, "terminated", "law 1");
  }
}

class Spawned extends Owner {
  fiber!: Fiber<unknown>;
  finallyCalls = 0;

  constructor(readonly parent: Owner | undefined, readonly propagates: boolean) {
    super();
  }

  override get what(): string {
    return `fiber "${this.fiber.name}"`;
  }

  override get abort(): unknown {
    return this.fiber.signal.reason;
  }

  override get isCancelled(): boolean {
    return this.fiber.state === "aborting";
  }

  /** Whether it ended without a value, and perhaps because of an abort. */
  get wasEnded(): boolean {
    return this.abort !== undefined && this.fiber.poll()?.ok === false;
  }

  get hasEndedFailed(): boolean {
    const outcome = this.fiber.state === "terminated" ? this.fiber.poll()! : undefined;
    return outcome?.ok === false && !saysAborted(this, outcome.error);
  }
}

/** How often something happened, over all programs: a test of nothing is noticed. */
const tally: Record<string, number> = {};

function count(what: string): void {
  tally[what] = (tally[what] ?? 0) + 1;
}

class Program {
  readonly #random: Random;
  readonly #loop: VirtualLoop;
  readonly #spawned: Spawned[] = [];
  /** How many actions are left: a program is finite. */
  #budget = 60;

  constructor(seed: number, loop: VirtualLoop) {
    this.#random = new Random(seed);
    this.#loop = loop;
  }

  /** The body of the root. */
  *main(): Operation<void> {
    const root = new Spawned(undefined, true);
    root.fiber = Fiber.current();
    yield* this.#body(root, 0);
  }

  *#body(self: Spawned, depth: number): Operation<void> {
    assertEquals(self.fiber.state, "running", "law 1: aborted before the start, it never runs");
    yield* this.#watched(self, () => this.#actions([self], depth));
  }

  *#watched(owner: Owner, body: () => Operation<void>): Operation<void> {
    owner.started = true;
    try {
      yield* body();
    } catch (error) {
      owner.escaped = { error };
      throw error;
    }
  }

  /** `owners`: the fiber, and those of its scopes that are open, innermost last. */
  *#actions(owners: readonly Owner[], depth: number): Operation<void> {
    const length = this.#random.below(6);
    for (let n = 0; n < length && this.#budget > 0; n++) {
      this.#budget--;
      this.#look(owners);
      try {
        yield* this.#action(owners, depth);
      } catch (error) {
        this.#lookAt(error, owners);
        if (this.#random.below(4) > 0) throw error;
        count("swallowed");
      }
    }
  }

  *#action(owners: readonly Owner[], depth: number): Operation<unknown> {
    const owner = owners.at(-1)!;
    switch (this.#random.below(17)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return this.#spawn(owner, depth);
      case 4:
        return yield* this.#wait(owner, 0);
      case 5:
      case 6:
        return yield* this.#wait(owner, this.#random.below(10));
      case 7:
        return yield* this.#scope("scope", owners, depth);
      case 8:
        return yield* this.#scope("cancelScope", owners, depth);
      case 9:
        return yield* this.#scope("protect", owners, depth);
      case 10:
        return yield* this.#scope("withTimeout", owners, depth);
      case 11:
        return void this.#any()?.fiber.abort("by a sibling");
      case 12:
        return yield* this.#any()?.fiber.join() ?? yieldNow();
      case 13:
        return yield* this.#any()?.fiber ?? yieldNow();
      case 14:
        return yield* this.#group(depth);
      case 15:
        if (this.#random.below(2) === 0) return yield* selfAbort("by itself");
        return cancelAfter(this.#random.below(20));
      default:
        if (this.#random.below(2) === 0) throw new Mistake();
        return yield* this.#cleaningUp(owners, depth);
    }
  }

  /** law 3: an abort is sticky, so no wait begins, and prompt, so none goes on. */
  *#wait(owner: Owner, ms: number): Operation<void> {
    const before = owner.isCancelled;
    const due = this.#loop.now() + ms;
    yield* sleep(ms);
    assert(before !== true, "law 3: a wait in an aborting context");
    assert(ms === 0 || this.#loop.now() >= due);
  }

  #spawn(owner: Owner, depth: number): void {
    if (depth > 5) return;
    const child = new Spawned(owner, this.#random.below(3) > 0);
    child.fiber = spawn(() => this.#body(child, depth + 1), {
      propagateCancelToParent: child.propagates,
      finally: () => {
        child.finallyCalls++;
        assertEquals(child.fiber.poll(), undefined, "law 1: finally comes before the end");
        child.checkGone();
      },
    });
    owner.spawned.push(child);
    this.#spawned.push(child);
  }

  *#scope(kind: string, owners: readonly Owner[], depth: number): Operation<void> {
    count(kind);
    const owner = new Owner();
    const inner = [...owners, owner];
    let hooks = 0;
    const inside = function* (this: Program, context?: Scope | CancelContext): Operation<void> {
      owner.context = context;
      if (context !== undefined && "onRelease" in context) {
        hooks++;
        context.onRelease(function* () {
          yield* sleep(1);
          owner.checkGone();
          hooks--;
        });
      }
      yield* this.#actions(inner, depth);
      if (context !== undefined && this.#random.below(3) === 0) context.cancel("by its body");
      yield* this.#actions(inner, depth);
    }.bind(this);
    const body = (context?: Scope | CancelContext) => this.#watched(owner, () => inside(context));
    try {
      if (kind === "scope") yield* scope(body);
      else if (kind === "cancelScope") yield* cancelScope(body);
      else if (kind === "protect") yield* protect(() => body());
      else yield* withTimeout(this.#random.below(12), () => body());
    } catch (error) {
      // law 3: what was never thrown at has its value.
      const aborted = error instanceof Abort || saysAborted(owner, error);
      assert(!owner.isSpared || !aborted, "law 3: too late");
      throw error;
    } finally {
      owner.checkGone();
      assertEquals(hooks, 0, "law 1: every hook runs once");
    }
    assert(!owner.hasFailed, "law 2: a failure was swallowed");
    if (owner.hasEndedOne) count("ended a child");
    const isReached = owner.aborts > 0 || owner.hasEndedOne;
    assert(!isReached || kind === "cancelScope", "law 3: an abort was undone");
  }

  *#group(depth: number): Operation<unknown> {
    const branch = () => {
      const self = new Spawned(undefined, true);
      self.fiber = Fiber.current();
      return this.#actions([self], depth + 1);
    };
    if (this.#random.below(2) === 0) return yield* all([branch, branch]);
    return yield* map([1, 2, 3], branch, { concurrency: 2 });
  }

  *#cleaningUp(owners: readonly Owner[], depth: number): Operation<void> {
    try {
      yield* this.#actions(owners, depth);
      yield* sleep(5);
    } finally {
      const before = this.#loop.now();
      yield* protect(() => sleep(2));
      assert(this.#loop.now() >= before + 2);
      count("clean-ups");
    }
  }

  #any(): Spawned | undefined {
    return this.#spawned[this.#random.below(this.#spawned.length + 1)];
  }

  /** law 2: failure goes up, abort goes down, both at once. */
  #look(owners: readonly Owner[]): void {
    for (const owner of owners) {
      if (owner.isCancelled !== undefined && owner.hasFailed) {
        assert(owner.isCancelled, "law 2: one has failed, and the rest goes on");
      }
    }
    const self = owners[0] as Spawned;
    const escaped = self.parent?.escaped;
    if (escaped !== undefined) {
      assert(self.isCancelled, "law 2: a body has failed, and this goes on");
    }
  }

  /** law 5: an Abort in your hands always means you. */
  #lookAt(error: unknown, owners: readonly Owner[]): void {
    if (!isExpected(error)) throw error;
    const mayBeMine = owners.some(({ isCancelled }) => isCancelled !== false);
    for (const owner of owners) {
      if (error instanceof Abort && owner.abort === error) owner.aborts++;
      if (mayBeMine) owner.mayHaveAborted = true;
    }
    if (!(error instanceof Abort)) return;
    count("aborts caught");
    assert(mayBeMine, "law 5: an Abort, and nobody aborted this fiber");
  }

  /** What holds when all is over. */
  check(result: Result<void>): void {
    assertEquals(this.#loop.timers, 0, "timers are left");
    if (!result.ok) checkOutcome(result.error);
    for (const child of this.#spawned) {
      const { fiber, escaped } = child;
      assertEquals(fiber.state, "terminated");
      assertEquals(child.finallyCalls, 1, "law 1: finally runs once");
      const outcome = fiber.poll()!;
      count(outcome.ok ? "returned" : child.hasEndedFailed ? "failed" : "aborted");
      if (outcome.ok) {
        assert(!child.hasEndedOne, "law 3: an abort was undone");
        assert(
          child.started && escaped === undefined && !child.hasFailed,
          "law 2: a failure was swallowed",
        );
        continue;
      }
      checkOutcome(outcome.error);
      if (child.hasFailed) assert(child.hasEndedFailed, "law 2: a failure became an abort");
      if (child.isSpared) assert(child.hasEndedFailed, "law 3: too late");
      if (escaped === undefined || escaped.error instanceof Abort) continue;
      assert(
        parts(outcome.error).includes(escaped.error) ||
          escaped.error instanceof FiberAborted, // adds nothing to the failure behind it
        "law 13: what escaped the body is lost",
      );
    }
  }
}

/** Whether `error` says that this very fiber or scope was aborted. */
function saysAborted(owner: Owner, error: unknown): boolean {
  return error instanceof FiberAborted && error.cause === owner.abort &&
    error.message.startsWith(`The ${owner.what} was aborted`);
}

/** law 5: an Abort is never an outcome; and a failed assertion in a body fails the test. */
function checkOutcome(error: unknown): void {
  if (!isExpected(error)) throw error;
  assert(!(error instanceof Abort), "law 5: an Abort as an outcome");
}

/** The failures in it, and what those of a group wrap. */
function parts(error: unknown): unknown[] {
  if (!(error instanceof AggregateError)) return [error];
  return [error, ...error.errors.flatMap((part) => [...parts(part), ...causes(part)])];
}

function causes(error: unknown): unknown[] {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? [] : [cause, ...causes(cause)];
}

function isExpected(error: unknown): boolean {
  if (error instanceof AggregateError) {
    return error.errors.length > 1 && new Set(error.errors).size === error.errors.length &&
      error.errors.every((part) => isExpected(part) && !(part instanceof Abort));
  }
  return [Abort, FiberAborted, Mistake, Timeout, Deadlock].some((type) => error instanceof type) ||
    (error instanceof Error &&
      error.message === "Cannot wait for the fiber: it would wait for itself");
}

function play(seed: number): void {
  const loop = virtualLoop();
  const program = new Program(seed, loop);
  const body = () => program.main();
  const play = () => seed % 4 === 0 ? run(body, { loop }) : runRandom(body, { seed, loop });
  program.check(withShare([REAL_SHARE, 1, 2][seed % 3]!, play));
}

function playAll(): void {
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    try {
      play(seed);
    } catch (error) {
      throw new Error(`SEED=${seed} shows it`, { cause: error });
    }
  }
  const seen = ["swallowed", "scope", "cancelScope", "protect", "withTimeout", "clean-ups"];
  assert((tally["ended a child"] ?? 0) > 40, `ended a child: only ${tally["ended a child"]} times`);
  for (const what of [...seen, "aborts caught", "returned", "aborted", "failed"]) {
    assert((tally[what] ?? 0) > 100, `${what}: only ${tally[what]} times`);
  }
}

Deno.test("laws 1, 2, 3, 5 and 10 hold for random trees of fibers under random schedulers", async () => {
  const seed = Deno.env.get("SEED");
  let shown: unknown;
  const uncaught = await uncaughtSoon(() => {
    try {
      if (seed === undefined) playAll();
      else play(Number(seed));
    } catch (error) {
      shown = error;
    }
  });
  if (shown !== undefined) throw shown;
  uncaught.forEach(checkOutcome);
});
