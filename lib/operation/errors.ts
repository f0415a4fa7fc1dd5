/** The errors of fibers: what an abort, a timeout and a deadlock look like. */

/**
 * Thrown into a fiber that is aborted, at its `yield*`; `cause` is the reason. It always means
 * you: somebody else's abort shows as {@linkcode FiberAborted}.
 *
 * Catch it only to clean up, and throw it again; swallowing it doesn't undo the abort. A fiber
 * whose body throws an `Abort` that it made itself aborts itself.
 */
export class Abort extends Error {
  /** "AbortError". */
  override name = "AbortError";

  /** `reason` becomes the `cause`. */
  constructor(reason?: unknown) {
    super(`The fiber was aborted${describeReason(reason)}`, { cause: reason });
  }
}

/** Another fiber, or a scope that was cancelled from inside, ended aborted. `cause`: its `Abort`. */
export class FiberAborted extends Error {
  /** "FiberAborted". */
  override name = "FiberAborted";
  /** The other one's `Abort`. */
  declare readonly cause: Abort;

  /** `abort` becomes the `cause`; `what` was aborted. */
  constructor(abort: Abort, what = "fiber") {
    super(`The ${what} was aborted${describeReason(abort.cause)}`, { cause: abort });
  }
}

/**
 * A deadline passed. It is an ordinary failure of the context whose deadline it was. One that the
 * library makes names the fiber, and its stack leads to the `yield*` that throws it.
 */
export class Timeout extends Error {
  /** "TimeoutError". */
  override name = "TimeoutError";

  /** The default message is "The deadline passed". */
  constructor(message = "The deadline passed") {
    super(message);
  }
}

/** The `finally` callback of a fiber threw, which is a programming error. `cause`: what it threw. */
export class FinallyRaised extends Error {
  /** "FinallyRaised". */
  override name = "FinallyRaised";

  /** `error` becomes the `cause`. */
  constructor(error: unknown) {
    super("The finally callback of a fiber threw", { cause: error });
  }
}

/** A fiber that can never be woken. */
export interface StuckFiber {
  /** Its id. */
  readonly id: number;
  /** Its name. */
  readonly name: string;
  /** What it waits on, in words. */
  readonly waitsOn: string;
}

/** Nothing can ever wake the fibers that are left. */
export class Deadlock extends Error {
  /** "Deadlock". */
  override name = "Deadlock";
  /** Those fibers, in spawn order. */
  readonly fibers: readonly StuckFiber[];

  /** `hint` is appended to the message. */
  constructor(fibers: readonly StuckFiber[], hint = "") {
    const shown = fibers.slice(0, 20).map((f) => `\n  ${f.name} (#${f.id}) waits on ${f.waitsOn}`);
    const rest = fibers.length > shown.length
      ? `\n  … and ${fibers.length - shown.length} more`
      : "";
    super(`Nothing can ever wake the fibers that are left:${shown.join("")}${rest}${hint}`);
    this.fibers = fibers;
  }
}

function describeReason(reason: unknown): string {
  if (reason === undefined) return "";
  if (reason instanceof Error) return `: ${reason.message}`;
  return typeof reason === "string" ? `: ${reason}` : "";
}
