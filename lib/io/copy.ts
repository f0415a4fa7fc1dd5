import { GeneratorOperation } from "../fiber/generator_operation.ts";
import { show } from "../internal/check.ts";
import type { Awaitable } from "../operation/types.ts";
import type { Output } from "./output.ts";
import { chunk } from "./rules.ts";
import type { Gate, Source } from "./source.ts";
import { Take } from "./take.ts";

/** What `Input.copyInto` does. */
export function copy(source: Source, gate: Gate, output: Output): Awaitable<number> {
  if (typeof output?.output !== "function") {
    throw new TypeError(`Cannot copy: output must be an Output, got ${show(output)}`);
  }
  return new GeneratorOperation("a copy of an input", copyAll, { source, gate, output });
}

function* copyAll(
  { source, gate, output }: { source: Source; gate: Gate; output: Output },
): Generator<never, number, unknown> {
  let total = 0;
  for (;;) {
    const taken = yield* new Take(source, chunk, undefined, gate);
    if (taken === undefined) return total;
    let accepted = false;
    try {
      yield* output.output(taken);
      accepted = true;
    } finally { // also when somebody gives the generator up by `return`
      if (!accepted) source.giveBack(taken);
    }
    total += taken.length;
  }
}
