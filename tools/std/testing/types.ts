/**
 * Stands in for `jsr:@std/testing/types` on machines that cannot reach JSR (see `links` in
 * deno.json). npm has no copy of it, so the few types that our tests use are written here, with the
 * names and meanings of the original.
 *
 * @module
 */

/** Fails the type check unless `T` is what is passed; does nothing at run time. */
export function assertType<T extends boolean>(_expectTrue: T): void {}

/** `true` iff `T` and `U` are the same type; `any` is the same only as itself. */
export type IsExact<T, U> = (<X>() => X extends T ? 1 : 2) extends (<X>() => X extends U ? 1 : 2)
  ? true
  : false;

/** `true` iff `T` is `any`. */
export type IsAny<T> = 0 extends 1 & T ? true : false;

/** `true` iff `T` is `never`. */
export type IsNever<T> = [T] extends [never] ? true : false;

/** `true` iff `T` is `unknown`. */
export type IsUnknown<T> = IsExact<T, unknown>;
