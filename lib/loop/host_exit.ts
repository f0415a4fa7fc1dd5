/**
 * Noticing that the JavaScript loop has run empty: nothing is left that could ever wake anybody.
 *
 * On Deno that is `beforeunload` (not fired under a pending top-level await, see FACTS), on Node
 * `beforeExit`. Elsewhere nobody tells, and a stuck program stays stuck.
 */
import { trap } from "../internal/report.ts";
import type { CancelHandle } from "../operation/event_base.ts";

interface NodeEvents {
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
}

/** Who wants to know, in the order in which they came. */
const listeners: Set<() => boolean> = new Set();
let platformListener: CancelHandle | undefined;

/**
 * Calls `f` when the loop has run empty; the loop goes on if `f` returns true. One is asked after
 * the other, until one goes on: what that one does may be what the others wait for.
 */
export function onLoopEmpty(f: () => boolean): CancelHandle {
  listeners.add(f);
  platformListener ??= listenToPlatform(askListeners);
  return {
    cancel() {
      listeners.delete(f);
      if (listeners.size > 0) return;
      platformListener?.cancel();
      platformListener = undefined;
    },
  };
}

function askListeners(): boolean {
  for (const listener of listeners) {
    if (listener()) return true;
  }
  return false;
}

function listenToPlatform(f: () => boolean): CancelHandle {
  if (typeof globalThis.addEventListener === "function" && !("document" in globalThis)) {
    const listener = (event: globalThis.Event) => {
      if (f()) event.preventDefault();
    };
    globalThis.addEventListener("beforeunload", listener);
    return { cancel: () => globalThis.removeEventListener("beforeunload", listener) };
  }
  const { process } = globalThis as { process?: Partial<NodeEvents> };
  if (typeof process?.on === "function") {
    const listener = () => void f(); // Node goes on by itself if there is something to do
    process.on("beforeExit", listener);
    return { cancel: () => process.off?.("beforeExit", listener) };
  }
  return { cancel() {} };
}

/** The signals that ask a program to end, and the exit codes that say so. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/** A signal that asks the program to end. */
export type EndSignal = keyof typeof EXIT_CODES;

/** Who waits for one, in the order in which they came. One listener of the platform's serves all. */
const endListeners: Set<(signal: EndSignal) => void> = new Set();

const onEnd = (Object.keys(EXIT_CODES) as EndSignal[]).map((signal) => ({
  signal,
  listener: () => endWith(signal),
}));

/**
 * Calls `f` at the first SIGINT or SIGTERM, and sets the exit code that belongs to it. A second
 * signal does what it does by default: it ends the process.
 *
 * @throws {Error} where the platform has no signals
 */
export function onEndSignal(f: (signal: EndSignal) => void): CancelHandle {
  const { process } = globalThis as { process?: Partial<NodeEvents> };
  if (typeof process?.on !== "function") {
    throw new Error("Cannot handle signals: this platform has none");
  }
  if (endListeners.size === 0) {
    for (const { signal, listener } of onEnd) process.on(signal, listener);
  }
  const listener = (signal: EndSignal) => f(signal);
  endListeners.add(listener);
  return {
    cancel() {
      if (endListeners.delete(listener) && endListeners.size === 0) stopListening();
    },
  };
}

function stopListening(): void {
  const { process } = globalThis as { process?: Partial<NodeEvents> };
  for (const { signal, listener } of onEnd) process?.off?.(signal, listener);
}

function endWith(signal: EndSignal): void {
  const told = [...endListeners];
  endListeners.clear();
  stopListening(); // first: a second signal ends the process, whatever they do
  (globalThis as { process?: { exitCode?: number } }).process!.exitCode = EXIT_CODES[signal];
  for (const listener of told) trap(() => listener(signal));
}
