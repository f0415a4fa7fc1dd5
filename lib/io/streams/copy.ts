import { GeneratorOperation } from "../../fiber/core/generator_operation.ts";
import { checkOptional, checkOptions, show } from "../../internal/check.ts";
import type { Awaitable } from "../../operation/types.ts";
import { ByteQueue, type Gate, pour, pourBack, type Source, Take } from "../bytes/mod.ts";
import { Output, outputQueue } from "./output.ts";

/** How an input is copied. */
export interface CopyOptions {
  /**
   * Whether the output is flushed whenever all that has come is in it: for an echo or a proxy, whose
   * other side waits for what is there before it says more. Default false.
   */
  flush?: boolean;
}

/** What `Input.copyInto` does. */
export function copy(
  source: Source,
  gate: Gate,
  output: Output,
  options: CopyOptions | undefined,
): Awaitable<number> {
  if (!(output instanceof Output)) {
    throw new TypeError(`Cannot copy: output must be an Output, got ${show(output)}`);
  }
  checkOptions("copy", options);
  checkOptional("copy", "flush", options?.flush, "boolean");
  const flush = options?.flush === true;
  return new GeneratorOperation("a copy of an input", copyAll, { source, gate, output, flush });
}

interface Copy {
  readonly source: Source;
  readonly gate: Gate;
  readonly output: Output;
  readonly flush: boolean;
}

/** The storage of what has come goes from hand to hand: none of the bytes is copied on the way. */
function* copyAll({ source, gate, output, flush }: Copy): Generator<never, number, unknown> {
  const basket = new ByteQueue();
  for (let total = 0;;) {
    const count = yield* new Take(source, pour, basket, gate);
    if (count === 0) return total;
    const { forgotten } = source;
    try {
      yield* outputQueue(output, basket);
    } finally { // also when somebody gives the generator up by `return`
      if (source.forgotten !== forgotten) basket.clear(); // it was closed meanwhile
      else if (basket.length > 0) pourBack(source, basket);
    }
    if (flush && source.bytes.length === 0) yield* output.flush();
    total += count;
  }
}
