import { assert, assertEquals, assertInstanceOf, assertMatch, assertNotEquals } from "@std/assert";
import { Channel, Deadlock, Event, sleep, spawn, yieldNow } from "@weft/weft";
import { runLifo } from "../../examples/schedulers/lifo.ts";
import { runRandom } from "../../examples/schedulers/random.ts";
import { runScript } from "../kit/scripts.ts";
import { errorOf, valueOf } from "../kit/results.ts";

/** Ten fibers that each note their name three times: the order in which they ran. */
function* relay(order: string[]) {
  for (const name of "abcdefghij") {
    spawn(function* () {
      for (let turn = 0; turn < 3; turn++) {
        order.push(name);
        yield* yieldNow();
      }
    });
  }
}

const runs = {
  runLifo,
  runRandom: <T>(body: () => Generator<never, T, unknown>) => runRandom(body, { seed: 7 }),
};

for (const [name, run] of Object.entries(runs)) {
  Deno.test(`${name}() runs a program of fibers, channels and timers to its end`, () => {
    const numbers = new Channel<number>({ capacity: 0 });
    const result = run(function* () {
      spawn(function* () {
        for (const n of [1, 2, 3]) {
          yield* sleep(0.1);
          yield* numbers.send(n);
        }
        numbers.close();
      });
      let sum = 0;
      for (let n = yield* numbers.receive(); n; n = yield* numbers.receive()) sum += n.value;
      return sum;
    });
    assertEquals(result, { ok: true, value: 6 });
  });

  Deno.test(`${name}() returns the failure of its body`, () => {
    const error = new Error("body");
    assertEquals(
      errorOf(run(function* () {
        throw error;
      })),
      error,
    );
  });

  Deno.test(`law 11: ${name}() ends a program that is stuck with a Deadlock`, () => {
    const error = errorOf(run(function* () {
      yield* Event.never();
    }));
    assertInstanceOf(error, Deadlock);
  });

  Deno.test(`${name}(): a fiber that keeps yielding doesn't starve the others, nor the timers`, () => {
    let over = false;
    const result = run(function* () {
      spawn(function* () {
        yield* yieldNow();
        yield* sleep(0);
        yield* sleep(0.1);
        over = true;
      });
      while (!over) yield* yieldNow();
    });
    valueOf(result);
    assert(over);
  });
}

Deno.test("runLifo() runs the newest fiber first, and everybody once a round", () => {
  const order: string[] = [];
  valueOf(runLifo(() => relay(order)));
  const rounds = order.join("").match(/.{10}/g);
  assertEquals(rounds, ["jihgfedcba", "abcdefghij", "jihgfedcba"]);
});

Deno.test("runRandom() takes the same order for the same seed, and others for others", () => {
  const orderOf = (seed: number) => {
    const order: string[] = [];
    valueOf(runRandom(() => relay(order), { seed }));
    return order.join("");
  };
  assertEquals(orderOf(1), orderOf(1));
  assertNotEquals(orderOf(1), orderOf(2));
  const first = new Set(Array.from({ length: 50 }, (_, seed) => orderOf(seed)[0]));
  assert(first.size > 5, `only ${[...first]} came first in 50 seeds`);
});

function runExample(name: string) {
  return runScript(new URL(`../../examples/schedulers/${name}.ts`, import.meta.url));
}

Deno.test("examples/schedulers/lifo shows the order in which it runs fibers", async () => {
  const { code, stdout, stderr } = await runExample("lifo");
  assertEquals([code, stderr], [0, ""]);
  assertEquals(
    stdout,
    "spawned a to e, they ran: e1 d1 c1 b1 a1 a2 b2 c2 d2 e2 e3 d3 c3 b3 a3\n",
  );
});

Deno.test("examples/schedulers/random shows a bug that only some seeds find, and the same ones each time", async () => {
  const { code, stdout, stderr } = await runExample("random");
  assertEquals([code, stderr], [0, ""]);
  assertMatch(stdout, /^run says hello\n(seed \d says (hello|nothing)\n){6}$/);
  assertMatch(stdout, /seed \d says hello/);
  assertMatch(stdout, /seed \d says nothing/);
  assertEquals((await runExample("random")).stdout, stdout);
});
