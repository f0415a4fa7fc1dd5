/**
 * Values that nobody takes. Several fibers may return one in the same instant, or in spite of the
 * abort that was to end them. And a nursery may fail or be aborted when it has some values already.
 * What has to be closed would be lost, so such values are handed to `onLate`.
 */
import { checkOptions } from "../internal/check.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import { nothing, type Nursery, openNursery, runHook } from "./core/mod.ts";

/** What becomes of values that are not returned. */
export interface LateOptions<T> {
  /**
   * Is called for each value that is not returned, to close it: protected from aborts, one after
   * the other, in the order in which they came (`all` and `map`: of the bodies), and waited for. It
   * may suspend. What it throws is a failure, and it is still called for the others. Returning a
   * promise is a failure, too, as nobody would wait for it: use `fromPromise`.
   */
  onLate?: (value: T) => void | Operation<void>;
}

/** Checks such options, and returns their `onLate`. */
export function checkLate<T>(
  action: string,
  options: LateOptions<T> | undefined,
): LateOptions<T>["onLate"] {
  checkOptions(action, options, { onLate: "function" });
  return options?.onLate;
}

/**
 * Opens a nursery whose fibers fill `values`, some places of which may stay empty. If the nursery
 * returns, it has returned the first `wanted` of them. With `onLate` there is another nursery around
 * it. The release hook of that one runs when the inner one is over, however it ended, and so knows
 * which values were not returned.
 */
export function openHarvest<T, V>(
  nursery: Nursery<T>,
  values: readonly V[],
  wanted: number,
  onLate: ((value: V) => void | Operation<void>) | undefined,
): Awaitable<T> {
  if (onLate === undefined) return openNursery(nursery);
  let taken = 0;
  return openNursery({
    name: nursery.name,
    enter: (context) => context.onRelease(() => giveAll(values, taken, onLate)),
    *body() {
      const value = yield* openNursery(nursery);
      taken = wanted;
      return value;
    },
  });
}

/**
 * Gives away the values from the place `taken` on. Those before it were to be returned; if `onLate`
 * fails they won't be, and are given away, too.
 */
function giveAll<V>(
  values: readonly V[],
  taken: number,
  onLate: (value: V) => void | Operation<void>,
): Awaitable<void> {
  let failed = false;
  function* give(value: V): Generator<never, void, unknown> {
    let given = false;
    try {
      yield* runHook("onLate", () => onLate(value));
      given = true;
    } finally {
      failed ||= !given;
    }
  }
  const hooks = (some: readonly V[]) =>
    // `flatMap` passes over the places that were never filled.
    some.flatMap((value) => () => give(value)).reverse(); // hooks are run from the last to the first
  return openNursery({
    name: "scope of values that came late",
    shield: true, // a shielded one may be opened however deep it is nested
    enter({ extra }) {
      const giveTaken = () => {
        if (failed) extra.releases!.push(...hooks(values.slice(0, taken)));
      };
      extra.releases = [giveTaken, ...hooks(values.slice(taken))];
    },
    body: nothing,
  });
}
