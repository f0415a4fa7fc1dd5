import { setRef } from "../../loop/doorbell.ts";
import type { CancelHandle } from "../../operation/types.ts";

/** The longest delay that `setTimeout` takes. */
const LONGEST_MS = 2 ** 31 - 1;

/** Calls `f` once after `ms`, if the program is still there: it doesn't keep it alive. */
export function backgroundTimer(ms: number, f: () => void): CancelHandle {
  const id: unknown = setTimeout(f, Math.min(ms, LONGEST_MS));
  setRef(id, false);
  return { cancel: () => clearTimeout(id as number) };
}
