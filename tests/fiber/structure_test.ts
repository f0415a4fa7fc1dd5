/**
 * Random trees of fibers under random schedulers: what laws 1, 2, 3 and 5 say holds whatever the
 * program does and in whichever order it runs.
 *
 * Each seed makes a program of fibers that spawn, open scopes of every kind, sleep, throw, wait for
 * each other and abort each other, and its own random schedule. A failure tells its seed.
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
import { uncaughtDuring } from "../kit/uncaught.ts";
import { type VirtualLoop, virtualLoop } from "../kit/virtual_loop.ts";

const PROGRAMS = 1500;

class Mistake extends Error {}

/** A context in which fibers are spawned, and what it owns. */
interface Owner {
  readonly fibers: Spawned[];
  /** Of a scope; a fiber is its own. */
  readonly context?: CancelContext;
}

interface Spawned extends Owner {
  readonly fiber: Fiber<unknown>;
  finallyCalls: number;
  /** What escaped the body, if anything did; an Abort included. */
  escaped?: { readonly error: unknown };
  /** Whether an Abort was thrown at it outside of all its scopes. */
  aborted: boolean;
}

/** How often something happened, over all programs: a test of nothing is noticed. */
const tally: Record<string, number> = {};

function count(what: string): void {
  tally[what] = (tally[what] ?? 0) + 1;
}

class Program {
  readonly #random: Random;
  readonly #spawned: Spawned[] = [];
  /** How many actions are left: a program is finite. */
  #budget = 60;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** The body of the root. */
  *main(): Operation<void> {
    const root: Spawned = { fiber: Fiber.current(), fibers: [], finallyCalls: 0, aborted: false };
    yield* this.#body(root, 0);
  }

  *#body(self: Spawned, depth: number): Operation<void> {
    count("bodies");
    try {
      yield* this.#actions([self], depth);
    } catch (error) {
      self.escaped = { error };
      throw error;
    }
  }

  /** `owners`: the fiber, and the scopes of it that are open, innermost last. */
  *#actions(owners: readonly Owner[], depth: number): Operation<void> {
    const length = this.#random.below(6);
    for (let n = 0; n < length && this.#budget > 0; n++) {
      this.#budget--;
      try {
        yield* this.#action(owners, depth);
      } catch (error) {
        this.#checkCaught(error, owners);
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
        return yield* yieldNow();
      case 5:
      case 6:
        return yield* sleep(this.#random.below(10));
      case 7:
        return yield* this.#scope(owners, depth, "scope");
      case 8:
        return yield* this.#scope(owners, depth, "cancelScope");
      case 9:
        return yield* this.#scope(owners, depth, "protect");
      case 10:
        return yield* this.#scope(owners, depth, "withTimeout");
      case 11:
        return void this.#any()?.fiber.abort("by a sibling");
      case 12:
        return yield* this.#any()?.fiber.join() ?? yieldNow();
      case 13:
        return yield* this.#any()?.fiber ?? yieldNow();
      case 14:
        return yield* this.#group(owners, depth);
      case 15:
        if (this.#random.below(2) === 0) return yield* selfAbort("by itself");
        return cancelAfter(this.#random.below(20));
      default:
        if (this.#random.below(2) === 0) throw new Mistake();
        return yield* this.#cleaningUp(owners, depth);
    }
  }

  #spawn(owner: Owner, depth: number): void {
    if (depth > 5) return;
    const record = {
      fibers: [],
      finallyCalls: 0,
      aborted: false,
    } as unknown as Spawned & { fiber: Fiber<unknown> };
    record.fiber = spawn(() => this.#body(record, depth + 1), {
      propagateCancelToParent: this.#random.below(3) > 0,
      finally: () => {
        record.finallyCalls++;
        assert(record.fiber.poll() === undefined, "finally comes before the end");
        checkGone(record);
      },
    });
    owner.fibers.push(record);
    this.#spawned.push(record);
  }

  *#scope(owners: readonly Owner[], depth: number, kind: string): Operation<void> {
    count(kind);
    let owner: Owner = { fibers: [] };
    let hooks = 0;
    const inside = function* (this: Program, context?: CancelContext): Operation<void> {
      owner = { fibers: [], context: context ?? owner.context! };
      if (context !== undefined && "onRelease" in context) {
        (context as Scope).onRelease(function* () {
          yield* sleep(1);
          checkGone(owner);
          hooks++;
        });
        hooks--;
      }
      yield* this.#actions([...owners, owner], depth);
      if (context !== undefined && this.#random.below(3) === 0) context.cancel("by its body");
      yield* this.#actions([...owners, owner], depth);
    }.bind(this);
    try {
      if (kind === "scope") yield* scope(inside);
      else if (kind === "cancelScope") yield* cancelScope(inside);
      else if (kind === "protect") yield* protect(() => inside());
      else yield* withTimeout(this.#random.below(12), () => inside());
    } finally {
      checkGone(owner);
      assertEquals(hooks, 0, "every hook ran once");
    }
  }

  *#group(owners: readonly Owner[], depth: number): Operation<unknown> {
    const branch = () => this.#actions(owners.slice(0, 1), depth + 1);
    if (this.#random.below(2) === 0) return yield* all([branch, branch]);
    return yield* map([1, 2, 3], branch, { concurrency: 2 });
  }

  *#cleaningUp(owners: readonly Owner[], depth: number): Operation<void> {
    try {
      yield* this.#actions(owners, depth);
      yield* sleep(5);
    } finally {
      const before = monotone();
      yield* protect(() => sleep(2));
      assert(monotone() > before);
      count("clean-ups");
    }
  }

  #any(): Spawned | undefined {
    return this.#spawned[this.#random.below(this.#spawned.length + 1)];
  }

  /** law 5: an Abort in your hands always means you. */
  #checkCaught(error: unknown, owners: readonly Owner[]): void {
    assert(isExpected(error), `unexpected: ${Deno.inspect(error)}`);
    if (!(error instanceof Abort)) return;
    count("aborts caught");
    const fiber = Fiber.current();
    const mine = fiber.state === "aborting" ||
      owners.some(({ context }) => context?.error !== undefined) || owners.length > 1;
    assert(mine, "an Abort, and nobody aborted this fiber");
    const self = owners[0] as Spawned;
    if (owners.length === 1 && self.fiber === fiber && fiber.state === "aborting") {
      self.aborted = true;
    }
  }

  /** What holds when all is over. */
  check(result: Result<void>, loop: VirtualLoop): void {
    assertEquals(loop.timers, 0, "timers are left");
    if (!result.ok) assert(isExpected(result.error) && !(result.error instanceof Abort));
    for (const { fiber, finallyCalls, escaped, aborted } of this.#spawned) {
      assertEquals(fiber.state, "terminated");
      assertEquals(finallyCalls, 1, "finally runs once");
      const outcome = fiber.poll()!;
      count(outcome.ok ? "returned" : outcome.error instanceof FiberAborted ? "aborted" : "failed");
      if (escaped !== undefined || aborted) assert(!outcome.ok, "aborted or failed, and returned");
      if (outcome.ok) continue;
      assert(isExpected(outcome.error) && !(outcome.error instanceof Abort));
      if (escaped === undefined || escaped.error instanceof Abort) continue;
      assert(
        parts(outcome.error).includes(escaped.error) ||
          escaped.error instanceof FiberAborted, // adds nothing to the failure behind it
        "what escaped the body is lost",
      );
    }
  }
}

let clock: VirtualLoop;

function monotone(): number {
  return clock.now();
}

/** law 1: nobody outlives its context. */
function checkGone(owner: Owner): void {
  for (const { fiber } of owner.fibers) assertEquals(fiber.state, "terminated");
}

/** The failures in it, and what they wrap. */
function parts(error: unknown): unknown[] {
  const inner = error instanceof AggregateError ? error.errors : [];
  return [error, ...inner.flatMap(parts)];
}

function isExpected(error: unknown): boolean {
  if (error instanceof AggregateError) {
    return error.errors.length > 1 && new Set(error.errors).size === error.errors.length &&
      error.errors.every((part) => isExpected(part) && !(part instanceof Abort));
  }
  return [Abort, FiberAborted, Mistake, Timeout, Deadlock].some((type) => error instanceof type) ||
    (error instanceof Error && error.message === "Cannot wait for the fiber: it is itself");
}

function play(seed: number): void {
  const program = new Program(seed);
  clock = virtualLoop();
  const options = { seed, loop: clock };
  const body = () => program.main();
  let result!: Result<void>;
  const uncaught = uncaughtDuring(() => {
    result = seed % 4 === 0 ? run(body, options) : runRandom(body, options);
  });
  for (const error of uncaught) if (!isExpected(error)) throw error;
  program.check(result, clock);
}

Deno.test("laws 1, 2, 3 and 5 hold for random trees of fibers under random schedulers", () => {
  const only = Deno.env.get("SEED");
  if (only !== undefined) return play(Number(only));
  for (let seed = 1; seed <= PROGRAMS; seed++) {
    try {
      play(seed);
    } catch (error) {
      throw new Error(`SEED=${seed} shows it`, { cause: error });
    }
  }
  const seen = ["swallowed", "scope", "cancelScope", "protect", "withTimeout", "clean-ups"];
  for (const what of [...seen, "aborts caught", "returned", "aborted", "failed"]) {
    assert((tally[what] ?? 0) > 100, `${what}: only ${tally[what]} times`);
  }
});
