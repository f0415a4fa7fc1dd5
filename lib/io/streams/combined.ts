/** Streams that are made of several: `Input.concat` and `Output.tee`. */
import type { Awaitable, Operation } from "../../operation/types.ts";
import type { DrainHooks } from "./drain.ts";

interface Readable {
  input(buffer: Uint8Array): Awaitable<number>;
}

interface Closable {
  close(): Awaitable<void>;
}

/** The inputs of a `concat`, and which of them is being read. */
export interface Concatenation {
  readonly inputs: readonly Readable[];
  index: number;
}

/** Reads from the first that has not ended. */
export function* concatInto(
  state: Concatenation,
  buffer: Uint8Array,
): Generator<never, number, unknown> {
  for (; state.index < state.inputs.length; state.index++) {
    const count = yield* state.inputs[state.index]!.input(buffer);
    if (count > 0) return count;
  }
  return 0;
}

/** Closes all of them, whatever fails; throws one failure as itself, several together. */
export function* closeAll(streams: readonly Closable[]): Operation<void> {
  const failures: unknown[] = [];
  for (const stream of streams) {
    try {
      yield* stream.close();
    } catch (error) {
      failures.push(error);
    }
  }
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, "Several streams failed to close");
}

interface Writable {
  output(bytes: Uint8Array): Awaitable<void>;
  flush(): Awaitable<void>;
}

/**
 * The hooks of a tee. Each output takes a piece as a whole or not at all. So when a piece that was
 * interrupted is tried again, it goes on with the output that had not taken it.
 */
export class Tee implements DrainHooks {
  readonly #outputs: readonly Writable[];
  /** How many outputs have taken the piece that is under way. */
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
