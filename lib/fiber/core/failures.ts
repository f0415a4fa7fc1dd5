/**
 * The exceptions that a context will end with (law 2).
 *
 * Failures are told apart by identity. An error *wraps* another one if that is in its `cause` chain,
 * or among the errors of an `AggregateError` in there.
 *  - An error that wraps a recorded one takes its place.
 *  - An error that a recorded one wraps adds nothing.
 *  - A `FiberAborted` whose cause is a recorded failure is only *news* of that failure, and adds
 *    nothing either, whichever of the two came first.
 */
import { Abort, FiberAborted } from "../../operation/errors.ts";

export class Failures {
  /** In the order in which they happened. */
  readonly #recorded: Set<unknown> = new Set();
  /** What the recorded ones wrap; what a `FiberAborted` wraps isn't in here. */
  readonly #wrapped: Set<unknown> = new Set();
  /** The recorded `FiberAborted`s, by the failure that was the reason of the abort. */
  readonly #news: Map<unknown, FiberAborted[]> = new Map();

  constructor(error: unknown) {
    this.add(error);
  }

  add(error: unknown): void {
    if (this.#recorded.has(error) || this.#wrapped.has(error)) return;
    const causes = causesOf(error);
    const replaced = causes.filter((cause) => this.#recorded.has(cause));
    if (error instanceof FiberAborted) {
      const failures = causes.filter(isFailure);
      if (replaced.length > 0 || failures.some((failure) => this.#wrapped.has(failure))) return;
      for (const failure of failures) {
        const news = this.#news.get(failure) ?? [];
        news.push(error);
        this.#news.set(failure, news);
      }
    } else {
      const news = [error, ...causes].flatMap((failure) => this.#news.get(failure) ?? []);
      replaced.push(...news.filter((old) => this.#recorded.has(old)));
      for (const cause of causes) this.#wrapped.add(cause);
    }
    if (replaced.length > 0) this.#replace(replaced, error);
    this.#recorded.add(error);
  }

  /** Forgets those in `errors`. Returns whether one is left. */
  forgive(errors: ReadonlySet<unknown>): boolean {
    for (const error of errors) this.#recorded.delete(error);
    return this.#recorded.size > 0;
  }

  /** One failure as itself, several as an `AggregateError`. */
  combined(): unknown {
    const failures = [...this.#recorded];
    if (failures.length === 1) return failures[0];
    const messages = failures.map((e) => e instanceof Error ? e.message : String(e));
    return new AggregateError(failures, `${failures.length} failures: ${messages.join("; ")}`, {
      cause: failures[0],
    });
  }

  /** Puts `error` where the first of `replaced` is. Rare, so it may rebuild the whole. */
  #replace(replaced: readonly unknown[], error: unknown): void {
    const before = [...this.#recorded];
    this.#recorded.clear();
    for (const failure of before) this.#recorded.add(replaced.includes(failure) ? error : failure);
  }
}

/** Everything that `error` wraps, however deep. */
function causesOf(error: unknown): unknown[] {
  const causes = new Set([error]);
  for (const cause of causes) { // grows as it goes
    if (!(cause instanceof Error)) continue;
    if (cause.cause !== undefined) causes.add(cause.cause);
    if (!(cause instanceof AggregateError) || !Array.isArray(cause.errors)) continue;
    for (const member of cause.errors) causes.add(member);
  }
  causes.delete(error);
  return [...causes];
}

/** Whether it is an error that happened: no `Abort`, and no other reason that an abort was given. */
function isFailure(cause: unknown): boolean {
  return cause instanceof Error && !(cause instanceof Abort);
}
