import { assertEquals } from "@std/assert";
import { onAbort } from "../../lib/internal/signal_hub.ts";
import { countedSignal } from "../kit/counted_signal.ts";
import { uncaughtDuring } from "../kit/uncaught.ts";

Deno.test("law 7, law 9: onAbort() listens once for all, and tells them in the order in which they came", () => {
  const counted = countedSignal();
  const told: string[] = [];
  for (const name of ["a", "b", "c"]) {
    onAbort(counted.signal, (reason) => void told.push(`${name}: ${reason}`));
  }
  assertEquals([counted.added, counted.listeners], [1, 1]);
  counted.controller.abort("why");
  assertEquals(told, ["a: why", "b: why", "c: why"]);
  assertEquals([counted.added, counted.listeners], [1, 0]);
});

Deno.test("T26: onAbort(): the listener goes with the last of them, and comes back with the next", () => {
  const counted = countedSignal();
  const told: string[] = [];
  const [a, b] = ["a", "b"].map((name) => onAbort(counted.signal, () => void told.push(name)));
  a!.cancel();
  a!.cancel(); // one-shot
  assertEquals(counted.listeners, 1);
  b!.cancel();
  assertEquals(counted.listeners, 0);
  onAbort(counted.signal, () => void told.push("c"));
  b!.cancel(); // it is of a hub that has gone
  assertEquals([counted.added, counted.listeners], [2, 1]);
  counted.controller.abort();
  assertEquals(told, ["c"]);
});

Deno.test("onAbort(): who leaves while the others are told isn't told", () => {
  const counted = countedSignal();
  const told: string[] = [];
  onAbort(counted.signal, () => {
    told.push("a");
    b.cancel();
  });
  const b = onAbort(counted.signal, () => void told.push("b"));
  counted.controller.abort();
  assertEquals([told, counted.listeners], [["a"], 0]);
});

Deno.test("onAbort(): an event of the user's is as good, and who comes meanwhile waits for the next", () => {
  const counted = countedSignal();
  const told: string[] = [];
  onAbort(counted.signal, () => {
    told.push("a");
    onAbort(counted.signal, () => void told.push("c"));
    b.cancel();
  });
  const b = onAbort(counted.signal, () => void told.push("b"));
  counted.signal.dispatchEvent(new Event("abort"));
  assertEquals([told, counted.listeners], [["a"], 1]);
  counted.controller.abort();
  assertEquals([told, counted.listeners], [["a", "c"], 0]);
});

Deno.test("law 13: onAbort(): what one of them throws is reported, and the others are told", () => {
  const { controller, signal } = countedSignal();
  const boom = new Error("told");
  const told: string[] = [];
  onAbort(signal, () => {
    throw boom;
  });
  onAbort(signal, () => void told.push("b"));
  assertEquals(uncaughtDuring(() => controller.abort()), [boom]);
  assertEquals(told, ["b"]);
});
