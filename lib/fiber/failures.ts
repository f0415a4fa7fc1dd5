/**
 * The exceptions that a context will end with (law 2).
 *
 * Failures are told apart by identity. An error that wraps a recorded one (its `cause` chain, or
 * the errors of an `AggregateError`, hold it) takes its place; one that a recorded one wraps adds
 * nothing. Neither does the news that somebody was aborted because of a recorded failure, whichever
 * of the two came first.
 */
import { Abort, FiberAborted } from "../operation/errors.ts";

export class Failures {
  /** In the order in which they happened. */
  readonly #recorded: Map<unknown, true> = new Map();
  /** What the recorded ones wrap, but for news. */
  readonly #wrapped: Set<unknown> = new Set();
  /** The news that somebody was aborted, by the failure because of which. */
  readonly #news: Map<unknown, FiberAborted[]> = new Map();

  constructor(error: unknown) {
    this.#record(error, causesOf(error), []);
  }

  add(error: unknown): void {
    if (this.#recorded.has(error) || this.#wrapped.has(error)) return;
    const causes = causesOf(error);
    const replaced = causes.filter((cause) => this.#recorded.has(cause));
    if (error instanceof FiberAborted) {
      if (replaced.length > 0 || causes.filter(isFailure).some((e) => this.#wrapped.has(e))) return;
    } else {
      const news = [error, ...causes].flatMap((failure) => this.#news.get(failure) ?? []);
      replaced.push(...news.filter((old) => this.#recorded.has(old)));
    }
    this.#record(error, causes, replaced);
  }

  #record(error: unknown, causes: readonly unknown[], replaced: readonly unknown[]): void {
    if (replaced.length === 0) this.#recorded.set(error, true);
    else this.#replace(replaced, error);
    if (error instanceof FiberAborted) {
      for (const failure of causes.filter(isFailure)) {
        const news = this.#news.get(failure);
        if (news === undefined) this.#news.set(failure, [error]);
        else news.push(error);
      }
    } else {
      for (const cause of causes) this.#wrapped.add(cause);
    }
  }

  /** Forgets those in `errors`; false if none is left. */
  forgive(errors: ReadonlySet<unknown>): boolean {
    for (const error of errors) this.#recorded.delete(error);
    return this.#recorded.size > 0;
  }

  /** One failure as itself, several as an `AggregateError`. */
  combined(): unknown {
    const failures = [...this.#recorded.keys()];
    if (failures.length === 1) return failures[0];
    const messages = failures.map((e) => e instanceof Error ? e.message : String(e));
    return new AggregateError(failures, `${failures.length} failures: ${messages.join("; ")}`, {
      cause: failures[0],
    });
  }

  /** Puts `error` where the first of `replaced` is. Rare, so it may rebuild the whole. */
  #replace(replaced: readonly unknown[], error: unknown): void {
    const before = [...this.#recorded.keys()];
    const place = before.findIndex((failure) => replaced.includes(failure));
    before[place] = error;
    this.#recorded.clear();
    for (const failure of before) {
      if (!replaced.includes(failure)) this.#recorded.set(failure, true);
    }
  }
}

/** Everything that `error` wraps, however deep. */
function causesOf(error: unknown): unknown[] {
  if (!(error instanceof Error) || (error.cause === undefined && !isAggregate(error))) return [];
  const causes = new Set<unknown>([error]);
  for (const cause of causes) { // grows as it goes
    if (!(cause instanceof Error)) continue;
    if (cause.cause !== undefined) causes.add(cause.cause);
    if (isAggregate(cause)) { for (const member of cause.errors) causes.add(member); }
  }
  causes.delete(error);
  return [...causes];
}

/** Not one that says that somebody was aborted, nor some other reason for that. */
function isFailure(cause: unknown): boolean {
  return cause instanceof Error && !(cause instanceof Abort);
}

function isAggregate(error: Error): error is AggregateError {
  return error instanceof AggregateError && Array.isArray(error.errors);
}
