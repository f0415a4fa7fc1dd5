/**
 * Every schedule of a small program, one after the other.
 *
 * A program is run again and again, from its beginning. Where more than one thing could come next it
 * asks, and each run is given other answers, depth first, until all of them were given. What it
 * could be asked: which of the ready fibers goes on, and whether one is aborted first. So a program
 * of two or three fibers of a few operations has thousands of schedules, and they are all there are.
 *
 * A schedule that fails is run once more, to tell it by the names of its choices.
 */
import { FiberAborted, type Operation, spawn } from "@weft/weft";
import { AnyFiber, type SchedulerPolicy, step } from "@weft/weft/lowlevel";
import { virtualLoop } from "./virtual_loop.ts";

/** The answers of one run. */
export interface Choices {
  /** One of the numbers below `count`. `nameOf` tells what each of them means, if it is asked. */
  choose(count: number, nameOf: (choice: number) => string): number;
}

class Path implements Choices {
  readonly #choices: number[] = [];
  readonly #counts: number[] = [];
  #depth = 0;
  /** The names of what was chosen, while somebody wants to know them. */
  names: string[] | undefined;

  choose(count: number, nameOf: (choice: number) => string): number {
    const depth = this.#depth++;
    if (depth === this.#choices.length) {
      this.#choices.push(0);
      this.#counts.push(count);
    }
    if (this.#counts[depth] !== count) throw new Error("the program isn't the same in each run");
    const choice = this.#choices[depth]!;
    this.names?.push(nameOf(choice));
    return choice;
  }

  restart(): void {
    this.#depth = 0;
  }

  /** Goes on to the next path; false if that was the last. */
  advance(): boolean {
    this.restart();
    for (let last = this.#choices.length - 1; last >= 0; last--) {
      if (++this.#choices[last]! < this.#counts[last]!) return true;
      this.#choices.pop();
      this.#counts.pop();
    }
    return false;
  }
}

/** Calls `run` with all choices that there are; returns how often. */
export function everyPath(run: (choices: Choices) => void): number {
  const path = new Path();
  let paths = 0;
  do {
    paths++;
    try {
      run(path);
    } catch (error) {
      const names = path.names = [];
      path.restart();
      try {
        run(path);
      } catch {
        // as it should: it is the same one
      }
      throw new Error(`schedule ${paths} went wrong: ${names.join(", ")}`, { cause: error });
    }
  } while (path.advance());
  return paths;
}

/** What a fiber of a program is given. */
export interface Self {
  readonly name: string;
  /** A point between two operations: somebody may be aborted here, also the fiber itself. */
  point(): void;
}

/** One run of a program, and who looks on. What it throws fails the schedule. */
export interface Program {
  /** The fibers, by name, in the order in which they are spawned. */
  readonly fibers: Readonly<Record<string, (self: Self) => Operation<unknown>>>;
  /** The fiber is going to be stepped. */
  willStep(name: string): void;
  /** The fiber is going to be aborted. */
  willAbort(name: string): void;
  /** Nobody runs. `isReady` tells who could go on, of those who have not ended. */
  look(live: readonly string[], isReady: (name: string) => boolean): void;
  /** Nobody can go on any more, though some have not ended. They are ended by a `Deadlock`. */
  stuck(names: readonly string[]): void;
  /** All have ended. */
  ended(): void;
}

/** One fiber of one run. */
interface Member extends Self {
  fiber: AnyFiber;
  isReady: boolean;
  wasAborted: boolean;
  hasEnded: boolean;
}

/**
 * Runs the program that `make` makes under every schedule, with at most so many aborts in each, at
 * every point; returns how many schedules there were.
 */
export function everySchedule(make: () => Program, { aborts }: { aborts: number }): number {
  return everyPath((choices) => new Schedule(make(), choices, aborts).run());
}

class Schedule {
  readonly #members: Member[] = [];
  #isRootReady = false;
  /** What a fiber failed with, other than an abort. */
  #failure: { error: unknown } | undefined;
  #isStuck = false;

  constructor(
    readonly program: Program,
    readonly choices: Choices,
    public abortsLeft: number,
  ) {}

  run(): void {
    const { program } = this;
    const policy: SchedulerPolicy = {
      spawn: () => {}, // who is new is ready
      ready: (fiber) => {
        const member = this.#members.find((member) => member.fiber === fiber);
        if (member === undefined) this.#isRootReady = true;
        else member.isReady = true;
      },
      loop: virtualLoop(),
    };
    const root = AnyFiber.main(policy, () => this.#spawnAll());
    root.onResult(() => {}); // that it ends with a `Deadlock` is nothing to report
    this.#stepRoot(root);
    for (let live = this.#live(); live.length > 0; live = this.#live()) {
      if (!this.#isStuck) {
        program.look(
          live.map(nameOf),
          (name) => this.#members.some((m) => m.name === name && m.isReady),
        );
      }
      this.#goOn(live, root);
      if (this.#failure !== undefined) throw this.#failure.error;
    }
    if (this.#isRootReady) this.#stepRoot(root);
    program.ended();
  }

  *#spawnAll(): Generator<never, void, unknown> {
    for (const [name, body] of Object.entries(this.program.fibers)) {
      const member: Member = {
        name,
        point: () => this.#point(member),
        fiber: undefined as never, // it is spawned in the next line
        isReady: true,
        wasAborted: false,
        hasEnded: false,
      };
      member.fiber = spawn(() => body(member), { name, propagateCancelToParent: false });
      member.fiber.onResult((result) => {
        member.hasEnded = true;
        if (result.ok || this.#isStuck) return;
        const wasAborted = result.error instanceof FiberAborted && member.wasAborted;
        if (!wasAborted) this.#failure = result;
      });
      this.#members.push(member);
    }
  }

  #stepRoot(root: AnyFiber): void {
    this.#isRootReady = false;
    step(root);
  }

  #live(): Member[] {
    return this.#members.filter((member) => !member.hasEnded);
  }

  /** One thing happens: a step, an abort, or the end of those who are stuck. */
  #goOn(live: readonly Member[], root: AnyFiber): void {
    const ready = live.filter((member) => member.isReady);
    if (this.#isStuck) {
      if (ready.length === 0) AnyFiber.breakDeadlock(root);
      else this.#step(ready[0]!);
      return;
    }
    const others = this.#abortable(live);
    // With nobody ready, what could be done first is to give up.
    const first = Math.max(1, ready.length);
    const choice = this.#choose(first + others.length, (choice) => {
      if (choice >= first) return `${others[choice - first]!.name} is aborted`;
      return ready[choice]?.name ?? "stuck";
    });
    if (choice >= first) return this.#abort(others[choice - first]!);
    const next = ready[choice];
    if (next !== undefined) return this.#step(next);
    this.program.stuck(live.map(nameOf));
    this.#isStuck = true;
  }

  #point(self: Member): void {
    if (this.#isStuck) return;
    const others = this.#abortable(this.#live());
    const choice = this.#choose(
      1 + others.length,
      (choice) =>
        choice === 0 ? `${self.name} runs on` : `${others[choice - 1]!.name} is aborted meanwhile`,
    );
    if (choice > 0) this.#abort(others[choice - 1]!);
  }

  #choose(count: number, nameOf: (choice: number) => string): number {
    return count === 1 ? 0 : this.choices.choose(count, nameOf);
  }

  #abortable(live: readonly Member[]): Member[] {
    return this.abortsLeft === 0 ? [] : live.filter((member) => !member.wasAborted);
  }

  #step(member: Member): void {
    if (!this.#isStuck) this.program.willStep(member.name);
    member.isReady = false;
    step(member.fiber);
  }

  #abort(member: Member): void {
    this.abortsLeft--;
    member.wasAborted = true;
    this.program.willAbort(member.name);
    member.fiber.abort();
  }
}

function nameOf({ name }: Self): string {
  return name;
}
