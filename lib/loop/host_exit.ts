/**
 * Noticing that the JavaScript loop has run empty: nothing is left that could ever wake anybody.
 *
 * Deno then fires `beforeunload`, but not under a pending top-level await: there it ends the
 * process by itself. Node emits `beforeExit`. Other platforms don't tell, and a stuck program stays
 * stuck.
 *
 * Also the signals that ask a program to end.
 */
import { listenTo, SharedListener } from "../internal/shared_listener.ts";
import type { CancelHandle } from "../operation/types.ts";

interface NodeEvents {
  on(event: string, listener: () => void): void;
  off(event: string, listener: () => void): void;
}

const emptyLoop = new SharedListener<void>(() => {
  if (typeof globalThis.addEventListener === "function" && !("document" in globalThis)) {
    return listenTo(globalThis, "beforeunload", (event) => {
      if (emptyLoop.ask()) event.preventDefault();
    });
  }
  // Node goes on by itself if there is something to do.
  return onProcess("beforeExit", () => void emptyLoop.ask()) ?? (() => {});
});

/**
 * Calls `f` when the loop has run empty; the loop goes on if `f` returns true. They are asked one
 * after the other, until one says true: what it does now may be what the others wait for.
 */
export function onLoopEmpty(f: () => boolean): CancelHandle {
  return emptyLoop.add(f);
}

/** The signals that ask a program to end, and the exit codes that say so. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

export type EndSignal = keyof typeof EXIT_CODES;

const endSignals = new SharedListener<EndSignal>(() => {
  const stops = (Object.keys(EXIT_CODES) as EndSignal[]).map((signal) => {
    const stop = onProcess(signal, () => endWith(signal));
    if (stop === undefined) throw new Error("Cannot handle signals: this platform has none");
    return stop;
  });
  return () => stops.forEach((stop) => stop());
});

/**
 * Calls `f` at the first SIGINT or SIGTERM, and sets the exit code that belongs to it. A second
 * signal does what it does by default: it ends the process.
 *
 * @throws {Error} where the platform has no signals
 */
export function onEndSignal(f: (signal: EndSignal) => void): CancelHandle {
  return endSignals.add(f);
}

/** From now on nobody listens: a second signal ends the process, whatever they do. */
function endWith(signal: EndSignal): void {
  (globalThis as { process?: { exitCode?: number } }).process!.exitCode = EXIT_CODES[signal];
  endSignals.tell(signal);
}

function onProcess(event: string, listener: () => void): (() => void) | undefined {
  const { process } = globalThis as { process?: Partial<NodeEvents> };
  if (typeof process?.on !== "function") return undefined;
  process.on(event, listener);
  return () => process.off?.(event, listener);
}
