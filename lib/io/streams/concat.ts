/** Streams made of several: what `concat` and `tee` do. */
import type { Awaitable, Operation } from "../../operation/types.ts";

interface Readable {
  input(buffer: Uint8Array): Awaitable<number>;
}

interface Closable {
  close(): Awaitable<void>;
}

/** How far a concatenation has come. */
export interface Concatenation {
  readonly inputs: readonly Readable[];
  index: number;
}

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

/** Waits until all are closed, whatever fails; one failure as itself, several together. */
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
