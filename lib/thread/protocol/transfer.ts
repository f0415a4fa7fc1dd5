/** `transfer`: marks what is to be moved to another thread instead of copied. */
import { wrongType } from "../../internal/check.ts";

/** By marked value: what is to be moved along with it. */
const lists: WeakMap<object, readonly Transferable[]> = new WeakMap();

/**
 * Marks `value`, an argument or a result on its way to another thread, so that what is in `list`
 * is moved there instead of copied. Returns `value`. The mark holds for one way.
 *
 * @throws {TypeError} if `value` is no object, or `list` is no array
 *
 * @example
 * ```ts ignore
 * const pixels = new Uint8Array(1 << 20);
 * yield* pool.run("blur", transfer(pixels, [pixels.buffer]));
 * ```
 */
export function transfer<T>(value: T, list: Transferable[]): T {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) {
    throw wrongType("transfer", "value must be an object", value);
  }
  if (!Array.isArray(list)) {
    throw wrongType("transfer", "list must be an array", list);
  }
  lists.set(value, list);
  return value;
}

/** What is to be moved along with `values`; unmarks them. */
export function takeTransfers(values: readonly unknown[]): Transferable[] | undefined {
  let all: Set<Transferable> | undefined;
  for (const value of values) {
    if (typeof value !== "object" || value === null) continue;
    const list = lists.get(value);
    if (list === undefined) continue;
    lists.delete(value);
    all ??= new Set(); // two values may be marked with the same buffer
    for (const item of list) all.add(item);
  }
  return all && [...all];
}

/** Does nothing: for `init` and `atExit` of pools that need neither. */
export const noop = (): undefined => undefined;
