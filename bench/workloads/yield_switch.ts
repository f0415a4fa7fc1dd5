/** Ten tasks that take turns: what one switch from a task to the next costs. */
import { main, scope, yieldNow } from "../../mod.ts";
import { expectTotal, type Workload } from "../workload.ts";

const tasks = 10;
let turns = 0;

export const yieldSwitch: Workload = {
  name: "yield",
  unit: "switch",
  run: {
    weft: (n) => measured(n, (turnsEach) => main(() => weft(turnsEach))),
    promises: (n) => measured(n, promises),
    generators: (n) => measured(n, generators),
  },
};

async function measured(n: number, run: (turnsEach: number) => unknown): Promise<void> {
  const turnsEach = Math.ceil(n / tasks);
  turns = 0;
  await run(turnsEach);
  expectTotal(turns, turnsEach * tasks);
}

function* weft(turnsEach: number) {
  yield* scope(function* (scope) {
    for (let i = 0; i < tasks; i++) scope.spawn(() => fiber(turnsEach));
  });
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

/** The floor: nothing but the switch that the engine does. */
function generators(turnsEach: number): void {
  const running = Array.from({ length: tasks }, () => generator(turnsEach));
  for (let i = 0; i < turnsEach; i++) {
    for (const one of running) one.next();
  }
}

function* generator(turnsEach: number) {
  for (let i = 0; i < turnsEach; i++) {
    turns++;
    yield;
  }
}
