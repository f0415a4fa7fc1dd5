import { assert, assertEquals } from "@std/assert";
import { afterEvent, main, select } from "@weft/weft";
import { blockingLoop } from "@weft/weft/loop";
import { SharedChannel } from "@weft/weft/thread";
import { BlockingLoop } from "../../lib/loop/blocking_loop.ts";
import { doorbell, ring } from "../../lib/loop/doorbell.ts";
import { withFakeTime } from "../kit/fake_time.ts";
import { runScript } from "../kit/scripts.ts";
import { hostTurn, uncaughtDuring } from "../kit/uncaught.ts";

/** Calls `f` with a list of what a listener is told meanwhile. */
function listening(f: (told: string[]) => void): void {
  const told: string[] = [];
  const listener = () => void told.push("told");
  doorbell.listen(listener);
  try {
    f(told);
  } finally {
    doorbell.unlisten(listener);
  }
}

/** A word of a table, to which this thread listens from now on. */
function move(): Int32Array {
  const words = new Int32Array(new SharedArrayBuffer(16));
  doorbell.moveTo(words, 3);
  return words;
}

// Ringing and answering --------------------------------------------------------------------------

Deno.test("doorbell.answer() tells the listeners, once, however often it was rung", () => {
  listening((told) => {
    doorbell.answer();
    told.length = 0;
    assertEquals([doorbell.answer(), told], [false, []]);
    for (let n = 0; n < 3; n++) doorbell.ring();
    assertEquals([doorbell.answer(), told], [true, ["told"]]);
    assertEquals([doorbell.answer(), told], [false, ["told"]]);
  });
});

Deno.test("doorbell.look() tells the listeners though nobody has rung", () => {
  listening((told) => {
    doorbell.look();
    assertEquals(told, ["told"]);
  });
});

Deno.test("doorbell.unlisten(): in the middle of an answer, too, and a listener may come then", () => {
  const told: string[] = [];
  const late = () => {
    told.push("late");
    doorbell.unlisten(late);
  };
  const second = () => void told.push("second");
  const first = () => {
    told.push("first");
    doorbell.unlisten(first);
    doorbell.unlisten(second);
    doorbell.listen(late);
  };
  doorbell.listen(first);
  doorbell.listen(second);
  doorbell.look();
  doorbell.look();
  assertEquals(told, ["first", "late"]);
});

Deno.test("law 13: a listener that throws is reported, and the others are told", () => {
  const error = new Error("listener");
  const bad = () => {
    throw error;
  };
  doorbell.listen(bad);
  try {
    listening((told) => {
      assertEquals(uncaughtDuring(() => doorbell.look()), [error]);
      assertEquals(told, ["told"]);
    });
  } finally {
    doorbell.unlisten(bad);
  }
});

Deno.test("ring() is heard at any count, also where that wraps around", () => {
  const words = move();
  Atomics.store(words, 3, -2);
  doorbell.answer();
  listening((told) => {
    for (let n = 1; n <= 4; n++) {
      ring(words, 3);
      assertEquals([doorbell.answer(), told.length], [true, n]);
    }
  });
});

Deno.test("doorbell.moveTo(): in several tables each word is heard", () => {
  const tables = [move(), move(), move()];
  listening((told) => {
    for (const words of tables) ring(words, 3);
    assertEquals([doorbell.answer(), told.length], [true, 1]);
    for (const words of tables) {
      ring(words, 3);
      assertEquals(doorbell.answer(), true);
    }
    ring(tables[0]!, 2); // somebody else's
    assertEquals([doorbell.answer(), told.length], [false, 4]);
  });
});

// Sleeping ---------------------------------------------------------------------------------------

Deno.test("doorbell.sleep() ends at a ring, in whichever table, and tells whether there was one", () => {
  const tables = [move(), move()];
  withFakeTime((time) => {
    doorbell.answer();
    assertEquals(doorbell.sleep(10), false);
    for (const words of tables) {
      ring(words, 3);
      assertEquals(doorbell.sleep(1e9), true, "it doesn't sleep at all");
    }
    time.onSleep = () => (ring(tables[1]!, 3), true);
    let sleeps = 1;
    while (!doorbell.sleep(1e9)) sleeps++;
    assertEquals(sleeps, 1);
    assert(time.sleeps.every((ms) => ms <= 1), "it visits each, and stays with none");
  });
});

Deno.test("EventLoop.oneStep() of a blocking loop that is held waits for a ring, and looks now and then", () => {
  withFakeTime((time) => {
    doorbell.answer();
    const loop = new BlockingLoop();
    assertEquals(loop.oneStep({ block: true }), false);
    loop.hold();
    loop.hold();
    listening((told) => {
      const end = time.now + 2500;
      while (time.now < end) assertEquals(loop.oneStep({ block: true }), true);
      assert(told.length > 0, "nobody has rung, and it looked");
      told.length = 0;
      doorbell.ring();
      assertEquals([loop.oneStep({ block: true }), told.length], [true, 1]);
    });
    loop.release();
    assertEquals(loop.oneStep({ block: false }), true);
    loop.release();
    assertEquals(loop.oneStep({ block: true }), false);
  });
});

Deno.test("law 10: a blocking loop fires its timers, however often it is rung", () => {
  withFakeTime((time) => {
    const loop = blockingLoop();
    let fired = false;
    loop.onTimer(5, { repeat: false }, () => fired = true);
    for (let n = 0; n < 10; n++) {
      doorbell.ring();
      time.now += 1;
      assertEquals(loop.oneStep({ block: true }), true);
    }
    assertEquals(fired, true);
  });
});

// The JavaScript loop ----------------------------------------------------------------------------

Deno.test("doorbell.hold(): the JavaScript loop answers a ring", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  doorbell.listen(resolve);
  doorbell.hold();
  doorbell.ring();
  await promise;
  doorbell.release();
  doorbell.unlisten(resolve);
});

Deno.test("doorbell.hold() and release(), over and over, leave no timer behind", async () => {
  for (let n = 0; n < 1000; n++) {
    doorbell.hold();
    doorbell.hold();
    doorbell.release();
    if (n % 100 === 0) await hostTurn();
    doorbell.release();
    if (n % 70 === 0) await hostTurn();
  }
});

Deno.test("T36: a ring that comes while nobody holds the doorbell is heard by who holds it next", async () => {
  for (let n = 0; n < 20; n++) {
    const { promise, resolve } = Promise.withResolvers<void>();
    doorbell.hold();
    if (n % 2 === 0) await hostTurn();
    doorbell.release();
    doorbell.ring();
    doorbell.listen(resolve);
    doorbell.hold();
    await promise;
    doorbell.release();
    doorbell.unlisten(resolve);
  }
});

Deno.test("T36: a wait of the host that moves to another table meanwhile hears a ring there", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  doorbell.hold();
  const words = move();
  doorbell.listen(resolve);
  ring(words, 3);
  await promise;
  doorbell.release();
  doorbell.unlisten(resolve);
});

Deno.test("law 6: a select that time ends holds the doorbell no longer", async () => {
  const channel = new SharedChannel<number>({ capacity: 1 });
  await main(function* () {
    for (let n = 0; n < 20; n++) {
      const { kind } = yield* select({ item: channel.receiveEvent(), time: afterEvent(1) });
      assertEquals(kind, "time");
    }
  });
  assertEquals(channel.statistics().receiversWaiting, 0);
});

// Programs ---------------------------------------------------------------------------------------

const script = (name: string) => new URL(`../thread/scripts/${name}.ts`, import.meta.url);

Deno.test("T34: a program doesn't end while a fiber waits for another thread", async () => {
  const { code, stdout, stderr } = await runScript(script("waits"));
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "an item\na release\n", stderr: "" });
});

Deno.test("T34: a program ends when nobody waits for another thread any more", async () => {
  const { code, stdout, stderr } = await runScript(script("waits_no_more"));
  assertEquals({ code, stdout, stderr }, { code: 0, stdout: "over\n", stderr: "" });
});
