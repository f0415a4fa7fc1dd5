import type { Awaitable } from "../../operation/types.ts";
import type { DrainHooks } from "./drain.ts";

interface Writable {
  output(bytes: Uint8Array): Awaitable<void>;
  flush(): Awaitable<void>;
}

/**
 * The hooks of a tee. Each output takes a piece as a whole or not at all, so a piece that was
 * interrupted on the way goes on with the output at which it stood.
 */
export class Tee implements DrainHooks {
  readonly #outputs: readonly Writable[];
  /** How many have taken the piece that is under way. */
  #taken = 0;

  constructor(outputs: readonly Writable[]) {
    this.#outputs = outputs;
  }

  *output(bytes: Uint8Array): Generator<never, void, unknown> {
    for (; this.#taken < this.#outputs.length; this.#taken++) {
      yield* this.#outputs[this.#taken]!.output(bytes);
    }
    this.#taken = 0;
  }

  *flush(): Generator<never, void, unknown> {
    for (const output of this.#outputs) yield* output.flush();
  }
}
