/**
 * One listener per `AbortSignal`, with waiters that can leave.
 *
 * The host looks through all the listeners of a signal whenever one is added or removed, so n waits
 * on one signal would cost n². Hence all who wait for a signal share one listener.
 */
import { listenTo, SharedListener } from "./shared_listener.ts";

const hubs: WeakMap<AbortSignal, SharedListener<unknown>> = new WeakMap();

/**
 * Calls `told` with the reason, once, when `signal` is aborted, unless the handle is cancelled
 * before. The signal must not be aborted yet. Callbacks run in the order in which they were added.
 * O(1), however many wait.
 */
export function onAbort(
  signal: AbortSignal,
  told: (reason: unknown) => void,
): { cancel(): void } {
  const hub = hubs.get(signal) ??
    new SharedListener(() => listenTo(signal, "abort", () => hub.tell(signal.reason)));
  hubs.set(signal, hub);
  return hub.add(told);
}
