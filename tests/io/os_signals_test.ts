import { assertEquals, assertThrows } from "@std/assert";
import { afterEvent, Event, main, select, spawn, yieldNow } from "@weft/weft";
import { signalEvent, withSignals } from "@weft/weft/io";
import { startScript } from "../kit/scripts.ts";
import { hostTurn } from "../kit/uncaught.ts";
import { errorOf } from "../kit/virtually.ts";

const ignore = Deno.build.os === "windows";
const script = (name: string) => new URL(`scripts/${name}.ts`, import.meta.url);

Deno.test({
  name: "signalEvent() keeps the process alive until the signal comes, and tells which",
  ignore,
  async fn() {
    await using program = startScript(script("signal_event"));
    await program.wrote("waiting");
    program.kill("SIGUSR2");
    const { code, stdout, stderr } = await program.ended;
    assertEquals([code, stdout, stderr], [0, "waiting\ngot SIGUSR2\n", ""]);
  },
});

Deno.test({
  name: "withSignals() misses no signal, and ends the process with its body",
  ignore,
  async fn() {
    await using program = startScript(script("with_signals"));
    await program.wrote("listening");
    for (const [n, signal] of (["SIGUSR1", "SIGUSR2", "SIGUSR1"] as const).entries()) {
      program.kill(signal);
      await program.wrote("got SIGUSR1\ngot SIGUSR2\ngot SIGUSR1".slice(0, 12 * n + 11));
    }
    const { code, stdout } = await program.ended;
    assertEquals(code, 0);
    assertEquals(stdout.trim().split("\n").at(-1), "SIGUSR1 SIGUSR2 SIGUSR1");
  },
});

Deno.test({
  name:
    "signalEvent() in this process: each wait that is there gets it; the losers leave no listener",
  ignore,
  async fn() {
    const seen = await main(function* () {
      const fibers = [spawn(() => signalEvent("SIGUSR1")), spawn(() => signalEvent("SIGUSR1"))];
      const late = yield* select({ signal: signalEvent("SIGUSR2"), late: afterEvent(1) });
      Deno.kill(Deno.pid, "SIGUSR1");
      return [late.kind, yield* fibers[0]!, yield* fibers[1]!];
    });
    assertEquals(seen, ["late", "SIGUSR1", "SIGUSR1"]);
  }, // and the resource sanitizer sees that no listener is left
});

Deno.test({
  name: "signalEvent() and withSignals() that are aborted leave no listener",
  ignore,
  async fn() {
    const program = main(function* () {
      spawn(() => signalEvent("SIGUSR1", "SIGUSR2"));
      yield* withSignals(["SIGUSR1"], () => Event.never());
    });
    await hostTurn();
    await program.abort();
  },
});

Deno.test({
  name: "law 11: run() says that signalEvent() can't happen while it blocks the thread",
  ignore,
  async fn() {
    await using program = startScript(script("blocked_signal"));
    const { code, stdout } = await program.ended; // it would hang, and not even hear a Ctrl-C
    assertEquals([code, stdout], [0, "Deadlock: run waits on SIGUSR1\n"]);
  },
});

Deno.test("signalEvent() and withSignals() say what is wrong with their arguments", async () => {
  const none = signalEvent as unknown as () => unknown;
  assertThrows(() => none(), TypeError, "signals must be an array of at least one");
  assertThrows(() => signalEvent(9 as never), TypeError, 'a string like "SIGINT", got 9');
  assertThrows(() => withSignals("SIGINT" as never, yieldNow), TypeError, "must be an array");
  assertThrows(() => withSignals(["SIGINT"], 1 as never), TypeError, "body must be a function");
  const error = await main(() => errorOf(signalEvent("SIGNONSENSE" as never)));
  assertEquals(error instanceof TypeError, true);
});
