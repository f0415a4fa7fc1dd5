/** Running a function in a macrotask of its own, as cheaply as the platform can. */
import { clock } from "./timers.ts";

type Hop = (f: () => void) => void;

/**
 * The host's `setImmediate`, if it has one. Deno makes it when it is first read, which takes longer
 * than loading all of Weft: so it isn't read before the first hop. By then a test may have replaced
 * it with a fake: so the property is remembered, and not looked up by name.
 */
const immediate = Object.getOwnPropertyDescriptor(globalThis, "setImmediate");
let chosen: Hop | undefined;

/** Calls `f` in a macrotask of its own: `setImmediate` where there is one, else a message. */
export function hop(f: () => void): void {
  chosen ??= choose();
  chosen(f);
}

/**
 * How many turns it takes until Deno has looked at its sockets and files. It looks when it has
 * nothing else to do, and otherwise in every 61st turn. For a program that is always busy that is a
 * few times a second. 61 empty turns take 50 µs in all. If they take longer, there is other work in
 * them, too.
 */
const TURNS = "Deno" in globalThis ? 61 : 1;
/** How long those turns may take. */
const LONGEST_MS = 1;

/** Calls `f` in a macrotask of its own, before which the host has looked at its sockets. */
export function hopFar(f: () => void, turns = TURNS, end = clock() + LONGEST_MS): void {
  hop(() => turns > 1 && clock() < end ? hopFar(f, turns - 1, end) : f());
}

function choose(): Hop {
  const setImmediate: Hop | undefined = immediate?.get?.call(globalThis) ?? immediate?.value;
  if (setImmediate !== undefined) return setImmediate;
  return (f) => {
    const { port1, port2 } = new MessageChannel();
    port2.onmessage = () => {
      port1.close(); // an open port would keep the program alive
      f();
    };
    port1.postMessage(undefined);
  };
}
