/** How two libraries of this world lend Weft their way to block. */
import { action } from "npm:effection@4.1.1";
import { Effect } from "npm:effect@4.1.0";
import type { Trigger } from "@weft/weft/trigger";

/** What both have in common: a callback that resumes, and a release that may come before it. */
class Latch {
  #released = false;
  #over = false;
  #resume: (() => void) | undefined;

  readonly release = (): void => {
    this.#released = true;
    this.#end(() => this.#resume?.());
  };

  /** The task waits: `resume` lets it go on. */
  begin(resume: () => void): void {
    this.#resume = resume;
    if (this.#released) this.release();
  }

  /** The task was cancelled, unless it has been resumed. */
  cancel(onCancel: (() => void) | undefined): void {
    this.#end(() => onCancel?.());
  }

  #end(f: () => void): void {
    if (this.#over || this.#resume === undefined) return;
    this.#over = true;
    f();
  }
}

/** In Effection: its `action`, whose cleanup runs however the wait ends. */
export function effectionTrigger(): Trigger {
  const latch = new Latch();
  return {
    release: latch.release,
    await: (onCancel) =>
      action<void>((resolve) => {
        latch.begin(resolve);
        return () => latch.cancel(onCancel);
      }) as unknown as ReturnType<Trigger["await"]>, // it can't be awaited; only yield* is used here
  };
}

/** In Effect: its `callback`, whose finalizer runs if the wait is interrupted. */
export function effectTrigger(): Trigger {
  const latch = new Latch();
  return {
    release: latch.release,
    await: (onCancel) =>
      Effect.callback<void>((resume) => {
        latch.begin(() => resume(Effect.void));
        return Effect.sync(() => latch.cancel(onCancel));
      }) as unknown as ReturnType<Trigger["await"]>, // it can't be awaited; only yield* is used here
  };
}
