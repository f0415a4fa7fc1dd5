/** Checks of arguments that the streams, servers and commands have in common. */
import { wrongType } from "../../internal/check.ts";

/** @throws {TypeError} unless `value` is a `Uint8Array` */
export function checkBuffer(action: string, argument: string, value: unknown): void {
  if (value instanceof Uint8Array) return;
  throw wrongType(action, `${argument} must be a Uint8Array`, value);
}

/** @throws {TypeError} if one of `names`, which are not for the caller, is among the options */
export function refuseOptions(
  action: string,
  options: object,
  names: readonly string[],
  why: string,
): void {
  for (const name of names) {
    if ((options as Record<string, unknown>)[name] === undefined) continue;
    throw new TypeError(`Cannot ${action}: ${name} must not be given; ${why}`);
  }
}

/** @throws {TypeError} unless `value` is an object, which can hold hooks */
export function checkHooks(action: string, value: unknown): void {
  if (typeof value === "object" && value !== null) return;
  throw wrongType(action, "hooks must be an object", value);
}
