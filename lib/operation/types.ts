/** The vocabulary that every room shares: what can be waited for, and how it ended. */

/** What a suspended generator yields to its scheduler. Opaque: made by this library alone. */
export interface Effect {
  /** What is waited for, in words: what a `Deadlock` reports. */
  describe(): string;
}

/**
 * Anything that `yield*` runs in a fiber: every generator whose waits are this library's.
 * What `spawn`, `scope`, `main` and friends take is a function that returns one.
 */
export interface Operation<T> {
  /** Runs it, inside the generator that says `yield*`. */
  // deno-lint-ignore no-explicit-any -- TNext of a foreign generator: no scheduler sends anything
  [Symbol.iterator](): Iterator<Effect, T, any>;
}

/**
 * What the library gives you to wait on: `yield*` it in a fiber, `await` it in an async function.
 *
 * Cold and one-shot: it starts at its first `yield*` or `then`; a second use is a `TypeError`.
 * Events and fibers alone may be waited on any number of times. It is typed as yielding nothing,
 * so that `yield*` also type-checks inside the generators of other libraries.
 */
export interface Awaitable<T> extends PromiseLike<T> {
  /** Starts it, inside the generator that says `yield*`. */
  // deno-lint-ignore no-explicit-any -- what another library's scheduler sends is its own affair
  [Symbol.iterator](): Iterator<never, T, any>;
}

/** How something ended: with a value, or with the very thing that was thrown. */
export type Result<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: unknown };

/** A value, or nothing; tells a value that is `undefined` from no value. */
export type Option<T> = { readonly value: T } | undefined;

/** One of two, by position. */
export type Either<A, B> =
  | { readonly index: 0; readonly value: A }
  | { readonly index: 1; readonly value: B };

/** Stops something that was started or registered. */
export interface CancelHandle {
  /** Makes it stop. Does nothing the second time, or when it is over. */
  cancel(): void;
}
