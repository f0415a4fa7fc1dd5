import { show } from "../internal/check.ts";

/** @throws {TypeError} unless `value` is a `Uint8Array` */
export function checkBuffer(action: string, argument: string, value: unknown): void {
  if (value instanceof Uint8Array) return;
  throw new TypeError(`Cannot ${action}: ${argument} must be a Uint8Array, got ${show(value)}`);
}

/** @throws {TypeError} unless `value` is an object, which can hold hooks */
export function checkHooks(action: string, value: unknown): void {
  if (typeof value === "object" && value !== null) return;
  throw new TypeError(`Cannot ${action}: hooks must be an object, got ${show(value)}`);
}
