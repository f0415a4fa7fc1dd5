import type { CancelHandle } from "../operation/event_base.ts";

/** The longest delay that `setTimeout` takes. */
const LONGEST_MS = 2 ** 31 - 1;

const { Deno: platform } = globalThis as { Deno?: { unrefTimer?(id: unknown): void } };

/** Calls `f` once after `ms`, if the program is still there: it doesn't keep it alive. */
export function backgroundTimer(ms: number, f: () => void): CancelHandle {
  const id: unknown = setTimeout(f, Math.min(ms, LONGEST_MS));
  if (platform?.unrefTimer !== undefined) platform.unrefTimer(id);
  else (id as { unref?(): void }).unref?.();
  return { cancel: () => clearTimeout(id as number) };
}
