/** The cheapest way to a macrotask of one's own. */

import { clock } from "./timers.ts";

type Hop = (f: () => void) => void;

/**
 * Where the host keeps its `setImmediate`, if it has one. Deno makes it when it is first read, which
 * takes longer than to load all of Weft, so that is left to the first hop; and not read by its name
 * then, for by that time a test may have put a clock of its own there.
 */
const immediate = Object.getOwnPropertyDescriptor(globalThis, "setImmediate");
let chosen: Hop | undefined;

/** Calls `f` in a macrotask of its own: `setImmediate` where there is one, else a message. */
export function hop(f: () => void): void {
  chosen ??= choose();
  chosen(f);
}

/**
 * Deno looks at its sockets and files when it has nothing else to do, and else in every 61st turn:
 * for who always has something to do that is a few times a second. Empty turns take 50 µs in all; if
 * they take longer, others are busy, too, and have their part of the delay.
 */
const TURNS = "Deno" in globalThis ? 61 : 1;
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
