/** Ten tasks that take turns: what one switch from a task to the next costs. */
import { main, spawn, yieldNow } from "../../mod.ts";
import { mixed } from "../mix.ts";
import { expectTotal, libraries, type Workload } from "../workload.ts";

const tasks = 10;
let turns = 0;

/** Without Effection, which has no way to yield: `sleep(0)` is a timer of the host. */
export const yieldSwitch: Workload = mixed({
  name: "yield",
  unit: "switch",
  iteration: 1000,
  targets: {
    go: 0.95,
    effect: libraries.effect,
    promises: null,
    generators: null,
    operations: null,
  },
  run: {
    weft: (n) => takeTurns(n, (turnsEach) => main(() => weft(turnsEach))),
    promises: (n) => takeTurns(n, promises),
    generators: (n) => takeTurns(n, (turnsEach) => inTurns(() => generator(turnsEach))),
    operations: (n) => takeTurns(n, (turnsEach) => inTurns(() => delegator(turnsEach))),
  },
});

async function takeTurns(n: number, run: (turnsEach: number) => unknown): Promise<void> {
  const turnsEach = Math.ceil(n / tasks);
  turns = 0;
  await run(turnsEach);
  expectTotal(turns, turnsEach * tasks);
}

function* weft(turnsEach: number) {
  for (let i = 0; i < tasks; i++) spawn(() => fiber(turnsEach));
}

function* fiber(turnsEach: number) {
  for (let i = 0; i < turnsEach; i++) {
    turns++;
    yield* yieldNow();
  }
}

async function promises(turnsEach: number): Promise<void> {
  await Promise.all(Array.from({ length: tasks }, () => asyncTask(turnsEach)));
}

async function asyncTask(turnsEach: number): Promise<void> {
  for (let i = 0; i < turnsEach; i++) {
    turns++;
    await null;
  }
}

/** The floor: the switch that the engine does, and a look at whether it was the last one. */
function inTurns(start: () => Iterator<unknown>): void {
  const running = Array.from({ length: tasks }, start);
  for (let ended = 0; ended < tasks;) {
    for (const one of running) if (one.next().done) ended++;
  }
}

function* generator(turnsEach: number) {
  for (let i = 0; i < turnsEach; i++) {
    turns++;
    yield;
  }
}

/** The floor of whatever says `yield*`: an object for each wait, which suspends once, and no more. */
function* delegator(turnsEach: number) {
  for (let i = 0; i < turnsEach; i++) {
    turns++;
    yield* new Wait();
  }
}

/** Its own iterator, and its own result. */
class Wait {
  done = true;
  value = undefined;

  [Symbol.iterator](): Iterator<void, void> {
    return this as Iterator<void, void>;
  }

  next(): IteratorResult<void, void> {
    this.done = !this.done;
    return this as IteratorResult<void, void>;
  }
}
