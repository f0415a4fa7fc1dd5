/**
 * The same models as in `explored_test.ts`, where those who wait are tasks of another scheduler: in
 * every order, and cancelled at every point between two of their steps, in each way in which such
 * schedulers cancel. It resumes a task later, or within the very call that wakes it.
 */
import type { Operation } from "@weft/weft";
import { everyPath } from "../kit/explore.ts";
import {
  CANCEL_STYLES,
  type CancelStyle,
  ToyScheduler,
  type ToyTask,
} from "../world5/toy_scheduler.ts";
import {
  type Body,
  holding,
  MutexLock,
  oneOf,
  Player,
  ReadWriteLock,
  SemaphoreLock,
  type Thing,
  WaitingRoom,
} from "./explored.ts";
import { READ, same, WRITE } from "./model.ts";

type Program = { things: readonly Thing[]; bodies: readonly Body[] };

interface Options {
  readonly style: CancelStyle;
  readonly resumesAtOnce: boolean;
  readonly cancels: number;
}

/** One run of a program. */
class TaskSchedule {
  readonly #toy: ToyScheduler;
  readonly #things: readonly Thing[];
  readonly #players: Player[] = [];
  readonly #tasks: ToyTask<unknown>[] = [];
  readonly #cancelled = new Set<number>();
  readonly #world = { isOver: false };

  constructor({ things, bodies }: Program, readonly options: Options) {
    const { resumesAtOnce } = options;
    this.#toy = new ToyScheduler({ resumesAtOnce });
    this.#things = things;
    for (const [n, body] of bodies.entries()) {
      const self = { name: "abc"[n]!, point() {} };
      const player = new Player(self, this.#world, {
        share: Infinity,
        isTask: true,
        resumesAtOnce,
      });
      this.#players.push(player);
      this.#tasks.push(
        this.#toy.spawn(() => body(player) as Operation<unknown> & Iterable<unknown>),
      );
    }
  }

  run(choose: Parameters<Parameters<typeof everyPath>[0]>[0]): void {
    for (let live = this.#live(); live.length > 0; live = this.#live()) {
      this.#look(live);
      const ready = live.filter((n) => this.#tasks[n]!.state === "ready");
      const others = this.#cancelled.size < this.options.cancels
        ? live.filter((n) => !this.#cancelled.has(n))
        : [];
      const first = Math.max(1, ready.length);
      const choice = choose.choose(first + others.length, (choice) => {
        if (choice >= first) return `${this.#players[others[choice - first]!]!.name} is cancelled`;
        return this.#players[ready[choice] ?? -1]?.name ?? "stuck";
      });
      if (choice >= first) this.#cancel(others[choice - first]!);
      else if (ready[choice] !== undefined) this.#step(ready[choice]);
      else this.#clearAway(live);
    }
    for (const thing of this.#things) thing.isIdle();
  }

  #live(): number[] {
    for (const { state, error } of this.#tasks) if (state === "failed") throw error;
    return [...this.#tasks.keys()].filter((n) =>
      ["ready", "suspended"].includes(this.#tasks[n]!.state)
    );
  }

  #look(live: readonly number[]): void {
    for (const n of live) {
      const { name, isWaiting } = this.#players[n]!;
      same(this.#tasks[n]!.state === "suspended", isWaiting, `whether ${name} waits`);
    }
    for (const thing of this.#things) thing.compare();
  }

  #step(n: number): void {
    this.#players[n]!.willStep();
    const { ready } = this.#toy;
    ready.unshift(...ready.splice(ready.indexOf(this.#tasks[n]!), 1));
    this.#toy.run(1);
  }

  #cancel(n: number): void {
    const { style } = this.options;
    this.#cancelled.add(n);
    this.#players[n]!.willCancel({ keeps: style === "throw", throws: style.endsWith("throw") });
    this.#toy.cancel(this.#tasks[n]!, style);
    if (style === "drop") this.#finalize(n);
  }

  /** What a library that never touches a generator again has its users register beside it. */
  #finalize(n: number): void {
    this.#toy.during(() => this.#players[n]!.release());
  }

  /** They wait for ever, as the model says. */
  #clearAway(live: readonly number[]): void {
    this.#world.isOver = true;
    for (const n of live) {
      this.#toy.cancel(this.#tasks[n]!, "drop");
      this.#finalize(n);
    }
  }
}

const programs: Record<string, () => Program> = {
  "a Mutex": () => {
    const lock = new MutexLock();
    return { things: [lock], bodies: [holding(lock, 1), holding(lock, 1), holding(lock, 1)] };
  },
  "a Semaphore": () => {
    const lock = new SemaphoreLock(2);
    return { things: [lock], bodies: [holding(lock, 1), holding(lock, 2), holding(lock, 1)] };
  },
  "a RwLock": () => {
    const lock = new ReadWriteLock();
    const bodies = [holding(lock, READ), holding(lock, WRITE), holding(lock, READ)];
    return { things: [lock], bodies };
  },
  "a select of locks": () => {
    const [a, b] = [new SemaphoreLock(2), new MutexLock()];
    return { things: [a, b], bodies: [oneOf([a, 2], [b, 1]), holding(a, 1), holding(b, 1)] };
  },
  "a select of a large request": () => {
    const [a, b] = [new SemaphoreLock(2), new MutexLock()];
    return { things: [a, b], bodies: [oneOf([a, 2], [b, 1]), holding(a, 1), holding(a, 1)] };
  },
  "a Condition, of which one notifies one": () => {
    const room = new WaitingRoom();
    const bodies = [room.waits, room.waits, room.locksAndNotifies("notifyOne")];
    return { things: [room, room.lock], bodies };
  },
  "a Condition, of which one notifies all": () => {
    const room = new WaitingRoom();
    const bodies = [room.waits, room.waits, room.locksAndNotifies("notifyAll")];
    return { things: [room, room.lock], bodies };
  },
};

for (const resumesAtOnce of [false, true]) {
  for (const [name, make] of Object.entries(programs)) {
    const how = resumesAtOnce ? "that resumes them within release" : "that resumes them later";
    Deno.test(`law 4, law 7 in world 5: every order of tasks of a scheduler ${how}, at ${name}, cancelled anywhere`, () => {
      for (const style of CANCEL_STYLES) {
        const options = { style, resumesAtOnce, cancels: 2 };
        try {
          everyPath((choices) => new TaskSchedule(make(), options).run(choices));
        } catch (error) {
          throw new Error(`cancelled by ${style}`, { cause: error });
        }
      }
    });
  }
}
