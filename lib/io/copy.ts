import { GeneratorOperation } from "../fiber/generator_operation.ts";
import { show } from "../internal/check.ts";
import type { Awaitable } from "../operation/types.ts";
import type { Output } from "./output.ts";
import { chunk } from "./rules.ts";
import type { Source } from "./source.ts";
import { Take } from "./take.ts";

/** What `Input.copyInto` does. */
export function copy(source: Source, output: Output): Awaitable<number> {
  if (typeof output?.output !== "function") {
    throw new TypeError(`Cannot copy: output must be an Output, got ${show(output)}`);
  }
  return new GeneratorOperation("a copy of an input", copyAll, { source, output });
}

function* copyAll(
  { source, output }: { source: Source; output: Output },
): Generator<never, number, unknown> {
  let total = 0;
  for (;;) {
    const taken = yield* new Take(source, chunk, undefined);
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
