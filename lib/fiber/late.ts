/**
 * Values that nobody takes: several fibers may return one in the same instant, or in spite of the
 * abort that was to end them, and a nursery may fail or be aborted when it has some already. What
 * has to be closed would be lost, so they are handed to `onLate`.
 */
import { checkOptional, checkOptions } from "../internal/check.ts";
import type { Awaitable, Operation } from "../operation/types.ts";
import type { ReleaseHook } from "./context.ts";
import { nothing, type Nursery, openNursery, runHook } from "./nursery.ts";

/** What becomes of values that are not returned. */
export interface LateOptions<T> {
  /**
   * Is called for each value that is not returned, to close it: protected from aborts, one after
   * the other, in the order in which they came (`all` and `map`: of the bodies), and waited for. It
   * may suspend. What it throws is a failure, and it is still called for the others. One that
   * returns a promise, which nobody would wait for, has failed, too: wait for it with `fromPromise`.
   */
  onLate?: (value: T) => void | Operation<void>;
}

/** The `onLate` of such options. */
export function checkLate<T>(
  action: string,
  options: LateOptions<T> | undefined,
): LateOptions<T>["onLate"] {
  checkOptions(action, options);
  checkOptional(action, "onLate", options?.onLate, "function");
  return options?.onLate;
}

/** A nursery whose fibers return values, not all of which it returns. */
export interface Harvest<T, V> {
  readonly nursery: Nursery<T>;
  /** The values that there are, in the order in which they are given back; some places may be empty. */
  readonly values: readonly V[];
  /** How many of them, the first ones, the nursery returns if it returns. */
  readonly wanted: number;
  readonly onLate: ((value: V) => void | Operation<void>) | undefined;
}

/**
 * Opens the nursery. With `onLate` there is another one around it, whose hook gives back what the
 * inner one has not returned once that is over, and so can't get it wrong.
 */
export function openHarvest<T, V>(
  { nursery, values, wanted, onLate }: Harvest<T, V>,
): Awaitable<T> {
  if (onLate === undefined) return openNursery(nursery);
  let taken = 0;
  const present = () => true; // an array passes over the places that were never filled
  const giveBack = () =>
    giveAll({
      late: values.slice(taken).filter(present),
      taken: values.slice(0, taken),
      onLate,
    });
  return openNursery({
    name: nursery.name,
    enter: (context) => context.onRelease(giveBack),
    *body() {
      const value = yield* openNursery(nursery);
      taken = wanted;
      return value;
    },
  });
}

interface Giving<V> {
  readonly late: readonly V[];
  /** What was to be returned, and won't be if `onLate` fails. */
  readonly taken: readonly V[];
  readonly onLate: (value: V) => void | Operation<void>;
}

function giveAll<V>({ late, taken, onLate }: Giving<V>): Awaitable<void> {
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
  const hooks = (values: readonly V[]) => values.map((value) => () => give(value)).reverse();
  return openNursery({
    name: "scope of values that came late",
    shield: true, // in however deep a stack
    enter(context) {
      const giveTaken = () => {
        if (failed) releases.push(...hooks(taken));
      };
      const releases: ReleaseHook[] = [giveTaken, ...hooks(late)]; // last in, first out
      context.extra.releases = releases;
    },
    body: nothing,
  });
}
