/**
 * Copying an input into an output. The storage of what has come goes from hand to hand: none of the
 * bytes is copied on the way, where the output has room for them.
 */
import { GeneratorOperation } from "../../fiber/core/mod.ts";
import { checkOptional, checkOptions, wrongType } from "../../internal/check.ts";
import { RuleWait } from "../../operation/rule_wait.ts";
import type { Awaitable } from "../../operation/types.ts";
import { ByteQueue, type Gate, pour, pourBack, Read, type Source } from "../bytes/mod.ts";
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
    throw wrongType("copy", "output must be an Output", output);
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

function* copyAll({ source, gate, output, flush }: Copy): Generator<never, number, unknown> {
  const queue = new ByteQueue();
  const read = new Read(source, pour, queue, gate);
  for (let total = 0;;) {
    const count = yield* new RuleWait<number>(read);
    if (count === 0) return total;
    const { forgotten } = source;
    try {
      yield* outputQueue(output, queue);
    } finally { // also when somebody gives the generator up by `return`
      if (source.forgotten !== forgotten) queue.clear(); // the input was closed meanwhile
      else if (queue.length > 0) pourBack(source, queue);
    }
    if (flush && source.bytes.length === 0) yield* output.flush();
    total += count;
  }
}
